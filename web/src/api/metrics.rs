//! The stream of numbers, and its messages as the view model.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use jobflow::{JobState, proto};
use yew::AttrValue;

use super::{
    Answered, Api, Problem,
    past::quantiles,
    values::{duration, millis, natural},
    wire::{Messages, call, open, read},
};
use crate::model::{
    Caller, Counts, Failure, Finished, Health, HealthStatus, Loop, Memory, Queue, Rates,
    ServerInfo, Snapshot, Times, Totals, Workers,
};

impl Api {
    /// Opens the stream of numbers, one message per `interval` at the most.
    pub(crate) async fn stream_metrics(interval: Duration) -> Answered<Metrics> {
        let request = proto::StreamMetricsRequest {
            interval: prost_types::Duration::try_from(interval).ok(),
        };
        Ok(Metrics(open(request).await?))
    }

    /// Asks the server who it is.
    pub(crate) async fn server_info() -> Answered<ServerInfo> {
        let request = proto::GetServerInfoRequest {};
        let response = call(request).await?;
        Ok(ServerInfo {
            version: response.version.into(),
            namespace: response.namespace.into(),
            store_version: response.store_version.into(),
            caller: response
                .caller
                .filter(|caller| caller.authenticated)
                .map(caller),
        })
    }
}

fn caller(caller: proto::Caller) -> Caller {
    let (role, may_change) = match caller.role() {
        proto::Role::Viewer => ("viewer", false),
        proto::Role::Submitter => ("submitter", false),
        proto::Role::Operator => ("operator", true),
        proto::Role::Admin => ("admin", true),
        proto::Role::Unspecified => ("unknown", false),
    };
    Caller {
        name: caller.name.into(),
        role,
        may_change,
    }
}

/// The open stream. Dropping it ends the call.
#[derive(Debug)]
pub(crate) struct Metrics(Messages<proto::StreamMetricsResponse>);

impl Metrics {
    /// Waits for the next message, and returns it as it came as well.
    pub(crate) async fn next(&mut self) -> Answered<(Snapshot, Bytes)> {
        match self.0.next_bytes().await? {
            Some(message) => Ok((Self::read(message.clone())?, message)),
            None => Err(Problem::local("the server ended the stream")),
        }
    }

    /// The numbers of a message.
    pub(crate) fn read(message: Bytes) -> Answered<Snapshot> {
        Ok(snapshot(read(message)?))
    }
}

fn snapshot(message: proto::StreamMetricsResponse) -> Snapshot {
    Snapshot {
        sequence: message.sequence,
        server_id: message.server_id.into(),
        time: message.time.as_ref().map(millis),
        health: message.health.map(health).unwrap_or_default(),
        counts: message.counts.map(counts).unwrap_or_default(),
        totals: message.totals.map(totals).unwrap_or_default(),
        rates: message.rates.map(rates).unwrap_or_default(),
        queues: message.queues.into_iter().filter_map(queue).collect(),
        workers: message.workers.map(workers).unwrap_or_default(),
        recent: message
            .recent_jobs
            .into_iter()
            .filter_map(finished)
            .map(Rc::new)
            .collect(),
        oldest_waiting: message.oldest_waiting_age.map(duration),
        wait: message.wait.map(quantiles),
        run: message.run.map(quantiles),
        memory: message.store_memory.map(|memory| Memory {
            used: natural(memory.used_bytes),
            max: natural(memory.max_bytes),
        }),
    }
}

fn health(message: proto::Health) -> Health {
    let status = match message.status() {
        proto::HealthStatus::Unspecified => HealthStatus::Unknown,
        proto::HealthStatus::Healthy => HealthStatus::Healthy,
        proto::HealthStatus::Degraded => HealthStatus::Degraded,
        proto::HealthStatus::Unhealthy => HealthStatus::Unhealthy,
    };
    Health {
        status,
        reasons: message.reasons.into_iter().map(AttrValue::from).collect(),
        round_trip: message.store_round_trip.map(duration),
        loops: message.loops.into_iter().map(pulse).collect(),
    }
}

fn pulse(message: proto::Loop) -> Loop {
    Loop {
        name: message.name.into(),
        silence: message.silence.map(duration),
        limit: message.limit.map(duration).unwrap_or_default(),
        failures: natural(message.failures),
    }
}

pub(crate) fn counts(message: proto::JobCounts) -> Counts {
    Counts {
        scheduled: natural(message.scheduled),
        blocked: natural(message.blocked),
        waiting: natural(message.waiting),
        active: natural(message.active),
        retrying: natural(message.retrying),
        completed: natural(message.completed),
        failed: natural(message.failed),
        cancelled: natural(message.cancelled),
    }
}

fn totals(message: proto::QueueTotals) -> Totals {
    Totals {
        submitted: natural(message.submitted),
        completed: natural(message.completed),
        failed: natural(message.failed),
        cancelled: natural(message.cancelled),
        errored: natural(message.errored),
        lease_expired: natural(message.lease_expired),
        lease_lost: natural(message.lease_lost),
        unhandled: natural(message.unhandled),
        released: natural(message.released),
        snoozed: natural(message.snoozed),
    }
}

