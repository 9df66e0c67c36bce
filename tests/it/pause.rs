use std::time::Duration;

use jobflow::testing::{TestQueue, wait_for};
use jobflow::{Code, JobId, Kind, NewJob, Outcome, Priority, QueueName, StoreTime};

use crate::{
    LEASE, WORKER, claim, claim_one, default_queue, job, key, numbers, state, store, submit,
};

fn kind(name: &str) -> Kind {
    Kind::new(name).unwrap()
}

fn of(kind: &str) -> NewJob {
    NewJob::new(kind, "{}").unwrap()
}

async fn pause(queue: &TestQueue, kind: Option<&Kind>, resume: Option<StoreTime>) {
    queue
        .pause(&default_queue(), kind, "repairs", resume)
        .await
        .unwrap();
}

async fn soon(queue: &TestQueue) -> StoreTime {
    StoreTime(queue.snapshot().await.unwrap().time.0 + 150)
}

fn parked(queue: &TestQueue) -> usize {
    let mut count = redis::cmd("ZCARD");
    count
        .arg(key(queue, "parked"))
        .query(&mut store(queue))
        .unwrap()
}

async fn claimed_ids(queue: &TestQueue, limit: usize) -> Vec<JobId> {
    let jobs = claim(queue, limit).await.jobs;
    jobs.into_iter().map(|job| job.id).collect()
}

#[tokio::test]
async fn a_paused_queue_gives_out_nothing_until_it_is_resumed() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    pause(&queue, None, None).await;
    let claimed = claim(&queue, 10).await;
    assert!(claimed.jobs.is_empty());
    assert_eq!(claimed.next_due, None, "nothing ends this by itself");
    let shown = numbers(&queue).await;
    assert_eq!(shown.counts.waiting, 1);
    let pause = &shown.control.pauses[0];
    assert_eq!((&pause.kind, &*pause.reason), (&None, "repairs"));
    queue.resume(&default_queue(), None).await.unwrap();
    assert!(numbers(&queue).await.control.pauses.is_empty());
    assert_eq!(claimed_ids(&queue, 10).await, [id]);
    queue.close().await;
}

#[tokio::test]
async fn a_paused_queue_still_takes_jobs_and_finishes() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let running = claim_one(&queue).await;
    pause(&queue, None, None).await;
    submit(&queue, job()).await;
    queue.finish(&running, Outcome::Ack(None)).await.unwrap();
    let counts = numbers(&queue).await.counts;
    assert_eq!((counts.waiting, counts.completed), (1, 1));
    queue.close().await;
}

#[tokio::test]
async fn a_timed_pause_tells_when_it_ends_and_ends() {
    let queue = TestQueue::new();
    for of_kind in [None, Some(kind("noop"))] {
        let id = submit(&queue, job()).await;
        let resume = soon(&queue).await;
        pause(&queue, of_kind.as_ref(), Some(resume)).await;
        let held = claim(&queue, 1).await;
        assert!(held.jobs.is_empty());
        let wait = held.next_due.unwrap();
        assert!(wait <= Duration::from_millis(150), "{wait:?}");
        let claimed = wait_for("the pause to end", || async {
            claim(&queue, 1).await.jobs.pop()
        })
        .await;
        assert_eq!(claimed.id, id);
        assert!(claimed.claimed >= resume);
        assert!(numbers(&queue).await.control.pauses.is_empty());
    }
    queue.close().await;
}

#[tokio::test]
async fn a_pause_until_a_time_that_has_passed_is_none() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    submit(&queue, job()).await;
    for of_kind in [None, Some(kind("noop"))] {
        pause(&queue, of_kind.as_ref(), Some(StoreTime(1))).await;
        assert!(numbers(&queue).await.control.pauses.is_empty());
        claim_one(&queue).await;
    }
    queue.close().await;
}

#[tokio::test]
async fn jobs_of_other_kinds_go_on_behind_those_of_a_paused_one() {
    let queue = TestQueue::new();
    submit(&queue, of("other")).await;
    let first = claim_one(&queue).await;
    queue.finish(&first, Outcome::Ack(None)).await.unwrap();
    pause(&queue, Some(&kind("noop")), None).await;
    for _ in 0..3 {
        let batch = (0..100).map(|_| job()).collect();
        queue.submit_batch(batch).await;
    }
    let other = submit(&queue, of("other")).await;
    // One slot is enough, and it is told at once where it has not come through.
    let mut calls = 0;
    let claimed = loop {
        calls += 1;
        let mut claimed = claim(&queue, 1).await;
        if let Some(job) = claimed.jobs.pop() {
            break job;
        }
        assert_eq!(claimed.next_due, Some(Duration::ZERO));
    };
    assert_eq!(claimed.id, other);
    assert!(calls <= 4, "{calls} claims");
    assert_eq!(
        (parked(&queue), numbers(&queue).await.counts.waiting),
        (300, 300)
    );
    queue.close().await;
}

