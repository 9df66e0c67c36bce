//! A connection that has to begin to speak. The server tells HTTP/1 from HTTP/2
//! by the first bytes, and would wait for them for ever.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The preface of HTTP/2; a head of HTTP/1 is no shorter.
const ENOUGH: usize = 24;

/// Ends with an error when the first bytes do not come in time.
pub(crate) struct Patience<S> {
    stream: S,
    /// None once enough has been read.
    waiting: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Patience<S> {
    pub(crate) fn new(stream: S, time: Duration) -> Self {
        Self {
            stream,
            waiting: Some((Box::pin(sleep(time)), 0)),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some((time, seen)) = &mut self.waiting else {
            return read;
        };
        *seen += buffer.filled().len() - before;
        if *seen >= ENOUGH {
            self.waiting = None;
        } else if read.is_pending() && time.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_does_not_begin_to_speak_is_cut_off_and_who_has_may_rest() {
        let time = Duration::from_secs(10);
        let (mut near, far) = duplex(64);
        let mut patient = Patience::new(far, time);
        near.write_all(b"GET").await.unwrap();
        let mut bytes = [0; 64];
        assert_eq!(patient.read(&mut bytes).await.unwrap(), 3);
        let cut = patient.read(&mut bytes).await.unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::TimedOut);

        let (mut near, far) = duplex(64);
        let mut patient = Patience::new(far, time);
        near.write_all(&[b'x'; ENOUGH]).await.unwrap();
        patient.read_exact(&mut bytes[..ENOUGH]).await.unwrap();
        let rests = tokio::time::timeout(10 * time, patient.read(&mut bytes)).await;
        assert!(rests.is_err(), "{rests:?}");
    }
}
