//! What can be typed: the whole command line, and nothing else.

mod audit;
mod bulk;
mod dead;
mod doctor;
mod job;
mod metrics;
mod queue;
mod server;
mod shared;
mod submit;
mod token;
mod values;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use anstream::ColorChoice;
use clap::{Parser, Subcommand, ValueEnum};
use tonic::transport::Endpoint;

pub(crate) use audit::Audit;
pub(crate) use bulk::{Bulk, BulkChange};
pub(crate) use dead::{Dead, Replay};
pub(crate) use doctor::Doctor;
pub(crate) use job::{Edit, Job};
pub(crate) use metrics::{Events, Metrics, Tab, Top};
pub(crate) use queue::{PurgeState, Queue, Setting, Settings};
pub(crate) use server::Names;
pub(crate) use shared::{Consent, Listing, Payload, Refresh};
pub(crate) use submit::{Durability, JobOptions, KeyScope, OnConflict, Submit};
pub(crate) use token::Token;
pub(crate) use values::{duration, timestamp};
pub(crate) use worker::Worker;

const EXAMPLES: &str = "\
Examples:
  jobflow-cli submit email-delivery --data '{\"to\":\"user@example.com\"}' --wait
  jobflow-cli submit - < jobs.jsonl
  jobflow-cli job get 0198c0de-0000-7000-8000-000000000000 -o json
  jobflow-cli job list --filter 'queue = mail AND state = failed'
  jobflow-cli top";

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
    #[arg(default_value = "http://127.0.0.1:4000", value_parser = values::server)]
    pub(crate) server: Endpoint,

    /// A file with the token to show to the server. A token may also stand in
    /// JOBFLOW_TOKEN; there is no flag for it, because others can read flags.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "JOBFLOW_TOKEN_FILE",
        hide_env_values = true
    )]
    pub(crate) token_file: Option<PathBuf>,

    /// Show the token also to a server elsewhere that is spoken to in the clear.
    #[arg(long, global = true)]
    pub(crate) plaintext_token: bool,

    /// Trust a server whose certificate one of these has signed, as PEM,
    /// instead of those that the system trusts.
    #[arg(long, global = true, value_name = "FILE", env = "JOBFLOW_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// Certificate and private key to show to a server that asks for them, as PEM.
    #[arg(long, global = true, value_name = "FILE", env = "JOBFLOW_CLIENT_CERT")]
    #[arg(requires = "client_key")]
    pub(crate) client_cert: Option<PathBuf>,

    /// The private key of --client-cert.
    #[arg(long, global = true, value_name = "FILE", env = "JOBFLOW_CLIENT_KEY")]
    #[arg(requires = "client_cert")]
    pub(crate) client_key: Option<PathBuf>,

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
    #[command(subcommand)]
    Job(Job),
    #[command(subcommand)]
    Queue(Queue),
    #[command(subcommand)]
    Worker(Worker),
    #[command(subcommand)]
    Dead(Dead),
    #[command(subcommand)]
    Bulk(Bulk),
    Events(Events),
    Metrics(Metrics),
    Top(Top),
    Doctor(Doctor),
    #[command(subcommand)]
    Token(Token),
    Audit(Audit),
    /// Print a completion script for a shell.
    ///
    /// In bash and zsh it also completes the names of queues and workers, for
    /// which it asks the server.
    #[command(after_help = "\
Examples:
  jobflow-cli completions bash > jobflow-cli.bash
  source <(jobflow-cli completions bash)")]
    Completions {
        shell: clap_complete::Shell,
    },
    /// Print the names that a shell completes with.
    #[command(hide = true)]
    CompleteNames {
        what: Names,
    },
    /// Print the manual pages.
    #[command(after_help = "\
Examples:
  jobflow-cli man > jobflow-cli.1")]
    Man,
    /// Print docs/cli.md.
    #[command(hide = true)]
    Markdown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }
}
