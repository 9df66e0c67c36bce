//! Who calls, and what they may do.
//!
//! `table` is the one list of calls and roles, and `guard` lets through what it
//! allows. Handlers ask `who` about the queue they touch; `narrow` takes out of
//! an answer what lies in other queues.

mod admin_file;
mod audit;
mod certificates;
mod guard;
mod limits;
mod narrow;
mod open_answer;
mod principal;
mod table;
mod tokens;
pub(crate) mod who;

pub(crate) use audit::AuditLog;
pub(crate) use certificates::{CertificateNames, CertificateTable};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use guard::read_bearer;
pub(crate) use guard::{Guard, grpc, rest};
pub use limits::CallLimits;
pub(crate) use narrow::{metrics, worker};
pub(crate) use tokens::TokenTable;

/// For tests: reads the files of operators.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn operator_files(text: &str) {
    let path = std::path::Path::new("a file");
    let _refused = admin_file::parse(path, text);
    let _refused = certificates::parse(path, text);
}
