//! One line of input and the job it asks for.

use std::collections::HashMap;
use std::fmt::Display;

use bytes::Bytes;
use jobflow::Code;
use jobflow::proto::{self, SubmitJobRequest, SubmitRejection, submit_job_request::When};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::args::{duration, timestamp};
use crate::view::json::is_json;

/// What the command line says about every job.
pub(crate) struct Template {
    pub(crate) request: SubmitJobRequest,
    /// Each line is a payload, not a job.
    pub(crate) bare_data: bool,
}

/// A job as a line spells it. A misspelled field is refused: a job that runs
/// at once because its `deley` was overlooked would be worse.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(alias = "name")]
    kind: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    queue: Option<String>,
    priority: Option<i32>,
    delay: Option<String>,
    run_at: Option<String>,
    #[serde(alias = "attempts")]
    max_attempts: Option<i32>,
    timeout: Option<String>,
    headers: Option<HashMap<String, String>>,
    content_type: Option<String>,
    idempotency_key: Option<String>,
}

impl Template {
    /// Reads a line, without its line end.
    pub(crate) fn job(&self, line: &[u8]) -> Result<SubmitJobRequest, SubmitRejection> {
        let mut job = self.request.clone();
        job.request_id = Uuid::now_v7().to_string();
        if self.bare_data {
            if is_json(&job.content_type) {
                serde_json::from_slice::<&RawValue>(line).map_err(|error| not_json(&error))?;
            }
            job.payload = Bytes::copy_from_slice(line);
            return Ok(job);
        }
        let line: Line<'_> = serde_json::from_slice(line).map_err(|error| not_json(&error))?;
        line.fill(job)
    }
}

impl Line<'_> {
    fn fill(self, mut job: SubmitJobRequest) -> Result<SubmitJobRequest, SubmitRejection> {
        job.kind = self.kind.ok_or_else(|| rejection("kind", "is missing"))?;
        let data = self.data.map_or("null", RawValue::get);
        job.payload = Bytes::copy_from_slice(data.as_bytes());
        set(&mut job.queue, self.queue);
        set(&mut job.content_type, self.content_type);
        set(&mut job.idempotency_key, self.idempotency_key);
        set(&mut job.headers, self.headers);
        job.priority = self.priority.or(job.priority);
        job.max_attempts = self.max_attempts.or(job.max_attempts);
        if let Some(timeout) = self.timeout {
            let timeout = duration(&timeout).map_err(|error| rejection("timeout", error))?;
            job.timeout = Some(proto::duration(timeout));
        }
        job.when = match (self.delay, self.run_at) {
            (Some(_), Some(_)) => return Err(rejection("run_at", "excludes delay")),
            (Some(delay), None) => {
                let delay = duration(&delay).map_err(|error| rejection("delay", error))?;
                Some(When::Delay(proto::duration(delay)))
            }
            (None, Some(time)) => {
                let time = timestamp(&time).map_err(|error| rejection("run_at", error))?;
                Some(When::RunTime(time))
            }
            (None, None) => job.when,
        };
        Ok(job)
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn not_json(error: &serde_json::Error) -> SubmitRejection {
    rejection(
        "",
        error.to_string().replace("at line 1 column", "at column"),
    )
}

pub(crate) fn rejection(field: &str, message: impl Display) -> SubmitRejection {
    SubmitRejection {
        reason: Code::InvalidField.as_str().to_owned(),
        field: field.to_owned(),
        message: message.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        let request = SubmitJobRequest {
            queue: "mail".to_owned(),
            priority: Some(1),
            ..SubmitJobRequest::default()
        };
        Template {
            request,
            bare_data: false,
        }
    }

    fn refused(line: &str) -> SubmitRejection {
        template().job(line.as_bytes()).unwrap_err()
    }

    #[test]
    fn data_is_kept_byte_for_byte() {
        let line = r#"{"name":"k","data": {"n":12345678901234567890, "f":1.10} }"#;
        let job = template().job(line.as_bytes()).unwrap();
        assert_eq!(job.kind, "k");
        assert_eq!(job.payload, r#"{"n":12345678901234567890, "f":1.10}"#);
    }

    #[test]
    fn a_line_goes_before_the_command_line() {
        let job = template()
            .job(br#"{"kind":"k","queue":"images","delay":"5s"}"#)
            .unwrap();
        assert_eq!((job.queue.as_str(), job.priority), ("images", Some(1)));
        assert_eq!(
            job.when,
            Some(When::Delay(prost_types::Duration {
                seconds: 5,
                nanos: 0
            }))
        );
        assert_eq!(job.payload, "null");
    }

    #[test]
    fn a_bad_line_says_what_is_wrong() {
        assert_eq!(refused("{}").field, "kind");
        assert_eq!(refused(r#"{"kind":"k","delay":"soon"}"#).field, "delay");
        assert_eq!(refused(r#"{"kind":"k","run_at":"soon"}"#).field, "run_at");
        assert!(refused("nonsense").message.contains("at column 2"));
        assert!(
            refused(r#"{"kind":"k","deley":"5s"}"#)
                .message
                .contains("deley")
        );
    }

    #[test]
    fn a_bare_line_is_the_payload() {
        let template = Template {
            bare_data: true,
            ..template()
        };
        assert_eq!(template.job(b"[1, 2]").unwrap().payload, "[1, 2]");
    }

    #[test]
    fn each_job_has_a_request_id_of_its_own() {
        let id = || template().job(br#"{"kind":"k"}"#).unwrap().request_id;
        assert_ne!(id(), id());
    }
}
