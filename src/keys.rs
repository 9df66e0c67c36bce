//! Every Redis key and its hash tag. Nothing else spells a key.
//!
//! All keys of a queue carry the tag `{namespace/queue}`, so they live in one
//! Cluster slot and one script can touch them all; those of a further partition
//! carry `{namespace/queue/number}`. The keys of the namespace carry a tag of
//! their own.

use crate::job::{JobId, Namespace, QueueName};
use crate::partition::Partition;
use crate::state::JobState;

/// The columns and sets of one queue, in the order in which `lua/prelude.lua`
/// binds them. Their number does not depend on how many jobs there are.
pub(crate) const QUEUE_KEYS: [&str; 23] = [
    "specs",
    "meta",
    "results",
    "waiting",
    "active",
    "scheduled",
    "retrying",
    "blocked",
    "completed",
    "failed",
    "cancelled",
    "idem",
    "counters",
    "wake",
    "events",
    "config",
    "parked",
    "expiring",
    "tags",
    "progress",
    "logs",
    "history",
    "bulk",
];

/// What a queue keeps of the past, apart from [`QUEUE_KEYS`]: only the scripts that
/// look back touch them, and spell them from the prefix.
pub(crate) const KEPT_KEYS: [&str; 4] = ["seconds", "minutes", "hours", "measures"];

/// The keys of one queue, or of one partition of it.
#[derive(Debug, Clone)]
pub(crate) struct QueueKeys {
    prefix: String,
    all: [String; QUEUE_KEYS.len()],
}

impl QueueKeys {
    pub(crate) fn new(namespace: &Namespace, partition: &Partition) -> Self {
        let prefix = of_partition(namespace, partition, "");
        let all = QUEUE_KEYS.map(|name| format!("{prefix}{name}"));
        Self { prefix, all }
    }

    /// In the order that the scripts expect.
    pub(crate) fn all(&self) -> &[String] {
        &self.all
    }

    pub(crate) fn set_of(&self, state: JobState) -> String {
        format!("{}{state}", self.prefix)
    }

    pub(crate) fn specs(&self) -> &str {
        &self.all[0]
    }

    pub(crate) fn meta(&self) -> &str {
        &self.all[1]
    }

    pub(crate) fn results(&self) -> &str {
        &self.all[2]
    }

    pub(crate) fn idem(&self) -> &str {
        &self.all[11]
    }

    pub(crate) fn counters(&self) -> &str {
        &self.all[12]
    }

    pub(crate) fn wake(&self) -> &str {
        &self.all[13]
    }

    pub(crate) fn events(&self) -> &str {
        &self.all[14]
    }

    pub(crate) fn config(&self) -> &str {
        &self.all[15]
    }

    pub(crate) fn parked(&self) -> &str {
        &self.all[16]
    }

    pub(crate) fn expiring(&self) -> &str {
        &self.all[17]
    }

    pub(crate) fn tags(&self) -> &str {
        &self.all[18]
    }

    pub(crate) fn progress(&self) -> &str {
        &self.all[19]
    }

    pub(crate) fn logs(&self) -> &str {
        &self.all[20]
    }

    pub(crate) fn history(&self) -> &str {
        &self.all[21]
    }

    pub(crate) fn bulk(&self) -> &str {
        &self.all[22]
    }

    /// What is kept of the past, in the order of [`KEPT_KEYS`].
    pub(crate) fn kept(&self) -> [String; KEPT_KEYS.len()] {
        KEPT_KEYS.map(|name| format!("{}{name}", self.prefix))
    }

    /// The jobs that have a tag, by the time of their submit. Scripts spell
    /// it from the prefix, as there is one for each tag.
    pub(crate) fn tag(&self, tag: &str) -> String {
        format!("{}tag:{tag}", self.prefix)
    }
}

/// What a key of a namespace is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A column, set or list of this queue, or of a partition of it.
    Queue(Partition),
    /// The index of a tag in it.
    Tag(Partition, String),
    /// Of the namespace, of a worker or a bulk operation.
    Namespace,
    /// None of ours.
    Stray,
}

