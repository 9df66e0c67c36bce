use std::time::Duration;

use tokio::time::sleep;
use tonic::Status;

use crate::args::{Form, Metrics};
use crate::client::Client;
use crate::error::{Error, Result, is_transient};
use crate::output::Output;

/// Keeps a stream that ends at once from being opened in a tight loop.
const REOPEN_PAUSE: Duration = Duration::from_millis(250);

pub(crate) async fn run(client: &Client, args: &Metrics, output: &mut Output) -> Result<()> {
    if output.form() == Form::Id {
        return Err(Error::usage(
            "metrics have no id; use -o table, json or jsonl",
        ));
    }
    if args.watch {
        return watch(client, args.interval, output).await;
    }
    let numbers = client.first_metrics().await?;
    Ok(output.metrics(&numbers)?)
}

async fn watch(client: &Client, interval: Duration, output: &mut Output) -> Result<()> {
    loop {
        let mut stream = client.metrics(interval).await?;
        let end = loop {
            match stream.message().await {
                Ok(Some(numbers)) => output.next_metrics(&numbers)?,
                Ok(None) => break Status::unavailable("the stream has ended"),
                Err(status) => break status,
            }
        };
        if !is_transient(&end) {
            return Err(client.error(&end));
        }
        output.message("the connection is lost; connecting again");
        sleep(REOPEN_PAUSE).await;
    }
}
