//! Answers about many queues, without those that the caller may not touch.

use jobflow::{QueueScope, proto};

/// Adds the fields of one message to those of another.
macro_rules! add {
    ($to:expr, $from:expr, $($field:ident),* $(,)?) => {
        $($to.$field += $from.$field;)*
    };
}

/// The numbers of these queues, summed up anew; health and workers are still
/// of all.
pub(crate) fn metrics(
    message: proto::StreamMetricsResponse,
    scope: &QueueScope,
) -> proto::StreamMetricsResponse {
    if scope.is_all() {
        return message;
    }
    let mut queues = message.queues;
    queues.retain(|entry| scope.contains(entry.queue.as_ref().map_or("", |queue| &queue.name)));
    let mut recent_jobs = message.recent_jobs;
    recent_jobs.retain(|job| scope.contains(&job.queue));
    let mut counts = proto::JobCounts::default();
    let mut totals = proto::QueueTotals::default();
    let mut rates = proto::Rates::default();
    let mut oldest: Option<prost_types::Duration> = None;
    for entry in &queues {
        let queue = entry.queue.clone().unwrap_or_default();
        let (c, t) = (
            queue.counts.unwrap_or_default(),
            queue.totals.unwrap_or_default(),
        );
        let r = entry.rates.unwrap_or_default();
        add!(counts, c, scheduled, blocked, waiting, active, retrying);
        add!(counts, c, completed, failed, cancelled);
        add!(totals, t, submitted, completed, failed, cancelled, errored);
        add!(
            totals,
            t,
            lease_expired,
            lease_lost,
            unhandled,
            released,
            snoozed
        );
        add!(rates, r, submitted, completed, failed, errored);
        let age = |age: &prost_types::Duration| (age.seconds, age.nanos);
        oldest = oldest
            .into_iter()
            .chain(queue.oldest_waiting_age)
            .max_by_key(age);
    }
    proto::StreamMetricsResponse {
        counts: Some(counts),
        totals: Some(totals),
        rates: Some(rates),
        oldest_waiting_age: oldest,
        // Told of all queues together, and not to be told apart any more.
        wait: None,
        run: None,
        store_memory: None,
        queues,
        recent_jobs,
        ..message
    }
}

/// What a worker does for these queues; none when it serves none of them.
pub(crate) fn worker(mut worker: proto::Worker, scope: &QueueScope) -> Option<proto::Worker> {
    if scope.is_all() {
        return Some(worker);
    }
    worker.queues.retain(|queue| scope.contains(queue));
    worker.running_jobs.retain(|job| scope.contains(&job.queue));
    (!worker.queues.is_empty()).then_some(worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, waiting: i64, seconds: i64) -> proto::QueueMetrics {
        proto::QueueMetrics {
            queue: Some(proto::Queue {
                name: name.to_owned(),
                counts: Some(proto::JobCounts {
                    waiting,
                    ..proto::JobCounts::default()
                }),
                oldest_waiting_age: Some(prost_types::Duration { seconds, nanos: 0 }),
                ..proto::Queue::default()
            }),
            ..proto::QueueMetrics::default()
        }
    }

    #[test]
    fn numbers_of_other_queues_are_in_no_sum() {
        let message = proto::StreamMetricsResponse {
            queues: vec![
                entry("mail", 3, 5),
                entry("other", 100, 50),
                entry("mail-2", 4, 7),
            ],
            recent_jobs: ["mail", "other"]
                .map(|queue| proto::FinishedJob {
                    queue: queue.to_owned(),
                    ..proto::FinishedJob::default()
                })
                .into(),
            ..proto::StreamMetricsResponse::default()
        };
        let scope = QueueScope::new(["mail*"]).unwrap();
        let narrowed = metrics(message, &scope);
        assert_eq!(narrowed.counts.unwrap().waiting, 7);
        assert_eq!(narrowed.oldest_waiting_age.unwrap().seconds, 7);
        assert_eq!((narrowed.queues.len(), narrowed.recent_jobs.len()), (2, 1));
        assert!(!format!("{narrowed:?}").contains("other"));
    }

    #[test]
    fn a_worker_of_other_queues_is_not_seen() {
        let told = proto::Worker {
            queues: vec!["mail".to_owned(), "other".to_owned()],
            ..proto::Worker::default()
        };
        let scope = QueueScope::new(["mail"]).unwrap();
        assert_eq!(worker(told.clone(), &scope).unwrap().queues, ["mail"]);
        let scope = QueueScope::new(["none"]).unwrap();
        assert_eq!(worker(told, &scope), None);
    }
}
