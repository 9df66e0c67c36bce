//! Groups of failed jobs.

use jobflow::proto;
use serde::Serialize;

use crate::view::Item;
use crate::view::json::text;
use crate::view::table::Column::{self, Left, Right};
use crate::view::table::pairs;
use crate::view::words::{count, given, printable};

#[derive(Serialize)]
struct Group<'a> {
    fingerprint: &'a str,
    queue: &'a str,
    kind: &'a str,
    error_code: &'a str,
    message: &'a str,
    count: i64,
    first_time: Option<String>,
    last_time: Option<String>,
    example_id: &'a str,
}

impl Item for proto::DeadLetterGroup {
    const COLUMNS: &'static [Column] = &[
        Left("FINGERPRINT"),
        Right("JOBS"),
        Left("QUEUE"),
        Left("KIND"),
        Left("LAST"),
        Left("ERROR"),
    ];

    fn id(&self) -> &str {
        &self.fingerprint
    }

    fn json(&self) -> impl Serialize {
        Group {
            fingerprint: &self.fingerprint,
            queue: &self.queue,
            kind: &self.kind,
            error_code: &self.error_code,
            message: &self.message,
            count: self.count,
            first_time: text(self.first_time),
            last_time: text(self.last_time),
            example_id: &self.example_id,
        }
    }

    fn text(&self) -> String {
        pairs(&[
            ("fingerprint", given(&self.fingerprint)),
            ("jobs", Some(count(self.count))),
            ("queue", given(&self.queue)),
            ("kind", given(&self.kind)),
            ("error", Some(error(self))),
            ("first", self.first_time.map(|time| time.to_string())),
            ("last", self.last_time.map(|time| time.to_string())),
            ("example", given(&self.example_id)),
        ])
    }

    fn row(&self) -> Vec<String> {
        vec![
            printable(&self.fingerprint),
            count(self.count),
            printable(&self.queue),
            printable(&self.kind),
            self.last_time
                .map(|time| time.to_string())
                .unwrap_or_default(),
            error(self),
        ]
    }
}

pub(crate) fn error(group: &proto::DeadLetterGroup) -> String {
    printable(&format!("{}: {}", group.error_code, group.message))
}
