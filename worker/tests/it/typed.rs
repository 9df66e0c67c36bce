use jobflow::testing::TestQueue;
use jobflow::{Job, JobState, NewJob, RunAt};
use jobflow_worker::{AttemptError, Context, Worker};
use serde::{Deserialize, Serialize};

use crate::support::{Running, error_of, submit, wait_until};

#[derive(Debug, Serialize, Deserialize)]
struct Resize {
    width: u32,
}

impl Job for Resize {
    const KIND: &'static str = "resize";
    const QUEUE: &'static str = "images";
}

#[derive(Debug, Serialize, Deserialize)]
struct Ping {}

impl Job for Ping {
    const KIND: &'static str = "ping";
}

#[derive(Serialize)]
struct Resized {
    pixels: u32,
    attempt: u32,
}

async fn resize(job: Resize, ctx: Context) -> Result<Resized, AttemptError> {
    assert_eq!(
        (ctx.queue().as_str(), ctx.kind().as_str()),
        ("images", "resize")
    );
    assert!(!ctx.is_cancelled() && !ctx.time_left().is_zero());
    Ok(Resized {
        pixels: job.width * job.width,
        attempt: ctx.attempt(),
    })
}

async fn ping(_job: Ping, _ctx: Context) -> Result<(), AttemptError> {
    Ok(())
}

#[tokio::test]
async fn a_typed_handler_runs_and_what_it_returns_is_stored() {
    let queue = TestQueue::new();
    let worker = Worker::builder(&queue).queues(["images", "default"]);
    let worker = Running::start(worker.handler(resize).handler(ping));

    let resized = submit(&queue, NewJob::of(&Resize { width: 9 }).unwrap()).await;
    let pinged = submit(&queue, NewJob::of(&Ping {}).unwrap()).await;
    let job = wait_until(&queue, resized, JobState::Completed).await;
    let result = job.result.unwrap();
    assert_eq!(result.bytes, r#"{"pixels":81,"attempt":1}"#);
    assert_eq!(result.content_type, "application/json");
    let job = wait_until(&queue, pinged, JobState::Completed).await;
    assert_eq!(job.result, None);

    let stats = worker.stop().await;
    assert_eq!((stats.completed.get(), stats.claimed.get()), (2, 2));
    queue.close().await;
}

#[tokio::test]
async fn a_payload_that_does_not_decode_fails_the_job_at_once() {
    let queue = TestQueue::new();
    let worker = Running::start(Worker::builder(&queue).queues(["images"]).handler(resize));
    let job = NewJob::new("resize", r#"{"width":"secret"}"#)
        .unwrap()
        .queue("images")
        .unwrap();
    let id = submit(&queue, job.max_attempts(5).unwrap()).await;

    let job = wait_until(&queue, id, JobState::Failed).await;
    assert_eq!(job.attempt, 1);
    let (code, message) = error_of(&job);
    assert_eq!(code, "PAYLOAD_INVALID");
    assert!(message.contains("line 1 column"), "{message}");
    assert!(!message.contains("secret"), "{message}");
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn a_delayed_job_runs_when_it_is_due() {
    let queue = TestQueue::new();
    let worker = Running::start(Worker::builder(&queue).handler(ping));
    let delay = RunAt::After(std::time::Duration::from_millis(200));
    let id = submit(&queue, NewJob::of(&Ping {}).unwrap().run_at(delay).unwrap()).await;
    let job = wait_until(&queue, id, JobState::Completed).await;
    assert!(job.started.unwrap() >= job.ready.unwrap(), "{job:?}");
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn what_can_not_work_does_not_build() {
    let queue = TestQueue::new();
    let field = |built: jobflow::Result<Worker>| built.err().unwrap().field().unwrap().to_owned();
    assert_eq!(field(Worker::builder(&queue).build()), "handler");
    assert_eq!(
        field(Worker::builder(&queue).handler(ping).handler(ping).build()),
        "handler"
    );
    assert_eq!(
        field(
            Worker::builder(&queue)
                .handler(ping)
                .queues(["A b"])
                .build()
        ),
        "queue"
    );
    assert_eq!(
        field(Worker::builder(&queue).handler(ping).concurrency(0).build()),
        "concurrency"
    );
    let instant = std::time::Duration::ZERO;
    assert_eq!(
        field(Worker::builder(&queue).handler(ping).lease(instant).build()),
        "lease"
    );
}
