use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{
    Code, Error, JobChanges, JobId, JobState, Kind, MAX_DELAY, MAX_PAYLOAD, Outcome, Priority,
    RunAt, StoreTime,
};

use crate::{
    LEASE, bring_to, claim, claim_one, contents, default_queue, error, get, job, job_in,
    last_event, numbers, submit,
};

fn band(band: i64) -> JobChanges {
    JobChanges {
        priority: Some(Priority::new(band).unwrap()),
        ..JobChanges::default()
    }
}

fn run(run_at: RunAt) -> JobChanges {
    JobChanges {
        run_at: Some(run_at),
        ..JobChanges::default()
    }
}

fn most(max_attempts: u32) -> JobChanges {
    JobChanges {
        max_attempts: Some(max_attempts),
        ..JobChanges::default()
    }
}

async fn update(queue: &TestQueue, id: JobId, changes: JobChanges) {
    queue.update(id, changes, None).await.unwrap();
}

#[tokio::test]
async fn a_waiting_job_keeps_its_turn_in_another_band() {
    let queue = TestQueue::new();
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(submit(&queue, job()).await);
    }
    update(&queue, ids[3], band(0)).await;
    update(&queue, ids[1], band(0)).await;
    update(&queue, ids[0], band(9)).await;
    assert_eq!(get(&queue, ids[1]).await.priority.get(), 0);
    let order: Vec<_> = claim(&queue, 4)
        .await
        .jobs
        .iter()
        .map(|job| job.id)
        .collect();
    assert_eq!(order, [ids[1], ids[3], ids[2], ids[0]]);
    queue.close().await;
}

#[tokio::test]
async fn a_job_of_a_paused_kind_is_changed_where_it_lies() {
    let queue = TestQueue::new();
    let ids = [submit(&queue, job()).await, submit(&queue, job()).await];
    let kind = Kind::new("noop").unwrap();
    queue
        .pause(&default_queue(), Some(&kind), "", None)
        .await
        .unwrap();
    assert!(claim(&queue, 2).await.jobs.is_empty());
    update(&queue, ids[1], band(1)).await;
    assert!(claim(&queue, 2).await.jobs.is_empty());
    queue.resume(&default_queue(), Some(&kind)).await.unwrap();
    assert_eq!(claim_one(&queue).await.id, ids[1]);
    queue.close().await;
}

#[tokio::test]
async fn a_run_time_moves_a_job_to_where_it_belongs() {
    let queue = TestQueue::new();
    let far = StoreTime(4_000_000_000_000);
    for (from, run_at, to) in [
        (JobState::Waiting, RunAt::After(LEASE), JobState::Scheduled),
        (JobState::Waiting, RunAt::Now, JobState::Waiting),
        (JobState::Scheduled, RunAt::At(far), JobState::Scheduled),
        (JobState::Retrying, RunAt::At(far), JobState::Retrying),
        (
            JobState::Scheduled,
            RunAt::At(StoreTime(1)),
            JobState::Waiting,
        ),
        (
            JobState::Scheduled,
            RunAt::After(Duration::ZERO),
            JobState::Waiting,
        ),
        (JobState::Retrying, RunAt::Now, JobState::Waiting),
    ] {
        let id = job_in(&queue, from).await;
        update(&queue, id, run(run_at)).await;
        let stored = get(&queue, id).await;
        assert_eq!(stored.state, to, "{from} {run_at:?}");
        if run_at == RunAt::At(far) {
            assert_eq!(stored.ready, Some(far));
        }
        let letter = to.as_str()[..1].to_owned();
        assert_eq!(last_event(&queue), [(letter, id.as_bytes().to_vec())]);
        queue.delete(id, jobflow::Force::No, None).await.unwrap();
    }
    queue.close().await;
}

#[tokio::test]
async fn a_priority_of_a_scheduled_job_counts_when_it_is_due() {
    let queue = TestQueue::new();
    let id = job_in(&queue, JobState::Scheduled).await;
    submit(&queue, job()).await;
    update(&queue, id, band(2)).await;
    queue.promote_job(id).await.unwrap();
    assert_eq!(claim_one(&queue).await.id, id);
    queue.close().await;
}

