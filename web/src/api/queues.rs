//! Calls about queues.

use jobflow::proto::{self, JobState, Queue};
use prost_types::{FieldMask, Timestamp};

use super::{Answered, Api, there, wire::call};

impl Api {
    pub(crate) async fn get_queue(name: String) -> Answered<Queue> {
        let request = proto::GetQueueRequest { name };
        there(call(request).await?.queue)
    }

    /// Changes one setting; refused when somebody else was faster.
    pub(crate) async fn update_queue(queue: Queue, path: &str) -> Answered<Queue> {
        let request = proto::UpdateQueueRequest {
            etag: queue.etag.clone(),
            queue: Some(queue),
            update_mask: Some(FieldMask {
                paths: vec![path.to_owned()],
            }),
        };
        there(call(request).await?.queue)
    }

    pub(crate) async fn pause_queue(
        name: String,
        kind: String,
        reason: String,
        resume_time: Option<Timestamp>,
    ) -> Answered<Queue> {
        let request = proto::PauseQueueRequest {
            name,
            kind,
            reason,
            resume_time,
        };
        there(call(request).await?.queue)
    }

    /// Ends the pause of a kind, or the queue's own and its draining.
    pub(crate) async fn resume_queue(name: String, kind: String) -> Answered<Queue> {
        let request = proto::ResumeQueueRequest { name, kind };
        there(call(request).await?.queue)
    }

    pub(crate) async fn drain_queue(name: String) -> Answered<Queue> {
        let request = proto::DrainQueueRequest { name };
        there(call(request).await?.queue)
    }

    /// Deletes jobs, or only tells how many it would be.
    pub(crate) async fn purge_queue(
        name: String,
        states: Vec<JobState>,
        validate_only: bool,
    ) -> Answered<i64> {
        let request = proto::PurgeQueueRequest {
            confirm_name: if validate_only {
                String::new()
            } else {
                name.clone()
            },
            name,
            states: states.into_iter().map(Into::into).collect(),
            validate_only,
        };
        Ok(call(request).await?.count)
    }

    pub(crate) async fn delete_queue(name: String) -> Answered<()> {
        let request = proto::DeleteQueueRequest { name };
        call(request).await.map(|_| ())
    }
}
