//! The way of the lines: read → batch → send, a few at once → report, in order.

use std::pin::pin;

use futures_util::StreamExt;
use jobflow::proto::submit_job_result::Verdict;
use tokio_stream::wrappers::ReceiverStream;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::lines::line::Template;
use crate::lines::read::{self, Batch};
use crate::lines::report::Report;
use crate::output::Output;

/// Batches on the way at once: enough to keep the server busy while results
/// are printed.
pub(crate) const IN_FLIGHT: usize = 4;

pub(crate) async fn run(client: &Client, template: Template, output: &mut Output) -> Result<()> {
    let batches = ReceiverStream::new(read::spawn(template));
    let answers = batches.map(|batch| async { send(client, batch?).await });
    let mut answers = pin!(answers.buffered(IN_FLIGHT));
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let mut report = Report::new(output);
    let end = loop {
        let answer = tokio::select! {
            answer = answers.next() => answer,
            _ = &mut interrupt => break Err(Error::interrupted()),
        };
        match answer {
            Some(Ok((verdicts, position))) => report.add(&verdicts, position)?,
            Some(Err(error)) => break Err(error),
            None => break Ok(()),
        }
    };
    report.close(end)
}

/// Sends the lines that are jobs and returns a verdict for every line.
async fn send(client: &Client, batch: Batch) -> Result<(Vec<(u64, Verdict)>, u64)> {
    let mut answers = client.submit_batch(&batch.jobs).await?.into_iter();
    let verdicts = batch.lines.into_iter().filter_map(|line| {
        let rejected = line.rejected.map(Verdict::Rejected);
        Some((line.number, rejected.or_else(|| answers.next())?))
    });
    Ok((verdicts.collect(), batch.position))
}
