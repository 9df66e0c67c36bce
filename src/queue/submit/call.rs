//! The call of `submit.lua` or `replace.lua`: some jobs of one partition.

use bytes::Bytes;

use super::place::takes_no_new_jobs;
use super::{Prepared, Submitted};
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::job::{JobId, StoreTime};
use crate::keys::{self, QueueKeys};
use crate::lua::{self, Call};
use crate::options::{KeyScope, OnConflict, Priority, RunAt, StartLimit};
use crate::partition::Partition;
use crate::queue::Core;
use crate::redis::Exclusive;
use crate::spec::{Spec, millis};

/// Jobs of one partition and one durability, by their places in a batch.
pub(super) struct Chunk {
    pub(super) queue: Partition,
    pub(super) places: Vec<usize>,
    /// Of the spread by which they were placed.
    pub(super) epoch: String,
    /// Their keys are held here, by an earlier spread.
    pub(super) bound: bool,
    /// The durability of the queue by which it was made.
    pub(super) found: Option<Durability>,
}

/// What became of the jobs of a chunk.
pub(super) enum Answer {
    Verdicts(Vec<Verdict>),
    /// Nothing was stored: the queue has another durability now, or is spread otherwise.
    Moved,
}

/// What became of a job; none when its key is not held any more where it was sent.
pub(super) type Verdict = Option<Result<Submitted>>;

/// How much the script has to look at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Each id was made for this call, so none can be there before it.
    Fresh,
    Check,
    /// As `Check`, and the store writes something in any case: to wait until
    /// an earlier write is safe is to wait for a later one.
    Fence,
}

/// What the script has to know of a job beyond its spec, in the form that
/// `prelude_store.lua` reads; nothing of an ordinary one.
fn extras(prepared: &Prepared) -> Vec<u8> {
    let job = &prepared.job;
    let (clock, ms) = match job.run_at {
        RunAt::Now => (0, 0),
        RunAt::After(delay) => (1, millis(delay)),
        RunAt::At(time) => (2, time.0),
    };
    let entry = prepared.entry().unwrap_or_default();
    let rider = rider(prepared);
    if job.priority == Priority::default() && clock == 0 && entry.is_empty() && rider.is_empty() {
        return Vec::new();
    }
    let ms = &ms.to_le_bytes()[..6];
    [&[job.priority.get(), clock], ms, &rider, entry.as_bytes()].concat()
}

/// What few jobs have; nothing for an ordinary one.
fn rider(prepared: &Prepared) -> Vec<u8> {
    let job = &prepared.job;
    let frees_key = job.key_scope == KeyScope::Unfinished && job.idempotency_key.is_some();
    let plain = !prepared.replaces() && !frees_key && job.tags.is_empty();
    if plain && job.start_limit == StartLimit::Never {
        return Vec::new();
    }
    let policy = match job.on_conflict {
        OnConflict::ReturnExisting | OnConflict::Reject => 0,
        OnConflict::ReplaceWaiting => 2,
        OnConflict::CancelActive => 3,
    };
    let (limit_kind, limit) = match job.start_limit {
        StartLimit::Never => (0, 0),
        StartLimit::Within(time) => (1, millis(time)),
        // Zero says that there is none.
        StartLimit::Before(time) => (2, time.0.max(1)),
    };
    let tags = job.tags.join("\n");
    let tags_len = u16::try_from(tags.len()).expect("8 tags of 64 bytes each");
    [
        &[0, policy, u8::from(frees_key), limit_kind],
        &limit.to_le_bytes()[..6],
        &tags_len.to_le_bytes(),
        tags.as_bytes(),
    ]
    .concat()
}

/// Stores the jobs of a chunk on the shared connection. Says whether an answer
/// was lost, so that they may be stored whatever else is said.
pub(super) async fn submit_shared(
    core: &Core,
    jobs: &[Prepared],
    chunk: &Chunk,
    was_lost: &mut bool,
) -> Result<Answer> {
    let is_new = |at: &usize| jobs[*at].fresh && !jobs[*at].sent;
    let mode = if chunk.places.iter().all(is_new) {
        Mode::Fresh
    } else {
        Mode::Check
    };
    let keys = core.register(&chunk.queue).await?;
    crate::failpoint!("submit.registered");
    let reply = match call(core, &keys, jobs, chunk, mode)
        .run_once(&core.store)
        .await
    {
        // It may have been stored: from now on the ids must be looked for.
        Err(Error::StoreUnavailable) => {
            *was_lost = true;
            call(core, &keys, jobs, chunk, Mode::Check)
                .run_once(&core.store)
                .await?
        }
        other => other?,
    };
    answer(core, jobs, chunk, reply).await
}

/// Stores the jobs of a chunk, or finds them stored, on a connection of its
/// own: what that connection waits for includes them.
pub(super) async fn submit_on(
    core: &Core,
    own: &mut Exclusive,
    jobs: &[Prepared],
    chunk: &Chunk,
) -> Result<Answer> {
    let keys = core.register(&chunk.queue).await?;
    let call = call(core, &keys, jobs, chunk, Mode::Fence);
    let reply = call.run_once_on(&core.store, own).await?;
    answer(core, jobs, chunk, reply).await
}

