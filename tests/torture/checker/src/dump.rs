//! What Redis held at the end, read by this crate's own parser.
//!
//! The dump has one line for each key (`key name type length`), each member of
//! a sorted set (`set queue name id score`) and each field of a hash (`col
//! queue name field value`, both in hexadecimal).

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::log::Id;

/// The sets of which a job is in exactly one.
pub(crate) const STATES: [&str; 9] = [
    "waiting",
    "active",
    "scheduled",
    "retrying",
    "blocked",
    "completed",
    "failed",
    "cancelled",
    "parked",
];

/// Columns whose field is a job's id, or begins with it.
pub(crate) const COLUMNS: [&str; 7] = [
    "specs", "meta", "results", "progress", "logs", "tags", "history",
];

/// What the meta record of a job says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) crashes: u32,
    pub(crate) attempt: u32,
    pub(crate) token: u64,
    pub(crate) ended: u64,
}

/// What is stored as a job's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The token that the handler wrote into its result.
    Result { token: Option<u64> },
    /// The word of the error.
    Error { code: String },
}

/// All that is stored of one job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The sets that hold it, as places in [`STATES`]; more than one is a fault.
    pub(crate) states: Vec<usize>,
    /// Columns that hold something of it, as places in [`COLUMNS`].
    pub(crate) columns: Vec<usize>,
    /// The request in its payload.
    pub(crate) request: Option<String>,
    pub(crate) meta: Option<Meta>,
    pub(crate) outcome: Option<Outcome>,
    /// An index or the table of idempotency keys names it.
    pub(crate) named: bool,
}

impl Stored {
    pub(crate) fn state(&self) -> Option<&'static str> {
        match self.states[..] {
            [one] => Some(STATES[one]),
            _ => None,
        }
    }
}

/// The end state.
#[derive(Debug, Default)]
pub(crate) struct Dump {
    pub(crate) jobs: HashMap<Id, Stored>,
    /// Keys that the layout does not know.
    pub(crate) odd_keys: Vec<String>,
    /// Records that can not be read.
    pub(crate) unreadable: Vec<String>,
}

impl Dump {
    /// Takes in one line.
    pub(crate) fn take(&mut self, line: &str) -> Result<()> {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["key", name, ..] => {
                if !is_known(name) {
                    self.odd_keys.push(name.to_owned());
                }
            }
            ["set", _, set, id, _] => {
                let job = self.jobs.entry(id.parse()?).or_default();
                match STATES.iter().position(|state| *state == set) {
                    // A scan may give a member twice.
                    Some(state) if !job.states.contains(&state) => job.states.push(state),
                    Some(_) => {}
                    None => job.named = true,
                }
            }
            ["col", queue, column, field, value] => self.take_field(queue, column, field, value)?,
            _ => bail!("`{line}` is no line of a dump"),
        }
        Ok(())
    }

    fn take_field(&mut self, queue: &str, column: &str, field: &str, value: &str) -> Result<()> {
        if column == "idem" {
            self.jobs.entry(value.parse()?).or_default().named = true;
            return Ok(());
        }
        let Some(place) = COLUMNS.iter().position(|name| *name == column) else {
            return Ok(());
        };
        let id: Id = field
            .get(..32)
            .with_context(|| format!("{queue} {column}: `{field}` is no id"))?
            .parse()?;
        let job = self.jobs.entry(id).or_default();
        if !job.columns.contains(&place) {
            job.columns.push(place);
        }
        let readable = match column {
            "specs" => unhex(value)
                .and_then(|spec| request_of(&spec))
                .map(|request| job.request = Some(request)),
            "meta" => unhex(value)
                .and_then(|meta| meta_of(&meta))
                .map(|meta| job.meta = Some(meta)),
            "results" => unhex(value)
                .and_then(|result| outcome_of(&result))
                .map(|outcome| job.outcome = Some(outcome)),
            _ => Some(()),
        };
        if readable.is_none() {
            self.unreadable.push(format!("{queue} {column} of {id}"));
        }
        Ok(())
    }
}

