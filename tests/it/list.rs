use std::collections::BTreeSet;
use std::time::Duration;

use jobflow::testing::{TestQueue, TestRedis};
use jobflow::{
    Filter, Fingerprint, JobId, JobQueue, JobRecord, Kind, ListRequest, NewJob, Order, Outcome,
    Priority, QueueName, RunAt,
};

use crate::faults::open;
use crate::{LEASE, WORKER, claim, claim_one, default_queue, error, job, submit};

pub(crate) fn request(filter: &str, order: &str, page_size: usize) -> ListRequest {
    ListRequest {
        filter: Filter::parse(filter).unwrap(),
        order: order.parse().unwrap(),
        page_size,
        page_token: String::new(),
    }
}

/// All pages, each checked against its size.
pub(crate) async fn pages(queue: &JobQueue, mut request: ListRequest) -> Vec<JobRecord> {
    let mut jobs = Vec::new();
    loop {
        let page = queue.list(&request).await.unwrap();
        assert!(page.jobs.len() <= request.page_size);
        jobs.extend(page.jobs);
        if page.next_page_token.is_empty() {
            return jobs;
        }
        request.page_token = page.next_page_token;
    }
}

pub(crate) async fn ids(queue: &JobQueue, filter: &str) -> BTreeSet<JobId> {
    let jobs = pages(queue, request(filter, "", 7)).await;
    let ids: BTreeSet<_> = jobs.iter().map(|job| job.id).collect();
    assert_eq!(ids.len(), jobs.len(), "{filter}: none comes twice");
    ids
}

async fn ordered(queue: &JobQueue, filter: &str, order: &str) -> Vec<JobId> {
    let jobs = pages(queue, request(filter, order, 2)).await;
    jobs.iter().map(|job| job.id).collect()
}

pub(crate) async fn submit_many(
    queue: &JobQueue,
    count: usize,
    make: impl Fn(usize) -> NewJob,
) -> Vec<JobId> {
    let mut ids = Vec::new();
    for start in (0..count).step_by(1_000) {
        let jobs = (start..count.min(start + 1_000)).map(&make).collect();
        for submitted in queue.submit_batch(jobs).await {
            ids.push(submitted.unwrap().id);
        }
    }
    ids
}

