//! What can be run: the settings and faults of each scenario, and what it has to show.

use std::path::PathBuf;

use jobflow_torture_checker::{Durability, Musts};

use crate::submit::Mix;

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Each with how often it comes, in seconds.
    pub(crate) faults: &'static [(&'static str, f64)],
    pub(crate) mix: Mix,
    pub(crate) workers: usize,
    pub(crate) slots: usize,
    pub(crate) lease_ms: u64,
    /// Jobs a second; who is behind hurries.
    pub(crate) rate: f64,
    pub(crate) most_ahead: u64,
    /// Submits end at so many jobs; the run goes on.
    pub(crate) at_most: Option<u64>,
    pub(crate) quick_ms: u64,
    pub(crate) delay_ms: (u64, u64),
    pub(crate) progress_ms: u64,
    /// Final jobs that are kept of each queue and state; none for all.
    pub(crate) keep: Option<u32>,
    /// Redis writes into a small file system of its own.
    pub(crate) small_disk: bool,
    /// Clocks of workers are so many seconds off, in turn before and behind.
    pub(crate) clocks_off: i64,
    /// Faults come from this part of the run on.
    pub(crate) faults_from: f64,
    pub(crate) musts: Musts,
}

/// What a run was told, and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) folder: PathBuf,
    pub(crate) namespace: String,
    pub(crate) queues: Vec<String>,
    pub(crate) lease_ms: u64,
    pub(crate) durability: Durability,
    pub(crate) small_disk: bool,
}

const EVERYTHING: Mix = &[
    ("quick", 720),
    ("slow", 80),
    ("later", 60),
    ("flaky", 60),
    ("talker", 30),
    ("snoozer", 20),
    ("doomed", 10),
    ("panicker", 10),
    ("deaf", 10),
];
const QUICK: Mix = &[("quick", 1)];
const DELAYED: Mix = &[("later", 1)];

/// How often each comes in the mixed campaign: enough for 300 worker kills, 100
/// server kills and 50 of Redis in half an hour.
const MIXED: &[(&str, f64)] = &[
    ("worker-kill", 4.6),
    ("server-kill", 14.0),
    ("redis-kill", 27.0),
    ("worker-stop", 23.0),
    ("server-stop", 61.0),
    ("redis-stop-start", 97.0),
    ("redis-freeze", 83.0),
    ("client-kill", 41.0),
    ("client-pause", 101.0),
    ("script-flush", 37.0),
    ("debug-sleep", 89.0),
    ("connection-storm", 179.0),
    ("memory-full", 307.0),
    ("net-delay", 47.0),
    ("net-throttle", 73.0),
    ("net-black-hole", 53.0),
    ("net-half-open", 67.0),
    ("net-reset-before", 31.0),
    ("net-reset-after", 33.0),
    ("net-drop-reply", 43.0),
    ("front-delay", 71.0),
    ("front-throttle", 103.0),
    ("front-black-hole", 79.0),
    ("front-half-open", 107.0),
    ("front-reset-before", 59.0),
    ("front-reset-after", 51.0),
    ("front-drop-reply", 109.0),
    ("worker-clock", 113.0),
    ("server-clock", 127.0),
    ("rolling-restart", 131.0),
    ("server-restart", 137.0),
    ("missing-kind", 149.0),
    ("poison", 181.0),
];

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "mixed",
            about: "all faults at once, and every kind of job",
            faults: MIXED,
            mix: EVERYTHING,
            workers: 4,
            slots: 24,
            lease_ms: 4_000,
            rate: 750.0,
            most_ahead: 20_000,
            at_most: None,
            quick_ms: 4,
            delay_ms: (100, 5_000),
            progress_ms: 10_000,
            keep: None,
            small_disk: false,
            clocks_off: 0,
            faults_from: 0.0,
            musts: Musts::default(),
        }
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Scenario> {
    let all: [fn() -> Scenario; 11] = [
        Scenario::default,
        lease_loss,
        worker_death,
        redis_restart,
        memory_full,
        disk_full,
        poison,
        delayed,
        rolling,
        peers,
        soak,
    ];
    all.into_iter().map(|scenario| scenario()).collect()
}

fn quick_only() -> Scenario {
    Scenario {
        mix: QUICK,
        ..Scenario::default()
    }
}

fn lease_loss() -> Scenario {
    Scenario {
        name: "lease-loss",
        about: "workers with many slots stand still for longer than their leases",
        faults: &[("worker-freeze", 0.9)],
        mix: QUICK,
        slots: 300,
        lease_ms: 500,
        quick_ms: 900,
        rate: 1_500.0,
        most_ahead: 3_000,
        musts: Musts {
            lease_losses: Some(20_000),
            ..Musts::default()
        },
        ..Scenario::default()
    }
}

fn worker_death() -> Scenario {
    Scenario {
        name: "worker-death",
        about: "kill -9 of workers; their jobs run again within a lease and a second",
        faults: &[("worker-kill", 1.1)],
        slots: 16,
        lease_ms: 1_000,
        quick_ms: 100,
        rate: 700.0,
        most_ahead: 200,
        musts: Musts {
            recovery_ms: Some(2_000),
            recovered_kills: Some(200),
            ..Musts::default()
        },
        ..quick_only()
    }
}

