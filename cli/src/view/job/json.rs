//! Jobs as programs read them.

use std::collections::BTreeMap;

use jobflow::proto;
use serde::Serialize;

use crate::view::json::{Backoff, Content, JobError, text};
use crate::view::words;

/// The answer to a submit: no more than the server knows without reading the job.
#[derive(Serialize)]
pub(crate) struct Submitted<'a> {
    id: &'a str,
    queue: &'a str,
    kind: &'a str,
    state: &'static str,
    duplicate: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    replaced_id: &'a str,
    create_time: Option<String>,
}

impl<'a> Submitted<'a> {
    pub(crate) fn new(job: &'a proto::Job, duplicate: bool, replaced_id: &'a str) -> Self {
        Self {
            id: &job.id,
            queue: &job.queue,
            kind: &job.kind,
            state: words::state(job.state()),
            duplicate,
            replaced_id,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Content<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    content_type: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    attempt: i32,
    max_attempts: i32,
    crash_count: i32,
    timeout: Option<String>,
    backoff: Option<Backoff>,
    create_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_before_time: Option<String>,
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
    #[serde(skip_serializing_if = "is_false")]
    cancel_requested: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<Attempt<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    previous_payloads: Vec<PreviousPayload<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    etag: &'a str,
}

#[derive(Serialize)]
struct Progress<'a> {
    percent: i32,
    message: &'a str,
    update_time: Option<String>,
}

#[derive(Serialize)]
struct Attempt<'a> {
    number: i32,
    worker: &'a str,
    start_time: Option<String>,
    end_time: Option<String>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<JobError<'a>>,
}

#[derive(Serialize)]
struct PreviousPayload<'a> {
    payload: Content<'a>,
    content_type: &'a str,
    replace_time: Option<String>,
}

impl<'a> Job<'a> {
    pub(crate) fn new(job: &'a proto::Job) -> Self {
        let payload = Content::new(&job.payload, &job.content_type);
        let result = Content::new(&job.result, &job.result_content_type);
        Self {
            id: &job.id,
            queue: &job.queue,
            kind: &job.kind,
            state: words::state(job.state()),
            priority: job.priority,
            // Lists come without it.
            payload: Some(payload).filter(|_| !job.payload.is_empty()),
            content_type: &job.content_type,
            headers: job
                .headers
                .iter()
                .map(|(name, value)| (&**name, &**value))
                .collect(),
            tags: &job.tags,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            crash_count: job.crash_count,
            timeout: text(job.timeout),
            backoff: job.backoff.map(Backoff::from),
            create_time: text(job.create_time),
            run_time: text(job.run_time),
            start_before_time: text(job.start_before_time),
            start_time: text(job.start_time),
            finish_time: text(job.finish_time),
            lease_expire_time: text(job.lease_expire_time),
            worker: &job.worker,
            result: Some(result).filter(|_| !job.result.is_empty()),
            result_content_type: &job.result_content_type,
            error: job.error.as_ref().map(JobError::new),
            idempotency_key: &job.idempotency_key,
            cancel_requested: job.cancel_requested,
            progress: job.progress.as_ref().map(Progress::new),
            attempts: job.attempts.iter().map(Attempt::new).collect(),
            previous_payloads: job
                .previous_payloads
                .iter()
                .map(PreviousPayload::new)
                .collect(),
            etag: &job.etag,
        }
    }
}

impl<'a> Progress<'a> {
    fn new(progress: &'a proto::Progress) -> Self {
        Self {
            percent: progress.percent,
            message: &progress.message,
            update_time: text(progress.update_time),
        }
    }
}

impl<'a> Attempt<'a> {
    fn new(attempt: &'a proto::Attempt) -> Self {
        Self {
            number: attempt.number,
            worker: &attempt.worker,
            start_time: text(attempt.start_time),
            end_time: text(attempt.end_time),
            outcome: words::outcome(attempt.outcome()),
            error: attempt.error.as_ref().map(JobError::new),
        }
    }
}

impl<'a> PreviousPayload<'a> {
    fn new(previous: &'a proto::PreviousPayload) -> Self {
        Self {
            payload: Content::new(&previous.payload, &previous.content_type),
            content_type: &previous.content_type,
            replace_time: text(previous.replace_time),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !value
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
