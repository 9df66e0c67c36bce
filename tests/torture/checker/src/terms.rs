//! What a run was, and what it has to show: `run.json`.

use serde::{Deserialize, Serialize};

/// How Redis kept its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// AOF, synced before each answer: nothing acknowledged may be lost.
    Always,
    /// AOF, synced each second: what was acknowledged shortly before a kill may be lost.
    Everysec,
    /// Nothing on disk: a restart may lose everything.
    No,
}

/// What a run was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// The name of its scenario.
    pub scenario: String,
    /// Repeats it.
    pub seed: u64,
    /// How long jobs were submitted.
    pub minutes: f64,
    /// The lease of the workers.
    pub lease_ms: u64,
    /// How Redis kept its data.
    pub durability: Durability,
    /// At how many lost workers a job fails.
    pub crash_cap: u32,
    /// Only the newest final jobs were kept: those that are gone must have run.
    pub trimmed: bool,
    /// Another job system was under test: only what its own programs tell is known.
    #[serde(default)]
    pub peer: bool,
    /// After a fault that stops everybody, progress must be seen in this time.
    pub progress_ms: u64,
    /// From when to when jobs were submitted, on the monotonic clock.
    pub submits: (u64, u64),
    /// When every job had come to its end; none when that did not happen in time.
    pub drained: Option<u64>,
    /// What this scenario has to show beyond the invariants.
    pub musts: Musts,
}

/// What a scenario has to show; absent is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Musts {
    /// A job of a killed worker runs again within this time.
    pub recovery_ms: Option<u64>,
    /// So many killed workers had jobs that ran again.
    pub recovered_kills: Option<u64>,
    /// Every worker starts a job within this time of the end of a Redis outage.
    pub claims_again_ms: Option<u64>,
    /// So many outages of Redis.
    pub outages: Option<u64>,
    /// So many attempts that were overtaken by another claim while they ran.
    pub lease_losses: Option<u64>,
    /// No job runs twice, and no attempt is used up.
    pub runs_once: bool,
    /// So many submits are refused with this word.
    pub refusals: Option<(u64, String)>,
    /// Each fault of this name ends with an empty queue, by the word of the run.
    pub drains_during: Option<String>,
    /// A poison job costs at most so many workers.
    pub deaths_per_poison: Option<u32>,
    /// While there is poison, other jobs keep this part of their rate.
    pub good_rate: Option<f64>,
    /// No delayed job starts before its time.
    pub never_early: bool,
    /// Delayed jobs due while nothing is behind start at most so late.
    pub late_ms: Option<u64>,
    /// Memory and descriptors of servers and workers grow at most by this part.
    pub growth: Option<f64>,
}

impl Musts {
    /// For a run of this part of the length that the counts are meant for.
    #[must_use]
    pub fn for_part(mut self, part: f64) -> Self {
        for count in [
            &mut self.recovered_kills,
            &mut self.outages,
            &mut self.lease_losses,
        ] {
            *count = count.map(|count| scaled(count, part.min(1.0)));
        }
        self
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "some thousands"
)]
fn scaled(count: u64, part: f64) -> u64 {
    (count as f64 * part) as u64
}
