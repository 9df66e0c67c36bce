//! What a command says on its stderr: lines for the job's log, and its progress.

use jobflow::MAX_LOG_LINE;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use crate::context::Context;
use crate::handlers::said::{Heard, pass_on};

/// The word in front of a progress, as in `JOBFLOW_PROGRESS 42 half way`.
const PROGRESS: &str = "JOBFLOW_PROGRESS";
/// How much of the end of stderr goes into the error message.
const TAIL: usize = 4 * 1024;

/// Reads stderr to its end and reports what it says on the way. Returns its end.
pub(super) async fn listen(stderr: Option<impl AsyncRead + Unpin>, ctx: &Context) -> String {
    let Some(stderr) = stderr else {
        return String::new();
    };
    let heard = Heard::default();
    let (tail, ()) = tokio::join!(read(stderr, ctx, &heard), pass_on(ctx, &heard));
    tail
}

async fn read(stderr: impl AsyncRead + Unpin, ctx: &Context, heard: &Heard) -> String {
    let mut tail = Vec::new();
    let mut stderr = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        // Longer lines are taken in pieces.
        let most = MAX_LOG_LINE as u64;
        match (&mut stderr).take(most).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        tracing::debug!(job = %ctx.id(), kind = %ctx.kind(), attempt = ctx.attempt(), stderr = text);
        match progress(text) {
            Some((percent, message)) => heard.progress(percent, message),
            None => heard.line(text),
        }
        tail.extend_from_slice(&line);
        tail.drain(..tail.len().saturating_sub(TAIL));
    }
    heard.end();
    String::from_utf8_lossy(&tail).trim().to_owned()
}

/// `JOBFLOW_PROGRESS PERCENT [MESSAGE]`; what looks otherwise is an ordinary line.
fn progress(line: &str) -> Option<(u8, &str)> {
    let rest = line.strip_prefix(PROGRESS)?.strip_prefix(' ')?.trim_start();
    let (percent, message) = rest.split_once(' ').unwrap_or((rest, ""));
    let percent = percent.parse().ok().filter(|percent| *percent <= 100)?;
    Some((percent, message.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_has_a_percentage_and_may_have_a_message() {
        let read = progress;
        assert_eq!(read("JOBFLOW_PROGRESS 0"), Some((0, "")));
        assert_eq!(
            read("JOBFLOW_PROGRESS  42  half way "),
            Some((42, "half way"))
        );
        for line in [
            "",
            "JOBFLOW_PROGRESS",
            "JOBFLOW_PROGRESS ",
            "JOBFLOW_PROGRESS 101",
            "JOBFLOW_PROGRESS -1",
            "JOBFLOW_PROGRESS 5%",
            "JOBFLOW_PROGRESSES 5",
            " JOBFLOW_PROGRESS 5",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
