//! Look for damage in what is stored, and mend it.
//!
//! No script leaves damage behind, and none is left by a crash: it comes from
//! other programs that write to our keys, from files of Redis that were cut or
//! merged, and from mistakes of ours. The walk reads field by field; the
//! judgement on a job, and what mends it, is one step of the script `check`.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::error::Result;
use crate::job::{JobId, QueueName};
use crate::keys;
use crate::lua::{self, Call, MAX_JOBS};
use crate::partition::Partition;
use crate::queue::JobQueue;

/// What a step walks through, in the order in which jobs are judged where they
/// are found first; then the keys, and at last what is said of all jobs.
const SOURCES: [&str; 19] = [
    "specs",
    "waiting",
    "active",
    "scheduled",
    "retrying",
    "blocked",
    "completed",
    "failed",
    "cancelled",
    "parked",
    "meta",
    "results",
    "tags",
    "progress",
    "history",
    "expiring",
    "logs",
    "idem",
    "queue",
];
/// How much of the specs a step should read.
const STEP_BYTES: usize = 512 * 1024;
/// A scan can not stop at a job with a large payload, so it begins carefully.
const FIRST_SCAN: usize = 16;
/// The most damages that are told one by one.
const MOST_TOLD: usize = 1_000;
/// Keys asked for in one step.
const KEYS_STEP: usize = 1_000;

/// Whether damage is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// It is only told.
    No,
    /// It is mended and told.
    Yes,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What kind of damage.
    pub kind: DamageKind,
    /// Where; none for a key that belongs to no queue.
    pub queue: Option<QueueName>,
    /// Which job, where it is about one.
    pub job: Option<JobId>,
    /// What was found, one sentence.
    pub description: String,
    /// What was done about it; none when nothing was.
    pub done: Option<String>,
}

macro_rules! damage_kinds {
    ($($kind:ident $word:literal $sentence:literal,)+) => {
        /// The kinds of damage.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DamageKind {
            $(#[doc = $sentence] $kind,)+
        }

        impl DamageKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The stable word for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word),+ }
            }

            const fn sentence(self) -> &'static str {
                match self { $(Self::$kind => $sentence),+ }
            }
        }
    };
}

damage_kinds! {
    NoState "NO_STATE" "is in no state",
    TwoStates "TWO_STATES" "is in two states",
    LeftOver "LEFT_OVER" "is gone, and something of it was left",
    NoSpec "NO_SPEC" "has no spec",
    CorruptSpec "CORRUPT_SPEC" "has a spec that can not be read",
    CorruptRecord "CORRUPT_RECORD" "has a record that can not be read",
    NoRecord "NO_RECORD" "has no record",
    NoLease "NO_LEASE" "is active without a lease token",
    StrayToken "STRAY_TOKEN" "has a lease token and is not active",
    WrongScore "WRONG_SCORE" "is in the wrong place of its state",
    CounterBehind "COUNTER_BEHIND" "has a number that will be given again",
    ParkedForNothing "PARKED_FOR_NOTHING" "is parked though its kind is not paused",
    KeyLost "KEY_LOST" "does not hold its idempotency key",
    KeyOfNobody "KEY_OF_NOBODY" "is an idempotency key of no job",
    KeyUnknown "KEY_UNKNOWN" "is an idempotency key of which its job does not know",
    TagLost "TAG_LOST" "is not found by its tag",
    TagOfNobody "TAG_OF_NOBODY" "is found by a tag that it does not have",
    NextExpiryLost "NEXT_EXPIRY_LOST" "does not know when its next job is too late",
    NoWake "NO_WAKE" "has waiting jobs and wakes nobody",
    UnlistedQueue "UNLISTED_QUEUE" "is not in the list of queues",
    StrayKey "STRAY_KEY" "belongs to nobody; it is left alone",
}

impl DamageKind {
    /// What `check` calls it, in lower case.
    fn from_script(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|kind| kind.as_str().eq_ignore_ascii_case(word))
    }
}

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub(crate) jobs: usize,
    pub(crate) damages: Vec<Damage>,
    pub(crate) damaged: usize,
    pub(crate) unmended: usize,
    pub(crate) unlisted: BTreeSet<Partition>,
}

