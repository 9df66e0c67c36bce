//! One line of input and the job it asks for.

use std::collections::HashMap;
use std::fmt::Display;

use bytes::Bytes;
use clap::ValueEnum;
use jobflow::Code;
use jobflow::proto::{
    self, SubmitJobRequest, SubmitRejection,
    submit_job_request::{StartLimit, When},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::args::{Durability, KeyScope, OnConflict, duration, timestamp};
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
    tags: Option<Vec<String>>,
    start_within: Option<String>,
    start_before: Option<String>,
    on_conflict: Option<String>,
    key_scope: Option<String>,
    durability: Option<String>,
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
        set(&mut job.tags, self.tags);
        if let Some(rule) = self.on_conflict {
            let rule = word::<OnConflict>("on_conflict", &rule)?;
            job.set_on_conflict(rule.into());
        }
        if let Some(scope) = self.key_scope {
            let scope = word::<KeyScope>("key_scope", &scope)?;
            job.set_key_scope(scope.into());
        }
        if let Some(class) = self.durability {
            let class = word::<Durability>("durability", &class)?;
            job.set_durability(class.into());
        }
        job.priority = self.priority.or(job.priority);
        job.max_attempts = self.max_attempts.or(job.max_attempts);
        if let Some(timeout) = self.timeout {
            let timeout = duration(&timeout).map_err(|error| rejection("timeout", error))?;
            job.timeout = Some(proto::duration(timeout));
        }
        if let Some((text, field)) = one_of((self.delay, "delay"), (self.run_at, "run_at"))? {
            job.when = Some(match field {
                "delay" => When::Delay(proto::duration(
                    duration(&text).map_err(|error| rejection(field, error))?,
                )),
                _ => When::RunTime(timestamp(&text).map_err(|error| rejection(field, error))?),
            });
        }
        let within = (self.start_within, "start_within");
        let before = (self.start_before, "start_before");
        if let Some((text, field)) = one_of(within, before)? {
            job.start_limit = Some(match field {
                "start_within" => StartLimit::StartWithin(proto::duration(
                    duration(&text).map_err(|error| rejection(field, error))?,
                )),
                _ => StartLimit::StartBeforeTime(
                    timestamp(&text).map_err(|error| rejection(field, error))?,
                ),
            });
        }
        Ok(job)
    }
}

type Field = (Option<String>, &'static str);

/// The one that is given of two fields that exclude each other.
fn one_of(first: Field, second: Field) -> Result<Option<(String, &'static str)>, SubmitRejection> {
    match (first, second) {
        ((Some(_), other), (Some(_), field)) => Err(rejection(field, format!("excludes {other}"))),
        ((Some(text), field), _) | (_, (Some(text), field)) => Ok(Some((text, field))),
        _ => Ok(None),
    }
}

/// A word that the command line knows as well, with `-` or `_`.
fn word<T: ValueEnum>(field: &str, text: &str) -> Result<T, SubmitRejection> {
    T::from_str(&text.replace('_', "-"), true)
        .map_err(|_| rejection(field, format!("`{text}` is not one of its words")))
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
        for (field, line) in [
            (
                "run_at",
                r#"{"kind":"k","delay":"5s","run_at":"2030-01-31T09:00:00Z"}"#,
            ),
            ("start_before", r#"{"kind":"k","start_before":"soon"}"#),
            ("on_conflict", r#"{"kind":"k","on_conflict":"fight"}"#),
            ("key_scope", r#"{"kind":"k","key_scope":"ever"}"#),
        ] {
            assert_eq!(refused(line).field, field);
        }
        assert!(refused("nonsense").message.contains("at column 2"));
        assert!(
            refused(r#"{"kind":"k","deley":"5s"}"#)
                .message
                .contains("deley")
        );
    }

    #[test]
    fn a_line_can_say_all_that_an_option_can() {
        let line = r#"{"kind":"k","tags":["eu","x:1"],"start_within":"1m",
            "on_conflict":"replace_waiting","key_scope":"unfinished"}"#;
        let job = template().job(line.as_bytes()).unwrap();
        assert_eq!(job.tags, ["eu", "x:1"]);
        assert_eq!(job.on_conflict(), proto::OnConflict::ReplaceWaiting);
        assert_eq!(job.key_scope(), proto::KeyScope::Unfinished);
        let minute = prost_types::Duration {
            seconds: 60,
            nanos: 0,
        };
        assert_eq!(job.start_limit, Some(StartLimit::StartWithin(minute)));
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

    /// Without the targets of cargo-fuzz: a program is no library.
    #[test]
    fn no_line_panics() {
        fn read(input: &[u8]) {
            let _refused = template().job(input);
        }
        let name = "cli_line";
        jobflow::testing::fuzz::run(&[jobflow::testing::fuzz::Target { name, read }]);
    }
}
