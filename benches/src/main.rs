//! Measures JobFlow on the redis-server of `JOBFLOW_REDIS_URL`: one JSON line
//! per figure on standard output. `cargo xtask bench` starts a fresh server
//! for it; each measurement works in a namespace of its own.
//!
//! What each mode times is told in `docs/benchmarks/README.md`. In the order of
//! the modules: what all share, the modes of the library, those with the server
//! and a worker as processes of their own, and what compares figures or counts
//! what is lost.

mod children;
mod machine;
mod setting;
mod store;

mod bulk;
mod drain;
mod durability;
mod enqueue;
mod latency;
mod look;
mod scale;

mod grpc;
mod guarded;
mod idle;
mod pipeline;
mod rest;
mod streams;
mod watch;

mod cluster;
mod cut;
mod failover;
mod guard;
mod rounds;
mod table;

use anyhow::{Context, Result, bail};

/// Without a mode, all of these.
const MODES: [&str; 7] = [
    "enqueue", "bulk", "drain", "latency", "grpc", "rest", "pipeline",
];

/// One thread: the work of a no-op job is too small to be worth a way to
/// another core, and on a small machine that core is Redis's.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((command, rest)) if command == "worker" && rest.is_empty() => drain::work().await,
        Some((command, rest)) if command == "watch" => watch::command(rest).await,
        Some((command, rest)) if command == "rounds" => rounds::command(rest).await,
        Some((command, rest)) if command == "table" => table::command(rest),
        Some((command, rest)) if command == "guard" => guard::command(rest).await,
        Some((command, rest)) if command == "failover" => failover::command(rest).await,
        Some((command, rest)) if command == "cluster" => cluster::command(rest).await,
        Some(_) => measure_all(arguments).await,
        None => measure_all(MODES.map(str::to_owned).to_vec()).await,
    }
}

async fn measure_all(modes: Vec<String>) -> Result<()> {
    for work in modes {
        measure(&work).await.with_context(|| work.clone())?;
    }
    Ok(())
}

/// One mode: its name, and its sizes where they are not the usual ones, as in
/// `drain:100000:100`.
async fn measure(work: &str) -> Result<()> {
    let mut parts = work.split(':');
    let mode = parts.next().unwrap_or_default();
    let sizes = parts.map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let size = |at: usize, usual: usize| sizes.get(at).copied().unwrap_or(usual);
    match mode {
        "enqueue" if sizes.is_empty() => {
            enqueue::run(20_000, 1).await?;
            enqueue::run(200_000, 64).await?;
            enqueue::run(400_000, 512).await
        }
        "enqueue" => enqueue::run(size(0, 200_000), size(1, 64)).await,
        "bulk" => bulk::run(size(0, 400_000), size(1, 500)).await,
        "drain" => drain::run("drain", size(0, 100_000), size(1, 100)).await,
        "drain-aof" => drain::with_aof(size(0, 100_000), size(1, 100)).await,
        "durability" => durability::run(size(0, 20_000), size(1, 64)).await,
        "latency" => latency::run(u32::try_from(size(0, 200))?, u32::try_from(size(1, 10))?).await,
        "grpc" => {
            grpc::unary(200_000, 64).await?;
            grpc::batch(400_000, 500, 1).await?;
            grpc::batch(400_000, 500, 4).await?;
            grpc::stream(400_000, 500).await
        }
        "grpc-unary" => grpc::unary(size(0, 200_000), size(1, 64)).await,
        "grpc-guarded" => guarded::run(size(0, 100_000), size(1, 64)).await,
        "grpc-stream" => grpc::stream(size(0, 400_000), size(1, 500)).await,
        "grpc-batch" => grpc::batch(size(0, 400_000), size(1, 500), size(2, 1)).await,
        "rest" => rest::run(size(0, 5), size(1, 64)).await,
        "pipeline" => pipeline::run(size(0, 10), size(1, 64)).await,
        "streams" => streams::run(size(0, 1_000), size(1, 5)).await,
        "idle" => idle::run(size(0, 30)).await,
        "look" => look::run(size(0, 1_000_000)).await,
        "scale" => scale::run(size(0, 1_000_000)).await,
        other => bail!("no mode {other}"),
    }
}
