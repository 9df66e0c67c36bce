//! What a fault can reach.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::fleet::{Fleet, Role};
use crate::journal::Journal;
use crate::proxy::Proxy;
use crate::redis_server::{self, RedisServer};
use crate::scenario::Setting;
use crate::submit::Orders;

/// Everything that runs, and the log of what was done to it.
pub(crate) struct World {
    pub(crate) setting: Setting,
    pub(crate) redis: RedisServer,
    pub(crate) fleet: Fleet,
    /// In front of each server.
    pub(crate) fronts: Vec<Proxy>,
    pub(crate) orders: Arc<Orders>,
    /// Faults, processes.
    pub(crate) journal: Journal,
    /// Seeded anew for each fault, so that timing does not change its choices.
    pub(crate) dice: fastrand::Rng,
    /// Somebody is at Redis: one fault of it at a time.
    pub(crate) redis_taken: bool,
    /// Where the faked clocks are set, where there are any.
    pub(crate) fake_clocks: bool,
}

impl World {
    /// A time between two, by the dice.
    pub(crate) fn between(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        Duration::from_millis(self.dice.u64(least_ms..=most_ms))
    }

    /// One member of a role that can be met, by the dice.
    pub(crate) fn pick(&mut self, role: Role) -> Option<usize> {
        let well = self.fleet.well(role);
        self.dice.choice(well)
    }

    /// The processes behind a way to Redis.
    pub(crate) fn behind(&self, proxy: &Proxy) -> Vec<u32> {
        let members = self.fleet.members.iter();
        members
            .filter(|member| member.proxy.port() == proxy.port())
            .filter_map(|member| member.pid())
            .collect()
    }

    /// How many jobs have not come to their end; none when Redis does not say.
    pub(crate) fn backlog(&self) -> Option<u64> {
        backlog(self.redis.port(), &self.setting)
    }

    /// Looks after what should run.
    pub(crate) fn tick(&mut self) -> Result<()> {
        self.fleet.tick(&self.journal)
    }
}

/// How many jobs have not come to their end; none when Redis does not say.
pub(crate) fn backlog(port: u16, setting: &Setting) -> Option<u64> {
    let mut connection = redis_server::connect(port, Duration::from_millis(500)).ok()?;
    let mut sum = 0;
    for queue in &setting.queues {
        for set in [
            "waiting",
            "active",
            "scheduled",
            "retrying",
            "blocked",
            "parked",
        ] {
            let key = format!("jf:{{{}/{queue}}}:{set}", setting.namespace);
            sum += redis::cmd("ZCARD")
                .arg(key)
                .query::<u64>(&mut connection)
                .ok()?;
        }
    }
    Some(sum)
}
