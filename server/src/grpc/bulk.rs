//! The calls about bulk operations.

use jobflow::{NewBulk, Result, proto};

use super::jobs::Jobs;
use super::paging::PageSize;
use crate::auth::who;

/// Of operations.
const PAGE: PageSize = PageSize {
    default: 50,
    most: 100,
};

impl Jobs {
    pub(super) async fn start_bulk(
        &self,
        request: proto::StartBulkOperationRequest,
    ) -> Result<proto::StartBulkOperationResponse> {
        let new = NewBulk::try_from(request)?;
        let operation = self.0.queue.start_bulk(new).await?;
        who::about(format!("bulk operation {}", operation.id));
        Ok(proto::StartBulkOperationResponse {
            operation: Some(operation.into()),
        })
    }

    pub(super) async fn get_bulk(
        &self,
        request: proto::GetBulkOperationRequest,
    ) -> Result<proto::GetBulkOperationResponse> {
        let operation = self.0.queue.get_bulk(&request.id).await?;
        Ok(proto::GetBulkOperationResponse {
            operation: Some(operation.into()),
        })
    }

    pub(super) async fn list_bulk(
        &self,
        request: proto::ListBulkOperationsRequest,
    ) -> Result<proto::ListBulkOperationsResponse> {
        let size = PAGE.of(request.page_size)?;
        let page = self.0.queue.list_bulks(size, &request.page_token).await?;
        Ok(page.into())
    }

    pub(super) async fn stop_bulk(
        &self,
        request: proto::StopBulkOperationRequest,
    ) -> Result<proto::StopBulkOperationResponse> {
        who::about(format!("bulk operation {}", request.id));
        let operation = self.0.queue.stop_bulk(&request.id).await?;
        Ok(proto::StopBulkOperationResponse {
            operation: Some(operation.into()),
        })
    }
}
