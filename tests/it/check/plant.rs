//! A queue with everything in it, and damage that is done to it.

use std::collections::BTreeMap;

use jobflow::testing::{TestQueue, namespace_key, server_of};
use jobflow::{
    Damage, DamageKind, JobId, JobState, Kind, Mend, NewJob, Outcome, Report, RunAt, StartLimit,
};

use crate::{bring_to, claim, connect, default_queue, key, store, submit};

/// The columns and sets of which each job has its own part.
const HASHES: [&str; 8] = [
    "specs", "meta", "results", "tags", "progress", "history", "logs", "idem",
];
const SETS: [&str; 10] = [
    "waiting",
    "active",
    "scheduled",
    "retrying",
    "completed",
    "failed",
    "cancelled",
    "parked",
    "expiring",
    "tag:red",
];
const HOUR: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Whom the damage is done to.
pub(super) enum Victim {
    /// The job in this state.
    In(JobState),
    /// The scheduled job that needs no record.
    Ordinary,
    /// The job of a paused kind.
    Parked,
    /// An id of no job.
    Nobody,
}

/// Where it is afterwards.
pub(super) enum After {
    In(JobState),
    SetAside,
    Gone,
    Elsewhere,
}

/// A queue with a job in each state, and with all that a job can have.
pub(super) async fn furnished() -> (TestQueue, BTreeMap<&'static str, JobId>) {
    let queue = TestQueue::new();
    let rich = |kind: &str| {
        let job = NewJob::new(kind, "{}").unwrap();
        let job = job.tags(["red".to_owned()]).unwrap();
        job.idempotency_key(uuid::Uuid::now_v7().to_string())
            .unwrap()
    };
    let limited = |job: NewJob| job.start_limit(StartLimit::Within(HOUR)).unwrap();
    let mut ids = BTreeMap::new();
    for state in [
        JobState::Completed,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Retrying,
    ] {
        ids.insert(state.as_str(), bring_to(&queue, rich("noop"), state).await);
    }
    let active = submit(&queue, rich("noop")).await;
    let claimed = claim(&queue, 1).await.jobs.remove(0);
    // More than fits into one part of a log.
    for _ in 0..2 {
        let report = Report {
            progress: None,
            lines: vec!["line".to_owned(); 100],
        };
        queue.report(&claimed, report).await.unwrap();
    }
    ids.insert("active", active);
    let later = rich("noop").run_at(RunAt::After(HOUR)).unwrap();
    ids.insert("scheduled", submit(&queue, limited(later)).await);
    let later = NewJob::new("noop", "{}").unwrap();
    let later = later.run_at(RunAt::After(HOUR)).unwrap();
    ids.insert("ordinary", submit(&queue, later).await);
    let kind = Kind::new("paused").unwrap();
    queue
        .pause(&default_queue(), Some(&kind), "repairs", None)
        .await
        .unwrap();
    ids.insert("parked", submit(&queue, rich("paused")).await);
    assert!(claim(&queue, 1).await.jobs.is_empty());
    // One that has run before, so that it has a record, and one that has none.
    ids.insert("waiting", submit(&queue, limited(rich("noop"))).await);
    let given_back = claim(&queue, 1).await.jobs.remove(0);
    queue.finish(&given_back, Outcome::Release).await.unwrap();
    ids.insert(
        "plain",
        submit(&queue, NewJob::new("noop", "{}").unwrap()).await,
    );
    assert_eq!(found(&queue, Mend::No).await, []);
    (queue, ids)
}

pub(super) async fn found(queue: &TestQueue, mend: Mend) -> Vec<Damage> {
    queue.check_integrity(mend).await.unwrap().damages
}

