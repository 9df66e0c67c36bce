//! Faults of the network: between a part of the processes and Redis, and in
//! front of a server.

use std::time::Duration;

use anyhow::Result;

use super::{Fault, Ongoing, Scope};
use crate::fleet::Role;
use crate::proxy::Mode;
use crate::world::World;

const DELAY: Mode = Mode::Delay(Duration::from_millis(60));
const THROTTLE: Mode = Mode::Throttle(20_000);

pub(super) const FAULTS: [Fault; 14] = [
    Fault {
        name: "net-delay",
        about: "60 ms more to Redis, each way",
        begin: |world| redis(world, DELAY),
    },
    Fault {
        name: "net-throttle",
        about: "20 kB/s to Redis",
        begin: |world| redis(world, THROTTLE),
    },
    Fault {
        name: "net-black-hole",
        about: "nothing goes to Redis or comes back",
        begin: |world| redis(world, Mode::BlackHole),
    },
    Fault {
        name: "net-half-open",
        about: "requests reach Redis, answers wait",
        begin: |world| redis(world, Mode::HalfOpen),
    },
    Fault {
        name: "net-reset-before",
        about: "reset before a request reaches Redis",
        begin: |world| redis(world, Mode::ResetBefore),
    },
    Fault {
        name: "net-reset-after",
        about: "reset after Redis did it, before the answer",
        begin: |world| redis(world, Mode::ResetAfter),
    },
    Fault {
        name: "net-drop-reply",
        about: "Redis did it, the answer is dropped",
        begin: |world| redis(world, Mode::DropReply),
    },
    Fault {
        name: "front-delay",
        about: "60 ms more to a server, each way",
        begin: |world| front(world, DELAY),
    },
    Fault {
        name: "front-throttle",
        about: "20 kB/s to a server",
        begin: |world| front(world, THROTTLE),
    },
    Fault {
        name: "front-black-hole",
        about: "nothing goes to a server or comes back",
        begin: |world| front(world, Mode::BlackHole),
    },
    Fault {
        name: "front-half-open",
        about: "requests reach a server, answers wait",
        begin: |world| front(world, Mode::HalfOpen),
    },
    Fault {
        name: "front-reset-before",
        about: "reset before a request reaches a server",
        begin: |world| front(world, Mode::ResetBefore),
    },
    Fault {
        name: "front-reset-after",
        about: "reset after a server did it, before the answer",
        begin: |world| front(world, Mode::ResetAfter),
    },
    Fault {
        name: "front-drop-reply",
        about: "a server did it, the answer is dropped",
        begin: |world| front(world, Mode::DropReply),
    },
];

/// Short: connections come back at once, and meet it again.
const RESETS: (u64, u64) = (100, 1_500);
const OTHERS: (u64, u64) = (500, 6_000);

fn lasts(world: &mut World, mode: Mode) -> u64 {
    let resets = matches!(mode, Mode::ResetBefore | Mode::ResetAfter);
    let (least, most) = if resets { RESETS } else { OTHERS };
    world.dice.u64(least..most)
}

fn redis(world: &mut World, mode: Mode) -> Result<Option<Ongoing>> {
    let ways: Vec<_> = world
        .fleet
        .members
        .iter()
        .filter(|member| member.role == Role::Worker || member.name == "server-0")
        .map(|member| member.proxy.clone())
        .filter(crate::proxy::Proxy::is_passing)
        .collect();
    let Some(way) = world.dice.choice(ways) else {
        return Ok(None);
    };
    way.set(mode);
    let scope = Scope::Some(world.behind(&way));
    let lasts_ms = lasts(world, mode);
    Ok(Some(Ongoing::new(scope, lasts_ms, move |_| {
        way.set(Mode::Pass);
        Ok(())
    })))
}

fn front(world: &mut World, mode: Mode) -> Result<Option<Ongoing>> {
    let passing: Vec<_> = (0..world.fronts.len())
        .filter(|at| world.fronts[*at].is_passing())
        .collect();
    let Some(at) = world.dice.choice(passing) else {
        return Ok(None);
    };
    let way = world.fronts[at].clone();
    way.set(mode);
    // Its callers feel it; no worker does, so it is the cause of no second run.
    let behind = &world.fleet.members[at];
    let scope = Scope::Some(behind.pid().into_iter().collect());
    let lasts_ms = lasts(world, mode);
    Ok(Some(Ongoing::new(scope, lasts_ms, move |_| {
        way.set(Mode::Pass);
        Ok(())
    })))
}
