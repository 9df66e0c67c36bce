use jobflow::testing::{TestQueue, TestRedis, fresh_namespace, namespace_key, wait_for};
use jobflow::{
    Code, ControlMessage, ControlReader, JobId, JobQueue, QueueConfig, QueueName, WorkerBeat,
    WorkerSignal, WorkerState,
};

const ALL: [WorkerSignal; 3] = [
    WorkerSignal::Quiet,
    WorkerSignal::Resume,
    WorkerSignal::Stop,
];

pub(crate) fn beat(id: &str, state: WorkerState) -> WorkerBeat {
    WorkerBeat {
        id: id.to_owned(),
        state,
        ..WorkerBeat::default()
    }
}

/// The next message that is one; others pass by now and then without any.
async fn heard(reader: &mut ControlReader) -> Vec<ControlMessage> {
    loop {
        let messages = reader.next().await.unwrap();
        if !messages.is_empty() {
            return messages;
        }
    }
}

#[tokio::test]
async fn a_listening_worker_hears_a_signal_at_once() {
    let queue = TestQueue::new();
    queue
        .beat(&beat("w 1", WorkerState::Running))
        .await
        .unwrap();
    let mut reader = queue.control_reader();
    assert_eq!(heard(&mut reader).await, [ControlMessage::Connected]);
    for signal in ALL {
        queue.signal_worker("w 1", signal).await.unwrap();
        let worker = "w 1".to_owned();
        assert_eq!(
            heard(&mut reader).await,
            [ControlMessage::Signal { worker, signal }]
        );
    }
    queue.close().await;
}

#[tokio::test]
async fn a_signal_is_told_with_each_beat_until_it_is_obeyed() {
    let queue = TestQueue::new();
    let beats = async |state| queue.beat(&beat("w", state)).await.unwrap();
    assert_eq!(beats(WorkerState::Running).await, None);
    for (signal, before, after) in [
        (
            WorkerSignal::Quiet,
            WorkerState::Running,
            WorkerState::Quiet,
        ),
        (
            WorkerSignal::Resume,
            WorkerState::Quiet,
            WorkerState::Running,
        ),
        (
            WorkerSignal::Stop,
            WorkerState::Running,
            WorkerState::Stopping,
        ),
    ] {
        queue.signal_worker("w", signal).await.unwrap();
        assert_eq!(beats(before).await, Some(signal));
        assert_eq!(beats(before).await, Some(signal));
        assert_eq!(beats(after).await, None);
        assert_eq!(beats(before).await, None);
    }
    // The last one counts.
    queue.signal_worker("w", WorkerSignal::Stop).await.unwrap();
    queue.signal_worker("w", WorkerSignal::Quiet).await.unwrap();
    assert_eq!(beats(WorkerState::Running).await, Some(WorkerSignal::Quiet));
    // What one was told is not told to another, and ends with it.
    assert_eq!(
        queue.beat(&beat("v", WorkerState::Running)).await.unwrap(),
        None
    );
    queue.forget_worker("w").await.unwrap();
    assert_eq!(beats(WorkerState::Running).await, None);
    queue.close().await;
}

#[tokio::test]
async fn a_worker_that_is_not_there_can_not_be_told() {
    let queue = TestQueue::new();
    let mut reader = queue.control_reader();
    assert_eq!(heard(&mut reader).await, [ControlMessage::Connected]);
    let refused = queue.signal_worker("gone", WorkerSignal::Stop).await;
    let id = "gone".to_owned();
    assert_eq!(
        refused.unwrap_err(),
        jobflow::Error::WorkerNotFound { id: id.clone() }
    );
    for odd in [String::new(), "x".repeat(129)] {
        let refused = queue.signal_worker(&odd, WorkerSignal::Stop).await;
        let refused = refused.unwrap_err();
        assert_eq!(
            (refused.code(), refused.field()),
            (Code::InvalidField, Some("id"))
        );
    }
    // Nothing was kept for it, and nothing was said.
    assert_eq!(
        queue.beat(&beat(&id, WorkerState::Running)).await.unwrap(),
        None
    );
    queue.signal_worker(&id, WorkerSignal::Quiet).await.unwrap();
    let signal = WorkerSignal::Quiet;
    assert_eq!(
        heard(&mut reader).await,
        [ControlMessage::Signal { worker: id, signal }]
    );
    queue.close().await;
}

fn open(redis: &TestRedis) -> JobQueue {
    let config = QueueConfig {
        redis_url: redis.url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    };
    JobQueue::open(config).unwrap()
}

#[tokio::test]
async fn a_reader_connects_again_and_says_so() {
    let mut redis = TestRedis::start();
    let queue = open(&redis);
    let mut reader = queue.control_reader();
    assert_eq!(heard(&mut reader).await, [ControlMessage::Connected]);
    redis.kill();
    let ended = loop {
        if let Err(error) = reader.next().await {
            break error;
        }
    };
    assert_eq!(ended.code(), Code::StoreUnavailable);
    assert_eq!(
        reader.next().await.unwrap_err().code(),
        Code::StoreUnavailable
    );
    redis.resume();
    let messages = heard(&mut reader).await;
    assert_eq!(messages, [ControlMessage::Connected]);
    wait_for("the store to be found again", || async {
        queue.beat(&beat("w", WorkerState::Running)).await.ok()
    })
    .await;
    queue.signal_worker("w", WorkerSignal::Stop).await.unwrap();
    assert_eq!(heard(&mut reader).await.len(), 1);
}

#[tokio::test]
async fn a_cancel_is_heard_and_what_is_no_message_is_passed_over() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let mut reader = queue.control_reader();
    assert_eq!(heard(&mut reader).await, [ControlMessage::Connected]);
    let channel = namespace_key(&queue.config().namespace, "control");
    let id = JobId::generate(&QueueName::default());
    let bytes: String = id.as_bytes().map(|byte| format!("\\{byte:03}")).concat();
    let cancel = format!("return redis.call('PUBLISH', '{channel}', 'c{bytes}')");
    for message in ["", "c", "c1", "q", "sdance w", "s"] {
        assert_eq!(redis.cli(&["PUBLISH", &channel, message]).trim(), "1");
    }
    assert_eq!(redis.cli(&["EVAL", &cancel, "0"]).trim(), "1");
    assert_eq!(
        heard(&mut reader).await,
        [ControlMessage::CancelJobs(vec![id])]
    );
}

#[tokio::test]
async fn a_full_store_still_tells_workers() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let running = beat("w", WorkerState::Running);
    queue.beat(&running).await.unwrap();
    let set = redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(set.trim(), "OK");
    queue.signal_worker("w", WorkerSignal::Stop).await.unwrap();
    let told = queue.beat(&running).await.unwrap();
    assert_eq!(told, Some(WorkerSignal::Stop));
}
