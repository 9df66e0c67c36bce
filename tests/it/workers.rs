use jobflow::testing::TestQueue;
use jobflow::{Code, RunningJob, WorkerBeat, WorkerState};

use crate::{job, submit};

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
        ..WorkerBeat::default()
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
async fn a_worker_tells_what_it_is_and_what_it_runs() {
    let queue = TestQueue::new();
    let running = |n: u32| RunningJob {
        id: format!("job {n}"),
        queue: "default".to_owned(),
        kind: "noop".to_owned(),
        attempt: 2,
        elapsed_ms: 1_500,
    };
    let said = WorkerBeat {
        uptime_ms: Some(3_600_000),
        state: WorkerState::Quiet,
        running: (0..101).map(running).collect(),
        ..beat("a")
    };
    queue.beat(&said).await.unwrap();
    let found = queue.get_worker("a").await.unwrap();
    let submitted = submit(&queue, job()).await;
    let now = queue.get(submitted).await.unwrap().created;
    let up = now.since(found.started.unwrap());
    assert!((3_600..3_700).contains(&up.as_secs()));
    let found = found.beat;
    assert_eq!(found.running, said.running[..100]);
    let listed = queue.list_workers().await.unwrap().remove(0).beat;
    let without = WorkerBeat {
        running: Vec::new(),
        ..said
    };
    assert_eq!(listed, without);
    queue.beat(&without).await.unwrap();
    assert_eq!(queue.get_worker("a").await.unwrap().beat, without);
    queue.forget_worker("a").await.unwrap();
    let gone = queue.get_worker("a").await.unwrap_err();
    assert_eq!(gone.code(), Code::WorkerNotFound);
    queue.close().await;
}

#[test]
fn a_beat_of_an_older_worker_can_be_read() {
    let old = r#"{"id":"a","host":"box","pid":7,"version":"0.1.0","queues":["default"],"kinds":["*"],"slots":64,"busy":3}"#;
    assert_eq!(serde_json::from_str::<WorkerBeat>(old).unwrap(), beat("a"));
}

#[tokio::test]
async fn an_odd_worker_id_is_refused() {
    let queue = TestQueue::new();
    for id in [String::new(), "x".repeat(129)] {
        let refused = [
            queue.beat(&beat(&id)).await.unwrap_err(),
            queue.get_worker(&id).await.unwrap_err(),
        ];
        for refused in refused {
            assert_eq!(refused.code(), Code::InvalidField);
        }
    }
    queue.close().await;
}
