use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jobflow::proto::handle_response::Event;
use jobflow::proto::{
    HandleAck, HandleError, HandleLog, HandleProgress, HandleRequest, HandleSnooze, duration,
};
use jobflow::testing::{TestQueue, wait_for};
use jobflow::{JobRecord, JobState, MAX_PAYLOAD, NewJob};
use jobflow_worker::handlers::HandlerSpec;
use jobflow_worker::{Worker, WorkerBuilder};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tonic::Status;
use tonic_health::ServingStatus;

use crate::foreign::{Answer, Process, ack, messages, silence};
use crate::support::{Running, eager, error_of, submit, wait_until};

fn worker(queue: &TestQueue, urls: &[String]) -> WorkerBuilder {
    let spec: HandlerSpec = format!("grpc:{}", urls.join(",")).parse().unwrap();
    Worker::builder(queue)
        .grace(Duration::from_millis(1))
        .handler_for("k", spec.handler())
}

/// Runs one job by a handler.
async fn run(
    job: NewJob,
    state: JobState,
    handle: impl Fn(HandleRequest) -> Answer + Send + Sync + 'static,
) -> JobRecord {
    let queue = TestQueue::new();
    let process = Process::start(handle);
    let worker = Running::start(worker(&queue, &[process.url()]));
    let id = submit(&queue, job).await;
    let job = wait_until(&queue, id, state).await;
    worker.stop().await;
    queue.close().await;
    job
}

