//! What is seen of a queue over several partitions while a master of the
//! cluster is replaced: nothing is missed, and the numbers are right in the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use jobflow::proto::{
    self, BulkAction, BulkOperation, BulkState, GetBulkOperationRequest, JobState,
    StartBulkOperationRequest, StreamMetricsRequest, StreamMetricsResponse, WatchEventsRequest,
};
use jobflow::testing::{
    MASTERS, PATIENCE, TestCluster, TestRedis, key_of_part, namespace_key, wait_for,
};
use jobflow::{Durability, Error, ListRequest, NewJob, SettingsChange};
use tokio::task::block_in_place;

use crate::system::{System, figure};
use crate::webdriver::Browser;

const PARTITIONS: u8 = 8;
/// Jobs that are there before, and others that come meanwhile.
const JOBS: usize = 4_000;
const LATER: usize = 400;
/// So that the operation outlasts the fail-over.
const RATE: f64 = 500.0;
/// Submits under way.
const AT_ONCE: usize = 50;

/// What the streams have told.
#[derive(Default)]
struct Told {
    /// The states of each job, in the order of the events.
    moves: BTreeMap<String, Vec<JobState>>,
    gaps: usize,
    numbers: StreamMetricsResponse,
    /// Snapshots that named partitions out of reach.
    lacking: usize,
    longest: BTreeMap<&'static str, Duration>,
}

impl Told {
    fn heard(&mut self, of: &'static str, last: &mut Instant) {
        let silence = std::mem::replace(last, Instant::now()).elapsed();
        let longest = self.longest.entry(of).or_default();
        *longest = silence.max(*longest);
    }
}

type Shared = Arc<Mutex<Told>>;

/// Follows all events; goes on behind the last token where the stream breaks.
async fn watch(system: &System, told: Shared) {
    let (jobs, mut token, mut last) = (system.jobs(), String::new(), Instant::now());
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let mut ready = Some(ready);
    tokio::spawn(async move {
        loop {
            let request = WatchEventsRequest {
                filter: String::new(),
                resume_token: token.clone(),
            };
            let stream = wait_for("the stream of events", async || {
                jobs.clone().watch_events(request.clone()).await.ok()
            });
            let mut stream = stream.await.into_inner();
            while let Ok(Some(message)) = stream.message().await {
                ready.take().map(|ready| ready.send(()));
                let mut told = told.lock().unwrap();
                told.heard("events", &mut last);
                told.gaps += usize::from(!message.gap_queue.is_empty());
                for event in message.events {
                    let state = event.state();
                    told.moves.entry(event.id).or_default().push(state);
                }
                token = message.resume_token;
            }
        }
    });
    is_ready.await.expect("the first message");
}

/// Follows the numbers, as the dashboard does.
async fn count(system: &System, told: Shared) {
    let request = StreamMetricsRequest {
        interval: Some(proto::duration(Duration::from_millis(200))),
    };
    let stream = system.metrics().stream_metrics(request).await;
    let (mut stream, mut last) = (stream.unwrap().into_inner(), Instant::now());
    tokio::spawn(async move {
        while let Ok(Some(message)) = stream.message().await {
            let mut told = told.lock().unwrap();
            told.heard("numbers", &mut last);
            let partitions = message.queues.iter().filter_map(|queue| {
                let queue = queue.queue.as_ref()?;
                queue.partitions.as_ref()
            });
            let lacks = partitions.map(|partitions| partitions.unreachable.len());
            told.lacking += usize::from(lacks.sum::<usize>() > 0);
            told.numbers = message;
        }
    });
}

fn new(kind: &str) -> NewJob {
    let new = NewJob::new(kind, "{}").unwrap().queue("mail").unwrap();
    new.durability(Durability::Replicated)
}

/// Submits jobs that are stored once, however often that takes a repeat.
async fn submit(system: &System, kind: &str, jobs: usize) {
    let submits = (0..jobs).map(|n| async move {
        let key = format!("{kind}-{n}");
        let stored = async || {
            let keyed = new(kind).idempotency_key(key.as_str()).unwrap();
            match system.queue.submit(keyed).await {
                Ok(_) | Err(Error::DurabilityUnknown { .. }) => Some(()),
                // The new master has no replica yet.
                Err(Error::DurabilityUnavailable { .. }) => None,
                Err(error) if error.is_transient() => None,
                Err(error) => panic!("{error}"),
            }
        };
        wait_for("a job to be stored", stored).await;
    });
    let stored = stream::iter(submits).buffer_unordered(AT_ONCE);
    stored.collect::<()>().await;
}

/// A queue over several partitions, with jobs, and those who look at it.
struct Scene {
    cluster: TestCluster,
    system: System,
    told: Shared,
    page: Browser,
}

impl Scene {
    async fn set() -> Self {
        let cluster = block_in_place(TestCluster::start);
        let mut system = System::prepare_in(&cluster);
        system.start_server().await;
        let told = Shared::default();
        watch(&system, Arc::clone(&told)).await;
        count(&system, Arc::clone(&told)).await;
        system.queue.submit(new("first")).await.unwrap();
        let change = [SettingsChange::Partitions(Some(PARTITIONS))];
        let name = "mail".parse().unwrap();
        let spread = system.queue.update_settings(&name, &change, None);
        spread.await.unwrap();
        let page = Browser::open(&format!("{}/ui/queues/mail", system.url())).await;
        submit(&system, "unwanted", JOBS).await;
        Self {
            cluster,
            system,
            told,
            page,
        }
    }

