//! What `top` does to jobs and queues.

use jobflow::proto::{
    BulkAction, DeleteJobRequest, PauseQueueRequest, RetryJobRequest, StartBulkOperationRequest,
};
use uuid::Uuid;

use crate::client::Client;
use crate::commands::dead::{failed, quoted};
use crate::error::Result;
use crate::view::words::{action, plural, printable};

/// Kept with a queue that is paused here.
const REASON: &str = "paused in jobflow-cli top";

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    Retry(String),
    Cancel(String),
    Delete(String),
    Pause(String),
    Resume(String),
    /// To the failed jobs of a fingerprint, and how many those are.
    Group(BulkAction, String, i64),
}

impl Action {
    /// Asks whether it is meant.
    pub(super) fn question(&self) -> String {
        match self {
            Self::Retry(id) => format!("Retry job {id}?"),
            Self::Cancel(id) => format!("Cancel job {id}?"),
            Self::Delete(id) => format!("Delete job {id}?"),
            Self::Pause(queue) => format!("Pause queue {}?", printable(queue)),
            Self::Resume(queue) => format!("Resume queue {}?", printable(queue)),
            Self::Group(change, fingerprint, count) => {
                let jobs = plural(u64::try_from(*count).unwrap_or(0), "job");
                let (first, rest) = action(*change).split_at(1);
                let verb = first.to_uppercase() + rest;
                format!("{verb} {jobs} of group {}?", printable(fingerprint))
            }
        }
    }

    /// Does it, and says that it is done.
    pub(super) async fn perform(self, client: &Client) -> Result<String> {
        Ok(match self {
            Self::Retry(id) => {
                let request = RetryJobRequest {
                    id: id.clone(),
                    ..RetryJobRequest::default()
                };
                client.retry_job(&request).await?;
                format!("job {id} waits again")
            }
            Self::Cancel(id) => {
                let job = client.cancel_job(&id, "").await?;
                match job.cancel_requested {
                    true => format!("job {id} is asked to end"),
                    false => format!("job {id} is cancelled"),
                }
            }
            Self::Delete(id) => {
                let request = DeleteJobRequest {
                    id: id.clone(),
                    ..DeleteJobRequest::default()
                };
                client.delete_job(&request).await?;
                format!("job {id} is deleted")
            }
            Self::Pause(name) => {
                let request = PauseQueueRequest {
                    name: name.clone(),
                    reason: REASON.to_owned(),
                    ..PauseQueueRequest::default()
                };
                client.pause_queue(&request).await?;
                format!("queue {name} is paused")
            }
            Self::Resume(name) => {
                client.resume_queue(&name, "").await?;
                format!("queue {name} runs")
            }
            Self::Group(change, fingerprint, _) => {
                let group = format!("fingerprint = {}", quoted(&fingerprint));
                let request = StartBulkOperationRequest {
                    action: change.into(),
                    filter: failed(&group),
                    request_id: Uuid::now_v7().to_string(),
                    ..StartBulkOperationRequest::default()
                };
                let operation = client.start_bulk(&request).await?;
                format!("bulk operation {} has begun", operation.id)
            }
        })
    }
}
