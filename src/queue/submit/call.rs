//! The call of `submit.lua` or `replace.lua`: some jobs of one queue.

use bytes::Bytes;

use super::{Prepared, Submitted};
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::job::{JobId, QueueName, StoreTime};
use crate::keys::{self, QueueKeys};
use crate::lua::{self, Call};
use crate::options::{KeyScope, OnConflict, Priority, RunAt, StartLimit};
use crate::queue::Core;
use crate::redis::Exclusive;
use crate::spec::{Spec, millis};

/// Jobs of one queue and one durability, by their places in a batch.
pub(super) struct Chunk {
    pub(super) queue: QueueName,
    pub(super) places: Vec<usize>,
    /// The durability of the queue by which it was made.
    pub(super) found: Option<Durability>,
}

/// What became of the jobs of a chunk.
pub(super) enum Answer {
    Verdicts(Vec<Result<Submitted>>),
    /// Nothing was stored: the queue has another durability now.
    Moved,
}

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
/// `prelude_submit.lua` reads; nothing when all is as usual.
fn extras(prepared: &Prepared) -> Vec<u8> {
    let job = &prepared.job;
    let (clock, ms) = match job.run_at {
        RunAt::Now => (0, 0),
        RunAt::After(delay) => (1, millis(delay)),
        RunAt::At(time) => (2, time.0),
    };
    // A request that carries a key can be repeated under that; it needs no second entry.
    let entry = match (&job.idempotency_key, job.request_id) {
        (Some(key), _) => keys::idempotency_entry(key),
        (None, Some(request_id)) => keys::request_entry(request_id),
        (None, None) => String::new(),
    };
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

/// Stores the jobs of a chunk on the shared connection.
pub(super) async fn submit_shared(
    core: &Core,
    jobs: &[Prepared],
    chunk: &Chunk,
    first: bool,
) -> Result<Answer> {
    let fresh = first && chunk.places.iter().all(|at| jobs[*at].fresh);
    let mode = if fresh { Mode::Fresh } else { Mode::Check };
    let keys = core.register(&chunk.queue).await?;
    crate::failpoint!("submit.registered");
    let reply = match call(core, &keys, jobs, chunk, mode)
        .run_once(&core.store)
        .await
    {
        // It may have been stored: from now on the ids must be looked for.
        Err(Error::StoreUnavailable) => {
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
    call.arg(match mode {
        Mode::Fresh => "fresh",
        Mode::Check => "check",
        Mode::Fence => "fence",
    });
    call.arg(match chunk.found {
        _ if !of_chunk().any(Prepared::goes_by_queue) => "*",
        Some(class) => class.as_str(),
        None => "",
    });
    for prepared in of_chunk() {
        call.arg(prepared.id.as_bytes())
            .arg(&Spec::encode(&prepared.job)[..])
            .arg(&extras(prepared)[..]);
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
/// place and id of each that was replaced, and whether these are the queue's
/// first jobs.
type Reply = (u64, Vec<(usize, Bytes)>, Vec<(usize, Bytes)>, bool);

async fn answer(core: &Core, jobs: &[Prepared], chunk: &Chunk, reply: Reply) -> Result<Answer> {
    crate::failpoint!("submit.stored");
    let (now, told, replaced, first) = reply;
    if let Some((0, word)) = told.first() {
        let word = std::str::from_utf8(word).map_err(|_| odd_answer())?;
        let found = (!word.is_empty()).then(|| word.parse()).transpose();
        core.found_durability(&chunk.queue, found.map_err(|_| odd_answer())?);
        return Ok(Answer::Moved);
    }
    if first {
        // The queue may have been deleted since this process made it known.
        core.forget_queue(&chunk.queue);
        core.register(&chunk.queue).await?;
    }
    let now = StoreTime(now);
    let jobs: Vec<_> = chunk.places.iter().map(|at| &jobs[*at]).collect();
    let mut results: Vec<_> = jobs.iter().map(|job| Ok(job.stored(now))).collect();
    for (place, verdict) in told {
        let at = place.wrapping_sub(1);
        let (Some(job), Some(result)) = (jobs.get(at), results.get_mut(at)) else {
            return Err(odd_answer());
        };
        *result = not_created(job, &verdict, now);
    }
    for (place, id) in replaced {
        let Some(Ok(submitted)) = results.get_mut(place.wrapping_sub(1)) else {
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
