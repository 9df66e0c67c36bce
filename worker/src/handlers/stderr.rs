//! What a command says on its stderr: lines for the job's log, and its progress.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jobflow::{Error, MAX_LOG_BYTES, MAX_LOG_LINE, MAX_LOG_LINES, MAX_PROGRESS_MESSAGE, Report};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::Notify;

use crate::context::{Context, has_room};

/// The word in front of a progress, as in `JOBFLOW_PROGRESS 42 half way`.
const PROGRESS: &str = "JOBFLOW_PROGRESS";
/// How much of the end of stderr goes into the error message.
const TAIL: usize = 4 * 1024;

/// Reads stderr to its end and reports what it says on the way. Returns its end.
pub(super) async fn listen(stderr: Option<impl AsyncRead + Unpin>, ctx: &Context) -> String {
    let Some(stderr) = stderr else {
        return String::new();
    };
    // Apart from each other: a store that is slow or away must not stop a
    // command that is writing.
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
        heard.take(text);
        tail.extend_from_slice(&line);
        tail.drain(..tail.len().saturating_sub(TAIL));
    }
    heard.end();
    String::from_utf8_lossy(&tail).trim().to_owned()
}

async fn pass_on(ctx: &Context, heard: &Heard) {
    while let Some(report) = heard.next().await {
        let Err(error) = ctx.report(report).await else {
            continue;
        };
        // A command can not do anything about it, and its end does not wait for it.
        tracing::debug!(job = %ctx.id(), kind = %ctx.kind(), code = error.code().as_str(), %error,
            "what a command says is not stored");
        if matches!(error, Error::LeaseLost { .. }) || heard.has_ended() {
            return;
        }
    }
}

/// What was read and not yet reported. It holds as much as a job's log does, so
/// what is dropped would not be kept either.
#[derive(Default)]
struct Heard {
    backlog: Mutex<Backlog>,
    more: Notify,
}

#[derive(Default)]
struct Backlog {
    progress: Option<(u8, String)>,
    lines: VecDeque<String>,
    bytes: usize,
    dropped: usize,
    ended: bool,
}

impl Heard {
    fn take(&self, line: &str) {
        self.change(|backlog| backlog.take(line));
    }

    fn end(&self) {
        self.change(|backlog| backlog.ended = true);
    }

    fn has_ended(&self) -> bool {
        self.backlog().ended
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        // Nothing that is done with it can leave it half changed.
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Backlog)) {
        change(&mut self.backlog());
        self.more.notify_one();
    }

    /// The next report; none after the end.
    async fn next(&self) -> Option<Report> {
        loop {
            let (report, ended) = {
                let mut backlog = self.backlog();
                (backlog.next(), backlog.ended)
            };
            if report.is_some() || ended {
                return report;
            }
            self.more.notified().await;
        }
    }
}

impl Backlog {
    fn take(&mut self, line: &str) {
        if let Some(progress) = progress(line) {
            self.progress = Some(progress);
            return;
        }
        // Bytes that are no text have become longer.
        let line = cut(line, MAX_LOG_LINE);
        self.bytes += line.len();
        self.lines.push_back(line.to_owned());
        while self.lines.len() > MAX_LOG_LINES || self.bytes > MAX_LOG_BYTES {
            let first = self.lines.pop_front().unwrap_or_default();
            self.bytes -= first.len();
            self.dropped += 1;
        }
    }

    fn next(&mut self) -> Option<Report> {
        let mut lines = Vec::new();
        if self.dropped > 0 {
            lines.push(format!("… {} lines are missing here", self.dropped));
            self.dropped = 0;
        }
        while self
            .lines
            .front()
            .is_some_and(|line| has_room(&lines, line))
        {
            lines.extend(self.lines.pop_front());
        }
        self.bytes = self.lines.iter().map(String::len).sum();
        let progress = self.progress.take();
        let is_empty = lines.is_empty() && progress.is_none();
        (!is_empty).then_some(Report { progress, lines })
    }
}

/// `JOBFLOW_PROGRESS PERCENT [MESSAGE]`; what looks otherwise is an ordinary line.
fn progress(line: &str) -> Option<(u8, String)> {
    let rest = line.strip_prefix(PROGRESS)?.strip_prefix(' ')?.trim_start();
    let (percent, message) = rest.split_once(' ').unwrap_or((rest, ""));
    let percent = percent.parse().ok().filter(|percent| *percent <= 100)?;
    let message = cut(message.trim(), MAX_PROGRESS_MESSAGE);
    Some((percent, message.to_owned()))
}

/// The longest start of `text` that has at most `limit` bytes.
fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_has_a_percentage_and_may_have_a_message() {
        let read = progress;
        assert_eq!(read("JOBFLOW_PROGRESS 0"), Some((0, String::new())));
        assert_eq!(
            read("JOBFLOW_PROGRESS  42  half way "),
            Some((42, "half way".to_owned()))
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
        let long = format!("JOBFLOW_PROGRESS 1 {}", "é".repeat(MAX_PROGRESS_MESSAGE));
        let (_, message) = read(&long).unwrap();
        assert_eq!(message.len(), MAX_PROGRESS_MESSAGE);
    }

    #[test]
    fn a_backlog_is_reported_in_order_with_the_last_progress() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.next(), None);
        for n in 0..150 {
            backlog.take(&n.to_string());
            backlog.take(&format!("JOBFLOW_PROGRESS {}", n % 100));
        }
        let first = backlog.next().unwrap();
        assert_eq!(first.progress, Some((49, String::new())));
        let second = backlog.next().unwrap();
        assert_eq!((first.lines.len(), second.lines.len()), (100, 50));
        let lines: Vec<_> = first.lines.iter().chain(&second.lines).collect();
        assert!(
            lines
                .iter()
                .enumerate()
                .all(|(n, line)| **line == n.to_string())
        );
        assert_eq!(backlog.next(), None);
    }

    #[test]
    fn a_backlog_is_bounded_and_says_what_is_missing() {
        let mut backlog = Backlog::default();
        for n in 0..MAX_LOG_LINES + 5 {
            backlog.take(&n.to_string());
        }
        let report = backlog.next().unwrap();
        assert_eq!(report.lines[..2], ["… 5 lines are missing here", "5"]);
        assert_eq!(report.lines.len(), 100);
        for _ in 0..1_000 {
            backlog.take(&"\u{fffd}".repeat(MAX_LOG_LINE));
        }
        assert!(backlog.bytes <= MAX_LOG_BYTES && backlog.lines.len() < 20);
        let report = backlog.next().unwrap();
        assert!(report.lines.iter().all(|line| line.len() <= MAX_LOG_LINE));
        while backlog.next().is_some() {}
        assert_eq!((backlog.bytes, backlog.lines.len()), (0, 0));
    }
}
