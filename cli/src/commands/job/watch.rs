//! Follows one job to its end.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jobflow::proto::{self, JobState, WatchJobResponse};
use tokio::time::sleep;
use tonic::Status;

use super::check_end;
use crate::args::Form;
use crate::client::{Client, REOPEN_PAUSE};
use crate::error::{Result, is_transient};
use crate::output::Output;
use crate::view::event::{Change, log_line};
use crate::view::job::{attempt, progress};
use crate::view::style;
use crate::view::words::printable;

const TICK: Duration = Duration::from_millis(200);

pub(crate) async fn run(client: &Client, id: &str, output: &mut Output) -> Result<()> {
    output.refuse_ids("the changes of a job")?;
    let mut screen = Screen::new(output);
    let mut next_line = 0;
    loop {
        let mut stream = client.watch_job(id, next_line).await?;
        let end = loop {
            match stream.message().await {
                Ok(Some(message)) => {
                    if let Some(line) = message.log_lines.last() {
                        next_line = line.number + 1;
                    }
                    screen.show(&message)?;
                    if let Some(job) = message.job.as_ref().filter(|job| is_final(job)) {
                        screen.close(job)?;
                        return check_end(job);
                    }
                }
                Ok(None) => break Status::unavailable("the stream has ended"),
                Err(status) => break status,
            }
        };
        if !is_transient(&end) {
            return Err(client.error(&end));
        }
        screen
            .output
            .message("the connection is lost; connecting again");
        sleep(REOPEN_PAUSE).await;
    }
}

fn is_final(job: &proto::Job) -> bool {
    matches!(
        job.state(),
        JobState::Completed | JobState::Failed | JobState::Cancelled
    )
}

/// Lines of what happens, and on a terminal a bar below them.
struct Screen<'a> {
    output: &'a mut Output,
    bar: ProgressBar,
    state: Option<(JobState, i32)>,
    progress: Option<proto::Progress>,
}

impl<'a> Screen<'a> {
    fn new(output: &'a mut Output) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {percent}% {msg}, {elapsed}");
        let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::stderr())
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self {
            output,
            bar,
            state: None,
            progress: None,
        }
    }

    fn show(&mut self, message: &WatchJobResponse) -> Result<()> {
        // It only says that the other end is there.
        if message.job.is_none() && message.log_lines.is_empty() {
            return Ok(());
        }
        if self.output.form() != Form::Table {
            self.output.json_line(&Change::new(message))?;
            return Ok(self.output.flush()?);
        }
        let lines = self.lines(message);
        let output = &mut *self.output;
        // The bar steps aside, so that it and the lines do not mix.
        self.bar.suspend(|| {
            lines.iter().try_for_each(|line| output.line(line))?;
            output.flush()
        })?;
        Ok(())
    }

    /// What is new in a message.
    fn lines(&mut self, message: &WatchJobResponse) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(job) = &message.job {
            let state = (job.state(), job.attempt);
            if self.state.replace(state) != Some(state) && !is_final(job) {
                lines.push(format!(
                    "{}, attempt {}",
                    style::state(state.0),
                    attempt(job)
                ));
            }
            if job.progress != self.progress {
                self.progress.clone_from(&job.progress);
                lines.extend(self.move_bar());
            }
        }
        lines.extend(message.log_lines.iter().map(log_line));
        lines
    }

    /// The progress as a line where there is no bar.
    fn move_bar(&self) -> Option<String> {
        let now = self.progress.as_ref()?;
        self.bar
            .set_position(u64::try_from(now.percent).unwrap_or(0));
        self.bar.set_message(printable(&now.message));
        self.bar.is_hidden().then(|| progress(now))
    }

    fn close(&mut self, job: &proto::Job) -> Result<()> {
        self.bar.finish_and_clear();
        if self.output.form() == Form::Table {
            self.output.ended(job)?;
        }
        Ok(())
    }
}
