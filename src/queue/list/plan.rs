//! Where the jobs of a filter are looked for, and what is read of them.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::filter::{Field, Filter};
use crate::job::JobId;
use crate::state::JobState;

/// In which order jobs are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As they are stored.
    #[default]
    Stored,
    /// By the end of final jobs.
    FinishTime(Direction),
    /// By when scheduled or retrying jobs are due.
    RunTime(Direction),
    /// As waiting jobs are claimed.
    Position(Direction),
    /// By the end of the leases of active jobs.
    LeaseExpireTime(Direction),
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The earliest.
    Ascending,
    /// The latest.
    Descending,
}

impl Order {
    /// Whether jobs of this state have this order.
    fn suits(self, state: JobState) -> bool {
        match self {
            Self::Stored => true,
            Self::FinishTime(_) => state.is_final(),
            Self::RunTime(_) => matches!(state, JobState::Scheduled | JobState::Retrying),
            Self::Position(_) => state == JobState::Waiting,
            Self::LeaseExpireTime(_) => state == JobState::Active,
        }
    }

    const fn is_descending(self) -> bool {
        matches!(
            self,
            Self::FinishTime(Direction::Descending)
                | Self::RunTime(Direction::Descending)
                | Self::Position(Direction::Descending)
                | Self::LeaseExpireTime(Direction::Descending)
        )
    }
}

impl FromStr for Order {
    type Err = Error;

    /// A field, and ` desc` behind it where the latest come first; empty for
    /// the order in which jobs are stored.
    fn from_str(text: &str) -> Result<Self> {
        let mut words = text.split_whitespace();
        let (field, direction) = (words.next(), words.next());
        let direction = match direction {
            None | Some("asc") => Direction::Ascending,
            Some("desc") => Direction::Descending,
            Some(_) => return Err(unsupported()),
        };
        match (field, words.next()) {
            (None, _) => Ok(Self::Stored),
            (Some("finish_time"), None) => Ok(Self::FinishTime(direction)),
            (Some("run_time"), None) => Ok(Self::RunTime(direction)),
            (Some("position"), None) => Ok(Self::Position(direction)),
            (Some("lease_expire_time"), None) => Ok(Self::LeaseExpireTime(direction)),
            _ => Err(unsupported()),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stored => return Ok(()),
            Self::FinishTime(_) => "finish_time",
            Self::RunTime(_) => "run_time",
            Self::Position(_) => "position",
            Self::LeaseExpireTime(_) => "lease_expire_time",
        })?;
        if self.is_descending() {
            f.write_str(" desc")?;
        }
        Ok(())
    }
}

fn unsupported() -> Error {
    Error::invalid(
        "order_by",
        "must be empty or one of finish_time, run_time, position, lease_expire_time, with ` desc` \
         behind it for the latest first",
    )
}

/// Which columns a walk reads, as the letters that `list.lua` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Columns {
    pub(crate) spec: bool,
    pub(crate) meta: bool,
    pub(crate) error: bool,
    pub(crate) tags: bool,
    pub(crate) progress: bool,
}

impl Columns {
    pub(crate) const ALL: Self = Self {
        spec: true,
        meta: true,
        error: true,
        tags: true,
        progress: true,
    };

    /// What the filter looks at, and no more.
    pub(crate) fn of(filter: &Filter) -> Self {
        let mut columns = Self::default();
        for field in filter.fields() {
            match field {
                Field::Id | Field::Queue | Field::State => {}
                Field::Kind | Field::CreateTime => columns.spec = true,
                Field::Priority | Field::Attempt | Field::Worker | Field::FinishTime => {
                    columns.meta = true;
                }
                Field::Tags => columns.tags = true,
                Field::ErrorCode => columns.error = true,
                Field::Fingerprint => (columns.spec, columns.error) = (true, true),
            }
        }
        columns
    }

    pub(crate) fn letters(self) -> String {
        let all = [
            (self.spec, 's'),
            (self.meta, 'm'),
            (self.error, 'e'),
            (self.tags, 't'),
            (self.progress, 'p'),
        ];
        let wanted = all.into_iter().filter(|(wanted, _)| *wanted);
        wanted.map(|(_, letter)| letter).collect()
    }
}

/// Where a walk goes through a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// These jobs, in the order of their ids.
    Ids(Vec<JobId>),
    /// All jobs, or all active ones: whatever moves, one that stays comes once.
    Scan { active: bool },
    /// The set of a state or the index of a tag, by score and id.
    Set { name: String, down: bool },
}

/// How the jobs of a filter are found.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) filter: Filter,
    pub(crate) order: Order,
    pub(crate) source: Source,
    pub(crate) columns: Columns,
}

