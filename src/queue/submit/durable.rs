//! Jobs that are acknowledged once they are on disk or on replicas.
//!
//! Each batch has a connection of its own, since `WAIT` holds up the
//! connection that it is sent on, and counts what that connection has written.
//! All calls of a batch share one wait.

use std::time::Duration;

use futures_util::future::join_all;

use super::call::{Answer, Chunk, Verdict, is_moved, submit_on};
use super::{Prepared, Rejected, Submitted};
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::queue::Core;
use crate::queue::info::Info;
use crate::redis::{Exclusive, Flushing};

/// How old may be what is known of how the store flushes.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// The first Redis with `WAITAOF`.
const WAITAOF_SINCE: [u32; 2] = [7, 2];

/// One try of a batch on one connection.
enum Attempt {
    /// Nothing was sent.
    Refused(Error),
    Sent {
        /// For each chunk.
        answers: Vec<Result<Answer>>,
        /// Why those that are stored are not confirmed.
        doubt: Option<String>,
    },
}

/// Stores jobs of one class and waits once for all that are on one server. One
/// answer for each chunk.
pub(super) async fn send(
    core: &Core,
    class: Durability,
    jobs: &[Prepared],
    chunks: Vec<Chunk>,
) -> Vec<(Chunk, Result<Answer>)> {
    let key = |chunk: &Chunk| core.keys(&chunk.queue).config().to_owned();
    let keyed = chunks.into_iter().map(|chunk| (key(&chunk), chunk));
    let groups = core.store.by_server(keyed, |(key, _)| key).await;
    let sent = join_all(groups.into_iter().map(async |group| {
        let (keys, chunks): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let answers = send_to(core, &keys[0], class, jobs, &chunks).await;
        chunks.into_iter().zip(answers).collect::<Vec<_>>()
    }));
    sent.await.into_iter().flatten().collect()
}

/// The same for chunks whose queues are on the server of a key.
async fn send_to(
    core: &Core,
    key: &str,
    class: Durability,
    jobs: &[Prepared],
    chunks: &[Chunk],
) -> Vec<Result<Answer>> {
    let mut own = match core.store.durable(key).await {
        Ok(own) => own,
        Err(error) => return chunks.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut attempt = attempt_on(core, &mut own, class, jobs, chunks).await;
    if own.is_broken() && own.renew().await.is_ok() {
        // What was written on the old connection may have gone with its master:
        // all of it is sent again, under the same ids.
        let second = attempt_on(core, &mut own, class, jobs, chunks).await;
        attempt = merged(attempt, second, chunks);
    }
    let (answers, doubt) = match attempt {
        Attempt::Refused(error) => return refused(core, &error, jobs, chunks).await,
        Attempt::Sent { answers, doubt } => (answers, doubt),
    };
    let Some(why) = doubt else { return answers };
    let in_doubt = |(chunk, answer): (&Chunk, Result<Answer>)| match answer? {
        Answer::Moved => Ok(Answer::Moved),
        Answer::Verdicts(verdicts) => {
            let jobs = chunk.places.iter().map(|at| &jobs[*at]);
            let verdicts = jobs.zip(verdicts);
            let verdicts = verdicts.map(|(job, verdict)| Some(doubted(class, &why, job, verdict?)));
            Ok(Answer::Verdicts(verdicts.collect()))
        }
    };
    chunks.iter().zip(answers).map(in_doubt).collect()
}

/// A class that is not to be had is none of a queue that has another one now.
async fn refused(
    core: &Core,
    error: &Error,
    jobs: &[Prepared],
    chunks: &[Chunk],
) -> Vec<Result<Answer>> {
    let mut answers = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let moved = matches!(error, Error::DurabilityUnavailable { .. })
            && is_moved(core, jobs, chunk).await == Ok(true);
        answers.push(if moved {
            Ok(Answer::Moved)
        } else {
            Err(error.clone())
        });
    }
    answers
}

