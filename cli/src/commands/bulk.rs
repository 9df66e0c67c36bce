use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use jobflow::proto::{
    BulkAction, BulkOperation, BulkState, ListBulkOperationsRequest, StartBulkOperationRequest,
};
use tokio::time::sleep;
use uuid::Uuid;

use crate::args::{Bulk, BulkChange, Consent};
use crate::client::Client;
use crate::commands::{paging, tell_count};
use crate::confirm::ask;
use crate::error::{Error, Exit, Result};
use crate::output::Output;
use crate::view::words::{self, count, plural};

/// How often it is looked how far an operation has come.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const PAGE: i32 = 100;

/// What is done to which jobs.
pub(crate) struct Change {
    pub(crate) action: BulkAction,
    pub(crate) which: Which,
    pub(crate) reason: String,
    pub(crate) rate: Option<f64>,
    pub(crate) wait: bool,
}

pub(crate) enum Which {
    Ids(Vec<String>),
    Filter(String),
}

pub(crate) async fn run(client: &Client, command: Bulk, output: &mut Output) -> Result<()> {
    let (action, args) = match command {
        Bulk::Cancel(args) => (BulkAction::Cancel, args),
        Bulk::Retry(args) => (BulkAction::Retry, args),
        Bulk::Delete(args) => (BulkAction::Delete, args),
        Bulk::Promote(args) => (BulkAction::Promote, args),
        Bulk::List { limit } => return list(client, limit, output).await,
        Bulk::Get { id, wait: false } => return Ok(output.item(&client.get_bulk(&id).await?)?),
        Bulk::Get { id, wait: true } => {
            let operation = client.get_bulk(&id).await?;
            return end(client, operation, output).await;
        }
        Bulk::Stop { id } => return Ok(output.item(&client.stop_bulk(&id).await?)?),
    };
    let consent = args.consent;
    change(client, Change::new(action, args), consent, output).await
}

impl Change {
    fn new(action: BulkAction, args: BulkChange) -> Self {
        let which = match args.filter {
            Some(filter) => Which::Filter(filter),
            None => Which::Ids(args.ids.iter().map(ToString::to_string).collect()),
        };
        Self {
            action,
            which,
            reason: args.reason,
            rate: args.rate,
            wait: args.wait,
        }
    }
}

/// Begins a bulk operation once it is agreed to.
pub(crate) async fn change(
    client: &Client,
    change: Change,
    consent: Consent,
    output: &mut Output,
) -> Result<()> {
    consent.check()?;
    let (ids, filter) = match change.which {
        Which::Ids(ids) => (ids, String::new()),
        Which::Filter(filter) => (Vec::new(), filter),
    };
    let mut request = StartBulkOperationRequest {
        action: change.action.into(),
        ids,
        filter,
        reason: change.reason,
        rate: change.rate.unwrap_or_default(),
        validate_only: true,
        request_id: String::new(),
    };
    if !consent.yes {
        let preview = client.start_bulk(&request).await?;
        let verb = words::action(change.action);
        if consent.dry_run {
            return tell_count(verb, preview.total, preview.total_complete, output);
        }
        if preview.total == 0 && preview.total_complete {
            output.message("no job matches; nothing was changed");
            return Ok(());
        }
        ask(&question(verb, &preview), output).await?;
    }
    request.validate_only = false;
    request.request_id = Uuid::now_v7().to_string();
    let operation = client.start_bulk(&request).await?;
    if change.wait {
        return end(client, operation, output).await;
    }
    output.item(&operation)?;
    if operation.state() == BulkState::Running {
        let id = &operation.id;
        output.message(&format!(
            "the server is at it; `jobflow-cli bulk get {id} --wait` waits for its end"
        ));
    }
    Ok(())
}

/// `Delete 412 jobs?`
fn question(verb: &str, preview: &BulkOperation) -> String {
    let jobs = plural(u64::try_from(preview.total).unwrap_or(0), "job");
    let least = match preview.total_complete {
        true => "",
        false => "at least ",
    };
    let (first, rest) = verb.split_at(1);
    format!("{}{rest} {least}{jobs}?", first.to_uppercase())
}

/// Waits until an operation has ended, and prints it.
async fn end(client: &Client, mut operation: BulkOperation, output: &mut Output) -> Result<()> {
    let bar = bar(&operation);
    while operation.state() == BulkState::Running {
        let done = operation.changed + operation.skipped;
        bar.set_position(u64::try_from(done).unwrap_or(0));
        bar.set_message(format!("{} skipped", count(operation.skipped)));
        sleep(LOOK_EVERY).await;
        operation = client.get_bulk(&operation.id).await?;
    }
    bar.finish_and_clear();
    output.item(&operation)?;
    match operation.state() {
        BulkState::Done => Ok(()),
        state => {
            let (id, state) = (&operation.id, words::bulk(state));
            Err(
                Error::new(Exit::Other, format!("operation {id} is {state}"))
                    .hint("what was done stays done"),
            )
        }
    }
}

/// Shown on a terminal only.
fn bar(operation: &BulkOperation) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len}, {msg}, {elapsed}");
    ProgressBar::new(u64::try_from(operation.total).unwrap_or(0))
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

async fn list(client: &Client, limit: usize, output: &mut Output) -> Result<()> {
    paging::print(limit, PAGE, output, async |page_size, page_token| {
        let request = ListBulkOperationsRequest {
            page_size,
            page_token,
        };
        let answer = client.list_bulk(&request).await?;
        Ok((answer.operations, answer.next_page_token))
    })
    .await
}
