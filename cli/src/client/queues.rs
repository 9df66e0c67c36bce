//! Calls about queues.

use jobflow::proto::{
    self, DeleteQueueRequest, DrainQueueRequest, GetQueueRequest, ListQueuesRequest,
    PauseQueueRequest, PurgeQueueRequest, ResumeQueueRequest, UpdateQueueRequest,
};

use crate::client::{Client, PAGE_SIZE};
use crate::error::Result;

impl Client {
    /// All queues, by name.
    pub(crate) async fn list_queues(&self) -> Result<Vec<proto::Queue>> {
        let mut queues = Vec::new();
        let mut page = ListQueuesRequest {
            page_size: PAGE_SIZE,
            page_token: String::new(),
        };
        loop {
            let answer = self
                .call(self.call_timeout, &page, async |request| {
                    self.queues().list_queues(request).await
                })
                .await?;
            queues.extend(answer.queues);
            if answer.next_page_token.is_empty() {
                return Ok(queues);
            }
            page.page_token = answer.next_page_token;
        }
    }

    pub(crate) async fn get_queue(&self, name: &str) -> Result<proto::Queue> {
        let message = GetQueueRequest {
            name: name.to_owned(),
        };
        let answer = self
            .call(self.call_timeout, &message, async |request| {
                self.queues().get_queue(request).await
            })
            .await?;
        answer.queue.ok_or_else(|| self.incomplete())
    }

    pub(crate) async fn pause_queue(&self, message: &PauseQueueRequest) -> Result<proto::Queue> {
        let answer = self
            .call(self.call_timeout, message, async |request| {
                self.queues().pause_queue(request).await
            })
            .await?;
        answer.queue.ok_or_else(|| self.incomplete())
    }

    /// Ends the pause of one kind, or with no kind that of the queue.
    pub(crate) async fn resume_queue(&self, name: &str, kind: &str) -> Result<proto::Queue> {
        let message = ResumeQueueRequest {
            name: name.to_owned(),
            kind: kind.to_owned(),
        };
        let answer = self
            .call(self.call_timeout, &message, async |request| {
                self.queues().resume_queue(request).await
            })
            .await?;
        answer.queue.ok_or_else(|| self.incomplete())
    }

    pub(crate) async fn drain_queue(&self, name: &str) -> Result<proto::Queue> {
        let message = DrainQueueRequest {
            name: name.to_owned(),
        };
        let answer = self
            .call(self.call_timeout, &message, async |request| {
                self.queues().drain_queue(request).await
            })
            .await?;
        answer.queue.ok_or_else(|| self.incomplete())
    }

    /// How many jobs were deleted, or would be. Deleting takes as long as it
    /// takes.
    pub(crate) async fn purge_queue(&self, message: &PurgeQueueRequest) -> Result<i64> {
        let answer = self
            .call(self.long_timeout(), message, async |request| {
                self.queues().purge_queue(request).await
            })
            .await?;
        Ok(answer.count)
    }

    pub(crate) async fn update_queue(&self, message: &UpdateQueueRequest) -> Result<proto::Queue> {
        let answer = self
            .call(self.call_timeout, message, async |request| {
                self.queues().update_queue(request).await
            })
            .await?;
        answer.queue.ok_or_else(|| self.incomplete())
    }

    pub(crate) async fn delete_queue(&self, name: &str) -> Result<()> {
        let message = DeleteQueueRequest {
            name: name.to_owned(),
        };
        self.call(self.call_timeout, &message, async |request| {
            self.queues().delete_queue(request).await
        })
        .await?;
        Ok(())
    }
}
