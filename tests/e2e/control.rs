//! What operators do, while everything runs: cancel, watch, replay, bulk.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use jobflow::proto::{
    self, BulkAction, BulkOperation, BulkState, CancelJobRequest, DeadLetterGroup,
    GetBulkOperationRequest, ListDeadLetterGroupsRequest, StartBulkOperationRequest,
    SubmitJobRequest, WaitJobRequest, WatchEventsRequest, WatchEventsResponse,
    job_service_client::JobServiceClient,
};
use jobflow::testing::wait_for;
use jobflow::{JobError, JobQueue, JobState, NewJob, Outcome, QueueName};
use tonic::Streaming;
use tonic::transport::Channel;

use crate::system::{System, figure};

type Jobs = JobServiceClient<Channel>;

async fn submit(jobs: &mut Jobs, kind: &str) -> String {
    let request = SubmitJobRequest {
        kind: kind.to_owned(),
        ..SubmitJobRequest::default()
    };
    let answer = jobs.submit_job(request).await.unwrap();
    answer.into_inner().job.unwrap().id
}

/// Waits for the end of an active job that was called off just now.
async fn cancelled_after(jobs: &mut Jobs, id: &str, asked: Instant) -> Duration {
    let request = WaitJobRequest {
        id: id.to_owned(),
        timeout: Some(proto::duration(Duration::from_secs(20))),
    };
    let job = jobs.wait_job(request).await.unwrap().into_inner().job;
    let taken = asked.elapsed();
    let job = job.unwrap();
    assert_eq!(job.state(), proto::JobState::Cancelled, "{id}");
    assert_eq!(job.error.unwrap().message, "not needed");
    assert_eq!(job.attempts[0].outcome(), proto::AttemptOutcome::Cancelled);
    taken
}

