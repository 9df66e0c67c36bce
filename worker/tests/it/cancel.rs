use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobflow::testing::{TestRedis, assert_sound, wait_for};
use jobflow::{JobId, JobQueue, JobState};
use jobflow_worker::handlers::HandlerSpec;
use jobflow_worker::{AttemptError, CancelReason, Context, Handler, Worker};

use crate::support::{Running, eager, lua_bytes, open, raw, submit, wait_until};

/// So long that nothing is extended in a test unless there is a reason.
const LONG_LEASE: Duration = Duration::from_secs(3600);
const NOTED: &str = "return 1";

/// Notes in the record of an active job that somebody asked for its end, and
/// does what the rest of the script says.
fn ask(redis: &TestRedis, queue: &JobQueue, id: JobId, rest: &str) {
    let namespace = &queue.config().namespace;
    let script = format!(
        "local id, meta, channel = {}, 'jf:{{{namespace}/default}}:meta', 'jf:{{{namespace}}}:control' \
         local record = redis.call('HGET', meta, id) \
         redis.call('HSET', meta, id, record:sub(1, 44) .. '\\1' .. record:sub(46)) {rest}",
        lua_bytes(id)
    );
    assert_eq!(redis.cli(&["EVAL", &script, "0"]).trim(), "1");
}

fn ask_and_tell(redis: &TestRedis, queue: &JobQueue, id: JobId) {
    ask(
        redis,
        queue,
        id,
        "return redis.call('PUBLISH', channel, 'c' .. id)",
    );
}

type Reasons = Arc<Mutex<Vec<Option<CancelReason>>>>;

/// Notes why it was told to end.
fn listening() -> (Arc<dyn Handler>, Reasons) {
    let reasons = Reasons::default();
    let noted = reasons.clone();
    let handler = raw(move |ctx: Context| {
        let noted = noted.clone();
        async move {
            noted.lock().unwrap().push(ctx.cancel_reason());
            ctx.cancelled().await;
            noted.lock().unwrap().push(ctx.cancel_reason());
            match ctx.payload().as_ref() {
                b"deaf" => std::future::pending().await,
                b"ends" => Ok(()),
                b"later" => Err(AttemptError::snooze(Duration::from_secs(1))),
                _ => Err(AttemptError::fail("told to end")),
            }
        }
    });
    (handler, reasons)
}

async fn wait_until_heard(queue: &JobQueue, id: &str) {
    wait_for("the worker", async || queue.get_worker(id).await.ok()).await;
}

