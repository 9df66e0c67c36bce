//! Very many jobs through the CLI's standard input.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::Stdio;
use std::time::Instant;

use crate::system::{System, figure};

const JOBS: u64 = 100_000;
/// In KiB, as the kernel counts it.
const MOST_MEMORY: u64 = 64 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_lines_are_submitted_and_completed() {
    let mut system = System::start().await;
    let handler = ["--concurrency", "256", "--handler", "*=simulate:0ms"];
    system.worker(&handler).await;
    let lines = system.folder().join("jobs.jsonl");
    let mut file = BufWriter::new(File::create(&lines).unwrap());
    for n in 0..JOBS {
        writeln!(file, r#"{{"kind":"count","data":{{"n":{n}}}}}"#).unwrap();
    }
    drop(file.into_inner().unwrap());

    let begun = Instant::now();
    let mut cli = system.cli();
    cli.args(["submit", "-"])
        .stdin(File::open(&lines).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let submit = tokio::task::spawn_blocking(move || {
        let mut cli = cli.spawn().unwrap();
        let (ids, memory) = read_ids(cli.stdout.take().unwrap(), cli.id());
        (cli.wait_with_output().unwrap(), ids, memory)
    });
    let (ended, ids, memory) = submit.await.unwrap();
    figure(
        "bulk submit of 100,000 lines",
        format!("{:?}", begun.elapsed()),
    );
    figure(
        "peak memory of the CLI",
        format!("{:.1} MiB", memory as f64 / 1024.0),
    );
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{said}");
    assert!(said.contains("100,000 jobs created"), "{said}");
    assert_eq!(ids.len() as u64, JOBS, "lines printed");
    assert_eq!(ids.iter().collect::<HashSet<_>>().len() as u64, JOBS, "ids");
    assert!(memory > 0 && memory < MOST_MEMORY, "{memory} KiB");

    system.completes(JOBS).await;
    figure("until all were completed", format!("{:?}", begun.elapsed()));
    let totals = system.totals().await;
    assert_eq!((totals.submitted, totals.completed), (JOBS, JOBS));
    assert_eq!(
        (totals.errored, totals.lease_lost, totals.lease_expired),
        (0, 0, 0)
    );
    system.close().await;
}

/// The lines printed, and the peak memory in KiB as of the last of them that
/// found the process alive: the peak never falls.
fn read_ids(output: impl std::io::Read, pid: u32) -> (Vec<String>, u64) {
    let mut memory = 0;
    let mut ids = Vec::new();
    for line in BufReader::new(output).lines() {
        if ids.len() % 500 == 0 {
            memory = peak_memory(pid).unwrap_or(memory);
        }
        ids.push(line.unwrap());
    }
    (ids, memory)
}

fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.split_whitespace().next()?.parse().ok()
}
