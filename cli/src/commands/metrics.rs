use std::time::Duration;

use tokio::time::sleep;
use tonic::Status;

use crate::args::Metrics;
use crate::client::{Client, REOPEN_PAUSE};
use crate::error::{Result, is_transient};
use crate::output::Output;
use crate::reader::while_read;

pub(crate) async fn run(client: &Client, args: &Metrics, output: &mut Output) -> Result<()> {
    output.refuse_ids("metrics")?;
    if args.watch {
        return while_read(watch(client, args.interval, output)).await;
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
