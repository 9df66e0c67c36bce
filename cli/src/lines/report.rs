//! What became of each line, and of all.

use std::fmt::Write;
use std::io;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use jobflow::proto::{SubmitRejection, submit_job_result::Verdict};
use serde::Serialize;

use crate::args::Form;
use crate::error::{Error, Exit, Result};
use crate::lines::read::MAX_JOBS;
use crate::lines::run::IN_FLIGHT;
use crate::output::{Output, json_line};
use crate::view::words::{count, duration, plural, printable};

pub(crate) struct Report<'a> {
    output: &'a mut Output,
    progress: ProgressBar,
    started: Instant,
    created: u64,
    duplicate: u64,
    rejected: u64,
    unknown: u64,
    last_line: u64,
}

/// The result of a line, for programs.
#[derive(Serialize)]
struct LineResult<'a> {
    line: u64,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    rejected: Option<Rejection<'a>>,
}

#[derive(Serialize)]
struct Rejection<'a> {
    reason: &'a str,
    field: &'a str,
    message: &'a str,
}

impl<'a> Report<'a> {
    pub(crate) fn new(output: &'a mut Output) -> Self {
        Self {
            output,
            progress: progress_bar(),
            started: Instant::now(),
            created: 0,
            duplicate: 0,
            rejected: 0,
            unknown: 0,
            last_line: 0,
        }
    }

    /// Prints the results of the next lines, read up to `position` of the input.
    pub(crate) fn add(&mut self, verdicts: &[(u64, Verdict)], position: u64) -> io::Result<()> {
        let mut results = String::new();
        let mut messages = String::new();
        for (line, verdict) in verdicts {
            self.count(*line, verdict);
            match (self.output.form(), verdict) {
                (Form::Json | Form::Jsonl, verdict) => {
                    results += &json_line(&LineResult::new(*line, verdict))?;
                    results.push('\n');
                }
                (Form::Table | Form::Id, Verdict::CreatedId(id) | Verdict::DuplicateId(id)) => {
                    results += id;
                    results.push('\n');
                }
                (Form::Table | Form::Id, Verdict::Rejected(rejection)) => {
                    // Writing to a string does not fail.
                    let _ = writeln!(messages, "line {line}: {}", describe(rejection));
                }
                (Form::Table | Form::Id, Verdict::Unknown(doubt)) => {
                    results += &doubt.id;
                    results.push('\n');
                    let _ = writeln!(messages, "line {line}: {}", printable(&doubt.message));
                }
            }
        }
        self.progress.set_position(position);
        self.progress.set_message(self.tally());
        // The bar steps aside, so that it and the lines do not mix.
        self.progress.suspend(|| {
            if !messages.is_empty() {
                self.output.message(messages.trim_end());
            }
            self.output.text(&results)?;
            self.output.flush()
        })
    }

    /// Sums up, and says how the command ends.
    pub(crate) fn close(self, end: Result<()>) -> Result<()> {
        self.progress.finish_and_clear();
        if end.is_err() && self.last_line == 0 {
            return end;
        }
        let took = duration(self.started.elapsed());
        self.output.message(&format!("{} in {took}", self.tally()));
        if let Err(error) = end {
            let last = count(self.last_line);
            let open = count((IN_FLIGHT * MAX_JOBS) as u64);
            self.output.message(&format!(
                "acknowledged up to line {last}; some of the next {open} may be stored as well"
            ));
            return Err(error);
        }
        match (self.rejected, self.unknown) {
            (0, 0) => Ok(()),
            (0, lines) => Err(Error::new(
                Exit::Other,
                format!("{} not known to be as safe as asked", plural(lines, "job")),
            )
            .hint("all are stored; see whether the replicas or the disk of Redis keep up")),
            (lines, _) => Err(Error::new(
                Exit::Other,
                format!("{} rejected", plural(lines, "line")),
            )
            .hint("the other lines are stored; submit the mended ones alone")),
        }
    }

    fn count(&mut self, line: u64, verdict: &Verdict) {
        self.last_line = line;
        match verdict {
            Verdict::CreatedId(_) => self.created += 1,
            Verdict::DuplicateId(_) => self.duplicate += 1,
            Verdict::Rejected(_) => self.rejected += 1,
            Verdict::Unknown(_) => self.unknown += 1,
        }
    }

    fn tally(&self) -> String {
        let mut tally = format!("{} created", plural(self.created, "job"));
        for (number, word) in [
            (self.duplicate, "duplicate"),
            (self.rejected, "rejected"),
            (self.unknown, "stored but in doubt"),
        ] {
            if number > 0 {
                let _ = write!(tally, ", {} {word}", count(number));
            }
        }
        tally
    }
}

impl<'a> LineResult<'a> {
    fn new(line: u64, verdict: &'a Verdict) -> Self {
        let (verdict, id, rejected) = match verdict {
            Verdict::CreatedId(id) => ("created", Some(id.as_str()), None),
            Verdict::DuplicateId(id) => ("duplicate", Some(id.as_str()), None),
            Verdict::Rejected(SubmitRejection {
                reason,
                field,
                message,
            }) => (
                "rejected",
                None,
                Some(Rejection {
                    reason,
                    field,
                    message,
                }),
            ),
            Verdict::Unknown(doubt) => (
                "unknown",
                Some(doubt.id.as_str()),
                Some(Rejection {
                    reason: &doubt.reason,
                    field: "",
                    message: &doubt.message,
                }),
            ),
        };
        Self {
            line,
            verdict,
            id,
            rejected,
        }
    }
}

fn describe(rejection: &SubmitRejection) -> String {
    let field = match rejection.field.as_str() {
        "" => String::new(),
        field => format!("{field}: "),
    };
    printable(&format!(
        "{field}{} ({})",
        rejection.message, rejection.reason
    ))
}

/// Counts bytes where the input is a file and so has a length; shown on a
/// terminal only.
fn progress_bar() -> ProgressBar {
    let length = std::fs::metadata("/dev/stdin")
        .ok()
        .filter(std::fs::Metadata::is_file);
    let (bar, style) = match length {
        Some(file) => (
            ProgressBar::new(file.len()),
            "{bar:30} {percent}% {msg}, {elapsed} (eta {eta})",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}, {elapsed}"),
    };
    bar.with_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}