#[tokio::test]
async fn parked_jobs_go_back_to_their_exact_places() {
    let queue = TestQueue::new();
    let high = Priority::new(1).unwrap();
    let mut expected = Vec::new();
    for _ in 0..3 {
        for new in [job(), of("other")] {
            expected.push(submit(&queue, new).await);
        }
    }
    let urgent = submit(&queue, job().priority(high)).await;
    expected.insert(0, urgent);
    pause(&queue, Some(&kind("noop")), None).await;
    let others = claim(&queue, 10).await.jobs;
    assert_eq!(others.len(), 3);
    assert_eq!(parked(&queue), 4);
    for other in &others {
        assert_eq!(state(&queue, other.id).await, jobflow::JobState::Active);
        queue.finish(other, Outcome::Release).await.unwrap();
    }
    queue
        .resume(&default_queue(), Some(&kind("noop")))
        .await
        .unwrap();
    assert_eq!(parked(&queue), 0);
    assert_eq!(claimed_ids(&queue, 10).await, expected);
    queue.close().await;
}

#[tokio::test]
async fn many_parked_jobs_come_back_however_few_a_call_moves() {
    let queue = TestQueue::new();
    submit(&queue, of("a")).await;
    for name in ["a", "b"] {
        pause(&queue, Some(&kind(name)), None).await;
        for _ in 0..5 {
            let batch = (0..100).map(|_| of(name)).collect();
            queue.submit_batch(batch).await;
        }
    }
    while claim(&queue, 256).await.next_due.is_some() {}
    assert_eq!(parked(&queue), 1_001);
    // Behind a thousand others of a paused kind, and nobody is woken.
    queue
        .resume(&default_queue(), Some(&kind("b")))
        .await
        .unwrap();
    let mut found = 0;
    while found < 500 {
        let claimed = claim(&queue, 256).await;
        assert!(claimed.jobs.iter().all(|job| job.kind == kind("b")));
        assert!(!claimed.jobs.is_empty() || claimed.next_due == Some(Duration::ZERO));
        found += claimed.jobs.len();
    }
    assert_eq!(parked(&queue), 501);
    queue.close().await;
}

#[tokio::test]
async fn a_pause_that_ends_while_jobs_go_back_leaves_none_behind() {
    let queue = TestQueue::new();
    let resume = StoreTime(soon(&queue).await.0 + 300);
    submit(&queue, of("early")).await;
    pause(&queue, Some(&kind("early")), Some(resume)).await;
    pause(&queue, Some(&kind("late")), None).await;
    for _ in 0..5 {
        queue
            .submit_batch((0..100).map(|_| of("late")).collect())
            .await;
    }
    while claim(&queue, 256).await.next_due == Some(Duration::ZERO) {}
    // 200 go back now, the others a hundred a claim; `early` lies before them all.
    queue
        .resume(&default_queue(), Some(&kind("late")))
        .await
        .unwrap();
    assert!(parked(&queue) > 1);
    wait_for("the other pause to end", || async {
        let time = queue.snapshot().await.unwrap().time;
        (time > resume).then_some(())
    })
    .await;
    wait_for("all to be claimed", || async {
        claim(&queue, 256).await;
        (numbers(&queue).await.counts.active == 501).then_some(())
    })
    .await;
    queue.close().await;
}

#[tokio::test]
async fn a_33rd_kind_is_refused_unless_a_pause_has_ended() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    for n in 0..31 {
        pause(&queue, Some(&kind(&format!("k{n}"))), None).await;
    }
    let resume = soon(&queue).await;
    pause(&queue, Some(&kind("timed")), Some(resume)).await;
    let one_more = || async {
        let kind = kind("more");
        queue.pause(&default_queue(), Some(&kind), "", None).await
    };
    let refused = one_more().await.unwrap_err();
    assert_eq!(refused.field(), Some("kind"));
    // One that is paused already may be paused anew.
    pause(&queue, Some(&kind("k0")), None).await;
    wait_for("a pause to end", || async { one_more().await.ok() }).await;
    assert_eq!(numbers(&queue).await.control.pauses.len(), 32);
    queue.close().await;
}

#[tokio::test]
async fn what_can_not_be_paused_is_told() {
    let queue = TestQueue::new();
    let unknown = QueueName::new("nowhere").unwrap();
    let refused = queue.pause(&unknown, None, "", None).await.unwrap_err();
    assert_eq!(refused.code(), Code::QueueNotFound);
    let refused = queue.resume(&unknown, None).await.unwrap_err();
    assert_eq!(refused.code(), Code::QueueNotFound);
    submit(&queue, job()).await;
    let late = StoreTime(u64::MAX);
    let refused = queue.pause(&default_queue(), None, "", Some(late)).await;
    assert_eq!(refused.unwrap_err().field(), Some("resume_time"));
    let reason = "r".repeat(1_025);
    let refused = queue.pause(&default_queue(), None, &reason, None).await;
    assert_eq!(refused.unwrap_err().field(), Some("reason"));
    assert!(numbers(&queue).await.control.pauses.is_empty());
    queue.close().await;
}

#[tokio::test]
async fn a_sleeping_worker_is_woken_when_its_kind_is_resumed() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    pause(&queue, Some(&kind("noop")), None).await;
    assert!(claim(&queue, 1).await.jobs.is_empty());
    let wake = || -> usize {
        let mut length = redis::cmd("LLEN");
        length
            .arg(key(&queue, "wake"))
            .query(&mut store(&queue))
            .unwrap()
    };
    assert_eq!(wake(), 0);
    queue
        .resume(&default_queue(), Some(&kind("noop")))
        .await
        .unwrap();
    assert_eq!(wake(), 1);
    let lost = queue.claim(&default_queue(), 1, LEASE, WORKER).await;
    assert_eq!(lost.unwrap().jobs.len(), 1);
    queue.close().await;
}
