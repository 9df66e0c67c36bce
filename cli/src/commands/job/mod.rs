mod delete;
mod edit;
mod list;
mod watch;

use std::time::Duration;

use jobflow::proto::{self, JobState, ListJobLogsRequest, RetryJobRequest};

use crate::args::{Form, Job, Payload};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::reader::while_read;
use crate::view::event;
use crate::view::explain::{self, Explanation};
use crate::view::words::count;

pub(crate) use list::list;

const WAIT: Duration = Duration::from_secs(60);
const LOG_PAGE: i32 = 1_000;

pub(crate) async fn run(
    client: &Client,
    command: Job,
    timeout: Option<Duration>,
    output: &mut Output,
) -> Result<()> {
    match command {
        Job::Get { id } => show(client.get(&id.to_string()).await?, output),
        Job::List { listing, refresh } => list(client, &listing, refresh, output, |job| job).await,
        Job::Count { filter } => count_jobs(client, &filter, output).await,
        Job::Wait { id } => {
            let id = id.to_string();
            let job = client.wait(&id, timeout.unwrap_or(WAIT)).await?;
            output.item(&job)?;
            check_end(&job)
        }
        Job::Watch { id } => while_read(watch::run(client, &id.to_string(), output)).await,
        Job::Logs { id } => logs(client, &id.to_string(), output).await,
        Job::Cancel { id, reason } => {
            let job = client.cancel_job(&id.to_string(), &reason).await?;
            if job.state() == JobState::Active {
                output.message("the job is active; its handler is asked to end");
            }
            show(job, output)
        }
        Job::Retry {
            id,
            payload,
            content_type,
        } => {
            let id = id.to_string();
            let request = retry_request(client, id, &payload, content_type).await?;
            show(client.retry_job(&request).await?, output)
        }
        Job::Promote { id } => show(client.promote_job(&id.to_string()).await?, output),
        Job::Edit(edit) => show(edit::run(client, *edit).await?, output),
        Job::Delete { id, force, consent } => {
            delete::run(client, &id.to_string(), force, consent, output).await
        }
        Job::Explain { id } => {
            output.refuse_ids("explanations")?;
            let explanation = client.explain(&id.to_string()).await?;
            let text = explain::text(&explanation);
            Ok(output.answer(&text, &Explanation::new(&explanation))?)
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "takes what a call returns")]
fn show(job: proto::Job, output: &mut Output) -> Result<()> {
    Ok(output.item(&job)?)
}

/// Whether a job that was waited for has ended well.
pub(crate) fn check_end(job: &proto::Job) -> Result<()> {
    match job.state() {
        JobState::Completed => Ok(()),
        _ => Err(Error::job_ended(job)),
    }
}

async fn count_jobs(client: &Client, filter: &str, output: &mut Output) -> Result<()> {
    let answer = client.count_jobs(filter).await?;
    let json = serde_json::json!({ "count": answer.count, "complete": answer.complete });
    output.answer(&format!("{}\n", answer.count), &json)?;
    if !answer.complete {
        let least = count(answer.count);
        output.message(&format!("at least {least}: counting took too long"));
    }
    Ok(())
}

async fn logs(client: &Client, id: &str, output: &mut Output) -> Result<()> {
    output.refuse_ids("log lines")?;
    let mut page = ListJobLogsRequest {
        id: id.to_owned(),
        page_size: LOG_PAGE,
        page_token: String::new(),
    };
    let mut all = Vec::new();
    loop {
        let answer = client.list_logs(&page).await?;
        match output.form() {
            // A log is bounded, so one array can hold it.
            Form::Json => all.extend(answer.lines),
            Form::Jsonl => {
                for line in &answer.lines {
                    output.json_line(&event::LogLine::new(line))?;
                }
            }
            Form::Table | Form::Id => {
                for line in &answer.lines {
                    output.line(&event::log_line(line))?;
                }
            }
        }
        if answer.next_page_token.is_empty() {
            break;
        }
        page.page_token = answer.next_page_token;
    }
    if output.form() == Form::Json {
        let lines: Vec<_> = all.iter().map(event::LogLine::new).collect();
        output.answer("", &lines)?;
    }
    Ok(())
}

async fn retry_request(
    client: &Client,
    id: String,
    payload: &Payload,
    content_type: Option<String>,
) -> Result<RetryJobRequest> {
    let mut request = RetryJobRequest {
        id,
        ..RetryJobRequest::default()
    };
    if payload.is_given() {
        // What the payload must be, the job says that it replaces.
        let content_type = match content_type {
            Some(content_type) => content_type,
            None => client.get(&request.id).await?.content_type,
        };
        request.payload = payload.read(&content_type)?;
        request.content_type = content_type;
    } else if content_type.is_some() {
        return Err(Error::usage("--content-type is for a new payload")
            .hint("--data and --data-file give one"));
    }
    Ok(request)
}
