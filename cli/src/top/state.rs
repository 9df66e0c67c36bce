//! What is shown.

use jobflow::proto::{DeadLetterGroup, Job, Queue, QueueMetrics, StreamMetricsResponse, Worker};

use super::action::Action;
use crate::args::Tab;

/// After how many messages a list is read again. Grouping looks at every
/// failed job, so it is asked for less often.
const LIST_EVERY: u32 = 2;
const GROUPS_EVERY: u32 = 10;

pub(super) const TABS: [(Tab, &str); 5] = [
    (Tab::Overview, "overview"),
    (Tab::Queues, "queues"),
    (Tab::Jobs, "jobs"),
    (Tab::Workers, "workers"),
    (Tab::Dead, "dead letters"),
];

pub(super) struct State {
    pub(super) tab: Tab,
    pub(super) mode: Mode,
    pub(super) numbers: Option<StreamMetricsResponse>,
    /// Why the numbers do not move.
    pub(super) lost: Option<String>,
    pub(super) jobs: Vec<Job>,
    pub(super) workers: Vec<Worker>,
    pub(super) groups: Vec<DeadLetterGroup>,
    /// What came of the last action, or why a list is not there.
    pub(super) notice: String,
    tabs: [View; TABS.len()],
    /// A list is being read.
    is_loading: bool,
    /// Messages since a list was read.
    age: u32,
}

/// What each tab remembers.
#[derive(Default)]
struct View {
    selected: usize,
    filter: String,
}

/// What the keys mean.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mode {
    Look,
    Help,
    /// Typing a filter.
    Filter(String),
    Confirm(Action),
}

/// News for the state.
pub(super) enum Update {
    Numbers(Box<StreamMetricsResponse>),
    Lost(String),
    Jobs(Vec<Job>),
    Workers(Vec<Worker>),
    Groups(Vec<DeadLetterGroup>),
    /// A list could not be read.
    NoList(String),
    /// An action is done, or refused.
    Done(String),
}

/// A list to read.
#[derive(Debug, PartialEq)]
pub(super) enum Load {
    Jobs(String),
    Workers,
    Groups(String),
}

impl Update {
    pub(super) fn numbers(numbers: StreamMetricsResponse) -> Self {
        Self::Numbers(Box::new(numbers))
    }
}

impl State {
    pub(super) fn new(tab: Tab) -> Self {
        Self {
            tab,
            mode: Mode::Look,
            numbers: None,
            lost: None,
            jobs: Vec::new(),
            workers: Vec::new(),
            groups: Vec::new(),
            notice: String::new(),
            tabs: Default::default(),
            is_loading: false,
            age: u32::MAX,
        }
    }

    pub(super) fn take(&mut self, update: Update) {
        match update {
            Update::Numbers(numbers) => {
                self.numbers = Some(*numbers);
                self.lost = None;
                self.age = self.age.saturating_add(1);
            }
            Update::Lost(why) => self.lost = Some(why),
            Update::Jobs(jobs) => self.replace(Tab::Jobs, |state| state.jobs = jobs),
            Update::Workers(workers) => {
                self.replace(Tab::Workers, |state| state.workers = workers);
            }
            Update::Groups(groups) => self.replace(Tab::Dead, |state| state.groups = groups),
            Update::NoList(why) => {
                self.is_loading = false;
                self.notice = why;
            }
            Update::Done(what) => {
                self.notice = what;
                self.reload();
            }
        }
    }

    /// The list that is to be read now, if one is.
    pub(super) fn load(&mut self) -> Option<Load> {
        let every = match self.tab {
            Tab::Dead => GROUPS_EVERY,
            _ => LIST_EVERY,
        };
        if self.is_loading || self.age < every {
            return None;
        }
        let load = match self.tab {
            Tab::Jobs => Load::Jobs(self.filter().to_owned()),
            Tab::Workers => Load::Workers,
            Tab::Dead => Load::Groups(self.filter().to_owned()),
            Tab::Overview | Tab::Queues => return None,
        };
        self.is_loading = true;
        self.age = 0;
        Some(load)
    }

    /// Makes the next load be at once.
    pub(super) const fn reload(&mut self) {
        self.age = u32::MAX;
    }

    pub(super) fn show(&mut self, tab: Tab) {
        self.tab = tab;
        self.notice.clear();
        self.reload();
    }

    pub(super) fn filter(&self) -> &str {
        &self.view(self.tab).filter
    }

    pub(super) fn set_filter(&mut self, filter: String) {
        let view = &mut self.tabs[place(self.tab)];
        view.filter = filter;
        view.selected = 0;
        self.notice.clear();
        self.reload();
    }

    pub(super) fn selected(&self) -> usize {
        self.view(self.tab).selected
    }

    pub(super) fn select(&mut self, row: usize) {
        let last = self.names(self.tab).len().saturating_sub(1);
        self.tabs[place(self.tab)].selected = row.min(last);
    }

    /// The queues that the filter, a part of their name, leaves.
    pub(super) fn queues(&self) -> Vec<(&QueueMetrics, &Queue)> {
        let filter = &self.view(Tab::Queues).filter;
        let all = self.numbers.iter().flat_map(|numbers| &numbers.queues);
        all.filter_map(|metrics| Some((metrics, metrics.queue.as_ref()?)))
            .filter(|(_, queue)| queue.name.contains(filter))
            .collect()
    }

    /// The workers that the filter, a part of their id or host, leaves.
    pub(super) fn workers(&self) -> Vec<&Worker> {
        let filter = self.view(Tab::Workers).filter.as_str();
        let workers = self.workers.iter();
        workers
            .filter(|worker| worker.id.contains(filter) || worker.host.contains(filter))
            .collect()
    }

    fn view(&self, tab: Tab) -> &View {
        &self.tabs[place(tab)]
    }

    /// What the rows of a tab are known by.
    fn names(&self, tab: Tab) -> Vec<&str> {
        match tab {
            Tab::Overview => Vec::new(),
            Tab::Queues => self
                .queues()
                .iter()
                .map(|(_, queue)| &*queue.name)
                .collect(),
            Tab::Jobs => self.jobs.iter().map(|job| &*job.id).collect(),
            Tab::Workers => self.workers().iter().map(|worker| &*worker.id).collect(),
            Tab::Dead => self
                .groups
                .iter()
                .map(|group| &*group.fingerprint)
                .collect(),
        }
    }

    /// Puts a new list in place; what was selected stays so wherever it is now.
    fn replace(&mut self, tab: Tab, put: impl FnOnce(&mut Self)) {
        let row = self.view(tab).selected;
        let name = self.names(tab).get(row).map(|name| (*name).to_owned());
        put(self);
        let names = self.names(tab);
        let found = names.iter().position(|now| Some(*now) == name.as_deref());
        let last = names.len().saturating_sub(1);
        self.tabs[place(tab)].selected = found.unwrap_or(row).min(last);
        self.is_loading = false;
    }
}

/// Where a tab stands.
pub(super) fn place(tab: Tab) -> usize {
    let found = TABS.iter().position(|(other, _)| *other == tab);
    found.expect("each tab has its place")
}
