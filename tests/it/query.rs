use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{
    Code, Gathered, JobQueue, JobState, Kind, MAX_POINTS, Measured, MetricsHistory, MetricsQuery,
    NewJob, Outcome, QueueName, StoreTime, Totals,
};

use crate::{Fields, claim_one, default_queue, error, job, key, numbers, store, submit};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

pub(crate) fn rows(queue: &TestQueue, name: &str) -> Vec<(String, Fields)> {
    let mut range = redis::cmd("XRANGE");
    range.arg(key(queue, name)).arg("-").arg("+");
    range.query(&mut store(queue)).unwrap()
}

fn put_row(queue: &TestQueue, name: &str, time: u64, fields: &Fields) {
    let mut add = redis::cmd("XADD");
    add.arg(key(queue, name)).arg(format!("{time}-0"));
    for (field, value) in fields {
        add.arg(field).arg(&value[..]);
    }
    let _id: String = add.query(&mut store(queue)).unwrap();
}

fn delete(queue: &TestQueue, name: &str) {
    let _gone: i64 = redis::cmd("DEL")
        .arg(key(queue, name))
        .query(&mut store(queue))
        .unwrap();
}

/// Moves all rows into the past, as if so much time had gone by since.
pub(crate) fn age(queue: &TestQueue, by: Duration) {
    let by = u64::try_from(by.as_millis()).unwrap();
    for name in ["seconds", "minutes", "hours"] {
        let old = rows(queue, name);
        delete(queue, name);
        for (id, fields) in old {
            let time: u64 = id.split_once('-').unwrap().0.parse().unwrap();
            put_row(queue, name, time - by, &fields);
        }
    }
    let seen: Option<i64> = redis::cmd("HGET")
        .arg(key(queue, "config"))
        .arg("second")
        .query(&mut store(queue))
        .unwrap();
    set_second(queue, seen.unwrap() - i64::try_from(by / 1_000).unwrap());
}

fn set_second(queue: &TestQueue, second: i64) {
    let _added: i64 = redis::cmd("HSET")
        .arg(key(queue, "config"))
        .arg("second")
        .arg(second)
        .query(&mut store(queue))
        .unwrap();
}

async fn now(queue: &TestQueue) -> StoreTime {
    queue.snapshot().await.unwrap().time
}

async fn told(queue: &JobQueue, past: Duration, step: Duration) -> MetricsHistory {
    let now = queue.snapshot().await.unwrap().time;
    let query = MetricsQuery {
        queues: vec![default_queue()],
        start: Some(StoreTime(now.0 - u64::try_from(past.as_millis()).unwrap())),
        step: Some(step),
        ..MetricsQuery::default()
    };
    queue.query_metrics(&query).await.unwrap()
}

async fn do_something(queue: &TestQueue) {
    for outcome in [Outcome::Ack(None), Outcome::Fail(error())] {
        submit(queue, job()).await;
        let claimed = claim_one(queue).await;
        queue.finish(&claimed, outcome).await.unwrap();
    }
    let id = submit(queue, job()).await;
    queue.cancel(id, "", None).await.unwrap();
}

#[tokio::test]
async fn every_resolution_tells_what_the_totals_count() {
    let queue = TestQueue::new();
    do_something(&queue).await;
    submit(&queue, job()).await;
    let totals = numbers(&queue).await.totals;
    assert_eq!(
        (totals.submitted, totals.failed, totals.cancelled),
        (4, 1, 1)
    );
    for step in [SECOND, 5 * SECOND, MINUTE, HOUR] {
        let history = told(&queue, MINUTE, step).await;
        assert_eq!(history.whole().counted, totals, "{step:?}");
        assert_eq!(history.points.last().unwrap().waiting, 1);
        let starts: Vec<_> = history.points.iter().map(|point| point.start.0).collect();
        let step = u64::try_from(step.as_millis()).unwrap();
        assert!(starts.iter().all(|start| start % step == 0));
        assert!(starts.windows(2).all(|pair| pair[1] == pair[0] + step));
    }
    queue.close().await;
}

