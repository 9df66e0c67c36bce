//! What is stored of bulk operations for all their queues: a record each, written
//! once, and an end, written once.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use uuid::Uuid;

use super::{
    BulkAction, BulkFailure, BulkOperation, BulkState, BulkTarget, KEPT, MAX_KEPT, NewBulk,
};
use crate::error::{Error, Result, quoted};
use crate::job::{JobId, StoreTime};
use crate::keys;
use crate::partition::Partition;
use crate::queue::reach::is_out_of_reach;
use crate::queue::{JobCount, JobQueue};

/// The stored form of an operation.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Record {
    #[prost(uint32, tag = "1")]
    pub(super) action: u32,
    #[prost(string, tag = "2")]
    pub(super) filter: String,
    #[prost(string, tag = "3")]
    pub(super) reason: String,
    #[prost(double, tag = "4")]
    pub(super) rate: f64,
    #[prost(uint64, tag = "5")]
    pub(super) total: u64,
    #[prost(bool, tag = "6")]
    pub(super) total_complete: bool,
    #[prost(uint64, tag = "7")]
    pub(super) created_ms: u64,
    #[prost(string, tag = "8")]
    pub(super) request_entry: String,
    /// The partitions that it goes through, in this order.
    #[prost(string, repeated, tag = "9")]
    pub(super) queues: Vec<String>,
    /// One of ids: those of each partition, 16 bytes each.
    #[prost(btree_map = "string, bytes", tag = "10")]
    pub(super) ids: BTreeMap<String, Vec<u8>>,
    /// Those that no queue had.
    #[prost(bytes = "vec", tag = "11")]
    pub(super) missing: Vec<u8>,
    /// It is one of ids.
    #[prost(bool, tag = "12")]
    pub(super) by_ids: bool,
}

/// How an operation ended, and what it had done by then: the queues that knew
/// may be deleted.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct End {
    #[prost(bool, tag = "1")]
    stopped: bool,
    #[prost(uint64, tag = "2")]
    finished_ms: u64,
    #[prost(uint64, tag = "3")]
    changed: u64,
    #[prost(uint64, tag = "4")]
    skipped: u64,
}

const ACTIONS: [BulkAction; 4] = [
    BulkAction::Cancel,
    BulkAction::Retry,
    BulkAction::Delete,
    BulkAction::Promote,
];

impl Record {
    pub(super) fn new(new: &NewBulk) -> Self {
        let number = ACTIONS.iter().position(|action| *action == new.action);
        Self {
            action: number
                .and_then(|at| u32::try_from(at).ok())
                .unwrap_or_default(),
            filter: match &new.target {
                BulkTarget::Filter(filter) => filter.to_string(),
                BulkTarget::Ids(_) => String::new(),
            },
            by_ids: matches!(new.target, BulkTarget::Ids(_)),
            reason: new.reason.clone(),
            rate: new.rate,
            request_entry: new.request_id.map(keys::request_entry).unwrap_or_default(),
            ..Self::default()
        }
    }

    pub(super) const fn set_total(&mut self, total: JobCount) {
        self.total = total.count;
        self.total_complete = total.complete;
    }

    /// The ids by their queues, those that are nowhere under `None`.
    pub(super) fn set_ids(&mut self, placed: BTreeMap<Option<Partition>, Vec<JobId>>) {
        for (queue, ids) in placed {
            let bytes: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
            match queue {
                None => self.missing = bytes,
                Some(queue) => {
                    self.total += ids.len() as u64;
                    self.queues.push(queue.to_string());
                    self.ids.insert(queue.to_string(), bytes);
                }
            }
        }
        self.total_complete = true;
    }

    pub(super) fn action(&self) -> BulkAction {
        let at = usize::try_from(self.action).unwrap_or(usize::MAX);
        ACTIONS.get(at).copied().unwrap_or(BulkAction::Cancel)
    }

    pub(super) fn operation(&self, id: String, end: Option<End>) -> BulkOperation {
        let missing = self.missing.chunks(16).filter_map(JobId::from_slice);
        let failures: Vec<_> = missing
            .map(|id| BulkFailure {
                id,
                reason: "JOB_NOT_FOUND".to_owned(),
            })
            .collect();
        BulkOperation {
            id,
            action: self.action(),
            filter: self.filter.clone(),
            reason: self.reason.clone(),
            rate: self.rate,
            state: match end {
                None => BulkState::Running,
                Some(End { stopped: true, .. }) => BulkState::Stopped,
                Some(_) => BulkState::Done,
            },
            total: JobCount {
                count: self.total,
                complete: self.total_complete,
            },
            changed: end.map_or(0, |end| end.changed),
            skipped: end.map_or(0, |end| end.skipped).max(failures.len() as u64),
            created: (self.created_ms > 0).then_some(StoreTime(self.created_ms)),
            finished: end.map(|end| StoreTime(end.finished_ms)),
            failures,
            unreachable: Vec::new(),
        }
    }
}