impl Plan {
    /// The least that has to be looked at: named ids, the set that the order
    /// follows, the jobs of a tag, those of a state, or else all.
    pub(crate) fn new(filter: &Filter, order: Order) -> Result<Self> {
        let state = filter.only_state();
        if order != Order::Stored && !state.is_some_and(|state| order.suits(state)) {
            let message = format!(
                "{order} needs a filter that leaves one state which has it: finish_time a final \
                 one, run_time scheduled or retrying, position waiting, lease_expire_time active"
            );
            return Err(Error::invalid("order_by", message));
        }
        let source = match (order, filter.only_ids(), filter.needed_tag(), state) {
            (Order::Stored, Some(ids), ..) => Source::Ids(ids),
            (Order::Stored, None, Some(tag), _) => Source::Set {
                name: format!("tag:{tag}"),
                down: false,
            },
            (Order::Stored, None, None, None) => Source::Scan { active: false },
            // Leases are extended, so the order of their set is not one to walk by.
            (Order::Stored, None, None, Some(JobState::Active)) => Source::Scan { active: true },
            (_, _, _, Some(state)) => Source::Set {
                name: state.to_string(),
                down: order.is_descending(),
            },
            (_, _, _, None) => Source::Scan { active: false },
        };
        Ok(Self {
            filter: filter.clone(),
            order,
            source,
            columns: Columns::ALL,
        })
    }

    /// These jobs, wherever they are in a queue; reads no column.
    pub(crate) fn of_ids(ids: impl Iterator<Item = JobId>) -> Self {
        Self {
            filter: Filter::default(),
            order: Order::Stored,
            source: Source::Ids(ids.collect()),
            columns: Columns::default(),
        }
    }

    /// This plan, reading only what the filter needs and what else is wanted.
    pub(crate) fn reading(mut self, columns: Columns) -> Self {
        let needed = Columns::of(&self.filter);
        self.columns = Columns {
            spec: columns.spec || needed.spec,
            meta: columns.meta || needed.meta,
            error: columns.error || needed.error,
            tags: columns.tags || needed.tags,
            progress: columns.progress || needed.progress,
        };
        self
    }

    /// What page tokens are bound to.
    pub(crate) fn scope(&self) -> String {
        format!("{}\n{}", self.filter, self.order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(filter: &str, order: &str) -> Result<Source> {
        Plan::new(&Filter::parse(filter)?, order.parse()?).map(|plan| plan.source)
    }

    fn set(name: &str, down: bool) -> Source {
        Source::Set {
            name: name.to_owned(),
            down,
        }
    }

    #[test]
    fn the_least_is_looked_at() {
        let id = "0198c0de-0000-7000-8000-000000000001";
        for (filter, order, source) in [
            ("", "", Source::Scan { active: false }),
            ("kind = a", "", Source::Scan { active: false }),
            ("state = active", "", Source::Scan { active: true }),
            ("state = failed kind = a", "", set("failed", false)),
            ("state = failed tags:eu", "", set("tag:eu", false)),
            (
                "state = failed tags:eu",
                "finish_time desc",
                set("failed", true),
            ),
            ("state = active", "lease_expire_time", set("active", false)),
            ("state = waiting", " position  asc ", set("waiting", false)),
            ("state = retrying", "run_time desc", set("retrying", true)),
            (
                "state = failed OR tags:eu",
                "",
                Source::Scan { active: false },
            ),
        ] {
            assert_eq!(plan(filter, order).unwrap(), source, "{filter} by {order}");
        }
        let named = plan(&format!("id = {id} state = failed tags:eu"), "").unwrap();
        assert_eq!(named, Source::Ids(vec![id.parse().unwrap()]));
    }

    #[test]
    fn an_order_that_can_not_be_had_is_told() {
        for (filter, order) in [
            ("", "finish_time"),
            ("state = active", "finish_time"),
            ("state = failed OR state = completed", "finish_time"),
            ("state = completed", "run_time"),
            ("state = failed", "position"),
            ("state = waiting", "lease_expire_time desc"),
            ("state = failed", "create_time"),
            ("state = failed", "finish_time down"),
            ("state = failed", "finish_time desc id"),
        ] {
            let error = plan(filter, order).unwrap_err();
            assert_eq!(error.field(), Some("order_by"), "{filter} by {order}");
            assert!(error.to_string().contains("run_time"), "{error}");
        }
    }

    #[test]
    fn only_what_a_filter_looks_at_is_read() {
        for (filter, letters) in [
            ("queue = a state = failed", ""),
            ("kind = a", "s"),
            ("attempt > 1 OR worker = a", "m"),
            ("fingerprint = a -tags:b", "set"),
        ] {
            let columns = Columns::of(&Filter::parse(filter).unwrap());
            assert_eq!(columns.letters(), letters, "{filter}");
        }
    }
}