/// All that is stored of jobs, by place and field.
fn stored(queue: &TestQueue) -> BTreeMap<(&'static str, Vec<u8>), Vec<u8>> {
    let mut store = store(queue);
    let mut all = BTreeMap::new();
    let mut add = |name, mut command: redis::Cmd| {
        let pairs: Vec<(Vec<u8>, Vec<u8>)> =
            command.arg(key(queue, name)).query(&mut store).unwrap();
        all.extend(
            pairs
                .into_iter()
                .map(|(field, value)| ((name, field), value)),
        );
    };
    for name in HASHES {
        add(name, redis::cmd("HGETALL"));
    }
    for name in SETS {
        let mut command = redis::cmd("EVAL");
        command
            .arg("return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')")
            .arg(1);
        add(name, command);
    }
    all
}

fn of_others(queue: &TestQueue, victim: &[u8]) -> BTreeMap<(&'static str, Vec<u8>), Vec<u8>> {
    let mut all = stored(queue);
    all.retain(|(_, field), value| !field.starts_with(victim) && value != victim);
    all
}

/// Runs Lua with `t`, what all keys of the queue begin with, `n`, the same for
/// the namespace, `id`, that of the victim, and `now`.
pub(super) fn plant(queue: &TestQueue, victim: &[u8], damage: &str) {
    let script = format!(
        "local t, n, id, call = ARGV[1], ARGV[2], ARGV[3], redis.call \
         local time = call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000) {damage}"
    );
    let mut eval = redis::cmd("EVAL");
    let of_namespace = namespace_key(&queue.config().namespace, "");
    eval.arg(script).arg(0).arg(key(queue, ""));
    eval.arg(&of_namespace).arg(victim);
    // In a cluster the two are on servers of their own.
    let mut server = if damage.contains("n..") {
        connect(&server_of(&queue.config().redis_url, &of_namespace))
    } else {
        store(queue)
    };
    eval.exec(&mut server).unwrap();
}

fn is_in(queue: &TestQueue, set: &str, id: &[u8]) -> bool {
    let mut score = redis::cmd("ZSCORE");
    score.arg(key(queue, set)).arg(id);
    score
        .query::<Option<f64>>(&mut store(queue))
        .unwrap()
        .is_some()
}

pub(super) async fn each(victim: Victim, damage: &str, kind: DamageKind, after: After) {
    let (queue, ids) = furnished().await;
    let id = match victim {
        Victim::In(state) => ids[state.as_str()].as_bytes().to_vec(),
        Victim::Ordinary => ids["ordinary"].as_bytes().to_vec(),
        Victim::Parked => ids["parked"].as_bytes().to_vec(),
        Victim::Nobody => JobId::generate(&default_queue()).as_bytes().to_vec(),
    };
    let others = of_others(&queue, &id);
    plant(&queue, &id, damage);
    let planted = stored(&queue);

    let told = found(&queue, Mend::No).await;
    assert!(!told.is_empty(), "{damage} was not found");
    for found in &told {
        assert_eq!((found.kind, &found.done), (kind, &None), "{found:?}");
    }
    assert_eq!(stored(&queue), planted, "a check changes nothing");

    let mended = found(&queue, Mend::Yes).await;
    let of_this_kind: Vec<_> = mended.iter().filter(|damage| damage.kind == kind).collect();
    assert!(!of_this_kind.is_empty(), "{mended:?}");
    assert!(
        mended.iter().all(|damage| damage.done.is_some()),
        "{mended:?}"
    );
    assert_eq!(found(&queue, Mend::No).await, [], "after {mended:?}");
    assert_eq!(of_others(&queue, &id), others, "others stay as they were");

    let places = SETS
        .into_iter()
        .filter(|set| *set != "expiring" && *set != "tag:red");
    let places: Vec<_> = places.filter(|set| is_in(&queue, set, &id)).collect();
    match after {
        After::In(state) => assert_eq!(places, [state.as_str()]),
        After::SetAside => {
            assert_eq!(places, ["failed"]);
            let error = stored(&queue)[&("results", id.clone())].clone();
            assert!(error.starts_with(b"E\x0eCORRUPT_RECORD"), "{error:?}");
        }
        After::Gone => {
            let left = stored(&queue)
                .into_keys()
                .filter(|(_, field)| field.starts_with(&id));
            assert_eq!(left.collect::<Vec<_>>(), []);
        }
        After::Elsewhere => {}
    }
    queue.close().await;
}
