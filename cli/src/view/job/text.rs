//! Jobs as people read them.

use jobflow::proto;
use proto::JobState;

use crate::view::style::{CARE, state};
use crate::view::table::pairs;
use crate::view::words::{self, content, given, printable, wire_duration};

pub(crate) fn submitted(job: &proto::Job, duplicate: bool, replaced_id: &str) -> String {
    let word = if duplicate { "duplicate" } else { "submitted" };
    let replaced = match replaced_id {
        "" => String::new(),
        id => format!(" in place of {id}"),
    };
    format!(
        "{word} {} {} {}{replaced}",
        job.id,
        job.kind,
        state(job.state())
    )
}

pub(crate) fn ended(job: &proto::Job) -> String {
    let ran = words::between(job.start_time.as_ref(), job.finish_time.as_ref());
    let ran = ran.map(|ran| format!(", ran {ran}")).unwrap_or_default();
    let mut text = format!(
        "{} {}, attempt {}{ran}\n",
        state(job.state()),
        job.id,
        attempt(job)
    );
    if let Some(result) = content(&job.result, &job.result_content_type) {
        text += &result;
        text.push('\n');
    }
    text
}

pub(crate) fn job(job: &proto::Job) -> String {
    let ran = words::between(job.start_time.as_ref(), job.finish_time.as_ref());
    let ran = ran.map(|ran| format!(" (ran {ran})")).unwrap_or_default();
    let crashes = Some(job.crash_count).filter(|crashes| *crashes > 0);
    let error = job.error.as_ref();
    pairs(&[
        ("id", given(&job.id)),
        ("kind", given(&job.kind)),
        ("queue", given(&job.queue)),
        ("state", Some(state_with_wish(job))),
        ("priority", Some(job.priority.to_string())),
        ("attempt", Some(attempt(job))),
        ("progress", job.progress.as_ref().map(progress)),
        ("crashes", crashes.map(|crashes| crashes.to_string())),
        ("worker", given(&job.worker)),
        (
            "timeout",
            job.timeout.map(|limit| wire_duration(Some(&limit))),
        ),
        ("created", job.create_time.map(|time| time.to_string())),
        ("due", job.run_time.map(|time| time.to_string())),
        (
            "start before",
            job.start_before_time.map(|time| time.to_string()),
        ),
        ("started", job.start_time.map(|time| time.to_string())),
        (
            "finished",
            job.finish_time.map(|time| format!("{time}{ran}")),
        ),
        (
            "lease until",
            job.lease_expire_time.map(|time| time.to_string()),
        ),
        ("tags", given(&job.tags.join(", "))),
        ("key", given(&job.idempotency_key)),
        ("headers", given(&headers(job))),
        (
            "error",
            error.map(|error| printable(&format!("{}: {}", error.code, error.message))),
        ),
        ("attempts", given(&attempts(job))),
        ("payload", content(&job.payload, &job.content_type)),
        ("replaced", given(&previous_payloads(job))),
        ("result", content(&job.result, &job.result_content_type)),
    ])
}

/// The state, and that the job is asked to end.
fn state_with_wish(job: &proto::Job) -> String {
    let wish = match (job.state(), job.cancel_requested) {
        (JobState::Active, true) => format!(", {CARE}asked to end{CARE:#}"),
        _ => String::new(),
    };
    format!("{}{wish}", state(job.state()))
}

pub(crate) fn progress(progress: &proto::Progress) -> String {
    let message = printable(&progress.message);
    let gap = if message.is_empty() { "" } else { " " };
    format!("{}%{gap}{message}", progress.percent)
}

/// A line for each attempt that has ended.
fn attempts(job: &proto::Job) -> String {
    let lines = job.attempts.iter().map(|attempt| {
        let ran = words::between(attempt.start_time.as_ref(), attempt.end_time.as_ref());
        let ran = ran.map(|ran| format!(" after {ran}")).unwrap_or_default();
        let error = attempt.error.as_ref();
        let error = error.map(|error| format!(": {}: {}", error.code, first_line(&error.message)));
        format!(
            "{} {}{ran} on {}{}",
            attempt.number,
            words::outcome(attempt.outcome()),
            attempt.worker,
            error.unwrap_or_default()
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The payloads that a retry or an edit has replaced.
fn previous_payloads(job: &proto::Job) -> String {
    let lines = job.previous_payloads.iter().map(|previous| {
        let payload = content(&previous.payload, &previous.content_type).unwrap_or_default();
        let time = previous.replace_time.map(|time| time.to_string());
        format!("{} until {}", payload, time.unwrap_or_default())
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(crate) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

pub(crate) fn attempt(job: &proto::Job) -> String {
    format!("{} of {}", job.attempt, job.max_attempts)
}

fn headers(job: &proto::Job) -> String {
    let lines = job
        .headers
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let mut lines: Vec<_> = lines.collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::table::plain;
    use prost_types::Timestamp;

    #[test]
    fn a_job_shows_what_it_has() {
        let job = proto::Job {
            id: "0198c0de".to_owned(),
            kind: "resize".to_owned(),
            queue: "images".to_owned(),
            state: JobState::Failed.into(),
            priority: 5,
            attempt: 3,
            max_attempts: 3,
            timeout: Some(prost_types::Duration {
                seconds: 1_800,
                nanos: 0,
            }),
            create_time: Some(Timestamp {
                seconds: 0,
                nanos: 0,
            }),
            start_time: Some(Timestamp {
                seconds: 60,
                nanos: 0,
            }),
            finish_time: Some(Timestamp {
                seconds: 61,
                nanos: 500_000_000,
            }),
            headers: [
                ("b".to_owned(), "2".to_owned()),
                ("a".to_owned(), "1".to_owned()),
            ]
            .into(),
            error: Some(proto::JobError {
                code: "HANDLER_ERROR".to_owned(),
                message: "no such file\nresize.rs:7".to_owned(),
            }),
            payload: "{}".into(),
            ..proto::Job::default()
        };
        let lines = [
            "id        0198c0de",
            "kind      resize",
            "queue     images",
            "state     failed",
            "priority  5",
            "attempt   3 of 3",
            "timeout   30m",
            "created   1970-01-01T00:00:00Z",
            "started   1970-01-01T00:01:00Z",
            "finished  1970-01-01T00:01:01.500Z (ran 1.5s)",
            "headers   a=1",
            "          b=2",
            "error     HANDLER_ERROR: no such file",
            "          resize.rs:7",
            "payload   {}",
        ];
        assert_eq!(plain(&super::job(&job)).lines().collect::<Vec<_>>(), lines);
    }
}
