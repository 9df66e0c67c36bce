//! `QueueService`.

use std::sync::Arc;

use super::services::queue_service_server::QueueService;
use jobflow::{Error, JobState, Kind, QueueName, Result, proto};
use tonic::{Request, Response, Status};

use super::change::etag;
use super::paging;
use super::status::reply;
use crate::app::App;
use crate::auth::who;

pub(super) struct Queues(pub(super) Arc<App>);

#[tonic::async_trait]
impl QueueService for Queues {
    async fn list_queues(
        &self,
        request: Request<proto::ListQueuesRequest>,
    ) -> Result<Response<proto::ListQueuesResponse>, Status> {
        reply(self.list(request.into_inner()).await)
    }

    async fn get_queue(
        &self,
        request: Request<proto::GetQueueRequest>,
    ) -> Result<Response<proto::GetQueueResponse>, Status> {
        reply(self.get(request.into_inner()).await)
    }

    async fn update_queue(
        &self,
        request: Request<proto::UpdateQueueRequest>,
    ) -> Result<Response<proto::UpdateQueueResponse>, Status> {
        reply(self.update(request.into_inner()).await)
    }

    async fn pause_queue(
        &self,
        request: Request<proto::PauseQueueRequest>,
    ) -> Result<Response<proto::PauseQueueResponse>, Status> {
        reply(self.pause(request.into_inner()).await)
    }

    async fn resume_queue(
        &self,
        request: Request<proto::ResumeQueueRequest>,
    ) -> Result<Response<proto::ResumeQueueResponse>, Status> {
        reply(self.resume(request.into_inner()).await)
    }

    async fn drain_queue(
        &self,
        request: Request<proto::DrainQueueRequest>,
    ) -> Result<Response<proto::DrainQueueResponse>, Status> {
        reply(self.drain(request.into_inner()).await)
    }

    async fn purge_queue(
        &self,
        request: Request<proto::PurgeQueueRequest>,
    ) -> Result<Response<proto::PurgeQueueResponse>, Status> {
        reply(self.purge(request.into_inner()).await)
    }

    async fn delete_queue(
        &self,
        request: Request<proto::DeleteQueueRequest>,
    ) -> Result<Response<proto::DeleteQueueResponse>, Status> {
        reply(self.delete(request.into_inner()).await)
    }
}

impl Queues {
    async fn list(&self, request: proto::ListQueuesRequest) -> Result<proto::ListQueuesResponse> {
        let size = paging::LONG.of(request.page_size)?;
        let read = |name: &str| QueueName::new(name).ok();
        let after = paging::place("queues", &request.page_token, read)?;
        let mut queues = self.0.queue.snapshot().await?.queues;
        let scope = &who::scope()?;
        queues.retain(|queue| scope.contains(queue.name.as_str()));
        queues.sort_by(|a, b| a.name.cmp(&b.name));
        queues.retain(|queue| after.as_ref().is_none_or(|after| queue.name > *after));
        let more = queues.len() > size;
        queues.truncate(size);
        let last = queues.last().filter(|_| more);
        Ok(proto::ListQueuesResponse {
            next_page_token: last
                .map(|queue| paging::token("queues", queue.name.as_str()))
                .unwrap_or_default(),
            queues: queues.iter().map(Into::into).collect(),
        })
    }

    async fn get(&self, request: proto::GetQueueRequest) -> Result<proto::GetQueueResponse> {
        let queue = self.read(&name(&request.name)?).await?;
        Ok(proto::GetQueueResponse { queue })
    }

    async fn update(
        &self,
        request: proto::UpdateQueueRequest,
    ) -> Result<proto::UpdateQueueResponse> {
        let queue = request.queue.unwrap_or_default();
        let name = name(&queue.name)?;
        let mask = request.update_mask.as_ref();
        let changes = proto::settings_changes(queue.settings, mask)?;
        let etag = etag(&request.etag);
        self.0
            .queue
            .update_settings(&name, &changes, etag.as_ref())
            .await?;
        let queue = self.read(&name).await?;
        Ok(proto::UpdateQueueResponse { queue })
    }

    async fn pause(&self, request: proto::PauseQueueRequest) -> Result<proto::PauseQueueResponse> {
        let name = name(&request.name)?;
        let kind = kind(&request.kind)?;
        let resume = request.resume_time.as_ref();
        let resume = resume.map(|time| proto::timestamp_from("resume_time", time));
        self.0
            .queue
            .pause(&name, kind.as_ref(), &request.reason, resume.transpose()?)
            .await?;
        let queue = self.read(&name).await?;
        Ok(proto::PauseQueueResponse { queue })
    }

    async fn resume(
        &self,
        request: proto::ResumeQueueRequest,
    ) -> Result<proto::ResumeQueueResponse> {
        let name = name(&request.name)?;
        let kind = kind(&request.kind)?;
        self.0.queue.resume(&name, kind.as_ref()).await?;
        let queue = self.read(&name).await?;
        Ok(proto::ResumeQueueResponse { queue })
    }

    async fn drain(&self, request: proto::DrainQueueRequest) -> Result<proto::DrainQueueResponse> {
        let name = name(&request.name)?;
        self.0.queue.drain(&name).await?;
        let queue = self.read(&name).await?;
        Ok(proto::DrainQueueResponse { queue })
    }

    async fn purge(&self, request: proto::PurgeQueueRequest) -> Result<proto::PurgeQueueResponse> {
        let name = name(&request.name)?;
        let states = request.states.into_iter().map(state);
        let states = states.collect::<Result<Vec<_>>>()?;
        let count = if request.validate_only {
            self.0.queue.count_purge(&name, &states).await?
        } else if request.confirm_name == name.as_str() {
            self.0.queue.purge(&name, &states).await?
        } else {
            let message = "must repeat the name of the queue, unless validate_only is set";
            return Err(Error::invalid("confirm_name", message));
        };
        Ok(proto::PurgeQueueResponse {
            count: i64::try_from(count).unwrap_or(i64::MAX),
        })
    }

    async fn delete(
        &self,
        request: proto::DeleteQueueRequest,
    ) -> Result<proto::DeleteQueueResponse> {
        self.0.queue.delete_queue(&name(&request.name)?).await?;
        Ok(proto::DeleteQueueResponse {})
    }

    async fn read(&self, name: &QueueName) -> Result<Option<proto::Queue>> {
        let queue = self.0.queue.queue(name).await?;
        Ok(Some((&queue).into()))
    }
}

/// The queue that a call is about, if its caller may touch it. The field of
/// these requests is called so.
fn name(name: &str) -> Result<QueueName> {
    let name = QueueName::new(name).map_err(|error| match error {
        Error::InvalidField { message, .. } => Error::invalid("name", message),
        other => other,
    })?;
    who::queue(&name)?;
    Ok(name)
}

fn kind(kind: &str) -> Result<Option<Kind>> {
    (!kind.is_empty()).then(|| Kind::new(kind)).transpose()
}

fn state(state: i32) -> Result<JobState> {
    let known = proto::known("states", proto::JobState::try_from(state))?;
    JobState::try_from(known).map_err(|_| Error::invalid("states", "must not be unspecified"))
}
