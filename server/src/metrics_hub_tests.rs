//! The hub under a paused clock, with a source that counts how often it is asked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use jobflow::proto::HealthStatus;
use jobflow::{Pulses, Snapshot, StoreTime};

use super::*;

#[derive(Clone, Default)]
struct Store {
    polls: Arc<AtomicU64>,
    down: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
}

impl Store {
    fn hub(&self) -> MetricsHub {
        let store = self.clone();
        let source: Source = Box::new(move || {
            let store = store.clone();
            Box::pin(async move { store.answer().await })
        });
        let hub = MetricsHub::new(
            "server".to_owned(),
            source,
            Pulses::default(),
            CancellationToken::new(),
        );
        tokio::spawn(hub.clone().run());
        hub
    }

    async fn answer(&self) -> Result<Seen> {
        let poll = self.polls.fetch_add(1, SeqCst) + 1;
        if self.hangs.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.down.load(SeqCst) {
            return Err(Error::StoreUnavailable);
        }
        let snapshot = Snapshot {
            time: StoreTime(poll * 1_000),
            round_trip: Duration::from_millis(1),
            queues: Vec::new(),
            workers: Vec::new(),
            recent: Vec::new(),
        };
        Ok(Seen {
            snapshot,
            refusal: None,
            memory: None,
        })
    }

    fn polls(&self) -> u64 {
        self.polls.load(SeqCst)
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn nobody_watching_means_no_poll() {
    let store = Store::default();
    let hub = store.hub();
    tokio::time::advance(3600 * SECOND).await;
    assert_eq!(store.polls(), 0);
    let mut stream = hub.subscribe(SECOND, QueueScope::all()).unwrap();
    stream.next().await.unwrap();
    drop(stream);
    let polls = store.polls();
    for _ in 0..100 {
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!(store.polls(), polls, "polling stops with the last stream");
}

#[tokio::test(start_paused = true)]
async fn the_first_message_comes_at_once_and_the_sequence_grows() {
    let hub = Store::default().hub();
    let began = Instant::now();
    let mut stream = hub.subscribe(15 * SECOND, QueueScope::all()).unwrap();
    let first = stream.next().await.unwrap();
    assert!(first.snapshot && began.elapsed() < SECOND);
    let second = stream.next().await.unwrap();
    assert!(!second.snapshot && second.sequence > first.sequence);
    assert_eq!(began.elapsed().as_secs(), 15);
    assert_eq!(second.server_id, "server");
}

#[tokio::test(start_paused = true)]
async fn many_streams_share_the_polls_of_the_fastest() {
    let store = Store::default();
    let hub = store.hub();
    let mut streams: Vec<_> = (0..100)
        .map(|_| hub.subscribe(SECOND, QueueScope::all()).unwrap())
        .collect();
    for _ in 0..10 {
        for stream in &mut streams {
            stream.next().await.unwrap();
        }
    }
    assert!(
        (10..=11).contains(&store.polls()),
        "{} polls for 1,000 messages",
        store.polls()
    );
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_gets_fresh_numbers_beside_a_slow_stream() {
    let store = Store::default();
    let hub = store.hub();
    let mut slow = hub.subscribe(15 * SECOND, QueueScope::all()).unwrap();
    let old = slow.next().await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    let began = Instant::now();
    let fresh = hub
        .subscribe(15 * SECOND, QueueScope::all())
        .unwrap()
        .next()
        .await
        .unwrap();
    assert!(fresh.sequence > old.sequence && began.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_the_latest() {
    let hub = Store::default().hub();
    let mut slow = hub.subscribe(SECOND, QueueScope::all()).unwrap();
    let mut fast = hub.subscribe(SECOND, QueueScope::all()).unwrap();
    slow.next().await.unwrap();
    let mut latest = 0;
    for _ in 0..20 {
        latest = fast.next().await.unwrap().sequence;
    }
    assert!(slow.next().await.unwrap().sequence >= latest);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_every_interval_with_the_last_known_numbers() {
    let store = Store::default();
    let hub = store.hub();
    let mut stream = hub.subscribe(SECOND, QueueScope::all()).unwrap();
    let good = stream.next().await.unwrap();
    for outage in [&store.down, &store.hangs] {
        outage.store(true, SeqCst);
        let told = stream.next().await.unwrap();
        assert_eq!(
            told.health.as_ref().unwrap().status(),
            HealthStatus::Unhealthy
        );
        assert_eq!(told.time, good.time);
        let again = stream.next().await.unwrap();
        assert!(again.sequence > told.sequence);
    }
    store.down.store(false, SeqCst);
    store.hangs.store(false, SeqCst);
    stream.next().await.unwrap();
    let back = stream.next().await.unwrap();
    assert_eq!(back.health.unwrap().status(), HealthStatus::Healthy);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_every_stream() {
    let hub = Store::default().hub();
    let mut stream = hub.subscribe(SECOND, QueueScope::all()).unwrap();
    stream.next().await.unwrap();
    hub.0.stopping.cancel();
    assert_eq!(stream.next().await.unwrap_err(), Error::ShuttingDown);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_streams_is_bounded() {
    let hub = Store::default().hub();
    let streams: Vec<_> = (0..MAX_STREAMS)
        .map(|_| hub.subscribe(SECOND, QueueScope::all()).unwrap())
        .collect();
    assert!(matches!(
        hub.subscribe(SECOND, QueueScope::all()),
        Err(Error::TooManyStreams { limit: MAX_STREAMS })
    ));
    drop(streams);
    assert!(hub.subscribe(SECOND, QueueScope::all()).is_ok());
}
