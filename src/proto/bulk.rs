//! Bulk operations, on the wire, and the one to start.

use uuid::Uuid;

use super::look::names;
use super::values::wide;
use super::{known, timestamp};
use crate::error::{Error, Result, quoted};
use crate::filter::Filter;
use crate::proto;
use crate::queue::{
    BulkAction, BulkFailure, BulkOperation, BulkPage, BulkState, BulkTarget, NewBulk,
};

impl TryFrom<proto::StartBulkOperationRequest> for NewBulk {
    type Error = Error;

    fn try_from(request: proto::StartBulkOperationRequest) -> Result<Self> {
        Ok(Self {
            action: action(request.action)?,
            target: target(&request.ids, &request.filter)?,
            reason: request.reason,
            rate: request.rate,
            validate_only: request.validate_only,
            request_id: match request.request_id.as_str() {
                "" => None,
                id => Some(
                    Uuid::try_parse(id)
                        .map_err(|_| Error::invalid("request_id", "must be a UUID"))?,
                ),
            },
        })
    }
}

fn action(action: i32) -> Result<BulkAction> {
    use proto::BulkAction as Wire;
    match known("action", Wire::try_from(action))? {
        Wire::Unspecified => Err(Error::invalid("action", "must be given")),
        Wire::Cancel => Ok(BulkAction::Cancel),
        Wire::Retry => Ok(BulkAction::Retry),
        Wire::Delete => Ok(BulkAction::Delete),
        Wire::Promote => Ok(BulkAction::Promote),
    }
}

/// An empty filter means all jobs, which nobody should ask for by leaving it out.
fn target(ids: &[String], filter: &str) -> Result<BulkTarget> {
    let has_filter = !filter.trim().is_empty();
    match (ids.is_empty(), has_filter) {
        (true, true) => Filter::parse(filter).map(BulkTarget::Filter),
        (true, false) => Err(Error::invalid("filter", "must be given, or else ids")),
        (false, true) => Err(Error::invalid(
            "filter",
            "must be empty where ids are given",
        )),
        (false, false) => {
            let id = |id: &String| {
                let refused = |_| Error::invalid("ids", format!("{:?} is not a UUID", quoted(id)));
                id.parse().map_err(refused)
            };
            ids.iter()
                .map(id)
                .collect::<Result<_>>()
                .map(BulkTarget::Ids)
        }
    }
}

impl From<BulkOperation> for proto::BulkOperation {
    fn from(operation: BulkOperation) -> Self {
        Self {
            id: operation.id,
            action: proto::BulkAction::from(operation.action).into(),
            filter: operation.filter,
            reason: operation.reason,
            rate: operation.rate,
            state: proto::BulkState::from(operation.state).into(),
            total: wide(operation.total.count),
            total_complete: operation.total.complete,
            changed: wide(operation.changed),
            skipped: wide(operation.skipped),
            create_time: operation.created.map(timestamp),
            finish_time: operation.finished.map(timestamp),
            failures: operation.failures.into_iter().map(Into::into).collect(),
            unreachable: names(&operation.unreachable),
        }
    }
}

impl From<BulkAction> for proto::BulkAction {
    fn from(action: BulkAction) -> Self {
        match action {
            BulkAction::Cancel => Self::Cancel,
            BulkAction::Retry => Self::Retry,
            BulkAction::Delete => Self::Delete,
            BulkAction::Promote => Self::Promote,
        }
    }
}

impl From<BulkState> for proto::BulkState {
    fn from(state: BulkState) -> Self {
        match state {
            BulkState::Running => Self::Running,
            BulkState::Done => Self::Done,
            BulkState::Stopped => Self::Stopped,
        }
    }
}

impl From<BulkFailure> for proto::BulkFailure {
    fn from(failure: BulkFailure) -> Self {
        Self {
            id: failure.id.to_string(),
            reason: failure.reason,
        }
    }
}

impl From<BulkPage> for proto::ListBulkOperationsResponse {
    fn from(page: BulkPage) -> Self {
        Self {
            operations: page.operations.into_iter().map(Into::into).collect(),
            next_page_token: page.next_page_token,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_says_which_jobs_it_means_in_one_way() {
        let id = ["0198c0de-0000-7000-8000-000000000001".to_owned()];
        assert!(matches!(target(&id, ""), Ok(BulkTarget::Ids(ids)) if ids.len() == 1));
        assert!(matches!(
            target(&[], "state = failed"),
            Ok(BulkTarget::Filter(_))
        ));
        for (ids, filter) in [(&[][..], " "), (&id, "state = failed")] {
            assert_eq!(target(ids, filter).unwrap_err().field(), Some("filter"));
        }
        assert_eq!(
            target(&["42".to_owned()], "").unwrap_err().field(),
            Some("ids")
        );
    }
}
