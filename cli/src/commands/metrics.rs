use std::time::Duration;

use jobflow::proto;
use prost_types::Timestamp;
use tokio::time::sleep;
use tonic::Status;

use crate::args::Metrics;
use crate::client::{Client, REOPEN_PAUSE};
use crate::error::{Result, is_transient};
use crate::output::Output;
use crate::reader::while_read;

pub(crate) async fn run(client: &Client, args: &Metrics, output: &mut Output) -> Result<()> {
    output.refuse_ids("metrics")?;
    if let Some(last) = args.last {
        let history = client
            .query_metrics(question(client, args, last).await?)
            .await?;
        return Ok(output.history(&history)?);
    }
    if args.watch {
        return while_read(watch(client, args.interval, output)).await;
    }
    let numbers = client.first_metrics().await?;
    Ok(output.metrics(&numbers)?)
}

async fn question(
    client: &Client,
    args: &Metrics,
    last: Duration,
) -> Result<proto::QueryMetricsRequest> {
    let now = client.store_time().await?;
    let last = proto::duration(last);
    let mut start = Timestamp {
        seconds: now.seconds.saturating_sub(last.seconds),
        nanos: now.nanos - last.nanos,
    };
    start.normalize();
    Ok(proto::QueryMetricsRequest {
        queue: args.queue.clone(),
        kind: args.kind.clone(),
        start_time: Some(start),
        end_time: None,
        step: args.step.map(proto::duration),
    })
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
