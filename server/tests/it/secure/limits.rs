//! How much one address and one token may have.

use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{Role, proto};
use jobflow_server::{CallLimits, Config, ConnectionLimits};
use proto::token_service_client::TokenServiceClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Response;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{Locked, with};
use crate::support::{Server, details};

const PATIENCE: Duration = Duration::from_secs(30);

/// Whether the server speaks on this connection.
async fn speaks(stream: &mut TcpStream) -> bool {
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    if stream.write_all(request).await.is_err() {
        return false;
    }
    let mut answer = [0; 12];
    let read = timeout(PATIENCE, stream.read_exact(&mut answer)).await;
    read.unwrap().is_ok() && answer == *b"HTTP/1.1 200"
}

#[tokio::test]
async fn connections_are_counted_and_given_back() {
    let queue = TestQueue::new();
    let server = Server::start(Config {
        redis_url: queue.config().redis_url.clone(),
        connections: ConnectionLimits {
            total: 100,
            per_address: 2,
            loopback: 2,
        },
        ..Config::default()
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        assert!(speaks(&mut stream).await);
        held.push(stream);
    }
    let mut third = TcpStream::connect(server.address).await.unwrap();
    assert!(!speaks(&mut third).await, "one too many");
    drop(held);
    let again = async {
        loop {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            if speaks(&mut stream).await {
                return;
            }
        }
    };
    timeout(PATIENCE, again)
        .await
        .expect("the place is not given back");
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_token_has_so_many_streams_and_gets_them_back() {
    let queue = TestQueue::new();
    let limits = CallLimits {
        rate: 0,
        in_flight: 10,
        streams: 2,
    };
    let locked = Locked::limited(&queue, limits).await;
    let token = locked.token(Role::Viewer, &[]).await;
    let other = locked.token(Role::Viewer, &[]).await;
    let open = async |token: &str| {
        let request = with(token, proto::StreamMetricsRequest::default());
        locked.server.metrics().stream_metrics(request).await
    };
    let held = [open(&token).await.unwrap(), open(&token).await.unwrap()];
    let refused = open(&token).await.unwrap_err();
    assert_eq!(details(&refused).0, "TOO_MANY_STREAMS");
    assert!(open(&other).await.is_ok(), "another token has its own");
    drop(held);
    let again = async {
        while open(&token).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again)
        .await
        .expect("the streams are not given back");
    locked.server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_watch_of_health_is_a_stream_as_others_are() {
    let queue = TestQueue::new();
    let limits = CallLimits {
        rate: 0,
        in_flight: 10,
        streams: 1,
    };
    let locked = Locked::limited(&queue, limits).await;
    let (id, token) = locked.issue(Role::Viewer, &[], None).await;
    let watch = async || {
        let request = with(&token, HealthCheckRequest::default());
        let mut client = HealthClient::new(locked.server.channel());
        client.watch(request).await.map(Response::into_inner)
    };
    let mut held = watch().await.unwrap();
    assert!(held.message().await.unwrap().is_some());
    let refused = watch().await.unwrap_err();
    assert_eq!(details(&refused).0, "TOO_MANY_STREAMS");
    let revoke = with(&locked.admin, proto::RevokeTokenRequest { id });
    let mut tokens = TokenServiceClient::new(locked.server.channel());
    tokens.revoke_token(revoke).await.unwrap();
    let end = timeout(PATIENCE, held.message()).await;
    let end = end.expect("the watch goes on").unwrap_err();
    assert_eq!(details(&end).0, "TOKEN_INVALID");
    locked.server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_token_makes_so_many_calls_a_second() {
    let queue = TestQueue::new();
    let limits = CallLimits {
        rate: 20,
        in_flight: 10,
        streams: 2,
    };
    let locked = Locked::limited(&queue, limits).await;
    let token = locked.token(Role::Viewer, &[]).await;
    let mut refused = 0;
    for _ in 0..200 {
        let request = with(&token, proto::GetServerInfoRequest {});
        if let Err(status) = locked.server.admin().get_server_info(request).await {
            let (reason, details) = details(&status);
            assert_eq!(reason, "RATE_LIMITED");
            assert!(details.retry_info().is_some());
            refused += 1;
        }
    }
    assert!(refused > 0);
    let answer = locked.rest("GET", "/stats", Some(&token), "").await;
    assert!([200, 429].contains(&answer.status.as_u16()), "{answer:?}");
    locked.server.stop().await.unwrap();
    queue.close().await;
}
