use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jobflow::testing::{TestQueue, TestRedis, assert_sound, fresh_namespace, queue_key};
use jobflow::{ClaimedJob, Filter, JobId, JobQueue, JobState, Keep, NewJob, Outcome, QueueConfig};

use crate::list::{ids, pages, request, submit_many};
use crate::{LEASE, WORKER, default_queue, error, job, submit};

fn roomy() -> TestQueue {
    TestQueue::with(|config| {
        config.retention.completed = Keep {
            count: 1_000_000,
            age: Duration::from_secs(3600),
        };
    })
}

async fn finish_all(queue: &JobQueue, jobs: Vec<ClaimedJob>, outcome: impl Fn(usize) -> Outcome) {
    let ends = jobs
        .iter()
        .enumerate()
        .map(|(i, job)| queue.finish(job, outcome(i)));
    for end in join_all(ends).await {
        end.unwrap();
    }
}

#[tokio::test]
async fn each_job_is_listed_once_while_all_of_them_move() {
    let queue = roomy();
    let submitted = submit_many(&queue, 5_000, |i| {
        NewJob::new(if i % 3 == 0 { "a" } else { "b" }, "{}").unwrap()
    })
    .await;
    let mover = tokio::spawn({
        let queue = queue.clone();
        async move {
            for round in 0_usize.. {
                let jobs = queue
                    .claim(&default_queue(), 40, LEASE, WORKER)
                    .await
                    .unwrap()
                    .jobs;
                if jobs.is_empty() {
                    return;
                }
                finish_all(&queue, jobs, |i| match (round + i) % 4 {
                    0 => Outcome::Ack(None),
                    1 => Outcome::Fail(error()),
                    2 => Outcome::ErrorAfter(Duration::from_secs(60), error()),
                    _ => Outcome::Snooze(Duration::from_secs(60)),
                })
                .await;
                // The tables of the store grow meanwhile.
                submit_many(&queue, 20, |_| NewJob::new("c", "{}").unwrap()).await;
                if round == 150 {
                    return;
                }
            }
        }
    });
    let mut times = HashMap::<JobId, usize>::new();
    let mut asked = request("kind = a OR kind = b OR kind = c", "", 97);
    loop {
        let page = queue.list(&asked).await.unwrap();
        for job in page.jobs {
            *times.entry(job.id).or_default() += 1;
        }
        if page.next_page_token.is_empty() {
            break;
        }
        asked.page_token = page.next_page_token;
    }
    mover.await.unwrap();
    let twice = times.values().filter(|times| **times > 1).count();
    assert_eq!(twice, 0, "jobs came twice");
    let missing = submitted
        .iter()
        .filter(|id| !times.contains_key(id))
        .count();
    assert_eq!(missing, 0, "jobs never came");
    queue.close().await;
}

#[tokio::test]
async fn a_small_queue_that_grows_large_between_two_pages_is_listed_once() {
    let queue = TestQueue::new();
    let first = submit_many(&queue, 300, |_| job()).await;
    let mut asked = request("", "", 11);
    let mut listed = Vec::new();
    for page in 0.. {
        if page == 3 {
            submit_many(&queue, 3_000, |_| job()).await;
        }
        let found = queue.list(&asked).await.unwrap();
        listed.extend(found.jobs.iter().map(|job| job.id));
        if found.next_page_token.is_empty() {
            break;
        }
        asked.page_token = found.next_page_token;
    }
    let unique: BTreeSet<_> = listed.iter().collect();
    assert_eq!(unique.len(), listed.len());
    assert!(first.iter().all(|id| unique.contains(id)));
    queue.close().await;
}

