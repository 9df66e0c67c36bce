use std::time::{Duration, Instant};

use jobflow::testing::{
    PATIENCE, TestCluster, assert_sound, fresh_namespace, queue_key, server_of, wait_for,
};
use jobflow::{
    ControlMessage, ControlReader, Durability, Error, EventReader, JobId, JobQueue, JobState,
    NewJob, Outcome, Partition, QueueConfig, QueueName, WorkerSignal,
};
use tokio::time::timeout;

use crate::{LEASE, WORKER, job};

pub(crate) fn open(url: &str) -> JobQueue {
    JobQueue::open(QueueConfig {
        redis_url: url.to_owned(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    })
    .unwrap()
}

/// A queue whose slot this server owns, and its `waiting` key.
pub(crate) fn queue_of(
    cluster: &TestCluster,
    queue: &JobQueue,
    server: usize,
) -> (QueueName, String) {
    let names = (0..).map(|n| QueueName::new(format!("queue-{n}")).unwrap());
    let mut keyed = names.map(|name| {
        let key = queue_key(&queue.config().namespace, &name, "waiting");
        (name, key)
    });
    keyed.find(|(_, key)| cluster.owner(key) == server).unwrap()
}

pub(crate) fn of(name: &QueueName) -> NewJob {
    job().queue(name).unwrap()
}

pub(crate) async fn run_all(queue: &JobQueue, name: &QueueName) -> usize {
    let mut ran = 0;
    loop {
        let claimed = queue.claim(name, 100, LEASE, WORKER).await.unwrap();
        if claimed.jobs.is_empty() {
            return ran;
        }
        for job in &claimed.jobs {
            queue.finish(job, Outcome::Ack(None)).await.unwrap();
            ran += 1;
        }
    }
}

/// Reads until there is an event of this job, whatever a slot that moves says meanwhile.
pub(crate) async fn until_heard(events: &mut EventReader, id: JobId) {
    let heard = async {
        loop {
            let batches = events
                .next(Duration::from_secs(1))
                .await
                .unwrap_or_default();
            let mut entries = batches.into_iter().flat_map(|batch| batch.entries);
            if entries.any(|entry| entry.jobs.contains(&id)) {
                return;
            }
        }
    };
    timeout(PATIENCE, heard).await.expect("the event comes");
}

async fn next_message(reader: &mut ControlReader) -> ControlMessage {
    let heard = async {
        loop {
            if let Some(message) = reader.next().await.unwrap().pop() {
                return message;
            }
        }
    };
    timeout(PATIENCE, heard).await.expect("a message comes")
}

#[tokio::test]
async fn a_cluster_is_found_by_any_of_its_servers_and_by_its_own_scheme() {
    let cluster = TestCluster::shared();
    let ports: Vec<_> = cluster.servers().iter().map(|s| s.port()).collect();
    let dead = "127.0.0.1:1";
    let urls = [
        // The last is a replica.
        cluster.servers()[0].url(),
        cluster.servers()[5].url(),
        format!("redis+cluster://{dead},127.0.0.1:{}/", ports[1]),
    ];
    for url in urls {
        let queue = open(&url);
        queue.check_store().await.unwrap();
        for server in 0..3 {
            let (name, key) = queue_of(cluster, &queue, server);
            assert_eq!(cluster.owner(&key), server);
            queue.submit(of(&name)).await.unwrap();
            assert_eq!(run_all(&queue, &name).await, 1, "{url} {name}");
        }
        let (names, snapshot) = (
            queue.queues().await.unwrap(),
            queue.snapshot().await.unwrap(),
        );
        assert_eq!((names.len(), snapshot.queues.len()), (3, 3));
        assert_sound(&queue).await;
    }
}

#[tokio::test]
async fn keys_of_two_slots_are_refused_by_every_server() {
    let cluster = TestCluster::shared();
    for server in cluster.servers() {
        let said = server.cli(&["MGET", "jf:{a}:x", "jf:{b}:x"]);
        assert!(said.contains("CROSSSLOT"), "{said}");
    }
}

/// While a slot moves its scripts can not run, as some of their keys are here,
/// some there, and some nowhere; what is called meanwhile waits for it.
#[tokio::test]
async fn a_slot_moves_under_a_queue_that_is_used() {
    let cluster = TestCluster::shared();
    let queue = open(&cluster.servers()[0].url());
    let (name, key) = queue_of(cluster, &queue, 0);
    let submits = {
        let (queue, name) = (queue.clone(), name.clone());
        tokio::spawn(async move {
            for _ in 0..500 {
                queue.submit(of(&name)).await.unwrap();
            }
        })
    };
    let move_all = tokio::task::spawn_blocking(move || {
        for to in [1, 2, 0, 1] {
            cluster.move_slot(&key, to);
        }
        cluster.owner(&key)
    });
    let mut ran = 0;
    while !submits.is_finished() || ran < 500 {
        ran += run_all(&queue, &name).await;
        assert!(ran <= 500);
        tokio::task::yield_now().await;
    }
    submits.await.unwrap();
    let owner = move_all.await.unwrap();
    assert_eq!((ran, owner), (500, 1));
    assert_eq!(queue.queue(&name).await.unwrap().totals.completed, 500);
    assert_sound(&queue).await;
}

/// A reader that is asked in short slices, as a server does.
#[tokio::test]
async fn a_quiet_stream_is_looked_at_less_and_less() {
    let cluster = TestCluster::start();
    let queue = open(&cluster.servers()[0].url());
    let (name, key) = queue_of(&cluster, &queue, 0);
    queue.submit(of(&name)).await.unwrap();
    let mut events = queue.event_reader();
    events.follow(Partition::first(name.clone())).await.unwrap();
    for _ in 0..10 {
        let batches = events.next(Duration::from_millis(200)).await.unwrap();
        assert!(batches.is_empty());
    }
    let stats = cluster.servers()[cluster.owner(&key)].cli(&["INFO", "commandstats"]);
    let looks = stats.lines().find_map(|line| {
        let calls = line
            .strip_prefix("cmdstat_xread:calls=")?
            .split(',')
            .next()?;
        calls.parse::<u32>().ok()
    });
    // After 20, 40 and 80 ms, then every 160.
    assert!((2..=16).contains(&looks.unwrap()), "{looks:?}");
    let told = queue.submit(of(&name)).await.unwrap().id;
    until_heard(&mut events, told).await;
}

/// Waiters, readers of events and listeners find the server that a slot has moved to.
#[tokio::test]
async fn blocking_reads_and_listeners_follow_their_slots() {
    let cluster = TestCluster::shared();
    let queue = open(&cluster.servers()[0].url());
    let (name, key) = queue_of(cluster, &queue, 0);
    let mut waiter = queue.waiter(std::slice::from_ref(&name));
    let mut events = queue.event_reader();
    queue.submit(of(&name)).await.unwrap();
    assert_eq!(run_all(&queue, &name).await, 1);
    events.follow(Partition::first(name.clone())).await.unwrap();
    for to in [1, 2, 0] {
        let block = waiter.wait(Duration::from_secs(2), std::future::pending());
        let moved = async {
            let key = key.clone();
            let moved = tokio::task::spawn_blocking(move || cluster.move_slot(&key, to));
            moved.await.unwrap();
            queue.submit(of(&name)).await.unwrap()
        };
        // The wait may end with an error when the slot goes, and is then begun anew.
        let (_ended, submitted) = tokio::join!(block, moved);
        let woken = Instant::now();
        wait_for("a wait at the new server", async || {
            queue
                .claim(&name, 1, LEASE, WORKER)
                .await
                .unwrap()
                .jobs
                .pop()
        })
        .await;
        assert!(woken.elapsed() < PATIENCE);
        queue.submit(of(&name)).await.unwrap();
        waiter.wait(PATIENCE, std::future::pending()).await.unwrap();
        until_heard(&mut events, submitted.id).await;
        while run_all(&queue, &name).await > 0 {}
    }
}

#[tokio::test]
async fn a_master_that_dies_or_stands_still_is_replaced_and_the_rest_goes_on() {
    let mut cluster = TestCluster::start();
    let queue = open(&cluster.servers()[0].url());
    let (lost, key) = queue_of(&cluster, &queue, 1);
    let (other, _) = queue_of(&cluster, &queue, 2);
    for stands_still in [false, true] {
        let owner = cluster.owner(&key);
        // The replica has it before the master dies.
        let safe = of(&lost).durability(Durability::Replicated);
        let kept = queue.submit(safe).await.unwrap().id;
        queue.submit(of(&other)).await.unwrap();
        if stands_still {
            cluster.servers()[owner].freeze();
        } else {
            cluster.server(owner).kill();
        }
        // Nobody waits for the dead one: not even those whose calls would be
        // in one batch with calls to it.
        let began = Instant::now();
        for _ in 0..200 {
            let (queue, lost) = (queue.clone(), lost.clone());
            tokio::spawn(async move { queue.submit(of(&lost)).await });
        }
        tokio::task::yield_now().await;
        queue.submit(of(&other)).await.unwrap();
        assert_eq!(run_all(&queue, &other).await, 2);
        let rest = began.elapsed();
        let job = wait_for("the replica to take over", async || {
            match queue.claim(&lost, 1, LEASE, WORKER).await {
                Ok(claimed) => claimed.jobs.into_iter().next(),
                Err(Error::StoreUnavailable | Error::StoreReadOnly | Error::StoreLoading) => None,
                Err(error) => panic!("{error}"),
            }
        })
        .await;
        assert_eq!(job.id, kept);
        assert!(rest < began.elapsed(), "the rest went on before");
        let ended = queue.finish(&job, Outcome::Ack(None)).await.unwrap();
        assert_eq!(ended, JobState::Completed);
        run_all(&queue, &lost).await;
        if stands_still {
            cluster.servers()[owner].thaw();
        } else {
            cluster.server(owner).resume();
        }
        cluster.wait_until_whole();
    }
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_new_server_gets_the_scripts_with_the_first_call() {
    let mut cluster = TestCluster::start();
    let queue = open(&cluster.servers()[0].url());
    let (name, key) = queue_of(&cluster, &queue, 0);
    queue.submit(of(&name)).await.unwrap();
    let new = cluster.add_master();
    cluster.move_slot(&key, new);
    assert_eq!(run_all(&queue, &name).await, 1);
    assert_eq!(
        server_of(&cluster.servers()[0].url(), &key),
        cluster.servers()[new].url()
    );
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_signal_reaches_a_worker_that_listens_to_any_server() {
    let cluster = TestCluster::shared();
    let queue = open(&cluster.servers()[0].url());
    let mut reader = queue.control_reader();
    assert_eq!(reader.next().await.unwrap(), [ControlMessage::Connected]);
    let (name, _) = queue_of(cluster, &queue, 2);
    let id = queue.submit(of(&name)).await.unwrap().id;
    queue.claim(&name, 1, LEASE, WORKER).await.unwrap();
    queue.cancel(id, "", None).await.unwrap();
    let told = next_message(&mut reader).await;
    assert_eq!(told, ControlMessage::CancelJobs(vec![id]));
    let beat = jobflow::WorkerBeat {
        id: "worker-1".to_owned(),
        ..Default::default()
    };
    queue.beat(&beat).await.unwrap();
    queue
        .signal_worker("worker-1", WorkerSignal::Quiet)
        .await
        .unwrap();
    let told = next_message(&mut reader).await;
    let (worker, signal) = ("worker-1".to_owned(), WorkerSignal::Quiet);
    assert_eq!(told, ControlMessage::Signal { worker, signal });
}

#[tokio::test]
async fn a_worker_of_several_queues_waits_in_all_their_slots() {
    let cluster = TestCluster::shared();
    let queue = open(&cluster.servers()[0].url());
    let names: Vec<_> = (0..3).map(|at| queue_of(cluster, &queue, at).0).collect();
    let mut waiter = queue.waiter(&names);
    for name in names.iter().cycle().take(6) {
        let woken = waiter.wait(PATIENCE, std::future::pending());
        let submitted = async {
            // Only a wait that has begun can be woken.
            wait_for("the waits", async || {
                let blocked = |server: &jobflow::testing::TestRedis| {
                    let clients = server.cli(&["CLIENT", "LIST"]);
                    clients.matches("cmd=blpop").count()
                };
                let all: usize = cluster.servers().iter().map(blocked).sum();
                (all >= 3).then_some(())
            })
            .await;
            queue.submit(of(name)).await.unwrap();
        };
        let began = Instant::now();
        let (woken, ()) = tokio::join!(woken, submitted);
        woken.unwrap();
        assert!(began.elapsed() < PATIENCE);
        assert_eq!(run_all(&queue, name).await, 1);
    }
    assert_sound(&queue).await;
}
