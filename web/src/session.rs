//! What every page can ask for: where it is, how to go elsewhere, what time it
//! is, how people want to read times, and a way to say something.

use std::rc::Rc;

use form_urlencoded::{Serializer, parse};
use yew::{AttrValue, Callback, hook, use_context};

use crate::{api::Problem, browser, clock, format, route::Route, store::State};

/// Where the settings are kept, beside the theme.
const KEY: &str = "jobflow-settings";

/// How people want to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Settings {
    pub(crate) utc: bool,
    /// Times as instants, not as how long ago.
    pub(crate) absolute: bool,
    pub(crate) compact: bool,
}

impl Settings {
    pub(crate) fn load() -> Self {
        Self::read(&browser::stored(KEY).unwrap_or_default())
    }

    pub(crate) fn keep(self) {
        browser::store(KEY, &self.write());
        self.show();
    }

    /// What the style sheet has to know.
    pub(crate) fn show(self) {
        let density = if self.compact {
            "compact"
        } else {
            "comfortable"
        };
        browser::mark_page("data-density", density);
    }

    fn read(text: &str) -> Self {
        let is =
            |name: &str, value: &str| parse(text.as_bytes()).any(|(n, v)| n == name && v == value);
        Self {
            utc: is("zone", "utc"),
            absolute: is("times", "absolute"),
            compact: is("density", "compact"),
        }
    }

    fn write(self) -> String {
        let mut text = Serializer::new(String::new());
        for (is, name, value) in [
            (self.utc, "zone", "utc"),
            (self.absolute, "times", "absolute"),
            (self.compact, "density", "compact"),
        ] {
            if is {
                text.append_pair(name, value);
            }
        }
        text.finish()
    }

    /// So many minutes the times shown are ahead of UTC.
    pub(crate) fn offset(self, millis: u64) -> i32 {
        if self.utc {
            0
        } else {
            browser::offset_minutes(millis)
        }
    }

    /// A past instant as the reader wants it.
    pub(crate) fn past(self, millis: u64, now: u64) -> String {
        if self.absolute {
            clock::short(millis, now, self.offset(millis))
        } else {
            format::ago(now.saturating_sub(millis))
        }
    }

    /// An instant to the millisecond, with its zone.
    pub(crate) fn full(self, millis: u64) -> String {
        let offset = self.offset(millis);
        format!("{} {}", clock::full(millis, offset), clock::zone(offset))
    }
}

/// Something that the page says once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) text: AttrValue,
    /// Failures stay until they are put away.
    pub(crate) failed: bool,
}

impl Notice {
    pub(crate) fn done(text: impl Into<AttrValue>) -> Self {
        Self {
            text: text.into(),
            failed: false,
        }
    }

    /// `what` says what was tried, as in `Could not retry the job`.
    pub(crate) fn failed(what: &str, problem: &Problem) -> Self {
        Self {
            text: format!("{what}: {}.", problem.message.trim_end_matches('.')).into(),
            failed: true,
        }
    }
}

/// The page's surroundings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Session {
    pub(crate) route: Rc<Route>,
    pub(crate) go: Callback<Route>,
    pub(crate) settings: Settings,
    pub(crate) set: Callback<Settings>,
    pub(crate) tell: Callback<Notice>,
}

/// The surroundings of the page that asks.
#[hook]
pub(crate) fn use_session() -> Session {
    use_context().expect("every page is drawn inside a session")
}

/// The numbers as they stream: whoever asks is drawn anew with each of them.
#[derive(Debug, Clone)]
pub(crate) struct Live(pub(crate) Rc<State>);

impl PartialEq for Live {
    fn eq(&self, other: &Self) -> bool {
        // Every event makes a new state.
        Rc::ptr_eq(&self.0, &other.0)
    }
}

#[hook]
pub(crate) fn use_live() -> Rc<State> {
    use_context::<Live>()
        .expect("every page is drawn inside a session")
        .0
}

/// The clock of the store, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now(pub(crate) u64);

#[hook]
pub(crate) fn use_now() -> u64 {
    use_context::<Now>()
        .expect("every page is drawn inside a session")
        .0
}

/// Moves on when the numbers say that jobs have moved, at most every two
/// seconds: what is read once is then read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn(pub(crate) u64);

#[hook]
pub(crate) fn use_turn() -> u64 {
    use_context::<Turn>()
        .expect("every page is drawn inside a session")
        .0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_back_as_they_were_kept() {
        for utc in [false, true] {
            for absolute in [false, true] {
                let settings = Settings {
                    utc,
                    absolute,
                    compact: utc != absolute,
                };
                assert_eq!(Settings::read(&settings.write()), settings);
            }
        }
        assert_eq!(Settings::read("odd&times=when"), Settings::default());
    }
}
