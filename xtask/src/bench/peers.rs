//! The programs of other job systems, in a folder of their own below `target`.

use std::path::PathBuf;

use anyhow::Result;

use crate::{npm, util};

/// Builds what has changed and tells where it is.
pub(crate) fn install() -> Result<PathBuf> {
    let sources = util::root().join("benches/peers");
    let folder = util::target_dir()?.join("peers");
    let mut cargo = util::cargo();
    cargo.args(["build", "--locked", "--release", "--manifest-path"]);
    cargo.arg(sources.join("rust/Cargo.toml"));
    cargo.arg("--target-dir").arg(folder.join("rust"));
    util::run(&mut cargo)?;
    npm::install(&sources.join("node"), &folder.join("node"))?;
    Ok(folder)
}
