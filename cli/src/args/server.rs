//! What is asked of the server on behalf of a shell.

use clap::ValueEnum;

/// What a shell completes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Names {
    Queues,
    Workers,
}
