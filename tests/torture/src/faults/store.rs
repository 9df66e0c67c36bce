//! A store without room: memory or disk.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::{Fault, Ongoing, Scope};
use crate::clock::{self, SECOND};
use crate::world::World;

pub(super) const FAULTS: [Fault; 2] = [
    Fault {
        name: "memory-full",
        about: "maxmemory below what is used, until the queue is empty",
        begin: memory_full,
    },
    Fault {
        name: "disk-full",
        about: "no space left where Redis writes (needs root)",
        begin: disk_full,
    },
];

/// A queue that does not drain in a full store never will.
const DRAIN: u64 = 30 * SECOND;

fn memory_full(world: &mut World) -> Result<Option<Ongoing>> {
    if world.redis_taken || !world.redis.is_ready() {
        return Ok(None);
    }
    let memory: String = world
        .redis
        .ask(redis::cmd("INFO").arg("memory"), Duration::from_secs(2))?;
    let used = memory.lines().find_map(|line| {
        line.strip_prefix("used_memory:")?
            .trim()
            .parse::<u64>()
            .ok()
    });
    let Some(used) = used else {
        return Ok(None);
    };
    world.redis_taken = true;
    world
        .redis
        .tell(&["CONFIG", "SET", "maxmemory", &(used / 10 * 9).to_string()])?;
    let begun = clock::now();
    let heal = move |world: &mut World| {
        let backlog = world.backlog();
        let late = clock::now() > begun + DRAIN;
        if backlog != Some(0) && !late {
            return Ok(None);
        }
        world.redis.tell(&["CONFIG", "SET", "maxmemory", "0"])?;
        world.redis_taken = false;
        Ok(Some(if backlog == Some(0) {
            "drained".to_owned()
        } else {
            format!("left-{backlog:?}")
        }))
    };
    Ok(Some(Ongoing {
        scope: Scope::All,
        lasts_ms: 3_000,
        heal: Box::new(heal),
    }))
}

fn filler(world: &World) -> PathBuf {
    world.redis.folder().join("filler")
}

/// With AOF always Redis ends when it can not write; with everysec it refuses.
/// Either way nothing acknowledged may be gone afterwards.
fn disk_full(world: &mut World) -> Result<Option<Ongoing>> {
    if world.redis_taken || !world.setting.small_disk || !world.redis.is_ready() {
        return Ok(None);
    }
    world.redis_taken = true;
    let mut file = File::create(filler(world))?;
    let block = vec![1_u8; 1 << 16];
    // Until there is no space left.
    while file.write_all(&block).is_ok() {}
    while file.write_all(&[1]).is_ok() {}
    let lasts_ms = world.dice.u64(2_000..6_000);
    Ok(Some(Ongoing::new(Scope::All, lasts_ms, |world| {
        fs::remove_file(filler(world))?;
        if !world.redis.is_running()? {
            world.redis.start(&world.journal)?;
        }
        world.redis_taken = false;
        Ok(())
    })))
}
