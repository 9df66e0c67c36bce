//! Clocks that are wrong, and jump, by `libfaketime`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Fault, Ongoing, Scope};
use crate::clock::{self, SECOND};
use crate::fleet::{Member, Role};
use crate::world::World;

pub(super) const FAULTS: [Fault; 3] = [
    Fault {
        name: "worker-clock",
        about: "the clock of a worker steps by up to an hour",
        begin: |world| step(world, Role::Worker),
    },
    Fault {
        name: "server-clock",
        about: "the clock of a server steps by up to an hour",
        begin: |world| step(world, Role::Server),
    },
    Fault {
        name: "redis-clock",
        about: "the clock of Redis steps by up to 3 leases, and back",
        begin: step_redis,
    },
];

/// Where Debian keeps it.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// The library, where it is installed.
pub(crate) fn library() -> Option<PathBuf> {
    LIBRARIES
        .iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
}

/// The environment of a process whose clock follows a file of this name. Its
/// monotonic clock stays true.
pub(crate) fn environment(
    library: &Path,
    folder: &Path,
    name: &str,
) -> Result<Vec<(String, String)>> {
    set(folder, name, 0)?;
    let file = clock_file(folder, name);
    let pairs = [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_CACHE_DURATION", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    Ok(pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}

fn clock_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.clock"))
}

/// Puts the clock of a process so many seconds off.
pub(crate) fn set(folder: &Path, name: &str, seconds: i64) -> Result<()> {
    Ok(fs::write(
        clock_file(folder, name),
        format!("{seconds:+}\n"),
    )?)
}

fn step(world: &mut World, role: Role) -> Result<Option<Ongoing>> {
    if !world.fake_clocks {
        return Ok(None);
    }
    let Some(at) = world.pick(role) else {
        return Ok(None);
    };
    let seconds = world.dice.i64(-3_600..=3_600);
    let folder = world.setting.folder.clone();
    let member: &Member = &world.fleet.members[at];
    let name = member.name.clone();
    set(&folder, &name, seconds)?;
    let lasts_ms = world.dice.u64(2_000..15_000);
    // A wrong clock is the cause of nothing: that is what is to be shown.
    Ok(Some(Ongoing::new(
        Scope::Some(Vec::from([0])),
        lasts_ms,
        move |_| set(&folder, &name, 0),
    )))
}

/// Leases and delays jump with it, so it is felt until they have come to rest.
fn step_redis(world: &mut World) -> Result<Option<Ongoing>> {
    if !world.fake_clocks || world.redis_taken {
        return Ok(None);
    }
    world.redis_taken = true;
    let lease = i64::try_from(world.setting.lease_ms / 1_000 + 1)?;
    let seconds = world.dice.i64(-3 * lease..=3 * lease);
    let folder = world.setting.folder.clone();
    set(&folder, "redis", seconds)?;
    let mut back: Option<u64> = None;
    let settled = (world.setting.lease_ms * 4 + 2_000) * clock::MS;
    let heal = move |world: &mut World| match back {
        None => {
            set(&folder, "redis", 0)?;
            back = Some(clock::now());
            Ok(None)
        }
        Some(since) if clock::now() > since + settled.max(SECOND) => {
            world.redis_taken = false;
            Ok(Some(format!("{seconds}s")))
        }
        Some(_) => Ok(None),
    };
    Ok(Some(Ongoing {
        scope: Scope::All,
        lasts_ms: 5_000,
        heal: Box::new(heal),
    }))
}