/// Reads a key that matches a [`pattern`] of the namespace.
pub(crate) fn read(namespace: &Namespace, key: &str) -> Found {
    let of_all =
        [layout, queues, workers, bulks, running_bulks, tokens, audit].map(|key| key(namespace));
    let of_one = [worker, running, signal, bulk_lock].map(|key| key(namespace, ""));
    if of_all.iter().any(|known| known == key) || of_one.iter().any(|start| key.starts_with(start))
    {
        return Found::Namespace;
    }
    let rest = key.strip_prefix(&format!("jf:{{{namespace}/"));
    let Some((queue, name)) = rest.and_then(|rest| rest.split_once("}:")) else {
        return Found::Stray;
    };
    match (Partition::parse(queue), name.strip_prefix("tag:")) {
        (Ok(first), None) if name == BELL && first.number() == 0 => Found::Queue(first),
        (Ok(queue), None) if QUEUE_KEYS.contains(&name) || KEPT_KEYS.contains(&name) => {
            Found::Queue(queue)
        }
        (Ok(queue), Some(tag)) => Found::Tag(queue, tag.to_owned()),
        _ => Found::Stray,
    }
}

/// A key of a queue's first partition; what all its keys begin with, for no part.
#[cfg(feature = "testing")]
pub(crate) fn of_queue(namespace: &Namespace, queue: &QueueName, part: &str) -> String {
    of_partition(namespace, &Partition::first(queue.clone()), part)
}

/// A key of a partition; what all its keys begin with, for no part.
fn of_partition(namespace: &Namespace, partition: &Partition, part: &str) -> String {
    format!("jf:{{{namespace}/{partition}}}:{part}")
}

/// What stands for the numbers of partitions that may have work, besides what a
/// queue has anyway.
const BELL: &str = "bell";

/// Where waiting workers hear which partitions of a queue may have work.
/// It shares a slot with the first one.
pub(crate) fn bell(namespace: &Namespace, queue: &QueueName) -> String {
    of_partition(namespace, &Partition::first(queue.clone()), BELL)
}

/// A part of a namespace that belongs to no queue.
pub(crate) fn of_namespace(namespace: &Namespace, part: &str) -> String {
    format!("jf:{{{namespace}}}:{part}")
}

/// Bulk operations: their records, how they ended, and the request ids of their starts.
pub(crate) fn bulks(namespace: &Namespace) -> String {
    of_namespace(namespace, "bulks")
}

/// The ids of bulk operations that are not over.
pub(crate) fn running_bulks(namespace: &Namespace) -> String {
    of_namespace(namespace, "bulks:running")
}

/// Which server runs a bulk operation; expires.
pub(crate) fn bulk_lock(namespace: &Namespace, id: &str) -> String {
    of_namespace(namespace, &format!("bulk:{id}"))
}

/// The field of a bulk operation's end.
pub(crate) fn bulk_end(id: impl std::fmt::Display) -> String {
    format!("{id}:end")
}

/// The field of a queue's `bulk` hash about an operation.
pub(crate) fn bulk_field(id: &str, field: &str) -> String {
    format!("{id}:{field}")
}

/// Of which layout the records are.
pub(crate) fn layout(namespace: &Namespace) -> String {
    of_namespace(namespace, "layout")
}

/// The set of known queues.
pub(crate) fn queues(namespace: &Namespace) -> String {
    of_namespace(namespace, "queues")
}

/// The workers by their last beat.
pub(crate) fn workers(namespace: &Namespace) -> String {
    of_namespace(namespace, "workers")
}

/// What one worker says of itself.
pub(crate) fn worker(namespace: &Namespace, id: &str) -> String {
    of_namespace(namespace, &format!("worker:{id}"))
}

/// The jobs that one worker runs, apart from what it says of itself: a list of
/// all workers does not need them.
pub(crate) fn running(namespace: &Namespace, id: &str) -> String {
    of_namespace(namespace, &format!("running:{id}"))
}

