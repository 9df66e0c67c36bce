//! The one place that prints: data on standard output, messages on standard error.

use std::io::{self, IsTerminal, Stderr, Stdout, Write};

use anstream::{AutoStream, ColorChoice};
use jobflow::proto;
use serde::Serialize;
use terminal_size::{Height, terminal_size};

use crate::args::{Color, Form};
use crate::error::{Error, Exit};
use crate::view::{json, text};

pub(crate) struct Output {
    form: Form,
    // Both drop the colours where they do not belong.
    stdout: AutoStream<Stdout>,
    stderr: AutoStream<Stderr>,
}

impl Output {
    pub(crate) fn new(form: Form, color: Color) -> Self {
        let choice = ColorChoice::from(color);
        Self {
            form,
            stdout: AutoStream::new(io::stdout(), choice_for(&io::stdout(), choice)),
            stderr: AutoStream::new(io::stderr(), choice_for(&io::stderr(), choice)),
        }
    }

    pub(crate) const fn form(&self) -> Form {
        self.form
    }

    /// Prints a job as asked for.
    pub(crate) fn job(&mut self, job: &proto::Job) -> io::Result<()> {
        match self.form {
            Form::Table => self.text(&text::job(job)),
            Form::Json | Form::Jsonl => self.json(&json::Job::new(job)),
            Form::Id => self.line(&job.id),
        }
    }

    /// Prints the answer to a submit as asked for.
    pub(crate) fn submitted(&mut self, job: &proto::Job, duplicate: bool) -> io::Result<()> {
        match self.form {
            Form::Table => self.line(&text::submitted(job, duplicate)),
            Form::Json | Form::Jsonl => self.json(&json::Submitted::new(job, duplicate)),
            Form::Id => self.line(&job.id),
        }
    }

    /// Prints what became of a job that was waited for after its submit.
    pub(crate) fn ended(&mut self, job: &proto::Job) -> io::Result<()> {
        match self.form {
            Form::Table => self.text(&text::ended(job)),
            Form::Json | Form::Jsonl => self.json(&json::Job::new(job)),
            // The id stands there since the submit.
            Form::Id => Ok(()),
        }
    }

    pub(crate) fn queues(&mut self, queues: &[proto::Queue]) -> io::Result<()> {
        match self.form {
            Form::Table => self.text(&text::queues(queues)),
            Form::Json => self.json(&queues.iter().map(json::Queue::new).collect::<Vec<_>>()),
            Form::Jsonl => queues
                .iter()
                .try_for_each(|queue| self.json(&json::Queue::new(queue))),
            Form::Id => queues.iter().try_for_each(|queue| self.line(&queue.name)),
        }
    }

    pub(crate) fn metrics(&mut self, numbers: &proto::StreamMetricsResponse) -> io::Result<()> {
        match self.form {
            Form::Table => self.text(&text::metrics(numbers)),
            Form::Json | Form::Jsonl => self.json(&json::Metrics::new(numbers)),
            Form::Id => Ok(()),
        }
    }

    /// Prints numbers that others follow: over the last ones on a terminal,
    /// else one line for each message.
    pub(crate) fn next_metrics(
        &mut self,
        numbers: &proto::StreamMetricsResponse,
    ) -> io::Result<()> {
        match self.form {
            Form::Table if io::stdout().is_terminal() => self.redraw(&text::metrics(numbers)),
            Form::Table => self.line(&text::metrics_line(numbers)),
            Form::Json | Form::Jsonl => self.json_line(&json::Metrics::new(numbers)),
            Form::Id => Ok(()),
        }
    }

    /// Prints text that ends with a line end.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.stdout.write_all(text.as_bytes())
    }

    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        self.text(&format!("{line}\n"))
    }

    fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        match self.form {
            Form::Json => self.line(&serde_json::to_string_pretty(value)?),
            _ => self.json_line(value),
        }
    }

    fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line(&json_line(value)?)
    }

    /// Replaces what is on the screen, without a blink.
    fn redraw(&mut self, text: &str) -> io::Result<()> {
        const HOME: &str = "\x1b[H";
        const CLEAR_LINE_END: &str = "\x1b[K\n";
        const CLEAR_BELOW: &str = "\x1b[J";
        const CUT_LINES: &str = "\x1b[?7l";
        const WRAP_LINES: &str = "\x1b[?7h";
        let rows = terminal_size().map_or(usize::MAX, |(_, Height(rows))| rows.into());
        let lines = text.lines().take(rows - 1);
        let text: String = lines.flat_map(|line| [line, CLEAR_LINE_END]).collect();
        self.text(&format!("{HOME}{CUT_LINES}{text}{CLEAR_BELOW}{WRAP_LINES}"))?;
        self.flush()
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }

    /// Says something beside the data.
    pub(crate) fn message(&mut self, message: &str) {
        // Nobody is left to be told when standard error is gone.
        let _ = writeln!(self.stderr, "{message}");
    }

    pub(crate) fn error(&mut self, error: &Error) {
        // A closed pipe and Ctrl-C are the wish of whoever did it.
        if matches!(error.exit, Exit::Ok | Exit::Interrupted) {
            return;
        }
        match self.form {
            Form::Json | Form::Jsonl => {
                if let Ok(line) = json_line(&serde_json::json!({ "error": error })) {
                    self.message(&line);
                }
            }
            Form::Table | Form::Id => self.message(&text::error(error)),
        }
    }
}

/// A value on one line. Line ends in a payload stand between its tokens, where
/// any white space will do.
pub(crate) fn json_line(value: &impl Serialize) -> io::Result<String> {
    Ok(serde_json::to_string(value)?.replace(['\n', '\r'], " "))
}

fn choice_for(stream: &impl anstream::stream::RawStream, choice: ColorChoice) -> ColorChoice {
    match choice {
        ColorChoice::Auto => AutoStream::choice(stream),
        choice => choice,
    }
}
