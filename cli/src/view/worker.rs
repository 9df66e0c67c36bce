//! Workers.

use jobflow::proto;
use serde::Serialize;

use crate::view::Item;
use crate::view::json::text;
use crate::view::style;
use crate::view::table::Column::{self, Left, Right};
use crate::view::table::{pairs, table};
use crate::view::words::{self, given, printable, wire_duration};

#[derive(Serialize)]
struct Worker<'a> {
    id: &'a str,
    host: &'a str,
    pid: i32,
    version: &'a str,
    state: &'static str,
    queues: &'a [String],
    kinds: &'a [String],
    slots: i32,
    busy_slots: i32,
    start_time: Option<String>,
    beat_age: Option<String>,
    running_jobs: Vec<RunningJob<'a>>,
}

#[derive(Serialize)]
struct RunningJob<'a> {
    id: &'a str,
    queue: &'a str,
    kind: &'a str,
    attempt: i32,
    elapsed: Option<String>,
}

impl<'a> RunningJob<'a> {
    fn new(job: &'a proto::RunningJob) -> Self {
        Self {
            id: &job.id,
            queue: &job.queue,
            kind: &job.kind,
            attempt: job.attempt,
            elapsed: text(job.elapsed),
        }
    }
}

impl Item for proto::Worker {
    const COLUMNS: &'static [Column] = &[
        Left("WORKER"),
        Left("HOST"),
        Right("PID"),
        Left("STATE"),
        Right("BUSY"),
        Right("SLOTS"),
        Right("BEAT"),
        Left("QUEUES"),
        Left("KINDS"),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn json(&self) -> impl Serialize {
        Worker {
            id: &self.id,
            host: &self.host,
            pid: self.pid,
            version: &self.version,
            state: words::worker(self.state()),
            queues: &self.queues,
            kinds: &self.kinds,
            slots: self.slots,
            busy_slots: self.busy_slots,
            start_time: text(self.start_time),
            beat_age: text(self.beat_age),
            running_jobs: self.running_jobs.iter().map(RunningJob::new).collect(),
        }
    }

    fn text(&self) -> String {
        let lines = pairs(&[
            ("worker", given(&self.id)),
            ("host", given(&self.host)),
            ("pid", Some(self.pid.to_string())),
            ("version", given(&self.version)),
            ("state", Some(style::worker(self.state()))),
            (
                "slots",
                Some(format!("{} of {} busy", self.busy_slots, self.slots)),
            ),
            ("queues", given(&self.queues.join(", "))),
            ("kinds", given(&self.kinds.join(", "))),
            ("started", self.start_time.map(|time| time.to_string())),
            ("last beat", Some(beat(self))),
        ]);
        if self.running_jobs.is_empty() {
            return lines;
        }
        let rows: Vec<_> = self.running_jobs.iter().map(running).collect();
        let columns = [
            Left("RUNS"),
            Left("QUEUE"),
            Left("KIND"),
            Right("ATTEMPT"),
            Right("FOR"),
        ];
        format!("{lines}\n{}", table(&columns, &rows))
    }

    fn row(&self) -> Vec<String> {
        vec![
            printable(&self.id),
            printable(&self.host),
            self.pid.to_string(),
            style::worker(self.state()),
            self.busy_slots.to_string(),
            self.slots.to_string(),
            beat(self),
            printable(&self.queues.join(",")),
            printable(&self.kinds.join(",")),
        ]
    }
}

fn beat(worker: &proto::Worker) -> String {
    format!("{} ago", wire_duration(worker.beat_age.as_ref()))
}

fn running(job: &proto::RunningJob) -> Vec<String> {
    vec![
        job.id.clone(),
        printable(&job.queue),
        printable(&job.kind),
        job.attempt.to_string(),
        wire_duration(job.elapsed.as_ref()),
    ]
}
