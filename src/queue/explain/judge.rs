//! From facts to sentences. Pure.

use std::time::Duration;

use super::{Explanation, Facts, Obstacle, ObstacleReason};
use crate::job::StoreTime;
use crate::queue::WorkerState;
use crate::queue::settings::Pause;
use crate::state::JobState;
use crate::stats::WorkerSnapshot;

/// A worker that has not beaten for this long claims nothing, as far as anybody knows.
const ALIVE: Duration = Duration::from_secs(15);
/// How much of an error stands in a sentence, in characters.
const SHOWN_ERROR: usize = 120;

pub(super) fn explain(facts: &Facts) -> Explanation {
    let job = &facts.job;
    let kind = job.kind.as_str();
    let in_queue = facts
        .workers
        .iter()
        .filter(|worker| claims_from(worker, facts));
    let in_queue: Vec<_> = in_queue.collect();
    let able = in_queue.iter().filter(|worker| {
        let handled = |handled: &String| handled == kind || handled == "*";
        worker.beat.kinds.iter().any(handled)
    });
    let able: Vec<_> = able.collect();
    let sum = |number: fn(&WorkerSnapshot) -> u32| able.iter().map(|worker| number(worker)).sum();
    let slots: u32 = sum(|worker| worker.beat.slots);
    let free_slots: u32 = sum(|worker| worker.beat.slots.saturating_sub(worker.beat.busy));
    let mut obstacles = Vec::new();
    if !job.state.is_final() && job.state != JobState::Active {
        obstacles.extend(own_obstacle(facts));
        obstacles.extend(facts.pauses.iter().filter_map(|pause| paused(pause, facts)));
        obstacles.extend(unserved(facts, in_queue.len(), able.len()));
        obstacles.extend(behind_others(facts));
    }
    let summary = match obstacles.first() {
        Some(first) => first.description.clone(),
        None => unhindered(facts, free_slots, slots),
    };
    Explanation {
        state: job.state,
        summary,
        obstacles,
        jobs_ahead: facts.ahead,
        workers: u32::try_from(able.len()).unwrap_or(u32::MAX),
        free_slots,
    }
}

fn claims_from(worker: &WorkerSnapshot, facts: &Facts) -> bool {
    let queue = facts.job.queue.as_str();
    let is_at_work = worker.beat_age <= ALIVE && worker.beat.state == WorkerState::Running;
    is_at_work && worker.beat.queues.iter().any(|name| name == queue)
}

/// What keeps the job itself from being ready.
fn own_obstacle(facts: &Facts) -> Option<Obstacle> {
    let job = &facts.job;
    let due = match job.ready.filter(|ready| *ready > facts.now) {
        Some(ready) => format!("in {}", span(ready.since(facts.now))),
        None => "now, and the next claim takes it in".to_owned(),
    };
    let (reason, description, until) = match job.state {
        JobState::Scheduled => (
            ObstacleReason::NotDue,
            format!("It is scheduled and due {due}."),
            job.ready,
        ),
        JobState::Retrying => {
            let after = match &job.error {
                Some(error) if error.message.is_empty() => format!(" with {}", error.code),
                Some(error) => format!(" with {}: {}", error.code, shown(&error.message)),
                None => String::new(),
            };
            let (attempt, most) = (job.attempt, job.max_attempts);
            (
                ObstacleReason::InBackoff,
                format!("It runs again {due}: attempt {attempt} of {most} errored{after}."),
                job.ready,
            )
        }
        JobState::Blocked => (
            ObstacleReason::Blocked,
            "It waits for other jobs to end.".to_owned(),
            None,
        ),
        _ => return None,
    };
    Some(Obstacle {
        reason,
        description,
        until,
    })
}

