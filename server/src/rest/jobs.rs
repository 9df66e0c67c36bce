//! `POST /jobs`, `GET /jobs/{id}` and `DELETE /jobs/{id}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, StatusCode};
use jobflow::{Error, JobId, JobRecord, StoreTime};
use serde::Serialize;
use serde_json::value::RawValue;

use super::body;
use super::problem::Problem;
use crate::app::App;
use crate::auth::who;

/// Fields stand in the order in which clients know them.
#[derive(Serialize)]
struct Submitted {
    success: bool,
    job: SubmittedJob,
}

#[derive(Serialize)]
struct SubmittedJob {
    id: String,
    status: &'static str,
    timestamp: u64,
}

/// 201 for a new job, 200 for one that exists already under its idempotency key.
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    if !headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| is_json(value.as_bytes()))
    {
        return Err(Problem::unsupported_media_type());
    }
    let body = body.map_err(|rejection| Problem::body(rejection.status()))?;
    let job = body::parse(&body, idempotency_key(&headers)?)?;
    who::queue(job.queue_name())?;
    let submitted = app.submit(job).await?;
    let status = if submitted.duplicate {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let location = [(LOCATION, format!("/jobs/{}", submitted.id))];
    let answer = Submitted {
        success: true,
        job: SubmittedJob {
            id: submitted.id.to_string(),
            status: submitted.state.as_str(),
            timestamp: submitted.time.0,
        },
    };
    Ok((status, location, Json(answer)).into_response())
}

#[derive(Serialize)]
struct Cancelled {
    success: bool,
    job: CancelledJob,
}

#[derive(Serialize)]
struct CancelledJob {
    id: String,
    status: &'static str,
}

#[derive(Serialize)]
struct Got {
    success: bool,
    job: Job,
}

/// A job as REST shows it. Bytes that are not JSON stand in base64 under
/// another name, so that nobody takes them for a JSON string. Times are
/// milliseconds since 1970.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    id: String,
    name: String,
    queue: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    content_type: String,
    priority: u8,
    attempt: u32,
    max_attempts: u32,
    crash_count: u32,
    timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<JobError>,
    /// Payload, result and headers are kept from this caller.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    payload_hidden: bool,
}

impl Job {
    /// As a caller sees it whose role may not see what jobs carry.
    fn hide(&mut self) {
        self.data = None;
        self.data_base64 = None;
        self.result = None;
        self.result_base64 = None;
        self.headers.clear();
        self.payload_hidden = true;
    }
}

#[derive(Serialize)]
struct JobError {
    code: String,
    message: String,
}

pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id.parse()?;
    who::job(&app.queue, id).await?;
    let job = app.queue.get(id).await?;
    let mut job = Job::from(job);
    if !who::principal()?.role.sees_payloads() {
        job.hide();
    }
    let answer = Got { success: true, job };
    Ok(Json(answer).into_response())
}

/// Calls the job off: it is `cancelled` then, or `active` and asked to end.
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id: JobId = id.parse()?;
    who::job(&app.queue, id).await?;
    let state = app.queue.cancel(id, "", None).await?;
    let answer = Cancelled {
        success: true,
        job: CancelledJob {
            id: id.to_string(),
            status: state.as_str(),
        },
    };
    Ok(Json(answer).into_response())
}

impl From<JobRecord> for Job {
    fn from(job: JobRecord) -> Self {
        let (data, data_base64) = shown(&job.payload, &job.content_type);
        let (result, result_base64) = match &job.result {
            Some(result) => shown(&result.bytes, &result.content_type),
            None => (None, None),
        };
        let ms = |time: StoreTime| time.0;
        Self {
            id: job.id.to_string(),
            name: job.kind.to_string(),
            queue: job.queue.to_string(),
            status: job.state.as_str(),
            data,
            data_base64,
            content_type: job.content_type,
            priority: job.priority.get(),
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            crash_count: job.crash_count,
            timestamp: job.created.0,
            ready_at: job.ready.map(ms),
            started_at: job.started.map(ms),
            finished_at: job.finished.map(ms),
            worker: job.worker,
            headers: job.headers,
            idempotency_key: job.idempotency_key,
            result,
            result_base64,
            error: job.error.map(|error| JobError {
                code: error.code,
                message: error.message,
            }),
            payload_hidden: false,
        }
    }
}

/// The bytes as the JSON they are, byte for byte, or else in base64.
fn shown(bytes: &Bytes, content_type: &str) -> (Option<Box<RawValue>>, Option<String>) {
    let json = is_json(content_type.as_bytes())
        .then(|| serde_json::from_slice::<&RawValue>(bytes).ok())
        .flatten();
    match json {
        Some(json) => (Some(json.to_owned()), None),
        None => (None, Some(STANDARD.encode(bytes))),
    }
}

/// `application/json` and the types built on it, with or without parameters.
fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    let essence = essence.trim_ascii().to_ascii_lowercase();
    essence == b"application/json"
        || (essence.starts_with(b"application/") && essence.ends_with(b"+json"))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = key.to_str().ok();
    text.map(Some)
        .ok_or_else(|| Error::invalid("Idempotency-Key", "must be ASCII text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_its_media_type() {
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/problem+json",
        ] {
            assert!(is_json(json.as_bytes()), "{json}");
        }
        for other in [
            "",
            "text/json",
            "application/jsonl",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!is_json(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn json_is_shown_as_it_came_and_other_bytes_in_base64() {
        let text = r#"{"n":12345678901234567890,"e":[],"o":{},"s":"\u0000é😀","f":1.10}"#;
        let (json, base64) = shown(&Bytes::from(text), "application/json");
        assert_eq!((json.unwrap().get(), base64), (text, None));
        let (json, base64) = shown(&Bytes::from_static(b"{"), "application/json");
        assert_eq!((json.is_none(), base64.as_deref()), (true, Some("ew==")));
        let (json, base64) = shown(&Bytes::from_static(b"1"), "text/plain");
        assert_eq!((json.is_none(), base64.as_deref()), (true, Some("MQ==")));
    }
}