/// What one worker was told and has not done yet.
pub(crate) fn signal(namespace: &Namespace, id: &str) -> String {
    of_namespace(namespace, &format!("signal:{id}"))
}

/// The tokens of callers: records by their ids, and the hashes of their secrets.
pub(crate) fn tokens(namespace: &Namespace) -> String {
    of_namespace(namespace, "tokens")
}

/// The field of one secret of a token.
pub(crate) fn token_secret(id: &crate::token::TokenId, generation: u32) -> String {
    format!("{id}:{generation}")
}

/// What callers have changed, and what was refused to them: a stream.
pub(crate) fn audit(namespace: &Namespace) -> String {
    of_namespace(namespace, "audit")
}

/// The channel on which workers are told of jobs to end and of what to do.
pub(crate) fn control(namespace: &Namespace) -> String {
    of_namespace(namespace, "control")
}

/// Matches every key of a namespace, for the audit and for tests.
pub(crate) fn pattern(namespace: &Namespace) -> [String; 2] {
    [format!("jf:{{{namespace}/*"), of_namespace(namespace, "*")]
}

/// The idempotency entry of a caller's key; the prefixes keep the two kinds apart.
pub(crate) fn idempotency_entry(key: &str) -> String {
    format!("k:{key}")
}

/// The idempotency entry of a request id.
pub(crate) fn request_entry(request_id: uuid::Uuid) -> String {
    format!("r:{}", request_id.simple())
}

/// The caller's key of an entry; `None` for a request id's.
pub(crate) fn key_of_entry(entry: &str) -> Option<&str> {
    entry.strip_prefix("k:")
}

/// Where a job of this id can be.
pub(crate) fn candidates(id: JobId, all: &[Partition]) -> impl Iterator<Item = &Partition> {
    all.iter().filter(move |partition| partition.may_have(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prelude_binds_the_keys_in_this_order() {
        let prelude = include_str!("lua/prelude.lua");
        let bound = prelude
            .split_once("local ")
            .and_then(|(_, rest)| rest.split_once(" = unpack(KEYS)"))
            .map(|(names, _)| names.split(',').map(str::trim).collect::<Vec<_>>())
            .unwrap();
        assert_eq!(bound, QUEUE_KEYS);
    }

    #[test]
    fn a_key_is_read_back() {
        let (namespace, mail) = (Namespace::default(), QueueName::new("mail").unwrap());
        for number in [0, 7] {
            let part = Partition::new(mail.clone(), number);
            let keys = QueueKeys::new(&namespace, &part);
            for key in keys.all().iter().chain(&keys.kept()) {
                assert_eq!(read(&namespace, key), Found::Queue(part.clone()), "{key}");
            }
            let tag = Found::Tag(part, "a}:b".to_owned());
            assert_eq!(read(&namespace, &keys.tag("a}:b")), tag);
        }
        let bell = bell(&namespace, &mail);
        assert_eq!(
            read(&namespace, &bell),
            Found::Queue(Partition::first(mail))
        );
        for key in [
            queues(&namespace),
            bulks(&namespace),
            worker(&namespace, "w"),
        ] {
            assert_eq!(read(&namespace, &key), Found::Namespace, "{key}");
        }
        for key in [
            "jf:{default/mail}:other",
            "jf:{default}:other",
            "jf:{default/ }:meta",
            "jf:{default/mail/0}:meta",
            "jf:{default/mail/1}:bell",
        ] {
            assert_eq!(read(&namespace, key), Found::Stray, "{key}");
        }
    }

    #[test]
    fn all_keys_of_a_queue_share_one_tag() {
        let mail = Partition::first(QueueName::new("mail").unwrap());
        let keys = QueueKeys::new(&Namespace::default(), &mail);
        assert!(
            keys.all()
                .iter()
                .all(|key| key.starts_with("jf:{default/mail}:"))
        );
        for state in JobState::ALL {
            assert!(keys.all().contains(&keys.set_of(state)), "{state}");
        }
    }
}
