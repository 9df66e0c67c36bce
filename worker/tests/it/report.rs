use std::sync::Arc;

use jobflow::testing::{TestQueue, TestRedis, assert_sound, wait_for};
use jobflow::{Code, JobState, QueueName};
use jobflow_worker::handlers::HandlerSpec;
use jobflow_worker::{AttemptError, CancelReason, Context, Worker};
use tokio::sync::Notify;

use crate::support::{Running, eager, lua_bytes, open, raw, submit, wait_until};

#[tokio::test]
async fn what_a_handler_says_is_stored() {
    let queue = TestQueue::new();
    let handler = raw(async |ctx: Context| {
        ctx.progress(10).await?;
        ctx.log("begun").await?;
        ctx.log_lines((0..250).map(|n| n.to_string())).await?;
        ctx.progress_with(90, "nearly").await?;
        let refused = ctx.progress(101).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidField);
        assert_eq!(ctx.cancel_reason(), None);
        // An error ends the attempt.
        ctx.log("x".repeat(5_000)).await?;
        Ok(())
    });
    let worker = Running::start(Worker::builder(&queue).handler_for("k", handler));
    let id = submit(&queue, eager("{}").max_attempts(1).unwrap()).await;
    let job = wait_until(&queue, id, JobState::Failed).await;
    let said = job.progress.as_ref().unwrap();
    assert_eq!((said.percent, said.message.as_str()), (90, "nearly"));
    let lines = queue.logs(id, 0, 1_000).await.unwrap().lines;
    assert_eq!((lines.len(), lines[250].text.as_str()), (251, "249"));
    let message = "lines[0]: must be at most 4096 bytes";
    assert_eq!(job.error.unwrap().message, message);
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn a_report_that_comes_too_late_tells_the_attempt_to_end() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let taken_away = Arc::new(Notify::new());
    let go = taken_away.clone();
    let handler = raw(move |ctx: Context| {
        let go = go.clone();
        async move {
            if ctx.crash_count() > 0 {
                return Ok(());
            }
            go.notified().await;
            let refused = ctx.log("late").await.unwrap_err();
            assert_eq!(refused.code(), Code::LeaseLost);
            assert_eq!(ctx.cancel_reason(), Some(CancelReason::LeaseLost));
            ctx.cancelled().await;
            Err(AttemptError::fail("of no effect"))
        }
    });
    let worker = Running::start(Worker::builder(&queue).handler_for("k", handler));
    let id = submit(&queue, eager("{}")).await;
    wait_until(&queue, id, JobState::Active).await;
    let expire = format!(
        "redis.call('ZADD', 'jf:{{{}/default}}:active', 'XX', 1, {}) return 1",
        queue.config().namespace,
        lua_bytes(id)
    );
    // The worker itself may be faster, and may extend the lease in between.
    wait_for("the lease to be taken away", async || {
        assert_eq!(redis.cli(&["EVAL", &expire, "0"]).trim(), "1");
        queue.reap(&QueueName::default()).await.unwrap();
        (queue.get(id).await.unwrap().crash_count == 1).then_some(())
    })
    .await;
    taken_away.notify_one();
    let job = wait_until(&queue, id, JobState::Completed).await;
    assert_eq!((job.attempt, job.crash_count), (1, 1));
    assert!(queue.logs(id, 0, 10).await.unwrap().lines.is_empty());
    let stats = worker.stop().await;
    assert_eq!((stats.completed.get(), stats.lease_lost.get()), (1, 1));
    assert_eq!((stats.panics.get(), stats.failed.get()), (0, 0));
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_simulation_says_how_far_it_has_come() {
    let queue = TestQueue::new();
    let spec: HandlerSpec = "simulate:8ms,progress,log".parse().unwrap();
    let worker = Running::start(Worker::builder(&queue).handler_for("k", spec.handler()));
    let id = submit(&queue, eager("{}")).await;
    let job = wait_until(&queue, id, JobState::Completed).await;
    assert_eq!(job.progress.unwrap().percent, 100);
    let lines = queue.logs(id, 0, 10).await.unwrap().lines;
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[3].text, "step 4 of 4 is done");
    worker.stop().await;
    queue.close().await;
}
