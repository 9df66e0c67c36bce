//! On what and with what was measured: a figure says nothing without it.

use std::fs;
use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

use crate::store::Store;

/// Manifests that fix the peers' versions.
const NODE_LOCK: &str = include_str!("../peers/node/package-lock.json");
const RUST_LOCK: &str = include_str!("../peers/rust/Cargo.lock");

/// Everything known, as one line.
pub(crate) async fn described() -> Result<Value> {
    let mut store = Store::connect().await?;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let redis = store.info("server", "redis_version").await?;
    Ok(json!({"machine": {
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": cores,
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": said("uname", &["-sr"]),
        "redis": redis,
        "rustc": said("rustc", &["--version"]),
        "node": said("node", &["--version"]),
        "commit": said("git", &["describe", "--always", "--dirty", "--exclude", "*"]),
        "peers": peers()?,
    }}))
}

/// The first line `name: value` of a file of the system.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// The first line that a program prints; nothing where it is not installed.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().next()?.to_owned())
}

fn peers() -> Result<Value> {
    let lock: Value = serde_json::from_str(NODE_LOCK)?;
    let node = |name: &str| lock["packages"][format!("node_modules/{name}")]["version"].clone();
    let rust = |name: &str| {
        let (_, behind) = RUST_LOCK.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        Some(behind.split('"').next()?.to_owned())
    };
    Ok(json!({
        "bullmq": node("bullmq"), "bee-queue": node("bee-queue"),
        "bullmq-rs": rust("bullmq-official"), "apalis-redis": rust("apalis-redis"),
        "rusty-sidekiq": rust("rusty-sidekiq"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_has_a_version() {
        let peers = peers().unwrap();
        for (name, version) in peers.as_object().unwrap() {
            assert!(version.is_string(), "{name}");
        }
    }
}
