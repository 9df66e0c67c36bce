//! One property: whatever is done to a queue, in whatever order, it is where
//! a plain model of it says.
//!
//! A failure prints the seed and the shortest list of operations that shows
//! it; `JOBFLOW_MODEL_SEED` repeats a run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod changes;
mod compare;
mod driver;
mod job;
mod model;
mod op;
mod store;
mod translate;
mod verbs;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jobflow::{JobState, TRANSITIONS};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use driver::Run;
use op::{Op, ops};

/// Runs beside one another, so that the store is never idle.
const LANES: u64 = 4;
const CASES: u32 = 500;
const OPERATIONS: usize = 100_000;

/// Moves that no call of this version makes: nothing blocks a job yet.
const NOT_MADE: [(JobState, JobState); 3] = [
    (JobState::Blocked, JobState::Waiting),
    (JobState::Blocked, JobState::Failed),
    (JobState::Blocked, JobState::Cancelled),
];

/// What all lanes have done.
#[derive(Default)]
struct Done {
    calls: AtomicUsize,
    moves: Mutex<BTreeSet<(JobState, JobState)>>,
}

#[test]
fn a_queue_is_where_the_model_says_whatever_is_done_to_it() {
    let seed = match std::env::var("JOBFLOW_MODEL_SEED") {
        Ok(seed) => seed.parse().expect("JOBFLOW_MODEL_SEED is a number"),
        Err(_) => rand::random::<u64>(),
    };
    println!("JOBFLOW_MODEL_SEED={seed}");
    let all = Done::default();
    let done = &all;
    let failures: Vec<String> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| scope.spawn(move || run_lane(seed, lane, done)))
            .collect();
        let ends = lanes.into_iter().map(|lane| lane.join().unwrap());
        ends.filter_map(Result::err).collect()
    });
    assert!(
        failures.is_empty(),
        "JOBFLOW_MODEL_SEED={seed} shows:\n{}",
        failures.join("\n")
    );
    let calls = all.calls.into_inner();
    println!("{calls} operations");
    assert!(calls >= OPERATIONS, "only {calls} operations");
    let made = all.moves.into_inner().unwrap();
    let allowed: BTreeSet<_> = TRANSITIONS.iter().copied().collect();
    let not_made: BTreeSet<_> = allowed.difference(&made).copied().collect();
    assert_eq!(
        not_made,
        NOT_MADE.into(),
        "moves of the table that were not made"
    );
}

fn run_lane(seed: u64, lane: u64, done: &Done) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        max_shrink_time: 30_000,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&lane.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let result = runner.run(&ops(), |ops| {
        let mut run = Run::new_in(&runtime);
        let found = runtime.block_on(run.all(&ops));
        done.calls.fetch_add(run.calls, Ordering::Relaxed);
        done.moves.lock().unwrap().append(&mut run.model.moves);
        found.map_err(TestCaseError::fail)
    });
    result.map_err(|error| describe(&error))
}

fn describe(error: &TestError<Vec<Op>>) -> String {
    match error {
        TestError::Abort(why) => format!("given up: {why}"),
        TestError::Fail(why, ops) => {
            let ops: Vec<_> = ops.iter().map(|op| format!("    {op:?}")).collect();
            format!("{why}, after\n{}", ops.join("\n"))
        }
    }
}
