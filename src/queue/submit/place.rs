//! Which partition of its queue a job goes to.
//!
//! A key binds its job to one, its home, so that the script there sees all jobs of
//! the key; others go where there is room. In a queue that was spread otherwise
//! before, the key may be held where it was bound then: that is looked up, and the
//! job goes there, as if the queue had not changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;

use super::send::Verdicts;
use super::{Prepared, entry};
use crate::error::{Error, Result};
use crate::job::{JobId, QueueName};
use crate::lua::{self, Call, MAX_JOBS};
use crate::new_job::NewJob;
use crate::partition::{Partition, Spread};
use crate::queue::Core;

/// Places of jobs in a batch, by where their keys may be held.
type Looks = BTreeMap<Partition, Vec<(usize, String)>>;

impl Core {
    /// Where a job goes by what is known of its queue.
    pub(super) fn place_of(&self, job: &NewJob, spread: &Spread) -> Partition {
        let number = if spread.count == 1 {
            0
        } else {
            let entry = entry(job);
            entry.map_or_else(|| self.next_of(&job.queue), |entry| spread.home(&entry))
        };
        Partition::new(job.queue.clone(), number)
    }

    /// Where the next job of a queue goes that no key binds.
    fn next_of(&self, queue: &QueueName) -> u8 {
        self.spreads.next(queue, |number| {
            let part = Partition::new(queue.clone(), number);
            self.store
                .server_of(|| self.keys(&part).config().to_owned())
        })
    }
}

/// Finds a place for each job that has no verdict yet, by what is known now.
pub(super) async fn place(core: &Core, jobs: &mut [Prepared], verdicts: &mut Verdicts) {
    let mut looks = Looks::new();
    // Of the job before, as most are of one queue.
    let mut known: Option<(QueueName, Arc<Spread>)> = None;
    for (at, job) in jobs.iter_mut().enumerate() {
        let queue = &job.job.queue;
        let mut spread = match &known {
            Some((of, spread)) if of == queue => Arc::clone(spread),
            _ => {
                let spread = core.spreads.of(queue);
                known = Some((queue.clone(), Arc::clone(&spread)));
                spread
            }
        };
        job.bound = false;
        if verdicts[at].is_some() || spread.epoch == 0 && job.id.partition() == 0 {
            continue;
        }
        let entry = job.entry();
        if job.sent && entry.is_none() {
            // It may be stored where its id says.
            job.bound = job.has_id_of_surplus(&spread);
            continue;
        }
        if job.fresh {
            let wanted = match &entry {
                Some(entry) => spread.home(entry),
                None if job.placed_by == spread.epoch => job.id.partition(),
                None => core.next_of(&job.job.queue),
            };
            go_to(job, wanted);
            job.placed_by = spread.epoch;
        } else if check_own_id(job, &spread, entry.as_deref()).is_err() {
            // This process may not know yet how the queue is spread.
            known = None;
            let checked = core.read_spread(&job.job.queue).await.and_then(|now| {
                spread = now;
                check_own_id(job, &spread, entry.as_deref())
            });
            if let Err(error) = checked {
                verdicts[at] = Some(Err(error));
                continue;
            }
        }
        if entry.is_none() {
            job.bound = job.has_id_of_surplus(&spread);
        }
        for earlier in entry.iter().flat_map(|entry| spread.earlier_homes(entry)) {
            let part = Partition::new(job.job.queue.clone(), earlier);
            let entry = entry.clone().unwrap_or_default();
            looks.entry(part).or_default().push((at, entry));
        }
    }
    if !looks.is_empty() {
        Box::pin(look(core, jobs, looks, verdicts)).await;
    }
}

/// A job with an id of its caller's is where that says. A key that is not bound
/// there by now must have been before.
fn check_own_id(job: &Prepared, spread: &Spread, entry: Option<&str>) -> Result<()> {
    let own = job.id.partition();
    if own >= spread.live {
        let message = "names a partition that the queue does not have";
        return Err(Error::invalid("id", message));
    }
    match entry {
        Some(entry) if spread.home(entry) != own && !spread.earlier_homes(entry).contains(&own) => {
            Err(id_against_key())
        }
        _ => Ok(()),
    }
}

/// Of a job that is not in the partition which its id names.
pub(super) fn takes_no_new_jobs() -> Error {
    Error::invalid("id", "names a partition that takes no new jobs")
}

fn id_against_key() -> Error {
    let message = "can not be given with an idempotency key or a request id that is bound to \
                   another partition of the queue";
    Error::invalid("id", message)
}

fn go_to(job: &mut Prepared, number: u8) {
    if job.id.partition() != number {
        job.id = JobId::generate_in(&Partition::new(job.job.queue.clone(), number));
    }
}

/// Sends jobs to where their keys are held. What can not be asked is not known,
/// and a job of such a key must not be stored.
async fn look(core: &Core, jobs: &mut [Prepared], looks: Looks, verdicts: &mut Verdicts) {
    let asked = looks.into_iter().map(async |(part, wanted)| {
        let held = find(core, &part, &wanted).await;
        (part, wanted, held)
    });
    let mut all = Vec::new();
    for (part, wanted, held) in join_all(asked).await {
        for (n, (at, entry)) in wanted.into_iter().enumerate() {
            match &held {
                Ok(held) if held[n] => {
                    let elsewhere = jobs[at].id.partition() != part.number();
                    if elsewhere && !jobs[at].fresh && jobs[at].replaces() {
                        verdicts[at] = Some(Err(id_against_key()));
                    }
                    go_to(&mut jobs[at], part.number());
                    jobs[at].bound = true;
                }
                Ok(_) => {}
                Err(error) => verdicts[at] = Some(Err(error.clone())),
            }
            all.push((at, entry));
        }
    }
    for (at, entry) in all {
        let job = &jobs[at];
        let home = core.spreads.of(&job.job.queue).home(&entry);
        if !job.fresh && !job.bound && job.id.partition() != home {
            verdicts[at].get_or_insert_with(|| Err(id_against_key()));
        }
    }
}

/// Which of these keys are held in a partition; nobody binds more of them there
/// by an earlier spread afterwards.
async fn find(core: &Core, part: &Partition, wanted: &[(usize, String)]) -> Result<Vec<bool>> {
    let spread = core.spreads.of(part.queue()).write();
    let mut held = Vec::with_capacity(wanted.len());
    for chunk in wanted.chunks(MAX_JOBS) {
        let mut call = Call::new(&lua::FIND, &core.keys(part));
        call.arg(&spread);
        for (_, entry) in chunk {
            call.arg(entry);
        }
        held.extend(call.run::<Vec<bool>>(&core.store).await?);
    }
    if held.len() != wanted.len() {
        return Err(Error::Internal {
            message: "find answered for another number of keys".to_owned(),
        });
    }
    Ok(held)
}
