//! Colours of states.

use anstyle::{AnsiColor, Style};
use jobflow::proto;
use proto::{HealthStatus, JobState, Severity, WorkerState};

use crate::view::words;

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BUSY: Style = AnsiColor::Cyan.on_default();
pub(crate) const CARE: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();

pub(crate) fn state(state: JobState) -> String {
    let style = match state {
        JobState::Completed => GOOD,
        JobState::Active => BUSY,
        JobState::Retrying | JobState::Cancelled => CARE,
        JobState::Failed => BAD,
        JobState::Unspecified | JobState::Scheduled | JobState::Blocked | JobState::Waiting => {
            Style::new()
        }
    };
    format!("{style}{}{style:#}", words::state(state))
}

pub(crate) const fn of_health(status: HealthStatus) -> Style {
    match status {
        HealthStatus::Healthy => GOOD,
        HealthStatus::Degraded => CARE,
        HealthStatus::Unhealthy => BAD,
        HealthStatus::Unspecified => Style::new(),
    }
}

pub(crate) fn worker(state: WorkerState) -> String {
    let style = match state {
        WorkerState::Running => GOOD,
        WorkerState::Quiet | WorkerState::Stopping => CARE,
        WorkerState::Unspecified => Style::new(),
    };
    format!("{style}{}{style:#}", words::worker(state))
}

pub(crate) fn severity(severity: Severity) -> String {
    let style = match severity {
        Severity::Ok => GOOD,
        Severity::Warning => CARE,
        Severity::Error => BAD,
        Severity::Unspecified => Style::new(),
    };
    format!("{style}{}{style:#}", words::severity(severity))
}
