//! `WatchEvents`.

use std::collections::BTreeSet;

use jobflow::testing::{TestQueue, TestRedis, wait_for};
use jobflow::{Force, NewJob, Outcome, Partition, QueueName, SettingsChange, proto};
use tonic::{Code, Streaming};

use crate::support::{Server, details};

type Events = Streaming<proto::WatchEventsResponse>;

async fn watch(server: &Server, filter: &str, resume_token: &str) -> Events {
    let request = proto::WatchEventsRequest {
        filter: filter.to_owned(),
        resume_token: resume_token.to_owned(),
    };
    let stream = server.jobs().watch_events(request).await.unwrap();
    stream.into_inner()
}

/// The first message tells nothing but where the stream begins.
async fn begin(server: &Server, filter: &str, resume_token: &str) -> (Events, String) {
    let mut stream = watch(server, filter, resume_token).await;
    let first = stream.message().await.unwrap().unwrap();
    assert!(first.events.is_empty() && !first.resume_token.is_empty());
    (stream, first.resume_token)
}

/// Reads until so many events have come; with the last token.
async fn read(stream: &mut Events, count: usize) -> (Vec<proto::JobEvent>, String) {
    let (mut events, mut token) = (Vec::new(), String::new());
    while events.len() < count {
        let message = stream.message().await.unwrap().unwrap();
        assert_eq!(message.gap_queue, "");
        events.extend(message.events);
        token = message.resume_token;
    }
    assert_eq!(events.len(), count);
    (events, token)
}

async fn submit(server: &Server, kind: &str, queue: &str) -> String {
    let job = NewJob::new(kind, "{}").unwrap().queue(queue).unwrap();
    server.queue.submit(job).await.unwrap().id.to_string()
}

