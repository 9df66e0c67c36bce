//! Jobs, queues and numbers as programs read them: the messages of `proto/`
//! under the same field names, with states as words and JSON payloads as they are.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use jobflow::proto;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::view::words;

/// A payload or result.
#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    /// Byte for byte, so that no number loses a digit.
    Json(&'a RawValue),
    Text(&'a str),
    Binary {
        base64: String,
    },
}

impl<'a> Content<'a> {
    fn new(bytes: &'a [u8], content_type: &str) -> Self {
        match (
            is_json(content_type),
            serde_json::from_slice(bytes),
            std::str::from_utf8(bytes),
        ) {
            (true, Ok(json), _) => Self::Json(json),
            (_, _, Ok(text)) => Self::Text(text),
            _ => Self::Binary {
                base64: BASE64_STANDARD.encode(bytes),
            },
        }
    }
}

/// Whether a payload of this media type must be valid JSON.
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json")
}

/// The answer to a submit: no more than the server knows without reading the job.
#[derive(Serialize)]
pub(crate) struct Submitted<'a> {
    id: &'a str,
    queue: &'a str,
    kind: &'a str,
    state: &'static str,
    duplicate: bool,
    create_time: Option<String>,
}

impl<'a> Submitted<'a> {
    pub(crate) fn new(job: &'a proto::Job, duplicate: bool) -> Self {
        Self {
            id: &job.id,
            queue: &job.queue,
            kind: &job.kind,
            state: words::state(job.state()),
            duplicate,
            create_time: text(job.create_time),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Job<'a> {
    id: &'a str,
    queue: &'a str,
    kind: &'a str,
    state: &'static str,
    priority: i32,
    payload: Content<'a>,
    content_type: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, &'a str>,
    attempt: i32,
    max_attempts: i32,
    crash_count: i32,
    timeout: Option<String>,
    backoff: Option<Backoff>,
    create_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_expire_time: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    worker: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Content<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    result_content_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<JobError<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    idempotency_key: &'a str,
}

#[derive(Serialize)]
struct Backoff {
    initial: Option<String>,
    multiplier: f64,
    max: Option<String>,
}

#[derive(Serialize)]
struct JobError<'a> {
    code: &'a str,
    message: &'a str,
}

impl<'a> Job<'a> {
    pub(crate) fn new(job: &'a proto::Job) -> Self {
        let result = Content::new(&job.result, &job.result_content_type);
        Self {
            id: &job.id,
            queue: &job.queue,
            kind: &job.kind,
            state: words::state(job.state()),
            priority: job.priority,
            payload: Content::new(&job.payload, &job.content_type),
            content_type: &job.content_type,
            headers: job
                .headers
                .iter()
                .map(|(name, value)| (&**name, &**value))
                .collect(),
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            crash_count: job.crash_count,
            timeout: text(job.timeout),
            backoff: job.backoff.map(|backoff| Backoff {
                initial: text(backoff.initial),
                multiplier: backoff.multiplier,
                max: text(backoff.max),
            }),
            create_time: text(job.create_time),
            run_time: text(job.run_time),
            start_time: text(job.start_time),
            finish_time: text(job.finish_time),
            lease_expire_time: text(job.lease_expire_time),
            worker: &job.worker,
            result: Some(result).filter(|_| !job.result.is_empty()),
            result_content_type: &job.result_content_type,
            error: job.error.as_ref().map(JobError::new),
            idempotency_key: &job.idempotency_key,
        }
    }
}

impl<'a> JobError<'a> {
    fn new(error: &'a proto::JobError) -> Self {
        Self {
            code: &error.code,
            message: &error.message,
        }
    }
}

/// Declares the form of a message that holds nothing but numbers.
macro_rules! numbers {
    ($name:ident: $number:ty { $($field:ident),+ $(,)? }) => {
        #[derive(Serialize)]
        struct $name {
            $($field: $number),+
        }

        impl From<proto::$name> for $name {
            fn from(message: proto::$name) -> Self {
                Self { $($field: message.$field),+ }
            }
        }
    };
}

numbers!(JobCounts: i64 {
    scheduled, blocked, waiting, active, retrying, completed, failed, cancelled,
});
numbers!(QueueTotals: i64 {
    submitted, completed, failed, cancelled, errored, lease_expired, lease_lost, unhandled,
    released, snoozed,
});
numbers!(Rates: f64 { submitted, completed, failed, errored });
numbers!(WorkerMetrics: i32 { alive, slots, busy_slots });

#[derive(Serialize)]
pub(crate) struct Queue<'a> {
    name: &'a str,
    counts: JobCounts,
    totals: QueueTotals,
    oldest_waiting_age: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rates: Option<Rates>,
}

