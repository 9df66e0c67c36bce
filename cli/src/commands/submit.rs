use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use bytes::Bytes;
use jobflow::MAX_PAYLOAD;
use jobflow::proto::{self, SubmitJobRequest, submit_job_request::When};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::args::{Form, JobOptions, Submit};
use crate::bulk::{self, Template};
use crate::client::Client;
use crate::commands::job::check_end;
use crate::error::{Error, Result};
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
    let payload = payload(&args)?;
    let request = SubmitJobRequest {
        kind: args.kind.unwrap_or_default(),
        payload,
        request_id: Uuid::now_v7().to_string(),
        idempotency_key: args.idempotency_key.unwrap_or_default(),
        ..request(args.options)
    };
    let (job, duplicate) = client.submit(request).await?;
    // As JSON, a job that is waited for is printed once: when it is final.
    if !args.wait || matches!(output.form(), Form::Table | Form::Id) {
        output.submitted(&job, duplicate)?;
    }
    if !args.wait {
        return Ok(());
    }
    let job = client.wait(&job.id, args.wait_timeout).await?;
    output.ended(&job)?;
    check_end(&job)
}

async fn many(client: &Client, args: Submit, output: &mut Output) -> Result<()> {
    if args.data.is_some() || args.data_file.is_some() {
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
    bulk::run(client, template, output).await
}

/// A request without its kind and payload.
fn request(options: JobOptions) -> SubmitJobRequest {
    let delay = options
        .delay
        .map(|delay| When::Delay(proto::duration(delay)));
    let run_at = options.run_at.map(When::RunTime);
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
        ..SubmitJobRequest::default()
    }
}

fn payload(args: &Submit) -> Result<Bytes> {
    let is_json = is_json(&args.options.content_type);
    let (flag, payload) = match (&args.data, &args.data_file) {
        (Some(data), _) => ("--data", Bytes::from(data.clone())),
        (None, Some(path)) => ("--data-file", read(path)?),
        (None, None) => return Ok(Bytes::from_static(if is_json { b"null" } else { b"" })),
    };
    if is_json && let Err(error) = serde_json::from_slice::<&RawValue>(&payload) {
        return Err(Error::usage(format!("{flag} is not JSON: {error}"))
            .hint("--content-type says what else it is"));
    }
    Ok(payload)
}

fn read(path: &Path) -> Result<Bytes> {
    let failed = |error| Error::usage(format!("--data-file {}: {error}", path.display()));
    let source: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(io::stdin().lock()),
        _ => Box::new(File::open(path).map_err(failed)?),
    };
    let mut payload = Vec::new();
    // One byte over the limit is enough for the server to refuse it.
    source
        .take(MAX_PAYLOAD as u64 + 1)
        .read_to_end(&mut payload)
        .map_err(failed)?;
    if payload.len() > MAX_PAYLOAD {
        return Err(Error::usage(format!(
            "--data-file is larger than {MAX_PAYLOAD} bytes"
        )));
    }
    Ok(payload.into())
}
