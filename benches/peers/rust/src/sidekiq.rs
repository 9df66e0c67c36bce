//! `rusty-sidekiq`. It has no call for many jobs.

use anyhow::Result;
use async_trait::async_trait;
use sidekiq::{Processor, ProcessorConfig, RedisConnectionManager, RedisPool, Worker};

use crate::measure::{Email, Peer, ran};

#[derive(Clone)]
pub struct Sidekiq(RedisPool);

#[derive(Clone)]
struct SendEmail;

#[async_trait]
impl Worker<Email> for SendEmail {
    async fn perform(&self, email: Email) -> sidekiq::Result<()> {
        ran(&email);
        Ok(())
    }
}

impl Peer for Sidekiq {
    const NAME: &str = "rusty-sidekiq";

    async fn connect(url: &str) -> Result<Self> {
        let manager = RedisConnectionManager::new(url)?;
        // A connection for every caller and every slot.
        let pool = bb8::Pool::builder().max_size(128).build(manager).await?;
        Ok(Self(pool))
    }

    async fn submit(&self, email: Email) -> Result<()> {
        Ok(SendEmail::perform_async(&self.0, email).await?)
    }

    async fn submit_many(&self, _count: usize) -> Option<Result<()>> {
        None
    }

    async fn work(&self, concurrency: usize) -> Result<()> {
        let config = ProcessorConfig::default().num_workers(concurrency);
        let mut processor =
            Processor::new(self.0.clone(), vec!["default".into()]).with_config(config);
        processor.register(SendEmail);
        tokio::spawn(processor.run());
        Ok(())
    }
}
