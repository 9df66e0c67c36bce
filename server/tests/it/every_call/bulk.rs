//! The calls about bulk operations, each with what it refuses.

use jobflow::proto;

use super::{NOBODY, Refusals, text};
use crate::support::Server;

#[expect(clippy::too_many_lines, reason = "one case after the other")]
pub(super) async fn bulks(server: &Server, refused: &mut Refusals) {
    let mut jobs = server.jobs();
    let sound = || proto::StartBulkOperationRequest {
        action: proto::BulkAction::Cancel.into(),
        filter: text("state = waiting"),
        ..proto::StartBulkOperationRequest::default()
    };
    for (expected, request) in [
        (
            "INVALID_FIELD action",
            proto::StartBulkOperationRequest {
                action: 0,
                ..sound()
            },
        ),
        (
            "INVALID_FIELD action",
            proto::StartBulkOperationRequest {
                action: 99,
                ..sound()
            },
        ),
        (
            "INVALID_FIELD ids",
            proto::StartBulkOperationRequest {
                ids: vec![text("42")],
                filter: String::new(),
                ..sound()
            },
        ),
        (
            "INVALID_FIELD rate",
            proto::StartBulkOperationRequest {
                rate: f64::NAN,
                ..sound()
            },
        ),
        (
            "INVALID_FIELD reason",
            proto::StartBulkOperationRequest {
                reason: "r".repeat(1_025),
                ..sound()
            },
        ),
        (
            "INVALID_FIELD request_id",
            proto::StartBulkOperationRequest {
                request_id: text("no"),
                ..sound()
            },
        ),
    ] {
        let started = jobs.start_bulk_operation(request).await;
        refused.add("StartBulkOperation", expected, started);
    }
    let expected = "BULK_OPERATION_NOT_FOUND";
    let get = proto::GetBulkOperationRequest { id: text(NOBODY) };
    refused.add(
        "GetBulkOperation",
        expected,
        jobs.get_bulk_operation(get).await,
    );
    let stop = proto::StopBulkOperationRequest { id: text(NOBODY) };
    refused.add(
        "StopBulkOperation",
        expected,
        jobs.stop_bulk_operation(stop).await,
    );
    for (page_size, page_token, expected) in [
        (-1, "", "INVALID_FIELD page_size"),
        (0, "foreign", "INVALID_FIELD page_token"),
    ] {
        let list = proto::ListBulkOperationsRequest {
            page_size,
            page_token: text(page_token),
        };
        refused.add(
            "ListBulkOperations",
            expected,
            jobs.list_bulk_operations(list).await,
        );
    }
}
