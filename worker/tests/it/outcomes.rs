use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use jobflow::testing::{TestQueue, wait_for};
use jobflow::{Job, JobState, Kind, MAX_PAYLOAD, MetricsQuery, NewJob, QueueName};
use jobflow_worker::{AttemptError, CodedError, Context, Handler, HandlerFuture, Worker};
use serde::{Deserialize, Serialize};

use crate::support::{Running, eager, error_of, raw, submit, wait_until};

#[tokio::test]
async fn errors_are_retried_until_the_attempts_are_used_up() {
    let queue = TestQueue::new();
    let handler =
        raw(async |ctx: Context| Err(AttemptError::retry(format!("no {}", ctx.attempt()))));
    let worker = Running::start(Worker::builder(&queue).handler_for("k", handler));
    let id = submit(&queue, eager("{}").max_attempts(3).unwrap()).await;

    let job = wait_until(&queue, id, JobState::Failed).await;
    assert_eq!((job.attempt, job.max_attempts), (3, 3));
    assert_eq!(error_of(&job), ("HANDLER_ERROR", "no 3"));
    let stats = worker.stop().await;
    assert_eq!(
        (
            stats.errored.get(),
            stats.failed.get(),
            stats.completed.get()
        ),
        (3, 1, 0)
    );
    queue.close().await;
}

