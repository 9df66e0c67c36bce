//! `apalis` on `apalis-redis`. It never finishes a drain of 10,000 or more.

use std::time::Duration;

use anyhow::{Error, Result};
use apalis::prelude::*;
use apalis_redis::{Config, RedisStorage};

use crate::measure::{Email, Peer, ran};

#[derive(Clone)]
pub struct Apalis(RedisStorage<Email>);

async fn handle(email: Email) -> Result<(), BoxDynError> {
    ran(&email);
    Ok(())
}

impl Peer for Apalis {
    const NAME: &str = "apalis-redis";

    async fn connect(url: &str) -> Result<Self> {
        // It looks for jobs once per heartbeat, 30 s by default: shorter ones
        // than this make it slower. Without events it is at its best.
        let config = Config::default()
            .batch_size(100)
            .emit_events(false)
            .heartbeat_interval(Duration::from_millis(50))
            .missed_heartbeats(200);
        let connection = apalis_redis::connect(url).await?;
        Ok(Self(RedisStorage::new(connection).with_config(config)))
    }

    async fn submit(&self, email: Email) -> Result<()> {
        let mut storage = self.0.clone();
        storage.push(email).await.map_err(told)
    }

    async fn submit_many(&self, count: usize) -> Option<Result<()>> {
        let mut storage = self.0.clone();
        let pushed = storage.push_bulk(vec![Email::new(); count]).await;
        Some(pushed.map_err(told))
    }

    async fn work(&self, concurrency: usize) -> Result<()> {
        let worker = WorkerBuilder::new("bench")
            .backend(self.0.clone())
            .concurrency(concurrency)
            .build(handle);
        tokio::spawn(worker.run());
        Ok(())
    }
}

fn told(error: impl std::fmt::Debug) -> Error {
    anyhow::anyhow!("{error:?}")
}
