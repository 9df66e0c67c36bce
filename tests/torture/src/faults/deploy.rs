//! What deploys do: workers end in order and new ones start, some of which do
//! not know every kind; and jobs that nobody should have submitted.

use anyhow::Result;

use super::{Fault, Ongoing, Scope};
use crate::fleet::Role;
use crate::world::World;

pub(super) const FAULTS: [Fault; 4] = [
    Fault {
        name: "rolling-restart",
        about: "SIGTERM of each worker, one after another",
        begin: rolling_restart,
    },
    Fault {
        name: "server-restart",
        about: "SIGTERM of a server",
        begin: server_restart,
    },
    Fault {
        name: "missing-kind",
        about: "a worker comes back without a handler for `slow`",
        begin: missing_kind,
    },
    Fault {
        name: "poison",
        about: "a job that kills its worker, or blocks a thread for ever",
        begin: poison,
    },
];

const POISON: [&str; 5] = [
    "poison-abort",
    "poison-exit",
    "poison-stack",
    "poison-memory",
    "poison-loop",
];

fn rolling_restart(world: &mut World) -> Result<Option<Ongoing>> {
    let mut left: Vec<_> = world.fleet.well(Role::Worker);
    if left.is_empty() {
        return Ok(None);
    }
    // A handler that is handed back has a cause; here nobody is named.
    let mut present: Option<(usize, u32)> = None;
    let heal = move |world: &mut World| {
        if let Some((at, pid)) = present {
            let member = &world.fleet.members[at];
            if member.pid() == Some(pid) || !member.is_well() {
                return Ok(None);
            }
            present = None;
        }
        let Some(at) = left.pop() else {
            return Ok(Some(String::new()));
        };
        let member = &mut world.fleet.members[at];
        if let (Some(pid), true) = (member.pid(), member.is_well()) {
            member.terminate();
            present = Some((at, pid));
        }
        Ok(None)
    };
    Ok(Some(Ongoing {
        scope: Scope::Some(Vec::from([0])),
        lasts_ms: 0,
        heal: Box::new(heal),
    }))
}

fn server_restart(world: &mut World) -> Result<Option<Ongoing>> {
    let Some(at) = world.pick(Role::Server) else {
        return Ok(None);
    };
    world.fleet.members[at].terminate();
    Ok(Some(Ongoing::instant(Scope::Some(Vec::from([0])))))
}

fn missing_kind(world: &mut World) -> Result<Option<Ongoing>> {
    let Some(at) = world.pick(Role::Worker) else {
        return Ok(None);
    };
    let member = &mut world.fleet.members[at];
    let scope: Vec<_> = member.pid().into_iter().collect();
    member.extra = Vec::from(["--without".to_owned(), "slow".to_owned()]);
    member.terminate();
    Ok(Some(Ongoing::new(
        Scope::Some(scope),
        3_000,
        move |world| {
            let member = &mut world.fleet.members[at];
            member.extra.clear();
            if member.is_well() {
                member.terminate();
            }
            Ok(())
        },
    )))
}

fn poison(world: &mut World) -> Result<Option<Ongoing>> {
    if let Some(kind) = world.dice.choice(POISON) {
        world.orders.want(kind);
    }
    Ok(Some(Ongoing::instant(Scope::Some(Vec::from([0])))))
}
