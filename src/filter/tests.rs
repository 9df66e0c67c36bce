use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::backoff::Backoff;
use crate::job::StoreTime;
use crate::options::Priority;
use crate::record::JobError;

fn record() -> JobRecord {
    JobRecord {
        id: "0198c0de-0000-7000-8000-000000000001".parse().unwrap(),
        queue: QueueName::new("mail").unwrap(),
        kind: Kind::new("send_email").unwrap(),
        state: JobState::Failed,
        priority: Priority::new(3).unwrap(),
        payload: Bytes::new(),
        content_type: String::new(),
        headers: BTreeMap::new(),
        attempt: 4,
        max_attempts: 4,
        crash_count: 0,
        timeout: Duration::ZERO,
        backoff: Backoff::default(),
        created: StoreTime(1_700_000_000_000),
        ready: None,
        started: None,
        finished: Some(StoreTime(1_700_000_060_500)),
        lease_expires: None,
        worker: Some("box-17".to_owned()),
        result: None,
        error: Some(JobError {
            code: "TIMEOUT".to_owned(),
            message: "no answer in 30 s".to_owned(),
        }),
        idempotency_key: None,
        tags: vec!["eu:west".to_owned(), "vip".to_owned()],
        start_before: None,
        cancel_requested: false,
        progress: None,
        attempts: Vec::new(),
        previous_payloads: Vec::new(),
        etag: None,
    }
}