#[tokio::test]
async fn jobs_that_ended_in_the_same_millisecond_come_once_though_some_vanish() {
    let queue = TestQueue::new();
    submit_many(&queue, 400, |_| job()).await;
    let claimed = queue
        .claim(&default_queue(), 200, LEASE, WORKER)
        .await
        .unwrap()
        .jobs;
    finish_all(&queue, claimed, |_| Outcome::Fail(error())).await;
    let claimed = queue
        .claim(&default_queue(), 200, LEASE, WORKER)
        .await
        .unwrap()
        .jobs;
    finish_all(&queue, claimed, |_| Outcome::Fail(error())).await;
    for order in ["finish_time", "finish_time desc"] {
        let mut asked = request("state = failed", order, 9);
        let (mut listed, mut gone) = (BTreeSet::new(), BTreeSet::new());
        let before = ids(&queue, "state = failed").await;
        loop {
            let page = queue.list(&asked).await.unwrap();
            for job in &page.jobs {
                assert!(listed.insert(job.id), "{} came twice", job.id);
            }
            // The very job that the next page goes on behind.
            if let Some(last) = page.jobs.last() {
                queue
                    .delete(last.id, jobflow::Force::No, None)
                    .await
                    .unwrap();
                gone.insert(last.id);
            }
            if page.next_page_token.is_empty() {
                break;
            }
            asked.page_token = page.next_page_token;
        }
        assert!(
            listed == before,
            "{order}: {} of {}",
            listed.len(),
            before.len()
        );
        assert!(gone.len() > 10);
    }
    queue.close().await;
}

#[tokio::test]
async fn a_page_that_looked_at_enough_says_that_there_is_more() {
    let queue = TestQueue::new();
    submit_many(&queue, 12_000, |_| job()).await;
    let rare = submit(&queue, NewJob::new("rare", "").unwrap()).await;
    let mut asked = request("kind = rare", "", 50);
    let (mut calls, mut found) = (0, Vec::new());
    loop {
        let page = queue.list(&asked).await.unwrap();
        calls += 1;
        found.extend(page.jobs.iter().map(|job| job.id));
        if page.next_page_token.is_empty() {
            break;
        }
        asked.page_token = page.next_page_token;
    }
    assert_eq!(found, [rare]);
    assert!(calls >= 3, "12,000 jobs were looked at in {calls} pages");
    queue.close().await;
}

#[tokio::test]
async fn large_payloads_stay_in_the_store() {
    let redis = TestRedis::start();
    let queue = JobQueue::open(QueueConfig {
        redis_url: redis.url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    })
    .unwrap();
    let payload = "x".repeat(256 * 1024);
    for _ in 0..8 {
        let jobs = (0..10).map(|_| NewJob::new("big", payload.clone()).unwrap());
        for submitted in queue.submit_batch(jobs.collect()).await {
            submitted.unwrap();
        }
    }
    let sent = || {
        let info = redis.cli(&["INFO", "stats"]);
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("total_net_output_bytes:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let before = sent();
    assert_eq!(pages(&queue, request("", "", 50)).await.len(), 80);
    assert_eq!(
        pages(&queue, request("state = waiting", "position", 50))
            .await
            .len(),
        80
    );
    let count = Filter::parse("kind = big").unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    assert_eq!(queue.count(&count, until).await.unwrap().count, 80);
    let bytes = sent() - before;
    assert!(bytes < 256 * 1024, "{bytes} bytes for 20 MiB of payloads");
    assert_sound(&queue).await;
}

#[tokio::test]
async fn queues_come_by_name_and_pages_cross_them() {
    let queue = TestQueue::new();
    let mut expected = Vec::new();
    for name in ["a", "b", "c"] {
        for _ in 0..4 {
            expected.push(submit(&queue, job().queue(name).unwrap()).await);
        }
    }
    let jobs = pages(&queue, request("", "", 3)).await;
    assert_eq!(jobs.len(), 12);
    let queues: Vec<_> = jobs.iter().map(|job| job.queue.clone()).collect();
    assert!(queues.is_sorted());
    assert_eq!(
        jobs.iter().map(|job| job.id).collect::<BTreeSet<_>>(),
        expected.into_iter().collect()
    );
    queue.close().await;
}

#[tokio::test]
async fn a_job_whose_record_can_not_be_read_is_listed_all_the_same() {
    let redis = TestRedis::start();
    let namespace = fresh_namespace();
    let queue = JobQueue::open(QueueConfig {
        redis_url: redis.url(),
        namespace: namespace.clone(),
        ..QueueConfig::default()
    })
    .unwrap();
    let id = queue.submit(job()).await.unwrap().id;
    let key = queue_key(&namespace, &default_queue(), "specs");
    let script =
        "local ids = redis.call('HKEYS', KEYS[1]) redis.call('HSET', KEYS[1], ids[1], 'odd')";
    assert_eq!(redis.cli(&["EVAL", script, "1", &key]).trim(), "");
    let listed = pages(&queue, request("", "", 5)).await;
    assert_eq!((listed[0].id, listed[0].kind.as_str()), (id, "unreadable"));
    assert_eq!(listed[0].state, JobState::Waiting);
}
