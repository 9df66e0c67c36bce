//! Jobs over gRPC: the server is a process of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use futures_util::stream;
use jobflow::proto::job_service_client::JobServiceClient;
use jobflow::proto::submit_job_result::Verdict;
use jobflow::proto::{
    BatchSubmitJobsRequest, SubmitJobRequest, SubmitJobResult, SubmitJobsRequest,
};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use crate::children::Process;
use crate::setting::{PAYLOAD, config, print, print_rate, rate};

/// One connection carries a part of what the server can do.
pub(crate) const CHANNELS: usize = 4;
/// The most jobs of one stream.
const STREAM: usize = 50_000;

type Jobs = JobServiceClient<Channel>;
/// What `authorization` says.
pub(crate) type Bearer = MetadataValue<Ascii>;

/// Connections to a server. Nagle's algorithm is off, as in every client of ours.
pub(crate) async fn channels(address: &str, count: usize) -> Result<Vec<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
    let connects = (0..count).map(|_| endpoint.connect());
    Ok(try_join_all(connects).await?)
}

fn job() -> SubmitJobRequest {
    SubmitJobRequest {
        kind: "noop".to_owned(),
        payload: PAYLOAD.into(),
        ..SubmitJobRequest::default()
    }
}

/// One job a call.
pub(crate) async fn unary(n: usize, in_flight: usize) -> Result<()> {
    let server = Process::server(&config("grpc-unary")?).await?;
    let channels = channels(&server.address, CHANNELS).await?;
    unary_calls(&channels, 100, in_flight).await?;
    let took = unary_calls(&channels, n, in_flight).await?;
    print_rate("grpc-unary", n, ("c", in_flight), took);
    Ok(())
}

/// How long `n` calls take, so many at a time.
pub(crate) async fn unary_calls(
    channels: &[Channel],
    n: usize,
    in_flight: usize,
) -> Result<Duration> {
    unary_calls_as(channels, n, in_flight, None).await
}

/// The same with a token.
pub(crate) async fn unary_calls_as(
    channels: &[Channel],
    n: usize,
    in_flight: usize,
    token: Option<Bearer>,
) -> Result<Duration> {
    let left = AtomicUsize::new(n);
    let take = move || {
        let taken = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        taken.is_ok()
    };
    let began = Instant::now();
    calls_while(channels, in_flight, token, take).await?;
    Ok(began.elapsed())
}

/// Calls, so many at a time, as long as `more` says so.
pub(crate) async fn unary_calls_while(
    channels: &[Channel],
    in_flight: usize,
    more: impl Fn() -> bool + Send + Sync + 'static,
) -> Result<()> {
    calls_while(channels, in_flight, None, more).await
}

async fn calls_while(
    channels: &[Channel],
    in_flight: usize,
    token: Option<Bearer>,
    more: impl Fn() -> bool + Send + Sync + 'static,
) -> Result<()> {
    let more = Arc::new(more);
    let callers = channels.iter().cycle().take(in_flight).map(|channel| {
        let (mut jobs, more) = (Jobs::new(channel.clone()), Arc::clone(&more));
        let token = token.clone();
        tokio::spawn(async move {
            while more() {
                let mut request = Request::new(job());
                if let Some(token) = &token {
                    request
                        .metadata_mut()
                        .insert("authorization", token.clone());
                }
                jobs.submit_job(request).await?;
            }
            anyhow::Ok(())
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await??;
    }
    Ok(())
}

/// Many jobs a call.
pub(crate) async fn batch(n: usize, size: usize, callers: usize) -> Result<()> {
    let server = Process::server(&config("grpc-batch")?).await?;
    let channels = channels(&server.address, callers).await?;
    let began = Instant::now();
    let calls = channels.into_iter().map(|channel| async move {
        let mut jobs = Jobs::new(channel);
        let mut left = n / callers;
        while left > 0 {
            let requests = vec![job(); left.min(size)];
            left -= requests.len();
            let answer = jobs
                .batch_submit_jobs(BatchSubmitJobsRequest { requests })
                .await?;
            check(&answer.into_inner().results)?;
        }
        anyhow::Ok(())
    });
    try_join_all(calls).await?;
    print(
        &serde_json::json!({"peer": "jobflow", "mode": "grpc-batch", "n": n, "size": size,
        "c": callers, "jobs_per_s": rate(n, began.elapsed())}),
    );
    Ok(())
}

/// Many jobs a message, as a stream.
pub(crate) async fn stream(n: usize, size: usize) -> Result<()> {
    let server = Process::server(&config("grpc-stream")?).await?;
    let mut jobs = Jobs::new(channels(&server.address, 1).await?.remove(0))
        // The verdicts of a whole stream.
        .max_decoding_message_size(64 * 1024 * 1024);
    let began = Instant::now();
    let mut left = n;
    while left > 0 {
        let here = left.min(STREAM);
        left -= here;
        let messages = (0..here).step_by(size).map(move |at| SubmitJobsRequest {
            requests: vec![job(); size.min(here - at)],
        });
        let answer = jobs.submit_jobs(stream::iter(messages)).await?.into_inner();
        ensure!(answer.results.len() == here, "verdicts are missing");
        check(&answer.results)?;
    }
    print_rate("grpc-stream", n, ("size", size), began.elapsed());
    Ok(())
}

fn check(results: &[SubmitJobResult]) -> Result<()> {
    let created = |result: &SubmitJobResult| matches!(result.verdict, Some(Verdict::CreatedId(_)));
    ensure!(results.iter().all(created), "a job was not created");
    Ok(())
}
