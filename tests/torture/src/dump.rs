//! Writes down what Redis holds at the end, straight from Redis.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use redis::Connection;

use crate::redis_server::RedisServer;

const PATIENCE: Duration = Duration::from_secs(30);
/// How many members one step of a scan gives.
const STEP: usize = 1_000;

/// Hashes whose fields belong to jobs.
const COLUMNS: [&str; 8] = [
    "specs", "meta", "results", "progress", "logs", "tags", "history", "idem",
];

pub(crate) fn write(redis: &RedisServer, path: &Path) -> Result<()> {
    let mut connection = redis.connect(PATIENCE)?;
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut keys = Vec::new();
    scan(&mut connection, &["SCAN"], None, |found| {
        keys.extend(found);
        Ok(())
    })?;
    keys.sort();
    keys.dedup();
    for key in keys {
        let name = String::from_utf8_lossy(&key).into_owned();
        let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection)?;
        writeln!(out, "key {} {kind}", name.replace(' ', "_"))?;
        let Some((queue, column)) = name.split_once("}:") else {
            continue;
        };
        let queue = queue.rsplit('/').next().unwrap_or_default();
        let hold = match kind.as_str() {
            "zset" => "ZSCAN",
            "hash" if COLUMNS.contains(&column) => "HSCAN",
            _ => continue,
        };
        scan(&mut connection, &[hold], Some(&key), |found| {
            for pair in found.chunks(2) {
                // What does not name a job is none of the checker's business.
                if hold == "HSCAN" {
                    writeln!(
                        out,
                        "col {queue} {column} {} {}",
                        hex(&pair[0]),
                        hex(&pair[1])
                    )?;
                } else if pair[0].len() == 16 {
                    let score = String::from_utf8_lossy(&pair[1]);
                    writeln!(out, "set {queue} {column} {} {score}", hex(&pair[0]))?;
                }
            }
            Ok(())
        })?;
    }
    out.flush().context("the dump can not be written")
}

fn scan(
    connection: &mut Connection,
    command: &[&str],
    key: Option<&[u8]>,
    mut take: impl FnMut(Vec<Vec<u8>>) -> Result<()>,
) -> Result<()> {
    let mut cursor = 0_u64;
    loop {
        let mut step = redis::cmd(command[0]);
        if let Some(key) = key {
            step.arg(key);
        }
        step.arg(cursor).arg("COUNT").arg(STEP);
        let (next, found): (u64, Vec<Vec<u8>>) = step.query(connection)?;
        take(found)?;
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut all, byte| {
            let _infallible = write!(all, "{byte:02x}");
            all
        })
}
