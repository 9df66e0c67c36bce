//! A process that implements `HandlerService`, or as near to one as a test needs.

use std::io::ErrorKind;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::Stream;
use futures_util::stream;
use jobflow::proto::handle_response::Event;
use jobflow::proto::handler_service_server::{HandlerService, HandlerServiceServer};
use jobflow::proto::{HandleAck, HandleRequest, HandleResponse};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_health::server::HealthReporter;

pub(crate) type Messages = Pin<Box<dyn Stream<Item = Result<HandleResponse, Status>> + Send>>;
pub(crate) type Answer = Result<Messages, Status>;

struct Service<F>(F);

#[tonic::async_trait]
impl<F: Fn(HandleRequest) -> Answer + Send + Sync + 'static> HandlerService for Service<F> {
    type HandleStream = Messages;

    async fn handle(&self, request: Request<HandleRequest>) -> Result<Response<Messages>, Status> {
        (self.0)(request.into_inner()).map(Response::new)
    }
}

/// When it ends, all its connections break.
pub(crate) struct Process {
    address: String,
    pub(crate) health: HealthReporter,
    runtime: Option<Runtime>,
}

impl Process {
    pub(crate) fn start(handle: impl Fn(HandleRequest) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", handle)
    }

    pub(crate) fn start_at(
        address: &str,
        handle: impl Fn(HandleRequest) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let runtime = Runtime::new().unwrap();
        // One that was killed may not have let go of its address yet.
        let deadline = Instant::now() + Duration::from_secs(10);
        let listener = loop {
            match std::net::TcpListener::bind(address) {
                Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                    std::thread::yield_now();
                }
                bound => break bound.unwrap(),
            }
        };
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (health, health_service) = tonic_health::server::health_reporter();
        let handlers = HandlerServiceServer::new(Service(handle));
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            Server::builder()
                .add_service(health_service)
                .add_service(handlers)
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
        });
        Self {
            address,
            health,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn kill(mut self) -> String {
        self.runtime.take().unwrap().shutdown_background();
        self.address.clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn messages(events: impl IntoIterator<Item = Event>) -> Answer {
    let events = events
        .into_iter()
        .map(|event| Ok(HandleResponse { event: Some(event) }));
    Ok(Box::pin(stream::iter(events.collect::<Vec<_>>())))
}

pub(crate) fn ack(result: impl Into<bytes::Bytes>) -> Answer {
    messages([Event::Ack(HandleAck {
        result: result.into(),
        content_type: String::new(),
    })])
}

/// Never says anything.
pub(crate) fn silence() -> Answer {
    Ok(Box::pin(stream::pending()))
}
