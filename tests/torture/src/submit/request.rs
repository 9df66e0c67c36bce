//! What is submitted: names, kinds and payloads, all by the seed.

use uuid::Uuid;

use crate::clock;

/// Which kinds, and how often.
pub(crate) type Mix = &'static [(&'static str, u32)];

/// One job to submit. Sent again, it is the same.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Unique in the run; stands in the payload.
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) queue: String,
    pub(crate) attempts: u32,
    pub(crate) delay_ms: u64,
    /// How long an attempt may take, where the default is too long.
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) payload: String,
    pub(crate) id: Uuid,
    /// Under an idempotency key; else under a request id.
    pub(crate) by_key: bool,
    /// An earlier try had no known end.
    pub(crate) unknown: bool,
}

impl Request {
    /// The line for its first try.
    pub(crate) fn tried(&self) -> String {
        format!(
            "T {} {} {} {} {} {}\n",
            clock::now(),
            self.name,
            self.kind,
            self.queue,
            self.attempts,
            self.delay_ms
        )
    }

    pub(crate) fn key(&self) -> String {
        format!("key-{}", self.id)
    }
}

/// The requests of one submitter, in order.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    pub(crate) dice: fastrand::Rng,
    name: String,
    seed: u64,
    number: u64,
    mix: Mix,
    queues: Vec<String>,
    /// How long a quick handler takes at most.
    quick_ms: u64,
    delay_ms: (u64, u64),
}

impl Requests {
    pub(crate) fn new(
        seed: u64,
        mix: Mix,
        queues: Vec<String>,
        quick_ms: u64,
        delay_ms: (u64, u64),
    ) -> Self {
        Self {
            dice: fastrand::Rng::with_seed(seed),
            name: String::new(),
            seed,
            number: 0,
            mix,
            queues,
            quick_ms,
            delay_ms,
        }
    }

    /// Those of the submitter with this name.
    pub(crate) fn of(&self, name: &str) -> Self {
        let salt = name.bytes().fold(self.seed, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        Self {
            dice: fastrand::Rng::with_seed(salt),
            name: name.to_owned(),
            ..self.clone()
        }
    }

    /// The next one, of a kind by the mix.
    pub(crate) fn next(&mut self) -> Request {
        let total: u32 = self.mix.iter().map(|(_, weight)| weight).sum();
        let mut at = self.dice.u32(..total.max(1));
        let mut kind = "quick";
        for (name, weight) in self.mix {
            if at < *weight {
                kind = name;
                break;
            }
            at -= weight;
        }
        self.of_kind(kind)
    }

    pub(crate) fn of_kind(&mut self, kind: &'static str) -> Request {
        self.number += 1;
        let name = format!("{}-{}", self.name, self.number);
        let dice = &mut self.dice;
        let (ms, fail) = match kind {
            "slow" => (dice.u64(20..200), 0),
            "flaky" | "panicker" => (dice.u64(0..5), dice.u32(1..3)),
            "doomed" => (0, u32::MAX),
            "deaf" => (dice.u64(100..3_000), 0),
            "snoozer" => (dice.u64(50..500), 0),
            "talker" => (dice.u64(0..10), 0),
            _ => (dice.u64(0..=self.quick_ms), 0),
        };
        let delay_ms = if kind == "later" {
            dice.u64(self.delay_ms.0..=self.delay_ms.1)
        } else {
            0
        };
        let queue = dice.choice(&self.queues).expect("a run has queues").clone();
        Request {
            payload: format!(r#"{{"r":"{name}","ms":{ms},"fail":{fail}}}"#),
            name,
            kind,
            queue,
            attempts: 3,
            delay_ms,
            timeout_ms: (kind == "poison-loop").then_some(1_000),
            id: Uuid::from_u128(dice.u128(..)),
            by_key: dice.bool(),
            unknown: false,
        }
    }
}
