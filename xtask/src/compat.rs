//! `cargo xtask compat`: programs of an older build and of a newer one, together
//! and one after the other on one store.

mod play;
mod process;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::children::Children;
use crate::redis::{self, Keeping};
use crate::util;
use play::Verdict;

pub(crate) const HELP: &str = "\
Usage: cargo xtask compat --old DIR [--new DIR]

Runs programs of an older build with those of a newer one, each time in a
namespace of its own of a fresh redis-server:

- together: each choice of an old or a new server, worker and command line;
- one after the other: what all the old ones have stored is taken over by all
  the new ones, and the other way round.

Each brings a job into every state, looks at all of them, ends them by running,
cancelling, promoting and retrying, and lets `jobflow-cli doctor` look for damage.
Where a program refuses the layout of the others, the jobs must be as they were
and the store sound. An older doctor may say of keys that a newer build has added
that they belong to nobody; it leaves them alone.

  --old DIR  has jobflow-server, jobflow-worker and jobflow-cli of the older build
  --new DIR  the same of the newer one (default: this checkout, built for debugging)

Prints a line for each. Fails when one of them neither works nor refuses.";

const OLD: &str = "old";
const PROGRAMS: [&str; 3] = ["jobflow-server", "jobflow-worker", "jobflow-cli"];

/// Programs that were built together.
#[derive(Clone, Copy)]
struct Build<'a> {
    name: &'static str,
    folder: &'a Path,
}

/// Who is at work at the same time.
#[derive(Clone, Copy)]
struct Crew<'a> {
    server: Build<'a>,
    worker: Build<'a>,
    cli: Build<'a>,
}

impl<'a> Crew<'a> {
    const fn of(build: Build<'a>) -> Self {
        Self {
            server: build,
            worker: build,
            cli: build,
        }
    }

    fn told(&self) -> String {
        let names = [self.server.name, self.worker.name, self.cli.name];
        names.map(|name| format!("{name:8}")).concat()
    }
}

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    let (mut old, mut new) = (None, None);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let place = match argument.as_str() {
            "--old" => &mut old,
            "--new" => &mut new,
            other => bail!("there is no option {other}"),
        };
        let folder = arguments.next().context("--old and --new need a folder")?;
        *place = Some(PathBuf::from(folder));
    }
    let old = with_programs(old.context("--old DIR is missing")?)?;
    let new = match new {
        Some(folder) => with_programs(folder)?,
        None => built()?,
    };
    run(&old, &new)
}

fn built() -> Result<PathBuf> {
    let mut cargo = util::cargo();
    cargo.args(["build", "--locked"]);
    for program in PROGRAMS {
        cargo.args(["--package", program]);
    }
    util::run(&mut cargo)?;
    Ok(util::target_dir()?.join("debug"))
}

fn with_programs(folder: PathBuf) -> Result<PathBuf> {
    for program in PROGRAMS {
        let path = folder.join(program);
        ensure!(path.is_file(), "{} is missing", path.display());
    }
    Ok(folder)
}

fn run(old: &Path, new: &Path) -> Result<()> {
    let [old, new] = [(OLD, old), ("new", new)].map(|(name, folder)| Build { name, folder });
    let folder = util::target_dir()?.join("compat");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut children = Children::new()?;
    let port = redis::free_port()?;
    redis::start(&mut children, port, &folder.join("redis"), Keeping::OnDisk)?;
    let url = format!("redis://127.0.0.1:{port}/");
    let mut broken = 0;
    let mut tell = |who: String, verdict: Result<Verdict>| {
        let told = match verdict {
            Ok(Verdict::Works { unknown_keys: 0 }) => "works".to_owned(),
            Ok(Verdict::Works { unknown_keys }) => {
                format!("works; the old doctor does not know {unknown_keys} keys of the new ones")
            }
            Ok(Verdict::Refuses(why)) => format!("refuses: {why}"),
            Err(error) => {
                broken += 1;
                format!("BROKEN: {error:#}")
            }
        };
        println!("{who} {told}");
    };
    println!("{:8}{:8}{:8} together", "server", "worker", "cli");
    for number in 0..8 {
        let choice = |bit: u8| if number & bit == 0 { old } else { new };
        let crew = Crew {
            server: choice(4),
            worker: choice(2),
            cli: choice(1),
        };
        let place = folder.join(format!("together-{number}"));
        tell(
            crew.told(),
            play::together(&mut children, &url, &place, crew),
        );
    }
    println!("\n{:8}{:8}         one after the other", "first", "then");
    for (first, then) in [(old, new), (new, old)] {
        let place = folder.join(format!("{}-then-{}", first.name, then.name));
        let who = format!("{:8}{:8}        ", first.name, then.name);
        let crews = [Crew::of(first), Crew::of(then)];
        tell(who, play::handed_over(&mut children, &url, &place, crews));
    }
    children.stop();
    ensure!(
        broken == 0,
        "{broken} of 10 neither work nor refuse; their logs are in {}",
        folder.display()
    );
    Ok(())
}
