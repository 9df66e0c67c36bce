//! Bad input to every call: a typed error that names the field, and nothing changes.

mod bulk;
mod jobs;
mod queues;
mod tokens;

use std::collections::BTreeSet;

use jobflow::testing::TestQueue;
use jobflow::{NewJob, proto};
use prost::Message;
use prost_types::field_descriptor_proto::Type;
use prost_types::{Duration, FieldMask, FileDescriptorSet, Timestamp};
use tonic::{Code, Response, Status};

use crate::support::{Server, details};

/// Of a job and an operation that never were.
const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// The calls that were refused, and one check for each refusal.
#[derive(Default)]
struct Refusals(BTreeSet<&'static str>);

impl Refusals {
    /// `expected` is a reason, and the field where one is at fault.
    #[track_caller]
    fn add<T>(
        &mut self,
        call: &'static str,
        expected: &str,
        answer: Result<Response<T>, Status>,
    ) -> Status {
        let Err(status) = answer else {
            panic!("{call} was to be refused with {expected}");
        };
        let bugs = [Code::Internal, Code::Unknown, Code::Unimplemented];
        assert!(!bugs.contains(&status.code()), "{call}: {status:?}");
        let (reason, details) = details(&status);
        let violations = details.bad_request().map(|bad| &bad.field_violations);
        let field = violations.map(|violations| format!(" {}", violations[0].field));
        let found = format!("{reason}{}", field.unwrap_or_default());
        assert_eq!(found, expected, "{call}: {status:?}");
        self.0.insert(call);
        status
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

const fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

const fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn mask(path: &str) -> Option<FieldMask> {
    Some(FieldMask {
        paths: vec![path.to_owned()],
    })
}

#[tokio::test]
async fn every_call_names_what_is_wrong_and_changes_nothing() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let job = NewJob::new("k", "{}").unwrap();
    let id = queue.submit(job).await.unwrap().id.to_string();
    let before = queue.get(id.parse().unwrap()).await.unwrap();
    let numbers = async || {
        let numbers = queue.queue(&before.queue).await.unwrap();
        (numbers.counts, numbers.totals, numbers.control)
    };
    let untouched = numbers().await;

    let mut refused = Refusals::default();
    jobs::submits(&server, &mut refused).await;
    jobs::looks(&server, &mut refused).await;
    jobs::changes(&server, &mut refused, &id).await;
    bulk::bulks(&server, &mut refused).await;
    queues::queues(&server, &mut refused).await;
    tokens::tokens(&server, &mut refused).await;
    tokens::audit(&server, &mut refused).await;
    others(&server, &mut refused).await;
    assert_eq!(refused.0, calls_with_fields(), "every call has a case");

    assert_eq!(queue.get(before.id).await.unwrap(), before);
    assert_eq!(numbers().await, untouched);
    assert_eq!(server.stored().await, 1);
    server.stop().await.unwrap();
    queue.close().await;
}

async fn others(server: &Server, refused: &mut Refusals) {
    let mut workers = server.workers();
    for (id, expected) in [
        ("", "INVALID_FIELD id"),
        (&*"w".repeat(129), "INVALID_FIELD id"),
        ("nobody", "WORKER_NOT_FOUND"),
    ] {
        let get = proto::GetWorkerRequest { id: text(id) };
        refused.add("GetWorker", expected, workers.get_worker(get).await);
        let signal = proto::SignalWorkerRequest {
            id: text(id),
            signal: proto::WorkerSignal::Quiet.into(),
        };
        refused.add(
            "SignalWorker",
            expected,
            workers.signal_worker(signal).await,
        );
    }
    for signal in [0, 99] {
        let signal = proto::SignalWorkerRequest {
            id: text("nobody"),
            signal,
        };
        let told = workers.signal_worker(signal).await;
        refused.add("SignalWorker", "INVALID_FIELD signal", told);
    }
    for (page_size, page_token, queue, expected) in [
        (-1, "", "", "INVALID_FIELD page_size"),
        (0, "foreign", "", "INVALID_FIELD page_token"),
        (0, "", "a b", "INVALID_FIELD queue"),
    ] {
        let list = proto::ListWorkersRequest {
            page_size,
            page_token: text(page_token),
            queue: text(queue),
        };
        refused.add("ListWorkers", expected, workers.list_workers(list).await);
    }
    metrics(server, refused).await;
}

async fn metrics(server: &Server, refused: &mut Refusals) {
    let metrics = proto::StreamMetricsRequest {
        interval: seconds(16),
    };
    let streamed = server.metrics().stream_metrics(metrics).await;
    refused.add("StreamMetrics", "INVALID_FIELD interval", streamed);
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    for (queue, kind, start, end, step, expected) in [
        ("a b", "", None, None, None, "INVALID_FIELD queue"),
        ("missing", "", None, None, None, "QUEUE_NOT_FOUND"),
        ("", "a b", None, None, None, "INVALID_FIELD kind"),
        ("", "", at(-1), None, None, "INVALID_FIELD start_time"),
        ("", "", at(1), None, None, "INVALID_FIELD start_time"),
        (
            "",
            "",
            at(9_000_000_000),
            None,
            None,
            "INVALID_FIELD start_time",
        ),
        ("", "", None, at(-1), None, "INVALID_FIELD end_time"),
        ("", "", None, None, seconds(0), "INVALID_FIELD step"),
        ("", "", None, None, seconds(-60), "INVALID_FIELD step"),
        ("", "", None, None, seconds(90), "INVALID_FIELD step"),
        ("", "", None, None, seconds(1), "INVALID_FIELD step"),
    ] {
        let query = proto::QueryMetricsRequest {
            queue: text(queue),
            kind: text(kind),
            start_time: start,
            end_time: end,
            step,
        };
        let told = server.metrics().query_metrics(query).await;
        refused.add("QueryMetrics", expected, told);
    }
}

/// The calls whose request has a field that can be wrong.
fn calls_with_fields() -> BTreeSet<&'static str> {
    let set = FileDescriptorSet::decode(jobflow::FILE_DESCRIPTOR_SET).unwrap();
    let own = || {
        set.file
            .iter()
            .filter(|file| file.package() == "jobflow.v1")
    };
    let has_fields = |request: &str| {
        own().flat_map(|file| &file.message_type).any(|message| {
            let mut fields = message.field.iter();
            // Nothing can be wrong with a yes or no.
            request.ends_with(&format!(".{}", message.name()))
                && fields.any(|field| field.r#type() != Type::Bool)
        })
    };
    let methods = own()
        .flat_map(|file| &file.service)
        // Which users implement.
        .filter(|service| service.name() != "HandlerService")
        .flat_map(|service| &service.method);
    methods
        .filter(|method| has_fields(method.input_type()))
        .map(|method| &*method.name().to_owned().leak())
        .collect()
}
