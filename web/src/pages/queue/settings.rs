//! What a queue does differently, changed in place, one setting at a time.

use std::{rc::Rc, time::Duration};

use jobflow::proto::{Durability, Queue, QueueSettings, Retention};
use web_sys::{HtmlInputElement, HtmlSelectElement};
use yew::{
    Callback, Html, InputEvent, Properties, SubmitEvent, TargetCast, function_component, html,
    use_effect_with, use_state,
};

use super::pauses::QueueProps;
use crate::{
    api::{Api, Problem, values::duration},
    components::problem::ProblemNote,
    session::{Notice, use_session},
    span,
};

/// A setting as text in a box; empty is its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setting {
    MaxWaiting,
    CompletedCount,
    CompletedAge,
    FailedCount,
    FailedAge,
    CancelledCount,
    CancelledAge,
    MaxAttempts,
    Timeout,
    Durability,
    Partitions,
}

const SETTINGS: [Setting; 11] = [
    Setting::MaxWaiting,
    Setting::MaxAttempts,
    Setting::Timeout,
    Setting::CompletedCount,
    Setting::CompletedAge,
    Setting::FailedCount,
    Setting::FailedAge,
    Setting::CancelledCount,
    Setting::CancelledAge,
    Setting::Durability,
    Setting::Partitions,
];

const DURABILITIES: [(&str, Durability); 4] = [
    ("", Durability::Unspecified),
    ("memory", Durability::Memory),
    ("fsync", Durability::Fsync),
    ("replicated", Durability::Replicated),
];

impl Setting {
    const fn path(self) -> &'static str {
        match self {
            Self::MaxWaiting => "settings.max_waiting",
            Self::CompletedCount => "settings.completed_retention.count",
            Self::CompletedAge => "settings.completed_retention.age",
            Self::FailedCount => "settings.failed_retention.count",
            Self::FailedAge => "settings.failed_retention.age",
            Self::CancelledCount => "settings.cancelled_retention.count",
            Self::CancelledAge => "settings.cancelled_retention.age",
            Self::MaxAttempts => "settings.max_attempts",
            Self::Timeout => "settings.timeout",
            Self::Durability => "settings.durability",
            Self::Partitions => "settings.partitions",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::MaxWaiting => "Most waiting jobs",
            Self::CompletedCount => "Completed jobs kept",
            Self::CompletedAge => "… for how long",
            Self::FailedCount => "Failed jobs kept",
            Self::FailedAge => "… for how long",
            Self::CancelledCount => "Cancelled jobs kept",
            Self::CancelledAge => "… for how long",
            Self::MaxAttempts => "Attempts of a job",
            Self::Timeout => "Timeout of an attempt",
            Self::Durability => "Durability of a submit",
            Self::Partitions => "Partitions",
        }
    }

    /// What holds while the box is empty.
    const fn default(self) -> &'static str {
        match self {
            Self::MaxWaiting => "no limit",
            Self::CompletedCount | Self::CancelledCount => "1000",
            Self::CompletedAge | Self::CancelledAge => "24h",
            Self::FailedCount => "10000",
            Self::FailedAge => "30d",
            Self::MaxAttempts => "3",
            Self::Timeout => "30m",
            Self::Durability => "as the server says",
            Self::Partitions => "1",
        }
    }

    const fn is_span(self) -> bool {
        matches!(
            self,
            Self::CompletedAge | Self::FailedAge | Self::CancelledAge | Self::Timeout
        )
    }

    fn read(self, settings: &QueueSettings) -> String {
        let count = |retention: Option<Retention>| {
            retention
                .and_then(|kept| kept.count)
                .map(|count| count.to_string())
        };
        let age = |retention: Option<Retention>| {
            retention
                .and_then(|kept| kept.age)
                .map(|age| span::write(duration(age)))
        };
        let text = match self {
            Self::MaxWaiting => settings.max_waiting.map(|most| most.to_string()),
            Self::CompletedCount => count(settings.completed_retention),
            Self::CompletedAge => age(settings.completed_retention),
            Self::FailedCount => count(settings.failed_retention),
            Self::FailedAge => age(settings.failed_retention),
            Self::CancelledCount => count(settings.cancelled_retention),
            Self::CancelledAge => age(settings.cancelled_retention),
            Self::MaxAttempts => settings.max_attempts.map(|most| most.to_string()),
            Self::Timeout => settings
                .timeout
                .map(|timeout| span::write(duration(timeout))),
            Self::Durability => DURABILITIES
                .iter()
                .find(|(_, class)| *class == settings.durability())
                .map(|(word, _)| (*word).to_owned()),
            Self::Partitions => settings.partitions.map(|count| count.to_string()),
        };
        text.unwrap_or_default()
    }

    /// Settings with this one; what is no value of it is told.
    fn write(self, text: &str) -> Result<QueueSettings, &'static str> {
        const NUMBER: &str = "this is no whole number";
        let text = text.trim();
        let mut settings = QueueSettings::default();
        if text.is_empty() {
            return Ok(settings);
        }
        let number = || {
            text.parse::<i32>()
                .ok()
                .filter(|number| *number >= 0)
                .ok_or(NUMBER)
        };
        let time = || span::read(text).ok_or("write a time as 90s, 15m, 24h or 30d");
        let wire = |time: Duration| jobflow::proto::duration(time);
        let counted = |count: i32| Retention {
            count: Some(count),
            age: None,
        };
        let aged = |age: Duration| Retention {
            count: None,
            age: Some(wire(age)),
        };
        match self {
            Self::MaxWaiting => {
                let most = text.parse::<i64>().ok().filter(|number| *number >= 0);
                settings.max_waiting = Some(most.ok_or(NUMBER)?);
            }
            Self::CompletedCount => settings.completed_retention = Some(counted(number()?)),
            Self::CompletedAge => settings.completed_retention = Some(aged(time()?)),
            Self::FailedCount => settings.failed_retention = Some(counted(number()?)),
            Self::FailedAge => settings.failed_retention = Some(aged(time()?)),
            Self::CancelledCount => settings.cancelled_retention = Some(counted(number()?)),
            Self::CancelledAge => settings.cancelled_retention = Some(aged(time()?)),
            Self::MaxAttempts => settings.max_attempts = Some(number()?),
            Self::Partitions => settings.partitions = Some(number()?),
            Self::Timeout => settings.timeout = Some(wire(time()?)),
            Self::Durability => {
                let class = DURABILITIES.iter().find(|(word, _)| *word == text);
                settings.set_durability(class.ok_or("there is no such class")?.1);
            }
        }
        Ok(settings)
    }
}

