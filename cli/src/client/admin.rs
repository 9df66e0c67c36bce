//! Calls about the server.

use jobflow::proto::{
    CheckIntegrityRequest, CheckIntegrityResponse, GetServerInfoRequest, GetServerInfoResponse,
    ListAuditEventsRequest, ListAuditEventsResponse,
};

use crate::client::Client;
use crate::error::Result;

impl Client {
    pub(crate) async fn server_info(&self) -> Result<GetServerInfoResponse> {
        self.call(
            self.call_timeout,
            &GetServerInfoRequest {},
            async |request| self.admin().get_server_info(request).await,
        )
        .await
    }

    /// Looks at every job, and so takes as long as there are jobs.
    pub(crate) async fn check_integrity(&self, fix: bool) -> Result<CheckIntegrityResponse> {
        self.call(
            self.long_timeout(),
            &CheckIntegrityRequest { fix },
            async |request| self.admin().check_integrity(request).await,
        )
        .await
    }

    /// A page of the audit log, the newest first.
    pub(crate) async fn list_audit(
        &self,
        page_size: i32,
        page_token: String,
    ) -> Result<ListAuditEventsResponse> {
        let page = ListAuditEventsRequest {
            page_size,
            page_token,
        };
        self.call(self.call_timeout, &page, async |request| {
            self.admin().list_audit_events(request).await
        })
        .await
    }
}
