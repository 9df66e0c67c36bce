//! Calls for admins.

use jobflow::proto;

use super::{Answered, Api, wire::call};

impl Api {
    /// A page of who did what, the newest first; an empty token is the first page.
    pub(crate) async fn list_audit(
        page_size: i32,
        page_token: String,
    ) -> Answered<proto::ListAuditEventsResponse> {
        call(proto::ListAuditEventsRequest {
            page_size,
            page_token,
        })
        .await
    }
}
