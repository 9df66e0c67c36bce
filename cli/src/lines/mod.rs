//! Many jobs from standard input: `read` makes batches of lines, `run` sends a
//! few of them at once, `report` prints one result per line, in order.

mod line;
mod read;
mod report;
mod run;

pub(crate) use line::Template;
pub(crate) use run::run;
