//! Job systems in Rust under the measurements of jobflow-bench:
//! `jobflow-peers PEER MODE:A:B`, on the redis-server at `REDIS_PORT`.

mod apalis;
mod bullmq;
mod measure;
mod sidekiq;

use anyhow::{Context, Result, bail};

use crate::measure::measure;

#[tokio::main]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let peer = words.next().context("which peer?")?;
    let work = words.next().context("which measurement?")?;
    let port = std::env::var("REDIS_PORT").context("REDIS_PORT is not set")?;
    let url = format!("redis://127.0.0.1:{port}/");
    match peer.as_str() {
        "bullmq-rs" => measure::<bullmq::BullMq>(&url, &work).await?,
        "apalis-redis" => measure::<apalis::Apalis>(&url, &work).await?,
        "rusty-sidekiq" => measure::<sidekiq::Sidekiq>(&url, &work).await?,
        other => bail!("no peer {other}: bullmq-rs, apalis-redis or rusty-sidekiq"),
    }
    // Their workers have no common way to stop, and need none here.
    std::process::exit(0);
}
