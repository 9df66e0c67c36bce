//! `/metrics` of server and worker, read by the parser of Prometheus's own client.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use jobflow::testing::wait_for;
use jobflow::{JobState, NewJob, RunAt};
use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::rest::Rest;
use crate::system::System;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Its name, its labels and its value.
type Sample = (String, Map<String, Value>, f64);

/// Metrics by name, each with its samples.
struct Exposition(BTreeMap<String, Vec<Sample>>);

impl Exposition {
    async fn of(address: &str) -> Self {
        let answer = Rest::new(address).get("/metrics").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            answer.headers["content-type"],
            "text/plain; version=0.0.4; charset=utf-8"
        );
        let packages = env::var_os("JOBFLOW_TEST_PYTHONPATH").unwrap_or_default();
        let mut parser = Command::new("python3")
            .args(["-B", &format!("{ROOT}/tests/e2e/scrape.py")])
            .env("PYTHONPATH", packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = parser.stdin.take().unwrap();
        stdin.write_all(answer.body.as_bytes()).await.unwrap();
        drop(stdin);
        let parsed = parser.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&parsed.stderr);
        assert!(parsed.status.success(), "{said}\n{}", answer.body);
        Self(serde_json::from_slice(&parsed.stdout).unwrap())
    }

    fn names(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }

    /// The sample with these labels, if there is one.
    fn find(&self, sample: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let all = self.0.values().flatten();
        let fits = |has: &Map<String, Value>| {
            let mut labels = labels.iter();
            labels.all(|(label, value)| has.get(*label).is_some_and(|has| has == value))
        };
        let mut fitting = all.filter(|(name, has, _)| name == sample && fits(has));
        fitting.next().map(|(_, _, value)| *value)
    }

    #[track_caller]
    fn get(&self, sample: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(sample, labels)
            .unwrap_or_else(|| panic!("no {sample} {labels:?} in {:?}", self.0))
    }
}

