//! Which page is shown, as the address bar says it. Pure: the address is the
//! view, so that every view can be kept, sent and gone back to.

use form_urlencoded::{Serializer, parse};
use jobflow::JobState;

use crate::past::Span;

/// Below this the server answers with the page; above it with its APIs.
const ROOT: &str = "/ui/";

/// A page with what it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Overview,
    Jobs(JobsView),
    Job(String),
    Queues,
    Queue(QueueView),
    Dead,
    Workers,
    /// With the filter of what is followed.
    Events(String),
    Audit,
    Settings,
    Missing(String),
}

/// Which queue, and how far back and of which kind its history is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct QueueView {
    pub(crate) name: String,
    pub(crate) span: Span,
    /// All kinds together when empty.
    pub(crate) kind: String,
}

/// Which jobs are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct JobsView {
    /// As it was typed: the page says what is wrong with it.
    pub(crate) filter: String,
    /// The tab.
    pub(crate) state: Option<JobState>,
}

impl JobsView {
    /// The jobs of a filter, in all states.
    pub(crate) fn of(filter: impl Into<String>) -> Self {
        Self {
            filter: filter.into(),
            state: None,
        }
    }

    /// The filter with the state of the tab.
    pub(crate) fn whole_filter(&self) -> String {
        let filter = self.filter.trim();
        match self.state {
            None => filter.to_owned(),
            Some(state) if filter.is_empty() => format!("state = {state}"),
            Some(state) => format!("state = {state} AND ({filter})"),
        }
    }

    /// The order that people look for: what ended last and what is next first.
    pub(crate) fn order(&self) -> &'static str {
        match self.state {
            Some(JobState::Completed | JobState::Failed | JobState::Cancelled) => {
                "finish_time desc"
            }
            Some(JobState::Scheduled | JobState::Retrying) => "run_time",
            Some(JobState::Waiting) => "position",
            Some(JobState::Active) => "lease_expire_time",
            Some(JobState::Blocked) | None => "",
        }
    }
}

impl Route {
    /// The page of a queue.
    pub(crate) fn queue(name: &str) -> Self {
        Self::Queue(QueueView {
            name: name.to_owned(),
            ..QueueView::default()
        })
    }

    /// The page of a path and a query, as the address bar has them.
    pub(crate) fn read(path: &str, query: &str) -> Self {
        if path == "/" || path == "/index.html" {
            return Self::Overview;
        }
        let missing = || Self::Missing(path.to_owned());
        let Some(rest) = path.strip_prefix(ROOT) else {
            return missing();
        };
        let query = query.trim_start_matches('?');
        let value = |name: &str| {
            let mut pairs = parse(query.as_bytes());
            let found = pairs.find(|(key, _)| key == name);
            found.map(|(_, value)| value.into_owned())
        };
        let mut parts = rest.trim_end_matches('/').splitn(2, '/');
        match (parts.next().unwrap_or_default(), parts.next()) {
            ("jobs", None) => Self::Jobs(JobsView {
                filter: value("filter").unwrap_or_default(),
                state: value("state").and_then(|state| JobState::from_word(&state)),
            }),
            ("jobs", Some(id)) => Self::Job(id.to_owned()),
            ("queues", None) => Self::Queues,
            ("queues", Some(name)) => Self::Queue(QueueView {
                name: name.to_owned(),
                span: value("span")
                    .and_then(|span| Span::from_word(&span))
                    .unwrap_or_default(),
                kind: value("kind").unwrap_or_default(),
            }),
            ("dead", None) => Self::Dead,
            ("workers", None) => Self::Workers,
            ("events", None) => Self::Events(value("filter").unwrap_or_default()),
            ("audit", None) => Self::Audit,
            ("settings", None) => Self::Settings,
            _ => missing(),
        }
    }