fn call(core: &Core, keys: &QueueKeys, jobs: &[Prepared], chunk: &Chunk, mode: Mode) -> Call {
    let of_chunk = || chunk.places.iter().map(|at| &jobs[*at]);
    let mut call = if of_chunk().any(Prepared::replaces) {
        let mut call = Call::new(&lua::REPLACE, keys);
        call.arg(keys::control(&core.config.namespace));
        call
    } else {
        Call::new(&lua::SUBMIT, keys)
    };
    call.arg(match (mode, chunk.bound) {
        (Mode::Fresh, false) => "fresh",
        (Mode::Check, false) => "check",
        (Mode::Fresh | Mode::Check, true) => "bound",
        (Mode::Fence, false) => "fence",
        (Mode::Fence, true) => "bound fence",
    });
    call.arg(match chunk.found {
        _ if !of_chunk().any(Prepared::goes_by_queue) => "*",
        Some(class) => class.as_str(),
        None => "",
    });
    call.arg(&chunk.epoch);
    let ids: Vec<u8> = of_chunk()
        .flat_map(|prepared| *prepared.id.as_bytes())
        .collect();
    call.arg(ids);
    for prepared in of_chunk() {
        call.arg(&Spec::encode(&prepared.job)[..]);
    }
    let extras: Vec<_> = of_chunk().map(extras).collect();
    if extras.iter().any(|extras| !extras.is_empty()) {
        for extras in extras {
            call.arg(extras);
        }
    }
    call
}

/// Whether the queue of a chunk that can not be sent has another durability
/// by now than that which can not be had.
pub(super) async fn is_moved(core: &Core, jobs: &[Prepared], chunk: &Chunk) -> Result<bool> {
    if !chunk.places.iter().any(|at| jobs[*at].goes_by_queue()) {
        return Ok(false);
    }
    let keys = core.keys(&chunk.queue);
    let mut get = ::redis::cmd("HGET");
    let word: Option<String> = core
        .store
        .run(get.arg(keys.config()).arg("durability"))
        .await?;
    let found = word.map(|word| word.parse()).transpose();
    let found = found.map_err(|_| odd_answer())?;
    core.found_durability(&chunk.queue, found);
    Ok(found != chunk.found)
}

/// Now, the place and id or error word of each job that was not created, the
/// place and id of each that was replaced, and [`FIRST`] and [`WOKEN`].
type Reply = (u64, Vec<(usize, Bytes)>, Vec<(usize, Bytes)>, u8);
/// These are the first jobs.
const FIRST: u8 = 1;
/// Nobody has been told of work here since there was none.
const WOKEN: u8 = 2;

async fn answer(core: &Core, jobs: &[Prepared], chunk: &Chunk, reply: Reply) -> Result<Answer> {
    crate::failpoint!("submit.stored");
    let (now, told, replaced, signs) = reply;
    if let [(0, durability), (0, spread), ..] = &told[..] {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| odd_answer());
        let (durability, spread) = (text(durability)?, text(spread)?);
        let found = (!durability.is_empty()).then(|| durability.parse());
        let found = found.transpose().map_err(|_| odd_answer())?;
        core.found_durability(&chunk.queue, found);
        core.told_spread(&chunk.queue, spread).await?;
        return Ok(Answer::Moved);
    }
    if signs & FIRST > 0 {
        // The queue may have been deleted since this process made it known.
        core.forget_queue(&chunk.queue);
        core.keys(&chunk.queue);
        core.say(&chunk.queue).await?;
    }
    if signs & WOKEN > 0 {
        core.tell_workers(&chunk.queue).await;
    }
    let now = StoreTime(now);
    let jobs: Vec<_> = chunk.places.iter().map(|at| &jobs[*at]).collect();
    let mut results: Vec<_> = jobs.iter().map(|job| Some(Ok(job.stored(now)))).collect();
    for (place, verdict) in told {
        let at = place.wrapping_sub(1);
        let (Some(job), Some(result)) = (jobs.get(at), results.get_mut(at)) else {
            return Err(odd_answer());
        };
        *result = match &verdict[..] {
            // Without a key it went there by its id.
            b"free" => job.entry().is_none().then(|| Err(takes_no_new_jobs())),
            verdict => Some(not_created(job, verdict, now)),
        };
    }
    for (place, id) in replaced {
        let Some(Some(Ok(submitted))) = results.get_mut(place.wrapping_sub(1)) else {
            return Err(odd_answer());
        };
        submitted.replaced = JobId::from_slice(&id);
    }
    Ok(Answer::Verdicts(results))
}

fn odd_answer() -> Error {
    Error::Internal {
        message: "submit answered for another job".to_owned(),
    }
}

fn not_created(job: &Prepared, verdict: &[u8], now: StoreTime) -> Result<Submitted> {
    let queue = || job.job.queue.clone();
    match verdict {
        b"QUEUE_DRAINING" => return Err(Error::QueueDraining { queue: queue() }),
        b"QUEUE_FULL" => return Err(Error::QueueFull { queue: queue() }),
        _ => {}
    }
    let existing = JobId::from_slice(verdict).ok_or_else(odd_answer)?;
    // The job's own id, made just now: stored by this very call, whose first
    // answer was lost.
    let duplicate = !(job.fresh && existing == job.id);
    Ok(Submitted {
        id: existing,
        duplicate,
        ..job.stored(now)
    })
}
