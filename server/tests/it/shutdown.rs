//! The stop signal.

use jobflow::testing::TestQueue;
use jobflow::{NewJob, proto};
use tokio::net::TcpStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Server, details};

#[tokio::test]
async fn streams_and_waits_are_told_and_the_port_is_free() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let id = queue
        .submit(NewJob::new("k", "{}").unwrap())
        .await
        .unwrap()
        .id;
    let request = proto::StreamMetricsRequest::default();
    let mut stream = server
        .metrics()
        .stream_metrics(request)
        .await
        .unwrap()
        .into_inner();
    stream.message().await.unwrap().unwrap();
    let request = HealthCheckRequest::default();
    let mut health = HealthClient::new(server.channel())
        .watch(request)
        .await
        .unwrap()
        .into_inner();
    health.message().await.unwrap().unwrap();
    let wait = server.begin_wait(id).await;

    server.begin_stop();
    let ended = loop {
        if let Err(status) = stream.message().await {
            break status;
        }
    };
    for status in [ended, wait.await.unwrap().unwrap_err()] {
        assert_eq!(status.code(), Code::Unavailable);
        let (reason, details) = details(&status);
        assert_eq!(reason, "SHUTTING_DOWN");
        assert!(details.retry_info().is_some());
    }
    while health.message().await.unwrap().is_some() {}
    let address = server.address;
    server.stop().await.unwrap();
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
    queue.close().await;
}
