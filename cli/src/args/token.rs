//! `token`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use jobflow::Role;

use super::values::duration;

/// Make and end the tokens by which callers are known.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  jobflow-cli token create mailer --role submitter --queue mail")]
pub(crate) enum Token {
    /// Make a token; it is shown this once.
    #[command(after_help = "\
Examples:
  jobflow-cli token create mailer --role submitter --queue mail --queue 'shop-*'
  jobflow-cli token create grafana --role viewer --expires never
  jobflow-cli token create deploy --role operator --to deploy.token")]
    Create {
        /// For people and the audit log.
        name: String,
        /// viewer, submitter, operator or admin.
        #[arg(short, long, value_name = "ROLE")]
        role: Role,
        /// A queue, or with a `*` at its end the beginning of names; may be
        /// given several times. Without any: every queue.
        #[arg(short, long, value_name = "PATTERN")]
        queue: Vec<String>,
        /// How long it holds: a duration, or `never`.
        #[arg(long, value_name = "LIFE", default_value = "90d")]
        expires: Life,
        /// Write it into this file, for its owner alone to read, and do not show it.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// List the tokens, the oldest first.
    #[command(after_help = "\
Examples:
  jobflow-cli token list")]
    List,
    /// Give a token a new secret; the old one holds on for a while.
    #[command(after_help = "\
Examples:
  jobflow-cli token rotate 0a1b2c3d4e5f
  jobflow-cli token rotate 0a1b2c3d4e5f --overlap 1h --expires 90d")]
    Rotate {
        id: String,
        /// How long the old secret holds beside the new one; `0s`: not at all.
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
        overlap: Duration,
        /// A new end: a duration from now. Without it, the end stays.
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<Duration>,
        /// Write it into this file, for its owner alone to read, and do not show it.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// End a token; every server refuses it within five seconds.
    #[command(after_help = "\
Examples:
  jobflow-cli token revoke 0a1b2c3d4e5f")]
    Revoke { id: String },
}

/// How long a token holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life(pub(crate) Option<Duration>);

impl std::str::FromStr for Life {
    type Err = humantime::DurationError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "never" => Ok(Self(None)),
            text => duration(text).map(|life| Self(Some(life))),
        }
    }
}
