//! The points, and in which process each is swept.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::Role::{self, Duties, Server, Worker};

pub(crate) struct Point {
    pub(crate) name: &'static str,
    /// The process that dies.
    pub(crate) role: Role,
    /// It is reached when the process is told to stop.
    pub(crate) at_stop: bool,
}

const fn point(name: &'static str, role: Role) -> Point {
    Point {
        name,
        role,
        at_stop: false,
    }
}

const fn at_stop(name: &'static str) -> Point {
    Point {
        name,
        role: Worker,
        at_stop: true,
    }
}

/// In the order of their names.
pub(crate) const POINTS: &[Point] = &[
    point("attempt.begins", Worker),
    point("attempt.ran", Worker),
    point("attempt.stored", Worker),
    point("beat.said", Worker),
    point("bulk.changed", Server),
    point("bulk.ended", Server),
    point("bulk.found", Server),
    point("bulk.locked", Server),
    point("bulk.named", Server),
    point("bulk.stored", Server),
    point("change.done", Server),
    point("claim.registered", Worker),
    point("claim.taken", Worker),
    point("claims.ask", Worker),
    point("claims.held", Worker),
    point("control.done", Server),
    point("extend.renewed", Worker),
    point("finish.sends", Worker),
    point("finish.stored", Worker),
    point("promote.stepped", Duties),
    point("prune.stepped", Duties),
    point("purge.stepped", Server),
    point("queue.emptied", Server),
    point("queue.unlisted", Server),
    point("reap.stepped", Duties),
    point("register.listed", Server),
    point("report.stored", Worker),
    point("retire.dropped", Duties),
    point("retire.folded", Duties),
    point("signal.said", Server),
    point("spread.begun", Server),
    point("spread.decided", Server),
    point("spread.listed", Server),
    point("submit.admitted", Server),
    point("submit.answers", Server),
    point("submit.batch_answers", Server),
    point("submit.registered", Server),
    point("submit.stored", Server),
    point("submit.written", Server),
    point("update.done", Server),
    at_stop("worker.drained"),
    at_stop("worker.forgotten"),
    at_stop("worker.stops"),
];

/// The names of all points in the source, in order; each is there once.
pub(crate) fn of_the_source() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut names = Vec::new();
    let mut folders: Vec<PathBuf> = ["src", "server/src", "worker/src"]
        .map(|folder| root.join(folder))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(path).unwrap();
                let found = text.split("failpoint!(\"").skip(1);
                names.extend(found.map(|rest| rest.split('"').next().unwrap().to_owned()));
            }
        }
    }
    names.sort_unstable();
    names
}
