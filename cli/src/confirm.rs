//! Asks before what can not be undone.

use std::io::{self, IsTerminal};

use crate::args::Consent;
use crate::error::{Error, Exit, Result};
use crate::output::Output;

impl Consent {
    /// Refuses at once, before anything is asked of the server, where there is
    /// neither a yes nor somebody to give it.
    pub(crate) fn check(self) -> Result<()> {
        if self.yes || self.dry_run || io::stdin().is_terminal() {
            return Ok(());
        }
        Err(Error::usage("nobody is there to confirm this")
            .hint("--yes does it without asking, --dry-run tells how many it would be"))
    }
}

/// Asks a question that only a clear yes answers.
pub(crate) async fn ask(question: &str, output: &mut Output) -> Result<()> {
    output.prompt(&format!("{question} [y/N] "));
    match answer().await?.to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(declined()),
    }
}

/// Asks for a word that nobody types by accident.
pub(crate) async fn ask_for(word: &str, question: &str, output: &mut Output) -> Result<()> {
    output.prompt(&format!("{question} Type `{word}` to confirm: "));
    match answer().await? {
        answer if answer == word => Ok(()),
        _ => Err(declined()),
    }
}

fn declined() -> Error {
    Error::new(Exit::Other, "not confirmed; nothing was changed")
}

/// A line, read in a thread of its own so that Ctrl-C ends the wait.
async fn answer() -> Result<String> {
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = line.await.map_err(io::Error::other)??;
    Ok(line.trim().to_owned())
}
