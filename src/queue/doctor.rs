//! Look at the health of the whole store: its settings, and each job.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::queue::JobQueue;
use crate::queue::info::Info;
use crate::queue::integrity::{Damage, Mend, Walked};
use crate::redis::Node;

/// The oldest Redis that has every command that is used.
const OLDEST: [u32; 2] = [6, 2];
/// How often the round trip is measured; the median counts.
const PINGS: usize = 9;
const SLOW: Duration = Duration::from_millis(10);
const TOO_SLOW: Duration = Duration::from_millis(250);
/// Shares of `maxmemory`.
const MUCH_MEMORY: f64 = 0.8;
const TOO_MUCH_MEMORY: f64 = 0.95;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integrity {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// Jobs looked at.
    pub jobs: usize,
    /// What is damaged, or was: the first thousand.
    pub damages: Vec<Damage>,
    /// How many there are, those that are not listed included.
    pub damaged: usize,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was looked at: a stable word.
    pub check: &'static str,
    /// What was found, one sentence.
    pub description: String,
    /// What to do about it; empty when it is well.
    pub advice: &'static str,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is well.
    Ok,
    /// It works, but is not what production wants.
    Warning,
    /// Jobs are lost or stuck, or can be.
    Error,
}

impl JobQueue {
    /// Checks the settings of the store, and every job of every queue for
    /// damage, which it mends where told so.
    ///
    /// It goes through all jobs in bounded steps, while the queues live on:
    /// each job is judged and mended within one step. It reads everything: do
    /// not do it all the time.
    ///
    /// # Errors
    /// Any fault of the store; what was mended before stays so.
    pub async fn check_integrity(&self, mend: Mend) -> Result<Integrity> {
        let nodes = self.core.store.nodes().await?;
        let mut findings = Vec::new();
        for node in &nodes {
            let info = Info::read(&self.core, node).await?;
            let of_node = [
                version(&info),
                eviction(&info),
                persistence(&info),
                memory(&info),
                latency(self.median_round_trip(node).await?),
            ];
            let several = nodes.len() > 1;
            findings.extend(of_node.map(|found| if several { found.at(node) } else { found }));
        }
        let walked = self.look_for_damage(mend).await?;
        findings.push(jobs(&walked, mend));
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let Walked {
            jobs,
            damages,
            damaged,
            ..
        } = walked;
        Ok(Integrity {
            findings,
            jobs,
            damages,
            damaged,
        })
    }

    async fn median_round_trip(&self, node: &Node) -> Result<Duration> {
        let mut times = [Duration::ZERO; PINGS];
        for time in &mut times {
            let asked = Instant::now();
            let ping = ::redis::cmd("PING");
            self.core.store.run_at::<String>(node, &ping).await?;
            *time = asked.elapsed();
        }
        times.sort_unstable();
        Ok(times[PINGS / 2])
    }
}

impl Finding {
    fn new(
        severity: Severity,
        check: &'static str,
        description: impl Into<String>,
        advice: &'static str,
    ) -> Self {
        Self {
            severity,
            check,
            description: description.into(),
            advice,
        }
    }

    /// The same, found at one server of several.
    fn at(mut self, node: &Node) -> Self {
        self.description = format!("{}: {}", node.address(), self.description);
        self
    }
}

fn version(info: &Info) -> Finding {
    let found = format!("Redis is version {}", info.text("redis_version"));
    if !info.is_since(OLDEST) {
        let advice = "Use Redis 6.2 or later.";
        return Finding::new(Severity::Error, "STORE_VERSION", found, advice);
    }
    Finding::new(Severity::Ok, "STORE_VERSION", found, "")
}

fn eviction(info: &Info) -> Finding {
    let policy = info.text("maxmemory_policy");
    let found = format!("maxmemory-policy is {policy}");
    if policy != "noeviction" {
        let advice = "Set maxmemory-policy to noeviction: any other lets Redis delete jobs.";
        return Finding::new(Severity::Error, "STORE_EVICTION", found, advice);
    }
    Finding::new(Severity::Ok, "STORE_EVICTION", found, "")
}

fn persistence(info: &Info) -> Finding {
    let tell = |severity, found, advice| Finding::new(severity, "STORE_PERSISTENCE", found, advice);
    let failed = [
        "aof_last_write_status",
        "aof_last_bgrewrite_status",
        "rdb_last_bgsave_status",
    ]
    .into_iter()
    .find(|name| info.text(name) == "err");
    if let Some(name) = failed {
        let found = format!("Redis could not write to its disk: {name} is err");
        return tell(
            Severity::Error,
            found,
            "Look at the log of Redis and at its disk.",
        );
    }
    if info.number("aof_enabled") == 0 {
        let found = "The append-only file is off: a crash of Redis loses jobs".to_owned();
        return tell(Severity::Warning, found, "Set appendonly yes.");
    }
    tell(Severity::Ok, "The append-only file is on".to_owned(), "")
}

