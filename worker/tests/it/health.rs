use jobflow::testing::{TestQueue, wait_for};
use jobflow_worker::{Worker, health};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Running, raw};

async fn healthz(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn health_is_told_by_grpc_and_http_on_one_port() {
    let queue = TestQueue::new();
    let worker = Worker::builder(&queue).handler_for("k", raw(async |_| Ok(())));
    let worker = worker.build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let health = worker.health();
    let served = tokio::spawn(health::serve(listener, health, std::future::pending()));

    let before = healthz(&address).await;
    assert!(before.starts_with("HTTP/1.1 503"), "{before}");
    assert!(before.ends_with(
        r#"{"status":"NOT_SERVING","last_claim_poll_age_ms":null,"slots_taken":false,"quiet":false,"stuck_handlers":0,"loops":[]}"#
    ));

    let worker = Running::run(worker);
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = HealthClient::new(endpoint.connect().await.unwrap());
    for service in ["", health::HEALTH_SERVICE] {
        wait_for("SERVING", async || {
            let request = HealthCheckRequest {
                service: service.to_owned(),
            };
            let answer = client.clone().check(request).await.ok()?.into_inner();
            (answer.status() == tonic_health::pb::health_check_response::ServingStatus::Serving)
                .then_some(())
        })
        .await;
    }
    let request = HealthCheckRequest {
        service: "unknown".to_owned(),
    };
    let unknown = client.check(request).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    let after = healthz(&address).await;
    assert!(after.starts_with("HTTP/1.1 200"), "{after}");
    assert!(
        after.contains(r#""status":"SERVING","last_claim_poll_age_ms":"#),
        "{after}"
    );
    worker.stop().await;
    served.abort();
    queue.close().await;
}
