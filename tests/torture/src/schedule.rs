//! When each fault comes: by the seed alone.

use crate::clock::SECOND;
use crate::faults::{self, Fault};

/// One fault to come.
#[derive(Clone)]
pub(crate) struct Planned {
    /// Nanoseconds after the start.
    pub(crate) at: u64,
    pub(crate) fault: &'static Fault,
    /// Seeds its choices.
    pub(crate) dice: u64,
}

/// All faults of a run, in order.
pub(crate) fn plan(seed: u64, faults: &[(&str, f64)], from: f64, until: f64) -> Vec<Planned> {
    let mut planned = Vec::new();
    for (name, every) in faults {
        let Some(fault) = faults::find(name) else {
            continue;
        };
        let salt = name.bytes().fold(seed, |sum, byte| {
            sum.wrapping_mul(131).wrapping_add(u64::from(byte))
        });
        let mut dice = fastrand::Rng::with_seed(salt);
        // The first within its period, the others about a period apart.
        let mut at = from + every * (0.2 + 0.7 * dice.f64());
        while at < until {
            planned.push(Planned {
                at: nanos(at),
                fault,
                dice: dice.u64(..),
            });
            at += every * (0.7 + 0.6 * dice.f64());
        }
    }
    planned.sort_by_key(|planned| planned.at);
    planned
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some seconds or minutes"
)]
fn nanos(seconds: f64) -> u64 {
    (seconds * 1e3) as u64 * (SECOND / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(seed: u64) -> Vec<(u64, &'static str, u64)> {
        let faults = [("worker-kill", 5.0), ("redis-kill", 30.0)];
        plan(seed, &faults, 0.0, 300.0)
            .iter()
            .map(|planned| (planned.at, planned.fault.name, planned.dice))
            .collect()
    }

    #[test]
    fn a_seed_gives_the_same_plan_and_another_seed_another() {
        assert_eq!(told(1), told(1));
        assert_ne!(told(1), told(2));
    }

    #[test]
    fn each_fault_comes_about_as_often_as_it_should() {
        for seed in 0..50 {
            let plan = told(seed);
            let count = |wanted| plan.iter().filter(|(_, name, _)| *name == wanted).count();
            assert!(
                (50..75).contains(&count("worker-kill")),
                "{}",
                count("worker-kill")
            );
            assert!(
                (7..15).contains(&count("redis-kill")),
                "{}",
                count("redis-kill")
            );
            assert!(plan.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        }
    }
}
