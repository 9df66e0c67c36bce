use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{
    Gathered, JobState, Kind, Measured, Measures, MetricsHistory, MetricsQuery, Outcome,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::query::{age, rows};
use crate::{contents, default_queue, job, job_in, key, store, submit};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

fn attempt(millis: u64) -> Measured {
    Measured {
        state: JobState::Completed,
        errored: false,
        waited: Duration::from_millis(millis / 3),
        ran: Duration::from_millis(millis),
    }
}

fn kind(name: &str) -> Kind {
    Kind::new(name).unwrap()
}

async fn told(queue: &TestQueue, kind: Option<Kind>, step: Duration) -> MetricsHistory {
    let query = MetricsQuery {
        queues: vec![default_queue()],
        kind,
        step: Some(step),
        ..MetricsQuery::default()
    };
    queue.query_metrics(&query).await.unwrap()
}

async fn measured(queue: &TestQueue, kind: Option<Kind>, step: Duration) -> Measures {
    told(queue, kind, step).await.whole().measured
}

#[tokio::test]
async fn measures_are_told_by_kind_and_all_together_before_and_after_their_minute() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let mut first = Gathered::default();
    for millis in 1..50 {
        first.add(&kind("mail"), attempt(millis));
        first.add(&kind("thumb"), attempt(100 * millis));
    }
    assert!(queue.measure(&default_queue(), &first).await.unwrap());
    let mail = |gathered: &Gathered| {
        let mut all = Measures::default();
        all += gathered.of(&kind("mail")).unwrap();
        all
    };
    for step in [MINUTE, HOUR] {
        assert_eq!(measured(&queue, None, step).await, *first.all());
        assert_eq!(
            measured(&queue, Some(kind("mail")), step).await,
            mail(&first)
        );
    }
    let (before, mut second) = (told(&queue, None, MINUTE).await, Gathered::default());
    age(&queue, 5 * MINUTE);
    second.add(&kind("mail"), attempt(7));
    queue.measure(&default_queue(), &second).await.unwrap();
    let mut both = first.all().clone();
    both += second.all();
    for step in [MINUTE, HOUR] {
        assert_eq!(measured(&queue, None, step).await, both);
    }
    // The older ones stay where they were, and are only in their own minute.
    let after = told(&queue, None, MINUTE).await;
    let counts: Vec<_> = after
        .points
        .iter()
        .map(|p| p.measured.run.count())
        .collect();
    assert_eq!(counts.iter().filter(|count| **count > 0).count(), 2);
    assert_eq!(counts.last(), Some(&1));
    assert_eq!(before.whole().measured, *first.all());
    queue.close().await;
}

#[tokio::test]
async fn a_snapshot_tells_what_was_measured_lately_only() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let mut gathered = Gathered::default();
    gathered.add(&kind("mail"), attempt(7));
    let lately = async || {
        queue.snapshot().await.unwrap().queues[0]
            .measured
            .run
            .count()
    };
    assert_eq!(lately().await, 0);
    queue.measure(&default_queue(), &gathered).await.unwrap();
    assert_eq!(lately().await, 1);
    age(&queue, MINUTE);
    queue.measure(&default_queue(), &gathered).await.unwrap();
    assert_eq!(lately().await, 2, "this minute and the one before");
    age(&queue, 2 * MINUTE);
    assert_eq!(lately().await, 0);
    queue.close().await;
}

#[tokio::test]
async fn nothing_begins_a_queue_anew_but_a_job() {
    let queue = TestQueue::new();
    let mut gathered = Gathered::default();
    gathered.add(&kind("mail"), attempt(7));
    assert!(!queue.measure(&default_queue(), &gathered).await.unwrap());
    assert!(contents(&queue).is_empty());
    let id = job_in(&queue, JobState::Completed).await;
    queue.measure(&default_queue(), &gathered).await.unwrap();
    queue.delete(id, jobflow::Force::No, None).await.unwrap();
    queue.delete_queue(&default_queue()).await.unwrap();
    assert!(contents(&queue).is_empty(), "{:?}", contents(&queue));
    assert!(!queue.measure(&default_queue(), &gathered).await.unwrap());
    assert!(contents(&queue).is_empty());
    queue.close().await;
}