#[tokio::test]
async fn what_is_past_stays_in_its_place() {
    let queue = TestQueue::new();
    do_something(&queue).await;
    submit(&queue, job()).await;
    let first = numbers(&queue).await.totals;
    age(&queue, 5 * HOUR);
    do_something(&queue).await;
    let second = numbers(&queue).await.totals.since(first);
    for step in [MINUTE, HOUR] {
        let history = told(&queue, 6 * HOUR, step).await;
        let busy: Vec<_> = history
            .points
            .iter()
            .filter(|point| point.counted != Totals::default())
            .collect();
        // The second piece may have begun another minute on its way.
        let [old, new @ ..] = &busy[..] else {
            panic!("{busy:?}")
        };
        let mut sum = Totals::default();
        new.iter().for_each(|point| sum += point.counted);
        assert_eq!((old.counted, sum), (first, second));
        let apart = new[0].start.since(old.start);
        assert!(
            apart >= 5 * HOUR - step && apart <= 5 * HOUR + step,
            "{apart:?}"
        );
        // One job has waited all the time, also while nothing happened.
        assert!(history.points.iter().all(|point| point.waiting == 1));
        assert_eq!(
            history.since,
            history.points.first().map(|point| point.start)
        );
    }
    // By seconds there is nothing of then.
    let seconds = told(&queue, 10 * MINUTE, SECOND).await;
    assert_eq!(seconds.whole().counted, second);
    assert!((600..=601).contains(&seconds.points.len()));
    queue.close().await;
}

#[tokio::test]
async fn whoever_asks_is_told_the_same_and_queues_add_up() {
    let queue = TestQueue::new();
    do_something(&queue).await;
    let other = QueueName::new("other").unwrap();
    let there = NewJob::new("k", "{}")
        .unwrap()
        .queue(other.as_str())
        .unwrap();
    queue.submit(there).await.unwrap();
    let fresh = JobQueue::open(queue.config().clone()).unwrap();
    let end = Some(now(&queue).await);
    let of = |queues: &[&QueueName]| MetricsQuery {
        queues: queues.iter().map(|queue| (*queue).clone()).collect(),
        end,
        ..MetricsQuery::default()
    };
    let one = queue.query_metrics(&of(&[&default_queue()])).await.unwrap();
    assert_eq!(
        fresh.query_metrics(&of(&[&default_queue()])).await.unwrap(),
        one
    );
    let both = fresh
        .query_metrics(&of(&[&default_queue(), &other]))
        .await
        .unwrap();
    let mut sum = one.whole();
    sum.counted.submitted += 1;
    sum.waiting += 1;
    assert_eq!(
        (both.whole().counted, both.whole().waiting),
        (sum.counted, sum.waiting)
    );
    assert!(
        queue
            .query_metrics(&of(&[]))
            .await
            .unwrap()
            .points
            .is_empty()
    );
    queue.close().await;
}

#[tokio::test]
async fn what_can_not_be_told_is_refused() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let time = now(&queue).await;
    let ask = async |query: MetricsQuery| queue.query_metrics(&query).await.unwrap_err();
    let refused = ask(MetricsQuery {
        start: Some(time),
        end: Some(time),
        ..MetricsQuery::default()
    });
    assert_eq!(refused.await.field(), Some("start_time"));
    let refused = ask(MetricsQuery {
        step: Some(SECOND),
        ..MetricsQuery::default()
    });
    assert_eq!(refused.await.field(), Some("step"));
    let missing = vec![QueueName::new("missing").unwrap()];
    let refused = ask(MetricsQuery {
        queues: missing,
        ..MetricsQuery::default()
    });
    assert_eq!(refused.await.code(), Code::QueueNotFound);
    queue.close().await;
}

#[tokio::test]
async fn a_clock_that_went_back_loses_no_count() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    // By some seconds, as after a fail-over: it is waited for.
    let second = i64::try_from(now(&queue).await.0 / 1_000).unwrap();
    let before = rows(&queue, "seconds");
    set_second(&queue, second + 30);
    submit(&queue, job()).await;
    assert_eq!(rows(&queue, "seconds"), before);
    assert_eq!(
        told(&queue, MINUTE, SECOND).await.whole().counted.submitted,
        2
    );
    // By hours: what was written ahead is given up.
    set_second(&queue, second + 3 * 3_600);
    put_row(
        &queue,
        "seconds",
        u64::try_from(second + 3 * 3_600).unwrap() * 1_000,
        &before[0].1,
    );
    submit(&queue, job()).await;
    submit(&queue, job()).await;
    assert_eq!(
        told(&queue, MINUTE, SECOND).await.whole().counted.submitted,
        2
    );
    assert_eq!(numbers(&queue).await.totals.submitted, 4);
    queue.close().await;
}

