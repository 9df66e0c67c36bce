//! What the tests share.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jobflow::testing::{TestRedis, fresh_namespace, wait_for};
use jobflow::{Backoff, JobId, JobQueue, JobRecord, JobResult, JobState, NewJob, QueueConfig};
use jobflow_worker::{
    AttemptError, Context, Handler, HandlerFuture, Worker, WorkerBuilder, WorkerStats,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A worker at work in this process.
pub(crate) struct Running {
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) stop: CancellationToken,
    pub(crate) life: JoinHandle<jobflow::Result<()>>,
}

impl Running {
    pub(crate) fn start(builder: WorkerBuilder) -> Self {
        Self::run(builder.build().unwrap())
    }

    pub(crate) fn run(worker: Worker) -> Self {
        let (stats, stop) = (worker.stats(), CancellationToken::new());
        let life = tokio::spawn(worker.run_until(stop.clone().cancelled_owned()));
        Self { stats, stop, life }
    }

    /// Stops it and waits for its end.
    pub(crate) async fn stop(self) -> Arc<WorkerStats> {
        self.stop.cancel();
        self.life.await.unwrap().unwrap();
        self.stats
    }
}

/// A queue on a server of the test's own.
pub(crate) fn open(redis: &TestRedis) -> JobQueue {
    let config = QueueConfig {
        redis_url: redis.url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    };
    JobQueue::open(config).unwrap()
}

/// A job of kind `k` whose errored attempts are repeated at once.
pub(crate) fn eager(payload: &str) -> NewJob {
    let at_once = Backoff::new(Duration::ZERO, 1.0, Duration::ZERO).unwrap();
    NewJob::new("k", payload.to_owned())
        .unwrap()
        .backoff(at_once)
}

pub(crate) async fn submit(queue: &JobQueue, job: NewJob) -> JobId {
    queue.submit(job).await.unwrap().id
}

pub(crate) async fn wait_until(queue: &JobQueue, id: JobId, state: JobState) -> JobRecord {
    wait_for(&format!("job {id} to be {state}"), || async {
        queue.get(id).await.ok().filter(|job| job.state == state)
    })
    .await
}

pub(crate) fn error_of(job: &JobRecord) -> (&str, &str) {
    let error = job.error.as_ref().expect("the job has an error");
    (&error.code, &error.message)
}

/// The bytes of an id as a string of Lua.
pub(crate) fn lua_bytes(id: JobId) -> String {
    let bytes = id.as_bytes().map(|byte| format!("\\{byte:03}"));
    format!("'{}'", bytes.concat())
}

type Run = Pin<Box<dyn Future<Output = Result<Option<JobResult>, AttemptError>> + Send>>;

/// A handler of any payload.
pub(crate) struct Raw<F>(F);

impl<F, Fut> Handler for Raw<F>
where
    F: Fn(Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), AttemptError>> + Send + 'static,
{
    fn prepare(&self, ctx: Context) -> Result<HandlerFuture, AttemptError> {
        let run = (self.0)(ctx);
        let run: Run = Box::pin(async move { run.await.map(|()| None) });
        Ok(run)
    }
}

pub(crate) fn raw<F, Fut>(function: F) -> Arc<dyn Handler>
where
    F: Fn(Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), AttemptError>> + Send + 'static,
{
    Arc::new(Raw(function))
}
