//! The programs of `examples/` in other languages, as their readers run them.

use std::env;
use std::future::ready;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use jobflow::testing::wait_for;
use jobflow::{JobRecord, JobResult, JobState, NewJob};
use jobflow_worker::{AttemptError, Context, Handler, HandlerFuture, Worker};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::process::Process;
use crate::system::{System, figure};

/// The jobs that each foreign handler runs while it is killed.
const MANY: u64 = 10_000;

#[derive(Clone, Copy)]
enum Language {
    Python,
    Node,
}

impl Language {
    const fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
        }
    }

    fn program(self, name: &str) -> Command {
        let root = env!("CARGO_MANIFEST_DIR");
        let (program, ending, variable, packages) = match self {
            Self::Python => ("python3", "py", "PYTHONPATH", "JOBFLOW_TEST_PYTHONPATH"),
            Self::Node => ("node", "js", "NODE_PATH", "JOBFLOW_TEST_NODE_PATH"),
        };
        let packages = env::var_os(packages).unwrap_or_else(|| {
            panic!("{packages} is not set: run the tests by `cargo xtask test`")
        });
        let mut command = Command::new(program);
        command
            .arg(format!("{root}/examples/{}/{name}.{ending}", self.name()))
            .env(variable, packages)
            // No byte code beside the source.
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    async fn handler(self, system: &System, address: &str) -> (Process, String) {
        let mut command = self.program("handler");
        let name = format!("{}-handler", self.name());
        let mut handler = Process::start(&name, command.arg(address), system.folder());
        let listens = || {
            assert!(handler.is_running(), "{handler}");
            let log = handler.log();
            let address = log.split_once("listening on ");
            let address = address.and_then(|(_, rest)| rest.split_once('\n'));
            ready(address.map(|(address, _)| address.to_owned()))
        };
        let address = wait_for(&name, listens).await;
        (handler, address)
    }
}

fn job(kind: &str, payload: &str) -> NewJob {
    NewJob::new(kind, payload.to_owned()).unwrap()
}

async fn submit(system: &System, job: NewJob) -> String {
    system.queue.submit(job).await.unwrap().id.to_string()
}