/// Next cursor, fields that were found and not judged, fields judged, bytes,
/// and field, word and what was done for each damage.
type Step = (u64, Vec<Bytes>, usize, usize, Vec<Bytes>);

impl JobQueue {
    /// Walks through all that is stored in the namespace.
    pub(crate) async fn look_for_damage(&self, mend: Mend) -> Result<Walked> {
        let mut walked = Walked::default();
        for queue in self.core.known_partitions().await? {
            self.walk_queue(&queue, mend, &mut walked).await?;
        }
        self.walk_keys(mend, &mut walked).await?;
        Ok(walked)
    }

    async fn walk_queue(&self, queue: &Partition, mend: Mend, walked: &mut Walked) -> Result<()> {
        for source in SOURCES {
            self.walk(queue, source, "", mend, walked).await?;
        }
        Ok(())
    }

    /// Walks through one column, set or index of a queue.
    async fn walk(
        &self,
        queue: &Partition,
        source: &str,
        tag: &str,
        mend: Mend,
        walked: &mut Walked,
    ) -> Result<()> {
        // A scan may return a field twice.
        let mut told = BTreeSet::new();
        let (mut cursor, mut size) = (0, FIRST_SCAN);
        loop {
            let begin = |cursor: u64| {
                let mut call = Call::new(&lua::CHECK, &self.core.keys(queue));
                call.arg(if mend == Mend::Yes { "mend" } else { "" });
                call.arg(source).arg(tag).arg(cursor).arg(size);
                call
            };
            let (next, left, mut judged, bytes, found) =
                begin(cursor).run::<Step>(&self.core.store).await?;
            walked.take(queue, source, &found, &mut told);
            for fields in left.chunks(MAX_JOBS) {
                let mut call = begin(0);
                for field in fields {
                    call.arg(&field[..]);
                }
                let (.., more, _, found) = call.run::<Step>(&self.core.store).await?;
                walked.take(queue, source, &found, &mut told);
                judged += more;
            }
            if source == SOURCES[0] {
                walked.jobs += judged;
            }
            let each = bytes / judged.max(1);
            size = (STEP_BYTES / each.max(1)).clamp(1, MAX_JOBS).min(2 * size);
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Looks at the names of all keys of the namespace: for the indexes of
    /// tags, for queues that are not listed, and for what is not ours.
    async fn walk_keys(&self, mend: Mend, walked: &mut Walked) -> Result<()> {
        let namespace = &self.core.config.namespace;
        let mut names = self.core.key_names(KEYS_STEP).await?;
        while let Some(found) = names.next(&self.core).await? {
            for key in found {
                match keys::read(namespace, &key) {
                    keys::Found::Namespace => {}
                    keys::Found::Tag(queue, tag) => {
                        self.walk(&queue, "tag", &tag, mend, walked).await?;
                    }
                    keys::Found::Queue(queue) => {
                        self.look_at_queue(queue, &key, mend, walked).await?;
                    }
                    keys::Found::Stray => walked.stray(&key),
                }
            }
        }
        Ok(())
    }

    /// A queue is listed before its first key is written, and deleted with all its keys.
    async fn look_at_queue(
        &self,
        queue: Partition,
        key: &str,
        mend: Mend,
        walked: &mut Walked,
    ) -> Result<()> {
        let store = &self.core.store;
        let set = keys::queues(&self.core.config.namespace);
        let mut listed = ::redis::cmd("SISMEMBER");
        listed.arg(&set).arg(queue.to_string());
        let mut exists = ::redis::cmd("EXISTS");
        exists.arg(key);
        // Of a partition that has gone its spread stays, for those who do not know yet.
        let is_gone = queue.number() > 0 && key == self.core.keys(&queue).config();
        if is_gone
            || walked.unlisted.contains(&queue)
            || store.run::<bool>(&listed).await?
            || !store.run::<bool>(&exists).await?
        {
            return Ok(());
        }
        let done = if mend == Mend::Yes {
            let mut add = ::redis::cmd("SADD");
            store
                .run::<()>(add.arg(&set).arg(queue.to_string()))
                .await?;
            Some("listed again".to_owned())
        } else {
            None
        };
        let kind = DamageKind::UnlistedQueue;
        walked.unlisted.insert(queue.clone());
        walked.tell(Damage {
            kind,
            job: None,
            description: format!("queue {queue} {}", kind.sentence()),
            queue: Some(queue.queue().clone()),
            done,
        });
        // Nobody has looked into it so far.
        self.walk_queue(&queue, mend, walked).await
    }
}

impl Walked {
    /// Takes in what one step found.
    fn take(
        &mut self,
        queue: &Partition,
        source: &str,
        found: &[Bytes],
        told: &mut BTreeSet<(Bytes, Bytes)>,
    ) {
        for damage in found.chunks_exact(3) {
            let [field, word, done] = [&damage[0], &damage[1], &damage[2]];
            let kind = DamageKind::from_script(&String::from_utf8_lossy(word));
            let Some(kind) = kind else {
                tracing::error!(?word, "check tells of a damage without a name");
                continue;
            };
            if told.len() < MOST_TOLD && !told.insert((field.clone(), word.clone())) {
                continue;
            }
            let done = Some(String::from_utf8_lossy(done).into_owned());
            self.tell(describe(
                kind,
                queue,
                source,
                field,
                done.filter(|done| !done.is_empty()),
            ));
        }
    }

    fn stray(&mut self, key: &str) {
        let kind = DamageKind::StrayKey;
        self.tell(Damage {
            kind,
            queue: None,
            job: None,
            description: format!("key {key} {}", kind.sentence()),
            done: None,
        });
    }

    fn tell(&mut self, damage: Damage) {
        self.damaged += 1;
        self.unmended += usize::from(damage.done.is_none());
        if let Some(done) = &damage.done {
            tracing::warn!(
                damage = damage.kind.as_str(),
                "{}: {done}",
                damage.description
            );
        }
        if self.damages.len() < MOST_TOLD {
            self.damages.push(damage);
        }
    }
}

fn describe(
    kind: DamageKind,
    queue: &Partition,
    source: &str,
    field: &Bytes,
    done: Option<String>,
) -> Damage {
    let what = kind.sentence();
    let printable = String::from_utf8_lossy(field);
    let (job, description) = match source {
        "queue" => (None, format!("queue {queue} {what}")),
        "idem" => {
            let key = keys::key_of_entry(&printable).map_or_else(
                || format!("request id {printable}"),
                |key| format!("`{key}`"),
            );
            (None, format!("queue {queue}: {key} {what}"))
        }
        _ => {
            // The fields of a log are its job's id, and some with a byte behind it.
            let id = JobId::from_slice(&field[..field.len().min(JobId::BYTES)]);
            let name = id.map_or_else(|| format!("`{printable}`"), |id| id.to_string());
            (id, format!("queue {queue}: job {name} {what}"))
        }
    };
    Damage {
        kind,
        queue: Some(queue.queue().clone()),
        job,
        description,
        done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_and_this_file_name_the_same_sources_and_damages() {
        let judge = include_str!("../lua/prelude_judge.lua");
        let told = judge.split("return '").skip(1);
        let told = told.filter_map(|rest| {
            let (word, rest) = rest.split_once('\'')?;
            rest.starts_with(", ").then_some(word)
        });
        let told: BTreeSet<_> = told.map(DamageKind::from_script).collect();
        let ours = DamageKind::ALL.iter().copied();
        let by_script =
            ours.filter(|kind| !matches!(kind, DamageKind::UnlistedQueue | DamageKind::StrayKey));
        assert_eq!(told, by_script.map(Some).collect());
        let script = include_str!("../lua/check.lua");
        let listed = script.split("{ '").skip(1);
        let listed = listed.filter_map(|rest| rest.split_once('\'').map(|(name, _)| name));
        let listed = listed.filter(|name| !name.is_empty());
        assert_eq!(listed.collect::<Vec<_>>(), SOURCES[..SOURCES.len() - 2]);
    }
}
