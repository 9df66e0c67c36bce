//! The calls about queues, each with what it refuses.

use jobflow::proto;
use tonic::Code;

use super::{Refusals, at, mask, seconds, text};
use crate::support::Server;

#[expect(clippy::too_many_lines, reason = "one case after the other")]
pub(super) async fn queues(server: &Server, refused: &mut Refusals) {
    let mut queues = server.queues();
    for (name, expected) in [
        ("A:b", "INVALID_FIELD name"),
        ("", "INVALID_FIELD name"),
        ("nobody", "QUEUE_NOT_FOUND"),
    ] {
        let get = proto::GetQueueRequest { name: text(name) };
        refused.add("GetQueue", expected, queues.get_queue(get).await);
        let update = proto::UpdateQueueRequest {
            queue: Some(proto::Queue {
                name: text(name),
                ..proto::Queue::default()
            }),
            update_mask: mask("settings.max_waiting"),
            etag: String::new(),
        };
        refused.add("UpdateQueue", expected, queues.update_queue(update).await);
        let pause = proto::PauseQueueRequest {
            name: text(name),
            ..proto::PauseQueueRequest::default()
        };
        refused.add("PauseQueue", expected, queues.pause_queue(pause).await);
        let resume = proto::ResumeQueueRequest {
            name: text(name),
            kind: String::new(),
        };
        refused.add("ResumeQueue", expected, queues.resume_queue(resume).await);
        let drain = proto::DrainQueueRequest { name: text(name) };
        refused.add("DrainQueue", expected, queues.drain_queue(drain).await);
        let purge = proto::PurgeQueueRequest {
            name: text(name),
            states: vec![proto::JobState::Waiting.into()],
            confirm_name: text(name),
            validate_only: false,
        };
        refused.add("PurgeQueue", expected, queues.purge_queue(purge).await);
        let delete = proto::DeleteQueueRequest { name: text(name) };
        refused.add("DeleteQueue", expected, queues.delete_queue(delete).await);
    }
    settings(server, refused).await;
    switches(server, refused).await;
    let delete = proto::DeleteQueueRequest {
        name: text("default"),
    };
    refused.add(
        "DeleteQueue",
        "QUEUE_NOT_EMPTY",
        queues.delete_queue(delete).await,
    );
    for (page_size, page_token, expected) in [
        (-1, "", "INVALID_FIELD page_size"),
        (0, "foreign", "INVALID_FIELD page_token"),
    ] {
        let list = proto::ListQueuesRequest {
            page_size,
            page_token: text(page_token),
        };
        refused.add("ListQueues", expected, queues.list_queues(list).await);
    }
}

#[expect(clippy::too_many_lines, reason = "one case after the other")]
pub(super) async fn settings(server: &Server, refused: &mut Refusals) {
    let mut queues = server.queues();
    let retention = Some(proto::Retention {
        count: Some(-1),
        age: seconds(-1),
    });
    let odd = || proto::QueueSettings {
        max_waiting: Some(-1),
        completed_retention: retention,
        failed_retention: retention,
        cancelled_retention: retention,
        max_attempts: Some(0),
        timeout: seconds(0),
        backoff: Some(proto::Backoff {
            multiplier: 0.5,
            ..proto::Backoff::default()
        }),
        durability: 9,
        partitions: Some(65),
    };
    for (path, etag, expected) in [
        ("counts", "", "INVALID_FIELD update_mask"),
        (
            "settings.max_waiting",
            "",
            "INVALID_FIELD settings.max_waiting",
        ),
        (
            "settings.failed_retention.count",
            "",
            "INVALID_FIELD settings.failed_retention.count",
        ),
        (
            "settings.completed_retention.age",
            "",
            "INVALID_FIELD settings.completed_retention.age",
        ),
        ("settings.max_attempts", "", "INVALID_FIELD max_attempts"),
        ("settings.timeout", "", "INVALID_FIELD timeout"),
        ("settings.backoff", "", "INVALID_FIELD backoff.multiplier"),
        (
            "settings.durability",
            "",
            "INVALID_FIELD settings.durability",
        ),
        (
            "settings.partitions",
            "",
            "INVALID_FIELD settings.partitions",
        ),
        (
            "settings.cancelled_retention",
            "9",
            "INVALID_FIELD settings.cancelled_retention.count",
        ),
    ] {
        let update = proto::UpdateQueueRequest {
            queue: Some(proto::Queue {
                name: text("default"),
                settings: Some(odd()),
                ..proto::Queue::default()
            }),
            update_mask: mask(path),
            etag: text(etag),
        };
        refused.add("UpdateQueue", expected, queues.update_queue(update).await);
    }
    let stale = proto::UpdateQueueRequest {
        queue: Some(proto::Queue {
            name: text("default"),
            ..proto::Queue::default()
        }),
        update_mask: mask("*"),
        etag: text("stale"),
    };
    let status = refused.add(
        "UpdateQueue",
        "ETAG_MISMATCH",
        queues.update_queue(stale).await,
    );
    assert_eq!(status.code(), Code::Aborted);
}

#[expect(clippy::too_many_lines, reason = "one case after the other")]
pub(super) async fn switches(server: &Server, refused: &mut Refusals) {
    let mut queues = server.queues();
    let sound = || proto::PauseQueueRequest {
        name: text("default"),
        ..proto::PauseQueueRequest::default()
    };
    for (expected, pause) in [
        (
            "INVALID_FIELD kind",
            proto::PauseQueueRequest {
                kind: text("a b"),
                ..sound()
            },
        ),
        (
            "INVALID_FIELD reason",
            proto::PauseQueueRequest {
                reason: "r".repeat(1_025),
                ..sound()
            },
        ),
        (
            "INVALID_FIELD resume_time",
            proto::PauseQueueRequest {
                resume_time: at(i64::MAX),
                ..sound()
            },
        ),
    ] {
        refused.add("PauseQueue", expected, queues.pause_queue(pause).await);
    }
    let resume = proto::ResumeQueueRequest {
        name: text("default"),
        kind: text("a b"),
    };
    refused.add(
        "ResumeQueue",
        "INVALID_FIELD kind",
        queues.resume_queue(resume).await,
    );
    for (states, confirm_name, expected) in [
        (vec![], "default", "INVALID_FIELD states"),
        (vec![0], "default", "INVALID_FIELD states"),
        (vec![99], "default", "INVALID_FIELD states"),
        (
            vec![proto::JobState::Active.into()],
            "default",
            "INVALID_FIELD states",
        ),
        (
            vec![proto::JobState::Waiting.into()],
            "defaul",
            "INVALID_FIELD confirm_name",
        ),
    ] {
        let purge = proto::PurgeQueueRequest {
            name: text("default"),
            states,
            confirm_name: text(confirm_name),
            validate_only: false,
        };
        refused.add("PurgeQueue", expected, queues.purge_queue(purge).await);
    }
}
