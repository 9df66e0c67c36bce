use jobflow::proto::BulkAction;

use crate::args::{Dead, Listing, Replay};
use crate::client::Client;
use crate::commands::bulk::{self, Change, Which};
use crate::commands::job::list;
use crate::error::Result;
use crate::output::Output;
use crate::view::job::DeadLetter;

pub(crate) async fn run(client: &Client, command: Dead, output: &mut Output) -> Result<()> {
    match command {
        Dead::List { listing, refresh } => {
            let listing = Listing {
                filter: failed(&listing.filter),
                ..listing
            };
            list(client, &listing, refresh, output, DeadLetter).await
        }
        Dead::Groups { filter } => {
            let answer = client.dead_groups(&filter).await?;
            output.list(&answer.groups)?;
            if !answer.complete {
                output.message("not all failed jobs were looked at: there are too many, or some can not be reached");
            }
            Ok(())
        }
        Dead::Replay(replay) => run_again(client, replay, output).await,
    }
}

async fn run_again(client: &Client, replay: Replay, output: &mut Output) -> Result<()> {
    let all = replay.all;
    let which = match (replay.id, replay.group) {
        (Some(id), _) => Which::Ids(vec![id.to_string()]),
        (None, Some(group)) => {
            let narrowed = failed(&replay.filter);
            Which::Filter(format!("{narrowed} AND fingerprint = {}", quoted(&group)))
        }
        (None, None) => Which::Filter(failed(&replay.filter)),
    };
    let change = Change {
        action: BulkAction::Retry,
        which,
        reason: String::new(),
        rate: replay.rate,
        wait: replay.wait,
    };
    // One job or a group that one has looked at need no second thought.
    let consent = crate::args::Consent {
        yes: replay.consent.yes || (!all && !replay.consent.dry_run),
        ..replay.consent
    };
    bulk::change(client, change, consent, output).await
}

/// The failed jobs among those of a filter.
pub(crate) fn failed(filter: &str) -> String {
    match filter.trim() {
        "" => "state = failed".to_owned(),
        filter => format!("state = failed AND ({filter})"),
    }
}

/// A value of a filter that is no bare word.
pub(crate) fn quoted(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}
