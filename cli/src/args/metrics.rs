//! `events`, `metrics` and `top`: what moves.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::values::duration;

/// Print the state changes of jobs.
///
/// Without --follow it ends when it has caught up with what has happened.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobflow-cli events --follow --filter 'queue = mail AND state = failed'
  jobflow-cli events --resume-token-file mail.token -o jsonl")]
pub(crate) struct Events {
    /// Go on until interrupted, also when the server restarts.
    #[arg(short, long)]
    pub(crate) follow: bool,

    /// Which events, of the fields id, queue, kind and state.
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) filter: String,

    /// Begin behind the events that were printed last, and remember how far it
    /// came. When the command is killed, the last ones may be printed again.
    #[arg(long, value_name = "FILE")]
    pub(crate) resume_token_file: Option<PathBuf>,
}

/// Show the numbers of all queues, or what they were.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobflow-cli metrics
  jobflow-cli metrics --watch -o jsonl
  jobflow-cli metrics --last 24h --step 1h --queue mail")]
pub(crate) struct Metrics {
    /// Go on showing them as they move, until interrupted.
    #[arg(short, long)]
    pub(crate) watch: bool,

    /// How often at most, 100ms to 15s.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    #[arg(requires = "watch")]
    pub(crate) interval: Duration,

    /// Show what happened in this time up to now, at most 31 days.
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "watch")]
    pub(crate) last: Option<Duration>,

    /// A row for each so long, at most 1,000: whole seconds for the last 15
    /// minutes, whole minutes for the last 25 hours, or whole hours.
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "last")]
    pub(crate) step: Option<Duration>,

    /// Only of this queue.
    #[arg(
        long,
        value_name = "NAME",
        requires = "last",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) queue: String,

    /// Only of jobs of this kind.
    #[arg(
        long,
        value_name = "KIND",
        requires = "last",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) kind: String,
}

/// Show everything on one screen, as it moves.
///
/// `?` tells the keys. It needs a terminal; --once prints one frame as plain
/// text anywhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobflow-cli top
  jobflow-cli top --once --tab queues --width 120")]
pub(crate) struct Top {
    /// Print one frame as plain text, and end.
    #[arg(long)]
    pub(crate) once: bool,

    /// What to show first.
    #[arg(long, value_name = "TAB", default_value = "overview")]
    pub(crate) tab: Tab,

    /// Columns of the frame.
    #[arg(long, value_name = "COLUMNS", default_value_t = 80, requires = "once")]
    #[arg(value_parser = clap::value_parser!(u16).range(40..=500))]
    pub(crate) width: u16,

    /// Lines of the frame.
    #[arg(long, value_name = "LINES", default_value_t = 24, requires = "once")]
    #[arg(value_parser = clap::value_parser!(u16).range(10..=500))]
    pub(crate) height: u16,

    /// How often it moves at most, 100ms to 15s.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) interval: Duration,
}

/// What `top` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tab {
    Overview,
    Queues,
    Jobs,
    Workers,
    Dead,
}
