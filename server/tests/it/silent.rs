//! A server over a cluster of which one master takes what is sent to it and
//! answers nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jobflow::Partition;
use jobflow::proto::{JobEvent, StreamMetricsRequest, WatchEventsRequest, WatchEventsResponse};
use jobflow::testing::{LostMaster, PATIENCE, assert_sound, key_of_part, namespace_key, wait_for};
use jobflow_server::Config;
use tokio::time::timeout;
use tonic::Streaming;

use crate::support::Server;

type Events = Streaming<WatchEventsResponse>;

async fn over(lost: &LostMaster) -> Server {
    let config = lost.queue.config();
    Server::start(Config {
        redis_url: config.redis_url.clone(),
        namespace: config.namespace.clone(),
        ..Config::default()
    })
    .await
}

/// A stream, and the token of its first message.
async fn watch(server: &Server, resume_token: &str) -> (Events, String) {
    let request = WatchEventsRequest {
        filter: String::new(),
        resume_token: resume_token.to_owned(),
    };
    let stream = server.jobs().watch_events(request).await;
    let mut stream = stream.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    (stream, first.resume_token)
}

/// Reads until all of these jobs were told of.
async fn hear(stream: &mut Events, mut ids: BTreeSet<String>) {
    while !ids.is_empty() {
        let message = stream.message().await.unwrap().unwrap();
        assert_eq!(message.gap_queue, "");
        for event in message.events {
            ids.remove(&event.id);
        }
    }
}

/// Submits so many jobs to the others, and hears of each before the next.
async fn tell_and_hear(lost: &LostMaster, stream: &mut Events, jobs: usize) {
    for part in lost.well.iter().cycle().take(jobs) {
        tell_and_hear_in(lost, stream, part).await;
    }
}

