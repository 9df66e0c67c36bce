//! Calls about workers.

use jobflow::proto::{self, Worker, WorkerSignal};

use super::{Answered, Api, there, wire::call};

impl Api {
    /// All that have beaten lately, without what they run.
    pub(crate) async fn list_workers(queue: String) -> Answered<Vec<Worker>> {
        let request = proto::ListWorkersRequest {
            page_size: 1_000,
            page_token: String::new(),
            queue,
        };
        Ok(call(request).await?.workers)
    }

    /// One with the jobs that it runs.
    pub(crate) async fn get_worker(id: String) -> Answered<Worker> {
        let request = proto::GetWorkerRequest { id };
        there(call(request).await?.worker)
    }

    pub(crate) async fn signal_worker(id: String, signal: WorkerSignal) -> Answered<Worker> {
        let request = proto::SignalWorkerRequest {
            id,
            signal: signal.into(),
        };
        there(call(request).await?.worker)
    }
}
