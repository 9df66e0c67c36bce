//! Who did what.

use jobflow::proto;
use serde::Serialize;

use crate::view::Item;
use crate::view::json::text;
use crate::view::table::Column::{self, Left};
use crate::view::table::pairs;
use crate::view::words::{given, printable};

#[derive(Serialize)]
struct Event<'a> {
    id: &'a str,
    time: Option<String>,
    caller: &'a str,
    peer: &'a str,
    call: &'a str,
    target: &'a str,
    result: &'a str,
    request_id: &'a str,
}

impl Item for proto::AuditEvent {
    const COLUMNS: &'static [Column] = &[
        Left("TIME"),
        Left("CALLER"),
        Left("FROM"),
        Left("CALL"),
        Left("ABOUT"),
        Left("RESULT"),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn json(&self) -> impl Serialize {
        Event {
            id: &self.id,
            time: text(self.time),
            caller: &self.caller,
            peer: &self.peer,
            call: &self.call,
            target: &self.target,
            result: &self.result,
            request_id: &self.request_id,
        }
    }

    fn text(&self) -> String {
        pairs(&[
            ("time", self.time.map(|time| time.to_string())),
            ("caller", given(&self.caller)),
            ("from", given(&self.peer)),
            ("call", given(&self.call)),
            ("about", given(&self.target)),
            ("result", given(&self.result)),
            ("request", given(&self.request_id)),
        ])
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.time.map(|time| time.to_string()).unwrap_or_default(),
            printable(&self.caller),
            printable(&self.peer),
            printable(&self.call),
            printable(&self.target),
            printable(&self.result),
        ]
    }
}
