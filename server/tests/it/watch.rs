//! `WatchJob` and `ListJobLogs`.

use jobflow::testing::TestQueue;
use jobflow::{ClaimedJob, Force, JobId, NewJob, Outcome, Report, proto};
use tonic::{Code, Streaming};

use crate::support::{Server, details};

async fn submit(server: &Server) -> JobId {
    let job = NewJob::new("k", "{}").unwrap();
    server.queue.submit(job).await.unwrap().id
}

async fn watch(server: &Server, id: JobId) -> Streaming<proto::WatchJobResponse> {
    let request = proto::WatchJobRequest {
        id: id.to_string(),
        from_line: 0,
    };
    let stream = server.jobs().watch_job(request).await.unwrap();
    stream.into_inner()
}

async fn report(server: &Server, job: &ClaimedJob, percent: u8, lines: &[&str]) {
    let report = Report {
        progress: Some((percent, "on the way".to_owned())),
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
    };
    server.queue.report(job, report).await.unwrap();
}

#[tokio::test]
async fn a_watch_tells_state_progress_lines_and_result_as_they_come() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let id = submit(&server).await;
    let mut stream = watch(&server, id).await;
    let first = stream.message().await.unwrap().unwrap();
    let job = first.job.unwrap();
    assert_eq!(
        (job.state(), &*job.payload),
        (proto::JobState::Waiting, &b"{}"[..])
    );

    let claimed = server.claim("default").await;
    report(&server, &claimed, 40, &["one", "two"]).await;
    let mut lines = Vec::new();
    let mut percents = Vec::new();
    while percents.last() != Some(&40) || lines.len() < 2 {
        let message = stream.message().await.unwrap().unwrap();
        lines.extend(
            message
                .log_lines
                .into_iter()
                .map(|line| (line.number, line.text)),
        );
        let progress = message.job.and_then(|job| {
            assert!(job.payload.is_empty(), "only the first message has it");
            job.progress
        });
        percents.extend(progress.map(|progress| progress.percent));
    }
    assert_eq!(lines, [(0, "one".to_owned()), (1, "two".to_owned())]);

    report(&server, &claimed, 100, &["three"]).await;
    let result = jobflow::JobResult {
        bytes: "7".into(),
        content_type: "application/json".to_owned(),
    };
    queue
        .finish(&claimed, Outcome::Ack(Some(result)))
        .await
        .unwrap();
    let mut last = None;
    while let Some(message) = stream.message().await.unwrap() {
        lines.extend(
            message
                .log_lines
                .into_iter()
                .map(|line| (line.number, line.text)),
        );
        last = message.job.or(last);
    }
    let last = last.unwrap();
    assert_eq!(
        (last.state(), &*last.result),
        (proto::JobState::Completed, &b"7"[..])
    );
    assert_eq!(lines.len(), 3, "each line comes once");
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_watch_of_a_final_job_tells_it_and_ends() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let id = submit(&server).await;
    queue.cancel(id, "", None).await.unwrap();
    let mut stream = watch(&server, id).await;
    let job = stream.message().await.unwrap().unwrap().job.unwrap();
    assert_eq!(job.state(), proto::JobState::Cancelled);
    assert!(stream.message().await.unwrap().is_none());
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn watches_and_waits_of_a_deleted_job_end_with_not_found() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let id = submit(&server).await;
    let mut stream = watch(&server, id).await;
    stream.message().await.unwrap().unwrap();
    let wait = server.begin_wait(id).await;
    queue.delete(id, Force::No, None).await.unwrap();
    let ended = [
        stream.message().await.unwrap_err(),
        wait.await.unwrap().unwrap_err(),
    ];
    for status in ended {
        assert_eq!(
            (status.code(), &*details(&status).0),
            (Code::NotFound, "JOB_NOT_FOUND")
        );
    }
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn log_lines_are_listed_in_pages() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let id = submit(&server).await;
    let claimed = server.claim("default").await;
    report(&server, &claimed, 1, &["a", "b", "c"]).await;
    let (mut texts, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = proto::ListJobLogsRequest {
            id: id.to_string(),
            page_size: 2,
            page_token,
        };
        let page = server.jobs().list_job_logs(request).await.unwrap();
        let page = page.into_inner();
        texts.push(
            page.lines
                .into_iter()
                .map(|line| line.text)
                .collect::<Vec<_>>(),
        );
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(texts, [vec!["a", "b"], vec!["c"]]);
    server.stop().await.unwrap();
    queue.close().await;
}
