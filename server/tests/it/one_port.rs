//! gRPC, grpc-web, REST and reflection side by side on one port.

use http::{Method, StatusCode};
use jobflow::proto;
use jobflow::proto::admin_service_client::AdminServiceClient;
use jobflow::testing::TestQueue;
use jobflow_server::Config;
use prost::Message;
use tokio_stream::{StreamExt, once};
use tonic::Code;
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::Server;

const WEB: [(&str, &str); 2] = [
    ("content-type", "application/grpc-web+proto"),
    ("accept", "application/grpc-web+proto"),
];

/// One message with the five bytes before it: not compressed, and its length.
fn frame(message: &impl Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap();
    [&[0], &length.to_be_bytes()[..], &message].concat()
}

#[tokio::test]
async fn a_browser_calls_by_grpc_web_over_http_1() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let request = proto::SubmitJobRequest {
        kind: "from-the-web".to_owned(),
        ..proto::SubmitJobRequest::default()
    };
    let path = "/jobflow.v1.JobService/SubmitJob";
    let answer = server.call(Method::POST, path, &WEB, frame(&request)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/grpc-web+proto");
    assert!(answer.body.contains("from-the-web") && answer.body.contains("grpc-status:0"));
    let bad = frame(&proto::SubmitJobRequest::default());
    let answer = server.call(Method::POST, path, &WEB, bad).await;
    assert_eq!(
        answer.header("grpc-status"),
        "3",
        "an error needs no trailer: {answer:?}"
    );
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_service_that_does_not_exist_is_unimplemented() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    for path in [
        "/jobflow.v1.NoService/Call",
        "/jobflow.v1.JobService/NoCall",
    ] {
        let answer = server.call(Method::POST, path, &WEB, "").await;
        assert_eq!(answer.header("grpc-status"), "12", "{path}");
    }
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn the_server_tells_about_itself() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let mut admin = AdminServiceClient::new(server.channel());
    let info = admin
        .get_server_info(proto::GetServerInfoRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(info.namespace, queue.config().namespace.as_str());
    assert!(info.store_version.contains('.'), "{info:?}");
    assert!(info.layout_version > 0 && info.start_time.is_some());
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn reflection_answers_in_both_versions_unless_switched_off() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(server.channel());
    let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(list),
    };
    let mut answers = client
        .server_reflection_info(once(request.clone()))
        .await
        .unwrap()
        .into_inner();
    let answer = format!("{:?}", answers.next().await.unwrap().unwrap());
    for service in [
        "jobflow.v1.JobService",
        "jobflow.v1.MetricsService",
        "grpc.health.v1.Health",
    ] {
        assert!(answer.contains(service), "{answer}");
    }
    let mut client =
        v1alpha::server_reflection_client::ServerReflectionClient::new(server.channel());
    let list = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let older = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(list),
    };
    let mut answers = client
        .server_reflection_info(once(older))
        .await
        .unwrap()
        .into_inner();
    let answer = format!("{:?}", answers.next().await.unwrap().unwrap());
    assert!(answer.contains("jobflow.v1.JobService"), "{answer}");
    drop(answers);
    server.stop().await.unwrap();

    let server = Server::start(Config {
        redis_url: queue.config().redis_url.clone(),
        reflection: false,
        ..Config::default()
    })
    .await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(server.channel());
    let status = client
        .server_reflection_info(once(request))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    server.stop().await.unwrap();
    queue.close().await;
}
