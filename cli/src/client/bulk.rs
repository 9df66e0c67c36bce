//! Calls about bulk operations.

use jobflow::proto::{
    BulkOperation, GetBulkOperationRequest, ListBulkOperationsRequest, ListBulkOperationsResponse,
    StartBulkOperationRequest, StopBulkOperationRequest,
};

use crate::client::Client;
use crate::error::Result;

impl Client {
    pub(crate) async fn start_bulk(
        &self,
        message: &StartBulkOperationRequest,
    ) -> Result<BulkOperation> {
        let answer = self
            .call(self.long_timeout(), message, async |request| {
                self.jobs().start_bulk_operation(request).await
            })
            .await?;
        answer.operation.ok_or_else(|| self.incomplete())
    }

    pub(crate) async fn get_bulk(&self, id: &str) -> Result<BulkOperation> {
        let message = GetBulkOperationRequest { id: id.to_owned() };
        let answer = self
            .call(self.call_timeout, &message, async |request| {
                self.jobs().get_bulk_operation(request).await
            })
            .await?;
        answer.operation.ok_or_else(|| self.incomplete())
    }

    /// A page of operations, newest first.
    pub(crate) async fn list_bulk(
        &self,
        page: &ListBulkOperationsRequest,
    ) -> Result<ListBulkOperationsResponse> {
        self.call(self.call_timeout, page, async |request| {
            self.jobs().list_bulk_operations(request).await
        })
        .await
    }

    pub(crate) async fn stop_bulk(&self, id: &str) -> Result<BulkOperation> {
        let message = StopBulkOperationRequest { id: id.to_owned() };
        let answer = self
            .call(self.call_timeout, &message, async |request| {
                self.jobs().stop_bulk_operation(request).await
            })
            .await?;
        answer.operation.ok_or_else(|| self.incomplete())
    }
}
