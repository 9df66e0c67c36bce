//! Begins and heals the faults of a plan, and writes down when.

use anyhow::Result;

use crate::clock::{self, SECOND};
use crate::faults::{Heal, Scope};
use crate::schedule::Planned;
use crate::world::World;

/// A fault that can not be for so long is left out.
const TOO_LATE: u64 = 60 * SECOND;

/// A fault under way.
struct Ongoing {
    number: u64,
    name: &'static str,
    due: u64,
    heal: Heal,
}

/// The faults of a run.
pub(crate) struct Nemesis {
    plan: Vec<Planned>,
    next: usize,
    /// Those whose time has come, but that can not be at the moment.
    delayed: Vec<Planned>,
    ongoing: Vec<Ongoing>,
    numbers: u64,
}

impl Nemesis {
    pub(crate) const fn new(plan: Vec<Planned>) -> Self {
        Self {
            plan,
            next: 0,
            delayed: Vec::new(),
            ongoing: Vec::new(),
            numbers: 0,
        }
    }

    /// How many there were so far.
    pub(crate) const fn begun(&self) -> u64 {
        self.numbers
    }

    pub(crate) const fn under_way(&self) -> usize {
        self.ongoing.len()
    }

    /// Begins those whose time has come, so long after the start.
    pub(crate) fn begin_due(&mut self, world: &mut World, elapsed: u64) -> Result<()> {
        while self
            .plan
            .get(self.next)
            .is_some_and(|planned| planned.at <= elapsed)
        {
            self.delayed.push(self.plan[self.next].clone());
            self.next += 1;
        }
        for planned in std::mem::take(&mut self.delayed) {
            if !self.begin(world, &planned)? && elapsed < planned.at + TOO_LATE {
                self.delayed.push(planned);
            }
        }
        Ok(())
    }

    fn begin(&mut self, world: &mut World, planned: &Planned) -> Result<bool> {
        let (at, wall) = (clock::now(), clock::wall_ms());
        world.dice = fastrand::Rng::with_seed(planned.dice);
        let name = planned.fault.name;
        let taken = world.redis_taken;
        let begun = match (planned.fault.begin)(world) {
            Ok(Some(begun)) => begun,
            Ok(None) => return Ok(false),
            Err(error) => {
                // Another fault may be in its way; it comes again.
                eprintln!("{name} could not begin: {error:#}");
                world.redis_taken = taken;
                return Ok(false);
            }
        };
        self.numbers += 1;
        let scope = match begun.scope {
            Scope::All => "*".to_owned(),
            Scope::Some(pids) if pids.is_empty() => "-".to_owned(),
            Scope::Some(pids) => pids
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(","),
        };
        world.journal.line(&format!(
            "B {at} {wall} {name} {} {scope} {}ms",
            self.numbers, begun.lasts_ms
        ))?;
        let due = clock::now() + begun.lasts_ms * clock::MS;
        self.ongoing.push(Ongoing {
            number: self.numbers,
            name,
            due,
            heal: begun.heal,
        });
        if begun.lasts_ms == 0 {
            self.heal_due(world)?;
        }
        Ok(true)
    }

    /// Heals those that are over.
    pub(crate) fn heal_due(&mut self, world: &mut World) -> Result<()> {
        for mut ongoing in std::mem::take(&mut self.ongoing) {
            let is_due = clock::now() >= ongoing.due;
            let healed = if is_due {
                (ongoing.heal)(world).unwrap_or_else(|error| {
                    eprintln!("{} is not healed yet: {error:#}", ongoing.name);
                    ongoing.due = clock::now() + SECOND;
                    None
                })
            } else {
                None
            };
            match healed {
                Some(detail) => {
                    let (at, wall) = (clock::now(), clock::wall_ms());
                    world.journal.line(&format!(
                        "H {at} {wall} {} {} {detail}",
                        ongoing.name, ongoing.number
                    ))?;
                }
                None => self.ongoing.push(ongoing),
            }
        }
        Ok(())
    }
}
