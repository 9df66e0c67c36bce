//! A JobFlow of a test's own: Redis, the server and workers as processes.

use std::env;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jobflow::proto::job_service_client::JobServiceClient;
use jobflow::proto::metrics_service_client::MetricsServiceClient;
use jobflow::testing::{TestCluster, TestRedis, assert_sound, fresh_namespace, wait_for};
use jobflow::{Counts, JobId, JobQueue, JobRecord, JobState, Namespace, QueueConfig, Totals};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use crate::process::Process;
use crate::rest::Rest;

pub(crate) struct System {
    pub(crate) queue: JobQueue,
    server: Option<Process>,
    workers: Vec<Option<Process>>,
    address: String,
    namespace: Namespace,
    variables: Vec<(&'static str, String)>,
    pub(crate) redis: TestRedis,
    redis_url: String,
    // Last: the others write into it until they end.
    folder: TempDir,
}

/// One of the workers of a [`System`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkerAt(usize);

impl System {
    /// Starts Redis and the server; workers are started as a test needs them.
    pub(crate) async fn start() -> Self {
        Self::start_on(TestRedis::start()).await
    }

    pub(crate) async fn start_on(redis: TestRedis) -> Self {
        Self::start_with(redis, &[]).await
    }

    /// The same, with these variables for server and workers.
    pub(crate) async fn start_with(redis: TestRedis, variables: &[(&'static str, &str)]) -> Self {
        let mut system = Self::prepare(redis, variables);
        system.start_server().await;
        system
    }

    /// The same without a server yet.
    pub(crate) fn prepare(redis: TestRedis, variables: &[(&'static str, &str)]) -> Self {
        let url = redis.safe_url();
        Self::prepare_at(redis, &url, variables)
    }

    /// The same with another URL of that Redis for server and workers.
    pub(crate) fn prepare_at(
        redis: TestRedis,
        url: &str,
        variables: &[(&'static str, &str)],
    ) -> Self {
        let own = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
        let namespace = fresh_namespace();
        let queue = JobQueue::open(QueueConfig {
            redis_url: redis.url(),
            namespace: namespace.clone(),
            ..QueueConfig::default()
        });
        Self {
            queue: queue.unwrap(),
            server: None,
            workers: Vec::new(),
            address: "127.0.0.1:0".to_owned(),
            variables: variables.iter().map(own).collect(),
            namespace,
            redis,
            redis_url: url.to_owned(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The same in a cluster; the single Redis beside it is not used. The server
    /// is yet to be started.
    pub(crate) fn prepare_in(cluster: &TestCluster) -> Self {
        let mut system = Self::prepare(TestRedis::start(), &[]);
        system.redis_url = cluster.servers()[0].url();
        let in_cluster = JobQueue::open(QueueConfig {
            redis_url: system.redis_url.clone(),
            namespace: system.namespace.clone(),
            ..QueueConfig::default()
        });
        system.queue = in_cluster.unwrap();
        system
    }

    /// Starts the server, the first time on a free port and later on the same.
    pub(crate) async fn start_server(&mut self) {
        self.start_server_with(&[]).await;
    }

    /// The same with more arguments.
    pub(crate) async fn start_server_with(&mut self, arguments: &[&str]) {
        let mut command = self.command("jobflow-server");
        command.args(["--listen", &self.address]).args(arguments);
        let mut server = Process::start("server", &mut command, self.folder());
        let listens = || {
            let log = server.log();
            assert!(server.is_running(), "{server}");
            let address = log.rsplit_once("ready on http://");
            let address = address.and_then(|(_, rest)| rest.split_whitespace().next());
            ready(address.map(str::to_owned))
        };
        self.address = wait_for("the server", listens).await;
        self.server = Some(server);
    }

    pub(crate) fn kill_server(&mut self) {
        self.server.take().unwrap().kill();
    }

    pub(crate) fn server(&mut self) -> &mut Process {
        self.server.as_mut().unwrap()
    }

    /// Starts a worker and waits until it is at work.
    pub(crate) async fn worker(&mut self, arguments: &[&str]) -> WorkerAt {
        let at = self.start_worker(arguments);
        let pid = self.worker_at(at).pid();
        let at_work = async || {
            let snapshot = self.queue.snapshot().await.ok()?;
            let mut workers = snapshot.workers.iter();
            workers.any(|worker| worker.beat.pid == pid).then_some(())
        };
        wait_for("the worker to be at work", at_work).await;
        at
    }

    /// Starts a worker.
    pub(crate) fn start_worker(&mut self, arguments: &[&str]) -> WorkerAt {
        let name = format!("worker-{}", self.workers.len() + 1);
        let mut command = self.command("jobflow-worker");
        command
            .args(["--listen", "127.0.0.1:0", "--grace", "1s"])
            .args(arguments);
        let worker = Process::start(&name, &mut command, self.folder());
        self.workers.push(Some(worker));
        WorkerAt(self.workers.len() - 1)
    }

    /// The process of a worker that has not been taken.
    pub(crate) fn worker_at(&mut self, at: WorkerAt) -> &mut Process {
        self.workers[at.0].as_mut().unwrap()
    }

    /// The process of a worker, which is no longer a part of the system.
    pub(crate) fn take_worker(&mut self, at: WorkerAt) -> Process {
        self.workers[at.0].take().unwrap()
    }

    /// A folder that ends with the system.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a shell script and returns it as the SPEC of a handler. In it
    /// `$folder` is the folder of the system.
    pub(crate) fn script(&self, name: &str, text: &str) -> String {
        let path = self.folder().join(name);
        let folder = self.folder().display();
        std::fs::write(&path, format!("folder={folder}\n{text}\n")).unwrap();
        format!("exec:sh {}", path.display())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn rest(&self) -> Rest {
        Rest::new(&self.url())
    }

    pub(crate) fn jobs(&self) -> JobServiceClient<Channel> {
        JobServiceClient::new(self.channel())
    }

    pub(crate) fn metrics(&self) -> MetricsServiceClient<Channel> {
        MetricsServiceClient::new(self.channel())
    }

    fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url()).unwrap().connect_lazy()
    }

    /// The CLI, pointed at the server.
    pub(crate) fn cli(&self) -> Command {
        let mut command = Command::new(binary("jobflow-cli"));
        command
            .env("NO_COLOR", "1")
            .env("JOBFLOW_SERVER", self.url());
        command
    }

    /// Runs the CLI to its end.
    pub(crate) async fn run_cli(&self, arguments: &[&str]) -> Output {
        let mut command = self.cli();
        command.args(arguments);
        let output = tokio::process::Command::from(command).output();
        output.await.unwrap()
    }

    pub(crate) async fn job(&self, id: &str) -> JobRecord {
        let id: JobId = id.parse().unwrap();
        self.queue.get(id).await.unwrap()
    }

    /// Waits until the job is in a state.
    pub(crate) async fn reaches(&self, id: &str, state: JobState) -> JobRecord {
        let reached = async || {
            let job = self.job(id).await;
            (job.state == state).then_some(job)
        };
        wait_for(&format!("{id} to be {state}"), reached).await
    }

    /// The counts of all queues, unless Redis is away.
    pub(crate) async fn counts(&self) -> Option<Counts> {
        let mut all = Counts::default();
        for queue in self.queue.snapshot().await.ok()?.queues {
            all += queue.counts;
        }
        Some(all)
    }

    /// The totals of all queues.
    pub(crate) async fn totals(&self) -> Totals {
        // A connection that was idle while Redis was away tells of it once.
        let asked = async || self.queue.snapshot().await.ok();
        let mut all = Totals::default();
        for queue in wait_for("the numbers", asked).await.queues {
            all += queue.totals;
        }
        all
    }

    /// Waits until so many jobs are active.
    pub(crate) async fn active(&self, jobs: u64) {
        let active = async || (self.counts().await?.active == jobs).then_some(());
        wait_for(&format!("{jobs} active jobs"), active).await;
    }

    /// Waits until so many jobs have been completed. Patience begins anew with
    /// each one: how fast it goes is not the question.
    pub(crate) async fn completes(&self, jobs: u64) {
        let mut done = 0;
        while done < jobs {
            let more = async || {
                let now = self.totals().await.completed;
                (now > done).then_some(now)
            };
            done = wait_for(&format!("a completed job after {done} of {jobs}"), more).await;
        }
    }

    /// Ends all processes in order and looks whether the whole state makes sense.
    pub(crate) async fn close(mut self) {
        for process in self.workers.iter_mut().flatten().chain(&mut self.server) {
            let status = process.terminate().await;
            assert!(status.success(), "{status}: {process}");
        }
        // A connection that was idle while Redis was away tells of it once.
        let there = async || self.queue.check_store().await.ok();
        wait_for("the store", there).await;
        assert_sound(&self.queue).await;
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(binary(program));
        command.args(["--redis", &self.redis_url]);
        command.args(["--namespace", self.namespace.as_str()]);
        command.envs(self.variables.iter().cloned());
        command
    }
}

/// A program that was built beside the tests.
pub(crate) fn binary(name: &str) -> PathBuf {
    let path = target_folder().join(name);
    assert!(
        path.is_file(),
        "{} is not built: run the tests by `cargo xtask test`",
        path.display()
    );
    path
}

/// The folder of the build profile: tests lie in its `deps`.
fn target_folder() -> PathBuf {
    let test = env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

/// The folder of what builds and tests leave behind.
pub(crate) fn output_folder() -> PathBuf {
    target_folder().parent().unwrap().to_owned()
}

/// Prints a measurement.
pub(crate) fn figure(name: &str, value: impl std::fmt::Display) {
    println!("figure: {name}: {value}");
}
