//! `cargo xtask failover`: what is lost when a master dies cut off from its replica.

use std::process::Command;

use anyhow::Result;

use crate::{setup, util};

pub(crate) const HELP: &str = "\
Usage: cargo xtask failover [--trials N] [--class CLASS]… [--isolated SECS] [--callers N]

A trial starts a redis-server and a replica behind a proxy, and callers that
submit without a pause. After a second the proxy lets nothing through any more;
three seconds later the master is killed and the replica promoted. Then all
acknowledged jobs are looked up on the promoted replica, and those of class fsync
also on the master once it is started again: the others keep nothing on disk.

  --trials N       of each class (default 30)
  --class CLASS    memory, fsync or replicated; several times (default: all)
  --isolated SECS  how long the master goes on cut off (default 3)
  --callers N      one job a call each (default 16)

Prints one JSON line per trial on standard output, and a table at the end. Fails
when an acknowledged job of class replicated is not on the promoted replica, or
one of class fsync not on the restarted master.";

const PACKAGE: &str = "jobflow-bench";

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    setup::for_bench()?;
    let mut cargo = util::cargo();
    util::run(cargo.args(["build", "--locked", "--release", "--package", PACKAGE]))?;
    let mut bench = Command::new(util::target_dir()?.join("release").join(PACKAGE));
    util::run(bench.arg("failover").args(arguments))
}
