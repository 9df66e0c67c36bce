//! The programs of other job systems, in a folder of their own below `target`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::util;

/// Builds what has changed and tells where it is.
pub(crate) fn install() -> Result<PathBuf> {
    let sources = util::root().join("benches/peers");
    let folder = util::target_dir()?.join("peers");
    let mut cargo = util::cargo();
    cargo.args(["build", "--locked", "--release", "--manifest-path"]);
    cargo.arg(sources.join("rust/Cargo.toml"));
    cargo.arg("--target-dir").arg(folder.join("rust"));
    util::run(&mut cargo)?;
    node(&sources.join("node"), &folder.join("node"))?;
    Ok(folder)
}

/// Node looks for packages beside the script: both are brought together
/// outside of the checkout's own folders.
fn node(sources: &Path, folder: &Path) -> Result<()> {
    const LOCK: &str = "package-lock.json";
    /// What npm writes when it has installed.
    const INSTALLED: &str = "node_modules/.package-lock.json";
    if util::find_program("npm").is_none() || util::find_program("node").is_none() {
        bail!("the peers need Node 20 and npm (Debian, Ubuntu: nodejs npm)");
    }
    let lock = fs::read(sources.join(LOCK))?;
    let is_installed = fs::read(folder.join(LOCK)).is_ok_and(|present| present == lock)
        && folder.join(INSTALLED).is_file();
    fs::create_dir_all(folder)?;
    for file in fs::read_dir(sources)? {
        let file = file?;
        fs::copy(file.path(), folder.join(file.file_name()))
            .with_context(|| format!("copying {}", file.path().display()))?;
    }
    if is_installed {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund"]);
    util::run(npm.current_dir(folder))
}
