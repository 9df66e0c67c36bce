//! The states of a job and the one table of moves between them.

/// Where a job is in its life.
///
/// ```text
/// submit ─► scheduled ─due─► waiting ─claim─► active ─ack─► completed
///    └────────────────────────►│  ▲              │─error, attempts left─► retrying ─due─► waiting
///    └─► blocked ─parents done─►│  └─release─────┤─snooze─► scheduled
///                                                │─error, last attempt / fail─► failed
///                                                │─lease lost─► waiting (head); over the crash cap ─► failed
///  scheduled, blocked, waiting, retrying ─cancel─► cancelled;  active ─cancel─► handler told ─► cancelled
///  waiting ─put off─► scheduled;  scheduled, retrying ─promote─► waiting
///  completed, failed, cancelled ─retry─► waiting;  not started before its `start_before` ─► failed
/// ```
///
/// In Redis a job's state is the one sorted set that holds its id; nothing
/// stores it a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobState {
    /// Its run time lies ahead.
    Scheduled,
    /// Waits for other jobs.
    Blocked,
    /// Ready: the next free slot takes it.
    Waiting,
    /// A worker holds its lease and runs it.
    Active,
    /// An attempt errored; it runs again when its backoff has passed.
    Retrying,
    /// Final: its handler succeeded.
    Completed,
    /// Final: its last attempt errored, or it can not run.
    Failed,
    /// Final: somebody called it off.
    Cancelled,
}

use JobState::{Active, Blocked, Cancelled, Completed, Failed, Retrying, Scheduled, Waiting};

/// Every move a job can make. A pair that is not here does not happen.
pub const TRANSITIONS: &[(JobState, JobState)] = &[
    (Scheduled, Waiting),
    (Scheduled, Failed),
    (Scheduled, Cancelled),
    (Blocked, Waiting),
    (Blocked, Failed),
    (Blocked, Cancelled),
    (Waiting, Active),
    (Waiting, Scheduled),
    (Waiting, Failed),
    (Waiting, Cancelled),
    (Active, Completed),
    (Active, Retrying),
    (Active, Scheduled),
    (Active, Waiting),
    (Active, Failed),
    (Active, Cancelled),
    (Retrying, Waiting),
    (Retrying, Cancelled),
    (Completed, Waiting),
    (Failed, Waiting),
    (Cancelled, Waiting),
];

impl JobState {
    /// All states, in the order of a job's life.
    pub const ALL: [Self; 8] = [
        Scheduled, Blocked, Waiting, Active, Retrying, Completed, Failed, Cancelled,
    ];

    /// The lower-case word for people, REST and the key of its set in Redis.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheduled => "scheduled",
            Blocked => "blocked",
            Waiting => "waiting",
            Active => "active",
            Retrying => "retrying",
            Completed => "completed",
            Failed => "failed",
            Cancelled => "cancelled",
        }
    }

    /// The state of that word, if it is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The state that scripts write as this letter.
    #[cfg(feature = "queue")]
    pub(crate) const fn from_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b's' => Scheduled,
            b'b' => Blocked,
            b'w' => Waiting,
            b'a' => Active,
            b'r' => Retrying,
            b'c' => Completed,
            b'f' => Failed,
            b'x' => Cancelled,
            _ => return None,
        })
    }

    /// Whether nothing more happens to the job by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Completed | Failed | Cancelled)
    }

    /// Whether a job can move from this state to `next`.
    #[must_use]
    pub fn can_become(self, next: Self) -> bool {
        TRANSITIONS.contains(&(self, next))
    }
}

impl std::fmt::Display for JobState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_each_state_once() {
        for state in JobState::ALL {
            assert_eq!(JobState::from_word(state.as_str()), Some(state));
        }
        assert_eq!(JobState::from_word("pending"), None);
    }

    #[test]
    fn a_final_state_is_left_only_by_a_retry() {
        for (from, to) in TRANSITIONS {
            assert!(!from.is_final() || *to == Waiting, "{from} -> {to}");
        }
    }

    #[test]
    fn every_state_but_the_first_ones_can_be_reached() {
        for state in JobState::ALL {
            let reached = TRANSITIONS.iter().any(|(_, to)| *to == state);
            assert!(reached || state == Blocked, "{state} is never reached");
        }
    }
}
