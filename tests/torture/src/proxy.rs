//! A TCP proxy that can do to a connection whatever a network can.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;

/// What is done to the bytes that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing.
    Pass,
    /// Each chunk waits for so long.
    Delay(Duration),
    /// So many bytes a second.
    Throttle(u32),
    /// Connections are accepted, and nothing goes either way.
    BlackHole,
    /// Requests arrive, answers do not.
    HalfOpen,
    /// A request does not arrive, and its connection is reset.
    ResetBefore,
    /// A request arrives, and its connection is reset instead of the answer.
    ResetAfter,
    /// A request arrives, its answer is thrown away. The connection stays, and is
    /// reset when this is over: with a hole in its answers nobody could use it.
    DropReply,
}

/// A port in front of another.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    port: u16,
    mode: watch::Sender<Mode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Reply,
}

impl Proxy {
    /// Listens on a free port and passes on to `target`.
    pub(crate) fn start(runtime: &Handle, target: u16) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (mode, changes) = watch::channel(Mode::Pass);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("the listener is sound");
            loop {
                // A client that is gone already is none to worry about.
                if let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(serve(client, target, changes.clone()));
                }
            }
        });
        Ok(Self { port, mode })
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    pub(crate) fn is_passing(&self) -> bool {
        *self.mode.borrow() == Mode::Pass
    }
}

async fn serve(client: TcpStream, target: u16, mode: watch::Receiver<Mode>) {
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
    let Ok(server) = TcpStream::connect(target).await else {
        // As if nobody listened.
        let _ = client.set_zero_linger();
        return;
    };
    let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let ended = tokio::select! {
        ended = carry(from_client, to_server, Direction::Request, mode.clone()) => ended,
        ended = carry(from_server, to_client, Direction::Reply, mode) => ended,
    };
    drop(ended);
}

/// The halves at the end of a direction; dropped, they close the connection.
type Ended = (OwnedReadHalf, OwnedWriteHalf);

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    mut mode: watch::Receiver<Mode>,
) -> Ended {
    let mut buffer = vec![0; 64 * 1024];
    let mut has_hole = false;
    loop {
        let Ok(len @ 1..) = from.read(&mut buffer).await else {
            return (from, to);
        };
        let present = match *mode.borrow() {
            Mode::DropReply => Mode::DropReply,
            _ if has_hole => Mode::ResetAfter,
            present => present,
        };
        match (present, direction) {
            (Mode::Pass, _)
            | (Mode::HalfOpen | Mode::ResetAfter | Mode::DropReply, Direction::Request) => {}
            (Mode::Delay(time), _) => tokio::time::sleep(time).await,
            (Mode::Throttle(rate), _) => {
                let time = Duration::from_secs_f64(
                    f64::from(u32::try_from(len).unwrap_or(u32::MAX)) / f64::from(rate),
                );
                tokio::time::sleep(time).await;
            }
            (Mode::DropReply, Direction::Reply) => {
                has_hole = true;
                continue;
            }
            (Mode::BlackHole, _) | (Mode::HalfOpen, Direction::Reply) => {
                // What is held back arrives when the network is well again.
                let healed = mode
                    .wait_for(|mode| !matches!(mode, Mode::BlackHole | Mode::HalfOpen))
                    .await;
                if healed.is_err() {
                    return (from, to);
                }
            }
            (Mode::ResetBefore, _) | (Mode::ResetAfter, Direction::Reply) => {
                // Closing without lingering sends a reset, to both sides.
                let _ = from.as_ref().set_zero_linger();
                let _ = to.as_ref().set_zero_linger();
                return (from, to);
            }
        }
        if to.write_all(&buffer[..len]).await.is_err() {
            return (from, to);
        }
    }
}
