//! The queue: one verb per file, each the typed call of the script of the same name.

mod audit;
mod claim;
mod connect;
mod extend;
mod finish;
mod inspect;
mod maintain;
mod submit;
mod wait;
mod workers;

pub use audit::AuditReport;
pub use claim::{Claimed, ClaimedJob};
pub use connect::{JobQueue, QueueConfig, StoreInfo};
pub use extend::Extension;
pub use finish::Outcome;
pub use maintain::Reaped;
pub use submit::Submitted;
pub use wait::Waiter;
pub use workers::WorkerBeat;

pub(crate) use connect::Core;
