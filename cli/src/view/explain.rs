//! Why a job is not running.

use jobflow::proto;
use serde::Serialize;

use crate::view::json::text as wire_text;
use crate::view::style;
use crate::view::table::pairs;
use crate::view::words::{self, count, printable};

#[derive(Serialize)]
pub(crate) struct Explanation<'a> {
    state: &'static str,
    summary: &'a str,
    obstacles: Vec<Obstacle<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs_ahead: Option<i64>,
    workers: i32,
    free_slots: i32,
}

#[derive(Serialize)]
struct Obstacle<'a> {
    reason: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_time: Option<String>,
}

impl<'a> Explanation<'a> {
    pub(crate) fn new(explanation: &'a proto::ExplainJobResponse) -> Self {
        let obstacles = explanation.obstacles.iter().map(|obstacle| Obstacle {
            reason: &obstacle.reason,
            description: &obstacle.description,
            until_time: wire_text(obstacle.until_time),
        });
        Self {
            state: words::state(explanation.state()),
            summary: &explanation.summary,
            obstacles: obstacles.collect(),
            jobs_ahead: explanation.jobs_ahead,
            workers: explanation.workers,
            free_slots: explanation.free_slots,
        }
    }
}

pub(crate) fn text(explanation: &proto::ExplainJobResponse) -> String {
    let obstacles = explanation.obstacles.iter().map(|obstacle| {
        let until = obstacle.until_time.map(|time| format!(" (until {time})"));
        format!(
            "{}: {}{}",
            printable(&obstacle.reason),
            printable(&obstacle.description),
            until.unwrap_or_default()
        )
    });
    let obstacles: Vec<_> = obstacles.collect();
    let facts = pairs(&[
        ("state", Some(style::state(explanation.state()))),
        (
            "because",
            Some(obstacles.join("\n")).filter(|lines| !lines.is_empty()),
        ),
        ("jobs ahead", explanation.jobs_ahead.map(count)),
        ("workers", Some(count(explanation.workers))),
        ("free slots", Some(count(explanation.free_slots))),
    ]);
    format!("{}\n\n{facts}", printable(&explanation.summary))
}