async fn tell_and_hear_in(lost: &LostMaster, stream: &mut Events, part: &Partition) {
    let job = lost.queue.submit(lost.job_in(part, "k")).await.unwrap();
    hear(stream, BTreeSet::from([job.id.to_string()])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_the_others_are_told_at_once_to_a_stream_that_is_behind() {
    let mut lost = LostMaster::start("k").await;
    let server = over(&lost).await;
    let (stream, token) = watch(&server, "").await;
    drop(stream);
    let mut missed = BTreeSet::new();
    for part in lost.gone.iter().chain(&lost.well) {
        let job = lost.queue.submit(lost.job_in(part, "k")).await.unwrap();
        missed.insert(job.id.to_string());
    }
    lost.fall_silent();
    let (mut stream, _) = watch(&server, &token).await;
    let first = tell_and_hear(&lost, &mut stream, 4);
    tokio::select! {
        biased;
        () = first => {}
        gave_up = lost.queue.promote_in(&lost.gone[0]) => {
            panic!("a call to the silent master ended sooner: {gave_up:?}")
        }
    }
    let others = tell_and_hear(&lost, &mut stream, 40);
    let others = timeout(PATIENCE / 2, others).await;
    others.expect("one after the other");
    lost.cluster.servers()[lost.server].thaw();
    // From where the reader was.
    missed.retain(|id| {
        let id = id.parse().unwrap();
        lost.gone.contains(&Partition::of(&lost.name, id))
    });
    let heard = timeout(PATIENCE, hear(&mut stream, missed)).await;
    heard.expect("what was missed");
    drop(stream);
    server.stop().await.unwrap();
    assert_sound(&lost.queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_while_the_master_of_the_namespace_is_silent() {
    let mut lost = LostMaster::start("k").await;
    let server = over(&lost).await;
    let (mut stream, _) = watch(&server, "").await;
    let list = namespace_key(&lost.queue.config().namespace, "queues");
    let silent = lost.cluster.owner(&list);
    let owner = |part: &Partition| lost.cluster.owner(&key_of_part(&lost.queue, part));
    let parts = lost.gone.iter().chain(&lost.well);
    let part = { parts }.find(|part| owner(part) != silent);
    let part = part.unwrap().clone();
    tell_and_hear_in(&lost, &mut stream, &part).await;
    lost.kill_replicas();
    lost.cluster.servers()[silent].freeze();
    let frozen = Instant::now();
    let told = async {
        // For longer than the server goes without a look for queues, and once behind that.
        while frozen.elapsed() < Duration::from_secs(1) {
            tell_and_hear_in(&lost, &mut stream, &part).await;
        }
        tell_and_hear_in(&lost, &mut stream, &part).await;
    };
    tokio::select! {
        biased;
        () = told => {}
        gave_up = lost.queue.queues() => {
            panic!("a call to the silent master ended sooner: {gave_up:?}")
        }
    }
    lost.cluster.servers()[silent].thaw();
    wait_for("the list", async || lost.queue.queues().await.ok()).await;
    drop(stream);
    server.stop().await.unwrap();
    assert_sound(&lost.queue).await;
}

/// Where a stream begins in a partition out of reach is not known, and not the
/// beginning either.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_without_a_master_tells_nothing_of_there_twice() {
    let mut lost = LostMaster::start("k").await;
    let server = over(&lost).await;
    let part = lost.gone[0].clone();
    let before = lost.queue.submit(lost.job_in(&part, "k")).await.unwrap();
    lost.fall_silent();
    let (stream, token) = watch(&server, "").await;
    drop(stream);
    lost.cluster.servers()[lost.server].thaw();
    let back = async || lost.queue.promote_in(&part).await.ok();
    wait_for("the master", back).await;
    let (mut stream, _) = watch(&server, &token).await;
    for part in &lost.gone {
        lost.queue.submit(lost.job_in(part, "k")).await.unwrap();
    }
    let before = before.id.to_string();
    let next = async |stream: &mut Events| {
        let message = stream.message().await.unwrap().unwrap();
        assert!(message.events.iter().all(|event| event.id != before));
        message
    };
    let told = async {
        for _ in &lost.gone {
            while next(&mut stream).await.gap_queue != lost.name.as_str() {}
        }
        let last = lost.queue.submit(lost.job_in(&part, "k")).await.unwrap();
        let last = last.id.to_string();
        let is_last = |event: &JobEvent| event.id == last;
        while !next(&mut stream).await.events.iter().any(is_last) {}
    };
    timeout(PATIENCE, told).await.expect("what comes after");
    drop(stream);
    server.stop().await.unwrap();
    assert_sound(&lost.queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_the_others_go_on_and_a_stop_does_not_wait() {
    let mut lost = LostMaster::start("k").await;
    let server = over(&lost).await;
    let request = StreamMetricsRequest {
        interval: Some(jobflow::proto::duration(Duration::from_millis(200))),
    };
    let stream = server.metrics().stream_metrics(request).await;
    let mut stream = stream.unwrap().into_inner();
    lost.fall_silent();
    let part = &lost.well[0];
    lost.queue.submit(lost.job_in(part, "k")).await.unwrap();
    let counted = async {
        loop {
            let message = stream.message().await.unwrap().unwrap();
            // None before the first numbers.
            let Some(queue) = message.queues.into_iter().find_map(|queue| queue.queue) else {
                continue;
            };
            let unreachable = queue.partitions.unwrap_or_default().unreachable.len();
            if unreachable == lost.gone.len() && queue.counts.unwrap().waiting == 2 {
                break;
            }
        }
    };
    timeout(PATIENCE / 2, counted).await.expect("the numbers");
    drop(stream);
    let stopped = timeout(PATIENCE / 2, server.stop()).await;
    stopped.expect("it ends").unwrap();
    lost.cluster.servers()[lost.server].thaw();
    let there = async || lost.queue.promote_in(&lost.gone[0]).await.ok();
    wait_for("the master", there).await;
    assert_sound(&lost.queue).await;
}
