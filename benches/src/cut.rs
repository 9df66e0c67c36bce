//! A way to a port on this machine that can be cut: then nothing comes through
//! any more, and no connection is closed.

use std::net::Ipv4Addr;
use std::thread;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::watch;

/// It has a thread of its own, so that nobody's load slows it down. All its
/// connections close with this value.
pub(crate) struct Way {
    port: u16,
    is_open: watch::Sender<bool>,
}

impl Way {
    pub(crate) fn to(target: u16) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (is_open, open) = watch::channel(true);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new()
            .name("way".to_owned())
            .spawn(move || {
                // Dropping the runtime drops the connections.
                runtime.block_on(async {
                    let mut gone = open.clone();
                    tokio::select! {
                        _ = accept(listener, target, open) => {}
                        _ = async { while gone.changed().await.is_ok() {} } => {}
                    }
                });
            })
            .context("a thread for the proxy")?;
        Ok(Self { port, is_open })
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn cut(&self) {
        self.is_open.send_replace(false);
    }
}

async fn accept(
    listener: std::net::TcpListener,
    target: u16,
    open: watch::Receiver<bool>,
) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (near, _) = listener.accept().await?;
        let far = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
        tokio::spawn(pass(from_near, to_far, open.clone()));
        tokio::spawn(pass(from_far, to_near, open.clone()));
    }
}

/// Passes bytes on while the way is open; ends with either connection.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut open: watch::Receiver<bool>,
) -> Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut bytes).await?;
        // What was read before the cut does not come through either.
        open.wait_for(|open| *open).await?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&bytes[..read]).await?;
    }
}