/// The keys that `docs/redis-layout.md` names, spelled here once more: this crate
/// shares no code with what it checks.
fn is_known(name: &str) -> bool {
    const OF_A_QUEUE: [&str; 12] = [
        "idem", "counters", "wake", "bell", "events", "config", "expiring", "bulk", "seconds",
        "minutes", "hours", "measures",
    ];
    const OF_A_NAMESPACE: [&str; 9] = [
        "layout",
        "bulks",
        "bulks:running",
        "bulk:",
        "queues",
        "workers",
        "worker:",
        "running:",
        "signal:",
    ];
    let Some((_, last)) = name.split_once("}:") else {
        return false;
    };
    let in_queue = STATES.contains(&last)
        || COLUMNS.contains(&last)
        || OF_A_QUEUE.contains(&last)
        || last.starts_with("tag:");
    let in_namespace = OF_A_NAMESPACE
        .iter()
        .any(|known| last == *known || (known.ends_with(':') && last.starts_with(known)));
    name.starts_with("jf:{") && (in_queue || in_namespace)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[derive(Deserialize)]
struct Payload {
    r: String,
}

#[derive(Deserialize)]
struct HandlerResult {
    token: u64,
}

/// The request in the payload of a spec: field 2 of the message, behind the
/// kind, which is field 1.
fn request_of(spec: &[u8]) -> Option<String> {
    let rest = spec.strip_prefix(&[0x0a])?;
    let (len, rest) = varint(rest)?;
    let rest = rest.get(len..)?.strip_prefix(&[0x12])?;
    let (len, rest) = varint(rest)?;
    let payload: Payload = serde_json::from_slice(rest.get(..len)?).ok()?;
    Some(payload.r)
}

fn varint(mut bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (mut value, mut shift) = (0_usize, 0);
    loop {
        let (first, rest) = bytes.split_first()?;
        value |= usize::from(first & 0x7f) << shift;
        bytes = rest;
        if first & 0x80 == 0 {
            return Some((value, bytes));
        }
        shift += 7;
        if shift > 28 {
            return None;
        }
    }
}

fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let part = bytes.get(at..at + len)?;
    Some(
        part.iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    )
}

fn meta_of(record: &[u8]) -> Option<Meta> {
    let worker = usize::try_from(number(record, 47, 1)?).ok()?;
    let entry = usize::try_from(number(record, 48 + worker, 2)?).ok()?;
    if number(record, 0, 1)? != 1 || record.len() != 50 + worker + entry {
        return None;
    }
    Some(Meta {
        crashes: u32::try_from(number(record, 2, 2)?).ok()?,
        attempt: u32::try_from(number(record, 4, 2)?).ok()?,
        token: number(record, 6, 6)?,
        ended: number(record, 12, 6)?,
    })
}

fn outcome_of(stored: &[u8]) -> Option<Outcome> {
    let (letter, rest) = stored.split_first()?;
    let (len, rest) = rest.split_first()?;
    let text = rest.get(..usize::from(*len))?;
    let body = rest.get(usize::from(*len)..)?;
    match letter {
        b'R' => {
            let result = serde_json::from_slice::<HandlerResult>(body);
            Some(Outcome::Result {
                token: result.ok().map(|result| result.token),
            })
        }
        b'E' => Some(Outcome::Error {
            code: String::from_utf8(text.to_vec()).ok()?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_job_is_put_together_from_its_columns() {
        let id = "018f0000000070008000000000000001";
        let mut dump = Dump::default();
        let payload = br#"{"r":"g0-1"}"#;
        let spec = [&[0x0a, 1, b'k', 0x12, 12], &payload[..], &[0x79; 9]].concat();
        let mut meta = vec![1, 5, 2, 0, 3, 0];
        for value in [0_u64, 9, 3, 2, 1] {
            meta.extend(&value.to_le_bytes()[..6]);
        }
        meta.extend([0; 8]);
        meta.extend([0, 0, 0, 1, b'w', 0, 0]);
        for line in [
            format!("set q completed {id} 5"),
            format!("set q completed {id} 5"),
            format!("col q specs {id} {}", hex(&spec)),
            format!("col q meta {id} {}", hex(&meta)),
            format!("col q results {id} {}", hex(b"R\x00{\"token\":9}")),
        ] {
            dump.take(&line).unwrap();
        }
        let job = &dump.jobs[&id.parse().unwrap()];
        assert_eq!(job.state(), Some("completed"));
        assert_eq!(job.request.as_deref(), Some("g0-1"));
        let meta = job.meta.unwrap();
        assert_eq!((meta.crashes, meta.attempt, meta.ended), (2, 3, 9));
        assert_eq!(job.outcome, Some(Outcome::Result { token: Some(9) }));
        assert!(dump.unreadable.is_empty() && dump.odd_keys.is_empty());
    }

    #[test]
    fn what_can_not_be_read_is_told() {
        let id = "018f0000000070008000000000000001";
        let mut dump = Dump::default();
        dump.take(&format!("col q meta {id} 0105")).unwrap();
        dump.take(&format!("col q specs {id} ff")).unwrap();
        dump.take("key jf:{n/q}:surprise string 1").unwrap();
        dump.take("key jf:{n/q}:waiting zset 1").unwrap();
        dump.take("key jf:{n}:worker:a-1 string 1").unwrap();
        assert_eq!(dump.unreadable.len(), 2);
        assert_eq!(dump.odd_keys, ["jf:{n/q}:surprise"]);
        assert!(dump.take("nonsense").is_err());
    }
}
