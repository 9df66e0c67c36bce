//! Numbers as the edges show them: sums over queues, and one metrics message.

use std::time::Duration;

use jobflow::{
    Counts, Measures, QueueControl, QueueName, QueueSnapshot, Snapshot, Totals, WorkerSnapshot,
    proto,
};

use crate::rates::{self, Rates};

/// A worker that has not been heard of for three beats is not counted on.
const ALIVE: Duration = Duration::from_secs(15);

/// All queues as if they were one; its name means nothing.
pub(crate) fn all_queues(queues: &[QueueSnapshot]) -> QueueSnapshot {
    let mut all = QueueSnapshot {
        name: QueueName::default(),
        counts: Counts::default(),
        totals: Totals::default(),
        oldest_waiting: None,
        control: QueueControl::default(),
        measured: Measures::default(),
        partitions: jobflow::PartitionsSnapshot::default(),
    };
    for queue in queues {
        all.counts += queue.counts;
        all.totals += queue.totals;
        all.measured += &queue.measured;
        all.oldest_waiting = all.oldest_waiting.max(queue.oldest_waiting);
        let unreachable = &queue.partitions.unreachable;
        all.partitions.unreachable.extend(unreachable);
    }
    all
}

/// Workers whose last beat is recent.
pub(crate) fn alive(workers: &[WorkerSnapshot]) -> impl Iterator<Item = &WorkerSnapshot> {
    workers.iter().filter(|worker| worker.beat_age <= ALIVE)
}

/// The slots of the workers that are alive.
pub(crate) fn worker_metrics(workers: &[WorkerSnapshot]) -> proto::WorkerMetrics {
    let mut metrics = proto::WorkerMetrics::default();
    for worker in alive(workers) {
        metrics.alive += 1;
        metrics.slots = metrics.slots.saturating_add_unsigned(worker.beat.slots);
        metrics.busy_slots = metrics.busy_slots.saturating_add_unsigned(worker.beat.busy);
    }
    metrics
}

/// One message of `StreamMetrics`; its sequence and server are the hub's.
pub(crate) fn message(
    snapshot: &Snapshot,
    rates: &Rates,
    health: proto::Health,
    memory: Option<proto::StoreMemory>,
) -> proto::StreamMetricsResponse {
    let sum = all_queues(&snapshot.queues);
    let all = proto::Queue::from(&sum);
    let queues = snapshot.queues.iter().map(|queue| proto::QueueMetrics {
        queue: Some(proto::Queue {
            // For whoever changes settings, and they read the queue anew.
            etag: String::new(),
            ..queue.into()
        }),
        rates: rates.get(&queue.name).copied(),
        wait: proto::percentiles(&queue.measured.wait),
        run: proto::percentiles(&queue.measured.run),
    });
    proto::StreamMetricsResponse {
        sequence: 0,
        snapshot: false,
        time: Some(proto::timestamp(snapshot.time)),
        health: Some(health),
        counts: all.counts,
        totals: all.totals,
        rates: Some(rates::sum(rates)),
        queues: queues.collect(),
        workers: Some(worker_metrics(&snapshot.workers)),
        recent_jobs: snapshot.recent.iter().map(Into::into).collect(),
        server_id: String::new(),
        oldest_waiting_age: all.oldest_waiting_age,
        wait: proto::percentiles(&sum.measured.wait),
        run: proto::percentiles(&sum.measured.run),
        store_memory: memory,
    }
}