fn rates(message: proto::Rates) -> Rates {
    Rates {
        submitted: message.submitted,
        completed: message.completed,
        failed: message.failed,
    }
}

fn queue(message: proto::QueueMetrics) -> Option<Queue> {
    let queue = message.queue?;
    let partitions = queue.partitions.unwrap_or_default();
    Some(Queue {
        name: queue.name.into(),
        counts: queue.counts.map(counts).unwrap_or_default(),
        totals: queue.totals.map(totals).unwrap_or_default(),
        rates: message.rates.map(rates).unwrap_or_default(),
        oldest_waiting: queue.oldest_waiting_age.map(duration),
        paused: queue.pauses.iter().any(|pause| pause.kind.is_empty()),
        pauses: queue.pauses.len(),
        draining: queue.draining,
        partitions: natural(partitions.count.into()),
        unreachable: partitions.unreachable.len(),
    })
}

fn workers(message: proto::WorkerMetrics) -> Workers {
    Workers {
        alive: natural(message.alive.into()),
        slots: natural(message.slots.into()),
    }
}

/// `None` for a state that this page does not know: a newer server's.
fn finished(message: proto::FinishedJob) -> Option<Finished> {
    let state = match message.state() {
        proto::JobState::Completed => JobState::Completed,
        proto::JobState::Failed => JobState::Failed,
        proto::JobState::Cancelled => JobState::Cancelled,
        proto::JobState::Unspecified
        | proto::JobState::Scheduled
        | proto::JobState::Blocked
        | proto::JobState::Waiting
        | proto::JobState::Active
        | proto::JobState::Retrying => return None,
    };
    Some(Finished {
        times: times(&message),
        id: message.id.into(),
        queue: message.queue.into(),
        kind: message.kind.into(),
        state,
        attempt: u32::try_from(message.attempt).unwrap_or_default(),
        worker: message.worker.into(),
        error: message.error.map(|error| Failure {
            code: error.code.into(),
            message: error.message.into(),
        }),
    })
}

/// A record without its end, or with one at the beginning of the clock, was
/// not written whole: its durations mean nothing either.
fn times(message: &proto::FinishedJob) -> Option<Times> {
    let finished = message.finish_time.as_ref().map(millis)?;
    (finished > 0).then_some(Times {
        finished,
        waited: message.wait_duration.map(duration)?,
        ran: message.run_duration.map(duration)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_message_becomes_a_snapshot() {
        let message = proto::StreamMetricsResponse {
            sequence: 7,
            server_id: "s".into(),
            time: Some(prost_types::Timestamp {
                seconds: 12,
                nanos: 345_000_000,
            }),
            counts: Some(proto::JobCounts {
                waiting: 3,
                failed: -1,
                ..proto::JobCounts::default()
            }),
            recent_jobs: vec![
                proto::FinishedJob {
                    id: "one".into(),
                    state: proto::JobState::Failed.into(),
                    finish_time: Some(prost_types::Timestamp {
                        seconds: 11,
                        nanos: 0,
                    }),
                    wait_duration: Some(prost_types::Duration::default()),
                    run_duration: Some(prost_types::Duration {
                        seconds: 1,
                        nanos: 500_000_000,
                    }),
                    error: Some(proto::JobError {
                        code: "TIMEOUT".into(),
                        message: "too slow".into(),
                    }),
                    ..proto::FinishedJob::default()
                },
                proto::FinishedJob {
                    state: 99,
                    ..proto::FinishedJob::default()
                },
            ],
            ..proto::StreamMetricsResponse::default()
        };
        let snapshot = snapshot(message);
        assert_eq!(snapshot.time, Some(12_345));
        assert_eq!(snapshot.counts.waiting, 3);
        assert_eq!(snapshot.counts.failed, 0, "a count is never below zero");
        assert_eq!(snapshot.recent.len(), 1, "an unknown state is left out");
        let times = snapshot.recent[0].times.expect("times");
        assert_eq!(times.ran, Duration::from_millis(1_500));
        let error = snapshot.recent[0].error.as_ref().expect("an error");
        assert_eq!(error.code, "TIMEOUT");
    }

    #[test]
    fn a_job_without_its_end_has_no_times() {
        let job = |finish_time| proto::FinishedJob {
            state: proto::JobState::Completed.into(),
            finish_time,
            wait_duration: Some(prost_types::Duration::default()),
            run_duration: Some(prost_types::Duration::default()),
            ..proto::FinishedJob::default()
        };
        let times = |finish_time| finished(job(finish_time)).expect("a final job").times;
        assert_eq!(times(None), None);
        assert_eq!(times(Some(prost_types::Timestamp::default())), None);
        let second = prost_types::Timestamp {
            seconds: 1,
            nanos: 0,
        };
        assert_eq!(times(Some(second)).map(|times| times.finished), Some(1_000));
    }

    #[test]
    fn an_empty_message_claims_nothing() {
        let snapshot = snapshot(proto::StreamMetricsResponse::default());
        assert_eq!(snapshot, Snapshot::default());
        assert_eq!(snapshot.health.status, HealthStatus::Unknown);
    }
}
