//! Faults of the Redis process and its connections.

use std::fs::File;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use super::{Fault, Ongoing, Scope};
use crate::world::World;

pub(super) const FAULTS: [Fault; 9] = [
    Fault {
        name: "redis-kill",
        about: "kill -9 of Redis, and a new start",
        begin: kill,
    },
    Fault {
        name: "redis-stop-start",
        about: "SIGTERM of Redis, and a new start",
        begin: stop_start,
    },
    Fault {
        name: "redis-freeze",
        about: "SIGSTOP of Redis, then SIGCONT",
        begin: freeze,
    },
    Fault {
        name: "redis-truncate",
        about: "kill -9 of Redis, and the tail of its file is cut",
        begin: truncate,
    },
    Fault {
        name: "client-kill",
        about: "CLIENT KILL of every connection",
        begin: client_kill,
    },
    Fault {
        name: "client-pause",
        about: "CLIENT PAUSE ALL",
        begin: client_pause,
    },
    Fault {
        name: "script-flush",
        about: "SCRIPT FLUSH",
        begin: script_flush,
    },
    Fault {
        name: "debug-sleep",
        about: "DEBUG SLEEP: Redis answers nobody",
        begin: debug_sleep,
    },
    Fault {
        name: "connection-storm",
        about: "maxclients 64, and 100 idle connections",
        begin: storm,
    },
];

/// One fault at a time has Redis.
fn take(world: &mut World) -> Result<bool> {
    let free = !world.redis_taken && world.redis.is_running()? && world.redis.is_ready();
    if free {
        world.redis_taken = true;
    }
    Ok(free)
}

/// Starts Redis again after a while, and is over when it has read its data.
fn back_after(lasts_ms: u64) -> Ongoing {
    Ongoing::new(Scope::All, lasts_ms, |world| {
        world.redis.start(&world.journal)?;
        world.redis_taken = false;
        Ok(())
    })
}

fn kill(world: &mut World) -> Result<Option<Ongoing>> {
    if !take(world)? {
        return Ok(None);
    }
    world.redis.kill(&world.journal)?;
    let lasts_ms = world.dice.u64(50..1_500);
    Ok(Some(back_after(lasts_ms)))
}

fn stop_start(world: &mut World) -> Result<Option<Ongoing>> {
    if !take(world)? {
        return Ok(None);
    }
    world.redis.stop(&world.journal)?;
    let lasts_ms = world.dice.u64(50..1_500);
    Ok(Some(back_after(lasts_ms)))
}

/// As after a crash of the machine: what was written last is not there. Redis
/// starts all the same, and has forgotten it.
fn truncate(world: &mut World) -> Result<Option<Ongoing>> {
    if !take(world)? {
        return Ok(None);
    }
    world.redis.kill(&world.journal)?;
    let file = File::options()
        .write(true)
        .open(world.redis.newest_part()?)?;
    let cut = world.dice.u64(1..200);
    file.set_len(file.metadata()?.len().saturating_sub(cut))?;
    Ok(Some(back_after(300)))
}

fn freeze(world: &mut World) -> Result<Option<Ongoing>> {
    if !take(world)? {
        return Ok(None);
    }
    world.redis.signal(Signal::STOP);
    let lasts_ms = world.dice.u64(200..4_000);
    Ok(Some(Ongoing::new(Scope::All, lasts_ms, |world| {
        world.redis.signal(Signal::CONT);
        world.redis_taken = false;
        Ok(())
    })))
}

fn client_kill(world: &mut World) -> Result<Option<Ongoing>> {
    if !take(world)? {
        return Ok(None);
    }
    world.redis.tell(&["CLIENT", "KILL", "TYPE", "normal"])?;
    world.redis.tell(&["CLIENT", "KILL", "TYPE", "pubsub"])?;
    world.redis_taken = false;
    Ok(Some(Ongoing::instant(Scope::All)))
}

fn client_pause(world: &mut World) -> Result<Option<Ongoing>> {
    if !take(world)? {
        return Ok(None);
    }
    let lasts_ms = world.dice.u64(500..4_000);
    world
        .redis
        .tell(&["CLIENT", "PAUSE", &lasts_ms.to_string(), "ALL"])?;
    Ok(Some(Ongoing::new(Scope::All, lasts_ms, |world| {
        world.redis_taken = false;
        Ok(())
    })))
}

fn script_flush(world: &mut World) -> Result<Option<Ongoing>> {
    if !take(world)? {
        return Ok(None);
    }
    world.redis.tell(&["SCRIPT", "FLUSH"])?;
    world.redis_taken = false;
    // Nobody may notice, so it excuses nothing.
    Ok(Some(Ongoing::instant(Scope::Some(Vec::from([0])))))
}

fn debug_sleep(world: &mut World) -> Result<Option<Ongoing>> {
    if !take(world)? {
        return Ok(None);
    }
    let lasts_ms = world.dice.u64(200..4_000);
    let seconds = Duration::from_millis(lasts_ms).as_secs_f64();
    let mut sleep = redis::cmd("DEBUG");
    sleep.arg("SLEEP").arg(seconds);
    // The answer comes when it is over, and nobody waits for it.
    let _no_answer = world
        .redis
        .ask::<redis::Value>(&sleep, Duration::from_millis(20));
    Ok(Some(Ongoing::new(Scope::All, lasts_ms, |world| {
        world.redis_taken = false;
        Ok(())
    })))
}

fn storm(world: &mut World) -> Result<Option<Ongoing>> {
    if !take(world)? {
        return Ok(None);
    }
    world.redis.tell(&["CONFIG", "SET", "maxclients", "64"])?;
    let mut idle = Vec::new();
    for _ in 0..100 {
        // Those over the limit are refused, as they should be.
        idle.extend(world.redis.connect(Duration::from_millis(200)).ok());
    }
    let lasts_ms = world.dice.u64(1_000..4_000);
    let mut idle = Some(idle);
    Ok(Some(Ongoing::new(Scope::All, lasts_ms, move |world| {
        let raise = ["CONFIG", "SET", "maxclients", "10000"];
        // There may be no room for another connection.
        match idle.as_mut().and_then(|held| held.first_mut()) {
            Some(held) => redis::cmd(raise[0]).arg(&raise[1..]).query(held)?,
            None => world.redis.tell(&raise)?,
        }
        idle = None;
        world.redis_taken = false;
        Ok(())
    })))
}