#[tokio::test]
async fn a_new_payload_keeps_the_old_one_and_everything_else() {
    let queue = TestQueue::new();
    let headers = [("a".to_owned(), "b".to_owned())];
    let new = job()
        .headers(headers.clone())
        .unwrap()
        .timeout(LEASE)
        .unwrap();
    let id = submit(&queue, new).await;
    let before = get(&queue, id).await;
    let payload = Some(("new".into(), Some("text/plain".to_owned())));
    let changes = JobChanges {
        payload,
        ..JobChanges::default()
    };
    update(&queue, id, changes).await;
    let after = get(&queue, id).await;
    assert_eq!(
        (&after.payload[..], &*after.content_type),
        (&b"new"[..], "text/plain")
    );
    assert_eq!(&after.previous_payloads[0].payload[..], b"{}");
    assert_eq!(after.headers, headers.into());
    assert_eq!((after.timeout, after.created), (LEASE, before.created));
    assert_ne!(after.etag, before.etag);
    // Attempts are not the payload: no payload is kept for them.
    update(&queue, id, most(7)).await;
    let after = get(&queue, id).await;
    assert_eq!((after.max_attempts, after.previous_payloads.len()), (7, 1));
    queue.close().await;
}

#[tokio::test]
async fn fewer_attempts_than_were_made_make_the_next_one_the_last() {
    let queue = TestQueue::new();
    let id = job_in(&queue, JobState::Retrying).await;
    update(&queue, id, most(1)).await;
    queue.promote_job(id).await.unwrap();
    let last = claim_one(&queue).await;
    let now = queue.finish(&last, Outcome::Error(error())).await.unwrap();
    assert_eq!(now, JobState::Failed);
    queue.close().await;
}

#[tokio::test]
async fn a_job_that_runs_or_is_final_can_not_be_updated() {
    let queue = TestQueue::new();
    for from in [
        JobState::Active,
        JobState::Completed,
        JobState::Failed,
        JobState::Cancelled,
    ] {
        let id = job_in(&queue, from).await;
        let before = contents(&queue);
        let refused = queue.update(id, band(1), None).await.unwrap_err();
        let Error::InvalidStateTransition {
            from: named, to, ..
        } = refused
        else {
            panic!("{refused}")
        };
        assert_eq!((named, to), (from, None));
        assert_eq!(contents(&queue), before);
    }
    let gone = queue
        .update(JobId::generate(&default_queue()), band(1), None)
        .await;
    assert_eq!(gone.unwrap_err().code(), Code::JobNotFound);
    queue.close().await;
}

#[tokio::test]
async fn each_value_out_of_its_range_is_named_and_changes_nothing() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let before = contents(&queue);
    let payload = |payload| JobChanges {
        payload: Some(payload),
        ..JobChanges::default()
    };
    let tags = |tags: Vec<String>| JobChanges {
        tags: Some(tags),
        ..JobChanges::default()
    };
    for (changes, field) in [
        (payload((vec![0; MAX_PAYLOAD + 1].into(), None)), "payload"),
        (payload(("".into(), Some(String::new()))), "content_type"),
        (most(0), "max_attempts"),
        (most(1_001), "max_attempts"),
        (
            run(RunAt::After(MAX_DELAY + Duration::from_secs(1))),
            "delay",
        ),
        (run(RunAt::At(StoreTime(u64::MAX))), "run_time"),
        (tags(vec!["a b".to_owned()]), "tags"),
        (tags((0..9).map(|n| n.to_string()).collect()), "tags"),
    ] {
        let refused = queue.update(id, changes, None).await.unwrap_err();
        assert_eq!(refused.field(), Some(field));
    }
    assert_eq!(contents(&queue), before);
    queue.close().await;
}

#[tokio::test]
async fn a_change_without_an_etag_waits_for_no_other() {
    let queue = TestQueue::new();
    let id = bring_to(&queue, job(), JobState::Waiting).await;
    let changes = (0..20).map(|n| {
        let queue = (*queue).clone();
        tokio::spawn(async move { queue.update(id, band(n % 10), None).await })
    });
    let mut done = 0;
    for change in changes.collect::<Vec<_>>() {
        match change.await.unwrap() {
            Ok(()) => done += 1,
            // Overtaken five times in a row.
            Err(refused) => assert_eq!(refused.code(), Code::EtagMismatch),
        }
    }
    assert!(done > 0);
    assert_eq!(numbers(&queue).await.counts.waiting, 1);
    queue.close().await;
}
