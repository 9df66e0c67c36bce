//! The one place that prints: data on standard output, messages on standard error.

use std::io::{self, IsTerminal, Stderr, Stdout, Write};

use anstream::{AutoStream, ColorChoice};
use jobflow::proto;
use serde::Serialize;
use terminal_size::{Height, terminal_size};

use crate::args::{Color, Form};
use crate::client::Submission;
use crate::error::{Error, Exit, Result};
use crate::list::List;
use crate::view::{self, Item, history, job, metrics};

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

    /// Refuses `-o id` for what has none.
    pub(crate) fn refuse_ids(&self, what: &str) -> Result<()> {
        match self.form {
            Form::Id => Err(Error::usage(format!(
                "{what} have no id; use -o table, json or jsonl"
            ))),
            _ => Ok(()),
        }
    }

    /// Prints one thing.
    pub(crate) fn item(&mut self, item: &impl Item) -> io::Result<()> {
        match self.form {
            Form::Table => self.text(&item.text()),
            Form::Json | Form::Jsonl => self.json(&item.json()),
            Form::Id => self.line(item.id()),
        }
    }

    /// Prints what is neither one thing with an id nor a list of them.
    pub(crate) fn answer(&mut self, text: &str, json: &impl Serialize) -> io::Result<()> {
        match self.form {
            Form::Table | Form::Id => self.text(text),
            Form::Json | Form::Jsonl => self.json(json),
        }
    }

    /// Prints a list.
    pub(crate) fn list<T: Item>(&mut self, items: &[T]) -> io::Result<()> {
        let mut list = List::new(self);
        list.add(items)?;
        list.close()
    }

    /// Prints the answer to a submit.
    pub(crate) fn submitted(&mut self, answer: &Submission) -> io::Result<()> {
        let Submission {
            job,
            duplicate,
            replaced_id,
        } = answer;
        match self.form {
            Form::Table => self.line(&job::submitted(job, *duplicate, replaced_id)),
            Form::Json | Form::Jsonl => {
                self.json(&job::Submitted::new(job, *duplicate, replaced_id))
            }
            Form::Id => self.line(&job.id),
        }
    }

    /// Prints what became of a job that was waited for after its submit.
    pub(crate) fn ended(&mut self, job: &proto::Job) -> io::Result<()> {
        match self.form {
            Form::Table => self.text(&job::ended(job)),
            Form::Json | Form::Jsonl => self.json(&job::Job::new(job)),
            // The id stands there since the submit.
            Form::Id => Ok(()),
        }
    }

    pub(crate) fn metrics(&mut self, numbers: &proto::StreamMetricsResponse) -> io::Result<()> {
        match self.form {
            Form::Table => self.text(&metrics::text(numbers)),
            Form::Json | Form::Jsonl => self.json(&metrics::Metrics::new(numbers)),
            Form::Id => Ok(()),
        }
    }

    pub(crate) fn history(&mut self, past: &proto::QueryMetricsResponse) -> io::Result<()> {
        match self.form {
            Form::Table => self.text(&history::text(past)),
            Form::Json => self.json(&history::History::new(past)),
            Form::Jsonl => {
                let mut points = past.points.iter().map(history::Point::new);
                points.try_for_each(|point| self.json_line(&point))
            }
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
            Form::Table if self.can_redraw() => self.redraw(&metrics::text(numbers)),
            Form::Table => self.line(&metrics::line(numbers)),
            Form::Json | Form::Jsonl => self.json_line(&metrics::Metrics::new(numbers)),
            Form::Id => Ok(()),
        }
    }

    /// Whether what is shown again and again replaces what was shown before.
    pub(crate) fn can_redraw(&self) -> bool {
        self.form == Form::Table && io::stdout().is_terminal()
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

    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line(&json_line(value)?)
    }

    /// Replaces what is on the screen, without a blink.
    pub(crate) fn redraw(&mut self, text: &str) -> io::Result<()> {
        const HOME: &str = "\x1b[H";
        const CLEAR_LINE_END: &str = "\x1b[K\n";
        const CLEAR_BELOW: &str = "\x1b[J";
        const CUT_LINES: &str = "\x1b[?7l";
        const WRAP_LINES: &str = "\x1b[?7h";
        let rows = terminal_size().map_or(usize::MAX, |(_, Height(rows))| rows.into());
        let lines = text.lines().take(rows.saturating_sub(1));
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

    /// Asks something, and leaves the cursor behind it.
    pub(crate) fn prompt(&mut self, question: &str) {
        // Without a question on the screen the answer is no yes.
        let _ = write!(self.stderr, "{question}").and_then(|()| self.stderr.flush());
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
            Form::Table | Form::Id => self.message(&view::error::error(error)),
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
