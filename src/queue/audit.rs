//! Check that what is in Redis makes sense: a queue's invariants, from its keys alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;

use crate::error::Result;
use crate::job::{JobId, QueueName};
use crate::keys::{self, QueueKeys};
use crate::meta::Meta;
use crate::queue::JobQueue;
use crate::state::JobState;

/// Fields asked for in one step of a scan.
const STEP: usize = 1_000;

/// What an audit found.
#[derive(Debug, Clone, Default)]
pub struct AuditReport {
    /// Jobs looked at.
    pub jobs: usize,
    /// One sentence per violation; empty when all is well.
    pub problems: Vec<String>,
}

impl JobQueue {
    /// Reads every key of the namespace and checks that each job is in exactly
    /// one state, that no record belongs to no job, and that exactly the active
    /// jobs have a lease token. Takes many bounded steps, so what moves
    /// meanwhile may show up as a problem: quiet the namespace, or ask twice.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn audit(&self) -> Result<AuditReport> {
        let mut report = AuditReport::default();
        let queues = self.queues().await?;
        for queue in &queues {
            self.audit_queue(queue, &mut report).await?;
        }
        self.audit_keys(&queues, &mut report).await?;
        Ok(report)
    }

    async fn audit_queue(&self, queue: &QueueName, report: &mut AuditReport) -> Result<()> {
        let keys = self.core.keys(queue);
        let mut states = HashMap::<Bytes, JobState>::new();
        for state in JobState::ALL {
            for (id, _) in self.scan("ZSCAN", &keys.set_of(state)).await? {
                if let Some(other) = states.insert(id.clone(), state) {
                    report.problem(queue, &id, &format!("is both {other} and {state}"));
                }
            }
        }
        report.jobs += states.len();
        self.audit_columns(queue, &keys, &states, report).await
    }

    async fn audit_columns(
        &self,
        queue: &QueueName,
        keys: &QueueKeys,
        states: &HashMap<Bytes, JobState>,
        report: &mut AuditReport,
    ) -> Result<()> {
        let specs: HashSet<Bytes> = self
            .scan("HSCAN", keys.specs())
            .await?
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        let metas: BTreeMap<Bytes, Bytes> =
            self.scan("HSCAN", keys.meta()).await?.into_iter().collect();
        let results = self.scan("HSCAN", keys.results()).await?;
        for id in states.keys().filter(|id| !specs.contains(*id)) {
            report.problem(queue, id, "has a state but no spec");
        }
        let columns = [
            ("spec", specs.iter().collect::<Vec<_>>()),
            ("meta", metas.keys().collect()),
        ];
        for (column, ids) in columns
            .into_iter()
            .chain([("result", results.iter().map(|(id, _)| id).collect())])
        {
            for id in ids.into_iter().filter(|id| !states.contains_key(*id)) {
                report.problem(queue, id, &format!("has a {column} but no state"));
            }
        }
        let mut entries = HashMap::new();
        for (id, state) in states {
            match metas.get(id).map(|packed| Meta::unpack(packed)) {
                None if *state == JobState::Waiting => {}
                None => report.problem(queue, id, &format!("is {state} without a record")),
                Some(None) => report.problem(queue, id, "has a record that can not be read"),
                Some(Some(meta)) => {
                    if meta.token.is_some() != (*state == JobState::Active) {
                        report.problem(
                            queue,
                            id,
                            &format!("is {state} with token {:?}", meta.token),
                        );
                    }
                    entries.extend(meta.entry.map(|entry| (Bytes::from(entry), id.clone())));
                }
            }
        }
        let idem: HashMap<Bytes, Bytes> =
            self.scan("HSCAN", keys.idem()).await?.into_iter().collect();
        if idem != entries {
            let (stored, held) = (idem.len(), entries.len());
            report.problems.push(format!(
                "queue {queue}: {stored} idempotency entries, jobs hold {held} or others"
            ));
        }
        Ok(())
    }

    /// Nothing may lie in the namespace that no queue and no worker owns.
    async fn audit_keys(&self, queues: &[QueueName], report: &mut AuditReport) -> Result<()> {
        let namespace = &self.core.config.namespace;
        let mut known: HashSet<String> = queues
            .iter()
            .flat_map(|q| self.core.keys(q).all().to_vec())
            .collect();
        known.extend([keys::queues(namespace), keys::workers(namespace)]);
        let workers = keys::worker(namespace, "");
        for pattern in keys::pattern(namespace) {
            let mut cursor = 0_u64;
            loop {
                let mut scan = ::redis::cmd("SCAN");
                scan.arg(cursor)
                    .arg("MATCH")
                    .arg(&pattern)
                    .arg("COUNT")
                    .arg(STEP);
                let (next, found): (u64, Vec<String>) = self.core.store.run(&scan).await?;
                let strange = found
                    .into_iter()
                    .filter(|key| !known.contains(key) && !key.starts_with(&workers));
                report
                    .problems
                    .extend(strange.map(|key| format!("key {key} belongs to nobody")));
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// All fields and values of a hash, or members and scores of a sorted set.
    async fn scan(&self, command: &str, key: &str) -> Result<Vec<(Bytes, Bytes)>> {
        let (mut cursor, mut all) = (0_u64, HashMap::new());
        loop {
            let mut scan = ::redis::cmd(command);
            scan.arg(key).arg(cursor).arg("COUNT").arg(STEP);
            let (next, found): (u64, Vec<(Bytes, Bytes)>) = self.core.store.run(&scan).await?;
            // A scan may return an element twice.
            all.extend(found);
            cursor = next;
            if cursor == 0 {
                return Ok(all.into_iter().collect());
            }
        }
    }
}

impl AuditReport {
    fn problem(&mut self, queue: &QueueName, id: &[u8], what: &str) {
        let id = JobId::from_slice(id).map_or_else(|| format!("{id:?}"), |id| id.to_string());
        self.problems
            .push(format!("queue {queue}: job {id} {what}"));
    }
}
