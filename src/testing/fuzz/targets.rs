//! What the crate `jobflow` reads from outside: from callers, and from Redis.

use bytes::Bytes;
use prost::Message;

use super::Target;
use crate::access::QueueScope;
use crate::events::{EventId, read_entry, read_positions};
use crate::filter::Filter;
use crate::job::{JobId, Kind, Namespace, QueueName};
use crate::keys;
use crate::meta::Meta;
use crate::new_job::NewJob;
use crate::options::MAX_PAYLOAD;
use crate::outcome;
use crate::partition::Partition;
use crate::proto;
use crate::queue::{ControlMessage, Position};
use crate::redis;
use crate::report_codec;
use crate::spec::Spec;
use crate::token::TokenText;

/// All of them but those of sealed payloads, which need their feature.
pub const TARGETS: &[Target] = &[
    target("filter", filter),
    target("names", names),
    target("requests", requests),
    target("stored_job", stored_job),
    target("stored_state", stored_state),
    target("stored_log", stored_log),
    target("events", events),
    target("tokens_of_lists", tokens_of_lists),
    target("control", control),
    target("redis_url", redis_url),
    target("redis_cluster", redis_cluster),
    #[cfg(feature = "seal")]
    target("sealed", sealed),
];

const fn target(name: &'static str, read: fn(&[u8])) -> Target {
    Target { name, read }
}

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

fn filter(input: &[u8]) {
    // Bounded by its length, whatever it holds.
    let _refused = Filter::parse(&text(input));
}

fn names(input: &[u8]) {
    let text = text(input);
    if let Ok(id) = text.parse::<JobId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    if let Ok(queue) = QueueName::new(&text) {
        let namespace = Namespace::default();
        let key = keys::of_queue(&namespace, &queue, "specs");
        // No name reaches out of its own keys.
        let own = keys::Found::Queue(Partition::first(queue));
        assert_eq!(keys::read(&namespace, &key), own);
    }
    if let Some(token) = TokenText::parse(&text) {
        assert_eq!(token.reveal(), text);
    }
    let _ = (
        Kind::new(&text),
        Namespace::new(&text),
        text.parse::<EventId>(),
    );
    let _ = (
        keys::read(&Namespace::default(), &text),
        QueueScope::new([&text]),
    );
    let _ = (
        text.parse::<crate::access::Role>(),
        JobId::from_slice(input),
    );
}

fn requests(input: &[u8]) {
    if let Ok(request) = proto::SubmitJobRequest::decode(input)
        && let Ok(job) = NewJob::try_from(request)
    {
        // What was let in can be stored and read.
        assert!(job.payload.len() <= MAX_PAYLOAD);
        let stored = Spec::encode(&job).freeze();
        let read = Spec::decode(stored).expect("it can be read again");
        assert_eq!(
            (read.kind.as_str(), &read.payload),
            (job.kind.as_str(), &job.payload)
        );
    }
    if let Ok(request) = proto::UpdateJobRequest::decode(input) {
        let job = request.job.unwrap_or_default();
        let _refused = proto::job_changes(&job, request.update_mask.as_ref());
    }
    if let Ok(request) = proto::UpdateQueueRequest::decode(input) {
        let settings = request.queue.unwrap_or_default().settings;
        let _refused = proto::settings_changes(settings, request.update_mask.as_ref());
    }
    if let Ok(request) = proto::StartBulkOperationRequest::decode(input) {
        let _refused = crate::queue::NewBulk::try_from(request);
    }
    let _ = proto::BatchSubmitJobsRequest::decode(input);
    let _ = proto::HandleResponse::decode(input);
}

fn stored_job(input: &[u8]) {
    let _none = Spec::decode(Bytes::copy_from_slice(input));
}

fn stored_state(input: &[u8]) {
    let _none = Meta::unpack(input);
    let _none = outcome::decode(&Bytes::copy_from_slice(input));
}

fn stored_log(input: &[u8]) {
    let _none = report_codec::decode_progress(input);
    // A byte says where a field ends; a log has a head and others.
    let fields = input.split(|byte| *byte == b'|');
    let fields: Vec<_> = fields
        .map(|field| Some(Bytes::copy_from_slice(field)))
        .collect();
    let _none = report_codec::decode_log(&fields, 0, 100);
}

fn events(input: &[u8]) {
    let words = input
        .split(|byte| *byte == b'|')
        .map(Bytes::copy_from_slice);
    read_entry(&words.collect::<Vec<_>>());
}

fn tokens_of_lists(input: &[u8]) {
    let text = text(input);
    if let Ok(position) = Position::read(&text, "scope")
        && !text.is_empty()
    {
        assert_eq!(position.write("scope"), text);
    }
    read_positions(&text);
}

fn control(input: &[u8]) {
    let _none = ControlMessage::decode(input);
}

fn redis_url(input: &[u8]) {
    redis::read_url(&text(input));
}

fn redis_cluster(input: &[u8]) {
    redis::read_answer(input);
}

#[cfg(feature = "seal")]
fn sealed(input: &[u8]) {
    use crate::payload::{Keyring, Place};
    let keys = Keyring::new("2026-11", [7; 32]).expect("a key");
    let kind = Kind::new("send_email").expect("a kind");
    let id = JobId::from_slice(&[7; 16]).expect("an id");
    let place = Place { kind: &kind, id };
    let _refused = keys.open_payload(place, &Bytes::copy_from_slice(input));
    let _refused = Keyring::read(&text(input));
}
