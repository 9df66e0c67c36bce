//! The calls about bulk operations.

use jobflow::testing::{TestQueue, wait_for};
use jobflow::{JobState, NewJob, proto};

use crate::support::Server;

async fn fill(server: &Server, jobs: usize) {
    let jobs = (0..jobs).map(|_| NewJob::new("k", "{}").unwrap()).collect();
    for submitted in server.queue.submit_batch(jobs).await {
        submitted.unwrap();
    }
}

fn cancel_all() -> proto::StartBulkOperationRequest {
    proto::StartBulkOperationRequest {
        action: proto::BulkAction::Cancel.into(),
        filter: "kind = k".to_owned(),
        reason: "not needed".to_owned(),
        ..proto::StartBulkOperationRequest::default()
    }
}

async fn start(server: &Server, request: proto::StartBulkOperationRequest) -> proto::BulkOperation {
    let started = server.jobs().start_bulk_operation(request).await.unwrap();
    started.into_inner().operation.unwrap()
}

async fn get(server: &Server, id: &str) -> proto::BulkOperation {
    let request = proto::GetBulkOperationRequest { id: id.to_owned() };
    let found = server.jobs().get_bulk_operation(request).await.unwrap();
    found.into_inner().operation.unwrap()
}

#[tokio::test]
async fn an_operation_is_counted_first_then_runs_to_its_end() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    fill(&server, 500).await;
    let preview = proto::StartBulkOperationRequest {
        validate_only: true,
        ..cancel_all()
    };
    let preview = start(&server, preview).await;
    assert_eq!(
        (&*preview.id, preview.total, preview.total_complete),
        ("", 500, true)
    );
    let request = proto::StartBulkOperationRequest {
        request_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        ..cancel_all()
    };
    let first = start(&server, request.clone()).await;
    let again = start(&server, request).await;
    assert_eq!(first.id, again.id);
    let done = wait_for("the end of the operation", async || {
        let operation = get(&server, &first.id).await;
        (operation.state() == proto::BulkState::Done).then_some(operation)
    });
    let done = done.await;
    assert_eq!((done.changed, done.skipped), (500, 0));
    let counts = queue
        .queue(&"default".parse().unwrap())
        .await
        .unwrap()
        .counts;
    assert_eq!(counts.of(JobState::Cancelled), 500);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn an_operation_can_be_stopped_and_stays_in_the_list() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    fill(&server, 300).await;
    let slow = proto::StartBulkOperationRequest {
        rate: 1.0,
        ..cancel_all()
    };
    let started = start(&server, slow).await;
    let request = proto::StopBulkOperationRequest {
        id: started.id.clone(),
    };
    let stopped = server.jobs().stop_bulk_operation(request).await.unwrap();
    let stopped = stopped.into_inner().operation.unwrap();
    assert_eq!(stopped.state(), proto::BulkState::Stopped);
    assert!(stopped.changed < 300 && stopped.finish_time.is_some());
    let request = proto::ListBulkOperationsRequest::default();
    let listed = server.jobs().list_bulk_operations(request).await.unwrap();
    let listed = listed.into_inner().operations;
    assert_eq!((listed.len(), &listed[0].id), (1, &started.id));
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn jobs_are_named_by_id_too_and_those_that_can_not_be_changed_are_told() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let job = NewJob::new("k", "").unwrap();
    let waiting = queue.submit(job.clone()).await.unwrap().id;
    let cancelled = queue.submit(job).await.unwrap().id;
    queue.cancel(cancelled, "", None).await.unwrap();
    let request = proto::StartBulkOperationRequest {
        ids: vec![waiting.to_string(), cancelled.to_string()],
        filter: String::new(),
        ..cancel_all()
    };
    let started = start(&server, request).await;
    let done = wait_for("the end of the operation", async || {
        let operation = get(&server, &started.id).await;
        (operation.state() == proto::BulkState::Done).then_some(operation)
    });
    let done = done.await;
    assert_eq!((done.changed, done.skipped), (1, 1));
    let failure = &done.failures[0];
    assert_eq!(
        (&failure.id, &*failure.reason),
        (&cancelled.to_string(), "INVALID_STATE_TRANSITION")
    );
    server.stop().await.unwrap();
    queue.close().await;
}
