//! Packages of Node, in folders of their own below `target`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::util;

/// Node looks for packages beside the script: both are brought together
/// outside of the checkout's own folders.
pub(crate) fn install(sources: &Path, folder: &Path) -> Result<()> {
    const LOCK: &str = "package-lock.json";
    /// What npm writes when it has installed.
    const INSTALLED: &str = "node_modules/.package-lock.json";
    if util::find_program("npm").is_none() || util::find_program("node").is_none() {
        bail!("this needs Node 20 and npm (Debian, Ubuntu: nodejs npm)");
    }
    let lock = fs::read(sources.join(LOCK))?;
    let is_installed = fs::read(folder.join(LOCK)).is_ok_and(|present| present == lock)
        && folder.join(INSTALLED).is_file();
    fs::create_dir_all(folder)?;
    for file in fs::read_dir(sources)? {
        let file = file?;
        if file.file_type()?.is_dir() {
            continue;
        }
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
