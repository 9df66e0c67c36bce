//! `WorkerService`.

use std::sync::Arc;

use super::services::worker_service_server::WorkerService;
use jobflow::{Error, QueueName, Result, proto};
use tonic::{Request, Response, Status};

use super::paging;
use super::status::reply;
use crate::app::App;
use crate::auth::{self, who};

pub(super) struct Workers(pub(super) Arc<App>);

#[tonic::async_trait]
impl WorkerService for Workers {
    async fn list_workers(
        &self,
        request: Request<proto::ListWorkersRequest>,
    ) -> Result<Response<proto::ListWorkersResponse>, Status> {
        reply(self.list(request.into_inner()).await)
    }

    async fn get_worker(
        &self,
        request: Request<proto::GetWorkerRequest>,
    ) -> Result<Response<proto::GetWorkerResponse>, Status> {
        reply(self.get(request.into_inner()).await)
    }

    async fn signal_worker(
        &self,
        request: Request<proto::SignalWorkerRequest>,
    ) -> Result<Response<proto::SignalWorkerResponse>, Status> {
        reply(self.signal(request.into_inner()).await)
    }
}

impl Workers {
    /// A page begins at a place in the list, and workers move in it as they
    /// beat: one that does so between two pages may come twice or not at all.
    async fn list(&self, request: proto::ListWorkersRequest) -> Result<proto::ListWorkersResponse> {
        let size = paging::LONG.of(request.page_size)?;
        let read = |place: &str| place.parse().ok();
        let start: usize = paging::place("workers", &request.page_token, read)?.unwrap_or(0);
        let queue = Some(request.queue).filter(|queue| !queue.is_empty());
        let queue = queue.map(QueueName::new).transpose()?;
        let mut workers = self.0.queue.list_workers().await?;
        let scope = who::scope()?;
        workers.retain(|worker| {
            let mut queues = worker.beat.queues.iter();
            scope.is_all() || queues.any(|queue| scope.contains(queue))
        });
        if let Some(queue) = queue {
            workers.retain(|worker| worker.beat.queues.iter().any(|name| name == queue.as_str()));
        }
        let end = start.saturating_add(size);
        let next = (workers.len() > end).then(|| paging::token("workers", &end.to_string()));
        let page = workers.into_iter().skip(start).take(size);
        Ok(proto::ListWorkersResponse {
            workers: page
                .filter_map(|worker| auth::worker(worker.into(), &scope))
                .collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn get(&self, request: proto::GetWorkerRequest) -> Result<proto::GetWorkerResponse> {
        let worker = self.0.queue.get_worker(&request.id).await?;
        let worker = auth::worker(worker.into(), &who::scope()?);
        let not_found = || Error::WorkerNotFound { id: request.id };
        Ok(proto::GetWorkerResponse {
            worker: Some(worker.ok_or_else(not_found)?),
        })
    }

    async fn signal(
        &self,
        request: proto::SignalWorkerRequest,
    ) -> Result<proto::SignalWorkerResponse> {
        let signal = proto::worker_signal(request.signal)?;
        who::about(format!("worker {}", request.id));
        self.0.queue.signal_worker(&request.id, signal).await?;
        let worker = self.0.queue.get_worker(&request.id).await?;
        Ok(proto::SignalWorkerResponse {
            worker: Some(worker.into()),
        })
    }
}