impl<'a> Queue<'a> {
    pub(crate) fn new(queue: &'a proto::Queue) -> Self {
        Self {
            name: &queue.name,
            counts: queue.counts.unwrap_or_default().into(),
            totals: queue.totals.unwrap_or_default().into(),
            oldest_waiting_age: text(queue.oldest_waiting_age),
            rates: None,
        }
    }

    fn with_rates(metrics: &'a proto::QueueMetrics) -> Option<Self> {
        Some(Self {
            rates: Some(metrics.rates.unwrap_or_default().into()),
            ..Self::new(metrics.queue.as_ref()?)
        })
    }
}

#[derive(Serialize)]
pub(crate) struct Metrics<'a> {
    server_id: &'a str,
    sequence: u64,
    time: Option<String>,
    health: Health<'a>,
    counts: JobCounts,
    totals: QueueTotals,
    rates: Rates,
    workers: WorkerMetrics,
    oldest_waiting_age: Option<String>,
    queues: Vec<Queue<'a>>,
    recent_jobs: Vec<FinishedJob<'a>>,
}

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    reasons: &'a [String],
    store_round_trip: Option<String>,
}

#[derive(Serialize)]
struct FinishedJob<'a> {
    id: &'a str,
    queue: &'a str,
    kind: &'a str,
    state: &'static str,
    attempt: i32,
    worker: &'a str,
    finish_time: Option<String>,
    wait_duration: Option<String>,
    run_duration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<JobError<'a>>,
}

impl<'a> Metrics<'a> {
    pub(crate) fn new(numbers: &'a proto::StreamMetricsResponse) -> Self {
        let health = numbers.health.as_ref();
        Self {
            server_id: &numbers.server_id,
            sequence: numbers.sequence,
            time: text(numbers.time),
            health: Health {
                status: words::health(health.map(proto::Health::status).unwrap_or_default()),
                reasons: health.map_or(&[], |health| &health.reasons),
                store_round_trip: health.and_then(|health| text(health.store_round_trip)),
            },
            counts: numbers.counts.unwrap_or_default().into(),
            totals: numbers.totals.unwrap_or_default().into(),
            rates: numbers.rates.unwrap_or_default().into(),
            workers: numbers.workers.unwrap_or_default().into(),
            oldest_waiting_age: text(numbers.oldest_waiting_age),
            queues: numbers
                .queues
                .iter()
                .filter_map(Queue::with_rates)
                .collect(),
            recent_jobs: numbers.recent_jobs.iter().map(FinishedJob::new).collect(),
        }
    }
}

impl<'a> FinishedJob<'a> {
    fn new(job: &'a proto::FinishedJob) -> Self {
        Self {
            id: &job.id,
            queue: &job.queue,
            kind: &job.kind,
            state: words::state(job.state()),
            attempt: job.attempt,
            worker: &job.worker,
            finish_time: text(job.finish_time),
            wait_duration: text(job.wait_duration),
            run_duration: text(job.run_duration),
            error: job.error.as_ref().map(JobError::new),
        }
    }
}

/// Times as RFC 3339 and durations as `1.5s`, the JSON forms of Protocol Buffers.
fn text(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(payload: &'static [u8], content_type: &str) -> proto::Job {
        proto::Job {
            payload: payload.into(),
            content_type: content_type.to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn a_json_payload_stands_there_byte_for_byte() {
        let payload = r#"{"n":12345678901234567890,"f":1.10,"s":"\u0000é"}"#;
        let job = job(payload.as_bytes(), "application/json; charset=utf-8");
        let text = serde_json::to_string(&Job::new(&job)).unwrap();
        assert!(text.contains(&format!("\"payload\":{payload}")), "{text}");
    }

    #[test]
    fn other_payloads_are_text_or_base64() {
        let text = serde_json::to_value(Job::new(&job(b"hi", "text/plain"))).unwrap();
        assert_eq!(text["payload"], "hi");
        let binary = serde_json::to_value(Job::new(&job(b"\xff", "image/png"))).unwrap();
        assert_eq!(binary["payload"]["base64"], "/w==");
    }

    #[test]
    fn a_line_holds_no_line_end() {
        let job = job(b"{\n \"a\": 1\n}", "application/json");
        let line = crate::output::json_line(&Job::new(&job)).unwrap();
        assert!(!line.contains('\n') && line.contains("\"a\": 1"), "{line}");
    }
}
