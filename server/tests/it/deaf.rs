//! The loops of a server go on after any error, however it looked.

use jobflow::testing::{Fault, FaultyRedis, TestRedis, assert_sound, wait_for};
use jobflow::{JobQueue, NewJob, QueueConfig, proto};
use jobflow_server::Config;
use proto::HealthStatus;
use tonic::Streaming;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::Server;

/// How many commands go wrong before all is well again.
const ERRORS: u64 = 10;

struct Streams {
    events: Option<Streaming<proto::WatchEventsResponse>>,
    metrics: Streaming<proto::StreamMetricsResponse>,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_loop_of_a_server_outlives_every_kind_of_error() {
    let redis = TestRedis::start();
    let faulty = FaultyRedis::before(redis.port()).await;
    let server = Server::start(Config {
        redis_url: faulty.url(),
        ..Config::default()
    })
    .await;
    let queue = JobQueue::open(QueueConfig {
        redis_url: redis.url(),
        ..server.queue.config().clone()
    });
    let queue = queue.unwrap();
    let interval = Some(prost_types::Duration {
        seconds: 0,
        nanos: 100_000_000,
    });
    let request = proto::StreamMetricsRequest { interval };
    let metrics = server.metrics().stream_metrics(request).await.unwrap();
    let mut streams = Streams {
        events: None,
        metrics: metrics.into_inner(),
    };
    all_is_done(&server, &queue, &mut streams).await;
    for fault in Fault::ALL {
        for one_in in [1, 3] {
            faulty.let_fail(fault, one_in, ERRORS).await;
            all_is_done(&server, &queue, &mut streams).await;
        }
    }
    let health = health(&mut streams).await;
    let mut names: Vec<_> = health.loops.iter().map(|one| &*one.name).collect();
    names.sort_unstable();
    let all = [
        "bulk runner",
        "event hub",
        "metrics hub",
        "promoter",
        "pruner",
        "reaper",
        "store watch",
    ];
    assert_eq!(names, all);
    for one in health.loops {
        let must_fail = ["event hub", "metrics hub", "store watch"].contains(&&*one.name);
        assert!(one.failures > 0 || !must_fail, "{one:?}");
    }
    server.stop().await.unwrap();
    assert_sound(&queue).await;
}

/// The health light, once the store answers again.
async fn health(streams: &mut Streams) -> proto::Health {
    loop {
        let message = streams.metrics.message().await.unwrap().unwrap();
        let health = message.health.unwrap();
        if health.store_round_trip.is_some() && health.status() == HealthStatus::Healthy {
            return health;
        }
    }
}

async fn all_is_done(server: &Server, queue: &JobQueue, streams: &mut Streams) {
    wait_for("the store to be usable again", async || {
        let mut client = HealthClient::new(server.channel());
        let answer = client.check(tonic_health::pb::HealthCheckRequest::default());
        let status = answer.await.ok()?.into_inner().status();
        (status == ServingStatus::Serving).then_some(())
    })
    .await;
    health(streams).await;
    let id = queue.submit(NewJob::new("noop", "{}").unwrap()).await;
    let id = id.unwrap().id;
    event_of(server, queue, streams, id).await;

    let request = proto::StartBulkOperationRequest {
        action: proto::BulkAction::Delete.into(),
        ids: vec![id.to_string()],
        ..proto::StartBulkOperationRequest::default()
    };
    let started = server.jobs().start_bulk_operation(request).await;
    let started = started.unwrap().into_inner().operation.unwrap();
    wait_for("a bulk operation", async || {
        let operation = queue.get_bulk(&started.id).await.unwrap();
        operation.is_over().then_some(())
    })
    .await;
}

/// Reads events until one is of this job.
async fn event_of(server: &Server, queue: &JobQueue, streams: &mut Streams, id: jobflow::JobId) {
    let text = id.to_string();
    loop {
        let Some(events) = &mut streams.events else {
            let request = proto::WatchEventsRequest::default();
            let opened = server.jobs().watch_events(request).await;
            streams.events = Some(opened.unwrap().into_inner());
            // What was told before the stream began is told again.
            let priority = jobflow::JobChanges {
                priority: Some(jobflow::Priority::new(3).unwrap()),
                ..jobflow::JobChanges::default()
            };
            queue.update(id, priority, None).await.unwrap();
            continue;
        };
        match events.message().await {
            Ok(Some(message)) => {
                if message.events.iter().any(|event| event.id == text) {
                    return;
                }
            }
            // A stream may end of an error; the hub may not.
            Ok(None) | Err(_) => streams.events = None,
        }
    }
}
