//! Events, on the wire.

use super::timestamp;
use crate::events::EventId;
use crate::job::{JobId, Kind, QueueName};
use crate::proto;
use crate::state::JobState;

impl proto::JobEvent {
    /// A job has moved to a state; without its kind if it is gone by now.
    #[must_use]
    pub fn moved(
        at: EventId,
        queue: &QueueName,
        id: JobId,
        kind: Option<&Kind>,
        state: JobState,
    ) -> Self {
        Self {
            id: id.to_string(),
            queue: queue.to_string(),
            kind: kind.map_or_else(String::new, ToString::to_string),
            state: proto::JobState::from(state).into(),
            time: Some(timestamp(at.time())),
        }
    }
}
