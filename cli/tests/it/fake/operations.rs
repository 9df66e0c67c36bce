//! One bulk operation, `b-1`.

use jobflow::proto::{self, BulkState};
use tonic::{Code, Status};

use super::{Script, error};

impl Script {
    pub(super) fn start(
        &mut self,
        request: proto::StartBulkOperationRequest,
    ) -> Result<proto::BulkOperation, Status> {
        self.record(&request);
        if request.filter.contains("???") {
            let message = "filter: position 1: `???` is no field";
            return Err(error(Code::InvalidArgument, "INVALID_FILTER", message));
        }
        let id = if request.validate_only { "" } else { "b-1" };
        let total = match request.filter.as_str() {
            "" => i64::try_from(request.ids.len()).unwrap(),
            "kind = none" => 0,
            _ => 412,
        };
        Ok(proto::BulkOperation {
            action: request.action,
            filter: request.filter,
            reason: request.reason,
            rate: request.rate,
            total,
            ..operation(id)
        })
    }

    pub(super) fn look(&mut self, id: &str) -> Result<proto::BulkOperation, Status> {
        if id != "b-1" {
            let message = format!("bulk operation {id} does not exist");
            return Err(error(Code::NotFound, "BULK_OPERATION_NOT_FOUND", &message));
        }
        let mut operation = operation(id);
        if self.bulk_looks > 0 {
            self.bulk_looks -= 1;
        } else {
            let end = match self.bulk_end {
                BulkState::Unspecified => BulkState::Done,
                end => end,
            };
            operation.set_state(end);
            operation.changed = 410;
        }
        Ok(operation)
    }
}

/// An operation that runs.
pub(super) fn operation(id: &str) -> proto::BulkOperation {
    let mut operation = proto::BulkOperation {
        id: id.to_owned(),
        total: 412,
        total_complete: true,
        changed: 100,
        skipped: 2,
        ..proto::BulkOperation::default()
    };
    operation.set_action(proto::BulkAction::Delete);
    operation.set_state(BulkState::Running);
    operation
}
