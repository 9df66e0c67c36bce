//! A queue over a cluster of which one master takes what is sent to it and
//! answers nothing: calls learn of that once, and the rest goes on.

use std::fmt::Debug;
use std::future::pending;
use std::time::Duration;

use jobflow::maintenance::{self, Duties};
use jobflow::testing::{LostMaster, PATIENCE, assert_sound, namespace_key, wait_for};
use jobflow::{JobQueue, JobState, NewJob, Outcome, Partition, Pulses, RunAt};
use tokio::time::timeout;

use crate::cluster::run_all;
use crate::{LEASE, WORKER};

const JOBS: usize = 40;

/// Once it is known that the master is silent: calls find out within seconds.
async fn known(lost: &LostMaster) {
    let part = &lost.gone[0];
    lost.queue.promote_in(part).await.unwrap_err();
}

/// Partitions that are well, so many of them.
fn some_well(lost: &LostMaster) -> impl Iterator<Item = &Partition> {
    lost.well.iter().cycle().take(JOBS)
}

/// A job that is due in a moment: long enough that a call to the silent master which
/// comes then has to find out anew, unless that is known.
fn due(lost: &LostMaster, part: &Partition) -> NewJob {
    let soon = RunAt::After(Duration::from_millis(60));
    lost.job_in(part, "noop").run_at(soon).unwrap()
}

#[tokio::test]
async fn claims_pass_over_a_silent_master_and_find_it_again() {
    let mut lost = LostMaster::start("noop").await;
    let (queue, name) = (lost.queue.clone(), lost.name.clone());
    assert_eq!(run_all(&queue, &name).await, 1);
    lost.fall_silent();
    let ran = async {
        for part in some_well(&lost) {
            queue.submit(due(&lost, part)).await.unwrap();
            let job = wait_for("a job", async || {
                let claimed = queue.claim(&name, 1, LEASE, WORKER).await.unwrap();
                claimed.jobs.into_iter().next()
            });
            queue.finish(&job.await, Outcome::Ack(None)).await.unwrap();
        }
    };
    timeout(PATIENCE / 2, ran)
        .await
        .expect("one after the other");
    let counts = queue.queue(&name).await.unwrap().counts;
    assert_eq!(counts.completed, 1 + JOBS as u64);
    lost.cluster.servers()[lost.server].thaw();
    for part in &lost.gone {
        let again = async || queue.submit(lost.job_in(part, "noop")).await.ok();
        wait_for("the master", again).await;
    }
    assert_sound(&queue).await;
}

#[tokio::test]
async fn due_jobs_of_the_others_are_promoted() {
    let mut lost = LostMaster::start("noop").await;
    let queue = lost.queue.clone();
    let duties = Duties {
        promote_every: Some(Duration::from_millis(100)),
        reap_every: None,
        prune_every: None,
    };
    let duties = maintenance::run(queue.clone(), duties, Pulses::default(), pending());
    let _duties = tokio::spawn(duties);
    lost.fall_silent();
    known(&lost).await;
    let promoted = async {
        for part in some_well(&lost) {
            let id = queue.submit(due(&lost, part)).await.unwrap().id;
            wait_for("a due job", async || {
                let job = queue.get(id).await.unwrap();
                (job.state == JobState::Waiting).then_some(())
            })
            .await;
        }
    };
    timeout(PATIENCE, promoted)
        .await
        .expect("one after the other");
    lost.cluster.servers()[lost.server].thaw();
    wait_for("the master", async || {
        queue.promote_in(&lost.gone[0]).await.ok()
    })
    .await;
    assert_sound(&queue).await;
}

/// Asks whether the store may be used, and a silent master something: that takes longer.
async fn is_usable_before<T: Debug>(queue: &JobQueue, call: impl Future<Output = T>) {
    tokio::select! {
        biased;
        checked = queue.check_writable_store() => drop(checked.unwrap()),
        gave_up = call => panic!("a call to the silent master ended sooner: {gave_up:?}"),
    }
}

#[tokio::test]
async fn a_store_of_which_one_master_is_silent_may_be_used() {
    let mut lost = LostMaster::start("noop").await;
    let queue = lost.queue.clone();
    queue.check_writable_store().await.unwrap();
    lost.fall_silent();
    is_usable_before(&queue, queue.promote_in(&lost.gone[0])).await;
    lost.cluster.servers()[lost.server].thaw();
    let back = async || queue.promote_in(&lost.gone[0]).await.ok();
    wait_for("the master", back).await;
    // And that of the namespace.
    let list = namespace_key(&queue.config().namespace, "queues");
    let server = lost.cluster.owner(&list);
    lost.cluster.servers()[server].freeze();
    is_usable_before(&queue, queue.queues()).await;
    lost.cluster.servers()[server].thaw();
    wait_for("the list", async || queue.queues().await.ok()).await;
    assert_sound(&queue).await;
}

/// As the dashboard does, which gives up each time before a call would.
#[tokio::test]
async fn whoever_has_little_patience_gets_the_numbers_of_the_others() {
    let mut lost = LostMaster::start("noop").await;
    lost.fall_silent();
    let patience = Duration::from_secs(1);
    let snapshot = wait_for("numbers", async || {
        let asked = timeout(patience, lost.queue.snapshot()).await;
        asked.ok()?.ok()
    })
    .await;
    let gone: Vec<_> = lost.gone.iter().map(Partition::number).collect();
    assert_eq!(snapshot.queues[0].partitions.unreachable, gone);
    assert_eq!(snapshot.queues[0].counts.waiting, 1);
    lost.cluster.servers()[lost.server].thaw();
    wait_for("all numbers", async || {
        let snapshot = lost.queue.snapshot().await.ok()?;
        let unreachable = &snapshot.queues[0].partitions.unreachable;
        unreachable.is_empty().then_some(())
    })
    .await;
    assert_sound(&lost.queue).await;
}
