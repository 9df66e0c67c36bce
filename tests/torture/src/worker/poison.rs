//! Handlers that kill their process, or never end.

use std::hint::black_box;

use jobflow_worker::HandlerFuture;

use crate::handler::Attempt;

/// More than any limit that a run sets.
const TOO_MUCH: usize = 64 << 30;

/// Poison holds its attempt open: the log shows a start and no end.
pub(crate) fn run(attempt: Attempt, poison: fn()) -> HandlerFuture {
    Box::pin(async move {
        let _open = attempt;
        poison();
        Ok(None)
    })
}

pub(crate) fn abort() {
    std::process::abort();
}

pub(crate) fn exit() {
    // Looks like a clean end to whoever started the process.
    std::process::exit(0);
}

pub(crate) fn overflow_stack() {
    black_box(deeper(black_box(1)));
}

fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 512]);
    if black_box(depth) == 0 {
        return frame[0];
    }
    deeper(depth + 1) + frame[511]
}

/// Under a limit of the address space the allocator gives up, and the process aborts.
pub(crate) fn exhaust_memory() {
    black_box(Vec::<u8>::with_capacity(TOO_MUCH));
    // Without a limit the system may promise it all the same.
    std::process::abort();
}

/// Blocks its thread, without burning a core that the others need.
pub(crate) fn loop_for_ever() {
    loop {
        std::thread::park();
    }
}
