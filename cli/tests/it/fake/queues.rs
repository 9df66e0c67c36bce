//! Two queues: `default` and `mail`.

use jobflow::proto;
use tonic::{Code, Request, Response, Status};

use super::{Fake, NOW, error, time};

#[tonic::async_trait]
impl proto::queue_service_server::QueueService for Fake {
    /// Two queues, on a page each.
    async fn list_queues(
        &self,
        request: Request<proto::ListQueuesRequest>,
    ) -> Result<Response<proto::ListQueuesResponse>, Status> {
        let (name, next) = match request.into_inner().page_token.as_str() {
            "" => ("default", "mail"),
            _ => ("mail", ""),
        };
        Ok(Response::new(proto::ListQueuesResponse {
            queues: vec![queue(name)?],
            next_page_token: next.to_owned(),
        }))
    }

    async fn get_queue(
        &self,
        request: Request<proto::GetQueueRequest>,
    ) -> Result<Response<proto::GetQueueResponse>, Status> {
        let queue = Some(queue(&request.into_inner().name)?);
        Ok(Response::new(proto::GetQueueResponse { queue }))
    }

    async fn update_queue(
        &self,
        request: Request<proto::UpdateQueueRequest>,
    ) -> Result<Response<proto::UpdateQueueResponse>, Status> {
        let mut script = self.script();
        script.record(request.get_ref());
        let request = request.into_inner();
        if script.changes_between || request.etag != "q1" {
            let message = "the queue was changed since it was read";
            return Err(error(Code::Aborted, "ETAG_MISMATCH", message));
        }
        let queue = request.queue;
        Ok(Response::new(proto::UpdateQueueResponse { queue }))
    }

    async fn pause_queue(
        &self,
        request: Request<proto::PauseQueueRequest>,
    ) -> Result<Response<proto::PauseQueueResponse>, Status> {
        self.script().record(request.get_ref());
        let request = request.into_inner();
        let mut queue = queue(&request.name)?;
        queue.pauses.push(proto::Pause {
            kind: request.kind,
            reason: request.reason,
            pause_time: time(NOW),
            resume_time: request.resume_time,
        });
        let queue = Some(queue);
        Ok(Response::new(proto::PauseQueueResponse { queue }))
    }

    async fn resume_queue(
        &self,
        request: Request<proto::ResumeQueueRequest>,
    ) -> Result<Response<proto::ResumeQueueResponse>, Status> {
        self.script().record(request.get_ref());
        let queue = Some(queue(&request.into_inner().name)?);
        Ok(Response::new(proto::ResumeQueueResponse { queue }))
    }

    async fn drain_queue(
        &self,
        request: Request<proto::DrainQueueRequest>,
    ) -> Result<Response<proto::DrainQueueResponse>, Status> {
        self.script().record(request.get_ref());
        let mut queue = queue(&request.into_inner().name)?;
        queue.draining = true;
        let queue = Some(queue);
        Ok(Response::new(proto::DrainQueueResponse { queue }))
    }

    async fn purge_queue(
        &self,
        request: Request<proto::PurgeQueueRequest>,
    ) -> Result<Response<proto::PurgeQueueResponse>, Status> {
        self.script().record(request.get_ref());
        let request = request.into_inner();
        if !request.validate_only && request.confirm_name != request.name {
            let message = "confirm_name: must be the queue's name";
            return Err(error(Code::InvalidArgument, "INVALID_FIELD", message));
        }
        Ok(Response::new(proto::PurgeQueueResponse { count: 412 }))
    }

    async fn delete_queue(
        &self,
        request: Request<proto::DeleteQueueRequest>,
    ) -> Result<Response<proto::DeleteQueueResponse>, Status> {
        self.script().record(request.get_ref());
        if request.into_inner().name == "default" {
            let message = "queue default still has jobs";
            return Err(error(Code::FailedPrecondition, "QUEUE_NOT_EMPTY", message));
        }
        Ok(Response::new(proto::DeleteQueueResponse {}))
    }
}

fn queue(name: &str) -> Result<proto::Queue, Status> {
    let waiting = match name {
        "default" => 1_204,
        "mail" => 7,
        "empty" => 0,
        _ => {
            let message = format!("queue {name} does not exist");
            return Err(error(Code::NotFound, "QUEUE_NOT_FOUND", &message));
        }
    };
    let day = prost_types::Duration {
        seconds: 86_400,
        nanos: 0,
    };
    Ok(proto::Queue {
        name: name.to_owned(),
        counts: Some(proto::JobCounts {
            waiting,
            ..proto::JobCounts::default()
        }),
        settings: Some(proto::QueueSettings {
            completed_retention: Some(proto::Retention {
                count: Some(1_000),
                age: Some(day),
            }),
            ..proto::QueueSettings::default()
        }),
        etag: "q1".to_owned(),
        ..proto::Queue::default()
    })
}
