use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{Code, JobId, JobState, MAX_PAYLOAD, NewJob, Priority, RunAt, StoreTime};

use crate::{claim, default_queue, job, submit};

#[tokio::test]
async fn a_job_is_stored_byte_for_byte_with_its_options() {
    let queue = TestQueue::new();
    let payload: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let new = NewJob::new("Resize.Image", payload.clone())
        .and_then(|job| job.queue("media"))
        .and_then(|job| job.content_type("application/octet-stream"))
        .and_then(|job| job.max_attempts(7))
        .and_then(|job| job.timeout(Duration::from_millis(1_234)))
        .and_then(|job| job.headers([("tenant".to_owned(), "42".to_owned())]))
        .and_then(|job| job.idempotency_key("once"))
        .unwrap()
        .priority(Priority::new(2).unwrap());
    let submitted = queue.submit(new).await.unwrap();
    assert_eq!(
        (submitted.state, submitted.duplicate),
        (JobState::Waiting, false)
    );

    let stored = queue.get(submitted.id).await.unwrap();
    assert_eq!(&stored.payload[..], &payload[..]);
    assert_eq!(stored.kind.as_str(), "Resize.Image");
    assert_eq!(stored.queue.as_str(), "media");
    assert_eq!(stored.content_type, "application/octet-stream");
    assert_eq!(
        (stored.priority.get(), stored.max_attempts, stored.attempt),
        (2, 7, 0)
    );
    assert_eq!(stored.timeout, Duration::from_millis(1_234));
    assert_eq!(stored.headers["tenant"], "42");
    assert_eq!(stored.idempotency_key.as_deref(), Some("once"));
    assert_eq!(stored.created, submitted.time);
    queue.close().await;
}

#[tokio::test]
async fn the_largest_payload_goes_through() {
    let queue = TestQueue::new();
    let id = submit(&queue, NewJob::new("big", vec![7; MAX_PAYLOAD]).unwrap()).await;
    assert_eq!(queue.get(id).await.unwrap().payload.len(), MAX_PAYLOAD);
    queue.close().await;
}

#[tokio::test]
async fn a_second_submit_of_an_id_stores_nothing() {
    let queue = TestQueue::new();
    let id = JobId::generate(&default_queue());
    let first = queue.submit(job().id(id).unwrap()).await.unwrap();
    let second = queue.submit(job().id(id).unwrap()).await.unwrap();
    assert_eq!((first.id, first.duplicate), (id, false));
    assert_eq!((second.id, second.duplicate), (id, true));
    assert_eq!(second.time, first.time);
    assert_eq!(claim(&queue, 10).await.jobs.len(), 1);
    queue.close().await;
}

#[tokio::test]
async fn an_idempotency_key_returns_the_first_job_in_whatever_state_it_is() {
    let queue = TestQueue::new();
    let keyed = || job().idempotency_key("order-1").unwrap();
    let first = submit(&queue, keyed()).await;
    let claimed = crate::claim_one(&queue).await;
    queue
        .finish(&claimed, jobflow::Outcome::Ack(None))
        .await
        .unwrap();
    let again = queue.submit(keyed()).await.unwrap();
    assert_eq!(
        (again.id, again.duplicate, again.state),
        (first, true, JobState::Completed)
    );
    let other = queue
        .submit(job().idempotency_key("order-2").unwrap())
        .await
        .unwrap();
    assert!(!other.duplicate);
    queue.close().await;
}

#[tokio::test]
async fn a_request_id_and_an_idempotency_key_of_the_same_text_do_not_meet() {
    let queue = TestQueue::new();
    let request = uuid::Uuid::now_v7();
    let first = submit(&queue, job().request_id(request)).await;
    assert_eq!(submit(&queue, job().request_id(request)).await, first);
    let keyed = queue
        .submit(job().idempotency_key(request.simple().to_string()).unwrap())
        .await
        .unwrap();
    assert!(!keyed.duplicate);
    queue.close().await;
}

