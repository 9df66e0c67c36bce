//! Calls about workers.

use jobflow::proto::{
    self, GetWorkerRequest, ListWorkersRequest, SignalWorkerRequest, WorkerSignal,
};

use crate::client::{Client, PAGE_SIZE};
use crate::error::Result;

impl Client {
    /// All workers that claim from a queue, or with no queue all.
    pub(crate) async fn list_workers(&self, queue: &str) -> Result<Vec<proto::Worker>> {
        let mut workers = Vec::new();
        let mut page = ListWorkersRequest {
            page_size: PAGE_SIZE,
            page_token: String::new(),
            queue: queue.to_owned(),
        };
        loop {
            let answer = self
                .call(self.call_timeout, &page, async |request| {
                    self.workers().list_workers(request).await
                })
                .await?;
            workers.extend(answer.workers);
            if answer.next_page_token.is_empty() {
                return Ok(workers);
            }
            page.page_token = answer.next_page_token;
        }
    }

    pub(crate) async fn get_worker(&self, id: &str) -> Result<proto::Worker> {
        let message = GetWorkerRequest { id: id.to_owned() };
        let answer = self
            .call(self.call_timeout, &message, async |request| {
                self.workers().get_worker(request).await
            })
            .await?;
        answer.worker.ok_or_else(|| self.incomplete())
    }

    pub(crate) async fn signal_worker(
        &self,
        id: &str,
        signal: WorkerSignal,
    ) -> Result<proto::Worker> {
        let message = SignalWorkerRequest {
            id: id.to_owned(),
            signal: signal.into(),
        };
        let answer = self
            .call(self.call_timeout, &message, async |request| {
                self.workers().signal_worker(request).await
            })
            .await?;
        answer.worker.ok_or_else(|| self.incomplete())
    }
}
