//! A token for some queues reaches no other one, by whatever call.

use std::collections::BTreeSet;

use jobflow::testing::TestQueue;
use jobflow::{NewJob, Role, proto};
use prost::Message;
use proto::JobState;
use tonic::Code;

use super::matrix::table;
use super::{Locked, raw, with};
use crate::workers::beat;

/// What a call of this name would do to the queue `hidden` and its job.
fn request(call: &str, id: &str) -> Option<Vec<u8>> {
    let (id, name) = (id.to_owned(), "hidden".to_owned());
    Some(match call.split_once('/')?.1 {
        // Their requests begin with the id.
        "GetJob" | "WaitJob" | "WatchJob" | "ListJobLogs" | "ExplainJob" | "CancelJob"
        | "RetryJob" | "PromoteJob" | "DeleteJob" => {
            proto::GetJobRequest { id, view: 0 }.encode_to_vec()
        }
        // And theirs with the name.
        "GetQueue" | "PauseQueue" | "ResumeQueue" | "DrainQueue" | "DeleteQueue" => {
            proto::GetQueueRequest { name }.encode_to_vec()
        }
        "ListJobs"
        | "CountJobs"
        | "ListDeadLetterGroups"
        | "WatchEvents"
        | "ListQueues"
        | "StreamMetrics"
        | "QueryMetrics"
        | "ListWorkers" => Vec::new(),
        "GetWorker" => proto::GetWorkerRequest {
            id: "tester".to_owned(),
        }
        .encode_to_vec(),
        other => return change(other, id),
    })
}

/// As [`request`], for calls that need more than an id or a name.
fn change(method: &str, id: String) -> Option<Vec<u8>> {
    let submit = proto::SubmitJobRequest {
        kind: "k".to_owned(),
        queue: "hidden".to_owned(),
        ..proto::SubmitJobRequest::default()
    };
    let mask = |path: &str| {
        Some(prost_types::FieldMask {
            paths: vec![path.to_owned()],
        })
    };
    let requests = vec![submit.clone()];
    Some(match method {
        "SubmitJob" => submit.encode_to_vec(),
        "BatchSubmitJobs" => proto::BatchSubmitJobsRequest { requests }.encode_to_vec(),
        "SubmitJobs" => proto::SubmitJobsRequest { requests }.encode_to_vec(),
        "UpdateJob" => proto::UpdateJobRequest {
            job: Some(proto::Job {
                id,
                ..proto::Job::default()
            }),
            update_mask: mask("priority"),
            etag: String::new(),
        }
        .encode_to_vec(),
        "UpdateQueue" => proto::UpdateQueueRequest {
            queue: Some(proto::Queue {
                name: "hidden".to_owned(),
                ..proto::Queue::default()
            }),
            update_mask: mask("settings.max_waiting"),
            etag: String::new(),
        }
        .encode_to_vec(),
        "PurgeQueue" => proto::PurgeQueueRequest {
            name: "hidden".to_owned(),
            states: vec![JobState::Waiting.into()],
            confirm_name: "hidden".to_owned(),
            validate_only: false,
        }
        .encode_to_vec(),
        _ => return None,
    })
}

