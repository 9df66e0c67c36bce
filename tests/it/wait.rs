use std::future::pending;
use std::time::Duration;

use jobflow::testing::{TestQueue, TestRedis, assert_sound};
use jobflow::{Claim, Claimed, JobState, Outcome, RunAt, Waiter};

use crate::faults::open;
use crate::{LEASE, WORKER, claim, default_queue, job, submit};

/// Longer than a block, so that only a wake-up can end the wait in time.
const LONG: Duration = Duration::from_secs(2);

/// Whether the wait ended by itself and not by its time.
async fn wakes(waiter: &mut Waiter) -> bool {
    let began = tokio::time::Instant::now();
    waiter.wait(LONG, pending()).await.unwrap();
    began.elapsed() < LONG
}

#[tokio::test]
async fn a_submit_wakes_a_sleeper() {
    let queue = TestQueue::new();
    assert!(claim(&queue, 1).await.jobs.is_empty());
    let mut waiter = queue.waiter(&[default_queue()]);
    let (woken, _) = tokio::join!(wakes(&mut waiter), submit(&queue, job()));
    assert!(woken);
    queue.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wait_that_is_over_at_once_ends_though_its_read_is_still_on_its_way() {
    let queue = TestQueue::new();
    let mut waiter = queue.waiter(&[default_queue()]);
    // Each that is missed would last for two seconds.
    let waits = async {
        for _ in 0..1_000 {
            waiter.wait(Duration::ZERO, pending()).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waits)
        .await
        .expect("waits end");
    queue.close().await;
}

#[tokio::test]
async fn what_remains_wakes_the_next_and_nothing_left_wakes_nobody() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    submit(&queue, job()).await;
    claim(&queue, 1).await;
    let mut waiter = queue.waiter(&[default_queue()]);
    assert!(wakes(&mut waiter).await, "one job still waits");
    claim(&queue, 2).await;
    assert!(!wakes(&mut waiter).await, "nothing waits");
    queue.close().await;
}

#[tokio::test]
async fn an_earlier_due_time_wakes_a_sleeper() {
    let queue = TestQueue::new();
    submit(
        &queue,
        job().run_at(RunAt::After(Duration::from_secs(60))).unwrap(),
    )
    .await;
    assert!(claim(&queue, 1).await.next_due.is_some());
    let mut waiter = queue.waiter(&[default_queue()]);
    let sooner = job().run_at(RunAt::After(Duration::from_secs(30))).unwrap();
    let (woken, _) = tokio::join!(wakes(&mut waiter), submit(&queue, sooner));
    assert!(woken);
    queue.close().await;
}

#[tokio::test]
async fn an_interrupt_ends_the_wait_and_takes_no_wake_up_along() {
    let queue = TestQueue::new();
    let mut waiter = queue.waiter(&[default_queue()]);
    waiter.wait(LONG, std::future::ready(())).await.unwrap();
    waiter
        .wait(Duration::from_millis(5), pending())
        .await
        .unwrap();
    submit(&queue, job()).await;
    assert!(wakes(&mut waiter).await);
    queue.close().await;
}

/// What a worker gets that waits with a claim behind the wait.
async fn brought_along(
    waiter: &mut Waiter,
    at_most: Duration,
    interrupt: impl Future<Output = ()>,
) -> Claimed {
    let name = default_queue();
    let claim = Claim {
        queue: &name,
        limit: 5,
        lease: LEASE,
        worker: WORKER,
    };
    let claimed = waiter.wait_and_claim(claim, at_most, interrupt).await;
    claimed.unwrap().1
}

#[tokio::test]
async fn a_sleeper_wakes_up_with_the_job_in_its_hands() {
    let queue = TestQueue::new();
    let mut waiter = queue.waiter(&[default_queue()]);
    let (claimed, id) = tokio::join!(
        brought_along(&mut waiter, LONG, pending()),
        submit(&queue, job())
    );
    assert_eq!(claimed.jobs.len(), 1);
    assert_eq!(claimed.jobs[0].id, id);
    let finished = queue.finish(&claimed.jobs[0], Outcome::Ack(None)).await;
    assert_eq!(finished.unwrap(), JobState::Completed);
    assert!(!wakes(&mut waiter).await, "nothing waits");
    queue.close().await;
}

#[tokio::test]
async fn a_sleeper_that_wakes_when_a_job_is_due_has_it() {
    let queue = TestQueue::new();
    let mut waiter = queue.waiter(&[default_queue()]);
    let soon = RunAt::After(Duration::from_millis(50));
    submit(&queue, job().run_at(soon).unwrap()).await;
    let early = brought_along(&mut waiter, LONG, std::future::ready(())).await;
    let due = brought_along(&mut waiter, early.next_due.unwrap(), pending()).await;
    assert_eq!(early.jobs.len() + due.jobs.len(), 1);
    queue.close().await;
}

#[tokio::test]
async fn a_sleeper_has_the_job_though_the_script_was_lost_meanwhile() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let name = default_queue();
    let id = queue.submit(job()).await.unwrap().id;
    let mut waiter = queue.waiter(std::slice::from_ref(&name));
    assert_eq!(redis.cli(&["SCRIPT", "FLUSH"]).trim(), "OK");
    let claim = Claim {
        queue: &name,
        limit: 1,
        lease: LEASE,
        worker: "w",
    };
    let claimed = waiter.wait_and_claim(claim, LEASE, pending());
    assert_eq!(claimed.await.unwrap().1.jobs[0].id, id);
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_sleeper_keeps_what_it_claimed_though_its_block_failed() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let mut waiter = queue.waiter(&[default_queue()]);
    // Redis knows the script from then on.
    brought_along(&mut waiter, LONG, std::future::ready(())).await;
    let id = queue.submit(job()).await.unwrap().id;
    let wake = redis.cli(&["KEYS", "*:wake"]);
    assert_eq!(redis.cli(&["SET", wake.trim(), "not a list"]).trim(), "OK");
    let claimed = brought_along(&mut waiter, LONG, pending()).await;
    assert_eq!(claimed.jobs[0].id, id);
    // Without a claim behind it the failure is told.
    assert_eq!(redis.cli(&["SET", wake.trim(), "not a list"]).trim(), "OK");
    assert!(waiter.wait(LONG, pending()).await.is_err());
}
