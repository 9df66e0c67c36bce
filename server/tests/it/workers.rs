//! `WorkerService`.

use jobflow::testing::TestQueue;
use jobflow::{RunningJob, WorkerBeat, WorkerSignal, WorkerState, proto};

use crate::support::Server;

pub(crate) fn beat(id: &str, queue: &str) -> WorkerBeat {
    WorkerBeat {
        id: id.to_owned(),
        host: "box".to_owned(),
        pid: 7,
        version: "1.2.3".to_owned(),
        queues: vec![queue.to_owned()],
        kinds: vec!["*".to_owned()],
        slots: 4,
        busy: 1,
        uptime_ms: Some(60_000),
        state: WorkerState::Quiet,
        running: vec![RunningJob {
            id: "a".to_owned(),
            queue: queue.to_owned(),
            kind: "k".to_owned(),
            attempt: 2,
            elapsed_ms: 1_500,
        }],
    }
}

#[tokio::test]
async fn workers_are_listed_in_pages_and_by_queue() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    for (id, name) in [("w-1", "mail"), ("w-2", "mail"), ("w-3", "video")] {
        queue.beat(&beat(id, name)).await.unwrap();
    }
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = proto::ListWorkersRequest {
            page_size: 2,
            page_token,
            queue: String::new(),
        };
        let page = server.workers().list_workers(request).await.unwrap();
        let page = page.into_inner();
        found.extend(page.workers);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let mut ids: Vec<_> = found.iter().map(|worker| &*worker.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["w-1", "w-2", "w-3"]);
    assert!(found.iter().all(|worker| worker.running_jobs.is_empty()));
    let request = proto::ListWorkersRequest {
        queue: "video".to_owned(),
        ..proto::ListWorkersRequest::default()
    };
    let page = server.workers().list_workers(request).await.unwrap();
    let workers = page.into_inner().workers;
    assert_eq!((workers.len(), &*workers[0].id), (1, "w-3"));
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_worker_is_read_with_what_it_runs() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    queue.beat(&beat("w-1", "mail")).await.unwrap();
    let request = proto::GetWorkerRequest {
        id: "w-1".to_owned(),
    };
    let worker = server.workers().get_worker(request).await.unwrap();
    let worker = worker.into_inner().worker.unwrap();
    assert_eq!(worker.state(), proto::WorkerState::Quiet);
    assert_eq!((worker.pid, worker.slots, worker.busy_slots), (7, 4, 1));
    assert!(worker.start_time.unwrap().seconds > 0);
    let running = &worker.running_jobs[0];
    assert_eq!((&*running.kind, running.attempt), ("k", 2));
    assert_eq!(running.elapsed.unwrap().nanos, 500_000_000);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_signal_reaches_the_worker_with_its_next_beat() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    queue.beat(&beat("w-1", "mail")).await.unwrap();
    let request = proto::SignalWorkerRequest {
        id: "w-1".to_owned(),
        signal: proto::WorkerSignal::Stop.into(),
    };
    let told = server.workers().signal_worker(request).await.unwrap();
    assert_eq!(told.into_inner().worker.unwrap().id, "w-1");
    let heard = queue.beat(&beat("w-1", "mail")).await.unwrap();
    assert_eq!(heard, Some(WorkerSignal::Stop));
    server.stop().await.unwrap();
    queue.close().await;
}
