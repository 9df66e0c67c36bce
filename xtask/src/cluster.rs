//! `cargo xtask cluster`: what a Redis Cluster costs, and what happens to jobs in it.

use std::process::Command;

use anyhow::Result;

use crate::{setup, util};

pub(crate) const HELP: &str = "\
Usage: cargo xtask cluster [--cost JOBS] [--failovers N] [--moves N] [--rate N]
                           [--shares JOBS] [--rest WORKERS] [--grow JOBS] [--partitions N]

Starts clusters of three masters with a replica each, on this machine.

  --cost JOBS    submit and run so many jobs on a cluster and on a single server,
                 by turns: commands and microseconds of Redis per job
  --failovers N  kill and stop a master by turns under load of class replicated
  --moves N      move a slot under load, to a new server among others
  --rate N       jobs a second of the load, over three queues (default 2000)
  --shares JOBS  submit and run so many jobs in one queue of several partitions:
                 what each master has to do for them
  --rest N       so many workers of such a queue that has no jobs: commands a
                 second and connections of each master
  --grow JOBS    spread a queue with so many waiting jobs over partitions while
                 jobs are submitted and run
  --partitions N how many these three have (default 16)

Without any, 60,000 jobs, 10 fail-overs and 20 moves. Prints JSON lines on
standard output. Fails when an acknowledged job has not run, or one of the moves
has run twice without a cause.";

const PACKAGE: &str = "jobflow-bench";

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    setup::for_bench()?;
    let mut cargo = util::cargo();
    util::run(cargo.args(["build", "--locked", "--release", "--package", PACKAGE]))?;
    let mut bench = Command::new(util::target_dir()?.join("release").join(PACKAGE));
    util::run(bench.arg("cluster").args(arguments))
}
