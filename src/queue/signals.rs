//! Tell workers what can not wait: that jobs are asked to cancel, and what an
//! operator wants of one worker.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::job::JobId;
use crate::keys;
use crate::lua::{self, Call};
use crate::queue::workers::{FORGET_AFTER, check_worker_id};
use crate::queue::{Core, JobQueue};
use crate::redis::Subscription;
use crate::spec::millis;

/// What an operator can tell a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkerSignal {
    /// Claim nothing more; what runs goes on.
    Quiet,
    /// Claim again.
    Resume,
    /// End as on SIGTERM.
    Stop,
}

impl WorkerSignal {
    /// Its word, as it stands in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Resume => "resume",
            Self::Stop => "stop",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Quiet, Self::Resume, Self::Stop]
            .into_iter()
            .find(|signal| signal.as_str() == word)
    }
}

/// What a worker hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlMessage {
    /// From now on this reader hears; what was said before may have been missed.
    Connected,
    /// Somebody asked for the end of these active jobs.
    CancelJobs(Vec<JobId>),
    /// An operator told a worker something.
    Signal {
        /// Which worker.
        worker: String,
        /// What.
        signal: WorkerSignal,
    },
}

impl ControlMessage {
    /// As it is published: `c` and 16 bytes for each job, or `s`, a word, a
    /// space and the worker's id. `None` for what is neither.
    pub(crate) fn decode(message: &[u8]) -> Option<Self> {
        let (letter, rest) = message.split_first()?;
        match letter {
            b'c' if !rest.is_empty() && rest.len().is_multiple_of(JobId::BYTES) => {
                let ids = rest
                    .chunks_exact(JobId::BYTES)
                    .filter_map(JobId::from_slice);
                Some(Self::CancelJobs(ids.collect()))
            }
            b's' => {
                let (word, worker) = std::str::from_utf8(rest).ok()?.split_once(' ')?;
                Some(Self::Signal {
                    worker: worker.to_owned(),
                    signal: WorkerSignal::from_word(word)?,
                })
            }
            _ => None,
        }
    }
}

/// Hears what workers are told, on a connection of its own.
pub struct ControlReader {
    core: Arc<Core>,
    subscription: Option<Subscription>,
}

impl JobQueue {
    /// Prepares to hear what workers are told.
    #[must_use]
    pub fn control_reader(&self) -> ControlReader {
        ControlReader {
            core: Arc::clone(&self.core),
            subscription: None,
        }
    }

    /// Tells a worker something: at once if it listens, and otherwise as the
    /// answer to its next beat. Telling it twice is telling it once.
    ///
    /// # Errors
    /// `WORKER_NOT_FOUND` when it has not beaten lately; `INVALID_FIELD` for an
    /// id that is empty or over 128 bytes; any fault of the store.
    pub async fn signal_worker(&self, id: &str, signal: WorkerSignal) -> Result<()> {
        check_worker_id(id)?;
        let namespace = &self.core.config.namespace;
        let keys = [keys::worker(namespace, id), keys::signal(namespace, id)];
        let mut call = Call::with_keys(&lua::SIGNAL, &keys);
        call.arg(signal.as_str())
            .arg(millis(FORGET_AFTER))
            .arg(keys::control(namespace))
            .arg(format!("s{} {id}", signal.as_str()));
        let is_there: bool = call.run(&self.core.store).await?;
        crate::failpoint!("signal.said");
        if is_there {
            return Ok(());
        }
        Err(Error::WorkerNotFound { id: id.to_owned() })
    }
}

impl ControlReader {
    /// The next messages. The first is [`ControlMessage::Connected`], and it
    /// comes again after every error. May be dropped at any time without losing
    /// a message.
    ///
    /// # Errors
    /// Any fault of the store; the next call connects anew.
    pub async fn next(&mut self) -> Result<Vec<ControlMessage>> {
        let Some(subscription) = &mut self.subscription else {
            let channel = keys::control(&self.core.config.namespace);
            self.subscription = Some(self.core.store.subscribe(&channel).await?);
            return Ok(vec![ControlMessage::Connected]);
        };
        match subscription.next().await {
            Ok(messages) => {
                let decoded = messages
                    .iter()
                    .filter_map(|message| ControlMessage::decode(message));
                Ok(decoded.collect())
            }
            Err(error) => {
                self.subscription = None;
                Err(self.core.store.fault(&error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::QueueName;

    #[test]
    fn messages_read_back_and_others_are_told() {
        let [a, b] = [(); 2].map(|()| JobId::generate(&QueueName::default()));
        let cancel = [b"c", &a.as_bytes()[..], b.as_bytes()].concat();
        assert_eq!(
            ControlMessage::decode(&cancel),
            Some(ControlMessage::CancelJobs(vec![a, b]))
        );
        for signal in [
            WorkerSignal::Quiet,
            WorkerSignal::Resume,
            WorkerSignal::Stop,
        ] {
            let message = format!("s{} box 1", signal.as_str());
            let worker = "box 1".to_owned();
            assert_eq!(
                ControlMessage::decode(message.as_bytes()),
                Some(ControlMessage::Signal { worker, signal })
            );
        }
        for bad in [
            &b""[..],
            b"c",
            b"c0123456789abcdef0",
            b"s",
            b"squiet",
            b"sdance w",
            b"s\xff w",
            b"x",
        ] {
            assert_eq!(ControlMessage::decode(bad), None, "{bad:?}");
        }
    }
}
