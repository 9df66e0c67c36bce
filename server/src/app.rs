//! What every handler shares, and the calls that both edges make.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt;
use jobflow::{JobQueue, NewJob, Pulses, QueueConfig, Result, Submitted};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::auth::{CertificateTable, TokenTable};
use crate::calls::Calls;
use crate::config::{AuthMode, Config};
use crate::event_hub::EventHub;
use crate::health::Seen;
use crate::metrics_hub::{MetricsHub, Source};
use crate::store_watch::StoreWatch;
use crate::together::Together;
use crate::trace;

pub(crate) struct App {
    pub(crate) queue: JobQueue,
    pub(crate) store: StoreWatch,
    pub(crate) metrics: MetricsHub,
    pub(crate) events: EventHub,
    /// None where callers need no token.
    pub(crate) tokens: Option<TokenTable>,
    /// None where certificates say nothing of who somebody is.
    pub(crate) certificates: Option<CertificateTable>,
    pub(crate) calls: Calls,
    latest: Together<Result<Seen>>,
    /// The loops of this server.
    pub(crate) pulses: Pulses,
    pub(crate) started: SystemTime,
    pub(crate) stopping: CancellationToken,
}

impl App {
    pub(crate) fn open(config: &Config, stopping: &CancellationToken) -> Result<Arc<Self>> {
        let queue = JobQueue::open(QueueConfig {
            redis_url: config.redis_url.clone(),
            redis_access: config.redis_access.clone(),
            namespace: config.namespace.clone(),
            allow_eviction: config.allow_eviction,
            durability: config.durability,
            replicas: config.replicas,
            durability_timeout: config.durability_timeout,
            ..QueueConfig::default()
        })?;
        let store = StoreWatch::new(queue.clone());
        let tokens = match config.auth {
            AuthMode::None => None,
            AuthMode::Tokens => Some(TokenTable::open(
                queue.clone(),
                config.admin_token_file.clone(),
                config.calls,
            )?),
        };
        let certificates = config.tls_principals.clone();
        let certificates = certificates.map(|file| CertificateTable::open(file, config.calls));
        let pulses = Pulses::default();
        let (polled, watched) = (queue.clone(), store.clone());
        let source: Source = Box::new(move || look(polled.clone(), watched.clone()).boxed());
        Ok(Arc::new(Self {
            metrics: MetricsHub::new(
                Uuid::now_v7().to_string(),
                source,
                pulses.clone(),
                stopping.clone(),
            ),
            events: EventHub::new(queue.clone(), &pulses, stopping.clone()),
            tokens,
            certificates: certificates.transpose()?,
            calls: Calls::new(),
            latest: Together::new(),
            pulses,
            started: now(),
            stopping: stopping.clone(),
            queue,
            store,
        }))
    }

    /// Creates one job, if the store may be used.
    pub(crate) async fn submit(&self, job: NewJob) -> Result<Submitted> {
        self.store.admit().await?;
        jobflow::failpoint!("submit.admitted");
        let submitted = trace::submit(job, |job| self.queue.submit(job)).await;
        jobflow::failpoint!("submit.answers");
        submitted
    }

    /// Creates jobs with a verdict each, if the store may be used.
    pub(crate) async fn submit_batch(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Submitted>>> {
        self.store.admit().await?;
        let submitted = trace::submit_batch(jobs, |jobs| self.queue.submit_batch(jobs)).await;
        jobflow::failpoint!("submit.batch_answers");
        Ok(submitted)
    }

    /// Lets this server know at once what has changed about tokens.
    pub(crate) async fn know_tokens(&self) -> Result<()> {
        match &self.tokens {
            Some(tokens) => tokens.read_store().await,
            None => Ok(()),
        }
    }

    /// All numbers, not older than this call.
    pub(crate) async fn look(&self) -> Result<Seen> {
        let read = look(self.queue.clone(), self.store.clone());
        self.latest.ask(read).await
    }
}

async fn look(queue: JobQueue, store: StoreWatch) -> Result<Seen> {
    let snapshot = queue.snapshot().await?;
    Ok(Seen {
        snapshot,
        refusal: store.refusal(),
        memory: store.memory(),
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "when this process began is no matter of the store's clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
