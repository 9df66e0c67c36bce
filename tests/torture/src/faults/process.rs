//! Faults of workers and servers.

use anyhow::Result;

use super::{Fault, Ongoing, Scope};
use crate::fleet::Role;
use crate::world::World;

pub(super) const FAULTS: [Fault; 5] = [
    Fault {
        name: "worker-kill",
        about: "kill -9 of a worker",
        begin: |world| kill(world, Role::Worker),
    },
    Fault {
        name: "server-kill",
        about: "kill -9 of a server",
        begin: |world| kill(world, Role::Server),
    },
    Fault {
        name: "worker-stop",
        about: "SIGSTOP of a worker for 0.5 to 3 leases, then SIGCONT",
        begin: |world| stop(world, Role::Worker, (50, 300)),
    },
    Fault {
        name: "worker-freeze",
        about: "SIGSTOP of a worker for 1.3 to 2 leases, then SIGCONT: every lease is lost",
        begin: |world| stop(world, Role::Worker, (130, 200)),
    },
    Fault {
        name: "server-stop",
        about: "SIGSTOP of a server for 0.5 to 3 leases, then SIGCONT",
        begin: |world| stop(world, Role::Server, (50, 300)),
    },
];

fn kill(world: &mut World, role: Role) -> Result<Option<Ongoing>> {
    let Some(at) = world.pick(role) else {
        return Ok(None);
    };
    let down = world.between(100, 800);
    let member = &mut world.fleet.members[at];
    let pid = member.pid().into_iter().collect();
    member.kill(down);
    Ok(Some(Ongoing::instant(Scope::Some(pid))))
}

fn stop(world: &mut World, role: Role, (least, most): (u64, u64)) -> Result<Option<Ongoing>> {
    // One of them goes on, so that somebody notices.
    if world.fleet.well(role).len() < 2 {
        return Ok(None);
    }
    let Some(at) = world.pick(role) else {
        return Ok(None);
    };
    let lease = world.setting.lease_ms;
    let lasts_ms = world.dice.u64(lease * least / 100..=lease * most / 100);
    let member = &mut world.fleet.members[at];
    let pid = member.pid().into_iter().collect();
    member.stop();
    Ok(Some(Ongoing::new(
        Scope::Some(pid),
        lasts_ms,
        move |world| {
            world.fleet.members[at].go_on();
            Ok(())
        },
    )))
}