fn paused(pause: &Pause, facts: &Facts) -> Option<Obstacle> {
    let queue = &facts.job.queue;
    let (reason, what) = match &pause.kind {
        None => (ObstacleReason::QueuePaused, format!("Queue {queue}")),
        Some(kind) if *kind == facts.job.kind => {
            let what = format!("Kind {kind} of queue {queue}");
            (ObstacleReason::KindPaused, what)
        }
        Some(_) => return None,
    };
    let since = span(facts.now.since(pause.since));
    let why = match pause.reason.trim() {
        "" => String::new(),
        why => format!(" ({})", shown(why)),
    };
    let end = match pause.resume {
        Some(resume) => format!("and resumes in {}", span(resume.since(facts.now))),
        None => "until somebody resumes it".to_owned(),
    };
    Some(Obstacle {
        reason,
        description: format!("{what} has been paused for {since}{why} {end}."),
        until: pause.resume,
    })
}

/// Nobody is there who could run it.
fn unserved(facts: &Facts, in_queue: usize, able: usize) -> Option<Obstacle> {
    let (queue, kind) = (&facts.job.queue, &facts.job.kind);
    let (reason, description) = if in_queue == 0 {
        let description = format!("No worker that is alive claims from queue {queue}.");
        (ObstacleReason::NoWorker, description)
    } else if able == 0 {
        let who = many(in_queue, "the one worker", "none of the", "workers");
        let has = if in_queue == 1 { "has no" } else { "has a" };
        let description = format!("Of queue {queue}, {who} {has} handler for kind {kind}.");
        (ObstacleReason::NoHandler, description)
    } else {
        return None;
    };
    Some(Obstacle {
        reason,
        description,
        until: None,
    })
}

fn behind_others(facts: &Facts) -> Option<Obstacle> {
    let ahead = facts.ahead.filter(|ahead| *ahead > 0)?;
    let run = if ahead == 1 { "job runs" } else { "jobs run" };
    let band = facts.job.priority.get();
    Some(Obstacle {
        reason: ObstacleReason::BehindOthers,
        description: format!(
            "{ahead} {run} before it, which has priority {band} and waits in queue {}.",
            facts.job.queue
        ),
        until: None,
    })
}

/// Nothing keeps it from running.
fn unhindered(facts: &Facts, free_slots: u32, slots: u32) -> String {
    let job = &facts.job;
    let ago = |time: Option<StoreTime>| match time {
        Some(time) => format!("{} ago", span(facts.now.since(time))),
        None => "at a time that is not known".to_owned(),
    };
    match job.state {
        JobState::Active => {
            let worker = job.worker.as_deref().unwrap_or("a worker");
            let (attempt, most) = (job.attempt, job.max_attempts);
            let asked = if job.cancel_requested {
                ", and has been asked to end"
            } else {
                ""
            };
            let started = ago(job.started);
            format!("It runs: {worker} began attempt {attempt} of {most} {started}{asked}.")
        }
        JobState::Completed => format!("It completed {}.", ago(job.finished)),
        JobState::Cancelled => format!("It was cancelled {}.", ago(job.finished)),
        JobState::Failed => {
            let why = match &job.error {
                Some(error) => format!(" with {}: {}", error.code, shown(&error.message)),
                None => String::new(),
            };
            format!("It failed {}{why}.", ago(job.finished))
        }
        _ if free_slots == 0 => {
            format!("It is next, and waits for one of {slots} slots, which are all taken.")
        }
        _ => {
            let free = many(free_slots as usize, "one slot is", "", "slots are");
            format!("It is next: {} free.", free.trim_start())
        }
    }
}

fn many(count: usize, one: &str, before: &str, more: &str) -> String {
    match count {
        1 => one.to_owned(),
        count => format!("{before} {count} {more}"),
    }
}

/// The first line of a text, cut, without a full stop of its own.
fn shown(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let line = line.trim_end_matches(['.', ' ']);
    match line.char_indices().nth(SHOWN_ERROR) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// A duration as people say it: its two largest units.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {small_unit}"),
    };
    match seconds {
        0 => "less than a second".to_owned(),
        1..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests;
