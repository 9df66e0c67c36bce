//! Another job system under the same kills: its own programs submit, work and
//! tell what is left, in the lines that the checker reads.

use std::fs::File;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tokio::runtime::Handle;

use crate::fleet::{Member, Role};
use crate::options::Options;
use crate::proxy::Proxy;
use crate::world::World;

const SUBMITTERS: usize = 2;

/// How its programs are called: the words before the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    program: String,
    words: Vec<String>,
}

impl Peer {
    pub(crate) fn parse(command: &str) -> Result<Self> {
        let mut words = command.split_whitespace().map(str::to_owned);
        Ok(Self {
            program: words.next().context("--peer must name a program")?,
            words: words.collect(),
        })
    }

    /// Its submitters, in the place of servers, and its workers.
    pub(crate) fn members(
        &self,
        options: &Options,
        runtime: &Handle,
        world: &World,
    ) -> Result<Vec<Member>> {
        let proxy = Proxy::start(runtime, world.redis.port())?;
        let scenario = &options.scenario;
        let submitters = (0..SUBMITTERS).map(|number| {
            let name = format!("submit-{number}");
            let log = world.setting.folder.join(format!("{name}.log"));
            let rate = scenario.rate / f64::from(u32::try_from(SUBMITTERS).unwrap_or(1));
            let mut arguments = self.words("submit");
            arguments.extend(["--rate".to_owned(), format!("{}", rate.round())]);
            arguments.extend(["--work-ms".to_owned(), scenario.quick_ms.to_string()]);
            arguments.extend(["--log".to_owned(), log.display().to_string()]);
            (Role::Server, name, arguments)
        });
        let workers = (0..scenario.workers).map(|number| {
            let mut arguments = self.words("work");
            arguments.extend(["--slots".to_owned(), scenario.slots.to_string()]);
            arguments.extend(["--lease-ms".to_owned(), scenario.lease_ms.to_string()]);
            (Role::Worker, format!("worker-{number}"), arguments)
        });
        let port = vec![("REDIS_PORT".to_owned(), proxy.port().to_string())];
        let members = submitters.chain(workers).map(|(role, name, arguments)| {
            let program = self.program.clone().into();
            let mut member = Member::new(role, name, proxy.clone(), program, arguments);
            member.set_environment(port.clone());
            member
        });
        Ok(members.collect())
    }

    /// How many jobs have not come to their end.
    pub(crate) fn left(&self, world: &World) -> Result<u64> {
        let told = self.command("left", world).stderr(Stdio::null()).output()?;
        let told = String::from_utf8(told.stdout)?;
        told.trim()
            .parse()
            .context("the peer does not tell what is left")
    }

    /// Writes down the state of each job, by its own account.
    pub(crate) fn dump(&self, world: &World) -> Result<()> {
        let file = File::create(world.setting.folder.join("dump.txt"))?;
        let status = self.command("dump", world).stdout(file).status()?;
        ensure!(status.success(), "the peer can not tell its jobs: {status}");
        Ok(())
    }

    fn command(&self, role: &str, world: &World) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.words(role));
        command.env("REDIS_PORT", world.redis.port().to_string());
        command
    }

    fn words(&self, role: &str) -> Vec<String> {
        let role = std::iter::once(role.to_owned());
        self.words.iter().cloned().chain(role).collect()
    }
}
