//! Calls about the server.

use jobflow::proto::{
    CheckIntegrityRequest, CheckIntegrityResponse, GetServerInfoRequest, GetServerInfoResponse,
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
}