#[function_component]
pub(super) fn SettingsPanel(props: &QueueProps) -> Html {
    html! {
        <section class="panel" aria-labelledby="settings-title">
            <header class="panel-head">
                <h2 id="settings-title">{"Settings"}</h2>
                <p class="panel-note">{"An empty box is the default."}</p>
            </header>
            <div class="settings">
                {for SETTINGS.iter().map(|setting| html! {
                    <Row setting={*setting} queue={Rc::clone(&props.queue)} changed={props.changed.clone()} />
                })}
            </div>
        </section>
    }
}

#[derive(Debug, PartialEq, Properties)]
struct RowProps {
    setting: Setting,
    queue: Rc<Queue>,
    changed: Callback<()>,
}

#[function_component]
fn Row(props: &RowProps) -> Html {
    let session = use_session();
    let setting = props.setting;
    let stored = setting.read(&props.queue.settings.unwrap_or_default());
    let text = use_state(|| stored.clone());
    let problem = use_state(|| None::<Problem>);
    // The etag of when somebody began to type: a change of somebody else in
    // between is told, not overwritten.
    let etag = use_state(|| props.queue.etag.clone());
    {
        let (text, etag) = (text.clone(), etag.clone());
        let now = props.queue.etag.clone();
        use_effect_with(stored.clone(), move |stored| {
            text.set(stored.clone());
            etag.set(now);
        });
    }
    let edited = *text != stored;
    let onsubmit = {
        let (name, text, etag) = (props.queue.name.clone(), (*text).clone(), (*etag).clone());
        let (problem, changed, tell) = (problem.clone(), props.changed.clone(), session.tell);
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let settings = match setting.write(&text) {
                Ok(settings) => settings,
                Err(wrong) => return problem.set(Some(Problem::local(wrong))),
            };
            let queue = Queue {
                name: name.clone(),
                settings: Some(settings),
                etag: etag.clone(),
                ..Queue::default()
            };
            let (problem, changed, tell) = (problem.clone(), changed.clone(), tell.clone());
            wasm_bindgen_futures::spawn_local(async move {
                match Api::update_queue(queue, setting.path()).await {
                    Ok(_) => {
                        problem.set(None);
                        tell.emit(Notice::done(format!("{} is set.", setting.title())));
                    }
                    Err(failed) => problem.set(Some(failed)),
                }
                changed.emit(());
            });
        })
    };
    let begin = {
        let (etag, now, edited) = (etag, props.queue.etag.clone(), edited);
        move || {
            if !edited {
                etag.set(now.clone());
            }
        }
    };
    let oninput = {
        let (text, begin) = (text.clone(), begin.clone());
        Callback::from(move |event: InputEvent| {
            begin();
            text.set(event.target_unchecked_into::<HtmlInputElement>().value());
        })
    };
    let onchange = {
        let text = text.clone();
        Callback::from(move |event: yew::Event| {
            begin();
            text.set(event.target_unchecked_into::<HtmlSelectElement>().value());
        })
    };
    let id = setting.path().replace('.', "-");
    html! {
        <form class="setting" {onsubmit} data-setting={setting.path()}>
            <label for={id.clone()}>{setting.title()}</label>
            if setting == Setting::Durability {
                <select {id} {onchange}>
                    {for DURABILITIES.iter().map(|(word, _)| html! {
                        <option value={*word} selected={*word == text.as_str()}>{if word.is_empty() { setting.default() } else { *word }}</option>
                    })}
                </select>
            } else {
                <input {id} type="text" inputmode={if setting.is_span() { "text" } else { "numeric" }} placeholder={setting.default()} value={(*text).clone()} {oninput} aria-invalid={problem.is_some().to_string()} />
            }
            <button type="submit" class="button primary" disabled={!edited}>{"Save"}</button>
            if let Some(problem) = &*problem {
                <ProblemNote problem={problem.clone()} />
            }
        </form>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_read_back_as_it_was_written() {
        for setting in SETTINGS {
            let text = match setting {
                Setting::Durability => "fsync",
                setting if setting.is_span() => "36h",
                _ => "7",
            };
            let settings = setting.write(text).expect("a value");
            assert_eq!(setting.read(&settings), text, "{setting:?}");
            assert_eq!(
                setting.write(" ").expect("the default"),
                QueueSettings::default()
            );
            assert!(setting.write("x").is_err() && setting.write("-1").is_err());
        }
    }
}
