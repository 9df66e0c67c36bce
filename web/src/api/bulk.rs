//! Calls about many jobs at once.

use jobflow::proto::{self, BulkAction, BulkOperation};
use yew::AttrValue;

use super::{Answered, Api, there, wire::call};

/// Which jobs a bulk operation changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// At most 1,000.
    Ids(Vec<String>),
    Filter(AttrValue),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bulk {
    pub(crate) action: BulkAction,
    pub(crate) target: Target,
    pub(crate) reason: String,
    /// Jobs a second; 0: as fast as it goes.
    pub(crate) rate: f64,
}

impl Bulk {
    fn request(self, validate_only: bool, request_id: String) -> proto::StartBulkOperationRequest {
        let (ids, filter) = match self.target {
            Target::Ids(ids) => (ids, String::new()),
            Target::Filter(filter) => (Vec::new(), filter.to_string()),
        };
        proto::StartBulkOperationRequest {
            action: self.action.into(),
            ids,
            filter,
            reason: self.reason,
            rate: self.rate,
            validate_only,
            request_id,
        }
    }
}

impl Api {
    /// How many jobs it would be, and whether that is all of them.
    pub(crate) async fn count_bulk(bulk: Bulk) -> Answered<BulkOperation> {
        let request = bulk.request(true, String::new());
        there(call(request).await?.operation)
    }

    /// Starts it, once however often this is sent.
    pub(crate) async fn start_bulk(bulk: Bulk, request_id: String) -> Answered<BulkOperation> {
        let request = bulk.request(false, request_id);
        there(call(request).await?.operation)
    }

    /// The last ones, newest first.
    pub(crate) async fn list_bulk() -> Answered<Vec<BulkOperation>> {
        let request = proto::ListBulkOperationsRequest {
            page_size: 20,
            page_token: String::new(),
        };
        Ok(call(request).await?.operations)
    }

    pub(crate) async fn stop_bulk(id: String) -> Answered<BulkOperation> {
        let request = proto::StopBulkOperationRequest { id };
        there(call(request).await?.operation)
    }
}