impl JobQueue {
    /// The record, and the end if it has one.
    pub(super) async fn read_bulk(&self, id: &str) -> Result<(Record, Option<End>)> {
        let not_found = || Error::BulkOperationNotFound {
            id: quoted(id).to_owned(),
        };
        let uuid = Uuid::try_parse(id).map_err(|_| not_found())?;
        let found = self.read_bulks(&[uuid]).await?;
        found.into_iter().next().flatten().ok_or_else(not_found)
    }

    pub(super) async fn read_bulks(
        &self,
        ids: &[Uuid],
    ) -> Result<Vec<Option<(Record, Option<End>)>>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = ::redis::cmd("HMGET");
        get.arg(keys::bulks(&self.core.config.namespace));
        for id in ids {
            get.arg(id.to_string()).arg(keys::bulk_end(id));
        }
        let fields: Vec<Option<Bytes>> = self.core.store.run(&get).await?;
        let pairs = fields.chunks_exact(2).map(|pair| {
            let record = Record::decode(pair[0].clone()?).ok()?;
            let end = pair[1].clone().and_then(|end| End::decode(end).ok());
            Some((record, end))
        });
        Ok(pairs.collect())
    }

    /// The ids of all operations, the oldest first.
    pub(super) async fn bulk_ids(&self) -> Result<Vec<Uuid>> {
        let mut fields = ::redis::cmd("HKEYS");
        fields.arg(keys::bulks(&self.core.config.namespace));
        let fields: Vec<String> = self.core.store.run(&fields).await?;
        let parsed = fields.iter().map(|field| Uuid::try_parse(field));
        let mut ids: Vec<_> = parsed.filter_map(|id| id.ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Stores a new operation and returns its id: that of the first one under
    /// the same request id.
    pub(super) async fn store_bulk(
        &self,
        record: &Record,
        request_id: Option<Uuid>,
    ) -> Result<String> {
        let (store, namespace) = (&self.core.store, &self.core.config.namespace);
        let bulks = keys::bulks(namespace);
        let mut id = Uuid::now_v7().to_string();
        if request_id.is_some() {
            let mut take = ::redis::pipe();
            take.hset_nx(&bulks, &record.request_entry, &id).ignore();
            store.run_pipeline(&take).await?;
            crate::failpoint!("bulk.named");
            let mut get = ::redis::cmd("HGET");
            get.arg(&bulks).arg(&record.request_entry);
            id = store.run(&get).await?;
        }
        let mut both = ::redis::pipe();
        both.atomic()
            .hset_nx(&bulks, &id, record.encode_to_vec())
            .ignore()
            .sadd(keys::running_bulks(namespace), &id)
            .ignore();
        store.run_pipeline(&both).await?;
        crate::failpoint!("bulk.stored");
        Ok(id)
    }

    /// Ends an operation, unless it has ended before.
    pub(super) async fn end_bulk(&self, operation: &BulkOperation, state: BulkState) -> Result<()> {
        let namespace = &self.core.config.namespace;
        let end = End {
            stopped: state == BulkState::Stopped,
            finished_ms: self.core.now().await?.0,
            changed: operation.changed,
            skipped: operation.skipped,
        };
        let mut both = ::redis::pipe();
        both.atomic()
            .hset_nx(
                keys::bulks(namespace),
                keys::bulk_end(&operation.id),
                end.encode_to_vec(),
            )
            .ignore()
            .srem(keys::running_bulks(namespace), &operation.id)
            .ignore();
        self.core.store.run_pipeline(&both).await
    }

    /// Forgets operations that ended long ago, and the oldest where there are too many.
    pub(super) async fn prune_bulks(&self) -> Result<()> {
        let ids = self.bulk_ids().await?;
        let now = self.core.now().await?;
        let mut left = ids.len();
        for (id, found) in ids.iter().zip(self.read_bulks(&ids).await?) {
            let Some((record, Some(end))) = found else {
                continue;
            };
            let age = now.since(StoreTime(end.finished_ms));
            if age > KEPT || left >= MAX_KEPT {
                match self.forget_bulk(*id, &record).await {
                    Ok(()) => left -= 1,
                    // It is forgotten when all of its partitions are there again.
                    Err(error) if is_out_of_reach(&error) => {
                        tracing::debug!(%id, %error, "an old bulk operation is kept for now");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if left >= MAX_KEPT {
            return Err(Error::invalid(
                "action",
                format!("can not be started: {left} operations run already"),
            ));
        }
        Ok(())
    }

    async fn forget_bulk(&self, id: Uuid, record: &Record) -> Result<()> {
        let namespace = &self.core.config.namespace;
        let (id, bulks) = (id.to_string(), keys::bulks(namespace));
        for queue in &record.queues {
            let keys = self.core.keys(&Partition::parse(queue)?);
            let mut fields = ::redis::cmd("HDEL");
            fields.arg(keys.bulk());
            for field in ["cursor", "changed", "skipped", "failures"] {
                fields.arg(keys::bulk_field(&id, field));
            }
            self.core.store.run::<()>(&fields).await?;
        }
        let mut fields = ::redis::cmd("HDEL");
        fields.arg(bulks).arg(&id).arg(keys::bulk_end(&id));
        if !record.request_entry.is_empty() {
            fields.arg(&record.request_entry);
        }
        self.core.store.run(&fields).await
    }
}
