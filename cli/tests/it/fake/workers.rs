//! Two workers: `web-1-4711` and `web-2-4712`.

use jobflow::proto;
use tonic::{Code, Request, Response, Status};

use super::{Fake, error, id};

#[tonic::async_trait]
impl proto::worker_service_server::WorkerService for Fake {
    /// Two workers, on a page each.
    async fn list_workers(
        &self,
        request: Request<proto::ListWorkersRequest>,
    ) -> Result<Response<proto::ListWorkersResponse>, Status> {
        self.script().record(request.get_ref());
        let (id, next) = match request.into_inner().page_token.as_str() {
            "" => ("web-1-4711", "2"),
            _ => ("web-2-4712", ""),
        };
        Ok(Response::new(proto::ListWorkersResponse {
            workers: vec![worker(id)?],
            next_page_token: next.to_owned(),
        }))
    }

    async fn get_worker(
        &self,
        request: Request<proto::GetWorkerRequest>,
    ) -> Result<Response<proto::GetWorkerResponse>, Status> {
        let mut worker = worker(&request.into_inner().id)?;
        worker.running_jobs.push(proto::RunningJob {
            id: id(3),
            queue: "images".to_owned(),
            kind: "stuck".to_owned(),
            attempt: 2,
            elapsed: Some(prost_types::Duration {
                seconds: 90,
                nanos: 0,
            }),
        });
        let worker = Some(worker);
        Ok(Response::new(proto::GetWorkerResponse { worker }))
    }

    async fn signal_worker(
        &self,
        request: Request<proto::SignalWorkerRequest>,
    ) -> Result<Response<proto::SignalWorkerResponse>, Status> {
        self.script().record(request.get_ref());
        let worker = Some(worker(&request.into_inner().id)?);
        Ok(Response::new(proto::SignalWorkerResponse { worker }))
    }
}

fn worker(id: &str) -> Result<proto::Worker, Status> {
    if !id.starts_with("web-") {
        let message = format!("worker {id} has not beaten lately");
        return Err(error(Code::NotFound, "WORKER_NOT_FOUND", &message));
    }
    let mut worker = proto::Worker {
        id: id.to_owned(),
        host: "web".to_owned(),
        pid: 4_711,
        version: "0.1.0".to_owned(),
        queues: vec!["images".to_owned(), "mail".to_owned()],
        kinds: vec!["*".to_owned()],
        slots: 8,
        busy_slots: 1,
        beat_age: Some(prost_types::Duration {
            seconds: 1,
            nanos: 0,
        }),
        ..proto::Worker::default()
    };
    worker.set_state(proto::WorkerState::Running);
    Ok(worker)
}
