//! `QueryMetrics`.

use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{Gathered, JobState, Kind, Measured, NewJob, Outcome, proto};

use crate::support::Server;

async fn ask(server: &Server, query: &proto::QueryMetricsRequest) -> proto::QueryMetricsResponse {
    let told = server.metrics().query_metrics(query.clone()).await;
    told.unwrap().into_inner()
}

async fn do_jobs(queue: &TestQueue, name: &str, jobs: usize) {
    let mut gathered = Gathered::default();
    let job = NewJob::new("resize", "{}").unwrap().queue(name).unwrap();
    for millis in 1..=jobs as u64 {
        queue.submit(job.clone()).await.unwrap();
        let lease = Duration::from_secs(30);
        let claimed = queue
            .claim(&name.parse().unwrap(), 1, lease, "w")
            .await
            .unwrap();
        let state = queue.finish(&claimed.jobs[0], Outcome::Ack(None)).await;
        let measured = Measured {
            state: state.unwrap(),
            errored: false,
            waited: Duration::from_millis(millis),
            ran: Duration::from_millis(100 * millis),
        };
        assert_eq!(measured.state, JobState::Completed);
        gathered.add(&Kind::new("resize").unwrap(), measured);
    }
    queue
        .measure(&name.parse().unwrap(), &gathered)
        .await
        .unwrap();
}

#[tokio::test]
async fn every_server_tells_the_same_past_also_after_a_restart() {
    let queue = TestQueue::new();
    let (one, other) = (Server::over(&queue).await, Server::over(&queue).await);
    do_jobs(&queue, "mail", 20).await;
    do_jobs(&queue, "thumbs", 10).await;
    queue.submit(NewJob::new("k", "{}").unwrap()).await.unwrap();
    let end_time = Some(proto::timestamp(queue.snapshot().await.unwrap().time));
    let of = |queue: &str, kind: &str, seconds| proto::QueryMetricsRequest {
        queue: queue.to_owned(),
        kind: kind.to_owned(),
        end_time,
        step: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..proto::QueryMetricsRequest::default()
    };
    let mut before = Vec::new();
    for query in [
        of("", "", 60),
        of("mail", "", 3_600),
        of("mail", "resize", 60),
    ] {
        let told = ask(&one, &query).await;
        assert_eq!(ask(&other, &query).await, told);
        before.push((query, told));
    }
    one.stop().await.unwrap();
    let again = Server::over(&queue).await;
    for (query, told) in &before {
        assert_eq!(ask(&again, query).await, *told);
    }

    let whole = |told: &proto::QueryMetricsResponse| told.whole.unwrap();
    let (all, mail, kind) = (
        whole(&before[0].1),
        whole(&before[1].1),
        whole(&before[2].1),
    );
    let counted = all.counted.unwrap();
    assert_eq!(
        (counted.submitted, counted.completed, all.waiting),
        (31, 30, 1)
    );
    assert_eq!(mail.counted.unwrap().completed, 20);
    assert_eq!(kind.counted.unwrap().completed, 20);
    assert_eq!((kind.wait, kind.run), (mail.wait, mail.run));
    assert_eq!(before[1].1.kinds, ["resize"]);
    let run = mail.run.unwrap();
    let p50 = Duration::try_from(run.p50.unwrap()).unwrap().as_secs_f64();
    assert!(run.count == 20 && (0.95..1.05).contains(&p50), "{run:?}");
    assert_eq!(all.run.unwrap().count, 30);
    other.stop().await.unwrap();
    again.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_snapshot_tells_percentiles_and_the_memory_of_the_store() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    do_jobs(&queue, "mail", 5).await;
    let request = proto::StreamMetricsRequest::default();
    let stream = server.metrics().stream_metrics(request).await;
    let first = stream
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.run.unwrap().count, 5);
    assert_eq!(first.queues[0].wait, first.wait);
    assert!(first.store_memory.unwrap().used_bytes > 100_000);
    server.stop().await.unwrap();
    queue.close().await;
}