async fn run_producer(mut command: Command, address: &str) -> Value {
    command.arg(address);
    let output = tokio::process::Command::from(command).output();
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

async fn log_of(system: &System, job: &JobRecord) -> Vec<String> {
    let page = system.queue.logs(job.id, 0, 100).await.unwrap();
    page.lines.into_iter().map(|line| line.text).collect()
}

async fn the_programs_of(language: Language) {
    let mut system = System::start().await;
    let (mut handler, address) = language.handler(&system, "127.0.0.1:0").await;
    let spec = format!("*=grpc:http://{address}");
    system.worker(&["--handler", &spec]).await;

    let said = run_producer(language.program("producer"), system.address()).await;
    assert_eq!(said["state"], "JOB_STATE_COMPLETED", "{said}");
    assert_eq!(said["result"], json!({"resized": 2, "attempt": 1}));
    let done = system.job(said["id"].as_str().unwrap()).await;
    assert_eq!(done.headers["tenant"], "acme");
    assert_eq!(
        log_of(&system, &done).await,
        ["a.png is done", "b.png is done"]
    );
    let progress = done.progress.unwrap();
    assert_eq!((progress.percent, &progress.message[..]), (100, "b.png"));

    let bad = submit(&system, job("resize", "{}")).await;
    let bad = system.reaches(&bad, JobState::Failed).await;
    assert_eq!(
        (&bad.error.unwrap().code[..], bad.attempt),
        ("BAD_PAYLOAD", 1)
    );
    let unknown = submit(&system, job("unknown", "{}")).await;
    let unknown = system.reaches(&unknown, JobState::Scheduled).await;
    assert_eq!((unknown.attempt, system.totals().await.unhandled), (0, 1));

    let patient = submit(&system, job("patient", "{}")).await;
    let begun = async || system.job(&patient).await.progress;
    wait_for("the patient job to begin", begun).await;
    let id = patient.parse().unwrap();
    system.queue.cancel(id, "", None).await.unwrap();
    system.reaches(&patient, JobState::Cancelled).await;
    let told = format!("{patient} was told to end");
    wait_for(&told, || ready(handler.log().contains(&told).then_some(()))).await;

    let status = handler.terminate().await;
    assert!(status.success(), "{status}: {handler}");
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_programs_submit_and_run_jobs() {
    the_programs_of(Language::Python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_programs_submit_and_run_jobs() {
    the_programs_of(Language::Node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_producer_over_grpc_web_submits_jobs() {
    let mut system = System::start().await;
    system.worker(&["--handler", "resize=exec:cat"]).await;
    let producer = Language::Node.program("producer_web");
    let said = run_producer(producer, &system.url()).await;
    assert_eq!(said["state"], "JOB_STATE_COMPLETED", "{said}");
    assert_eq!(said["result"], json!({"files": ["a.png", "b.png"]}));
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_curl_programs_submit_and_run_jobs() {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut system = System::start().await;
    let spec = format!("resize=exec:sh {root}/examples/curl/handler.sh");
    system.worker(&["--handler", &spec]).await;
    let mut producer = Command::new("sh");
    producer.arg(format!("{root}/examples/curl/producer.sh"));
    let said = run_producer(producer, &system.url()).await;
    assert_eq!(said["job"]["status"], "completed", "{said}");
    assert_eq!(said["job"]["result"], json!({"bytes": 29, "attempt": 1}));
    let done = system.job(said["job"]["id"].as_str().unwrap()).await;
    assert_eq!(
        log_of(&system, &done).await,
        [format!("attempt 1 of {}", done.id)]
    );
    let bad = submit(&system, job("resize", "{}")).await;
    let bad = system.reaches(&bad, JobState::Failed).await;
    assert_eq!(bad.attempt, 1);
    system.close().await;
}

/// Jobs that fail with their first errored attempt: none may have one.
async fn submit_many(system: &System) {
    let one = |n: u64| job("echo", &n.to_string()).max_attempts(1).unwrap();
    for batch in 0..MANY / 1_000 {
        let jobs = (0..1_000).map(|n| one(batch * 1_000 + n)).collect();
        for submitted in system.queue.submit_batch(jobs).await {
            submitted.unwrap();
        }
    }
}

async fn a_killed_handler_loses_nothing(language: Language) {
    let mut system = System::start().await;
    submit_many(&system).await;
    let (first, address) = language.handler(&system, "127.0.0.1:0").await;
    let spec = format!("*=grpc:http://{address}");
    let begun = Instant::now();
    system.worker(&["--handler", &spec, "--lease", "2s"]).await;
    system.completes(MANY / 3).await;
    let before = system.totals().await.completed;
    let rate = rate(before, begun);
    first.kill();
    let (mut second, _) = language.handler(&system, &address).await;
    system.completes(MANY).await;

    let (counts, totals) = (system.counts().await.unwrap(), system.totals().await);
    assert_eq!(
        (totals.completed, totals.failed, totals.errored),
        (MANY, 0, 0)
    );
    assert_eq!(
        counts.waiting + counts.active + counts.scheduled + counts.retrying,
        0
    );
    let name = language.name();
    figure(&format!("jobs a second by a {name} handler"), rate);
    figure(
        &format!("jobs that the killed {name} handler had"),
        totals.lease_expired,
    );
    assert!(second.terminate().await.success(), "{second}");
    system.close().await;
}

/// What the others are compared with: the same jobs, in the worker itself.
struct Echo;

impl Handler for Echo {
    fn prepare(&self, ctx: Context) -> Result<HandlerFuture, AttemptError> {
        Ok(Box::pin(async move {
            Ok(Some(JobResult {
                bytes: ctx.payload().clone(),
                content_type: ctx.content_type().to_owned(),
            }))
        }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_rust_runs_as_many() {
    let system = System::start().await;
    submit_many(&system).await;
    let begun = Instant::now();
    let worker = Worker::builder(&system.queue).handler_for("*", Arc::new(Echo));
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = worker.build().unwrap().run_until(async {
        let _stopped = stopped.await;
    });
    let worker = tokio::spawn(worker);
    system.completes(MANY).await;
    figure("jobs a second by a rust handler", rate(MANY, begun));
    drop(stop);
    worker.await.unwrap().unwrap();
    system.close().await;
}

fn rate(jobs: u64, begun: Instant) -> String {
    let jobs = f64::from(u32::try_from(jobs).unwrap());
    format!("{:.0}", jobs / begun.elapsed().as_secs_f64())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_job_of_10000_is_lost_when_a_python_handler_is_killed() {
    a_killed_handler_loses_nothing(Language::Python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_job_of_10000_is_lost_when_a_node_handler_is_killed() {
    a_killed_handler_loses_nothing(Language::Node).await;
}
