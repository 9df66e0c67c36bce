//! Puts a world together: Redis, proxies, servers, workers.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tokio::runtime::Handle;

use crate::faults;
use crate::fleet::{Fleet, Member, Role};
use crate::journal::Journal;
use crate::options::Options;
use crate::proxy::Proxy;
use crate::redis_server::RedisServer;
use crate::scenario::Setting;
use crate::world::World;

const NAMESPACE: &str = "torture";
const QUEUES: [&str; 2] = ["t0", "t1"];
const SERVERS: usize = 2;
/// Workers behind one way to Redis.
const WAYS: usize = 2;
/// Poison that asks for 64 GiB does not get them.
const MEMORY_MIB: &str = "16384";
const SMALL_DISK: &str = "size=96m";

/// A small file system, until this is dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path) -> Result<Self> {
        let options = std::ffi::CString::new(SMALL_DISK)?;
        mount(
            "tmpfs",
            folder,
            "tmpfs",
            MountFlags::empty(),
            Some(options.as_c_str()),
        )
        .context("a small disk can not be mounted; this scenario needs root")?;
        Ok(Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What is left ends with the machine.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// A port that nobody listens on at this moment.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// A program that was built beside this one.
fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.with_file_name(name);
    if !path.is_file() {
        bail!(
            "{} is not built: `cargo xtask torture` builds it",
            path.display()
        );
    }
    Ok(path)
}

pub(crate) fn world(options: &Options, runtime: &Handle) -> Result<(World, Option<SmallDisk>)> {
    let scenario = &options.scenario;
    if options.folder.exists() {
        fs::remove_dir_all(&options.folder)?;
    }
    let data = options.folder.join("redis");
    fs::create_dir_all(&data)?;
    let folder = options.folder.canonicalize()?;
    let data = folder.join("redis");
    let disk = scenario
        .small_disk
        .then(|| SmallDisk::mount(&data))
        .transpose()?;
    let journal = Journal::open(&folder.join("run.log"))?;
    let setting = Setting {
        folder: folder.clone(),
        namespace: NAMESPACE.to_owned(),
        queues: QUEUES.map(str::to_owned).to_vec(),
        lease_ms: scenario.lease_ms,
        durability: options.durability,
        small_disk: scenario.small_disk,
    };
    let wants_clocks = scenario.clocks_off != 0
        || options
            .faults
            .iter()
            .any(|(name, _)| name.ends_with("-clock"));
    let library = wants_clocks.then(faults::clock_library).flatten();
    if wants_clocks && library.is_none() {
        eprintln!("NO CLOCK IS FAKED: libfaketime is not installed (apt-get install faketime)");
    }
    let mut redis = RedisServer::new(
        free_port()?,
        data,
        options.durability,
        folder.join("redis.err"),
    );
    if let Some(library) = library.as_ref().filter(|_| {
        options
            .faults
            .iter()
            .any(|(name, _)| *name == "redis-clock")
    }) {
        redis.set_environment(faults::clock_environment(library, &folder, "redis")?);
    }
    redis.start(&journal)?;
    let mut world = World {
        setting,
        redis,
        fleet: Fleet::new(&folder)?,
        fronts: Vec::new(),
        orders: Arc::default(),
        journal,
        dice: fastrand::Rng::with_seed(options.seed),
        redis_taken: false,
        fake_clocks: library.is_some(),
    };
    people(&mut world, options, runtime, library.as_deref())?;
    Ok((world, disk))
}

/// Puts in who is under test.
fn people(
    world: &mut World,
    options: &Options,
    runtime: &Handle,
    library: Option<&Path>,
) -> Result<()> {
    if let Some(peer) = &options.peer {
        world.fleet.members = peer.members(options, runtime, world)?;
        return Ok(());
    }
    let folder = &world.setting.folder;
    let (members, fronts) = members(options, runtime, &world.redis, folder, library)?;
    (world.fleet.members, world.fronts) = (members, fronts);
    Ok(())
}

fn members(
    options: &Options,
    runtime: &Handle,
    redis: &RedisServer,
    folder: &Path,
    library: Option<&Path>,
) -> Result<(Vec<Member>, Vec<Proxy>)> {
    let scenario = &options.scenario;
    let (mut members, mut fronts) = (Vec::new(), Vec::new());
    for number in 0..SERVERS {
        let (port, proxy) = (free_port()?, Proxy::start(runtime, redis.port())?);
        fronts.push(Proxy::start(runtime, port)?);
        let arguments = common(&proxy)
            .into_iter()
            .chain(["--listen".to_owned(), format!("127.0.0.1:{port}")]);
        let name = format!("server-{number}");
        members.push(Member::new(
            Role::Server,
            name,
            proxy,
            program("jobflow-server")?,
            arguments.collect(),
        ));
    }
    let ways = (0..WAYS)
        .map(|_| Proxy::start(runtime, redis.port()))
        .collect::<Result<Vec<_>>>()?;
    for number in 0..scenario.workers {
        let proxy = ways[number % WAYS].clone();
        let mut arguments = common(&proxy);
        for queue in QUEUES {
            arguments.extend(["--queue".to_owned(), queue.to_owned()]);
        }
        arguments.extend(["--slots".to_owned(), scenario.slots.to_string()]);
        arguments.extend(["--lease-ms".to_owned(), scenario.lease_ms.to_string()]);
        arguments.extend(["--memory-mib".to_owned(), MEMORY_MIB.to_owned()]);
        let program = program("jobflow-torture-worker")?;
        members.push(Member::new(
            Role::Worker,
            format!("worker-{number}"),
            proxy,
            program,
            arguments,
        ));
    }
    let mut sign = scenario.clocks_off;
    for member in &mut members {
        let mut environment = vec![("RUST_LOG".to_owned(), "warn".to_owned())];
        if let Some(library) = library {
            environment.extend(faults::clock_environment(library, folder, &member.name)?);
            if member.role == Role::Worker && sign != 0 {
                faults::set_clock(folder, &member.name, sign)?;
                sign = -sign;
            }
        }
        member.set_environment(environment);
    }
    Ok((members, fronts))
}

fn common(proxy: &Proxy) -> Vec<String> {
    let url = format!("redis://127.0.0.1:{}/", proxy.port());
    ["--redis", &url, "--namespace", NAMESPACE]
        .map(str::to_owned)
        .to_vec()
}
