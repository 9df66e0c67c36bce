//! What the pages show, free of the wire and of the browser.

use std::{rc::Rc, time::Duration};

use jobflow::JobState;
use yew::AttrValue;

/// One message of the stream: everything the server knows at an instant.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Snapshot {
    /// Grows with every snapshot of one server process.
    pub(crate) sequence: u64,
    /// That process: sequences of two do not compare.
    pub(crate) server_id: AttrValue,
    /// When the numbers were read, by the clock of the store in milliseconds;
    /// `None` when the store could not be read.
    pub(crate) time: Option<u64>,
    pub(crate) health: Health,
    pub(crate) counts: Counts,
    pub(crate) totals: Totals,
    pub(crate) rates: Rates,
    pub(crate) queues: Vec<Queue>,
    pub(crate) workers: Workers,
    /// Newest first.
    pub(crate) recent: Vec<Rc<Finished>>,
    pub(crate) oldest_waiting: Option<Duration>,
    /// Of attempts that ended in the last minutes.
    pub(crate) wait: Option<Quantiles>,
    pub(crate) run: Option<Quantiles>,
    pub(crate) memory: Option<Memory>,
}

/// How long attempts took, each within 5 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Quantiles {
    /// Of how many.
    pub(crate) count: u64,
    pub(crate) p50: Duration,
    pub(crate) p95: Duration,
    pub(crate) p99: Duration,
}

/// What the store uses, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) used: u64,
    /// How much it may use; 0 when only its machine limits it.
    pub(crate) max: u64,
}

/// How many jobs are in each state now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) scheduled: u64,
    pub(crate) blocked: u64,
    pub(crate) waiting: u64,
    pub(crate) active: u64,
    pub(crate) retrying: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
}

impl Counts {
    /// How many jobs are in `state`.
    pub(crate) fn of(self, state: JobState) -> u64 {
        match state {
            JobState::Scheduled => self.scheduled,
            JobState::Blocked => self.blocked,
            JobState::Waiting => self.waiting,
            JobState::Active => self.active,
            JobState::Retrying => self.retrying,
            JobState::Completed => self.completed,
            JobState::Failed => self.failed,
            JobState::Cancelled => self.cancelled,
        }
    }
}

/// What has happened since the queues began. These only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    pub(crate) submitted: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    pub(crate) errored: u64,
    pub(crate) lease_expired: u64,
    pub(crate) lease_lost: u64,
    pub(crate) unhandled: u64,
    pub(crate) released: u64,
    pub(crate) snoozed: u64,
}

/// Per second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Rates {
    pub(crate) submitted: f64,
    pub(crate) completed: f64,
    pub(crate) failed: f64,
}

/// One queue and its numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Queue {
    pub(crate) name: AttrValue,
    pub(crate) counts: Counts,
    pub(crate) totals: Totals,
    pub(crate) rates: Rates,
    pub(crate) oldest_waiting: Option<Duration>,
    /// Its jobs are kept from being claimed.
    pub(crate) paused: bool,
    /// How many pauses there are, those of kinds included.
    pub(crate) pauses: usize,
    /// It takes no new jobs.
    pub(crate) draining: bool,
    /// Over how many partitions its new jobs are spread.
    pub(crate) partitions: u64,
    /// Of how many nothing is known, as they can not be reached.
    pub(crate) unreachable: usize,
}

/// Says of how many partitions the numbers lack the jobs.
pub(crate) fn out_of_reach(partitions: usize) -> Option<String> {
    (partitions > 0).then(|| {
        let partitions = crate::format::plural(partitions as u64, "partition");
        format!("{partitions} out of reach")
    })
}

/// The workers whose last beat is recent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Workers {
    pub(crate) alive: u64,
    pub(crate) slots: u64,
}

/// Whether jobs are being done, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Health {
    pub(crate) status: HealthStatus,
    /// One sentence each.
    pub(crate) reasons: Vec<AttrValue>,
    pub(crate) round_trip: Option<Duration>,
    /// The loops of the server that must never end.
    pub(crate) loops: Vec<Loop>,
}

/// A loop of the server, for example its reaper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loop {
    pub(crate) name: AttrValue,
    /// How long ago a round of it last worked; `None` while it has nothing to do.
    pub(crate) silence: Option<Duration>,
    /// After so long without one the server is not healthy.
    pub(crate) limit: Duration,
    pub(crate) failures: u64,
}

/// The colour of the health light, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum HealthStatus {
    /// Nothing is known: not connected, or the server did not say.
    #[default]
    Unknown,
    Healthy,
    Degraded,
    Unhealthy,
}

impl HealthStatus {
    /// The stable word of the `data-status` attribute and of CSS classes.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// The heading of the health panel.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Healthy => "Healthy",
            Self::Degraded => "Degraded",
            Self::Unhealthy => "Unhealthy",
        }
    }
}

/// A job that has become final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) id: AttrValue,
    pub(crate) queue: AttrValue,
    pub(crate) kind: AttrValue,
    pub(crate) state: JobState,
    pub(crate) attempt: u32,
    pub(crate) worker: AttrValue,
    /// `None` when the record does not tell: no time is better than a wrong one.
    pub(crate) times: Option<Times>,
    pub(crate) error: Option<Failure>,
}

impl Finished {
    /// The same job may become final twice: after a retry.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.times == other.times
    }
}

/// When a job became final and how long its last attempt took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// By the clock of the store, in milliseconds.
    pub(crate) finished: u64,
    pub(crate) waited: Duration,
    pub(crate) ran: Duration,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: AttrValue,
    pub(crate) message: AttrValue,
}

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ServerInfo {
    pub(crate) version: AttrValue,
    pub(crate) namespace: AttrValue,
    /// Of Redis; empty while it can not be reached.
    pub(crate) store_version: AttrValue,
    /// Who looks, where the server asks for that.
    pub(crate) caller: Option<Caller>,
}

/// Whose token this tab shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) name: AttrValue,
    pub(crate) role: &'static str,
    /// May change jobs and queues.
    pub(crate) may_change: bool,
}

/// The word for a state as a heading spells it.
pub(crate) const fn state_title(state: JobState) -> &'static str {
    match state {
        JobState::Scheduled => "Scheduled",
        JobState::Blocked => "Blocked",
        JobState::Waiting => "Waiting",
        JobState::Active => "Active",
        JobState::Retrying => "Retrying",
        JobState::Completed => "Completed",
        JobState::Failed => "Failed",
        JobState::Cancelled => "Cancelled",
    }
}
