//! What can be typed: the whole command line, and nothing else.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anstream::ColorChoice;
use clap::{Parser, Subcommand, ValueEnum};
use jobflow::{JobId, Kind, MAX_ATTEMPTS, Priority, QueueName};
use prost_types::Timestamp;
use tonic::transport::Endpoint;

const EXAMPLES: &str = "\
Examples:
  jobflow-cli submit email-delivery --data '{\"to\":\"user@example.com\"}' --wait
  jobflow-cli submit - < jobs.jsonl
  jobflow-cli job get 0198c0de-0000-7000-8000-000000000000 -o json
  jobflow-cli metrics --watch";

const EXIT_CODES: &str = "\
Exit codes:
  0  done                               5  not authorised
  1  any other failure                  6  the server can not be reached
  2  wrong usage                        7  the job waited for failed or was cancelled
  3  not found                          8  timeout
  4  conflict with the present state    130  interrupted";

/// Submit, inspect and watch JobFlow jobs from a terminal.
///
/// Data goes to standard output, messages to standard error.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Where the server listens.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "JOBFLOW_SERVER",
        hide_env_values = true
    )]
    #[arg(default_value = "http://127.0.0.1:4000", value_parser = server)]
    pub(crate) server: Endpoint,

    /// Form of what is printed on standard output.
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORM",
        default_value = "table"
    )]
    pub(crate) output: Form,

    /// When to use colour. NO_COLOR is respected.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,

    /// Give up on an answer after this long [default: 10s; for `job wait` 60s].
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,

    /// Keep trying a server that can not be reached for this long
    /// [default: 2s; once it has answered 30s].
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub(crate) retry_for: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people.
    Table,
    /// Indented JSON; a list is one array.
    Json,
    /// One JSON value per line.
    Jsonl,
    /// Only the id or name, one per line.
    Id,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    Auto,
    Always,
    Never,
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Submit(Box<Submit>),
    /// Look at one job.
    #[command(subcommand)]
    Job(Job),
    /// Look at the queues.
    #[command(subcommand)]
    Queue(Queue),
    Metrics(Metrics),
    /// Print a completion script for a shell.
    Completions {
        shell: clap_complete::Shell,
    },
    /// Print the manual pages.
    Man,
    /// Print docs/cli.md.
    #[command(hide = true)]
    Markdown,
}

/// Submit one job, or many from standard input.
///
/// With `-` as the kind, or with no kind and standard input not a terminal,
/// every line of standard input is a job:
/// {"kind":"resize","data":{"w":64},"queue":"images","delay":"5s"}.
/// Other fields are priority, run_at, max_attempts, timeout, headers,
/// content_type and idempotency_key; options given here are the defaults. One
/// result per line is printed, in order: the id, or with -o jsonl the verdict.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobflow-cli submit resize --data '{\"w\":64}' --queue images --delay 5m
  jobflow-cli submit resize --data-file job.json --wait -o json
  jobflow-cli submit - --queue images < jobs.jsonl > ids.txt
  seq 1000 | jobflow-cli submit count --lines")]
pub(crate) struct Submit {
    /// The name that picks the handler; `-` reads jobs from standard input.
    #[arg(value_parser = kind_or_stdin)]
    pub(crate) kind: Option<String>,

    /// The payload, as JSON unless --content-type says otherwise [default: null].
    #[arg(short, long, value_name = "JSON")]
    pub(crate) data: Option<String>,

    /// Read the payload from a file; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub(crate) data_file: Option<PathBuf>,

    /// Submit a job of this kind for each line of standard input, which is its payload.
    #[arg(long, requires = "kind", conflicts_with_all = ["data", "data_file"])]
    pub(crate) lines: bool,

    #[command(flatten)]
    pub(crate) options: JobOptions,

    /// Return the job that already has this key instead of creating another.
    #[arg(long, value_name = "KEY", conflicts_with = "lines")]
    pub(crate) idempotency_key: Option<String>,

    /// Wait until the job is final, and print its result.
    #[arg(short, long, conflicts_with = "lines")]
    pub(crate) wait: bool,

    /// How long to wait for the job.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    #[arg(requires = "wait")]
    pub(crate) wait_timeout: Duration,
}

/// What can be said about a job, or about each job of a bulk submit.
#[derive(Debug, clap::Args)]
pub(crate) struct JobOptions {
    /// The queue it goes to [default: default].
    #[arg(short, long, value_name = "NAME")]
    pub(crate) queue: Option<QueueName>,

    /// 0 (runs first) to 9 [default: 5].
    #[arg(short, long, value_name = "BAND")]
    #[arg(value_parser = clap::value_parser!(i32).range(0..=i64::from(Priority::MAX)))]
    pub(crate) priority: Option<i32>,

    /// Run it no sooner than this long from now, for example 5m.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) delay: Option<Duration>,

    /// Run it no sooner than this, for example 2030-01-31T09:00:00+01:00.
    #[arg(long, value_name = "RFC3339", conflicts_with = "delay", value_parser = timestamp)]
    pub(crate) run_at: Option<Timestamp>,

    /// After how many errored attempts it fails [default: 3].
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(i32).range(1..=i64::from(MAX_ATTEMPTS)))]
    pub(crate) attempts: Option<i32>,

    /// How long one attempt may run [default: 30m].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) job_timeout: Option<Duration>,

    /// Metadata of your own; may be given more than once.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,

    /// Media type of the payload.
    #[arg(long, value_name = "TYPE", default_value = jobflow::DEFAULT_CONTENT_TYPE)]
    pub(crate) content_type: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Job {
    /// Show a job.
    Get { id: JobId },
    /// Wait until a job is final, and show it. Exits with 7 when it failed or
    /// was cancelled, with 8 when --timeout passed first.
    Wait { id: JobId },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Queue {
    /// List the queues and how many of their jobs are in each state.
    List,
}

/// Show the numbers of all queues.
#[derive(Debug, clap::Args)]
pub(crate) struct Metrics {
    /// Go on showing them as they move, until interrupted.
    #[arg(short, long)]
    pub(crate) watch: bool,

    /// How often at most, 100ms to 15s.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    #[arg(requires = "watch")]
    pub(crate) interval: Duration,
}

fn server(url: &str) -> Result<Endpoint, String> {
    let url = match url.split_once("://") {
        Some(("http", _)) => url.to_owned(),
        Some(_) => return Err("only http:// is spoken; end TLS in front of the server".to_owned()),
        None => format!("http://{url}"),
    };
    Endpoint::from_shared(url).map_err(|_| "must be like http://127.0.0.1:4000".to_owned())
}

fn kind_or_stdin(kind: &str) -> jobflow::Result<String> {
    if kind != "-" {
        Kind::new(kind)?;
    }
    Ok(kind.to_owned())
}

/// Reads `5m`, `1h 30m` or `500ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}

/// Reads an RFC 3339 time.
pub(crate) fn timestamp(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::from_str(text).map_err(|_| "must be an RFC 3339 time like 2030-01-31T09:00:00Z")
}

fn header(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_server_may_be_named_without_its_scheme() {
        assert_eq!(
            server("localhost:4000").unwrap().uri(),
            "http://localhost:4000/"
        );
        assert!(server("redis://localhost").is_err());
        assert!(server("http://").is_err());
    }

    #[test]
    fn times_are_rfc_3339_with_any_offset() {
        let utc = timestamp("2030-01-31T08:00:00Z").unwrap();
        assert_eq!(timestamp("2030-01-31T09:00:00+01:00").unwrap(), utc);
        assert!(timestamp("tomorrow").is_err());
        assert!(timestamp("é").is_err());
    }
}
