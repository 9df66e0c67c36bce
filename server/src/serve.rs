//! The accept loop. `axum::serve` would do but for what it does not let one
//! set: TCP_NODELAY by default, TLS, HTTP/2 keepalive and the limits on slow peers.

use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::{debug, warn};

use crate::auth::CertificateNames;
use crate::gate::{Entry, Gate};
use crate::listen::Peer;
use crate::patience::Patience;
use crate::tls::Tls;

/// How long a peer may take to agree on TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a peer may take to send the head of an HTTP/1 request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a quiet HTTP/2 peer is asked whether it is still there.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
/// How long it may take to answer that.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls and streams on one HTTP/2 connection.
const MAX_CONCURRENT_STREAMS: u32 = 256;
/// Streams that the peer has reset before we looked at them; more end the connection.
const MAX_UNSEEN_RESETS: usize = 20;
/// Streams that we have reset for errors of the peer; more end the connection.
const MAX_ERROR_RESETS: usize = 256;
/// Names and values of the headers of one HTTP/2 request.
const MAX_HEADERS: u32 = 16 * 1024;
/// The head of an HTTP/1 request, and what is buffered of its body.
const MAX_HEAD: usize = 64 * 1024;
/// What is buffered for one stream whose reader is slow.
const MAX_SEND_BUFFER: usize = 256 * 1024;
/// After `accept` failed, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection needs.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) router: Router,
    pub(crate) tls: Option<Tls>,
    pub(crate) gate: Gate,
    pub(crate) stopping: CancellationToken,
}

/// Accepts until the door closes, then waits up to `grace` for what is under way.
pub(crate) async fn serve(listener: TcpListener, door: Door, grace: Duration) {
    let protocol = protocol();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = door.stopping.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match door.gate.enter(peer.ip().to_canonical()) {
                    Some(entry) => {
                        let (protocol, door) = (protocol.clone(), door.clone());
                        connections.spawn(welcome(stream, peer, entry, protocol, door));
                    }
                    // Closed at once: who waits in line would not know why.
                    None => debug!(%peer, "too many connections"),
                },
                Err(error) => {
                    warn!("can not accept a connection: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(grace, ended).await.is_err() {
        warn!("closing connections that are still open");
    }
    connections.shutdown().await;
}

/// One connection until its end.
async fn welcome(
    stream: TcpStream,
    peer: SocketAddr,
    _entry: Entry,
    protocol: Builder<TokioExecutor>,
    door: Door,
) {
    // With Nagle's algorithm on, batches wait 40 ms for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        debug!("can not set TCP_NODELAY: {error}");
    }
    let peer = Peer(peer.ip().to_canonical());
    let Some(tls) = &door.tls else {
        let nobody = CertificateNames::default();
        return converse(stream, peer, nobody, protocol, door).await;
    };
    match timeout(HANDSHAKE_TIMEOUT, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates();
            let own = shown.and_then(<[_]>::first);
            let names = own.map(CertificateNames::of).unwrap_or_default();
            converse(stream, peer, names, protocol, door).await;
        }
        Ok(Err(error)) => debug!("no TLS: {error}"),
        Err(_) => debug!("a peer took too long to agree on TLS"),
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    names: CertificateNames,
    protocol: Builder<TokioExecutor>,
    door: Door,
) {
    let service = TowerToHyperService::new(FromPeer {
        router: door.router,
        peer,
        names,
    });
    let stream = TokioIo::new(Patience::new(stream, HEADER_TIMEOUT));
    let mut connection = std::pin::pin!(protocol.serve_connection(stream, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = door.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!("a connection ended: {error}");
    }
}

/// Lets every request know where it came from, and by which certificate.
#[derive(Clone)]
struct FromPeer {
    router: Router,
    peer: Peer,
    names: CertificateNames,
}

impl Service<Request<Incoming>> for FromPeer {
    type Response = <Router as Service<Request<Incoming>>>::Response;
    type Error = <Router as Service<Request<Incoming>>>::Error;
    type Future = <Router as Service<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<Incoming>>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        let about = request.extensions_mut();
        about.insert(self.peer);
        about.insert(self.names.clone());
        self.router.call(request)
    }
}

/// HTTP/1 and HTTP/2 on the same port, told apart by their first bytes.
fn protocol() -> Builder<TokioExecutor> {
    let mut protocol = Builder::new(TokioExecutor::new());
    protocol
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD);
    protocol
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_EVERY)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_pending_accept_reset_streams(MAX_UNSEEN_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS)
        .max_header_list_size(MAX_HEADERS)
        .max_send_buf_size(MAX_SEND_BUFFER);
    protocol
}
