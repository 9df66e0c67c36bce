use std::time::Duration;

use jobflow::testing::{TestQueue, TestRedis, assert_sound, fresh_namespace, wait_for};
use jobflow::{
    ClaimedJob, Code, JobQueue, JobState, MAX_LOG_LINE, MAX_PROGRESS_MESSAGE, NewJob, Outcome,
    QueueConfig, Report,
};

use crate::{LEASE, claim, claim_one, default_queue, job, submit};

fn progress(percent: u8, message: &str) -> Report {
    Report {
        progress: Some((percent, message.to_owned())),
        lines: Vec::new(),
    }
}

fn lines(lines: &[&str]) -> Report {
    Report {
        progress: None,
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
    }
}

async fn texts(queue: &JobQueue, job: &ClaimedJob) -> Vec<String> {
    let page = queue.logs(job.id, 0, 1_000).await.unwrap();
    page.lines.into_iter().map(|line| line.text).collect()
}

async fn lease_lost(queue: &JobQueue) -> u64 {
    queue.snapshot().await.unwrap().queues[0].totals.lease_lost
}

#[tokio::test]
async fn progress_and_lines_are_kept_and_the_last_progress_counts() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let job = claim_one(&queue).await;
    assert_eq!(queue.get(job.id).await.unwrap().progress, None);
    queue.report(&job, progress(0, "begun")).await.unwrap();
    let both = Report {
        progress: Some((100, "schön".to_owned())),
        lines: vec!["one".to_owned(), String::new()],
    };
    queue.report(&job, both).await.unwrap();
    queue.report(&job, lines(&["three"])).await.unwrap();
    let said = queue.get(job.id).await.unwrap().progress.unwrap();
    assert_eq!((said.percent, said.message.as_str()), (100, "schön"));
    assert!(said.time >= job.claimed);
    assert_eq!(texts(&queue, &job).await, ["one", "", "three"]);
    // What was said stays when the attempt is over.
    queue.finish(&job, Outcome::Ack(None)).await.unwrap();
    assert!(queue.get(job.id).await.unwrap().progress.is_some());
    queue.close().await;
}

#[tokio::test]
async fn a_report_out_of_its_limits_is_refused_and_names_the_field() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let job = claim_one(&queue).await;
    let long = "x".repeat(MAX_LOG_LINE + 1);
    for (report, field) in [
        (Report::default(), "report"),
        (progress(101, ""), "progress.percent"),
        (
            progress(1, &"x".repeat(MAX_PROGRESS_MESSAGE + 1)),
            "progress.message",
        ),
        (lines(&[""; 101]), "lines"),
        (lines(&["ok", &long]), "lines[1]"),
        (lines(&[&long[1..]; 17]), "lines"),
    ] {
        let refused = queue.report(&job, report).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidField);
        assert_eq!(refused.field(), Some(field));
    }
    assert_eq!(queue.get(job.id).await.unwrap().progress, None);
    assert!(texts(&queue, &job).await.is_empty());
    queue.close().await;
}

#[tokio::test]
async fn a_report_at_its_limits_is_taken() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let job = claim_one(&queue).await;
    let most = Report {
        progress: Some((100, "m".repeat(MAX_PROGRESS_MESSAGE))),
        lines: vec!["x".repeat(MAX_LOG_LINE); 16],
    };
    queue.report(&job, most).await.unwrap();
    // 64 KiB of log hold 15 such lines and what belongs to them.
    assert_eq!(texts(&queue, &job).await.len(), 15);
    let many = lines(&["x"; 100]);
    queue.report(&job, many).await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_stale_token_is_refused_counted_and_writes_nothing() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let stale = queue
        .claim(&default_queue(), 1, Duration::from_millis(100), "w")
        .await
        .unwrap()
        .jobs
        .remove(0);
    queue.report(&stale, lines(&["mine"])).await.unwrap();
    wait_for("the lease to run out", || async {
        (queue.reap(&default_queue()).await.unwrap().put_back == 1).then_some(())
    })
    .await;
    let refused = queue.report(&stale, progress(50, "late")).await;
    assert_eq!(refused.unwrap_err(), jobflow::Error::LeaseLost { id });
    let present = claim_one(&queue).await;
    let both = tokio::join!(
        queue.report(&stale, lines(&["theirs"])),
        queue.report(&present, lines(&["ours"])),
    );
    assert_eq!(both.0.unwrap_err().code(), Code::LeaseLost);
    both.1.unwrap();
    queue.finish(&present, Outcome::Release).await.unwrap();
    let refused = queue.report(&present, lines(&["after"])).await.unwrap_err();
    assert_eq!(refused.code(), Code::LeaseLost);
    assert_eq!(queue.get(id).await.unwrap().progress, None);
    assert_eq!(texts(&queue, &present).await, ["mine", "ours"]);
    assert_eq!(lease_lost(&queue).await, 3);
    queue.close().await;
}