#[tokio::test]
async fn a_row_in_the_way_ends_no_script() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let fields = rows(&queue, "seconds").remove(0).1;
    put_row(&queue, "seconds", u64::MAX / 2, &fields);
    age_second(&queue);
    do_something(&queue).await;
    assert_eq!(numbers(&queue).await.totals.submitted, 4);
    queue.close().await;
}

/// Lets the store believe that the last count was in an earlier second.
fn age_second(queue: &TestQueue) {
    set_second(queue, 1);
}

/// An hour of many kinds, from a millisecond to hours long.
fn many_kinds() -> Gathered {
    let mut gathered = Gathered::default();
    for n in 0..20_000_u32 {
        let length = 1.001_f64.powi(i32::try_from(n % 16_000).unwrap());
        gathered.add(
            &Kind::new(format!("kind-{}", n % 12)).unwrap(),
            Measured {
                state: JobState::Completed,
                errored: n % 10 == 0,
                waited: Duration::from_secs_f64(length / 2_000.0),
                ran: Duration::from_secs_f64(length / 1_000.0),
            },
        );
    }
    gathered
}

fn bytes_of(queue: &TestQueue, name: &str) -> u64 {
    let mut usage = redis::cmd("MEMORY");
    usage
        .arg("USAGE")
        .arg(key(queue, name))
        .arg("SAMPLES")
        .arg(0);
    let bytes: Option<u64> = usage.query(&mut store(queue)).unwrap();
    bytes.unwrap_or_default()
}

/// Thirty-one days of a queue that is never idle, with many kinds and jobs of
/// very different lengths: what it takes, and that it is told.
#[tokio::test]
async fn a_month_of_history_stays_within_its_bytes() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let gathered = many_kinds();
    queue.measure(&default_queue(), &gathered).await.unwrap();
    age(&queue, 2 * HOUR);
    queue.measure(&default_queue(), &gathered).await.unwrap();
    let time = now(&queue).await.0 / 3_600_000 * 3_600_000;
    let mut bytes = 0;
    for (name, length, kept) in [
        ("seconds", SECOND, 900),
        ("minutes", MINUTE, 1_500),
        ("hours", HOUR, 744),
    ] {
        let length = u64::try_from(length.as_millis()).unwrap();
        let row = rows(&queue, name).pop().unwrap().1;
        delete(&queue, name);
        let first = time - 2 * kept * length;
        for n in 0..2 * kept {
            let mut fields = row.clone();
            let totals = format!("{0} {0} {0} 0 {0} 0 0 0 0 0 12345", n * 1_000_000);
            fields[0].1 = totals.into_bytes();
            put_row(&queue, name, first + n * length, &fields);
        }
    }
    // The next second that counts drops what is too much.
    age_second(&queue);
    submit(&queue, job()).await;
    for (name, kept) in [("seconds", 900), ("minutes", 1_500), ("hours", 744)] {
        let left = rows(&queue, name).len();
        assert!((kept..kept + 101).contains(&left), "{left} {name}");
        bytes += bytes_of(&queue, name);
    }
    bytes += bytes_of(&queue, "measures");
    println!("a month of history: {bytes} bytes");
    assert!(bytes <= 4 * 1024 * 1024, "{bytes} bytes");
    let month = told(&queue, 30 * DAY, HOUR).await;
    assert!((720..=721).contains(&month.points.len()) && month.points.len() <= MAX_POINTS);
    let whole = month.whole();
    assert!(whole.counted.completed >= 700 * 1_000_000);
    assert!(whole.measured.run.quantile(0.5).is_some());
    let seven = told(&queue, 7 * DAY, 6 * HOUR).await;
    assert!((28..=29).contains(&seven.points.len()));
    queue.close().await;
}