/// The names in the first column of the tables of a document that begin so.
fn documented(prefix: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(format!("{ROOT}/docs/metrics.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split(['`', '{']).next());
    let names = names.filter(|name| name.starts_with("jobflow_worker_") == (prefix == "worker"));
    names.map(str::to_owned).collect()
}

pub(crate) fn address_of_worker(system: &mut System, at: crate::system::WorkerAt) -> String {
    let log = system.worker_at(at).log();
    let address = log.split_once("health and metrics are served");
    let address = address.and_then(|(_, rest)| rest.split_once("address="));
    let address = address.and_then(|(_, rest)| rest.split_whitespace().next());
    format!("http://{}", address.unwrap())
}

type Expected = (&'static str, &'static [(&'static str, &'static str)], f64);

const QUEUE: (&str, &str) = ("queue", "default");
const GOOD: (&str, &str) = ("kind", "good");

const OF_SERVER: [Expected; 8] = [
    ("jobflow_store_up", &[], 1.0),
    ("jobflow_queue_jobs", &[QUEUE, ("state", "completed")], 3.0),
    ("jobflow_queue_jobs", &[QUEUE, ("state", "scheduled")], 1.0),
    ("jobflow_queue_submitted_jobs_total", &[QUEUE], 5.0),
    ("jobflow_queue_failed_jobs_total", &[QUEUE], 1.0),
    ("jobflow_workers", &[], 1.0),
    ("jobflow_slots", &[], 64.0),
    (
        "jobflow_server_call_seconds_count",
        &[("route", "/jobs/{id}"), ("code", "404")],
        1.0,
    ),
];

const OF_WORKER: [Expected; 10] = [
    (
        "jobflow_worker_attempts_total",
        &[GOOD, ("outcome", "completed")],
        3.0,
    ),
    ("jobflow_worker_attempt_seconds_count", &[GOOD], 3.0),
    (
        "jobflow_worker_attempt_seconds_bucket",
        &[GOOD, ("le", "+Inf")],
        3.0,
    ),
    (
        "jobflow_worker_attempt_seconds_bucket",
        &[GOOD, ("le", "0.001")],
        0.0,
    ),
    ("jobflow_worker_job_wait_seconds_count", &[GOOD], 3.0),
    ("jobflow_worker_claimed_jobs_total", &[], 4.0),
    ("jobflow_worker_slots", &[], 64.0),
    ("jobflow_worker_busy_slots", &[], 0.0),
    ("jobflow_worker_serving", &[], 1.0),
    (
        "jobflow_worker_handler_up",
        &[("handler", "http://127.0.0.1:9/")],
        0.0,
    ),
];

#[track_caller]
fn assert_all(seen: &Exposition, expected: &[Expected]) {
    for (name, labels, value) in expected {
        assert_eq!(seen.get(name, labels), *value, "{name} {labels:?}");
    }
}

/// Three jobs that end well, one that does not, and one that is due later.
async fn run_some_jobs(system: &System) {
    let job = |kind: &str| NewJob::new(kind, "{}").unwrap().max_attempts(1).unwrap();
    for _ in 0..3 {
        system.queue.submit(job("good")).await.unwrap();
    }
    let bad = system.queue.submit(job("bad")).await.unwrap().id;
    let later = RunAt::After(Duration::from_secs(3_600));
    let later = job("good").run_at(later).unwrap();
    system.queue.submit(later).await.unwrap();
    system.completes(3).await;
    system.reaches(&bad.to_string(), JobState::Failed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_say_what_happened_and_are_all_described() {
    let mut system = System::start().await;
    let (good, bad) = ("good=simulate:1ms", "bad=simulate:1ms,fail=100%");
    let handlers = ["--handler", good, "--handler", bad];
    let far = ["--handler", "far=grpc:http://127.0.0.1:9"];
    let worker = system.worker(&[handlers.as_slice(), &far].concat()).await;
    run_some_jobs(&system).await;
    let unknown = "/jobs/0198c0de-0000-7000-8000-000000000000";
    assert_eq!(system.rest().get(unknown).await.status, 404);

    let server = Exposition::of(&system.url()).await;
    assert_all(&server, &OF_SERVER);
    assert!(server.get("jobflow_server_loop_limit_seconds", &[("loop", "promoter")]) > 1.0);
    assert_eq!(server.names(), documented("server"));

    let address = address_of_worker(&mut system, worker);
    let counted = async || {
        let seen = Exposition::of(&address).await;
        let labels = [("kind", "bad"), ("outcome", "errored")];
        (seen.find("jobflow_worker_attempts_total", &labels) == Some(1.0)).then_some(seen)
    };
    let seen = wait_for("the attempts to be counted", counted).await;
    assert_all(&seen, &OF_WORKER);
    assert_eq!(seen.names(), documented("worker"));
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_without_a_store_say_so() {
    let mut system = System::start().await;
    system.redis.stop();
    let down = async || {
        let seen = Exposition::of(&system.url()).await;
        (seen.get("jobflow_store_up", &[]) == 0.0).then_some(seen)
    };
    let seen = wait_for("the store to be missed", down).await;
    assert!(!seen.names().contains("jobflow_queue_jobs"));
    system.redis.resume();
    system.close().await;
}

/// Every expression of the dashboard and of the alerts names metrics there are.
#[test]
fn the_dashboard_and_the_alerts_name_metrics_that_exist() {
    let known: BTreeSet<String> = &documented("server") | &documented("worker");
    for file in [
        "packaging/grafana/jobflow.json",
        "packaging/prometheus/alerts.yml",
    ] {
        let text = fs::read_to_string(format!("{ROOT}/{file}")).unwrap();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = text.split(|c: char| !is_name(c));
        let names: BTreeSet<_> = words.filter(|word| word.starts_with("jobflow_")).collect();
        assert!(names.len() > 5, "{file} names {names:?}");
        for name in names {
            let base = ["_bucket", "_sum", "_count"];
            let base = base
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .unwrap_or(name);
            assert!(
                known.contains(base) || known.contains(name),
                "{file}: {name}"
            );
        }
    }
}