async fn attempt_on(
    core: &Core,
    own: &mut Exclusive,
    class: Durability,
    jobs: &[Prepared],
    chunks: &[Chunk],
) -> Attempt {
    let flushing = match class {
        Durability::Fsync => match flushing(core, own).await {
            Ok(flushing) => Some(flushing),
            Err(error) => return Attempt::Refused(error),
        },
        Durability::Memory | Durability::Replicated => None,
    };
    let mut answers = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        if own.is_broken() {
            answers.push(Err(Error::StoreUnavailable));
        } else {
            answers.push(submit_on(core, own, jobs, chunk).await);
        }
    }
    let is_there = |verdict: &Verdict| matches!(verdict, Some(Ok(_)));
    let is_stored =
        |answer| matches!(answer, &Ok(Answer::Verdicts(ref all)) if all.iter().any(is_there));
    let doubt = if own.is_broken() {
        Some(CUT.to_owned())
    } else if answers.iter().any(is_stored) {
        crate::failpoint!("submit.written");
        wait(core, own, flushing).await
    } else {
        None
    };
    Attempt::Sent { answers, doubt }
}

const CUT: &str = "the connection to the store broke";

/// Waits for what was written on this connection. Returns what is not so.
async fn wait(core: &Core, own: &mut Exclusive, flushing: Option<Flushing>) -> Option<String> {
    let config = &core.config;
    let ms = config.durability_timeout.as_millis().to_string();
    let waited = match flushing {
        Some(Flushing::Always) => return None,
        Some(Flushing::Told) => {
            let mut wait = ::redis::cmd("WAITAOF");
            let reached = own.query(wait.arg(1).arg(0).arg(&ms)).await;
            reached.map(|(here, _): (u32, u32)| {
                (here == 0).then(|| format!("it was not on disk after {ms} ms"))
            })
        }
        None => {
            let (mut wait, wanted) = (::redis::cmd("WAIT"), config.replicas);
            let reached = own.query(wait.arg(wanted).arg(&ms)).await;
            reached.map(|reached: u32| {
                let short = || format!("{reached} of {wanted} replicas had it after {ms} ms");
                (reached < wanted).then(short)
            })
        }
    };
    waited.unwrap_or_else(|error| {
        // For one, the store has become a replica meanwhile.
        tracing::debug!(%error, "redis did not wait");
        Some(CUT.to_owned())
    })
}

/// How the store brings to its disk what this connection writes.
async fn flushing(core: &Core, own: &mut Exclusive) -> Result<Flushing> {
    if let Some(flushing) = own.flushing(CHECK_EVERY) {
        return Ok(flushing);
    }
    let fault = |error| core.store.fault(&error);
    let ask = |section: &str| {
        let mut info = ::redis::cmd("INFO");
        info.arg(section);
        info
    };
    let server: String = own.query(&ask("server")).await.map_err(fault)?;
    let persistence: String = own.query(&ask("persistence")).await.map_err(fault)?;
    let persistence = Info::new(persistence);
    if persistence.text("aof_enabled") != "1" {
        return Err(lacking("appendonly is off"));
    }
    let flushing = if Info::new(server).is_since(WAITAOF_SINCE) {
        Flushing::Told
    } else {
        let mut get = ::redis::cmd("CONFIG");
        let settings = own.query(get.arg("GET").arg("*append*")).await;
        let settings: Vec<(String, String)> = match settings {
            Ok(settings) => settings,
            Err(error) if error.is_io_error() => return Err(fault(error)),
            // A user without the right, or a store whose settings nobody may see.
            Err(_) => return Err(lacking("its appendfsync can not be read with CONFIG GET")),
        };
        always(&persistence, &settings)?
    };
    own.found_flushing(flushing);
    Ok(flushing)
}

/// Checks that a store without `WAITAOF` flushes before each answer.
fn always(persistence: &Info, settings: &[(String, String)]) -> Result<Flushing> {
    let is = |name: &str, value: &str| settings.contains(&(name.to_owned(), value.to_owned()));
    if !is("appendonly", "yes") {
        return Err(lacking("appendonly is off"));
    }
    if !is("appendfsync", "always") {
        return Err(lacking("appendfsync is not always"));
    }
    if !is("no-appendfsync-on-rewrite", "no") {
        return Err(lacking("no-appendfsync-on-rewrite is on"));
    }
    // A file that is written for the first time counts only when it is complete.
    let is_first = persistence.number("aof_base_size") == 0;
    let is_written = ["aof_rewrite_in_progress", "aof_rewrite_scheduled"]
        .iter()
        .any(|name| persistence.text(name) == "1");
    if is_first && is_written {
        return Err(lacking("its append-only file is not complete yet"));
    }
    Ok(Flushing::Always)
}

