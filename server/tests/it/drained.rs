//! `WatchEvents` of a draining queue of which some partitions are out of reach.

use jobflow::testing::{
    MASTERS, PATIENCE, TestCluster, fresh_namespace, key_of, key_of_part, namespace_key,
};
use jobflow::{Change, JobQueue, NewJob, Outcome, Partition, QueueConfig, QueueName};
use jobflow::{SettingsChange, proto};
use jobflow_server::Config;
use std::time::Duration;
use tokio::time::timeout;
use tonic::Streaming;

use crate::support::Server;

/// Reads until a message is the one.
async fn until(
    stream: &mut Streaming<proto::WatchEventsResponse>,
    is_it: impl Fn(&proto::WatchEventsResponse) -> bool,
) {
    let read = async { while !is_it(&stream.message().await.unwrap().unwrap()) {} };
    timeout(PATIENCE, read).await.expect("it is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_are_told_while_nobody_knows_whether_their_queue_is_empty() {
    let mut cluster = TestCluster::start();
    let config = QueueConfig {
        redis_url: cluster.servers()[0].url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    };
    let queue = JobQueue::open(config.clone()).unwrap();
    // Neither the list of queues nor the first partition is on the master that goes.
    let list = namespace_key(&config.namespace, "queues");
    let lost = (cluster.owner(&list) + 1) % MASTERS;
    let beside = (lost + 1) % MASTERS;
    let name = (0..)
        .map(|n| QueueName::new(format!("queue-{n}")).unwrap())
        .find(|name| cluster.owner(&key_of(&queue, name)) == beside)
        .unwrap();
    let job = NewJob::new("k", "{}").unwrap().queue(&name).unwrap();
    let id = queue.submit(job).await.unwrap().id;
    let spread = [SettingsChange::Partitions(Some(12))];
    queue.update_settings(&name, &spread, None).await.unwrap();
    let parts = queue.all_partitions().await.unwrap();
    let is_lost = |part: &Partition| cluster.owner(&key_of_part(&queue, part)) == lost;
    assert!(parts.iter().any(is_lost));
    queue.drain(&name).await.unwrap();
    let server = Server::start(Config {
        redis_url: config.redis_url.clone(),
        namespace: config.namespace.clone(),
        ..Config::default()
    })
    .await;
    let request = proto::WatchEventsRequest::default();
    let stream = server.jobs().watch_events(request).await.unwrap();
    let mut stream = stream.into_inner();
    stream.message().await.unwrap().unwrap();

    for at in MASTERS..2 * MASTERS {
        cluster.server(at).kill();
    }
    cluster.servers()[lost].freeze();
    let first = Partition::first(name.clone());
    let end = async || {
        let lease = Duration::from_secs(30);
        let claimed = queue.claim_from(&first, 1, lease, "w").await.unwrap();
        let done = queue.finish(&claimed.jobs[0], Outcome::Ack(None)).await;
        done.unwrap();
    };
    end().await;
    let retried = queue.change_jobs(&name, &Change::Retry, &[id], None).await;
    retried.unwrap().unwrap()[0].clone().unwrap();
    let waits = proto::JobState::Waiting;
    until(&mut stream, |message| {
        assert!(message.drained_queues.is_empty(), "some are out of reach");
        message.events.iter().any(|event| event.state() == waits)
    })
    .await;
    end().await;
    cluster.servers()[lost].thaw();
    until(&mut stream, |message| {
        message.drained_queues == [name.as_str()]
    })
    .await;
    drop(stream);
    server.stop().await.unwrap();
}
