//! Workers that die, freeze or are told to go.

use std::fs::{self, File};
use std::time::Instant;

use jobflow::testing::wait_for;
use jobflow::{JobRecord, JobState};
use rustix::process::Signal;

use crate::system::{System, figure};

async fn submit(system: &System, jobs: usize) -> Vec<String> {
    let rest = system.rest();
    let mut ids = Vec::new();
    for _ in 0..jobs {
        ids.push(rest.submit(r#"{"name":"work"}"#).await);
    }
    ids
}

async fn records(system: &System, ids: &[String]) -> Vec<JobRecord> {
    let mut records = Vec::new();
    for id in ids {
        records.push(system.job(id).await);
    }
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_a_killed_worker_are_completed_by_another() {
    let mut system = System::start().await;
    let arguments = ["--concurrency", "64", "--lease", "2s", "--handler"];
    let endless = [&arguments[..], &["*=simulate:1h"]].concat();
    let brief = [&arguments[..], &["*=simulate:10ms"]].concat();
    let doomed = system.worker(&endless).await;
    let ids = submit(&system, 64).await;
    system.active(64).await;
    system.worker(&brief).await;

    system.take_worker(doomed).kill();
    let killed = Instant::now();
    system.completes(64).await;
    figure(
        "64 jobs of a killed worker, lease 2 s, 10 ms of work, were completed after",
        format!("{:?}", killed.elapsed()),
    );
    for job in records(&system, &ids).await {
        assert_eq!(job.state, JobState::Completed);
        assert_eq!(
            (job.crash_count, job.attempt),
            (1, 1),
            "no attempt is used up"
        );
    }
    let totals = system.totals().await;
    assert_eq!((totals.completed, totals.lease_expired), (64, 64));
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_worker_can_not_finish_what_others_have_taken_over() {
    const JOBS: usize = 8;
    let mut system = System::start().await;
    // Each execution writes itself down, and ends when the gate is opened.
    let work = system.script(
        "work.sh",
        "echo $JOBFLOW_JOB_ID $JOBFLOW_LEASE_TOKEN >> $folder/ledger
         while [ -d $folder ] && [ ! -e $folder/gate ]; do sleep 0.02; done",
    );
    let handler = format!("work={work}");
    let arguments = ["--lease", "1s", "--concurrency", "8", "--handler", &handler];
    let frozen = system.worker(&arguments).await;
    let ids = submit(&system, JOBS).await;
    executions(&system, JOBS).await;

    system.worker_at(frozen).signal(Signal::STOP);
    system.worker(&arguments).await;
    executions(&system, 2 * JOBS).await;
    File::create(system.folder().join("gate")).unwrap();
    system.completes(JOBS as u64).await;

    system.worker_at(frozen).signal(Signal::CONT);
    let refused = async || (system.totals().await.lease_lost == JOBS as u64).then_some(());
    wait_for("each finish of the frozen worker to be refused", refused).await;
    for (job, id) in records(&system, &ids).await.iter().zip(&ids) {
        assert_eq!(job.state, JobState::Completed, "{id}");
        assert_eq!((job.crash_count, job.attempt), (1, 1), "{id}");
    }
    let totals = system.totals().await;
    assert_eq!(totals.completed, JOBS as u64, "each job completed once");
    let ledger = fs::read_to_string(system.folder().join("ledger")).unwrap();
    for id in &ids {
        let tokens: Vec<_> = ledger.lines().filter(|line| line.starts_with(id)).collect();
        assert!(
            tokens.len() == 2 && tokens[0] != tokens[1],
            "{id}: {ledger}"
        );
    }
    // Thawed, it is a worker like any other.
    submit(&system, 4 * JOBS).await;
    system.completes(5 * JOBS as u64).await;
    assert_eq!(system.totals().await.lease_lost, JOBS as u64);
    system.close().await;
}

/// Waits until so many executions have begun.
async fn executions(system: &System, number: usize) {
    let begun = async || {
        let ledger = fs::read_to_string(system.folder().join("ledger")).ok()?;
        (ledger.lines().count() == number).then_some(())
    };
    wait_for(&format!("{number} executions"), begun).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_go_hands_its_jobs_back_without_a_penalty() {
    let mut system = System::start().await;
    let leaving = system.worker(&["--handler", "*=simulate:1h"]).await;
    let ids = submit(&system, 16).await;
    system.active(16).await;

    let mut leaving = system.take_worker(leaving);
    let status = leaving.terminate().await;
    assert!(status.success(), "{status}: {leaving}");
    for job in records(&system, &ids).await {
        assert_eq!(job.state, JobState::Waiting);
        assert_eq!((job.attempt, job.crash_count, job.error), (0, 0, None));
    }
    assert_eq!(system.totals().await.released, 16);
    assert!(system.queue.snapshot().await.unwrap().workers.is_empty());

    system.worker(&["--handler", "*=simulate:1ms"]).await;
    system.completes(16).await;
    for job in records(&system, &ids).await {
        assert_eq!((job.state, job.attempt), (JobState::Completed, 1));
    }
    system.close().await;
}
