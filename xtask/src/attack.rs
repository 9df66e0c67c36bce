//! `cargo xtask attack`: what others could do to a server, beside a good client.

use std::process::Command;

use anyhow::Result;

use crate::{setup, util};

pub(crate) const HELP: &str = "\
Usage: cargo xtask attack [--seconds N] [--only TEXT]

Builds the server as it is released and attacks it, case by case, beside a good
client that submits 500 jobs a second: floods, stalls, bombs, lengths that lie,
smuggling, storms of connections, and the same under TLS. Prints for each case the
99th percentile of the good client without and with it, their ratio, its errors,
and how much memory the server took. Fails when one of them succeeds three times
in a row.

  --seconds N  of each attack (default 4)
  --only TEXT  the attacks whose name has this in it

Anything else that the machine does shows in the figures.";

const PACKAGE: &str = "jobflow-server";

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    setup::for_bench()?;
    let mut cargo = util::cargo();
    util::run(cargo.args(["build", "--locked", "--release", "--package", PACKAGE]))?;
    let server = util::target_dir()?.join("release").join(PACKAGE);
    let mut attack = Command::new("python3");
    attack.arg(util::root().join("tests/attack/attack.py"));
    util::run(attack.arg("--server").arg(server).args(arguments))
}