#[tokio::test]
async fn every_move_is_told_with_kind_and_time_and_also_of_queues_that_are_new() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    submit(&server, "old", "mail").await;
    let (mut stream, _) = begin(&server, "", "").await;
    let id = submit(&server, "resize", "video").await;
    let claimed = server.claim("video").await;
    queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();
    let (events, _) = read(&mut stream, 3).await;
    let told: Vec<_> = events.iter().map(proto::JobEvent::state).collect();
    use proto::JobState::{Active, Completed, Waiting};
    assert_eq!(told, [Waiting, Active, Completed]);
    for event in &events {
        assert_eq!(
            (&event.id, &*event.kind, &*event.queue),
            (&id, "resize", "video")
        );
        assert!(event.time.unwrap().seconds > 0);
    }
    drop(stream);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_filter_picks_events_by_kind_queue_and_state() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let (mut by_kind, _) = begin(&server, "kind = b AND state = waiting", "").await;
    let (mut by_queue, _) = begin(&server, "queue = mail", "").await;
    submit(&server, "a", "mail").await;
    let id = submit(&server, "b", "video").await;
    server.claim("video").await;
    let last = submit(&server, "b", "mail").await;
    let (events, _) = read(&mut by_kind, 2).await;
    let ids: BTreeSet<_> = events.into_iter().map(|event| event.id).collect();
    assert_eq!(ids, BTreeSet::from([id, last.clone()]));
    let (events, _) = read(&mut by_queue, 2).await;
    assert_eq!(events[1].id, last);
    drop((by_kind, by_queue));
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_token_leads_on_at_another_server_with_no_event_missing_and_none_twice() {
    let queue = TestQueue::new();
    let first = Server::over(&queue).await;
    let (mut stream, mut token) = begin(&first, "", "").await;
    let mut expected = Vec::new();
    for n in 0..20 {
        expected.push(submit(&first, "k", &format!("q-{}", n % 3)).await);
    }
    let mut seen: Vec<String> = Vec::new();
    while seen.len() < 10 {
        let message = stream.message().await.unwrap().unwrap();
        seen.extend(message.events.into_iter().map(|event| event.id));
        token = message.resume_token;
    }
    // What comes while nobody listens, from a queue that nobody knew, too.
    first.stop().await.unwrap();
    let second = Server::over(&queue).await;
    for n in 0..300 {
        expected.push(submit(&second, "k", &format!("q-{}", n % 5)).await);
    }
    let (mut stream, _) = begin(&second, "", &token).await;
    for _ in 0..20 {
        expected.push(submit(&second, "k", "q-9").await);
    }
    let (events, _) = read(&mut stream, expected.len() - seen.len()).await;
    seen.extend(events.into_iter().map(|event| event.id));
    let (seen, expected) = [seen, expected]
        .map(|mut ids| {
            ids.sort();
            ids
        })
        .into();
    assert_eq!(seen, expected);
    drop(stream);
    second.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn whoever_comes_too_late_is_told_of_the_gap_and_goes_on() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    submit(&server, "k", "mail").await;
    let (stream, token) = begin(&server, "", "").await;
    drop(stream);
    // Each is an entry of its own, and a stream keeps some 2,000 of them.
    for _ in 0..3_000 {
        submit(&server, "k", "mail").await;
    }
    let mut stream = watch(&server, "", &token).await;
    let mut events = 0;
    let mut gaps = Vec::new();
    let last = submit(&server, "k", "mail").await;
    loop {
        let message = stream.message().await.unwrap().unwrap();
        gaps.extend(Some(message.gap_queue).filter(|queue| !queue.is_empty()));
        events += message.events.len();
        if message.events.iter().any(|event| event.id == last) {
            break;
        }
    }
    assert_eq!(gaps, ["mail"]);
    assert!((2_000..3_000).contains(&events), "{events}");
    drop(stream);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_slow_reader_misses_nothing() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let (mut stream, _) = begin(&server, "", "").await;
    let mut expected = BTreeSet::new();
    // Read nothing until all is there: more than a stream is held ready for,
    // in fewer entries than are kept.
    for _ in 0..1_900 {
        let jobs = (0..25).map(|n| NewJob::new(format!("kind-{n}"), "").unwrap());
        for submitted in queue.submit_batch(jobs.collect()).await {
            expected.insert(submitted.unwrap().id.to_string());
        }
    }
    let (events, _) = read(&mut stream, expected.len()).await;
    let seen: BTreeSet<_> = events.into_iter().map(|event| event.id).collect();
    assert_eq!(seen.len(), expected.len());
    assert!(seen == expected);
    drop(stream);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_drained_queue_is_told_when_it_is_empty() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    submit(&server, "k", "mail").await;
    let (mut stream, _) = begin(&server, "queue = mail", "").await;
    let drain = proto::DrainQueueRequest {
        name: "mail".to_owned(),
    };
    server.queues().drain_queue(drain).await.unwrap();
    let claimed = server.claim("mail").await;
    queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();
    let drained = loop {
        let message = stream.message().await.unwrap().unwrap();
        if !message.drained_queues.is_empty() {
            break message.drained_queues;
        }
    };
    assert_eq!(drained, ["mail"]);
    drop(stream);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_token_of_another_installation_is_refused() {
    let (queue, other) = (TestQueue::new(), TestQueue::new());
    let (server, foreign) = (Server::over(&queue).await, Server::over(&other).await);
    let (stream, token) = begin(&foreign, "", "").await;
    drop(stream);
    let request = proto::WatchEventsRequest {
        filter: String::new(),
        resume_token: token,
    };
    let status = server.jobs().watch_events(request).await.unwrap_err();
    assert_eq!(
        (status.code(), &*details(&status).0),
        (Code::InvalidArgument, "INVALID_FIELD")
    );
    server.stop().await.unwrap();
    foreign.stop().await.unwrap();
    queue.close().await;
    other.close().await;
}

/// A forged token can name thousands, each of which would cost a read.
#[tokio::test]
async fn queues_that_a_token_names_and_nobody_knows_are_left_out() {
    let redis = TestRedis::start();
    let server = Server::over_redis(&redis).await;
    submit(&server, "k", "mail").await;
    let known = server.queue.all_partitions().await.unwrap();
    let mut positions = server.queue.event_positions(known).await.unwrap();
    for n in 0..2_000 {
        let ghost = QueueName::new(format!("ghost-{n}")).unwrap();
        positions.set(&Partition::first(ghost), "1-1".parse().unwrap());
    }
    let during = submit(&server, "k", "mail").await;
    let (mut stream, _) = begin(&server, "", &positions.token()).await;
    let (events, token) = read(&mut stream, 1).await;
    assert_eq!(events[0].id, during);
    let positions = server.queue.event_positions_of(&token).unwrap();
    let named: Vec<_> = positions.partitions().map(ToString::to_string).collect();
    assert_eq!(named, ["mail"]);
    drop(stream);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_token_names_what_its_filter_means_and_the_rest_begins_at_the_beginning() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    submit(&server, "k", "mail").await;
    let earlier = submit(&server, "k", "video").await;
    let (mut stream, _) = begin(&server, "queue = mail", "").await;
    let unmeant = submit(&server, "k", "video").await;
    let heard = submit(&server, "k", "mail").await;
    let (events, token) = read(&mut stream, 1).await;
    assert_eq!(events[0].id, heard);
    drop(stream);
    let (mut stream, _) = begin(&server, "", &token).await;
    let (events, _) = read(&mut stream, 2).await;
    let ids: Vec<_> = events.into_iter().map(|event| event.id).collect();
    assert_eq!(ids, [earlier, unmeant]);
    drop(stream);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn events_of_a_partition_that_has_gone_are_a_gap() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let mail = QueueName::new("mail").unwrap();
    submit(&server, "k", "mail").await;
    let spread = async |count| {
        let change = [SettingsChange::Partitions(Some(count))];
        queue.update_settings(&mail, &change, None).await.unwrap();
    };
    spread(2).await;
    let further = queue.all_partitions().await.unwrap().pop().unwrap();
    let id = loop {
        let id = submit(&server, "k", "mail").await.parse().unwrap();
        if Partition::of(&mail, id) == further {
            break id;
        }
    };
    let (stream, token) = begin(&server, "", "").await;
    drop(stream);
    queue.delete(id, Force::No, None).await.unwrap();
    spread(1).await;
    wait_for("the partition to go", async || {
        // A server may be faster.
        let _done = queue.retire(&further).await.unwrap();
        let left = queue.all_partitions().await.unwrap();
        (!left.contains(&further)).then_some(())
    })
    .await;
    let (mut stream, _) = begin(&server, "", &token).await;
    let message = stream.message().await.unwrap().unwrap();
    assert_eq!(message.gap_queue, "mail");
    drop(stream);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn an_outage_of_the_store_does_not_end_a_stream() {
    let mut redis = TestRedis::start_durable();
    let server = Server::over_redis(&redis).await;
    let before = submit(&server, "k", "mail").await;
    let (stream, token) = begin(&server, "", "").await;
    drop(stream);
    let during = submit(&server, "k", "mail").await;
    let (mut stream, _) = begin(&server, "", &token).await;
    redis.kill();
    redis.resume();
    let after = wait_for("a submit", async || {
        let job = NewJob::new("k", "").unwrap().queue("video").unwrap();
        server.queue.submit(job).await.ok()
    });
    let after = after.await.id.to_string();
    let (events, _) = read(&mut stream, 2).await;
    let ids: Vec<_> = events.into_iter().map(|event| event.id).collect();
    assert_eq!(ids, [during, after]);
    assert!(!ids.contains(&before));
    drop(stream);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_stop_signal_ends_the_streams() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let id = submit(&server, "k", "mail").await;
    let (mut events, _) = begin(&server, "", "").await;
    let request = proto::WatchJobRequest { id, from_line: 0 };
    let watched = server.jobs().watch_job(request).await.unwrap();
    let mut job = watched.into_inner();
    job.message().await.unwrap().unwrap();
    server.begin_stop();
    let ended = [
        events.message().await.unwrap_err(),
        job.message().await.unwrap_err(),
    ];
    for status in ended {
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(details(&status).0, "SHUTTING_DOWN");
    }
    server.stop().await.unwrap();
    queue.close().await;
}