#[tokio::test]
async fn a_handler_in_another_process_gets_all_there_is_to_know() {
    let payload = r#"{"n":12345678901234567890}"#;
    let job = eager(payload)
        .headers([("from".to_owned(), "a test".to_owned())])
        .unwrap();
    let job = run(job, JobState::Completed, |request| {
        let left = request.time_left.unwrap();
        assert!((1_790..=1_800).contains(&left.seconds), "{left:?}");
        let result = format!(
            "{} {} {} {} {}/{} {} {} {}",
            request.id,
            request.queue,
            request.kind,
            request.content_type,
            request.attempt,
            request.max_attempts,
            request.crash_count,
            request.lease_token,
            request.headers["from"],
        );
        assert_eq!(request.payload, r#"{"n":12345678901234567890}"#);
        messages([Event::Ack(HandleAck {
            result: result.into(),
            content_type: "text/plain".to_owned(),
        })])
    });
    let job = job.await;
    let result = job.result.unwrap();
    let all = format!("{} default k application/json 1/3 0 1 a test", job.id);
    assert_eq!(result.bytes, all);
    assert_eq!(result.content_type, "text/plain");
}

#[tokio::test]
async fn what_it_says_on_the_way_is_the_log_and_the_progress_of_the_job() {
    let queue = TestQueue::new();
    let process = Process::start(|_| {
        let log = |lines: &[&str]| {
            let lines = lines.iter().map(|&line| line.to_owned()).collect();
            Event::Log(HandleLog { lines })
        };
        let progress = |percent, message: &str| {
            let message = message.to_owned();
            Event::Progress(HandleProgress { percent, message })
        };
        messages([
            log(&["one", "two\n"]),
            progress(20, "begun"),
            log(&[&"x".repeat(5_000)]),
            progress(400, "too far"),
            Event::Ack(HandleAck::default()),
        ])
    });
    let worker = Running::start(worker(&queue, &[process.url()]));
    let id = submit(&queue, eager("{}")).await;
    let job = wait_until(&queue, id, JobState::Completed).await;
    assert_eq!(job.result, None);
    let progress = job.progress.unwrap();
    assert_eq!(
        (progress.percent, progress.message.as_str()),
        (100, "too far")
    );
    let lines = queue.logs(id, 0, 100).await.unwrap().lines;
    let lines: Vec<_> = lines.into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["one", "two", &"x".repeat(4_096), &"x".repeat(904)]);
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn each_outcome_and_status_does_what_it_says() {
    let error = |permanent, retry_delay| {
        Event::Error(HandleError {
            code: "NO_DISK".to_owned(),
            message: "it is full".to_owned(),
            permanent,
            retry_delay,
        })
    };
    let once = || eager("{}").max_attempts(1).unwrap();
    let failed = run(once(), JobState::Failed, move |_| {
        messages([error(false, None)])
    })
    .await;
    assert_eq!(error_of(&failed), ("NO_DISK", "it is full"));
    let failed = run(eager("{}"), JobState::Failed, move |_| {
        messages([error(true, None)])
    })
    .await;
    assert_eq!(failed.attempt, 1);
    let hour = duration(Duration::from_secs(3_600));
    let later = run(eager("{}"), JobState::Retrying, move |_| {
        messages([error(false, Some(hour))])
    })
    .await;
    assert!(later.ready.unwrap().since(later.created) >= Duration::from_secs(3_600));
    let snoozed = run(eager("{}"), JobState::Scheduled, move |_| {
        messages([Event::Snooze(HandleSnooze { delay: Some(hour) })])
    })
    .await;
    assert_eq!((snoozed.attempt, snoozed.error), (0, None));
    let silent = run(eager("{}"), JobState::Completed, |_| messages([])).await;
    assert_eq!(silent.result, None);

    let failed = run(once(), JobState::Failed, |_| Err(Status::unknown("a bug"))).await;
    assert_eq!(error_of(&failed), ("HANDLER_ERROR", "Unknown: a bug"));
    let failed = run(eager("{}"), JobState::Failed, |_| {
        Err(Status::invalid_argument("no"))
    });
    assert_eq!(failed.await.attempt, 1);
    for status in [Status::unavailable("later"), Status::unimplemented("who?")] {
        let put_off = run(eager("{}"), JobState::Scheduled, move |_| {
            Err(status.clone())
        })
        .await;
        assert_eq!((put_off.attempt, put_off.error), (0, None));
    }
}

#[tokio::test]
async fn a_result_over_the_limit_fails_the_job() {
    for size in [MAX_PAYLOAD + 1, MAX_PAYLOAD * 10] {
        let job = run(eager("{}"), JobState::Failed, move |_| {
            ack(vec![b'x'; size])
        })
        .await;
        assert_eq!(job.attempt, 1, "{size}");
    }
    let job = run(eager("{}"), JobState::Completed, |_| {
        ack(vec![b'x'; MAX_PAYLOAD])
    })
    .await;
    assert_eq!(job.result.unwrap().bytes.len(), MAX_PAYLOAD);
}

/// Answers nothing, and tells when it is called and when its call ends.
fn waits(called: &Arc<Notify>, ended: &Arc<Notify>) -> impl Fn(HandleRequest) -> Answer + use<> {
    struct Tell(Arc<Notify>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (called, ended) = (called.clone(), ended.clone());
    move |_| {
        called.notify_one();
        let tell = Tell(ended.clone());
        Ok(Box::pin(stream::pending().map(move |item| {
            let _held = &tell;
            item
        })))
    }
}

#[tokio::test]
async fn a_handler_is_told_by_the_end_of_its_call_that_its_job_is_called_off() {
    let queue = TestQueue::new();
    let (called, ended) = Default::default();
    let process = Process::start(waits(&called, &ended));
    let worker = Running::start(worker(&queue, &[process.url()]));
    let id = submit(&queue, eager("{}")).await;
    called.notified().await;
    queue.cancel(id, "", None).await.unwrap();
    ended.notified().await;
    wait_until(&queue, id, JobState::Cancelled).await;
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn a_handler_over_its_time_is_told_and_the_attempt_times_out() {
    let queue = TestQueue::new();
    let (called, ended) = Default::default();
    let process = Process::start(waits(&called, &ended));
    let worker = Running::start(worker(&queue, &[process.url()]));
    let job = eager("{}").max_attempts(1).unwrap();
    let job = job.timeout(Duration::from_millis(300)).unwrap();
    let id = submit(&queue, job).await;
    let job = wait_until(&queue, id, JobState::Failed).await;
    assert_eq!(error_of(&job).0, "TIMEOUT");
    ended.notified().await;
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn a_handler_that_is_down_costs_no_attempt_and_its_jobs_run_once_it_is_up() {
    let queue = TestQueue::new();
    let address = Process::start(|_| silence()).kill();
    let worker = Running::start(worker(&queue, &[format!("http://{address}")]));
    let id = submit(&queue, eager("{}").max_attempts(1).unwrap()).await;
    let job = wait_until(&queue, id, JobState::Scheduled).await;
    assert_eq!((job.attempt, job.crash_count, job.error), (0, 0, None));

    let process = Process::start_at(&address, |_| ack("1"));
    queue.promote_job(id).await.unwrap();
    let job = wait_until(&queue, id, JobState::Completed).await;
    assert_eq!((job.attempt, job.crash_count), (1, 0));
    worker.stop().await;
    drop(process);
    queue.close().await;
}

#[tokio::test]
async fn a_handler_that_dies_with_a_job_is_a_lost_worker_and_costs_no_attempt() {
    let queue = TestQueue::new();
    let (called, ended) = Default::default();
    let process = Process::start(waits(&called, &ended));
    let urls = [process.url()];
    let worker = Running::start(worker(&queue, &urls).lease(Duration::from_secs(1)));
    let id = submit(&queue, eager("{}").max_attempts(1).unwrap()).await;
    called.notified().await;
    let address = process.kill();
    let _next = Process::start_at(&address, |request| ack(request.crash_count.to_string()));
    let job = wait_until(&queue, id, JobState::Completed).await;
    assert_eq!((job.attempt, job.crash_count), (1, 1));
    assert_eq!(job.result.unwrap().bytes, "1");
    assert_eq!(worker.stop().await.lost.get(), 1);
    queue.close().await;
}

/// Passes one connection on, until told to break it; from then on it accepts
/// connections and closes them.
async fn relay_once(to: String, broken: Arc<Notify>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut from = listener.accept().await.unwrap().0;
        let mut to = TcpStream::connect(to).await.unwrap();
        tokio::select! {
            _ = copy_bidirectional(&mut from, &mut to) => {}
            () = broken.notified() => {}
        }
        drop(from);
        loop {
            drop(listener.accept().await.unwrap());
        }
    });
    url
}

#[tokio::test]
async fn a_handler_that_was_lost_gets_no_job_before_it_says_that_it_is_well() {
    let queue = TestQueue::new();
    let (called, ended) = Default::default();
    let process = Process::start(waits(&called, &ended));
    let broken = Arc::new(Notify::new());
    let url = relay_once(process.address().to_owned(), broken.clone()).await;
    let worker = Running::start(
        worker(&queue, &[url])
            .concurrency(1)
            .lease(Duration::from_secs(60)),
    );
    submit(&queue, eager("{}")).await;
    called.notified().await;
    let next = submit(&queue, eager("{}")).await;
    broken.notify_one();
    // It is put off, as nobody is there to have it.
    wait_until(&queue, next, JobState::Scheduled).await;
    assert_eq!(worker.stop().await.lost.get(), 1);
    queue.close().await;
}

#[tokio::test]
async fn jobs_are_spread_over_the_targets_and_those_that_are_not_well_get_none() {
    let queue = TestQueue::new();
    let seen: [Arc<AtomicUsize>; 3] = Default::default();
    let processes: Vec<_> = seen
        .iter()
        .map(|seen| {
            let seen = seen.clone();
            Process::start(move |_| {
                seen.fetch_add(1, Ordering::Relaxed);
                ack("1")
            })
        })
        .collect();
    processes[1]
        .health
        .set_service_status("", ServingStatus::NotServing)
        .await;
    let urls: Vec<_> = processes.iter().map(Process::url).collect();
    let worker = Running::start(worker(&queue, &urls));
    let run_100 = async || {
        let jobs = (0..100).map(|_| eager("{}")).collect();
        for submitted in queue.submit_batch(jobs).await {
            wait_until(&queue, submitted.unwrap().id, JobState::Completed).await;
        }
        seen.each_ref().map(|seen| seen.swap(0, Ordering::Relaxed))
    };
    // The first to come up may get the first jobs; later ones share them.
    wait_for("both to be called", async || {
        let [first, second, third] = run_100().await;
        assert_eq!((first + third, second), (100, 0));
        (first.min(third) > 20).then_some(())
    })
    .await;

    processes[1]
        .health
        .set_service_status("", ServingStatus::Serving)
        .await;
    processes[0]
        .health
        .set_service_status("", ServingStatus::NotServing)
        .await;
    wait_for("the two others to be called", async || {
        let [first, second, third] = run_100().await;
        (first == 0 && second.min(third) > 20).then_some(())
    })
    .await;
    worker.stop().await;
    queue.close().await;
}
