//! Calls about failed jobs as groups.

use jobflow::proto::{self, ListDeadLetterGroupsResponse};

use super::{Answered, Api, wire::call};

impl Api {
    /// Failed jobs by what they failed of, the largest group first.
    pub(crate) async fn dead_groups(filter: String) -> Answered<ListDeadLetterGroupsResponse> {
        let request = proto::ListDeadLetterGroupsRequest { filter };
        call(request).await
    }
}
