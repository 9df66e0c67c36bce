use super::*;
use crate::job::StoreTime;
use crate::options::MAX_PAYLOAD;

fn field<T: std::fmt::Debug>(result: Result<T>) -> String {
    result
        .unwrap_err()
        .field()
        .expect("names a field")
        .to_owned()
}

fn job() -> NewJob {
    NewJob::new("k", "").unwrap()
}

#[test]
fn each_limit_names_its_field() {
    assert_eq!(field(Priority::new(10)), "priority");
    assert_eq!(field(Priority::new(-1)), "priority");
    assert_eq!(field(NewJob::new("a:b", "")), "kind");
    assert_eq!(field(NewJob::new("k", vec![0; MAX_PAYLOAD + 1])), "payload");
    assert_eq!(field(job().queue("{x}")), "queue");
    assert_eq!(field(job().max_attempts(0)), "max_attempts");
    assert_eq!(field(job().max_attempts(1_001)), "max_attempts");
    assert_eq!(
        field(job().run_at(RunAt::After(MAX_DELAY + Duration::from_millis(1)))),
        "delay"
    );
    assert_eq!(
        field(job().run_at(RunAt::At(StoreTime(u64::MAX)))),
        "run_time"
    );
    assert_eq!(field(job().timeout(Duration::ZERO)), "timeout");
    assert_eq!(field(job().idempotency_key("")), "idempotency_key");
    assert_eq!(
        field(job().idempotency_key("k".repeat(257))),
        "idempotency_key"
    );
    assert_eq!(field(job().content_type("")), "content_type");
    assert_eq!(field(job().tags(["a b".to_owned()])), "tags");
    assert_eq!(field(job().tags(["".to_owned()])), "tags");
    assert_eq!(field(job().tags((0..9).map(|n| n.to_string()))), "tags");
    let too_long = StartLimit::Within(MAX_DELAY + Duration::from_millis(1));
    assert_eq!(field(job().start_limit(too_long)), "start_within");
    let too_late = StartLimit::Before(StoreTime(u64::MAX));
    assert_eq!(field(job().start_limit(too_late)), "start_before_time");
    assert_eq!(
        field(job().headers([("h".to_owned(), "v".repeat(MAX_HEADERS))])),
        "headers"
    );
}

#[test]
fn each_limit_itself_is_allowed() {
    assert!(Priority::new(0).is_ok() && Priority::new(9).is_ok());
    assert!(NewJob::new("k", vec![0; MAX_PAYLOAD]).is_ok());
    assert!(job().max_attempts(1_000).is_ok());
    assert!(job().run_at(RunAt::After(MAX_DELAY)).is_ok());
    assert!(job().idempotency_key("k".repeat(256)).is_ok());
}

#[test]
fn an_id_for_another_queue_is_refused() {
    let id = JobId::generate(&QueueName::new("mail").unwrap());
    assert_eq!(field(job().id(id)), "id");
    assert!(job().queue("mail").unwrap().id(id).is_ok());
}

#[test]
fn a_trace_takes_the_place_of_another_and_never_too_much_room() {
    let trace = |job: NewJob| job.traceparent().map(str::to_owned);
    let first = job().traced("a");
    assert_eq!(trace(first.clone()).as_deref(), Some("a"));
    assert_eq!(trace(first.traced("b")).as_deref(), Some("b"));
    let full = [("h".to_owned(), "v".repeat(MAX_HEADERS - 1))];
    assert_eq!(trace(job().headers(full).unwrap().traced("a")), None);
}
