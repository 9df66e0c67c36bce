//! Every Redis key and its hash tag. Nothing else spells a key.
//!
//! All keys of a queue carry the tag `{namespace/queue}`, so they live in one
//! Cluster slot and one script can touch them all. The keys of the namespace
//! carry a tag of their own.

use crate::job::{JobId, Namespace, QueueName};
use crate::state::JobState;

/// The columns and sets of one queue, in the order in which `lua/prelude.lua`
/// binds them. Their number does not depend on how many jobs there are.
pub(crate) const QUEUE_KEYS: [&str; 15] = [
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
];

/// The keys of one queue.
#[derive(Debug, Clone)]
pub(crate) struct QueueKeys {
    prefix: String,
    all: [String; QUEUE_KEYS.len()],
}

impl QueueKeys {
    pub(crate) fn new(namespace: &Namespace, queue: &QueueName) -> Self {
        let prefix = format!("jf:{{{namespace}/{queue}}}:");
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

    pub(crate) fn wake(&self) -> &str {
        &self.all[13]
    }

    pub(crate) fn events(&self) -> &str {
        &self.all[14]
    }
}

/// The set of known queues.
pub(crate) fn queues(namespace: &Namespace) -> String {
    format!("jf:{{{namespace}}}:queues")
}

/// The workers by their last beat.
pub(crate) fn workers(namespace: &Namespace) -> String {
    format!("jf:{{{namespace}}}:workers")
}

/// What one worker says of itself.
pub(crate) fn worker(namespace: &Namespace, id: &str) -> String {
    format!("jf:{{{namespace}}}:worker:{id}")
}

/// Matches every key of a namespace, for the audit and for tests.
pub(crate) fn pattern(namespace: &Namespace) -> [String; 2] {
    [
        format!("jf:{{{namespace}/*"),
        format!("jf:{{{namespace}}}:*"),
    ]
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

/// The queues that a job of this id can be in.
pub(crate) fn candidates(id: JobId, queues: &[QueueName]) -> impl Iterator<Item = &QueueName> {
    queues.iter().filter(move |queue| id.may_belong_to(queue))
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
    fn all_keys_of_a_queue_share_one_tag() {
        let keys = QueueKeys::new(&Namespace::default(), &QueueName::new("mail").unwrap());
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
