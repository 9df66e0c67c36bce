//! A server that wants tokens, and callers of each role.

mod audit;
mod binding;
mod browsers;
mod certificates;
mod cross_queue;
mod limits;
mod matrix;
mod tls;
mod tokens;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use jobflow::{JobQueue, QueueScope, Role, TokenText, proto};
use jobflow_server::{AuthMode, CallLimits, Config};
use proto::token_service_client::TokenServiceClient;
use tempfile::TempDir;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use crate::support::{Answer, Server};

/// A server that wants tokens, with the token of its first admin.
struct Locked {
    server: Server,
    admin: String,
    _folder: TempDir,
}

impl Locked {
    async fn over(queue: &JobQueue) -> Self {
        Self::limited(queue, Config::default().calls).await
    }

    async fn limited(queue: &JobQueue, calls: CallLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("admin.token");
        let config = queue.config();
        let server = Server::start(Config {
            redis_url: config.redis_url.clone(),
            namespace: config.namespace.clone(),
            auth: AuthMode::Tokens,
            admin_token_file: Some(file.clone()),
            calls,
            ..Config::default()
        })
        .await;
        // The file is there before the port is.
        assert_eq!(server.get("/healthz").await.status, 200);
        let admin = std::fs::read_to_string(file).unwrap().trim().to_owned();
        Self {
            server,
            admin,
            _folder: folder,
        }
    }

    /// A new token, known to this server at once.
    async fn token(&self, role: Role, queues: &[&str]) -> String {
        self.issue(role, queues, None).await.1
    }

    async fn issue(
        &self,
        role: Role,
        queues: &[&str],
        expires_in: Option<prost_types::Duration>,
    ) -> (String, String) {
        let request = proto::CreateTokenRequest {
            name: format!("the {role}"),
            role: proto::Role::from(role).into(),
            queues: QueueScope::new(queues).unwrap().to_strings(),
            expires_in,
        };
        let mut client = TokenServiceClient::new(self.server.channel());
        let made = client.create_token(with(&self.admin, request)).await;
        let made = made.unwrap().into_inner();
        assert!(TokenText::parse(&made.text).is_some(), "{}", made.text);
        (made.token.unwrap().id, made.text)
    }

    /// Makes a REST request with a token, or without.
    async fn rest(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(bearer.as_deref().map(|value| ("authorization", value)));
        let method = method.parse().unwrap();
        self.server
            .call(method, path, &headers, body.to_owned())
            .await
    }
}

/// A message with a token.
fn with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

/// Any call by its name, with bytes for messages.
async fn raw(
    channel: Channel,
    call: &str,
    request: Request<Vec<u8>>,
) -> Result<Streaming<Bytes>, Status> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = PathAndQuery::try_from(format!("/{call}")).unwrap();
    let answer = grpc.server_streaming(request, path, RawCodec).await;
    answer.map(tonic::Response::into_inner)
}

struct RawCodec;

impl Codec for RawCodec {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let left = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(left)))
    }
}
