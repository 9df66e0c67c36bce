use std::io::{self, IsTerminal};

use bytes::Bytes;
use jobflow::proto::{
    self, SubmitJobRequest,
    submit_job_request::{StartLimit, When},
};
use uuid::Uuid;

use crate::args::{Form, JobOptions, Submit};
use crate::client::Client;
use crate::commands::job::check_end;
use crate::error::{Error, Result};
use crate::lines::{self, Template};
use crate::output::Output;
use crate::view::json::is_json;

pub(crate) async fn run(client: &Client, args: Submit, output: &mut Output) -> Result<()> {
    match args.kind.as_deref() {
        Some("-") | None => many(client, args, output).await,
        Some(_) if args.lines => many(client, args, output).await,
        Some(_) => one(client, args, output).await,
    }
}

async fn one(client: &Client, args: Submit, output: &mut Output) -> Result<()> {
    let content_type = &args.options.content_type;
    let nothing: &[u8] = if is_json(content_type) { b"null" } else { b"" };
    let payload = args.payload.read(content_type)?;
    let payload = payload.unwrap_or_else(|| Bytes::from_static(nothing));
    let request = SubmitJobRequest {
        kind: args.kind.unwrap_or_default(),
        payload,
        request_id: Uuid::now_v7().to_string(),
        idempotency_key: args.idempotency_key.unwrap_or_default(),
        ..request(args.options)
    };
    let submission = client.submit(request).await?;
    // As JSON, a job that is waited for is printed once: when it is final.
    if !args.wait || matches!(output.form(), Form::Table | Form::Id) {
        output.submitted(&submission)?;
    }
    if !args.wait {
        return Ok(());
    }
    let job = client.wait(&submission.job.id, args.wait_timeout).await?;
    output.ended(&job)?;
    check_end(&job)
}

async fn many(client: &Client, args: Submit, output: &mut Output) -> Result<()> {
    if args.payload.is_given() {
        return Err(Error::usage(
            "--data and --data-file are for one job; name its kind",
        ));
    }
    if args.wait || args.idempotency_key.is_some() {
        return Err(Error::usage(
            "--wait and --idempotency-key are for one job; name its kind",
        ));
    }
    if args.kind.is_none() && io::stdin().is_terminal() {
        return Err(Error::usage("no kind is given")
            .hint("name the kind of one job, or pipe many in as JSON lines; see --help"));
    }
    if io::stdin().is_terminal() {
        output.message("reading a job per line; Ctrl-D ends");
    }
    let kind = args.kind.filter(|kind| kind != "-").unwrap_or_default();
    let template = Template {
        request: SubmitJobRequest {
            kind,
            ..request(args.options)
        },
        bare_data: args.lines,
    };
    lines::run(client, template, output).await
}

/// A request without its kind and payload.
fn request(options: JobOptions) -> SubmitJobRequest {
    let delay = options
        .delay
        .map(|delay| When::Delay(proto::duration(delay)));
    let run_at = options.run_at.map(When::RunTime);
    let within = options
        .start_within
        .map(|limit| StartLimit::StartWithin(proto::duration(limit)));
    let before = options.start_before.map(StartLimit::StartBeforeTime);
    SubmitJobRequest {
        queue: options
            .queue
            .map(|queue| queue.to_string())
            .unwrap_or_default(),
        content_type: options.content_type,
        priority: options.priority,
        when: delay.or(run_at),
        max_attempts: options.attempts,
        timeout: options.job_timeout.map(proto::duration),
        headers: options.headers.into_iter().collect(),
        tags: options.tags,
        start_limit: within.or(before),
        on_conflict: options
            .on_conflict
            .map_or(0, |rule| proto::OnConflict::from(rule).into()),
        key_scope: options
            .key_scope
            .map_or(0, |scope| proto::KeyScope::from(scope).into()),
        durability: options
            .durability
            .map_or(0, |class| proto::Durability::from(class).into()),
        ..SubmitJobRequest::default()
    }
}
