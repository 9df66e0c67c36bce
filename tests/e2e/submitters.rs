//! Callers that submit one job after the other, through REST and gRPC, and
//! write down what was acknowledged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use jobflow::proto::SubmitJobRequest;
use jobflow::proto::job_service_client::JobServiceClient;
use jobflow::testing::PATIENCE;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::rest::Rest;
use crate::system::System;

/// How often each caller submits, at most.
const PACE: Duration = Duration::from_millis(10);
/// Fewer than are kept of completed jobs, so that each can be looked up at the end.
const PER_QUEUE: usize = 900;
/// Queues per caller.
const QUEUES: usize = 5;
/// Of each door.
const CALLERS: usize = 2;

#[derive(Clone)]
enum Door {
    Rest(Rest),
    Grpc(JobServiceClient<Channel>),
}

pub(crate) struct Submitters {
    stop: CancellationToken,
    calls: Arc<Calls>,
    callers: JoinSet<Ledger>,
}

/// How many calls were answered, by all callers.
#[derive(Default)]
struct Calls {
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
}

/// What the callers know.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Each id once, in the order of the acknowledgements of a caller.
    pub(crate) acknowledged: Vec<String>,
    /// The reasons of refusals.
    pub(crate) reasons: BTreeSet<String>,
    /// How often a call was refused.
    pub(crate) refused: usize,
    /// Between two acknowledgements of a caller.
    pub(crate) longest_gap: Duration,
}

impl Submitters {
    /// The queues that they submit to, as arguments of a worker.
    pub(crate) fn queues() -> Vec<String> {
        let callers = 0..2 * CALLERS;
        let numbers = callers.flat_map(|caller| (0..QUEUES).map(move |n| (caller, n)));
        numbers
            .flat_map(|(caller, n)| ["--queue".to_owned(), queue(caller, n)])
            .collect()
    }

    pub(crate) fn start(system: &System) -> Self {
        let stop = CancellationToken::new();
        let calls = Arc::<Calls>::default();
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            for (door, at) in [
                (Door::Rest(system.rest()), 0),
                (Door::Grpc(system.jobs()), CALLERS),
            ] {
                let caller = Caller {
                    number: number + at,
                    door,
                    calls: Arc::clone(&calls),
                    ledger: Ledger::default(),
                };
                callers.spawn(caller.run(stop.clone()));
            }
        }
        Self {
            stop,
            calls,
            callers,
        }
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.calls.acknowledged.load(Ordering::Relaxed)
    }

    pub(crate) fn refused(&self) -> usize {
        self.calls.refused.load(Ordering::Relaxed)
    }

    /// Lets each caller repeat its last call until it is acknowledged.
    pub(crate) async fn finish(self) -> Ledger {
        self.stop.cancel();
        let mut all = Ledger::default();
        for ledger in self.callers.join_all().await {
            all.acknowledged.extend(ledger.acknowledged);
            all.reasons.extend(ledger.reasons);
            all.refused += ledger.refused;
            all.longest_gap = all.longest_gap.max(ledger.longest_gap);
        }
        all
    }
}

fn queue(caller: usize, number: usize) -> String {
    format!("q{caller}-{number}")
}

struct Caller {
    number: usize,
    door: Door,
    calls: Arc<Calls>,
    ledger: Ledger,
}

impl Caller {
    async fn run(mut self, stop: CancellationToken) -> Ledger {
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            let number = self.ledger.acknowledged.len() / PER_QUEUE;
            assert!(number < QUEUES, "the test takes too long");
            let queue = queue(self.number, number);
            // The same for each repetition: a call whose answer was lost may
            // have been done.
            let key = Uuid::now_v7().to_string();
            let begun = Instant::now();
            let id = loop {
                pace.tick().await;
                let answer = tokio::time::timeout(PATIENCE, self.door.submit(&queue, &key));
                match answer.await.expect("each call is answered in time") {
                    Ok(id) => break id,
                    Err(reason) => {
                        self.calls.refused.fetch_add(1, Ordering::Relaxed);
                        self.ledger.refused += 1;
                        self.ledger.reasons.insert(reason);
                    }
                }
            };
            self.calls.acknowledged.fetch_add(1, Ordering::Relaxed);
            self.ledger.acknowledged.push(id);
            self.ledger.longest_gap = self.ledger.longest_gap.max(begun.elapsed());
        }
        self.ledger
    }
}

impl Door {
    /// The id, or the reason why not.
    async fn submit(&mut self, queue: &str, key: &str) -> Result<String, String> {
        match self {
            Self::Rest(rest) => {
                let body = format!(r#"{{"name":"work","queue":"{queue}"}}"#);
                let answer = rest.try_post(&body, Some(key)).await?;
                match answer.status {
                    StatusCode::CREATED | StatusCode::OK => Ok(answer.job_id()),
                    StatusCode::SERVICE_UNAVAILABLE => {
                        assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
                        Err(format!("REST {}", answer.json()["reason"]))
                    }
                    _ => panic!("{answer:?}"),
                }
            }
            Self::Grpc(jobs) => {
                let request = SubmitJobRequest {
                    kind: "work".to_owned(),
                    queue: queue.to_owned(),
                    request_id: key.to_owned(),
                    ..SubmitJobRequest::default()
                };
                match jobs.submit_job(request).await {
                    Ok(answer) => Ok(answer.into_inner().job.unwrap().id),
                    Err(status) => Err(format!("gRPC {:?}: {}", status.code(), status.message())),
                }
            }
        }
    }
}
