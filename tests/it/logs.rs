use jobflow::testing::{TestQueue, TestRedis, fresh_namespace, queue_key};
use jobflow::{
    ClaimedJob, Code, JobId, JobQueue, MAX_LOG_BYTES, MAX_LOG_LINES, Outcome, QueueConfig,
    QueueName, Report,
};

use crate::{LEASE, claim_one, default_queue, job, submit};

async fn log(queue: &JobQueue, job: &ClaimedJob, lines: Vec<String>) {
    let report = Report {
        progress: None,
        lines,
    };
    queue.report(job, report).await.unwrap();
}

#[tokio::test]
async fn a_log_is_read_in_pages_and_followed_from_a_number() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    assert_eq!(queue.logs(id, 0, 10).await.unwrap().lines, []);
    let job = claim_one(&queue).await;
    let lines: Vec<_> = (0..25).map(|n| format!("line {n}")).collect();
    log(&queue, &job, lines.clone()).await;
    let (mut from, mut read) = (Some(0), Vec::new());
    while let Some(at) = from {
        let page = queue.logs(id, at, 10).await.unwrap();
        assert!(page.lines.len() <= 10);
        read.extend(page.lines);
        from = page.next;
    }
    let texts: Vec<_> = read.iter().map(|line| line.text.clone()).collect();
    assert_eq!(texts, lines);
    assert!(read.iter().all(|line| line.time >= job.claimed));
    let page = queue.logs(id, 25, 10).await.unwrap();
    assert_eq!((page.lines.len(), page.next), (0, None));
    log(&queue, &job, vec!["more".to_owned()]).await;
    let page = queue.logs(id, 25, 10).await.unwrap();
    assert_eq!((page.lines[0].number, page.lines.len()), (25, 1));
    queue.close().await;
}

#[tokio::test]
async fn a_log_keeps_its_newest_lines_and_their_numbers() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let job = claim_one(&queue).await;
    for batch in 0..12 {
        let lines = (0..100).map(|n| (100 * batch + n).to_string());
        log(&queue, &job, lines.collect()).await;
    }
    let lines = queue.logs(id, 0, 2_000).await.unwrap().lines;
    assert!((900..=MAX_LOG_LINES).contains(&lines.len()));
    assert_eq!(lines.last().unwrap().number, 1_199);
    for line in &lines {
        assert_eq!(line.text, line.number.to_string());
    }
    // Longer lines push more of the shorter ones out.
    let long = "é".repeat(1_000);
    log(&queue, &job, vec![long.clone(); 30]).await;
    let lines = queue.logs(id, 0, 2_000).await.unwrap().lines;
    let kept: usize = lines.iter().map(|line| line.text.len() + 14).sum();
    assert!(
        (MAX_LOG_BYTES / 2..=MAX_LOG_BYTES).contains(&kept),
        "{kept}"
    );
    assert_eq!(lines.last().unwrap().number, 1_229);
    let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    queue.close().await;
}

#[tokio::test]
async fn a_log_goes_on_in_the_next_attempt() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    for attempt in ["first", "second"] {
        let job = claim_one(&queue).await;
        log(&queue, &job, vec![attempt.to_owned()]).await;
        queue.finish(&job, Outcome::Release).await.unwrap();
    }
    let lines = queue.logs(id, 0, 10).await.unwrap().lines;
    let read: Vec<_> = lines
        .iter()
        .map(|line| (line.number, &*line.text))
        .collect();
    assert_eq!(read, [(0, "first"), (1, "second")]);
    queue.close().await;
}

#[tokio::test]
async fn the_log_of_a_job_that_is_not_there_is_refused() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    for id in [
        JobId::generate(&default_queue()),
        JobId::generate(&QueueName::new("other").unwrap()),
    ] {
        let refused = queue.logs(id, 0, 10).await.unwrap_err();
        assert_eq!(refused, jobflow::Error::JobNotFound { id });
    }
    queue.close().await;
}

#[tokio::test]
async fn a_damaged_log_is_told_and_does_not_stop_the_next_report() {
    let redis = TestRedis::start();
    let config = QueueConfig {
        redis_url: redis.url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    };
    let queue = JobQueue::open(config).unwrap();
    let id = queue.submit(job()).await.unwrap().id;
    let job = queue
        .claim(&default_queue(), 1, LEASE, "w")
        .await
        .unwrap()
        .jobs
        .remove(0);
    let key = |part| queue_key(&queue.config().namespace, &default_queue(), part);
    let (logs, active) = (key("logs"), key("active"));
    for damage in [
        "'x'",
        "string.rep('\\255', 40)",
        "string.rep('\\0', 300000)",
    ] {
        let spoil = format!(
            "redis.call('HSET', '{logs}', redis.call('ZRANGE', '{active}', 0, 0)[1], {damage}) return 1"
        );
        assert_eq!(redis.cli(&["EVAL", &spoil, "0"]).trim(), "1");
        let refused = queue.logs(id, 0, 1_000).await.unwrap_err();
        assert_eq!(refused.code(), Code::CorruptRecord, "{damage}");
        log(&queue, &job, vec!["on".to_owned(); 100]).await;
    }
}

#[tokio::test]
async fn what_was_said_goes_with_its_job() {
    let queue = TestQueue::with(|config| config.retention.completed.count = 1);
    for n in 0..30 {
        submit(&queue, job()).await;
        let job = claim_one(&queue).await;
        let report = Report {
            progress: Some((n, String::new())),
            lines: vec!["x".repeat(600); 100],
        };
        queue.report(&job, report).await.unwrap();
        queue.finish(&job, Outcome::Ack(None)).await.unwrap();
    }
    // The audit finds what belongs to no job.
    queue.close().await;
}