fn redis_restart() -> Scenario {
    Scenario {
        name: "redis-restart",
        about: "Redis ends and comes back under load; every worker claims again within 3 s",
        faults: &[("redis-kill", 5.6), ("redis-stop-start", 5.8)],
        slots: 8,
        lease_ms: 8_000,
        quick_ms: 40,
        rate: 700.0,
        most_ahead: 4_000,
        musts: Musts {
            claims_again_ms: Some(3_000),
            // Of a hundred; of the others the next one cuts off what is measured.
            outages: Some(70),
            ..Musts::default()
        },
        ..quick_only()
    }
}

fn memory_full() -> Scenario {
    Scenario {
        name: "memory-full",
        about: "maxmemory under load; submits are refused, the queue drains by itself",
        faults: &[("memory-full", 12.0)],
        quick_ms: 30,
        rate: 2_000.0,
        most_ahead: 4_000,
        lease_ms: 5_000,
        musts: Musts {
            refusals: Some((1, "STORE_OUT_OF_MEMORY".to_owned())),
            drains_during: Some("memory-full".to_owned()),
            ..Musts::default()
        },
        ..quick_only()
    }
}

fn disk_full() -> Scenario {
    Scenario {
        name: "disk-full",
        about: "no space left where Redis writes, then space again; at work within 5 s",
        faults: &[("disk-full", 15.0)],
        quick_ms: 20,
        rate: 200.0,
        lease_ms: 12_000,
        small_disk: true,
        progress_ms: 5_000,
        ..quick_only()
    }
}

fn poison() -> Scenario {
    Scenario {
        name: "poison",
        about: "jobs that kill their workers, beside good ones",
        faults: &[("poison", 6.0)],
        slots: 8,
        lease_ms: 1_000,
        quick_ms: 20,
        rate: 300.0,
        faults_from: 0.34,
        musts: Musts {
            deaths_per_poison: Some(3),
            good_rate: Some(0.9),
            ..Musts::default()
        },
        ..quick_only()
    }
}

fn delayed() -> Scenario {
    Scenario {
        name: "delayed",
        about: "many delayed jobs around an outage, workers with clocks an hour off",
        faults: &[("redis-kill", 47.0)],
        mix: DELAYED,
        slots: 64,
        lease_ms: 10_000,
        quick_ms: 0,
        rate: 20_000.0,
        most_ahead: u64::MAX,
        at_most: Some(200_000),
        delay_ms: (20_000, 100_000),
        clocks_off: 3_600,
        // For most of the time nothing is due, and nothing is left to submit.
        progress_ms: 120_000,
        musts: Musts {
            never_early: true,
            late_ms: Some(1_000),
            ..Musts::default()
        },
        ..Scenario::default()
    }
}

fn rolling() -> Scenario {
    Scenario {
        name: "rolling",
        about: "SIGTERM of all workers in turn, again and again; no job runs twice",
        faults: &[("rolling-restart", 3.0)],
        lease_ms: 15_000,
        quick_ms: 100,
        rate: 300.0,
        musts: Musts {
            runs_once: true,
            ..Musts::default()
        },
        ..quick_only()
    }
}

fn peers() -> Scenario {
    Scenario {
        name: "peers",
        about: "kills and stops that other job systems can be put under, too: see --peer",
        faults: &[
            ("worker-kill", 6.0),
            ("worker-stop", 23.0),
            ("redis-kill", 27.0),
            ("client-kill", 41.0),
        ],
        mix: QUICK,
        rate: 200.0,
        quick_ms: 100,
        ..Scenario::default()
    }
}

fn soak() -> Scenario {
    Scenario {
        name: "soak",
        about: "half load and a fault a minute; memory and descriptors stay flat",
        faults: &[
            ("worker-stop", 360.0),
            ("client-kill", 360.0),
            ("redis-kill", 360.0),
            ("net-black-hole", 360.0),
            ("net-reset-after", 360.0),
            ("server-stop", 360.0),
        ],
        rate: 300.0,
        keep: Some(1_000),
        musts: Musts {
            growth: Some(0.1),
            ..Musts::default()
        },
        ..Scenario::default()
    }
}

/// The one with this name.
pub(crate) fn find(name: &str) -> Option<Scenario> {
    all().into_iter().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults;

    #[test]
    fn each_scenario_names_faults_that_exist() {
        for scenario in all() {
            for (name, every) in scenario.faults {
                assert!(
                    faults::find(name).is_some() && *every > 0.0,
                    "{}: {name}",
                    scenario.name
                );
            }
        }
    }

    #[test]
    fn the_mixed_campaign_has_every_fault_that_loses_nothing() {
        let left_out = [
            "worker-freeze",
            "redis-truncate",
            "disk-full",
            "redis-clock",
        ];
        for fault in faults::all() {
            let is_in = MIXED.iter().any(|(name, _)| *name == fault.name);
            assert!(is_in != left_out.contains(&fault.name), "{}", fault.name);
        }
    }
}
