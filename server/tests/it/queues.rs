//! `QueueService`.

use jobflow::testing::TestQueue;
use jobflow::{NewJob, Outcome, proto};
use prost_types::FieldMask;
use tonic::{Code, Response, Status};

use crate::support::{Server, details};

const NAME: &str = "mail";

fn name() -> String {
    NAME.to_owned()
}

async fn submit(server: &Server, kind: &str) {
    let job = NewJob::new(kind, "{}").unwrap().queue(NAME).unwrap();
    server.queue.submit(job).await.unwrap();
}

async fn read(server: &Server) -> proto::Queue {
    let request = proto::GetQueueRequest { name: name() };
    let answer = server.queues().get_queue(request).await.unwrap();
    answer.into_inner().queue.unwrap()
}

async fn update(
    server: &Server,
    settings: proto::QueueSettings,
    path: &str,
    etag: &str,
) -> Result<Response<proto::UpdateQueueResponse>, Status> {
    let request = proto::UpdateQueueRequest {
        queue: Some(proto::Queue {
            name: name(),
            settings: Some(settings),
            ..proto::Queue::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec![path.to_owned()],
        }),
        etag: etag.to_owned(),
    };
    server.queues().update_queue(request).await
}

#[tokio::test]
async fn settings_change_by_mask_and_go_back_to_their_defaults() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    submit(&server, "k").await;
    let settings = proto::QueueSettings {
        max_waiting: Some(1),
        max_attempts: Some(7),
        ..proto::QueueSettings::default()
    };
    let before = read(&server).await;
    let answer = update(&server, settings, "settings.max_waiting", &before.etag).await;
    let changed = answer.unwrap().into_inner().queue.unwrap();
    let found = changed.settings.unwrap();
    assert_eq!((found.max_waiting, found.max_attempts), (Some(1), None));
    assert_ne!(changed.etag, before.etag);

    let job = NewJob::new("k", "").unwrap().queue(NAME).unwrap();
    let full = queue.submit(job).await.unwrap_err();
    assert_eq!(full.code(), jobflow::Code::QueueFull);
    let stale = update(&server, settings, "*", &before.etag)
        .await
        .unwrap_err();
    assert_eq!(
        (stale.code(), &*details(&stale).0),
        (Code::Aborted, "ETAG_MISMATCH")
    );

    let none = proto::QueueSettings::default();
    update(&server, none, "settings", &changed.etag)
        .await
        .unwrap();
    assert_eq!(read(&server).await.settings, Some(none));
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_pause_is_told_with_its_reason_and_end_and_is_lifted() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    submit(&server, "resize").await;
    let later = prost_types::Timestamp {
        seconds: 4_000_000_000,
        nanos: 0,
    };
    let pause = |kind: &str| proto::PauseQueueRequest {
        name: name(),
        kind: kind.to_owned(),
        reason: "moving".to_owned(),
        resume_time: Some(later),
    };
    server.queues().pause_queue(pause("")).await.unwrap();
    let paused = server.queues().pause_queue(pause("resize")).await.unwrap();
    let pauses = paused.into_inner().queue.unwrap().pauses;
    let told: Vec<_> = pauses
        .iter()
        .map(|pause| (&*pause.kind, &*pause.reason, pause.resume_time))
        .collect();
    assert_eq!(
        told,
        [
            ("", "moving", Some(later)),
            ("resize", "moving", Some(later))
        ]
    );
    let (parsed, lease) = (NAME.parse().unwrap(), std::time::Duration::from_secs(9));
    let claimed = queue.claim(&parsed, 1, lease, "w").await.unwrap();
    assert!(claimed.jobs.is_empty());
    for kind in ["", "resize"] {
        let resume = proto::ResumeQueueRequest {
            name: name(),
            kind: kind.to_owned(),
        };
        server.queues().resume_queue(resume).await.unwrap();
    }
    assert!(read(&server).await.pauses.is_empty());
    server.claim(NAME).await;
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_draining_queue_takes_nothing_new_until_it_is_resumed() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    submit(&server, "k").await;
    let drain = proto::DrainQueueRequest { name: name() };
    let drained = server.queues().drain_queue(drain).await.unwrap();
    assert!(drained.into_inner().queue.unwrap().draining);
    let request = || proto::SubmitJobRequest {
        kind: "k".to_owned(),
        queue: name(),
        ..proto::SubmitJobRequest::default()
    };
    let status = server.jobs().submit_job(request()).await.unwrap_err();
    assert_eq!(
        (status.code(), &*details(&status).0),
        (Code::FailedPrecondition, "QUEUE_DRAINING")
    );
    let claimed = server.claim(NAME).await;
    queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();
    let resume = proto::ResumeQueueRequest {
        name: name(),
        kind: String::new(),
    };
    server.queues().resume_queue(resume).await.unwrap();
    server.jobs().submit_job(request()).await.unwrap();
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_purge_counts_first_and_deletes_only_what_it_was_told() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    for _ in 0..3 {
        submit(&server, "k").await;
    }
    let waiting = proto::JobState::Waiting;
    let purge = |validate_only, confirm_name: &str| proto::PurgeQueueRequest {
        name: name(),
        states: vec![
            waiting.into(),
            waiting.into(),
            proto::JobState::Failed.into(),
        ],
        confirm_name: confirm_name.to_owned(),
        validate_only,
    };
    let count = server.queues().purge_queue(purge(true, "")).await.unwrap();
    assert_eq!((count.into_inner().count, server.stored().await), (3, 3));
    let refused = server.queues().purge_queue(purge(false, "")).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    let count = server
        .queues()
        .purge_queue(purge(false, NAME))
        .await
        .unwrap();
    assert_eq!((count.into_inner().count, server.stored().await), (3, 0));
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn only_an_empty_queue_can_be_deleted() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    submit(&server, "k").await;
    let delete = || proto::DeleteQueueRequest { name: name() };
    let status = server.queues().delete_queue(delete()).await.unwrap_err();
    assert_eq!(
        (status.code(), &*details(&status).0),
        (Code::FailedPrecondition, "QUEUE_NOT_EMPTY")
    );
    let job = server.claim(NAME).await;
    queue
        .delete(job.id, jobflow::Force::Yes, None)
        .await
        .unwrap();
    server.queues().delete_queue(delete()).await.unwrap();
    let request = proto::GetQueueRequest { name: name() };
    let status = server.queues().get_queue(request).await.unwrap_err();
    assert_eq!(
        (status.code(), &*details(&status).0),
        (Code::NotFound, "QUEUE_NOT_FOUND")
    );
    server.stop().await.unwrap();
    queue.close().await;
}
