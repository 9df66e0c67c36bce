use jobflow::testing::TestQueue;
use jobflow::{Code, WorkerBeat};

fn beat(id: &str) -> WorkerBeat {
    WorkerBeat {
        id: id.to_owned(),
        host: "box".to_owned(),
        pid: 7,
        version: "0.1.0".to_owned(),
        queues: vec!["default".to_owned()],
        kinds: vec!["*".to_owned()],
        slots: 64,
        busy: 3,
    }
}

#[tokio::test]
async fn a_beating_worker_is_seen_until_it_says_goodbye() {
    let queue = TestQueue::new();
    queue.beat(&beat("a")).await.unwrap();
    queue.beat(&beat("b")).await.unwrap();
    queue
        .beat(&WorkerBeat {
            busy: 9,
            ..beat("a")
        })
        .await
        .unwrap();
    let workers = queue.snapshot().await.unwrap().workers;
    assert_eq!(workers.len(), 2);
    let a = workers.iter().find(|worker| worker.beat.id == "a").unwrap();
    assert_eq!(a.beat.busy, 9);
    queue.forget_worker("a").await.unwrap();
    assert_eq!(queue.snapshot().await.unwrap().workers.len(), 1);
    queue.close().await;
}

#[tokio::test]
async fn an_odd_worker_id_is_refused() {
    let queue = TestQueue::new();
    for id in [String::new(), "x".repeat(129)] {
        assert_eq!(
            queue.beat(&beat(&id)).await.unwrap_err().code(),
            Code::InvalidField
        );
    }
    queue.close().await;
}