fn parse(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn fault(text: &str) -> (usize, String) {
    match Filter::parse(text) {
        Err(Error::InvalidFilter { message, position }) => (position, message),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn every_field_and_operator_decides() {
    let job = record();
    let print = crate::fingerprint::Fingerprint::of(&job.kind, job.error.as_ref().unwrap()).hex;
    let by_print = format!("fingerprint = {print}");
    for holds in [
        "",
        "id = 0198c0de-0000-7000-8000-000000000001",
        "id != 0198c0de-0000-7000-8000-000000000002",
        "queue = mail",
        "queue = ma*",
        "queue:ai",
        "queue != default",
        "kind = send_email",
        "kind = send*",
        "kind != resize*",
        "state = failed",
        "state != active",
        "priority = 3",
        "priority >= 3 priority <= 3 priority > 2 priority < 4 priority != 5",
        "tags:vip",
        "tags:eu:west",
        "tags:eu*",
        "tags:*",
        "attempt > 3",
        "worker:17",
        "worker = box-*",
        "worker:*",
        "error_code = TIMEOUT",
        "error_code:*",
        &by_print,
        "create_time = 2023-11-14T22:13:20Z",
        "create_time < 2023-11-14T23:13:21+01:00",
        "finish_time > 2023-11-14T22:14:20.400Z",
        r#"finish_time <= "2023-11-14T22:14:20.5Z""#,
        "finish_time:*",
    ] {
        assert!(parse(holds).matches(&job), "{holds}");
        if !holds.is_empty() {
            assert!(
                !parse(&format!("NOT ({holds})")).matches(&job),
                "NOT {holds}"
            );
        }
    }
}

#[test]
fn what_a_job_lacks_is_unequal_to_everything() {
    let job = JobRecord {
        worker: None,
        error: None,
        finished: None,
        tags: Vec::new(),
        ..record()
    };
    for holds in [
        "worker != a",
        "error_code != A",
        "fingerprint != a",
        "finish_time != 2023-11-14T22:13:20Z",
        "NOT worker:*",
        "NOT finish_time:*",
        "NOT tags:*",
    ] {
        assert!(parse(holds).matches(&job), "{holds}");
    }
    for fails in [
        "worker = a*",
        "worker:*",
        "error_code:a",
        "finish_time < 2043-11-14T22:13:20Z",
        "finish_time > 2003-11-14T22:13:20Z",
        "tags:a",
    ] {
        assert!(!parse(fails).matches(&job), "{fails}");
    }
}

#[test]
fn words_bind_as_the_grammar_says() {
    for (text, canonical) in [
        ("", ""),
        ("state=failed", "state = failed"),
        (
            "queue=a AND kind=b OR kind=c",
            "queue = a AND (kind = b OR kind = c)",
        ),
        (
            "queue=a kind=b -state=active",
            "queue = a AND kind = b AND NOT state = active",
        ),
        (
            "((queue=a)) AND (kind=b AND kind=c)",
            "queue = a AND kind = b AND kind = c",
        ),
        (
            "(queue=a AND kind=b) OR NOT (kind=c)",
            "(queue = a AND kind = b) OR NOT kind = c",
        ),
        ("NOT (-kind=c)", "NOT (NOT kind = c)"),
        (r#"worker="a b\"\\\*c*""#, r#"worker = "a b\"\\\*c*""#),
        (r#"worker="AND""#, r#"worker = "AND""#),
        (r#"worker:"""#, ""),
        ("worker=-7", "worker = -7"),
        (
            "create_time>2030-01-31T09:00:00+02:00",
            "create_time > 2030-01-31T07:00:00Z",
        ),
    ] {
        if canonical.is_empty() && !text.is_empty() {
            assert!(Filter::parse(text).is_err(), "{text}");
        } else {
            assert_eq!(parse(text).to_string(), canonical, "{text}");
            assert_eq!(parse(canonical), parse(text), "{text}");
        }
    }
}

#[test]
fn an_error_names_its_position_and_what_to_do() {
    for (text, position, says) in [
        ("stat = failed", 1, "the fields are id, queue, kind, state"),
        ("queue = a AND stat = b", 15, "stat is no field"),
        ("é = 1", 1, "no field"),
        ("state", 6, "one of = !="),
        ("state ~ a", 7, "one of = !="),
        ("state == failed", 7, "one of = !="),
        ("state = ", 9, "expected a value"),
        ("state = done", 9, "scheduled, blocked, waiting"),
        ("state < failed", 7, "use = !="),
        ("state:failed", 6, "use = !="),
        ("tags = vip", 6, "use :"),
        ("priority = 10", 12, "0 to 9"),
        ("priority = +1", 12, "0 to 9"),
        ("priority:5", 9, "can not be compared by :"),
        ("attempt = many", 11, "whole number"),
        ("id = 7", 6, "a UUID"),
        ("queue = Mail", 9, "name of a queue"),
        ("create_time > yesterday", 15, "2030-01-31T09:00:00Z"),
        (
            "create_time > 1969-01-01T00:00:00Z",
            15,
            "2030-01-31T09:00:00Z",
        ),
        ("kind = a*b", 9, "at the end"),
        ("(state = failed", 16, "closing parenthesis"),
        ("state = failed)", 15, "no parenthesis is open"),
        ("state = failed AND", 19, "expected a comparison"),
        ("state = failed OR OR", 19, "expected a comparison"),
        ("worker = \"a", 10, "not closed"),
        (r#"worker = "a\x""#, 13, r"after \"),
        ("worker = OR", 10, "a word of its own"),
        ("()", 2, "expected a comparison"),
    ] {
        let (at, message) = fault(text);
        assert_eq!(at, position, "{text}: {message}");
        assert!(message.contains(says), "{text}: {message}");
    }
}

#[test]
fn length_depth_and_number_of_comparisons_are_limited() {
    let ok = "(".repeat(32) + "attempt = 1" + &")".repeat(32);
    parse(&ok);
    assert!(fault(&format!("({ok})")).1.contains("32 deep"));
    parse(&vec!["attempt = 1"; 64].join(" "));
    assert!(fault(&vec!["attempt = 1"; 65].join(" ")).1.contains("64"));
    assert!(
        fault(&format!("worker = {}", "a".repeat(4096)))
            .1
            .contains("4096")
    );
    // Each level nests twice when it is written out.
    let open = "attempt = 1 OR attempt = 2 (attempt = 3 OR (";
    let nested = |levels| open.repeat(levels) + "attempt = 1 attempt = 2" + &"))".repeat(levels);
    parse(&nested(15));
    assert!(fault(&nested(17)).1.contains("32 deep"));
}

#[test]
fn what_is_implied_is_found_wherever_it_stands() {
    for (text, state) in [
        ("state = failed", Some(JobState::Failed)),
        ("kind = a (state = failed)", Some(JobState::Failed)),
        ("state = failed OR state = active", None),
        (
            "(state = failed OR state = active) state != active",
            Some(JobState::Failed),
        ),
        ("state = failed OR kind = a", None),
        ("NOT (state != retrying)", Some(JobState::Retrying)),
        ("queue = other state = failed", Some(JobState::Failed)),
        ("", None),
    ] {
        assert_eq!(parse(text).only_state(), state, "{text}");
    }
    let id = |n: u32| format!("0198c0de-0000-7000-8000-00000000000{n}");
    let both = format!("kind = a (id = {} OR id = {})", id(2), id(1));
    let ids = parse(&both).only_ids().unwrap();
    assert_eq!(
        ids.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [id(1), id(2)]
    );
    assert_eq!(
        parse(&format!("id = {} OR kind = a", id(1))).only_ids(),
        None
    );
    assert_eq!(parse(&format!("id != {}", id(1))).only_ids(), None);
    assert_eq!(parse("kind = a tags:vip").needed_tag(), Some("vip"));
    assert_eq!(parse("tags:vip*").needed_tag(), None);
    assert_eq!(parse("-tags:vip").needed_tag(), None);
    let (mail, other) = (
        QueueName::new("mail").unwrap(),
        QueueName::new("other").unwrap(),
    );
    let filter = parse("queue = m* AND state != failed");
    assert!(filter.may_mean_queue(&mail) && !filter.may_mean_queue(&other));
    assert_eq!(filter.means_place(&mail, JobState::Active), Some(true));
    assert_eq!(filter.means_place(&mail, JobState::Failed), Some(false));
    assert_eq!(parse("kind = a").means_place(&mail, JobState::Failed), None);
}

#[test]
fn a_filter_can_be_held_to_some_fields() {
    let allowed = [Field::Id, Field::Queue, Field::Kind, Field::State];
    parse("queue = a state = failed").only(&allowed).unwrap();
    let error = parse("queue = a attempt > 1").only(&allowed).unwrap_err();
    assert!(
        matches!(error, Error::InvalidFilter { position: 11, .. }),
        "{error}"
    );
}

#[test]
fn a_move_is_judged_by_what_is_known_of_it() {
    let job = record();
    let matches = |text: &str, kind: Option<&Kind>| {
        parse(text).matches_move(job.id, &job.queue, kind, JobState::Active)
    };
    assert!(matches("queue = mail state = active", None));
    assert!(matches("kind = send*", Some(&job.kind)));
    assert!(!matches("kind = send*", None));
    assert!(!matches("state = failed", None));
}

fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("AND".to_owned()),
        Just("OR".to_owned()),
        Just("NOT".to_owned()),
        Just("(".to_owned()),
        Just(")".to_owned()),
        Just("-".to_owned()),
        "(id|queue|kind|state|priority|tags|attempt|worker|error_code|create_time)",
        "(=|!=|<|<=|>|>=|:)",
        "(failed|mail|5|vip\\*|\\*|2030-01-31T09:00:00Z|\"a b\\*\")",
        "\\PC{0,6}",
    ];
    prop::collection::vec(word, 0..20).prop_map(|words| words.join(" "))
}

/// Filters that can be read, of any shape.
fn readable() -> impl Strategy<Value = String> {
    let quoted = "[ -~é\n]{1,12}".prop_map(|text| {
        let escaped = text
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('*', "\\*");
        format!("worker = \"{escaped}\"")
    });
    let term = prop_oneof![
        Just("state = failed".to_owned()),
        Just("tags:eu*".to_owned()),
        Just("finish_time:*".to_owned()),
        (0..10_u8).prop_map(|n| format!("priority >= {n}")),
        (0..4_000_000_000_u32).prop_map(|s| {
            let time = prost_types::Timestamp {
                seconds: i64::from(s),
                nanos: 120_000_000,
            };
            format!("create_time < {time}")
        }),
        quoted,
    ];
    term.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("NOT ({a})")),
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|all| format!("({})", all.join(") OR ("))),
            prop::collection::vec(inner, 1..4).prop_map(|all| format!("({})", all.join(") ("))),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_panics(text in text()) {
        if let Ok(filter) = Filter::parse(&text) {
            prop_assert_eq!(parse(&filter.to_string()), filter);
        }
    }

    #[test]
    fn odd_times_do_not_panic(text in "[0-9TZ:.+ tz-]{0,30}|\\PC{0,20}") {
        let _read_or_told = Filter::parse(&format!("create_time = \"{}\"", text.replace(['"', '\\'], "")));
    }

    #[test]
    fn a_filter_reads_back_as_it_was(text in readable()) {
        let filter = parse(&text);
        let written = filter.to_string();
        prop_assert_eq!(&parse(&written), &filter);
        prop_assert_eq!(parse(&written).matches(&record()), filter.matches(&record()));
    }
}

#[test]
fn a_filter_narrowed_to_queues_means_no_other() {
    let scope = crate::access::QueueScope::new(["mail", "shop-*"]).unwrap();
    let filter = Filter::parse("state = failed OR queue = other").unwrap();
    let narrowed = filter.and_queues(&scope);
    assert_eq!(
        narrowed.to_string(),
        "(queue = mail OR queue = shop-*) AND (state = failed OR queue = other)"
    );
    assert_eq!(Filter::parse(&narrowed.to_string()), Ok(narrowed.clone()));
    let may = |name: &str| narrowed.may_mean_queue(&QueueName::new(name).unwrap());
    assert!(may("mail") && may("shop-eu"));
    assert!(!may("other") && !may("shop"));
    let all = crate::access::QueueScope::all();
    assert_eq!(filter.and_queues(&all), filter);
}