/// A store that has its entries in another order after each start.
#[tokio::test]
async fn no_job_is_left_out_of_the_pages_when_the_store_is_restarted_between_them() {
    let mut redis = TestRedis::start_durable();
    let queue = open(&redis);
    let all = submit_many(&queue, 2_000, |_| job()).await;
    let mut request = request("kind = noop", "", 500);
    let mut seen = BTreeSet::new();
    loop {
        let page = queue.list(&request).await.unwrap();
        seen.extend(page.jobs.iter().map(|job| job.id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
        if seen.len() < 1_500 {
            redis.stop();
            redis.resume();
        }
    }
    assert_eq!(seen, BTreeSet::from_iter(all));
}

/// A waiting, an urgent and a scheduled job; in queue `mail` a tagged one that
/// runs, and one that failed.
async fn five_jobs(queue: &TestQueue) -> [JobId; 5] {
    let later = RunAt::After(Duration::from_secs(600));
    let send = || NewJob::new("send", "{}").unwrap().queue("mail").unwrap();
    let tags = ["eu:west", "vip"].map(str::to_owned);
    let ids = [
        submit(queue, job()).await,
        submit(queue, job().priority(Priority::new(1).unwrap())).await,
        submit(queue, job().run_at(later).unwrap()).await,
        submit(queue, send().tags(tags).unwrap()).await,
        submit(queue, send()).await,
    ];
    let mail = QueueName::new("mail").unwrap();
    let claimed = queue.claim(&mail, 2, LEASE, "box-9").await.unwrap().jobs;
    assert_eq!([claimed[0].id, claimed[1].id], ids[3..]);
    let failure = Outcome::Fail(error());
    queue.finish(&claimed[1], failure).await.unwrap();
    ids
}

#[tokio::test]
async fn every_field_of_a_filter_finds_its_jobs() {
    let queue = TestQueue::new();
    let all = five_jobs(&queue).await;
    let [plain, .., failed] = all;
    let print = Fingerprint::of(&Kind::new("send").unwrap(), &error()).hex;
    let found: [(&str, &[usize]); 24] = [
        ("", &[0, 1, 2, 3, 4]),
        (&format!("id = {plain}"), &[0]),
        (&format!("id = {plain} OR id = {failed}"), &[0, 4]),
        (&format!("id = {plain} state = failed"), &[]),
        ("queue = mail", &[3, 4]),
        ("queue = nowhere", &[]),
        ("kind = noop", &[0, 1, 2]),
        ("state = waiting", &[0, 1]),
        ("state = active", &[3]),
        ("state = scheduled", &[2]),
        ("state != waiting", &[2, 3, 4]),
        ("priority < 5", &[1]),
        ("priority = 5", &[0, 2, 3, 4]),
        ("tags:vip", &[3]),
        ("tags:eu*", &[3]),
        ("tags:vip state = waiting", &[]),
        ("NOT tags:*", &[0, 1, 2, 4]),
        ("attempt = 1", &[3, 4]),
        ("worker = box*", &[3, 4]),
        ("error_code = HANDLER_ERROR", &[4]),
        (&format!("fingerprint = {print}"), &[4]),
        ("create_time > 2020-01-01T00:00:00Z", &[0, 1, 2, 3, 4]),
        ("create_time < 2020-01-01T00:00:00Z", &[]),
        ("finish_time > 2020-01-01T00:00:00Z", &[4]),
    ];
    for (filter, places) in found {
        let expected: BTreeSet<_> = places.iter().map(|at| all[*at]).collect();
        assert_eq!(ids(&queue, filter).await, expected, "{filter}");
    }
    queue.close().await;
}

#[tokio::test]
async fn a_listed_job_is_the_job_without_payload_result_and_history() {
    let queue = TestQueue::new();
    let make = || NewJob::new("send", "payload").unwrap();
    let full = make()
        .max_attempts(9)
        .and_then(|job| job.timeout(Duration::from_secs(7)))
        .and_then(|job| job.content_type("text/plain"))
        .and_then(|job| job.headers([("a".to_owned(), "b".to_owned())]))
        .and_then(|job| job.tags(["x", "y"].map(str::to_owned)))
        .and_then(|job| job.idempotency_key("once"))
        .unwrap();
    let empty = NewJob::new("send", "").unwrap();
    for job in [make(), full, empty] {
        submit(&queue, job).await;
    }
    let claimed = claim_one(&queue).await;
    let retry = Outcome::ErrorAfter(Duration::from_secs(60), error());
    queue.finish(&claimed, retry).await.unwrap();
    claim(&queue, 1).await;
    for listed in pages(&queue, request("", "", 50)).await {
        let whole = queue.get(listed.id).await.unwrap();
        let expected = JobRecord {
            payload: Default::default(),
            result: None,
            attempts: Vec::new(),
            etag: None,
            ..whole
        };
        assert_eq!(listed, expected);
    }
    queue.close().await;
}

fn reversed(ids: &[JobId]) -> Vec<JobId> {
    ids.iter().rev().copied().collect()
}

#[tokio::test]
async fn due_times_and_ends_order_both_ways() {
    let queue = TestQueue::new();
    let mut due = Vec::new();
    for seconds in [300, 100, 200] {
        let at = RunAt::After(Duration::from_secs(seconds));
        due.push(submit(&queue, job().run_at(at).unwrap()).await);
    }
    let by_due = vec![due[1], due[2], due[0]];
    assert_eq!(
        ordered(&queue, "state = scheduled", "run_time").await,
        by_due
    );
    assert_eq!(
        ordered(&queue, "state = scheduled", "run_time desc").await,
        reversed(&by_due)
    );

    let mut ended = Vec::new();
    for _ in 0..5 {
        submit(&queue, job()).await;
        let claimed = claim_one(&queue).await;
        queue
            .finish(&claimed, Outcome::Fail(error()))
            .await
            .unwrap();
        ended.push(claimed.id);
        let now = queue.get(claimed.id).await.unwrap().finished;
        crate::next_millisecond(&queue, now.unwrap()).await;
    }
    assert_eq!(
        ordered(&queue, "state = failed", "finish_time").await,
        ended
    );
    assert_eq!(
        ordered(&queue, "state = failed", "finish_time desc").await,
        reversed(&ended)
    );

    queue.close().await;
}

#[tokio::test]
async fn places_and_leases_are_orders_too() {
    let queue = TestQueue::new();
    let low = submit(&queue, job().priority(Priority::new(9).unwrap())).await;
    let usual = submit(&queue, job()).await;
    let first = submit(&queue, job().priority(Priority::new(0).unwrap())).await;
    let places = vec![first, usual, low];
    assert_eq!(ordered(&queue, "state = waiting", "position").await, places);
    assert_eq!(
        ordered(&queue, "state = waiting", "position desc").await,
        reversed(&places)
    );

    let mut leases = Vec::new();
    for seconds in [60, 90] {
        let lease = Duration::from_secs(seconds);
        let jobs = queue
            .claim(&default_queue(), 1, lease, WORKER)
            .await
            .unwrap()
            .jobs;
        leases.push(jobs[0].id);
    }
    assert_eq!(
        ordered(&queue, "state = active", "lease_expire_time").await,
        leases
    );
    assert_eq!(
        ordered(&queue, "state = active", "lease_expire_time desc").await,
        reversed(&leases)
    );
    queue.close().await;
}

#[tokio::test]
async fn jobs_of_paused_kinds_are_listed_at_their_place_among_the_waiting() {
    let queue = TestQueue::new();
    let mut all = Vec::new();
    for i in 0..30 {
        let kind = if i % 2 == 0 { "even" } else { "odd" };
        all.push(submit(&queue, NewJob::new(kind, "").unwrap()).await);
    }
    let even = Kind::new("even").unwrap();
    queue
        .pause(&default_queue(), Some(&even), "why not", None)
        .await
        .unwrap();
    // A claim sets the paused ones at the head aside.
    let claimed = claim(&queue, 3).await.jobs;
    assert!(claimed.iter().all(|job| job.kind.as_str() == "odd"));
    let waiting: Vec<_> = all
        .iter()
        .filter(|id| claimed.iter().all(|job| job.id != **id))
        .copied()
        .collect();
    assert_eq!(
        ordered(&queue, "state = waiting", "position").await,
        waiting
    );
    let reversed: Vec<_> = waiting.iter().rev().copied().collect();
    assert_eq!(
        ordered(&queue, "state = waiting", "position desc").await,
        reversed
    );
    assert_eq!(
        ids(&queue, "state = waiting").await,
        waiting.iter().copied().collect()
    );
    queue.close().await;
}

#[tokio::test]
async fn a_token_is_good_for_its_filter_and_order_only() {
    let queue = TestQueue::new();
    submit_many(&queue, 10, |_| job()).await;
    let mut first = request("state = waiting", "position", 3);
    let token = queue.list(&first).await.unwrap().next_page_token;
    assert!(!token.is_empty());
    first.page_token = token.clone();
    assert_eq!(queue.list(&first).await.unwrap().jobs.len(), 3);
    for (filter, order) in [
        ("state = waiting", "position desc"),
        ("state = waiting kind = a", "position"),
        ("", ""),
    ] {
        let foreign = ListRequest {
            page_token: token.clone(),
            ..request(filter, order, 3)
        };
        let error = queue.list(&foreign).await.unwrap_err();
        assert_eq!(error.field(), Some("page_token"), "{filter}");
    }
    for token in ["x", "AAAA", "%%%", "😀"] {
        let broken = ListRequest {
            page_token: token.to_owned(),
            ..request("", "", 3)
        };
        let error = queue.list(&broken).await.unwrap_err();
        assert_eq!(error.field(), Some("page_token"), "{token}");
    }
    queue.close().await;
}

#[tokio::test]
async fn an_order_that_the_filter_does_not_allow_is_refused() {
    let queue = TestQueue::new();
    let error = queue
        .list(&request("", "finish_time", 3))
        .await
        .unwrap_err();
    assert_eq!(error.field(), Some("order_by"));
    assert_eq!(
        "priority".parse::<Order>().unwrap_err().field(),
        Some("order_by")
    );
    queue.close().await;
}

#[tokio::test]
async fn odd_page_sizes_are_read_as_the_nearest_that_makes_sense() {
    let queue = TestQueue::new();
    submit_many(&queue, 600, |_| job()).await;
    assert_eq!(
        queue.list(&request("", "", 0)).await.unwrap().jobs.len(),
        50
    );
    assert_eq!(
        queue
            .list(&request("", "", 9_999))
            .await
            .unwrap()
            .jobs
            .len(),
        500
    );
    queue.close().await;
}
