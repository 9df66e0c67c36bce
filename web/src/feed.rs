//! The jobs that became final last, as the tab has seen them. Pure.

use std::{collections::VecDeque, rc::Rc};

use jobflow::JobState;

use crate::model::Finished;

/// Rows of either list.
pub(crate) const LENGTH: usize = 50;

/// What of the activity is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Filter {
    #[default]
    All,
    Failed,
}

/// The lists, newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Feed {
    pub(crate) filter: Filter,
    recent: VecDeque<Rc<Finished>>,
    /// Failures outlive the short list that the server sends: under load it is
    /// all successes, and the failures are what somebody looks for.
    failures: VecDeque<Rc<Finished>>,
    held: Option<Held>,
}

/// The rows as they were when somebody stopped them to read.
#[derive(Debug, Clone, PartialEq)]
struct Held {
    recent: VecDeque<Rc<Finished>>,
    failures: VecDeque<Rc<Finished>>,
    since: u64,
}

impl Feed {
    /// Takes in the server's list.
    pub(crate) fn merge(&mut self, newest_first: &[Rc<Finished>]) {
        for job in newest_first.iter().rev() {
            let failed = job.state == JobState::Failed;
            if failed && !self.failures.iter().any(|known| known.is_same(job)) {
                self.failures.push_front(Rc::clone(job));
            }
        }
        self.failures.truncate(LENGTH);
        self.recent = newest_first.iter().take(LENGTH).map(Rc::clone).collect();
    }

    /// Stops the rows at `now`, by the clock of this machine, or lets them go on.
    pub(crate) fn hold(&mut self, hold: bool, now: u64) {
        self.held = hold.then(|| Held {
            recent: self.recent.clone(),
            failures: self.failures.clone(),
            since: now,
        });
    }

    /// Since when the rows stand still, if somebody stopped them.
    pub(crate) fn held_since(&self) -> Option<u64> {
        self.held.as_ref().map(|held| held.since)
    }

    /// The rows to show.
    pub(crate) fn rows(&self) -> &VecDeque<Rc<Finished>> {
        let (recent, failures) = match &self.held {
            Some(held) => (&held.recent, &held.failures),
            None => (&self.recent, &self.failures),
        };
        match self.filter {
            Filter::All => recent,
            Filter::Failed => failures,
        }
    }

    /// How many failures this tab has seen, up to the length of the list.
    pub(crate) fn failure_count(&self) -> usize {
        self.failures.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Times;

    fn job(number: u64, state: JobState) -> Rc<Finished> {
        Rc::new(Finished {
            id: format!("job-{number}").into(),
            queue: "default".into(),
            kind: "email-delivery".into(),
            state,
            attempt: 1,
            worker: "w".into(),
            times: Some(Times {
                finished: number,
                waited: Duration::from_millis(number),
                ran: Duration::from_millis(number * 10),
            }),
            error: None,
        })
    }

    fn ids(feed: &Feed) -> Vec<&str> {
        feed.rows().iter().map(|job| job.id.as_str()).collect()
    }

    #[test]
    fn failures_outlive_the_servers_list_and_stand_once() {
        let mut feed = Feed::default();
        feed.merge(&[job(2, JobState::Completed), job(1, JobState::Failed)]);
        feed.merge(&[job(3, JobState::Failed), job(2, JobState::Completed)]);
        feed.merge(&[job(4, JobState::Completed), job(3, JobState::Failed)]);
        assert_eq!(ids(&feed), ["job-4", "job-3"]);
        feed.filter = Filter::Failed;
        assert_eq!(ids(&feed), ["job-3", "job-1"]);
    }

    #[test]
    fn the_lists_are_bounded() {
        let mut feed = Feed::default();
        for batch in 0..20 {
            let jobs: Vec<_> = (0..100)
                .rev()
                .map(|number| job(batch * 100 + number, JobState::Failed))
                .collect();
            feed.merge(&jobs);
        }
        assert_eq!(feed.rows().len(), LENGTH);
        assert_eq!(feed.failure_count(), LENGTH);
        feed.filter = Filter::Failed;
        assert_eq!(feed.rows()[0].id, "job-1999");
    }

    #[test]
    fn held_rows_stand_still_until_they_go_on() {
        let mut feed = Feed::default();
        feed.merge(&[job(1, JobState::Completed)]);
        feed.hold(true, 77);
        feed.merge(&[job(2, JobState::Completed), job(1, JobState::Completed)]);
        assert_eq!(ids(&feed), ["job-1"]);
        assert_eq!(feed.held_since(), Some(77));
        feed.hold(false, 78);
        assert_eq!(ids(&feed), ["job-2", "job-1"]);
        assert_eq!(feed.held_since(), None);
    }
}