#[tokio::test]
async fn one_batch_holds_each_key_and_id_once() {
    let queue = TestQueue::new();
    let id = JobId::generate(&default_queue());
    let batch = vec![
        job().idempotency_key("a").unwrap(),
        job().idempotency_key("a").unwrap(),
        job().id(id).unwrap(),
        job().id(id).unwrap(),
        job(),
    ];
    let results: Vec<_> = queue
        .submit_batch(batch)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let duplicates: Vec<_> = results
        .iter()
        .map(|submitted| submitted.duplicate)
        .collect();
    assert_eq!(duplicates, [false, true, false, true, false]);
    assert_eq!(results[0].id, results[1].id);
    assert_eq!(claim(&queue, 10).await.jobs.len(), 3);
    queue.close().await;
}

#[tokio::test]
async fn a_batch_over_many_queues_keeps_its_order() {
    let queue = TestQueue::new();
    let batch: Vec<_> = (0..1_000)
        .map(|n| job().queue(format!("q{}", n % 7)).unwrap())
        .collect();
    let results = queue.submit_batch(batch).await;
    for (n, result) in results.iter().enumerate() {
        assert_eq!(
            result.as_ref().unwrap().queue.as_str(),
            format!("q{}", n % 7)
        );
    }
    assert_eq!(queue.queues().await.unwrap().len(), 7);
    queue.close().await;
}

#[tokio::test]
async fn first_in_first_out_within_a_band_and_bands_in_order() {
    let queue = TestQueue::new();
    let mut expected = Vec::new();
    for band in [9, 5, 0, 5, 9, 0] {
        let id = submit(&queue, job().priority(Priority::new(band).unwrap())).await;
        expected.push((band, id));
    }
    // A stable sort: the order of submission within each band.
    expected.sort_by_key(|(band, _)| *band);
    let claimed: Vec<_> = claim(&queue, 10)
        .await
        .jobs
        .iter()
        .map(|job| job.id)
        .collect();
    assert_eq!(
        claimed,
        expected.iter().map(|(_, id)| *id).collect::<Vec<_>>()
    );
    queue.close().await;
}

#[tokio::test]
async fn a_delay_counts_from_the_clock_of_the_store() {
    let queue = TestQueue::new();
    let delay = Duration::from_secs(3600);
    let submitted = queue
        .submit(job().run_at(RunAt::After(delay)).unwrap())
        .await
        .unwrap();
    assert_eq!(submitted.state, JobState::Scheduled);
    let stored = queue.get(submitted.id).await.unwrap();
    assert_eq!(stored.ready.unwrap().since(stored.created), delay);

    let at = StoreTime(submitted.time.0 + 5_000);
    let timed = queue
        .submit(job().run_at(RunAt::At(at)).unwrap())
        .await
        .unwrap();
    assert_eq!(queue.get(timed.id).await.unwrap().ready, Some(at));

    let past = queue
        .submit(job().run_at(RunAt::At(StoreTime(1))).unwrap())
        .await
        .unwrap();
    assert_eq!(past.state, JobState::Waiting);
    let claimed = claim(&queue, 10).await;
    assert_eq!(claimed.jobs.len(), 1, "only the one whose time has come");
    let next = claimed.next_due.unwrap();
    assert!(next <= Duration::from_secs(5), "{next:?}");
    queue.close().await;
}

#[tokio::test]
async fn many_callers_at_once_each_get_their_own_job() {
    let queue = TestQueue::new();
    let callers: Vec<_> = (0..500)
        .map(|n| {
            let queue = (*queue).clone();
            tokio::spawn(async move {
                let submitted = queue
                    .submit(NewJob::new("n", n.to_string()).unwrap())
                    .await
                    .unwrap();
                (n, submitted.id)
            })
        })
        .collect();
    for caller in callers {
        let (n, id) = caller.await.unwrap();
        assert_eq!(
            &queue.get(id).await.unwrap().payload[..],
            n.to_string().as_bytes()
        );
    }
    queue.close().await;
}

#[tokio::test]
async fn an_unknown_id_is_not_found() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let unknown = JobId::generate(&default_queue());
    assert_eq!(
        queue.get(unknown).await.unwrap_err().code(),
        Code::JobNotFound
    );
    queue.close().await;
}
