//! `GET /stats`: the numbers of all queues together and of each.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jobflow::{Counts, QueueSnapshot, Totals};
use serde::Serialize;

use super::problem::Problem;
use crate::app::App;
use crate::auth::who;
use crate::health::judge;
use crate::numbers;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    success: bool,
    /// Milliseconds since 1970 by the clock of the store.
    time: u64,
    health: Health,
    counts: CountsView,
    totals: TotalsView,
    oldest_waiting_ms: Option<u128>,
    workers: Workers,
    queues: Vec<Queue>,
}

#[derive(Serialize)]
struct Health {
    status: String,
    reasons: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Workers {
    alive: i32,
    slots: i32,
    busy_slots: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Queue {
    name: String,
    counts: CountsView,
    totals: TotalsView,
    oldest_waiting_ms: Option<u128>,
}

pub(super) async fn stats(State(app): State<Arc<App>>) -> Result<Json<Stats>, Problem> {
    let seen = app.look().await?.narrowed(&who::scope()?);
    let health = judge(Ok(&seen), &app.pulses.reports());
    let snapshot = seen.snapshot;
    let all = numbers::all_queues(&snapshot.queues);
    let workers = numbers::worker_metrics(&snapshot.workers);
    Ok(Json(Stats {
        success: true,
        time: snapshot.time.0,
        health: Health {
            status: status_word(health.status()),
            reasons: health.reasons,
        },
        counts: all.counts.into(),
        totals: all.totals.into(),
        oldest_waiting_ms: all.oldest_waiting.map(|age| age.as_millis()),
        workers: Workers {
            alive: workers.alive,
            slots: workers.slots,
            busy_slots: workers.busy_slots,
        },
        queues: snapshot.queues.into_iter().map(Into::into).collect(),
    }))
}

/// `HEALTH_STATUS_HEALTHY` as `healthy`.
fn status_word(status: jobflow::proto::HealthStatus) -> String {
    status
        .as_str_name()
        .trim_start_matches("HEALTH_STATUS_")
        .to_lowercase()
}

impl From<QueueSnapshot> for Queue {
    fn from(queue: QueueSnapshot) -> Self {
        Self {
            name: queue.name.to_string(),
            counts: queue.counts.into(),
            totals: queue.totals.into(),
            oldest_waiting_ms: queue.oldest_waiting.map(|age| age.as_millis()),
        }
    }
}

/// Declares the form of a struct of numbers on the wire; the compiler sees to
/// it that every field of it exists.
macro_rules! view {
    ($view:ident of $numbers:ident { $($field:ident),* $(,)? }) => {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct $view {
            $($field: u64,)*
        }

        impl From<$numbers> for $view {
            fn from($numbers { $($field,)* }: $numbers) -> Self {
                Self { $($field,)* }
            }
        }
    };
}

view!(CountsView of Counts {
    scheduled, blocked, waiting, active, retrying, completed, failed, cancelled,
});
view!(TotalsView of Totals {
    submitted, completed, failed, cancelled, errored,
    lease_expired, lease_lost, unhandled, released, snoozed,
});
