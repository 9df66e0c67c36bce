//! The calls that change one job, and `DELETE /jobs/{id}`.

use http::Method;
use jobflow::testing::TestQueue;
use jobflow::{JobId, JobState, NewJob, Outcome, proto};
use prost_types::FieldMask;
use tonic::Code;

use crate::support::{Server, details};

async fn submit(server: &Server) -> JobId {
    let job = NewJob::new("k", "{}").unwrap();
    server.queue.submit(job).await.unwrap().id
}

async fn etag(server: &Server, id: JobId) -> String {
    let get = proto::GetJobRequest {
        id: id.to_string(),
        view: proto::JobView::Basic.into(),
    };
    let job = server.jobs().get_job(get).await.unwrap().into_inner().job;
    job.unwrap().etag
}

#[tokio::test]
async fn a_view_says_how_much_of_a_job_is_told() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let id = submit(&server).await;
    let claimed = server.claim("default").await;
    let failed = Outcome::Fail(jobflow::JobError {
        code: "X".to_owned(),
        message: "no".to_owned(),
    });
    queue.finish(&claimed, failed).await.unwrap();
    let get = async |view: proto::JobView| {
        let request = proto::GetJobRequest {
            id: id.to_string(),
            view: view.into(),
        };
        let job = server.jobs().get_job(request).await.unwrap().into_inner();
        job.job.unwrap()
    };
    let (full, basic) = (
        get(proto::JobView::Unspecified).await,
        get(proto::JobView::Basic).await,
    );
    assert_eq!((&*full.payload, full.attempts.len()), (&b"{}"[..], 1));
    assert_eq!((&*basic.payload, basic.attempts.len()), (&b""[..], 0));
    assert_eq!((basic.error, basic.etag), (full.error, full.etag));
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn an_update_changes_what_its_mask_names() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let id = submit(&server).await;
    let update = proto::UpdateJobRequest {
        job: Some(proto::Job {
            id: id.to_string(),
            priority: 1,
            payload: "[]".into(),
            tags: vec!["eu".to_owned()],
            ..proto::Job::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["priority".to_owned(), "tags".to_owned()],
        }),
        etag: etag(&server, id).await,
    };
    let answer = server.jobs().update_job(update.clone()).await.unwrap();
    let job = answer.into_inner().job.unwrap();
    assert_eq!((job.priority, &*job.tags), (1, &["eu".to_owned()][..]));
    assert_eq!(queue.get(id).await.unwrap().payload, "{}");
    // The etag is an old one by now.
    let status = server.jobs().update_job(update).await.unwrap_err();
    assert_eq!(
        (status.code(), &*details(&status).0),
        (Code::Aborted, "ETAG_MISMATCH")
    );
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_cancel_ends_a_waiting_job_and_asks_an_active_one() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let cancel = async |id: JobId| {
        let request = proto::CancelJobRequest {
            id: id.to_string(),
            reason: "not needed".to_owned(),
            etag: etag(&server, id).await,
        };
        let job = server.jobs().cancel_job(request).await;
        job.map(|answer| answer.into_inner().job.unwrap())
    };
    let waiting = submit(&server).await;
    let job = cancel(waiting).await.unwrap();
    assert_eq!(job.state(), proto::JobState::Cancelled);
    assert_eq!(job.error.unwrap().message, "not needed");
    let active = submit(&server).await;
    let claimed = server.claim("default").await;
    let job = cancel(active).await.unwrap();
    assert_eq!(job.state(), proto::JobState::Active);
    assert!(job.cancel_requested);
    queue.finish(&claimed, Outcome::Cancelled).await.unwrap();
    let status = cancel(active).await.unwrap_err();
    let (reason, details) = details(&status);
    assert_eq!(reason, "INVALID_STATE_TRANSITION");
    let metadata = &details.error_info().unwrap().metadata;
    assert_eq!(
        (&*metadata["from"], &*metadata["to"]),
        ("cancelled", "cancelled")
    );
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_job_that_is_cancelled_and_not_kept_is_answered_all_the_same() {
    let queue = TestQueue::with(|config| config.retention.cancelled.count = 0);
    let server = Server::over(&queue).await;
    queue.submit(NewJob::new("k", "").unwrap()).await.unwrap();
    let keep_none = proto::UpdateQueueRequest {
        queue: Some(proto::Queue {
            name: "default".to_owned(),
            settings: Some(proto::QueueSettings {
                cancelled_retention: Some(proto::Retention {
                    count: Some(0),
                    age: None,
                }),
                ..proto::QueueSettings::default()
            }),
            ..proto::Queue::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["settings.cancelled_retention".to_owned()],
        }),
        etag: String::new(),
    };
    server.queues().update_queue(keep_none).await.unwrap();
    let id = submit(&server).await;
    let request = proto::CancelJobRequest {
        id: id.to_string(),
        ..proto::CancelJobRequest::default()
    };
    let job = server.jobs().cancel_job(request).await.unwrap();
    let job = job.into_inner().job.unwrap();
    assert_eq!(
        (job.id.clone(), job.state()),
        (id.to_string(), proto::JobState::Cancelled)
    );
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_retry_can_bring_another_payload_and_keeps_the_old_one() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let id = submit(&server).await;
    let claimed = server.claim("default").await;
    queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();
    let request = proto::RetryJobRequest {
        id: id.to_string(),
        payload: Some("fixed".into()),
        content_type: "text/plain".to_owned(),
        etag: String::new(),
    };
    let job = server.jobs().retry_job(request).await.unwrap();
    assert_eq!(
        job.into_inner().job.unwrap().state(),
        proto::JobState::Waiting
    );
    let job = queue.get(id).await.unwrap();
    assert_eq!(
        (&*job.payload, &*job.content_type),
        (&b"fixed"[..], "text/plain")
    );
    assert_eq!(job.previous_payloads[0].payload, "{}");
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_promoted_job_waits_and_a_deleted_one_is_gone() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let later = proto::SubmitJobRequest {
        kind: "k".to_owned(),
        when: Some(proto::submit_job_request::When::Delay(
            prost_types::Duration {
                seconds: 3_600,
                nanos: 0,
            },
        )),
        ..proto::SubmitJobRequest::default()
    };
    let submitted = server.jobs().submit_job(later).await.unwrap().into_inner();
    let id = submitted.job.unwrap().id;
    let promote = proto::PromoteJobRequest { id: id.clone() };
    let job = server.jobs().promote_job(promote).await.unwrap();
    assert_eq!(
        job.into_inner().job.unwrap().state(),
        proto::JobState::Waiting
    );
    server.claim("default").await;
    let delete = |force| proto::DeleteJobRequest {
        id: id.clone(),
        force,
        etag: String::new(),
    };
    let status = server.jobs().delete_job(delete(false)).await.unwrap_err();
    assert_eq!(details(&status).0, "INVALID_STATE_TRANSITION");
    server.jobs().delete_job(delete(true)).await.unwrap();
    assert_eq!(server.stored().await, 0);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_submit_tells_which_job_had_to_make_way() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let request = |on_conflict: proto::OnConflict| proto::SubmitJobRequest {
        kind: "k".to_owned(),
        idempotency_key: "once".to_owned(),
        on_conflict: on_conflict.into(),
        ..proto::SubmitJobRequest::default()
    };
    let submit = async |on_conflict| {
        let answer = server.jobs().submit_job(request(on_conflict)).await;
        answer.map(tonic::Response::into_inner)
    };
    let first = submit(proto::OnConflict::Unspecified).await.unwrap();
    let first_id = first.job.unwrap().id;
    let second = submit(proto::OnConflict::ReturnExisting).await.unwrap();
    assert!(second.duplicate && second.replaced_id.is_empty());
    let status = submit(proto::OnConflict::Reject).await.unwrap_err();
    let (reason, details) = details(&status);
    assert_eq!(
        (status.code(), &*reason),
        (Code::AlreadyExists, "IDEMPOTENCY_CONFLICT")
    );
    let metadata = &details.error_info().unwrap().metadata;
    assert_eq!(
        (&metadata["job_id"], &*metadata["state"]),
        (&first_id, "waiting")
    );
    let third = submit(proto::OnConflict::ReplaceWaiting).await.unwrap();
    assert_eq!(
        (third.duplicate, third.replaced_id),
        (false, first_id.clone())
    );
    let replaced = queue.get(first_id.parse().unwrap()).await.unwrap();
    assert_eq!(replaced.state, JobState::Cancelled);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn rest_calls_a_job_off() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let id = submit(&server).await;
    let path = format!("/jobs/{id}");
    let answer = server.call(Method::DELETE, &path, &[], "").await;
    let expected = format!(r#"{{"success":true,"job":{{"id":"{id}","status":"cancelled"}}}}"#);
    assert_eq!((answer.status.as_u16(), answer.body), (200, expected));
    let again = server.call(Method::DELETE, &path, &[], "").await;
    assert_eq!(again.status.as_u16(), 409);
    assert_eq!(again.json()["reason"], "INVALID_STATE_TRANSITION");
    let odd = server.call(Method::DELETE, "/jobs/42", &[], "").await;
    assert_eq!(odd.status.as_u16(), 400);
    server.stop().await.unwrap();
    queue.close().await;
}
