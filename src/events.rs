//! The event streams: one entry per new state and script call, a letter and the ids of the jobs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::redis::streams::{StreamId, StreamReadReply};
use ::redis::{Cmd, Value};

use crate::error::Result;
use crate::job::{JobId, QueueName};
use crate::queue::{Core, JobQueue};
use crate::redis::{BLOCK, Exclusive};
use crate::state::JobState;

/// Entries read at once, each of up to 200 jobs.
const MAX_ENTRIES: usize = 100;

/// A job has moved to a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its queue.
    pub queue: QueueName,
    /// The job.
    pub id: JobId,
    /// Where it is now.
    pub state: JobState,
}

/// Reads the events of some queues as they come, on a connection of its own.
pub struct EventReader {
    core: Arc<Core>,
    connection: Option<Exclusive>,
    /// The last entry seen, by queue.
    followed: HashMap<QueueName, String>,
}

impl JobQueue {
    /// Prepares to read events; follows no queue yet.
    #[must_use]
    pub fn event_reader(&self) -> EventReader {
        EventReader {
            core: Arc::clone(&self.core),
            connection: None,
            followed: HashMap::new(),
        }
    }
}

impl EventReader {
    /// Follows a queue from the present end of its stream on.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn follow(&mut self, queue: QueueName) -> Result<()> {
        if self.followed.contains_key(&queue) {
            return Ok(());
        }
        let keys = self.core.keys(&queue);
        let mut last = ::redis::cmd("XREVRANGE");
        last.arg(keys.events())
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(1);
        let newest: Vec<(String, Value)> = self.core.store.run(&last).await?;
        let from = newest
            .into_iter()
            .next()
            .map_or_else(|| "0-0".to_owned(), |(id, _)| id);
        self.followed.insert(queue, from);
        Ok(())
    }

    /// Stops following a queue.
    pub fn unfollow(&mut self, queue: &QueueName) {
        self.followed.remove(queue);
    }

    /// The next events; none when `at_most` (2 s at the longest) has passed.
    /// May be dropped at any time without losing one.
    ///
    /// # Errors
    /// Any fault of the store; the next call connects anew and goes on where
    /// this one was.
    pub async fn next(&mut self, at_most: Duration) -> Result<Vec<Event>> {
        if self.followed.is_empty() {
            tokio::time::sleep(at_most).await;
            return Ok(Vec::new());
        }
        let connection = match &mut self.connection {
            Some(held) if !held.is_broken() => held,
            slot => slot.insert(self.core.store.exclusive().await?),
        };
        let mut read = Cmd::new();
        // Zero would block for ever.
        let block = at_most.min(BLOCK).as_millis().max(1);
        read.arg("XREAD")
            .arg("COUNT")
            .arg(MAX_ENTRIES)
            .arg("BLOCK")
            .arg(block.to_string())
            .arg("STREAMS");
        let queues: Vec<_> = self.followed.keys().cloned().collect();
        for queue in &queues {
            read.arg(self.core.keys(queue).events());
        }
        for queue in &queues {
            read.arg(&self.followed[queue]);
        }
        let reply: Option<StreamReadReply> = connection
            .query(&read)
            .await
            .map_err(|error| self.core.store.fault(&error))?;
        Ok(self.take(&queues, reply.unwrap_or_default()))
    }

    fn take(&mut self, queues: &[QueueName], reply: StreamReadReply) -> Vec<Event> {
        let mut events = Vec::new();
        for stream in reply.keys {
            let Some(queue) = queues
                .iter()
                .find(|queue| self.core.keys(queue).events() == stream.key)
            else {
                continue;
            };
            for entry in stream.ids {
                events.extend(unpack(queue, &entry));
                self.followed.insert(queue.clone(), entry.id);
            }
        }
        events
    }
}

fn unpack(queue: &QueueName, entry: &StreamId) -> Vec<Event> {
    let mut events = Vec::new();
    for (letter, ids) in &entry.map {
        let &[letter] = letter.as_bytes() else {
            continue;
        };
        let (Some(state), Value::BulkString(ids)) = (JobState::from_letter(letter), ids) else {
            continue;
        };
        let ids = ids.chunks_exact(JobId::BYTES).filter_map(JobId::from_slice);
        events.extend(ids.map(|id| Event {
            queue: queue.clone(),
            id,
            state,
        }));
    }
    events
}
