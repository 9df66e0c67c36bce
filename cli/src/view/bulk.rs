//! Bulk operations.

use jobflow::proto;
use serde::Serialize;

use crate::view::Item;
use crate::view::json::text;
use crate::view::table::Column::{self, Left, Right};
use crate::view::table::pairs;
use crate::view::words::{self, count, given, printable};

#[derive(Serialize)]
struct Operation<'a> {
    id: &'a str,
    action: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    filter: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    rate: f64,
    state: &'static str,
    total: i64,
    total_complete: bool,
    changed: i64,
    skipped: i64,
    create_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_time: Option<String>,
    failures: Vec<Failure<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    unreachable: &'a [String],
}

#[derive(Serialize)]
struct Failure<'a> {
    id: &'a str,
    reason: &'a str,
}

impl Item for proto::BulkOperation {
    const COLUMNS: &'static [Column] = &[
        Left("OPERATION"),
        Left("ACTION"),
        Left("STATE"),
        Right("TOTAL"),
        Right("CHANGED"),
        Right("SKIPPED"),
        Left("CREATED"),
        Left("JOBS"),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn json(&self) -> impl Serialize {
        Operation {
            id: &self.id,
            action: words::action(self.action()),
            filter: &self.filter,
            reason: &self.reason,
            rate: self.rate,
            state: words::bulk(self.state()),
            total: self.total,
            total_complete: self.total_complete,
            changed: self.changed,
            skipped: self.skipped,
            create_time: text(self.create_time),
            finish_time: text(self.finish_time),
            failures: self
                .failures
                .iter()
                .map(|failure| Failure {
                    id: &failure.id,
                    reason: &failure.reason,
                })
                .collect(),
            unreachable: &self.unreachable,
        }
    }

    fn text(&self) -> String {
        let failures = self.failures.iter();
        let failures: Vec<_> = failures
            .map(|failure| format!("{} {}", failure.id, failure.reason))
            .collect();
        let rate = (self.rate > 0.0).then(|| format!("{} jobs a second", self.rate));
        pairs(&[
            ("operation", given(&self.id)),
            ("action", Some(words::action(self.action()).to_owned())),
            ("jobs", given(&self.filter)),
            ("reason", given(&self.reason)),
            ("rate", rate),
            ("state", Some(words::bulk(self.state()).to_owned())),
            ("total", Some(total(self))),
            ("changed", Some(count(self.changed))),
            ("skipped", Some(count(self.skipped))),
            ("created", self.create_time.map(|time| time.to_string())),
            ("finished", self.finish_time.map(|time| time.to_string())),
            ("unreachable", given(&self.unreachable.join(" "))),
            ("left alone", given(&failures.join("\n"))),
        ])
    }

    fn row(&self) -> Vec<String> {
        vec![
            printable(&self.id),
            words::action(self.action()).to_owned(),
            words::bulk(self.state()).to_owned(),
            total(self),
            count(self.changed),
            count(self.skipped),
            self.create_time
                .map(|time| time.to_string())
                .unwrap_or_default(),
            printable(&self.filter),
        ]
    }
}

/// How many jobs matched, as far as it was counted: `412`, `at least 10,000`.
pub(crate) fn total(operation: &proto::BulkOperation) -> String {
    let least = match operation.total_complete {
        true => "",
        false => "at least ",
    };
    format!("{least}{}", count(operation.total))
}