#[tokio::test]
async fn a_job_that_errs_twice_completes_in_its_third_attempt() {
    let queue = TestQueue::new();
    let handler = raw(async |ctx: Context| {
        if ctx.attempt() < 3 {
            let _: u32 = "not yet".parse()?;
        }
        Ok(())
    });
    let worker = Running::start(Worker::builder(&queue).handler_for("*", handler));
    let id = submit(&queue, eager("{}").max_attempts(3).unwrap()).await;

    let job = wait_until(&queue, id, JobState::Completed).await;
    assert_eq!((job.attempt, job.error), (3, None));
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn what_a_worker_measured_is_told_at_the_latest_when_it_stops() {
    let queue = TestQueue::new();
    let handler = raw(async |ctx: Context| {
        let stop = ctx.payload().as_ref() == b"fails";
        if stop {
            Err(AttemptError::fail("no"))
        } else {
            Ok(())
        }
    });
    let worker = Running::start(Worker::builder(&queue).handler_for("k", handler));
    for payload in ["good", "good", "fails"] {
        let id = submit(&queue, eager(payload)).await;
        let end = if payload == "good" {
            JobState::Completed
        } else {
            JobState::Failed
        };
        wait_until(&queue, id, end).await;
    }
    worker.stop().await;
    let query = MetricsQuery {
        queues: vec![QueueName::default()],
        kind: Some(Kind::new("k").unwrap()),
        ..MetricsQuery::default()
    };
    let told = queue.query_metrics(&query).await.unwrap().whole().measured;
    assert_eq!((told.completed, told.failed, told.errored), (2, 1, 1));
    assert_eq!((told.wait.count(), told.run.count()), (3, 3));
    queue.close().await;
}

#[tokio::test]
async fn a_handler_can_choose_the_delay_or_fail_for_good() {
    let queue = TestQueue::new();
    let handler = raw(async |ctx: Context| match ctx.payload().as_ref() {
        b"later" => Err(AttemptError::retry_after(Duration::from_secs(3600), "busy")),
        _ => Err(AttemptError::fail(CodedError::new(
            "CARD_DECLINED",
            "no money",
        ))),
    });
    let worker = Running::start(Worker::builder(&queue).handler_for("k", handler));

    let later = submit(&queue, eager("later")).await;
    let job = wait_until(&queue, later, JobState::Retrying).await;
    assert_eq!(error_of(&job), ("HANDLER_ERROR", "busy"));
    assert!(job.ready.unwrap().since(job.started.unwrap()) >= Duration::from_secs(3600));
    let never = submit(&queue, eager("never").max_attempts(5).unwrap()).await;
    let job = wait_until(&queue, never, JobState::Failed).await;
    assert_eq!(job.attempt, 1);
    assert_eq!(error_of(&job), ("CARD_DECLINED", "no money"));
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn a_panic_is_an_errored_attempt_and_the_worker_lives_on() {
    let queue = TestQueue::new();
    let handler = raw(async |ctx: Context| {
        assert!(
            ctx.payload() != "panic",
            "attempt {} fell over",
            ctx.attempt()
        );
        Ok(())
    });
    let worker = Worker::builder(&queue)
        .concurrency(1)
        .handler_for("k", handler);
    let worker = Running::start(worker);
    let bad = submit(&queue, eager("panic").max_attempts(2).unwrap()).await;
    let good = submit(&queue, eager("fine")).await;

    let job = wait_until(&queue, bad, JobState::Failed).await;
    assert_eq!((job.attempt, job.crash_count), (2, 0));
    assert_eq!(error_of(&job), ("HANDLER_PANIC", "attempt 2 fell over"));
    wait_until(&queue, good, JobState::Completed).await;
    let stats = worker.stop().await;
    assert_eq!((stats.panics.get(), stats.errored.get()), (2, 2));
    queue.close().await;
}

struct PanicsEarly;

impl Handler for PanicsEarly {
    fn prepare(&self, _ctx: Context) -> Result<HandlerFuture, AttemptError> {
        panic!("unreadable")
    }
}

#[tokio::test]
async fn a_panic_while_reading_the_payload_is_one_of_the_handler() {
    let queue = TestQueue::new();
    let worker = Worker::builder(&queue).handler_for("k", Arc::new(PanicsEarly));
    let worker = Running::start(worker);
    let id = submit(&queue, eager("{}").max_attempts(1).unwrap()).await;
    let job = wait_until(&queue, id, JobState::Failed).await;
    assert_eq!(error_of(&job), ("HANDLER_PANIC", "unreadable"));
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn a_snooze_uses_up_no_attempt() {
    let queue = TestQueue::new();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let handler = raw(move |ctx: Context| {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_eq!(ctx.attempt(), 1);
            if run < 2 {
                Err(AttemptError::snooze(Duration::from_millis(1)))
            } else {
                Ok(())
            }
        }
    });
    let worker = Running::start(Worker::builder(&queue).handler_for("k", handler));
    let id = submit(&queue, eager("{}").max_attempts(1).unwrap()).await;

    let job = wait_until(&queue, id, JobState::Completed).await;
    assert_eq!((job.attempt, runs.load(Ordering::SeqCst)), (1, 3));
    let stats = worker.stop().await;
    assert_eq!((stats.snoozed.get(), stats.errored.get()), (2, 0));
    queue.close().await;
}

struct SetWhenDropped(Arc<AtomicBool>);

impl Drop for SetWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_attempt_over_its_time_is_dropped_and_errs() {
    let queue = TestQueue::new();
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = dropped.clone();
    let handler = raw(move |_ctx: Context| {
        let held = SetWhenDropped(flag.clone());
        async move {
            let _held = held;
            std::future::pending().await
        }
    });
    let worker = Running::start(Worker::builder(&queue).handler_for("k", handler));
    let job = eager("{}").max_attempts(1).unwrap();
    let id = submit(&queue, job.timeout(Duration::from_millis(50)).unwrap()).await;

    let job = wait_until(&queue, id, JobState::Failed).await;
    assert!(
        dropped.load(Ordering::SeqCst),
        "dropped before the job was finished"
    );
    assert_eq!(
        error_of(&job),
        ("TIMEOUT", "the attempt ran longer than 50ms")
    );
    let stats = worker.stop().await;
    assert_eq!((stats.timeouts.get(), stats.errored.get()), (1, 1));
    queue.close().await;
}

#[tokio::test]
async fn a_kind_without_a_handler_is_given_back() {
    let queue = TestQueue::new();
    let worker = Worker::builder(&queue).handler_for("other", raw(async |_| Ok(())));
    let worker = Running::start(worker);
    let id = submit(&queue, eager("{}")).await;

    let job = wait_until(&queue, id, JobState::Scheduled).await;
    assert_eq!((job.attempt, job.crash_count), (0, 0));
    assert!(job.ready.unwrap().since(job.created) >= Duration::from_secs(10));
    let stats = worker.stop().await;
    assert_eq!(
        (
            stats.unhandled.get(),
            stats.completed.get(),
            stats.errored.get()
        ),
        (1, 0, 0)
    );
    queue.close().await;
}

#[derive(Serialize, Deserialize)]
struct Big {}

impl Job for Big {
    const KIND: &'static str = "big";
}

#[tokio::test]
async fn a_result_over_the_limit_fails_the_job() {
    let queue = TestQueue::new();
    let worker = Worker::builder(&queue).handler(async |_: Big, _| Ok("x".repeat(MAX_PAYLOAD)));
    let worker = Running::start(worker);
    let id = submit(&queue, NewJob::of(&Big {}).unwrap()).await;
    let job = wait_until(&queue, id, JobState::Failed).await;
    assert_eq!((job.attempt, error_of(&job).0), (1, "PAYLOAD_TOO_LARGE"));
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn a_delay_out_of_range_fails_the_job() {
    let queue = TestQueue::new();
    let handler = raw(async |_| Err(AttemptError::snooze(Duration::MAX)));
    let worker = Running::start(Worker::builder(&queue).handler_for("k", handler));
    let id = submit(&queue, eager("{}")).await;
    let job = wait_until(&queue, id, JobState::Failed).await;
    assert_eq!(error_of(&job).0, "INVALID_FIELD");
    let stats = worker.stop().await;
    wait_for("the counters", async || {
        (stats.failed.get() == 1).then_some(())
    })
    .await;
    queue.close().await;
}

#[tokio::test]
async fn what_a_handler_says_in_the_log_names_its_job() {
    // The log of the whole process, as that of a thread may miss what other
    // threads have met first; the lines of other tests are of other jobs.
    let log = tempfile::NamedTempFile::new().unwrap();
    tracing_subscriber::fmt()
        .json()
        .with_writer(log.reopen().unwrap())
        .init();
    let queue = TestQueue::new();
    let handler = raw(async |_: Context| {
        tracing::info!("said by a handler");
        Ok(())
    });
    let worker = Running::start(Worker::builder(&queue).handler_for("*", handler));
    let id = submit(&queue, eager("{}")).await;
    wait_until(&queue, id, JobState::Completed).await;
    worker.stop().await;
    queue.close().await;

    let said = fs::read_to_string(log.path()).unwrap();
    let line = said.lines().find(|line| line.contains("said by a handler"));
    let line: serde_json::Value = serde_json::from_str(line.unwrap()).unwrap();
    let span = &line["span"];
    assert_eq!(span["job"], id.to_string(), "{line}");
    assert_eq!((&span["kind"], &span["attempt"]), (&"k".into(), &1.into()));
}
