//! Whether anybody still reads standard output.

use crate::error::Result;

/// Goes on until it is done or nobody reads it any more: a command that prints
/// only when something happens would else outlive `| head` by hours.
pub(crate) async fn while_read(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        end = work => end,
        () = gone() => Ok(()),
    }
}

#[cfg(unix)]
async fn gone() {
    use std::io;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    const LOOK_EVERY: Duration = Duration::from_millis(200);
    const AT_ONCE: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let stdout = io::stdout();
    loop {
        let mut output = [PollFd::new(&stdout, PollFlags::empty())];
        let looked = poll(&mut output, Some(&AT_ONCE));
        if looked.is_ok() && output[0].revents().contains(PollFlags::ERR) {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(not(unix))]
async fn gone() {
    std::future::pending().await
}