    /// The address of the page.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Overview => "/".into(),
            Self::Jobs(view) => with_query(
                "jobs",
                &[
                    ("state", view.state.map_or("", JobState::as_str)),
                    ("filter", &view.filter),
                ],
            ),
            Self::Job(id) => format!("{ROOT}jobs/{id}"),
            Self::Queues => with_query("queues", &[]),
            Self::Queue(view) => with_query(
                &format!("queues/{}", view.name),
                &[
                    (
                        "span",
                        if view.span == Span::default() {
                            ""
                        } else {
                            view.span.as_str()
                        },
                    ),
                    ("kind", &view.kind),
                ],
            ),
            Self::Dead => with_query("dead", &[]),
            Self::Workers => with_query("workers", &[]),
            Self::Events(filter) => with_query("events", &[("filter", filter)]),
            Self::Audit => with_query("audit", &[]),
            Self::Settings => with_query("settings", &[]),
            Self::Missing(path) => path.clone(),
        }
    }

    /// What the tab is called.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Overview => "Overview".into(),
            Self::Jobs(_) => "Jobs".into(),
            Self::Job(id) => format!("Job {}", crate::format::short_id(id)),
            Self::Queues => "Queues".into(),
            Self::Queue(view) => format!("Queue {}", view.name),
            Self::Dead => "Dead letters".into(),
            Self::Workers => "Workers".into(),
            Self::Events(_) => "Events".into(),
            Self::Audit => "Audit".into(),
            Self::Settings => "Settings".into(),
            Self::Missing(_) => "Not found".into(),
        }
    }
}

/// What is empty is left out: the shortest address of a view is the view's only one.
fn with_query(page: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    for (name, value) in pairs {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{ROOT}{page}{mark}{query}")
}

/// A value of a filter, quoted where it has to be.
pub(crate) fn quoted(value: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "._-:/".contains(c);
    if !value.is_empty() && value.chars().all(bare) && !value.starts_with('-') {
        return value.to_owned();
    }
    let mut text = String::from('"');
    for c in value.chars() {
        match c {
            '"' | '\\' | '*' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_read_back_from_its_address() {
        let view = JobsView {
            filter: r#"kind = send* (priority < 3 OR tags:"a b&c=d")"#.into(),
            state: Some(JobState::Failed),
        };
        for route in [
            Route::Overview,
            Route::Jobs(JobsView::default()),
            Route::Jobs(JobsView::of("queue = mail")),
            Route::Jobs(view),
            Route::Job("01a20fe9-e87a-77b0-b7c8-e50087584b6b".into()),
            Route::Queues,
            Route::queue("mail"),
            Route::Dead,
            Route::Workers,
            Route::Events(String::new()),
            Route::Events("queue = mail".into()),
            Route::Settings,
        ] {
            let address = route.address();
            let (path, query) = address.split_once('?').unwrap_or((&address, ""));
            assert_eq!(Route::read(path, query), route, "{address}");
        }
    }

    #[test]
    fn what_is_no_page_is_told_apart() {
        for path in ["/nowhere", "/ui/", "/ui/else", "/jobs"] {
            assert_eq!(Route::read(path, ""), Route::Missing(path.into()));
        }
        let odd = Route::read("/ui/jobs", "?state=odd");
        assert_eq!(
            odd,
            Route::Jobs(JobsView::default()),
            "a state that is none"
        );
    }

    #[test]
    fn a_tab_narrows_the_filter() {
        let mut view = JobsView::of("queue = a OR queue = b");
        assert_eq!(view.whole_filter(), "queue = a OR queue = b");
        view.state = Some(JobState::Waiting);
        let whole = view.whole_filter();
        assert_eq!(whole, "state = waiting AND (queue = a OR queue = b)");
        assert!(jobflow::Filter::parse(&whole).is_ok());
        view.filter = "  ".into();
        assert_eq!(view.whole_filter(), "state = waiting");
    }

    #[test]
    fn any_value_can_stand_in_a_filter() {
        for value in ["mail", "a b", "\"", "\\", "*", "-x", "ä", "x*\n\t"] {
            let filter = format!("worker = {}", quoted(value));
            assert!(jobflow::Filter::parse(&filter).is_ok(), "{filter}");
        }
        assert_eq!(quoted("a*"), r#""a\*""#);
    }
}
