//! Brings what is shown, and does what is asked for.

use std::time::Duration;

use jobflow::proto::ListJobsRequest;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::sleep;

use super::action::Action;
use super::state::{Load, Update};
use crate::client::{Client, REOPEN_PAUSE};
use crate::error::Result;

/// More jobs than this are narrowed with a filter, not scrolled through.
const JOBS: i32 = 200;

/// What the screen asks for.
pub(super) enum Wish {
    Load(Load),
    Do(Action),
}

/// Passes the numbers on for ever, through every loss of the connection.
pub(super) async fn numbers(client: &Client, interval: Duration, updates: &Sender<Update>) {
    loop {
        let why = match client.metrics(interval).await {
            Ok(mut stream) => loop {
                match stream.message().await {
                    Ok(Some(numbers)) => {
                        if updates.send(Update::numbers(numbers)).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => break "the server has ended the stream".to_owned(),
                    Err(status) => break client.error(&status).message,
                }
            },
            Err(error) => error.message,
        };
        if updates.send(Update::Lost(why)).await.is_err() {
            return;
        }
        sleep(REOPEN_PAUSE).await;
    }
}

/// Answers wishes, one after the other.
pub(super) async fn answers(
    client: &Client,
    wishes: &mut Receiver<Wish>,
    updates: &Sender<Update>,
) {
    while let Some(wish) = wishes.recv().await {
        let update = match wish {
            Wish::Load(wanted) => {
                let list = load(client, wanted).await;
                list.unwrap_or_else(|error| Update::NoList(error.message))
            }
            Wish::Do(action) => {
                let done = action.perform(client).await;
                Update::Done(done.unwrap_or_else(|error| error.message))
            }
        };
        if updates.send(update).await.is_err() {
            return;
        }
    }
}

pub(super) async fn load(client: &Client, wanted: Load) -> Result<Update> {
    Ok(match wanted {
        Load::Jobs(filter) => {
            let mut page = ListJobsRequest {
                filter,
                page_size: JOBS,
                ..ListJobsRequest::default()
            };
            let mut jobs = Vec::new();
            // A page may be empty before the last one.
            loop {
                let answer = client.list_jobs(&page).await?;
                jobs.extend(answer.jobs);
                if answer.next_page_token.is_empty() || jobs.len() >= JOBS as usize {
                    break Update::Jobs(jobs);
                }
                page.page_token = answer.next_page_token;
            }
        }
        Load::Workers => Update::Workers(client.list_workers("").await?),
        Load::Groups(filter) => Update::Groups(client.dead_groups(&filter).await?.groups),
    })
}
