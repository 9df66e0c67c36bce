//! The protocol between workers and the store as a model that is explored to
//! its end: two workers, two jobs, a network that loses and delays, and clocks
//! that nobody can trust.
//!
//! The model checker walks through every order of events. What it can not find
//! does not exist within these bounds, which no test of a running system says.
//!
//! | Action | What it is | Script |
//! |---|---|---|
//! | [`Action::Claim`], then a delivery | a worker takes any of the waiting jobs | `claim.lua` |
//! | [`Action::Extend`], then a delivery | the worker's beat renews a lease and hears of cancels | `extend.lua` |
//! | [`Action::End`], [`Action::Resend`], then a delivery | a handler comes to its end and the outcome is stored: ack, error, fail, cancel or release | `finish.lua` |
//! | [`Action::Lapse`] | by the clock of the store the lease is over | the score in `active` |
//! | [`Action::Reap`] | any claim or duty takes jobs back | `reap.lua`, `claim.lua`: `reap_expired` in `prelude_due.lua` |
//! | [`Action::Promote`] | a backoff is over | `promote.lua`, `claim.lua`: `promote_due` there |
//! | [`Action::Cancel`] | somebody calls a job off | `cancel.lua` |
//! | [`Action::Fence`], [`Action::Abandon`] | a worker gives its lease up by its own clock, then does not try again to store the outcome | `worker/src/lease.rs`, `worker/src/execute.rs` |
//! | [`Action::Deliver`] | a call is carried out and answered | |
//! | [`Action::LoseReply`], [`Action::LoseCall`], [`Action::Delay`] | the answer is lost, the call is lost, the worker waits no longer while the call is under way | |
//! | [`Action::Crash`] | a worker forgets all it knew; its calls go on without it | |
//!
//! [`store`] is what the scripts do to the sets and records of two jobs, script
//! by script and write by write. Left out is what does not bear on leases:
//! payloads, events, counters, the order within a band (a claim takes any of
//! the waiting jobs, which allows more than the scripts do), and snoozes, which
//! are errors that use up no attempt.
//!
//! Faults come out of one budget, so each run ends; [`progress`] says why. Thus
//! *in the end every job is final* is the property that the states in which
//! nothing can happen any more have only final jobs.
//!
//! [`Defect`]s are the mistakes of other designs. The checker must find them.

mod model;
pub mod progress;
mod properties;
mod state;
pub mod store;

pub use model::{Action, Protocol};
pub use properties::{HOLDER_ONLY, NOTHING_LOST, ONE_HANDLER};
pub use state::{Call, Hold, Message, State, Told, Worker};
pub use store::{Defect, Outcome};

/// Jobs and workers of the model.
pub const JOBS: usize = 2;
/// Any two are enough for one to act on what the other has lost.
pub const WORKERS: usize = 2;
/// After this many errored attempts a job fails.
pub const MAX_ATTEMPTS: u8 = 2;
/// So many lost workers are enough.
pub const CRASH_CAP: u8 = 2;
