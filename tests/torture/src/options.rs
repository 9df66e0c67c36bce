//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use jobflow_torture_checker::Durability;
use lexopt::prelude::*;

use crate::faults;
use crate::peer::Peer;
use crate::scenario::{self, Scenario};

/// How often faults come that were named one by one, in seconds.
const NAMED_EVERY: f64 = 10.0;

/// What to do.
pub(crate) enum Command {
    Run(Box<Options>),
    Check(PathBuf),
    List,
}

pub(crate) struct Options {
    pub(crate) scenario: Scenario,
    /// Each with how often it comes.
    pub(crate) faults: Vec<(&'static str, f64)>,
    pub(crate) seed: u64,
    pub(crate) minutes: f64,
    pub(crate) durability: Durability,
    /// Who is under test, when it is not JobFlow.
    pub(crate) peer: Option<Peer>,
    /// Where the files of the run go.
    pub(crate) folder: PathBuf,
}

impl Command {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut parser = lexopt::Parser::from_args(arguments);
        let (mut scenario, mut seed, mut minutes) = (Scenario::default(), 1, 5.0);
        let (mut named, mut durability) = (None, Durability::Always);
        let mut peer = None;
        let (mut base, mut rate, mut jobs, mut workers) =
            (PathBuf::from("target/torture"), None, None, None);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("check") => return Ok(Self::Check(parser.value()?.into())),
                Long("list") => return Ok(Self::List),
                Long("scenario") => {
                    let name = parser.value()?.string()?;
                    scenario = scenario::find(&name)
                        .with_context(|| format!("there is no scenario `{name}`; see --list"))?;
                }
                Long("faults") => named = Some(parser.value()?.string()?),
                Long("seed") => seed = parser.value()?.parse()?,
                Long("minutes") => minutes = parser.value()?.parse()?,
                Long("rate") => rate = Some(parser.value()?.parse()?),
                Long("jobs") => jobs = Some(parser.value()?.parse()?),
                Long("workers") => workers = Some(parser.value()?.parse()?),
                Long("aof") => {
                    durability = aof(&parser.value()?.string()?)?;
                }
                Long("peer") => peer = Some(Peer::parse(&parser.value()?.string()?)?),
                Long("into") => base = parser.value()?.into(),
                other => bail!(other.unexpected()),
            }
        }
        ensure!(
            minutes > 0.0 && minutes <= 10_000.0,
            "--minutes must be over 0"
        );
        scenario.rate = rate.unwrap_or(scenario.rate);
        scenario.at_most = jobs.or(scenario.at_most);
        scenario.workers = workers.unwrap_or(scenario.workers);
        ensure!(
            (1..=64).contains(&scenario.workers),
            "--workers must be 1 to 64"
        );
        let faults = match named {
            None => scenario.faults.to_vec(),
            Some(names) => chosen(&names, &scenario)?,
        };
        scenario.small_disk |= faults.iter().any(|(name, _)| *name == "disk-full");
        let folder = match scenario.name {
            "mixed" => base.join(seed.to_string()),
            name => base.join(format!("{name}-{seed}")),
        };
        Ok(Self::Run(Box::new(Options {
            scenario,
            faults,
            seed,
            minutes,
            durability,
            peer,
            folder,
        })))
    }
}

fn aof(word: &str) -> Result<Durability> {
    Ok(match word {
        "always" => Durability::Always,
        "everysec" => Durability::Everysec,
        "no" => Durability::No,
        other => bail!("--aof {other}: must be always, everysec or no"),
    })
}

/// Faults by name, as often as the scenario has them.
fn chosen(names: &str, scenario: &Scenario) -> Result<Vec<(&'static str, f64)>> {
    let known = |name: &str| {
        let fault = faults::find(name)
            .with_context(|| format!("there is no fault `{name}`; see --list"))?;
        let every = scenario
            .faults
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, every)| *every);
        Ok((fault.name, every.unwrap_or(NAMED_EVERY)))
    };
    names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(known)
        .collect()
}
