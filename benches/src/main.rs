//! Measures JobFlow on the redis-server of `JOBFLOW_REDIS_URL`: one JSON line
//! per figure on standard output. `cargo xtask bench` starts a fresh server
//! for it; each mode works in a namespace of its own.

mod bulk;
mod drain;
mod enqueue;
mod latency;
mod setting;

use anyhow::{Result, bail};

#[tokio::main]
async fn main() -> Result<()> {
    let mut modes: Vec<String> = std::env::args().skip(1).collect();
    if modes.is_empty() {
        modes = ["enqueue", "bulk", "drain", "latency"]
            .map(str::to_owned)
            .to_vec();
    }
    for mode in modes {
        match mode.as_str() {
            "enqueue" => {
                enqueue::run(20_000, 1).await?;
                enqueue::run(200_000, 64).await?;
                enqueue::run(400_000, 512).await?;
            }
            "bulk" => bulk::run(400_000, 500).await?,
            "drain" => drain::run(100_000, 100).await?,
            "latency" => latency::run(200, 10).await?,
            other => bail!("no mode {other}: enqueue, bulk, drain or latency"),
        }
    }
    Ok(())
}
