//! Who did what: a bounded stream of the namespace.

use bytes::Bytes;
use prost::Message;

use crate::error::{Error, Result};
use crate::job::StoreTime;
use crate::keys;
use crate::queue::JobQueue;

/// How many entries are kept, or a few more.
const MAX_EVENTS: usize = 20_000;
/// The longest text of a field; the rest is cut off.
const MAX_TEXT: usize = 256;

/// One call that changed something, or that was refused.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AuditEvent {
    /// The name of the caller's token.
    #[prost(string, tag = "1")]
    pub caller: String,
    /// The address it called from.
    #[prost(string, tag = "2")]
    pub peer: String,
    /// `JobService/CancelJob`, or `DELETE /jobs/{id}`.
    #[prost(string, tag = "3")]
    pub call: String,
    /// What it was about, as far as it was known: `job 0198…`, `queue mail`.
    #[prost(string, tag = "4")]
    pub target: String,
    /// `OK`, or the reason of the error.
    #[prost(string, tag = "5")]
    pub result: String,
    /// That of the call.
    #[prost(string, tag = "6")]
    pub request_id: String,
}

/// Some of the log, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// Each with its id and its time.
    pub events: Vec<(String, StoreTime, AuditEvent)>,
    /// Where the next page begins; none on the last.
    pub next: Option<String>,
}

impl JobQueue {
    /// Adds to the log.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn record_audit(&self, mut event: AuditEvent) -> Result<()> {
        for text in [
            &mut event.caller,
            &mut event.peer,
            &mut event.call,
            &mut event.target,
            &mut event.request_id,
        ] {
            cut(text);
        }
        let mut add = ::redis::cmd("XADD");
        add.arg(keys::audit(&self.core.config.namespace))
            .arg("MAXLEN")
            .arg("~")
            .arg(MAX_EVENTS)
            .arg("*")
            .arg("event")
            .arg(event.encode_to_vec());
        self.core.store.run::<Bytes>(&add).await.map(drop)
    }

    /// Reads the log, the newest first, from behind the event of this id.
    ///
    /// # Errors
    /// `INVALID_FIELD` naming `page_token`, and any fault of the store.
    pub async fn audit_events(&self, before: Option<&str>, size: usize) -> Result<AuditPage> {
        let end = match before {
            None => "+".to_owned(),
            Some(id) => format!("({}", checked_id(id)?),
        };
        let mut range = ::redis::cmd("XREVRANGE");
        range
            .arg(keys::audit(&self.core.config.namespace))
            .arg(end)
            .arg("-")
            .arg("COUNT")
            .arg(size.saturating_add(1));
        let entries: Vec<(String, Vec<Bytes>)> = self.core.store.run(&range).await?;
        let more = entries.len() > size;
        let events = entries.into_iter().take(size).filter_map(|(id, fields)| {
            let event = AuditEvent::decode(fields.into_iter().nth(1)?).ok()?;
            let time = StoreTime(id.split('-').next()?.parse().ok()?);
            Some((id, time, event))
        });
        let events: Vec<_> = events.collect();
        let next = events.last().filter(|_| more).map(|(id, _, _)| id.clone());
        Ok(AuditPage { events, next })
    }
}

/// To so many bytes, at a whole character.
fn cut(text: &mut String) {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

/// Milliseconds and a number, and nothing else that Redis would understand.
fn checked_id(id: &str) -> Result<&str> {
    let is_number = |text: &str| text.parse::<u64>().is_ok();
    let sound = id
        .split_once('-')
        .is_some_and(|(ms, number)| is_number(ms) && is_number(number));
    let refused = || Error::invalid("page_token", "must be the next_page_token of an answer");
    sound.then_some(id).ok_or_else(refused)
}
