use std::time::Duration;

use jobflow::testing::{TestQueue, wait_for};
use jobflow::{JobState, Priority, RunAt};

use crate::{claim, default_queue, job, state, submit};

#[tokio::test]
async fn a_due_job_is_promoted_and_not_before() {
    let queue = TestQueue::new();
    let soon = submit(
        &queue,
        job()
            .run_at(RunAt::After(Duration::from_millis(30)))
            .unwrap(),
    )
    .await;
    let late = submit(
        &queue,
        job()
            .run_at(RunAt::After(Duration::from_secs(3600)))
            .unwrap(),
    )
    .await;
    wait_for("the first to be due", || async {
        (queue.promote(&default_queue()).await.unwrap() == 1).then_some(())
    })
    .await;
    assert_eq!(state(&queue, soon).await, JobState::Waiting);
    assert_eq!(state(&queue, late).await, JobState::Scheduled);
    let stored = queue.get(soon).await.unwrap();
    assert_eq!(
        stored.ready.unwrap().since(stored.created),
        Duration::from_millis(30)
    );
    queue.close().await;
}

#[tokio::test]
async fn a_due_job_keeps_its_band() {
    let queue = TestQueue::new();
    let urgent = job().priority(Priority::new(0).unwrap());
    let urgent = submit(
        &queue,
        urgent
            .run_at(RunAt::After(Duration::from_millis(1)))
            .unwrap(),
    )
    .await;
    submit(&queue, job()).await;
    wait_for("the urgent job to be due", || async {
        (queue.promote(&default_queue()).await.unwrap() == 1).then_some(())
    })
    .await;
    assert_eq!(claim(&queue, 2).await.jobs[0].id, urgent);
    queue.close().await;
}

#[tokio::test]
async fn a_step_is_bounded_and_the_rest_follows() {
    let queue = TestQueue::new();
    let due = || {
        job()
            .run_at(RunAt::After(Duration::from_millis(1)))
            .unwrap()
    };
    queue.submit_batch((0..500).map(|_| due()).collect()).await;
    let mut promoted = 0;
    while promoted < 500 {
        let step = queue.promote(&default_queue()).await.unwrap();
        assert!(step <= 200, "{step}");
        promoted += step;
    }
    assert_eq!(claim(&queue, 125).await.jobs.len(), 125);
    queue.close().await;
}
