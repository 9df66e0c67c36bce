//! A server over a cluster of which one master takes what is sent to it and
//! answers nothing.

use std::time::Duration;

use jobflow::proto::StreamMetricsRequest;
use jobflow::testing::{LostMaster, PATIENCE, assert_sound, wait_for};
use jobflow_server::Config;
use tokio::time::timeout;

use crate::support::Server;

async fn over(lost: &LostMaster) -> Server {
    let config = lost.queue.config();
    Server::start(Config {
        redis_url: config.redis_url.clone(),
        namespace: config.namespace.clone(),
        ..Config::default()
    })
    .await
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