async fn listeners(redis: &TestRedis, queue: &JobQueue) {
    let channel = format!("jf:{{{}}}:control", queue.config().namespace);
    wait_for("a listener", async || {
        let numbers = redis.cli(&["PUBSUB", "NUMSUB", &channel]);
        numbers.trim().ends_with('1').then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_job_that_is_called_off_is_cancelled_unless_it_succeeds() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let (handler, reasons) = listening();
    let worker = Worker::builder(&queue).lease(LONG_LEASE);
    let worker = Running::start(worker.handler_for("k", handler));
    listeners(&redis, &queue).await;
    for (payload, state) in [
        ("listens", JobState::Cancelled),
        ("deaf", JobState::Cancelled),
        ("later", JobState::Cancelled),
        ("ends", JobState::Completed),
    ] {
        let id = submit(&queue, eager(payload)).await;
        wait_until(&queue, id, JobState::Active).await;
        ask_and_tell(&redis, &queue, id);
        let job = wait_until(&queue, id, state).await;
        assert_eq!((job.attempt, job.crash_count), (1, 0), "{payload}");
        let seen = std::mem::take(&mut *reasons.lock().unwrap());
        assert_eq!(seen, [None, Some(CancelReason::CalledOff)], "{payload}");
    }
    let stats = worker.stop().await;
    assert_eq!((stats.cancelled.get(), stats.completed.get()), (3, 1));
    assert_eq!((stats.released.get(), stats.errored.get()), (0, 0));
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_cancel_that_nobody_heard_comes_with_the_next_extension() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let worker = Worker::builder(&queue).lease(Duration::from_millis(400));
    let worker = Running::start(worker.handler_for("k", listening().0));
    let id = submit(&queue, eager("{}")).await;
    wait_until(&queue, id, JobState::Active).await;
    ask(&redis, &queue, id, NOTED);
    wait_until(&queue, id, JobState::Cancelled).await;
    assert_eq!(worker.stop().await.cancelled.get(), 1);
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_cancel_that_was_missed_is_found_when_the_worker_hears_again() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let worker = Worker::builder(&queue).lease(LONG_LEASE);
    let worker = Running::start(worker.handler_for("k", listening().0));
    let id = submit(&queue, eager("{}")).await;
    wait_until(&queue, id, JobState::Active).await;
    listeners(&redis, &queue).await;
    ask(&redis, &queue, id, NOTED);
    assert_eq!(redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).trim(), "1");
    wait_until(&queue, id, JobState::Cancelled).await;
    assert_eq!(worker.stop().await.cancelled.get(), 1);
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_message_about_a_job_that_nobody_called_off_does_nothing() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let (handler, reasons) = listening();
    let worker = Worker::builder(&queue).lease(LONG_LEASE);
    let worker = Running::start(worker.handler_for("k", handler));
    let [goes_on, ends] = [
        submit(&queue, eager("1")).await,
        submit(&queue, eager("2")).await,
    ];
    for id in [goes_on, ends] {
        wait_until(&queue, id, JobState::Active).await;
    }
    listeners(&redis, &queue).await;
    // As of an earlier attempt, and late.
    let publish = format!(
        "return redis.call('PUBLISH', 'jf:{{{}}}:control', 'c' .. {})",
        queue.config().namespace,
        lua_bytes(goes_on)
    );
    assert_eq!(redis.cli(&["EVAL", &publish, "0"]).trim(), "1");
    ask_and_tell(&redis, &queue, ends);
    wait_until(&queue, ends, JobState::Cancelled).await;
    let reasons = reasons.lock().unwrap().clone();
    assert_eq!(reasons, [None, None, Some(CancelReason::CalledOff)]);
    ask_and_tell(&redis, &queue, goes_on);
    wait_until(&queue, goes_on, JobState::Cancelled).await;
    worker.stop().await;
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_command_that_is_called_off_gets_a_sigterm() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let folder = tempfile::tempdir().unwrap();
    let (script, told) = (folder.path().join("script"), folder.path().join("told"));
    let path = told.display();
    let text =
        format!("trap 'echo told > {path}; exit 1' TERM; echo up > {path}; sleep 1000 & wait");
    std::fs::write(&script, text).unwrap();
    let spec = format!("exec:sh {}", script.display());
    let spec = spec.parse::<HandlerSpec>().unwrap();
    let worker = Worker::builder(&queue).lease(LONG_LEASE);
    let worker = worker.handler_for("k", spec.handler()).build().unwrap();
    let name = worker.id().to_owned();
    let worker = Running::run(worker);
    wait_until_heard(&queue, &name).await;
    listeners(&redis, &queue).await;
    let id = submit(&queue, eager("{}")).await;
    let written = async || std::fs::read_to_string(&told).unwrap_or_default();
    wait_for("the command", async || {
        (written().await == "up\n").then_some(())
    })
    .await;
    let running = wait_for("the beat", async || {
        queue.get_worker(&name).await.ok()?.beat.running.pop()
    })
    .await;
    assert_eq!((running.id, running.attempt), (id.to_string(), 1));
    ask_and_tell(&redis, &queue, id);
    wait_until(&queue, id, JobState::Cancelled).await;
    assert_eq!(written().await, "told\n");
    worker.stop().await;
    assert_sound(&queue).await;
}
