//! Check that what is in Redis makes sense: a queue's invariants, from its keys alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;

use crate::error::Result;
use crate::job::JobId;
use crate::keys::{self, QueueKeys};
use crate::meta::Meta;
use crate::outcome::{self, Stored};
use crate::partition::{MAX_PARTITIONS, Partition};
use crate::queue::JobQueue;
use crate::spec::Spec;
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
        let queues = self.core.known_partitions().await?;
        let mut indexes = HashSet::new();
        for queue in &queues {
            indexes.extend(self.audit_queue(queue, &mut report).await?);
        }
        self.audit_keys(&queues, indexes, &mut report).await?;
        Ok(report)
    }

    /// Returns the keys of the queue's tags.
    async fn audit_queue(
        &self,
        queue: &Partition,
        report: &mut AuditReport,
    ) -> Result<HashSet<String>> {
        let keys = self.core.keys(queue);
        let mut states = HashMap::<Bytes, JobState>::new();
        for state in JobState::ALL {
            for (id, _) in self.scan("ZSCAN", &keys.set_of(state)).await? {
                if let Some(other) = states.insert(id.clone(), state) {
                    report.problem(queue, &id, &format!("is both {other} and {state}"));
                }
            }
        }
        for (id, _) in self.scan("ZSCAN", keys.parked()).await? {
            // A job of a paused kind waits, only elsewhere.
            if let Some(other) = states.insert(id.clone(), JobState::Waiting) {
                report.problem(queue, &id, &format!("is both {other} and parked"));
            }
        }
        report.jobs += states.len();
        self.audit_columns(queue, &keys, &states, report).await?;
        self.audit_reports(queue, &keys, &states, report).await?;
        self.audit_tags(queue, &keys, report).await
    }

    /// What handlers said must belong to a job.
    async fn audit_reports(
        &self,
        queue: &Partition,
        keys: &QueueKeys,
        states: &HashMap<Bytes, JobState>,
        report: &mut AuditReport,
    ) -> Result<()> {
        for (column, key) in [("progress", keys.progress()), ("log", keys.logs())] {
            for (field, _) in self.scan("HSCAN", key).await? {
                // The fields of a log are its job's id, and some with a byte behind it.
                let id = field.slice(..field.len().min(JobId::BYTES));
                if !states.contains_key(&id) {
                    report.problem(queue, &id, &format!("has a {column} but no state"));
                }
            }
        }
        Ok(())
    }

    async fn audit_columns(
        &self,
        queue: &Partition,
        keys: &QueueKeys,
        states: &HashMap<Bytes, JobState>,
        report: &mut AuditReport,
    ) -> Result<()> {
        let metas: BTreeMap<Bytes, Bytes> =
            self.scan("HSCAN", keys.meta()).await?.into_iter().collect();
        let specs = self.scan("HSCAN", keys.specs()).await?;
        let specs: HashMap<_, _> = specs.into_iter().collect();
        for (id, state) in states.iter().filter(|(id, _)| !specs.contains_key(*id)) {
            if *state != JobState::Failed || !self.is_set_aside(keys, id).await? {
                report.problem(queue, id, "has a state but no spec");
            }
        }
        for (column, command, key) in [
            ("spec", "HSCAN", keys.specs()),
            ("meta", "HSCAN", keys.meta()),
            ("result", "HSCAN", keys.results()),
            ("tags", "HSCAN", keys.tags()),
            ("history", "HSCAN", keys.history()),
            ("start limit", "ZSCAN", keys.expiring()),
        ] {
            let ids = self.scan(command, key).await?.into_iter().map(|(id, _)| id);
            for id in ids.filter(|id| !states.contains_key(id)) {
                report.problem(queue, &id, &format!("has a {column} but no state"));
            }
        }
        let due = self
            .scan("ZSCAN", &keys.set_of(JobState::Scheduled))
            .await?;
        let due: HashMap<_, _> = due.into_iter().collect();
        let mut entries = HashMap::new();
        for (id, state) in states {
            match metas.get(id).map(|packed| Meta::unpack(packed)) {
                None if *state == JobState::Waiting => {}
                None if *state == JobState::Scheduled
                    && due.get(id).is_some_and(|due| says_when(specs.get(id), due)) => {}
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

    /// Whether a job failed because it can not be read.
    async fn is_set_aside(&self, keys: &QueueKeys, id: &[u8]) -> Result<bool> {
        let mut get = ::redis::cmd("HGET");
        let get = get.arg(keys.results()).arg(id);
        let stored: Option<Bytes> = self.core.store.run(get).await?;
        let stored = stored.and_then(|stored| outcome::decode(&stored));
        Ok(matches!(stored, Some(Stored::Error(error)) if error.code == "CORRUPT_RECORD"))
    }

    /// Each tag's index must hold exactly the jobs whose tags name it. Returns
    /// the keys of the indexes that there should be.
    async fn audit_tags(
        &self,
        queue: &Partition,
        keys: &QueueKeys,
        report: &mut AuditReport,
    ) -> Result<HashSet<String>> {
        let mut wanted = BTreeMap::<String, HashSet<Bytes>>::new();
        for (id, joined) in self.scan("HSCAN", keys.tags()).await? {
            for tag in String::from_utf8_lossy(&joined).lines() {
                wanted.entry(tag.to_owned()).or_default().insert(id.clone());
            }
        }
        let mut indexes = HashSet::new();
        for (tag, ids) in wanted {
            let key = keys.tag(&tag);
            let index = self.scan("ZSCAN", &key).await?;
            indexes.insert(key);
            if index.into_iter().map(|(id, _)| id).collect::<HashSet<_>>() != ids {
                let problem = format!("queue {queue}: the index of tag {tag} is not right");
                report.problems.push(problem);
            }
        }
        Ok(indexes)
    }

    /// Nothing may lie in the namespace that no queue and no worker owns.
    async fn audit_keys(
        &self,
        queues: &[Partition],
        indexes: HashSet<String>,
        report: &mut AuditReport,
    ) -> Result<()> {
        let namespace = &self.core.config.namespace;
        let mut known = indexes;
        for queue in queues {
            let keys = self.core.keys(queue);
            known.extend(keys.all().iter().cloned().chain(keys.kept()));
        }
        known.extend(queues.iter().map(|q| keys::bell(namespace, q.queue())));
        // Of a partition that has gone its spread stays.
        let firsts = queues.iter().filter(|q| q.number() == 0);
        known.extend(firsts.flat_map(|first| {
            let numbers = 1..MAX_PARTITIONS;
            let of = |number| Partition::new(first.queue().clone(), number);
            numbers.map(move |n| QueueKeys::new(namespace, &of(n)).config().to_owned())
        }));
        known.extend([keys::queues(namespace), keys::workers(namespace)]);
        known.extend([keys::layout, keys::bulks, keys::running_bulks].map(|key| key(namespace)));
        known.extend([keys::tokens(namespace), keys::audit(namespace)]);
        let of_one = [keys::worker, keys::running, keys::signal, keys::bulk_lock]
            .map(|key| key(namespace, ""));
        let mut names = self.core.key_names(STEP).await?;
        while let Some(found) = names.next(&self.core).await? {
            let strange = found.into_iter().filter(|key| {
                let is_of_one = of_one.iter().any(|start| key.starts_with(start));
                !known.contains(key) && !is_of_one
            });
            report
                .problems
                .extend(strange.map(|key| format!("key {key} belongs to nobody")));
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
    fn problem(&mut self, queue: &Partition, id: &[u8], what: &str) {
        let id = JobId::from_slice(id).map_or_else(|| format!("{id:?}"), |id| id.to_string());
        self.problems
            .push(format!("queue {queue}: job {id} {what}"));
    }
}

/// Whether a spec says that its job is due at this score, as a record would.
fn says_when(spec: Option<&Bytes>, score: &Bytes) -> bool {
    let spec = spec.and_then(|spec| Spec::decode(spec.clone()));
    let run_at = spec.and_then(|spec| spec.run_at);
    run_at.is_some_and(|run_at| run_at.0.to_string().as_bytes() == score)
}