fn memory(info: &Info) -> Finding {
    let tell = |severity, found, advice| Finding::new(severity, "STORE_MEMORY", found, advice);
    let (used, limit) = (info.number("used_memory"), info.number("maxmemory"));
    let mib = |bytes: u64| bytes / (1024 * 1024);
    if limit == 0 {
        let found = format!("Redis uses {} MiB and has no limit", mib(used));
        let advice =
            "Set maxmemory, so that a flood of jobs is refused before the machine runs out.";
        return tell(Severity::Warning, found, advice);
    }
    let share = used as f64 / limit as f64;
    let found = format!(
        "Redis uses {} MiB of {} MiB, {:.0} %",
        mib(used),
        mib(limit),
        100.0 * share
    );
    let advice =
        "Add workers, keep fewer final jobs, or raise maxmemory: a full Redis takes no new jobs.";
    if share >= TOO_MUCH_MEMORY {
        tell(Severity::Error, found, advice)
    } else if share >= MUCH_MEMORY {
        tell(Severity::Warning, found, advice)
    } else {
        tell(Severity::Ok, found, "")
    }
}

fn latency(median: Duration) -> Finding {
    let found = format!(
        "Redis answers within {:.1} ms",
        median.as_secs_f64() * 1_000.0
    );
    let advice =
        "Look for a slow network, a busy machine or slow commands of others (SLOWLOG GET).";
    let (severity, advice) = if median >= TOO_SLOW {
        (Severity::Error, advice)
    } else if median >= SLOW {
        (Severity::Warning, advice)
    } else {
        (Severity::Ok, "")
    };
    Finding::new(severity, "STORE_LATENCY", found, advice)
}

fn jobs(walked: &Walked, mend: Mend) -> Finding {
    let Walked {
        jobs,
        damaged,
        unmended,
        ..
    } = walked;
    let tell = |severity, found, advice| Finding::new(severity, "JOBS", found, advice);
    match (*damaged, *unmended, mend) {
        (0, ..) => tell(
            Severity::Ok,
            format!("{jobs} jobs are where they must be"),
            "",
        ),
        (_, 0, Mend::Yes) => tell(
            Severity::Ok,
            format!("{damaged} damages were mended, {jobs} jobs are where they must be"),
            "",
        ),
        (_, _, Mend::Yes) => tell(
            Severity::Error,
            format!("{unmended} of {damaged} damages were not mended"),
            "Look at them by hand.",
        ),
        (_, _, Mend::No) => tell(
            Severity::Error,
            format!("{damaged} damages were found, {jobs} jobs were looked at"),
            "Look for other programs that write to the keys of JobFlow, then mend with \
             `jobflow-cli doctor --fix`.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_that_endangers_jobs_is_told_with_advice() {
        let bad = "redis_version:6.0.16\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:0\r\n\
                   rdb_last_bgsave_status:err\r\nused_memory:99\r\nmaxmemory:100\r\n";
        let bad = Info::new(bad);
        for finding in [
            version(&bad),
            eviction(&bad),
            persistence(&bad),
            memory(&bad),
        ] {
            assert_eq!(finding.severity, Severity::Error, "{finding:?}");
            assert!(!finding.advice.is_empty(), "{finding:?}");
        }
        let good = "redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n\
                    rdb_last_bgsave_status:ok\r\nused_memory:9\r\nmaxmemory:100\r\n";
        let good = Info::new(good);
        for finding in [
            version(&good),
            eviction(&good),
            persistence(&good),
            memory(&good),
        ] {
            assert_eq!((finding.severity, finding.advice), (Severity::Ok, ""));
        }
        assert_eq!(
            persistence(&Info::new("aof_enabled:0")).severity,
            Severity::Warning
        );
        assert_eq!(
            memory(&Info::new("used_memory:9")).severity,
            Severity::Warning
        );
    }

    #[test]
    fn a_slow_store_is_told() {
        let severity = |ms| latency(Duration::from_millis(ms)).severity;
        assert_eq!(severity(1), Severity::Ok);
        assert_eq!(severity(10), Severity::Warning);
        assert_eq!(severity(250), Severity::Error);
    }

    #[test]
    fn damage_is_an_error_until_it_is_mended() {
        let judged = |damaged, unmended, mend| {
            let walked = Walked {
                damaged,
                unmended,
                ..Walked::default()
            };
            jobs(&walked, mend).severity
        };
        assert_eq!(judged(0, 0, Mend::No), Severity::Ok);
        assert_eq!(judged(2, 2, Mend::No), Severity::Error);
        assert_eq!(judged(2, 0, Mend::Yes), Severity::Ok);
        assert_eq!(judged(2, 1, Mend::Yes), Severity::Error);
    }
}
