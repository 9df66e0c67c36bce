//! What `cargo xtask bench` may be told.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
Usage: cargo xtask bench [MODE[:SIZE…]…]
       cargo xtask bench [--peers] [--rounds N] [--out FILE] [MODE[:SIZE…]…]
       cargo xtask bench --guard [--record]
       cargo xtask bench --scale

  enqueue:N:CALLERS    one job a call (without sizes: 1, 64 and 512 callers)
  bulk:N:SIZE          500 jobs a call
  drain:N:C            waiting no-op jobs through one worker, concurrency 100
  drain-aof:N:C        the same with every write on disk before it is answered
  durability:N:C       one job a call in each durability class, each on a Redis
                       set up for it (64 callers)
  latency:RATE:SECS    200 jobs a second on an idle worker: submitted until run
  grpc                 the three below
  grpc-unary:N:C       one job a call, 64 at a time on 4 connections
  grpc-batch:N:SIZE:C  500 jobs a call
  grpc-stream:N:SIZE   streams of 50,000 jobs, 500 a message
  grpc-guarded:N:C     the same as grpc-unary: open, with a token, by TLS, and both
  rest:SECS:C          POST /jobs on 64 connections (by wrk where it is installed)
  pipeline:SECS:C      gRPC in, a worker that does nothing, completed
  streams:COUNT:SECS   1,000 open StreamMetrics streams
  idle:SECS            a worker and a server with nothing to do
  look:N               pages, counts and steps over a million jobs that move
  scale:N              the same calls on an empty queue and on a very large one

Without a mode: enqueue, bulk, drain, latency, grpc, rest and pipeline.
Prints one JSON line per figure on standard output.

  --peers     other job systems in turns with ours (needs Node 20 and npm);
              modes enqueue, bulk, drain, latency
  --rounds N  measure so often (with --peers 5), and print medians and spread
  --out FILE  where the raw lines of all rounds go (default target/bench.jsonl)
  --guard     compare with docs/benchmarks/guard.json; fails when worse
  --record    measure for that file, and write it
  --scale     the same as the mode";

/// With peers.
const ROUNDS: usize = 5;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) what: What,
    pub(super) out: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Each once.
    Modes(Vec<String>),
    /// Several times.
    Rounds {
        modes: Vec<String>,
        count: usize,
        peers: bool,
    },
    Guard {
        record: bool,
    },
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let (mut modes, mut out, mut count) = (Vec::new(), None, None);
        let (mut peers, mut guard, mut record) = (false, false, false);
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("peers") => peers = true,
                Long("guard") => guard = true,
                Long("record") => record = true,
                Long("scale") => modes.push("scale".to_owned()),
                Long("rounds") => count = Some(parser.value()?.parse()?),
                Long("out") => out = Some(PathBuf::from(parser.value()?)),
                Value(mode) => modes.push(mode.string()?),
                other => bail!("{} (see `cargo xtask bench --help`)", other.unexpected()),
            }
        }
        ensure!(guard || !record, "--record belongs to --guard");
        if guard {
            let alone = modes.is_empty() && !peers && count.is_none() && out.is_none();
            ensure!(alone, "--guard has modes and rounds of its own");
            let what = What::Guard { record };
            return Ok(Self { what, out });
        }
        let what = match count {
            None if !peers => {
                ensure!(out.is_none(), "--out belongs to --rounds");
                What::Modes(modes)
            }
            count => What::Rounds {
                modes,
                count: count.unwrap_or(ROUNDS),
                peers,
            },
        };
        Ok(Self { what, out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn peers_are_measured_in_rounds() {
        let what = parse("--peers drain:10:2").unwrap().what;
        let modes = vec!["drain:10:2".to_owned()];
        let count = ROUNDS;
        assert_eq!(
            what,
            What::Rounds {
                modes,
                count,
                peers: true
            }
        );
        let scale = What::Modes(vec!["scale".to_owned()]);
        assert_eq!(parse("--scale").unwrap().what, scale);
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for line in [
            "--record",
            "--guard drain",
            "--guard --peers",
            "--out x",
            "--no",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let guard = What::Guard { record: true };
        assert_eq!(parse("--guard --record").unwrap().what, guard);
    }
}
