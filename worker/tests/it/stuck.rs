use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jobflow::testing::{PATIENCE, TestQueue, wait_for};
use jobflow::{JobQueue, JobState, NewJob};
use jobflow_worker::{Context, Handler, Worker};

use crate::support::{Running, eager, error_of, raw, submit, wait_until};

/// Blocks its thread until it is let go, whatever its context says.
fn blocking(let_go: &Arc<AtomicBool>) -> Arc<dyn Handler> {
    let let_go = let_go.clone();
    raw(move |ctx: Context| {
        let let_go = let_go.clone();
        async move {
            let deadline = Instant::now() + PATIENCE;
            while ctx.payload() == "blocks" && !let_go.load(Ordering::SeqCst) {
                assert!(Instant::now() < deadline, "the handler was not let go");
                thread::yield_now();
            }
            Ok(())
        }
    })
}

fn blocks() -> NewJob {
    let job = eager("blocks").max_attempts(1).unwrap();
    job.timeout(Duration::from_millis(50)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_handler_that_ignores_its_timeout_frees_its_slot_and_is_counted() {
    let queue = TestQueue::new();
    let let_go = Arc::new(AtomicBool::new(false));
    let worker = Worker::builder(&queue).concurrency(1);
    let worker = worker.handler_for("k", blocking(&let_go)).build().unwrap();
    let health = worker.health();
    let worker = Running::run(worker);
    let stuck = submit(&queue, blocks()).await;
    let next = submit(&queue, eager("passes")).await;
    // There is one slot, and the handler is still in its loop.
    wait_until(&queue, next, JobState::Completed).await;
    let job = queue.get(stuck).await.unwrap();
    assert_eq!((job.state, error_of(&job).0), (JobState::Failed, "TIMEOUT"));
    let report = health.report();
    assert_eq!((report.status, report.stuck_handlers), ("SERVING", 1));
    let_go.store(true, Ordering::SeqCst);
    wait_for("the handler to end", async || {
        (health.report().stuck_handlers == 0).then_some(())
    })
    .await;
    let stats = worker.stop().await;
    // On a machine that is busy enough the attempt is ended from outside, as below.
    assert_eq!((stats.stuck.get(), stats.timeouts.get()), (1, 1));
    assert_eq!(stats.errored.get(), 1);
    queue.close().await;
}

/// On one runtime thread, which the handler blocks: nothing else of the worker runs.
#[tokio::test(flavor = "current_thread")]
async fn jobs_do_not_stay_with_a_worker_whose_threads_are_all_blocked() {
    let queue = TestQueue::new();
    let let_go = Arc::new(AtomicBool::new(false));
    let stuck = submit(&queue, blocks()).await;
    let (config, lets_go) = (queue.config().clone(), let_go.clone());
    let watch = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let job = runtime.block_on(async {
            let queue = JobQueue::open(config).unwrap();
            wait_until(&queue, stuck, JobState::Failed).await
        });
        lets_go.store(true, Ordering::SeqCst);
        job
    });
    let worker = Worker::builder(&queue).handler_for("k", blocking(&let_go));
    let worker = Running::start(worker);
    wait_until(&queue, stuck, JobState::Failed).await;
    let job = watch.join().unwrap();
    assert_eq!(error_of(&job).0, "TIMEOUT");
    // Its own end comes too late.
    let late = submit(&queue, eager("passes")).await;
    wait_until(&queue, late, JobState::Completed).await;
    let stats = worker.stop().await;
    assert_eq!((stats.timeouts.get(), stats.lease_lost.get()), (1, 1));
    queue.close().await;
}
