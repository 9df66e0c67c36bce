//! `POST /jobs`, by `wrk` where it is installed.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jobflow::JobQueue;
use serde_json::json;
use tokio::process::Command;

use crate::children::Process;
use crate::setting::{PAYLOAD, config, number, print, rounded};

/// What `wrk` sends.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rest.lua");

pub(crate) async fn run(seconds: usize, connections: usize) -> Result<()> {
    let config = config("rest")?;
    let server = Process::server(&config).await?;
    let url = format!("http://{}/jobs", server.address);
    let time = Duration::from_secs(seconds as u64);
    let began = Instant::now();
    let client = if by_wrk(&url, time, connections).await? {
        "wrk"
    } else {
        by_hyper(&url, time, connections).await?;
        "hyper"
    };
    let took = began.elapsed().as_secs_f64();
    // What the store holds counts, whatever the client thinks.
    let snapshot = JobQueue::open(config)?.snapshot().await?;
    let stored = snapshot.queues.iter().map(|queue| queue.totals.submitted);
    let stored: u64 = stored.sum();
    print(
        &json!({"peer": "jobflow", "mode": "rest", "c": connections, "client": client,
        "secs": seconds, "jobs_per_s": rounded(number(stored) / took).round()}),
    );
    Ok(())
}

/// False when there is no `wrk`.
async fn by_wrk(url: &str, time: Duration, connections: usize) -> Result<bool> {
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", &connections.to_string()])
        .args(["--duration", &format!("{}s", time.as_secs())])
        .args(["--script", SCRIPT, url])
        .env("PAYLOAD", PAYLOAD)
        .stdin(Stdio::null());
    let output = match wrk.output().await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        output => output.context("wrk did not start")?,
    };
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk failed: {said}");
    let refused = said.contains("Non-2xx") || said.contains("Socket errors");
    ensure!(!refused, "not every request was answered well: {said}");
    Ok(true)
}

async fn by_hyper(url: &str, time: Duration, connections: usize) -> Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
    let deadline = Instant::now() + time;
    let callers: Vec<_> = (0..connections)
        .map(|_| {
            let (client, url) = (client.clone(), url.to_owned());
            tokio::spawn(async move {
                while Instant::now() < deadline {
                    let request = Request::post(&url)
                        .header(CONTENT_TYPE, "application/json")
                        .body(Full::from(format!(r#"{{"name":"noop","data":{PAYLOAD}}}"#)))?;
                    let answer = client.request(request).await?;
                    ensure!(answer.status() == StatusCode::CREATED, "refused");
                    answer.into_body().collect().await?;
                }
                Ok(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(())
}