    /// Waits until the page counts so many jobs in a state.
    async fn shows(&self, state: &str, jobs: usize) {
        let link = format!(".state-link[data-state={state}][data-value='{jobs}']");
        self.page.sees(&link).await;
    }

    async fn start_operation(&self) -> String {
        let request = StartBulkOperationRequest {
            action: BulkAction::Cancel.into(),
            filter: "kind = unwanted".to_owned(),
            rate: RATE,
            ..StartBulkOperationRequest::default()
        };
        let started = self.system.jobs().start_bulk_operation(request).await;
        let id = started.unwrap().into_inner().operation.unwrap().id;
        wait_for("the first jobs to be cancelled", async || {
            (self.operation(&id).await?.changed > 300).then_some(())
        })
        .await;
        id
    }

    async fn operation(&self, id: &str) -> Option<BulkOperation> {
        let request = GetBulkOperationRequest { id: id.to_owned() };
        let answer = self.system.jobs().get_bulk_operation(request).await;
        answer.ok()?.into_inner().operation
    }

    /// All jobs by id, with their states, in the end.
    async fn jobs(&self) -> BTreeMap<String, JobState> {
        let mut request = ListRequest::default();
        let mut jobs = BTreeMap::new();
        loop {
            let page = self.system.queue.list(&request).await.unwrap();
            assert!(page.unreachable.is_empty());
            let listed = page.jobs.into_iter();
            jobs.extend(listed.map(|job| (job.id.to_string(), job.state.into())));
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return jobs;
            }
        }
    }

    /// Waits until the events have told of each job, and of its state last.
    async fn tells_of(&self, jobs: &BTreeMap<String, JobState>) {
        let missing = || {
            let told = self.told.lock().unwrap();
            let missing = jobs.iter().filter(|(id, state)| {
                let states = told.moves.get(*id).map_or(&[][..], Vec::as_slice);
                [states.first(), states.last()] != [Some(&JobState::Waiting), Some(*state)]
            });
            let missing = missing.map(|(id, state)| (id, *state, told.moves.get(id).cloned()));
            missing.collect::<Vec<_>>()
        };
        // Only for when to look: what is missed is told below.
        let all = wait_for("all events", async || missing().is_empty().then_some(()));
        let _late = tokio::time::timeout(PATIENCE / 2, all).await;
        let missed = missing();
        let some = &missed[..missed.len().min(9)];
        assert!(missed.is_empty(), "{} missed: {some:?}", missed.len());
    }

    /// A master of some partitions, and not that of the namespace; how many it has.
    async fn victim(&self) -> (usize, usize) {
        let queue = &self.system.queue;
        let list = namespace_key(&queue.config().namespace, "queues");
        let victim = (self.cluster.owner(&list) + 1) % MASTERS;
        let mut parts = queue.all_partitions().await.unwrap();
        parts.retain(|part| self.cluster.owner(&key_of_part(queue, part)) == victim);
        assert!(!parts.is_empty());
        (victim, parts.len())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_a_dashboard_and_a_bulk_operation_come_through_a_fail_over() {
    let mut scene = Scene::set().await;
    scene.shows("waiting", JOBS + 1).await;
    let id = scene.start_operation().await;
    let (victim, away) = scene.victim().await;
    let killed = Instant::now();
    // No replica takes over before the page has looked.
    let replicas = MASTERS..2 * MASTERS;
    block_in_place(|| {
        let servers = scene.cluster.servers();
        servers[replicas.clone()].iter().for_each(TestRedis::freeze);
        scene.cluster.server(victim).kill();
    });
    scene.page.sees("[data-testid=unreachable]").await;
    let servers = scene.cluster.servers();
    servers[replicas].iter().for_each(TestRedis::thaw);
    submit(&scene.system, "later", LATER).await;
    let stored = killed.elapsed();
    block_in_place(|| {
        scene.cluster.server(victim).resume();
        scene.cluster.wait_until_whole();
    });
    let done = wait_for("the operation to be done", async || {
        let operation = scene.operation(&id).await?;
        (operation.state() != BulkState::Running).then_some(operation)
    })
    .await;
    assert_eq!(done.state(), BulkState::Done);
    let all = i64::try_from(JOBS).unwrap();
    assert_eq!((done.changed, done.skipped), (all, 0));
    assert!(done.unreachable.is_empty());
    scene.shows("cancelled", JOBS).await;
    scene.shows("waiting", LATER + 1).await;
    scene.page.loses("[data-testid=unreachable]").await;

    let jobs = scene.jobs().await;
    assert_eq!(jobs.len(), 1 + JOBS + LATER);
    scene.tells_of(&jobs).await;
    let told = std::mem::take(&mut *scene.told.lock().unwrap());
    let twice = told.moves.values().filter(|states| states.len() > 2);
    assert!(told.lacking > 0, "a snapshot names what it lacks");
    figure(
        "fail-over under streams",
        format!(
            "{away} of {PARTITIONS} partitions were away; {LATER} submits stored after \
             {stored:?}; {} snapshots without some, longest silence of numbers {:?}, of events \
             {:?}; {} jobs seen to move again, {} that the dead master alone had, {} gaps told",
            told.lacking,
            told.longest["numbers"],
            told.longest["events"],
            twice.count(),
            told.moves.len() - jobs.len(),
            told.gaps
        ),
    );
    scene.page.close().await;
    scene.system.close().await;
}