fn lacking(missing: &str) -> Error {
    Error::DurabilityUnavailable {
        durability: Durability::Fsync,
        missing: missing.to_owned(),
    }
}

/// What the second attempt says, and of the first what only that knows.
fn merged(first: Attempt, second: Attempt, chunks: &[Chunk]) -> Attempt {
    let before = match first {
        Attempt::Refused(_) => return second,
        Attempt::Sent { answers, .. } => answers,
    };
    let (after, mut doubt) = match second {
        Attempt::Refused(error) => (
            chunks.iter().map(|_| Err(error.clone())).collect(),
            Some(CUT.to_owned()),
        ),
        Attempt::Sent { answers, doubt } => (answers, doubt),
    };
    let mut answers = Vec::with_capacity(chunks.len());
    for pair in before.into_iter().zip::<Vec<_>>(after) {
        answers.push(match pair {
            (Ok(Answer::Verdicts(before)), Ok(Answer::Verdicts(after))) => {
                let verdicts = before.into_iter().zip(after);
                Ok(Answer::Verdicts(verdicts.map(first_told).collect()))
            }
            // It is stored, but not where the second attempt waited.
            (Ok(Answer::Verdicts(before)), Ok(Answer::Moved) | Err(_)) => {
                doubt.get_or_insert_with(|| CUT.to_owned());
                Ok(Answer::Verdicts(before))
            }
            // It may be stored, which is all that is known.
            (Err(Error::StoreUnavailable), Err(_)) => Err(Error::StoreUnavailable),
            (_, after) => after,
        });
    }
    Attempt::Sent { answers, doubt }
}

/// A job that the first attempt created is no duplicate because the second finds it.
fn first_told((before, after): (Verdict, Verdict)) -> Verdict {
    match (before, after) {
        (Some(Ok(before)), Some(Ok(after))) if before.id == after.id => Some(Ok(before)),
        (_, after) => after,
    }
}

/// What is stored but not confirmed. A job that is no answer to the submit
/// does not become one by that.
fn doubted(
    durability: Durability,
    why: &str,
    job: &Prepared,
    verdict: Result<Submitted>,
) -> Result<Submitted> {
    let submitted = verdict?;
    if submitted.duplicate && Rejected::by(&job.job).includes(submitted.id) {
        return Ok(submitted);
    }
    Err(Error::DurabilityUnknown {
        id: submitted.id,
        durability,
        why: why.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: [(&str, &str); 4] = [
        ("appendonly", "yes"),
        ("no-appendfsync-on-rewrite", "no"),
        ("appendfilename", "appendonly.aof"),
        ("appendfsync", "always"),
    ];

    fn with(name: &str, value: &str) -> Vec<(String, String)> {
        let set = SET.map(|(own, set)| (own.to_owned(), if own == name { value } else { set }));
        set.map(|(name, value)| (name, value.to_owned())).to_vec()
    }

    #[test]
    fn a_store_that_flushes_later_or_not_always_is_refused() {
        let settled = Info::new("aof_rewrite_in_progress:0\r\naof_base_size:0\r\n");
        assert_eq!(always(&settled, &with("", "")), Ok(Flushing::Always));
        for (name, value) in [
            ("appendonly", "no"),
            ("appendfsync", "everysec"),
            ("appendfsync", "no"),
            ("no-appendfsync-on-rewrite", "yes"),
        ] {
            let refused = always(&settled, &with(name, value)).unwrap_err();
            assert!(refused.to_string().contains(name), "{refused}");
        }
        assert!(always(&settled, &[]).is_err());
        let rewriting = Info::new("aof_rewrite_in_progress:1\r\naof_base_size:77\r\n");
        assert_eq!(always(&rewriting, &with("", "")), Ok(Flushing::Always));
        let beginning = Info::new("aof_rewrite_in_progress:1\r\naof_base_size:0\r\n");
        assert!(always(&beginning, &with("", "")).is_err());
    }
}