#[tokio::test]
async fn kinds_are_told_apart_as_far_as_there_is_room_and_none_is_missing_in_all_together() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let names: Vec<_> = (0..40).map(|n| format!("kind-{n:02}")).collect();
    // More and more attempts, so the last kinds have the most.
    let mut sum = 0;
    for (n, name) in names.iter().enumerate() {
        let mut gathered = Gathered::default();
        for millis in 0..=n as u64 {
            gathered.add(&kind(name), attempt(10 * millis * millis));
        }
        sum += gathered.all().run.count();
        queue.measure(&default_queue(), &gathered).await.unwrap();
    }
    let apart = async |step| {
        let mut apart = Vec::new();
        for name in &names {
            if measured(&queue, Some(kind(name)), step).await.run.count() > 0 {
                apart.push(name.clone());
            }
        }
        apart
    };
    // While they are gathered, those that came first.
    assert_eq!(apart(MINUTE).await, names[..16]);
    age(&queue, 2 * HOUR);
    queue
        .measure(&default_queue(), &Gathered::default())
        .await
        .unwrap();
    // In rows, those with the most attempts that have room.
    for (step, bytes) in [(MINUTE, 512), (HOUR, 2_048)] {
        let query = MetricsQuery {
            queues: vec![default_queue()],
            start: told(&queue, None, HOUR).await.since,
            step: Some(step),
            ..MetricsQuery::default()
        };
        let whole = queue.query_metrics(&query).await.unwrap().whole();
        assert_eq!(whole.measured.run.count(), sum, "{step:?}");
        let name = if step == MINUTE { "minutes" } else { "hours" };
        let row = rows(&queue, name).pop().unwrap().1;
        let kinds: Vec<_> = row.iter().filter(|(name, _)| name.len() > 1).collect();
        let size: usize = kinds
            .iter()
            .map(|(name, packed)| name.len() - 1 + packed.len())
            .sum();
        assert!((1..=bytes).contains(&size), "{size} of {bytes}");
        assert_eq!(
            kinds[0].0, "kkind-15",
            "the one with the most attempts of the 16"
        );
    }
    queue.close().await;
}

#[tokio::test]
async fn a_worker_that_tells_much_in_one_call_is_taken_in() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let mut gathered = Gathered::default();
    for n in 0..200_000_u64 {
        gathered.add(&kind(&format!("kind-{}", n % 30)), attempt(n * n));
    }
    queue.measure(&default_queue(), &gathered).await.unwrap();
    queue.measure(&default_queue(), &gathered).await.unwrap();
    let all = measured(&queue, None, MINUTE).await;
    assert_eq!((all.completed, all.run.count()), (400_000, 400_000));
    queue.close().await;
}

/// The script adds as this crate does, whatever the histograms.
#[test]
fn the_store_adds_as_the_library_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let queue = runtime.block_on(async {
        let queue = TestQueue::new();
        submit(&queue, job()).await;
        queue
    });
    let mut sum = Measures::default();
    let attempts = prop::collection::vec((0_u64..4_000_000_000, any::<bool>()), 1..300);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(60));
    let sums = std::cell::RefCell::new(&mut sum);
    runner
        .run(&attempts, |attempts| {
            let mut gathered = Gathered::default();
            for (millis, errored) in attempts {
                let state = if errored {
                    JobState::Retrying
                } else {
                    JobState::Failed
                };
                gathered.add(
                    &kind("k"),
                    Measured {
                        errored,
                        state,
                        ..attempt(millis)
                    },
                );
            }
            **sums.borrow_mut() += gathered.all();
            let told = runtime.block_on(async {
                queue.measure(&default_queue(), &gathered).await.unwrap();
                measured(&queue, None, HOUR).await
            });
            prop_assert_eq!(&told, &**sums.borrow());
            Ok(())
        })
        .unwrap();
    runtime.block_on(queue.close());
}

#[tokio::test]
async fn damaged_measures_hold_nothing_up() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let mut gathered = Gathered::default();
    gathered.add(&kind("mail"), attempt(7));
    for (n, damage) in [&b""[..], b"short", &[0xff; 14], &[0xff; 3_000]]
        .into_iter()
        .enumerate()
    {
        let mut put = redis::cmd("HSET");
        put.arg(key(&queue, "measures"));
        for field in ["m", "mmail", "h", "hmail"] {
            put.arg(field).arg(damage);
        }
        let _added: i64 = put.query(&mut store(&queue)).unwrap();
        queue.measure(&default_queue(), &gathered).await.unwrap();
        age(&queue, HOUR);
        submit(&queue, job()).await;
        let history = told(&queue, None, HOUR).await;
        assert!(history.whole().counted.submitted >= 1, "{n}");
        assert!(queue.snapshot().await.is_ok());
    }
    let claimed = crate::claim_one(&queue).await;
    queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();
    queue.close().await;
}