async fn reaches_nothing_by_rest(locked: &Locked, token: &str, id: &str) {
    let path = format!("/jobs/{id}");
    let body = r#"{"name":"a","queue":"hidden"}"#;
    for (method, path, body, status) in [
        ("POST", "/jobs", body, 403),
        ("GET", &*path, "", 404),
        ("DELETE", &*path, "", 404),
    ] {
        let answer = locked.rest(method, path, Some(token), body).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
    let stats = locked.rest("GET", "/stats", Some(token), "").await;
    assert_eq!(stats.json()["counts"]["waiting"], 1, "{stats:?}");
    assert_eq!(stats.json()["workers"]["alive"], 0, "{stats:?}");
    assert!(!stats.body.contains("hidden"), "{stats:?}");
}

#[tokio::test]
async fn a_token_for_one_queue_reaches_no_other() {
    let queue = TestQueue::new();
    let locked = Locked::over(&queue).await;
    let submit = async |name: &str| {
        let job = NewJob::new("k", "\"hidden-payload\"").unwrap();
        queue.submit(job.queue(name).unwrap()).await.unwrap()
    };
    let job = submit("hidden").await;
    let id = job.id.to_string();
    submit("mine").await;
    // Nobody serves this one, which makes the server unhealthy.
    submit("hidden-too").await;
    queue.beat(&beat("tester", "hidden")).await.unwrap();
    let before = queue.get(job.id).await.unwrap();
    let token = locked.token(Role::Operator, &["mine", "mine-*"]).await;

    let mut tried = BTreeSet::new();
    for row in table().iter().filter(|row| row.route().is_none()) {
        let call = &row.call;
        if row.queues == "–" || call.starts_with("Admin") || call.starts_with("Token") {
            continue;
        }
        let message = match &*row.queues {
            "all" => Vec::new(),
            _ => request(call, &id).unwrap_or_else(|| panic!("{call} has no case")),
        };
        let answer = raw(locked.server.channel(), &row.path(), with(&token, message)).await;
        match (&*row.queues, answer) {
            ("all", Err(status)) => assert_eq!(status.code(), Code::PermissionDenied, "{call}"),
            ("one", Err(status)) => {
                let refusals = [Code::PermissionDenied, Code::NotFound];
                assert!(refusals.contains(&status.code()), "{call}: {status:?}");
            }
            ("own", Err(status)) => assert_eq!(status.code(), Code::NotFound, "{call}"),
            (_, Ok(mut messages)) => {
                let batch = call.contains("SubmitJobs");
                assert!(batch || row.queues == "own", "{call} was let through");
                let first = messages.message().await.unwrap().unwrap();
                let told = String::from_utf8_lossy(&first).into_owned();
                let of_refusal = told.replace("no right to queue hidden", "");
                assert!(!of_refusal.contains("hidden"), "{call}: {told}");
                assert_eq!(batch, told.contains("QUEUE_FORBIDDEN"), "{call}: {told}");
            }
            (queues, answer) => panic!("{call} {queues}: {answer:?}"),
        }
        tried.insert(call.clone());
    }
    assert!(tried.len() > 30, "{tried:?}");

    reaches_nothing_by_rest(&locked, &token, &id).await;
    assert_eq!(queue.get(job.id).await.unwrap(), before);
    assert_eq!(locked.server.stored().await, 3);
    locked.server.stop().await.unwrap();
    queue.close().await;
}

/// A token of a stream is no text to a reader, but it can be decoded.
#[tokio::test]
async fn a_stream_of_events_tells_no_name_of_another_queue() {
    let queue = TestQueue::new();
    let locked = Locked::over(&queue).await;
    let submit = async |name: &str| {
        let job = NewJob::new("k", "{}").unwrap().queue(name).unwrap();
        queue.submit(job).await.unwrap().id.to_string()
    };
    submit("hidden").await;
    submit("mine").await;
    let known = queue.all_partitions().await.unwrap();
    let of_all = queue.event_positions(known).await.unwrap().token();
    let token = locked.token(Role::Viewer, &["mine"]).await;
    let mut jobs = locked.server.jobs();
    for resume_token in [String::new(), of_all] {
        let request = proto::WatchEventsRequest {
            filter: String::new(),
            resume_token,
        };
        let stream = jobs.watch_events(with(&token, request)).await;
        let mut stream = stream.unwrap().into_inner();
        let mut message = stream.message().await.unwrap().unwrap();
        submit("hidden").await;
        let last = submit("mine").await;
        loop {
            let positions = queue.event_positions_of(&message.resume_token).unwrap();
            let named: Vec<_> = positions.partitions().map(ToString::to_string).collect();
            assert_eq!(named, ["mine"]);
            if message.events.iter().any(|event| event.id == last) {
                break;
            }
            message = stream.message().await.unwrap().unwrap();
        }
    }
    locked.server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn what_is_listed_and_counted_is_of_the_own_queues() {
    let queue = TestQueue::new();
    let locked = Locked::over(&queue).await;
    for name in ["mine", "mine-2", "other"] {
        let job = NewJob::new("k", "{}").unwrap().queue(name).unwrap();
        queue.submit(job).await.unwrap();
    }
    let token = locked.token(Role::Viewer, &["mine*"]).await;
    let mut jobs = locked.server.jobs();
    for (filter, count) in [
        ("", 2),
        ("queue = other", 0),
        ("queue = other OR queue = mine", 1),
    ] {
        let filter = filter.to_owned();
        let list = proto::ListJobsRequest {
            filter: filter.clone(),
            ..proto::ListJobsRequest::default()
        };
        let listed = jobs.list_jobs(with(&token, list)).await.unwrap();
        assert_eq!(listed.into_inner().jobs.len(), count, "{filter}");
        let counted = proto::CountJobsRequest { filter };
        let counted = jobs.count_jobs(with(&token, counted)).await.unwrap();
        assert_eq!(counted.into_inner().count, i64::try_from(count).unwrap());
    }
    let list = proto::ListQueuesRequest::default();
    let listed = locked.server.queues().list_queues(with(&token, list)).await;
    let names = listed.unwrap().into_inner().queues.into_iter();
    let names: Vec<_> = names.map(|queue| queue.name).collect();
    assert_eq!(names, ["mine", "mine-2"]);
    let numbers = proto::StreamMetricsRequest::default();
    let stream = locked
        .server
        .metrics()
        .stream_metrics(with(&token, numbers))
        .await;
    let first = stream.unwrap().into_inner().message().await.unwrap();
    assert_eq!(first.unwrap().counts.unwrap().waiting, 2);
    the_past_is_of_the_own_queues(&locked, &token).await;
    locked.server.stop().await.unwrap();
    queue.close().await;
}

async fn the_past_is_of_the_own_queues(locked: &Locked, token: &str) {
    let ask = async |queue: &str| {
        let query = proto::QueryMetricsRequest {
            queue: queue.to_owned(),
            ..proto::QueryMetricsRequest::default()
        };
        let mut metrics = locked.server.metrics();
        metrics.query_metrics(with(token, query)).await
    };
    let all = ask("").await.unwrap().into_inner().whole.unwrap();
    assert_eq!((all.waiting, all.counted.unwrap().submitted), (2, 2));
    assert_eq!(
        ask("mine")
            .await
            .unwrap()
            .into_inner()
            .whole
            .unwrap()
            .waiting,
        1
    );
    let foreign = ask("other").await.unwrap_err();
    assert_eq!(foreign.code(), tonic::Code::PermissionDenied);
}