#[tokio::test]
async fn many_reports_at_once_each_have_their_verdict_and_their_order() {
    let queue = TestQueue::new();
    queue.submit_batch((0..300).map(|_| job()).collect()).await;
    let mut jobs = claim(&queue, 256).await.jobs;
    jobs.extend(claim(&queue, 256).await.jobs);
    let finished = jobs.pop().unwrap();
    queue.finish(&finished, Outcome::Ack(None)).await.unwrap();
    let said = jobs.iter().chain([&finished]).map(|job| {
        let queue = &queue;
        async move {
            let mut ends = Vec::new();
            for n in 0..3 {
                let report = Report {
                    progress: Some((n, job.id.to_string())),
                    lines: vec![format!("{n} of {}", job.id); 7],
                };
                ends.push(queue.report(job, report).await.is_ok());
            }
            ends
        }
    });
    let ends = futures_util::future::join_all(said).await;
    let (last, others) = ends.split_last().unwrap();
    assert_eq!(last, &[false; 3]);
    assert!(others.iter().all(|ends| ends == &[true; 3]));
    for job in &jobs {
        let said = queue.get(job.id).await.unwrap().progress.unwrap();
        assert_eq!((said.percent, said.message), (2, job.id.to_string()));
        let page = queue.logs(job.id, 0, 1_000).await.unwrap();
        for (n, line) in page.lines.iter().enumerate() {
            assert_eq!(line.number, n as u64);
            assert_eq!(line.text, format!("{} of {}", n / 7, job.id));
        }
        assert_eq!(page.lines.len(), 21);
    }
    assert_eq!(lease_lost(&queue).await, 3);
    queue.close().await;
}

#[tokio::test]
async fn a_full_store_refuses_reports_and_still_takes_finishes() {
    let redis = TestRedis::start();
    let config = QueueConfig {
        redis_url: redis.url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    };
    let queue = JobQueue::open(config).unwrap();
    for _ in 0..2 {
        let big = NewJob::new("big", vec![1; 200_000]).unwrap();
        queue.submit(big).await.unwrap();
    }
    let mut jobs = queue
        .claim(&default_queue(), 2, LEASE, "w")
        .await
        .unwrap()
        .jobs;
    let (job, done) = (jobs.remove(0), jobs.remove(0));
    queue.finish(&done, Outcome::Ack(None)).await.unwrap();
    let set = redis.cli(&["CONFIG", "SET", "maxmemory", "1mb"]);
    assert_eq!(set.trim(), "OK");
    for report in [progress(1, "m"), lines(&["line"])] {
        let refused = queue.report(&job, report.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::StoreOutOfMemory);
        assert!(refused.is_transient());
        // A stale one is told as ever.
        let refused = queue.report(&done, report).await.unwrap_err();
        assert_eq!(refused.code(), Code::LeaseLost);
    }
    let state = queue.finish(&job, Outcome::Ack(None)).await.unwrap();
    assert_eq!(state, JobState::Completed);
    let record = queue.get(job.id).await.unwrap();
    assert_eq!(record.progress, None);
    assert!(texts(&queue, &job).await.is_empty());
    assert_sound(&queue).await;
}
