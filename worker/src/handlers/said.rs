//! What the process behind a handler says, on its way to the job's log and progress.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jobflow::{Error, MAX_LOG_BYTES, MAX_LOG_LINE, MAX_LOG_LINES, MAX_PROGRESS_MESSAGE, Report};
use tokio::sync::Notify;

use crate::context::{Context, has_room};

/// Reports what is heard until its end. A store that is slow or away must not
/// stop the process that speaks, so this goes on beside the hearing.
pub(super) async fn pass_on(ctx: &Context, heard: &Heard) {
    while let Some(report) = heard.next().await {
        let Err(error) = ctx.report(report).await else {
            continue;
        };
        // The process can not do anything about it, and its end does not wait for it.
        tracing::debug!(job = %ctx.id(), kind = %ctx.kind(), code = error.code().as_str(), %error,
            "what a handler says is not stored");
        if matches!(error, Error::LeaseLost { .. }) || heard.has_ended() {
            return;
        }
    }
}

/// What was read and not yet reported. It holds as much as a job's log does, so
/// what is dropped would not be kept either.
#[derive(Default)]
pub(super) struct Heard {
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
    /// A line for the log. What is over its limit is taken in pieces.
    pub(super) fn line(&self, line: &str) {
        self.change(|backlog| backlog.line(line));
    }

    /// How far it has come; only the last one counts.
    pub(super) fn progress(&self, percent: u8, message: &str) {
        let message = cut(message, MAX_PROGRESS_MESSAGE).to_owned();
        self.change(|backlog| backlog.progress = Some((percent, message)));
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
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
    fn line(&mut self, mut line: &str) {
        loop {
            let piece = cut(line, MAX_LOG_LINE);
            self.bytes += piece.len();
            self.lines.push_back(piece.to_owned());
            line = &line[piece.len()..];
            if line.is_empty() {
                break;
            }
        }
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

/// The longest start of `text` that has at most `limit` bytes.
pub(super) fn cut(text: &str, limit: usize) -> &str {
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
    fn a_backlog_is_reported_in_order_with_the_last_progress() {
        let heard = Heard::default();
        assert_eq!(heard.backlog().next(), None);
        for n in 0..150_u8 {
            heard.line(&n.to_string());
            heard.progress(n % 100, "");
        }
        let first = heard.backlog().next().unwrap();
        assert_eq!(first.progress, Some((49, String::new())));
        let second = heard.backlog().next().unwrap();
        assert_eq!((first.lines.len(), second.lines.len()), (100, 50));
        let lines: Vec<_> = first.lines.iter().chain(&second.lines).collect();
        assert!(
            lines
                .iter()
                .enumerate()
                .all(|(n, line)| **line == n.to_string())
        );
        assert_eq!(heard.backlog().next(), None);
    }

    #[test]
    fn a_backlog_is_bounded_and_says_what_is_missing() {
        let mut backlog = Backlog::default();
        for n in 0..MAX_LOG_LINES + 5 {
            backlog.line(&n.to_string());
        }
        let report = backlog.next().unwrap();
        assert_eq!(report.lines[..2], ["… 5 lines are missing here", "5"]);
        assert_eq!(report.lines.len(), 100);
        for _ in 0..1_000 {
            backlog.line(&"\u{fffd}".repeat(MAX_LOG_LINE / 3));
        }
        assert!(backlog.bytes <= MAX_LOG_BYTES && backlog.lines.len() < 20);
        let report = backlog.next().unwrap();
        assert!(report.lines.iter().all(|line| line.len() <= MAX_LOG_LINE));
        while backlog.next().is_some() {}
        assert_eq!((backlog.bytes, backlog.lines.len()), (0, 0));
    }

    #[test]
    fn a_long_line_is_taken_in_pieces_and_a_long_message_is_cut() {
        let heard = Heard::default();
        heard.line("");
        heard.line(&"é".repeat(MAX_LOG_LINE));
        heard.progress(1, &"é".repeat(MAX_PROGRESS_MESSAGE));
        let report = heard.backlog().next().unwrap();
        let lengths: Vec<_> = report.lines.iter().map(String::len).collect();
        assert_eq!(lengths, [0, MAX_LOG_LINE, MAX_LOG_LINE]);
        assert_eq!(report.progress.unwrap().1.len(), MAX_PROGRESS_MESSAGE);
    }
}
