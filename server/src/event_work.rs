//! What a stream of events says of one partition: read or heard, and with what has
//! to be looked up for it.

use std::collections::VecDeque;
use std::sync::Arc;

use jobflow::proto::{JobEvent, WatchEventsResponse};
use jobflow::{Error, EventId, Filter, FilterField, Happening, Partition, Result};

use crate::event_hub::{Shared, SharedBatch};

/// What a read of a partition brought, or what was heard of it, as far as it is
/// not told.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) batches: VecDeque<Arc<SharedBatch>>,
    /// There is more behind it.
    pub(crate) more: bool,
}

/// A message without its token, and where it leads to.
pub(crate) struct Worked {
    pub(crate) message: WatchEventsResponse,
    pub(crate) last: EventId,
    /// The partition has drained on the way there.
    pub(crate) has_drained: bool,
    pub(crate) left: Found,
}

/// The next message of a partition, of which a stream has come to `place`.
pub(crate) async fn work(
    shared: &Shared,
    filter: &Filter,
    part: &Partition,
    place: EventId,
    mut found: Found,
) -> Result<Worked> {
    if found.batches.is_empty() {
        let batch = shared.queue.events_after(part, place).await?;
        found.more = batch.more;
        found.batches.extend(SharedBatch::all_of(batch));
    }
    let Some(batch) = found.batches.front() else {
        let message = "a batch of events was cut into none".to_owned();
        return Err(Error::Internal { message });
    };
    let message = tell(shared, filter, place, batch).await?;
    let last = batch.batch.last;
    let mut fresh = batch.batch.entries.iter().filter(|entry| entry.id > place);
    let has_drained = fresh.any(|entry| entry.what == Happening::Drained);
    found.batches.pop_front();
    Ok(Worked {
        message,
        last,
        has_drained,
        left: found,
    })
}

/// What a batch has to say to a stream that has come to `place`, without the token.
async fn tell(
    hub: &Shared,
    filter: &Filter,
    place: EventId,
    shared: &SharedBatch,
) -> Result<WatchEventsResponse> {
    let batch = &shared.batch;
    let queue = batch.part.queue();
    let mut message = WatchEventsResponse::default();
    // A batch may begin before that.
    if batch.gap && batch.after >= place {
        message.gap_queue = queue.to_string();
    }
    let fresh = batch.entries.iter().filter(|entry| entry.id > place);
    let mut moves = Vec::new();
    for entry in fresh {
        if let Happening::Moved(state) = entry.what {
            moves.extend(entry.jobs.iter().map(|id| (entry.id, *id, state)));
        }
    }
    let asks_kind = filter.fields().any(|field| field == FilterField::Kind);
    if !asks_kind {
        moves.retain(|(_, id, state)| filter.matches_move(*id, queue, None, *state));
    }
    if moves.is_empty() {
        return Ok(message);
    }
    let kinds = shared.kinds(&hub.queue).await?;
    message.events = moves
        .into_iter()
        .filter_map(|(at, id, state)| {
            let kind = kinds.get(&id);
            filter
                .matches_move(id, queue, kind, state)
                .then(|| JobEvent::moved(at, queue, id, kind, state))
        })
        .collect();
    Ok(message)
}
