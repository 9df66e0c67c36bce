//! The accept loop. `axum::serve` would do but for what it does not let one
//! set: TCP_NODELAY by default, HTTP/2 keepalive and the limits on slow peers.

use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How long a peer may take to send the head of an HTTP/1 request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a quiet HTTP/2 peer is asked whether it is still there.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
/// How long it may take to answer that.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls and streams on one HTTP/2 connection.
const MAX_CONCURRENT_STREAMS: u32 = 256;
/// After `accept` failed, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until `stopping`, then waits up to `grace` for what is under way.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stopping: CancellationToken,
    grace: Duration,
) {
    let protocol = protocol();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopping.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((peer, _)) => {
                    let (protocol, router) = (protocol.clone(), router.clone());
                    connections.spawn(converse(peer, protocol, router, stopping.clone()));
                }
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
async fn converse(
    peer: TcpStream,
    protocol: Builder<TokioExecutor>,
    router: Router,
    stopping: CancellationToken,
) {
    // With Nagle's algorithm on, batches wait 40 ms for an acknowledgement.
    if let Err(error) = peer.set_nodelay(true) {
        debug!("can not set TCP_NODELAY: {error}");
    }
    let service = TowerToHyperService::new(router);
    let mut connection = std::pin::pin!(protocol.serve_connection(TokioIo::new(peer), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!("a connection ended: {error}");
    }
}

/// HTTP/1 and HTTP/2 on the same port, told apart by their first bytes.
fn protocol() -> Builder<TokioExecutor> {
    let mut protocol = Builder::new(TokioExecutor::new());
    protocol
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    protocol
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_EVERY)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS);
    protocol
}
