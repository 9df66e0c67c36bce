//! A Redis that goes away, comes back, or forgets its scripts, under load.

use std::collections::HashSet;
use std::process::Command;
use std::time::{Duration, Instant};

use http::StatusCode;
use jobflow::JobState;
use jobflow::proto::{self, SubmitJobRequest, WaitJobRequest};
use jobflow::testing::{TestRedis, wait_for};
use tokio::task::block_in_place;

use crate::process::Process;
use crate::submitters::{Ledger, Submitters};
use crate::system::{System, WorkerAt, figure};

const OUTAGES: usize = 10;

async fn worker(system: &mut System) -> WorkerAt {
    let queues = Submitters::queues();
    let mut arguments: Vec<_> = queues.iter().map(String::as_str).collect();
    arguments.extend(["--queue", "default", "--concurrency", "32"]);
    arguments.extend(["--lease", "10s", "--handler", "*=simulate:1ms..20ms"]);
    system.worker(&arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_job_is_lost_when_redis_stops_or_is_killed() {
    let mut system = System::start_on(TestRedis::start_durable()).await;
    let worker = worker(&mut system).await;
    let load = Submitters::start(&system);
    let mut probes = Vec::new();
    for round in 0..OUTAGES {
        busy(&load, load.acknowledged() + 50).await;
        if round % 2 == 0 {
            block_in_place(|| system.redis.stop());
        } else {
            block_in_place(|| system.redis.kill());
        }
        felt(&system, &load).await;
        block_in_place(|| system.redis.resume());
        probes.push(probe(&system).await);
    }
    let ledger = load.finish().await;
    probes.sort_by_key(|probe| probe.took);
    let (median, longest) = (&probes[OUTAGES / 2], &probes[OUTAGES - 1]);
    figure(
        "from Redis being back until new jobs are completed",
        format!(
            "{:?} (median), {:?} (longest of {OUTAGES})",
            median.took, longest.took
        ),
    );
    figure("the longest", &longest.story);
    let probes: Vec<_> = probes.into_iter().flat_map(|probe| probe.ids).collect();
    assert!(system.worker_at(worker).is_running() && system.server().is_running());
    all_are_completed(&system, ledger, &probes).await;
    system.close().await;
}

/// Waits until the callers have had so many acknowledgements.
pub(crate) async fn busy(load: &Submitters, acknowledged: usize) {
    let busy = async || (load.acknowledged() >= acknowledged).then_some(());
    wait_for("the callers to be busy", busy).await;
}

/// Waits until the outage has been felt at each door.
async fn felt(system: &System, load: &Submitters) {
    let refused = load.refused();
    let felt = async || (load.refused() > refused + 3).then_some(());
    wait_for("calls to be refused", felt).await;
    let rest = system.rest();
    let red = async || {
        let ready = rest.get("/readyz").await;
        (ready.status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    };
    wait_for("/readyz to be red", red).await;
    assert_eq!(rest.get("/healthz").await.status, StatusCode::OK);
}

/// Two jobs, one by each door.
struct Probe {
    ids: Vec<String>,
    /// Until both were known to be completed.
    took: Duration,
    /// When what happened.
    story: String,
}

/// Submits a job by each door until it is taken, and waits until both are completed.
async fn probe(system: &System) -> Probe {
    let begun = Instant::now();
    let ((rest, rest_story), (grpc, grpc_story)) =
        tokio::join!(probe_rest(system, begun), probe_grpc(system, begun));
    Probe {
        ids: vec![rest, grpc],
        took: begun.elapsed(),
        story: format!("REST: {rest_story}; gRPC: {grpc_story}"),
    }
}

async fn probe_rest(system: &System, begun: Instant) -> (String, String) {
    let rest = system.rest();
    let submit = async || {
        let answer = rest.post(r#"{"name":"probe"}"#).await;
        (answer.status == StatusCode::CREATED).then(|| answer.job_id())
    };
    let id = wait_for("REST to take a job", submit).await;
    let taken = begun.elapsed();
    let ended = async || {
        let answer = rest.get(&format!("/jobs/{id}")).await;
        let is_there = answer.status == StatusCode::OK;
        (is_there && answer.json()["job"]["status"] == "completed").then_some(())
    };
    wait_for("the job by REST", ended).await;
    (
        id,
        format!(
            "taken after {taken:?}, completed after {:?}",
            begun.elapsed()
        ),
    )
}

async fn probe_grpc(system: &System, begun: Instant) -> (String, String) {
    let jobs = system.jobs();
    let request = SubmitJobRequest {
        kind: "probe".to_owned(),
        ..SubmitJobRequest::default()
    };
    let submit = async || jobs.clone().submit_job(request.clone()).await.ok();
    let submitted = wait_for("gRPC to take a job", submit).await;
    let id = submitted.into_inner().job.unwrap().id;
    let taken = begun.elapsed();
    let wait = WaitJobRequest {
        id: id.clone(),
        timeout: None,
    };
    let ended = async || jobs.clone().wait_job(wait.clone()).await.ok();
    let ended = wait_for("the job by gRPC", ended).await.into_inner();
    assert_eq!(ended.job.unwrap().state(), proto::JobState::Completed);
    (
        id,
        format!(
            "taken after {taken:?}, completed after {:?}",
            begun.elapsed()
        ),
    )
}

/// Each acknowledged id is a job of its own and is completed, once. A probe
/// that was refused may be there all the same: nobody asked for it twice.
pub(crate) async fn all_are_completed(system: &System, ledger: Ledger, probes: &[String]) {
    let Ledger {
        acknowledged,
        reasons,
        refused,
        longest_gap,
    } = ledger;
    figure("acknowledged under the outages", acknowledged.len());
    figure("refused, and why", format!("{refused}, {reasons:?}"));
    figure(
        "longest time of a caller without an acknowledgement",
        format!("{longest_gap:?}"),
    );
    let known = [
        "REST \"STORE_UNAVAILABLE\"",
        "REST \"STORE_LOADING\"",
        "gRPC Unavailable",
    ];
    for reason in &reasons {
        assert!(
            known.iter().any(|known| reason.starts_with(known)),
            "{reason}"
        );
    }
    let ids: HashSet<_> = acknowledged.iter().chain(probes).collect();
    assert_eq!(
        ids.len(),
        acknowledged.len() + probes.len(),
        "an id was given twice"
    );
    system.completes(ids.len() as u64).await;
    for id in &ids {
        system.reaches(id, JobState::Completed).await;
    }
    system.completes(system.totals().await.submitted).await;
    let totals = system.totals().await;
    assert_eq!(totals.completed, totals.submitted, "completed once each");
    figure(
        "jobs whose claim was lost on its way, back after a lease of 10 s",
        totals.lease_expired,
    );
    let strays = totals.submitted - ids.len() as u64;
    let default = system.queue.snapshot().await.unwrap();
    let default = default
        .queues
        .iter()
        .find(|queue| queue.name.as_str() == "default");
    let probed = default.map_or(0, |queue| queue.totals.submitted) - probes.len() as u64;
    assert_eq!(strays, probed, "a repeated call made a second job");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_redis_forgot_are_no_trouble_to_callers() {
    let mut system = System::start().await;
    let worker = worker(&mut system).await;
    let load = Submitters::start(&system);
    let mut flush = Command::new("redis-cli");
    let port = system.redis.port().to_string();
    flush.args(["-p", &port, "-r", "500", "-i", "0.005", "SCRIPT", "FLUSH"]);
    let mut flush = Process::start("flush", &mut flush, system.folder());
    assert!(flush.ended().await.success(), "{flush}");
    assert_eq!(
        flush.log().lines().filter(|line| *line == "OK").count(),
        500
    );

    let ledger = load.finish().await;
    assert_eq!(ledger.refused, 0, "{:?}", ledger.reasons);
    figure(
        "acknowledged while scripts were forgotten 500 times",
        ledger.acknowledged.len(),
    );
    system.completes(ledger.acknowledged.len() as u64).await;
    let totals = system.totals().await;
    assert_eq!(totals.submitted, ledger.acknowledged.len() as u64);
    assert_eq!(
        (totals.errored, totals.lease_lost, totals.lease_expired),
        (0, 0, 0)
    );
    let log = system.worker_at(worker).log();
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_starts_before_its_redis_comes_to_life_with_it() {
    let mut redis = TestRedis::start();
    redis.stop();
    let mut system = System::start_on(redis).await;
    system.start_worker(&["--handler", "*=simulate:1ms"]);
    let rest = system.rest();
    let refused = rest.post(r#"{"name":"probe"}"#).await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{refused:?}"
    );
    assert_eq!(refused.json()["reason"], "STORE_UNAVAILABLE");
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    assert_eq!(
        rest.get("/readyz").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let offline = system
        .run_cli(&["submit", "probe", "--retry-for", "0s"])
        .await;
    assert_eq!(offline.status.code(), Some(6), "{offline:?}");

    block_in_place(|| system.redis.resume());
    let alive = probe(&system).await.took;
    figure(
        "from the first start of Redis until a job is completed",
        format!("{alive:?}"),
    );
    assert_eq!(rest.get("/readyz").await.status, StatusCode::OK);
    system.close().await;
}