fn median(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    format!(
        "{:?} (longest {:?})",
        times[times.len() / 2],
        times[times.len() - 1]
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_the_attempt_wherever_it_comes_from() {
    let mut system = System::start().await;
    let mut jobs = system.jobs();
    let handler = ["--concurrency", "130", "--handler", "*=simulate:1h"];
    system.worker(&handler).await;
    let mut ids = Vec::new();
    for _ in 0..121 {
        ids.push(submit(&mut jobs, "endless").await);
    }
    system.active(121).await;

    let mut times = Vec::new();
    for id in ids.drain(..100) {
        let asked = Instant::now();
        let request = CancelJobRequest {
            id: id.clone(),
            reason: "not needed".to_owned(),
            etag: String::new(),
        };
        let job = jobs
            .cancel_job(request)
            .await
            .unwrap()
            .into_inner()
            .job
            .unwrap();
        assert!(job.cancel_requested || job.state() == proto::JobState::Cancelled);
        times.push(cancelled_after(&mut jobs, &id, asked).await);
    }
    figure(
        "from CancelJob until the attempt is closed, 100 times",
        median(times),
    );

    let mut times = Vec::new();
    for id in ids.drain(..20) {
        let asked = Instant::now();
        let output = system
            .run_cli(&["job", "cancel", &id, "--reason", "not needed"])
            .await;
        assert!(output.status.success(), "{output:?}");
        times.push(cancelled_after(&mut jobs, &id, asked).await);
    }
    figure(
        "from the start of the CLI until the attempt is closed, 20 times",
        median(times),
    );

    // The worker does not hear this one at once: its connection is new.
    let killed = system.redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    assert_eq!(killed.trim(), "1");
    let asked = Instant::now();
    let output = system
        .run_cli(&["job", "cancel", &ids[0], "--reason", "not needed"])
        .await;
    assert!(output.status.success(), "{output:?}");
    let taken = cancelled_after(&mut jobs, &ids[0], asked).await;
    figure(
        "the same while the worker connects anew",
        format!("{taken:?}"),
    );
    system.close().await;
}

/// Opens a stream of events behind a token.
async fn watch(jobs: &mut Jobs, resume_token: &str) -> Streaming<WatchEventsResponse> {
    let request = WatchEventsRequest {
        filter: "queue = watched".to_owned(),
        resume_token: resume_token.to_owned(),
    };
    jobs.watch_events(request).await.unwrap().into_inner()
}

/// What was seen of each job, in order, and behind which token to go on.
#[derive(Default)]
struct Seen {
    states: BTreeMap<String, Vec<proto::JobState>>,
    token: String,
}

impl Seen {
    /// Reads until so many jobs have been seen to complete, or the stream breaks.
    async fn read(&mut self, stream: &mut Streaming<WatchEventsResponse>, completed: usize) {
        while self.completed() < completed {
            let Ok(Some(message)) = stream.message().await else {
                return;
            };
            assert_eq!(message.gap_queue, "");
            for event in message.events {
                let state = event.state();
                self.states.entry(event.id).or_default().push(state);
            }
            self.token = message.resume_token;
        }
    }

    fn completed(&self) -> usize {
        let ends = self.states.values().filter_map(|states| states.last());
        ends.filter(|state| **state == proto::JobState::Completed)
            .count()
    }
}

async fn submit_watched(queue: &JobQueue, numbers: Range<usize>) {
    for n in numbers {
        let job = NewJob::new(format!("k{n}"), "{}").unwrap();
        queue.submit(job.queue("watched").unwrap()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_neither_missed_nor_told_twice_when_the_server_is_killed() {
    const JOBS: usize = 300;
    let mut system = System::start().await;
    system
        .worker(&["--queue", "watched", "--handler", "*=simulate:1ms"])
        .await;
    let mut jobs = system.jobs();
    let mut seen = Seen::default();
    let mut stream = watch(&mut jobs, "").await;
    // From here on every event counts: the first message has the token to begin behind.
    let first = stream.message().await.unwrap().unwrap();
    seen.token = first.resume_token;
    submit_watched(&system.queue, 0..JOBS / 3).await;
    seen.read(&mut stream, JOBS / 3).await;

    // These nobody watches: the server is gone, the worker goes on.
    system.kill_server();
    submit_watched(&system.queue, JOBS / 3..2 * JOBS / 3).await;
    let all = async || (system.totals().await.completed >= 2 * JOBS as u64 / 3).then_some(());
    wait_for("the jobs to be completed without a server", all).await;
    system.start_server().await;
    let mut jobs = system.jobs();
    let mut stream = watch(&mut jobs, &seen.token).await;
    submit_watched(&system.queue, 2 * JOBS / 3..JOBS).await;
    seen.read(&mut stream, JOBS).await;

    use proto::JobState::{Active, Completed, Waiting};
    assert_eq!(seen.states.len(), JOBS);
    for (id, states) in &seen.states {
        assert_eq!(states, &[Waiting, Active, Completed], "{id}");
    }
    system.close().await;
}

async fn operation(jobs: &mut Jobs, id: &str) -> BulkOperation {
    let request = GetBulkOperationRequest { id: id.to_owned() };
    let answer = jobs.get_bulk_operation(request).await.unwrap();
    answer.into_inner().operation.unwrap()
}

/// How many jobs fail of each cause.
const EACH: i64 = 2_000;

/// Jobs of five kinds, each of which fails of a cause of its own.
async fn fail_of_five_causes(queue: &JobQueue) {
    let name = QueueName::default();
    for cause in 0..5 {
        for _ in 0..EACH / 125 {
            let batch = (0..125).map(|_| NewJob::new(format!("cause-{cause}"), "{}").unwrap());
            queue.submit_batch(batch.collect()).await;
            let lease = Duration::from_secs(60);
            let claimed = queue.claim(&name, 125, lease, "breaker").await.unwrap();
            let finishes = claimed.jobs.iter().map(|job| {
                let error = JobError {
                    code: "HANDLER_ERROR".to_owned(),
                    message: format!(
                        "order {} of cause {cause} has no address\nat line 7",
                        job.id
                    ),
                };
                queue.finish(job, Outcome::Fail(error))
            });
            futures_util::future::try_join_all(finishes).await.unwrap();
        }
    }
}

/// The groups of failed jobs.
async fn groups(jobs: &mut Jobs) -> Vec<DeadLetterGroup> {
    let request = ListDeadLetterGroupsRequest::default();
    let answer = jobs.list_dead_letter_groups(request).await;
    let answer = answer.unwrap().into_inner();
    assert!(answer.complete);
    answer.groups
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_failures_are_five_groups_and_one_is_replayed() {
    let mut system = System::start().await;
    let mut jobs = system.jobs();
    fail_of_five_causes(&system.queue).await;
    let found = groups(&mut jobs).await;
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(found.iter().all(|group| group.count == EACH), "{found:?}");

    let one = found
        .into_iter()
        .find(|group| group.kind == "cause-3")
        .unwrap();
    system.worker(&["--handler", "*=simulate:0ms"]).await;
    let begun = Instant::now();
    let request = StartBulkOperationRequest {
        action: BulkAction::Retry.into(),
        filter: format!("state = failed AND fingerprint = {}", one.fingerprint),
        rate: 200.0,
        ..StartBulkOperationRequest::default()
    };
    let started = jobs
        .start_bulk_operation(request)
        .await
        .unwrap()
        .into_inner();
    let id = started.operation.unwrap().id;
    // What was replayed and what still lies there are all of the group, at any
    // moment: a look before and one after bound what the groups say between.
    let over = async || {
        let mut jobs = system.jobs();
        let before = operation(&mut jobs, &id).await.changed;
        let groups = groups(&mut jobs).await;
        let operation = operation(&mut jobs, &id).await;
        let group = groups.iter().find(|group| group.kind == "cause-3");
        let left = group.map_or(0, |group| group.count);
        assert!(EACH - operation.changed <= left && left <= EACH - before);
        let others = groups.iter().filter(|group| group.kind != "cause-3");
        assert_eq!(others.map(|group| group.count).sum::<i64>(), 4 * EACH);
        (operation.state() == BulkState::Done).then_some(operation)
    };
    let over = wait_for("the replay", over).await;
    figure(
        "2,000 jobs replayed at 200/s within",
        format!("{:?}", begun.elapsed()),
    );
    assert_eq!((over.changed, over.skipped), (EACH, 0));
    system.completes(EACH as u64).await;
    assert_eq!(system.counts().await.unwrap().failed, 4 * EACH as u64);
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_operation_goes_on_when_its_server_is_killed() {
    const JOBS: usize = 200_000;
    let mut system = System::start().await;
    for _ in 0..JOBS / 1_000 {
        let batch = (0..1_000).map(|_| NewJob::new("unwanted", "{}").unwrap());
        for submitted in system.queue.submit_batch(batch.collect()).await {
            submitted.unwrap();
        }
    }
    let kept = system
        .queue
        .submit(NewJob::new("wanted", "{}").unwrap())
        .await
        .unwrap();
    let mut jobs = system.jobs();
    let request = StartBulkOperationRequest {
        action: BulkAction::Cancel.into(),
        filter: "kind = unwanted".to_owned(),
        reason: "nobody wants them".to_owned(),
        ..StartBulkOperationRequest::default()
    };
    let begun = Instant::now();
    let started = jobs
        .start_bulk_operation(request)
        .await
        .unwrap()
        .into_inner();
    let id = started.operation.unwrap().id;
    let under_way = async || {
        let cancelled = system.totals().await.cancelled;
        (cancelled > JOBS as u64 / 10).then_some(cancelled)
    };
    let cancelled = wait_for("the first jobs to be cancelled", under_way).await;
    system.kill_server();
    assert!(cancelled < JOBS as u64, "killed in the middle");

    system.start_server().await;
    // Patience begins anew with each step: how fast it goes is not the question.
    let mut over = operation(&mut system.jobs(), &id).await;
    while over.state() != BulkState::Done {
        let next = async || {
            let now = operation(&mut system.jobs(), &id).await;
            (now != over).then_some(now)
        };
        over = wait_for("the next step of the operation", next).await;
    }
    figure(
        "200,000 jobs cancelled, the server killed in between, within",
        format!("{:?}", begun.elapsed()),
    );
    assert_eq!((over.changed, over.skipped), (JOBS as i64, 0));
    assert_eq!(
        system.totals().await.cancelled,
        JOBS as u64,
        "each of them once"
    );
    assert_eq!(system.counts().await.unwrap().waiting, 1);
    assert_eq!(
        system.job(&kept.id.to_string()).await.state,
        JobState::Waiting
    );
    system.close().await;
}
