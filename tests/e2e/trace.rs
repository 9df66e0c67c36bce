//! One trace from a producer in Python through server and worker to a handler in
//! Python, as a collector sees it.

use std::collections::BTreeMap;
use std::env;
use std::future::ready;
use std::process::Command;

use jobflow::JobState;
use jobflow::testing::{TestRedis, wait_for};
use serde_json::Value;

use crate::process::Process;
use crate::system::System;

/// Steps are exported after so many milliseconds, and not after five seconds.
const SCHEDULE_DELAY: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "100");

pub(crate) fn python(script: &str, collector: &str) -> Command {
    let mut command = Command::new("python3");
    command
        .args([
            "-B",
            &format!("{}/tests/e2e/{script}", env!("CARGO_MANIFEST_DIR")),
        ])
        .env(
            "PYTHONPATH",
            env::var_os("JOBFLOW_TEST_PYTHONPATH").unwrap_or_default(),
        )
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"))
        .env(SCHEDULE_DELAY.0, SCHEDULE_DELAY.1);
    command
}

pub(crate) async fn address(process: &mut Process) -> String {
    let listens = || {
        assert!(process.is_running(), "{process}");
        let log = process.log();
        let address = log
            .split_once("listening on ")
            .and_then(|(_, rest)| rest.split_once('\n'));
        ready(address.map(|(address, _)| address.to_owned()))
    };
    wait_for("it to listen", listens).await
}

/// The spans that the collector has, by service and name.
fn spans(collector: &Process) -> BTreeMap<String, Value> {
    let log = collector.log();
    let lines = log.lines().filter_map(|line| line.strip_prefix("span "));
    let spans = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    spans
        .map(|span| {
            let of = |field: &str| span[field].as_str().unwrap().to_owned();
            (format!("{} {}", of("service"), of("name")), span)
        })
        .collect()
}

/// Submits a job within a span, and returns its id.
async fn produce(system: &System, collector: &str) -> String {
    let mut producer = tokio::process::Command::from(python("traced.py", collector));
    let output = producer.args(["producer", system.address()]).output();
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// All are of one trace, and each is below the one before.
fn assert_is_chain(spans: &BTreeMap<String, Value>, chain: &[&str]) {
    let mut parent = "";
    for name in chain {
        let span = spans.get(*name);
        let span = span.unwrap_or_else(|| panic!("no {name} in {spans:#?}"));
        assert_eq!(span["trace"], spans[chain[0]]["trace"], "{name}");
        assert_eq!(span["parent"], parent, "{name}");
        parent = span["id"].as_str().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_a_producer_through_server_and_worker_to_a_handler() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = python("collector.py", "");
    let mut collector = Process::start("collector", &mut command, folder.path());
    let to = address(&mut collector).await;
    let mut command = python("traced.py", &to);
    let mut handler = Process::start("handler", command.arg("handler"), folder.path());
    let target = address(&mut handler).await;

    let endpoint = format!("http://{to}");
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        SCHEDULE_DELAY,
    ];
    let mut system = System::start_with(TestRedis::start(), &variables).await;
    system
        .worker(&["--handler", &format!("traced=grpc:http://{target}")])
        .await;
    let id = produce(&system, &to).await;
    let job = system.reaches(&id, JobState::Completed).await;

    // What is left is exported when they end.
    system.close().await;
    let chain = [
        "producer order",
        "jobflow-server submit",
        "jobflow-worker attempt",
        "handler work",
    ];
    let all = || {
        let spans = spans(&collector);
        ready((spans.len() >= chain.len()).then_some(spans))
    };
    let spans = wait_for("all spans", all).await;
    assert_eq!(spans.len(), chain.len(), "{spans:#?}");
    assert_is_chain(&spans, &chain);
    let (submit, attempt) = (
        &spans[chain[1]]["attributes"],
        &spans[chain[2]]["attributes"],
    );
    assert_eq!(
        (&submit["jobflow.job_id"], &submit["jobflow.queue"]),
        (&id.into(), &"default".into())
    );
    assert_eq!(attempt["jobflow.outcome"], "completed");
    // Between the two the job carries it.
    let carried = &job.headers["traceparent"];
    let server = &spans[chain[1]];
    assert_eq!(
        *carried,
        format!(
            "00-{}-{}-01",
            server["trace"].as_str().unwrap(),
            server["id"].as_str().unwrap()
        )
    );
    handler.terminate().await;
    collector.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_is_passed_on_where_nothing_is_exported() {
    let folder = tempfile::tempdir().unwrap();
    let mut system = System::start().await;
    let spec = system.script("trace.sh", "printf %s \"$TRACEPARENT\"");
    system.worker(&["--handler", &format!("*={spec}")]).await;
    let mut command = python("collector.py", "");
    let mut collector = Process::start("collector", &mut command, folder.path());
    let to = address(&mut collector).await;
    let id = produce(&system, &to).await;
    let job = system.reaches(&id, JobState::Completed).await;
    let seen = || ready(spans(&collector).into_values().next());
    let order = wait_for("the span of the producer", seen).await;
    let of = |field: &str| order[field].as_str().unwrap().to_owned();
    let trace = job.headers["traceparent"].clone();
    let begins = format!("00-{}-{}-", of("trace"), of("id"));
    assert!(trace.starts_with(&begins), "{trace} is not {begins}");
    assert_eq!(job.result.unwrap().bytes, trace);
    collector.terminate().await;
    system.close().await;
}
