//! All that callers ask for, and what must have become of it.

use std::collections::BTreeMap;

use jobflow::proto::job_service_client::JobServiceClient;
use jobflow::proto::queue_service_client::QueueServiceClient;
use jobflow::proto::submit_job_request::When;
use jobflow::proto::submit_job_result::Verdict;
use jobflow::proto::worker_service_client::WorkerServiceClient;
use jobflow::proto::{
    BatchSubmitJobsRequest, BulkAction, CancelJobRequest, DeleteJobRequest, DeleteQueueRequest,
    Durability, Job, JobState as WireState, ListWorkersRequest, PauseQueueRequest,
    PurgeQueueRequest, Queue, QueueSettings, ResumeQueueRequest, SignalWorkerRequest,
    StartBulkOperationRequest, SubmitJobRequest, UpdateJobRequest, UpdateQueueRequest,
    WorkerSignal,
};
use jobflow::testing::wait_for;
use jobflow::{JobId, JobState};
use prost_types::{Duration, FieldMask};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::stage::Stage;

/// What must have become of each job that was acknowledged.
pub(crate) type Work = BTreeMap<JobId, Fate>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Ends(JobState),
    IsDeleted,
}

/// How often a handler may begin: once, again for an error, and again for a process that died.
const MOST_RUNS: usize = 3;

pub(crate) async fn do_all(stage: &Stage) -> Work {
    let mut work = Work::new();
    let completed = Fate::Ends(JobState::Completed);
    for _ in 0..6 {
        work.insert(submit(stage, job("plain")).await, completed);
    }
    let on_disk = SubmitJobRequest {
        durability: Durability::Fsync.into(),
        ..job("plain")
    };
    work.insert(submit(stage, on_disk).await, completed);
    for id in submit_batch(stage, vec![job("plain"), job("plain"), job("plain")]).await {
        work.insert(id, completed);
    }
    work.insert(submit(stage, job("talk")).await, completed);
    work.insert(submit(stage, job("flaky")).await, completed);
    work.insert(
        submit(stage, job("hopeless")).await,
        Fate::Ends(JobState::Failed),
    );
    work.insert(submit(stage, later(job("plain"), 0)).await, completed);
    let waits = submit(stage, job("wait")).await;
    work.insert(waits, Fate::Ends(JobState::Cancelled));

    let ahead = submit(stage, later(job("plain"), 3_600)).await;
    run_now(stage, ahead).await;
    work.insert(ahead, completed);
    cancel_in_bulk(stage, &mut work).await;
    spread_and_gather(stage, &mut work).await;
    control(stage, &mut work).await;
    cancel_when_it_runs(stage, waits).await;
    // For a stop while something runs.
    let runs_at_the_end = submit(stage, job("wait")).await;
    begun(stage, runs_at_the_end).await;
    work.insert(runs_at_the_end, Fate::Ends(JobState::Cancelled));
    work
}

/// Waits for all of it, and looks from the outside.
pub(crate) async fn all_came_to_its_end(stage: &Stage, work: &Work) {
    let last = work
        .iter()
        .filter(|(_, fate)| **fate == Fate::Ends(JobState::Cancelled));
    for (id, _) in last {
        cancel(stage, *id).await;
    }
    for (id, fate) in work {
        let at_last = wait_for(&format!("{id} to be as {fate:?}"), async || {
            stage.restart_the_dead();
            let state = stage.queue.get(*id).await.map(|job| job.state);
            match (state, fate) {
                (Ok(state), Fate::Ends(expected)) if state == *expected => Some(true),
                (Ok(state), Fate::Ends(_)) if is_final(state) => Some(false),
                (Err(error), fate) if error.code() == jobflow::Code::JobNotFound => {
                    Some(*fate == Fate::IsDeleted)
                }
                _ => None,
            }
        })
        .await;
        assert!(at_last, "{id} is not as {fate:?}");
    }
    let diary = stage.diary();
    for (id, fate) in work {
        let (begins, ends) = diary.get(&id.to_string()).copied().unwrap_or_default();
        assert!(begins <= MOST_RUNS, "{id} ran {begins} times");
        if *fate == Fate::Ends(JobState::Completed) {
            assert!(ends >= 1, "{id} is completed and its handler never was");
        }
    }
    let known: Vec<_> = diary
        .keys()
        .filter(|id| !work.contains_key(&id.parse().unwrap()))
        .collect();
    assert!(known.is_empty(), "nobody submitted {known:?}");
}

const fn is_final(state: JobState) -> bool {
    matches!(
        state,
        JobState::Completed | JobState::Failed | JobState::Cancelled
    )
}

fn job(kind: &str) -> SubmitJobRequest {
    SubmitJobRequest {
        kind: kind.to_owned(),
        request_id: Uuid::now_v7().to_string(),
        backoff: Some(jobflow::proto::Backoff {
            initial: Some(Duration {
                seconds: 0,
                nanos: 10_000_000,
            }),
            ..jobflow::proto::Backoff::default()
        }),
        ..SubmitJobRequest::default()
    }
}

fn later(job: SubmitJobRequest, seconds: i64) -> SubmitJobRequest {
    let delay = Duration {
        seconds,
        nanos: 100_000_000,
    };
    SubmitJobRequest {
        when: Some(When::Delay(delay)),
        ..job
    }
}

async fn submit(stage: &Stage, job: SubmitJobRequest) -> JobId {
    let answer = stage
        .call("a submit", async |channel| {
            JobServiceClient::new(channel).submit_job(job.clone()).await
        })
        .await;
    let submitted = answer.unwrap().into_inner();
    submitted.job.unwrap().id.parse().unwrap()
}

async fn submit_batch(stage: &Stage, jobs: Vec<SubmitJobRequest>) -> Vec<JobId> {
    let request = BatchSubmitJobsRequest { requests: jobs };
    let answer = stage
        .call("a batch", async |channel| {
            let mut client = JobServiceClient::new(channel);
            client.batch_submit_jobs(request.clone()).await
        })
        .await;
    let results = answer.unwrap().into_inner().results;
    let ids = results
        .into_iter()
        .map(|result| match result.verdict.unwrap() {
            Verdict::CreatedId(id) | Verdict::DuplicateId(id) => id.parse().unwrap(),
            other => panic!("a submit was not stored: {other:?}"),
        });
    ids.collect()
}

async fn begun(stage: &Stage, id: JobId) {
    wait_for("a handler to begin", async || {
        stage.restart_the_dead();
        stage.diary().contains_key(&id.to_string()).then_some(())
    })
    .await;
}

async fn cancel_when_it_runs(stage: &Stage, id: JobId) {
    begun(stage, id).await;
    cancel(stage, id).await;
}

async fn cancel(stage: &Stage, id: JobId) {
    let id = id.to_string();
    let answer = stage
        .call("a cancel", async |channel| {
            let request = CancelJobRequest {
                id: id.clone(),
                ..CancelJobRequest::default()
            };
            JobServiceClient::new(channel).cancel_job(request).await
        })
        .await;
    // It may have been heard before.
    done_or(answer, Code::FailedPrecondition);
}

async fn run_now(stage: &Stage, id: JobId) {
    let request = UpdateJobRequest {
        job: Some(Job {
            id: id.to_string(),
            run_time: Some(prost_types::Timestamp {
                seconds: 1,
                nanos: 0,
            }),
            ..Job::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["run_time".to_owned()],
        }),
        ..UpdateJobRequest::default()
    };
    let answer = stage
        .call("an update", async |channel| {
            JobServiceClient::new(channel)
                .update_job(request.clone())
                .await
        })
        .await;
    done_or(answer, Code::FailedPrecondition);
}

async fn cancel_in_bulk(stage: &Stage, work: &mut Work) {
    for _ in 0..3 {
        let tagged = SubmitJobRequest {
            tags: vec!["bulk".to_owned()],
            ..job("plain")
        };
        let id = submit(stage, later(tagged, 3_600)).await;
        work.insert(id, Fate::Ends(JobState::Cancelled));
    }
    let request = StartBulkOperationRequest {
        action: BulkAction::Cancel.into(),
        filter: "tags:bulk".to_owned(),
        request_id: Uuid::now_v7().to_string(),
        ..StartBulkOperationRequest::default()
    };
    let answer = stage
        .call("a bulk operation", async |channel| {
            let mut client = JobServiceClient::new(channel);
            client.start_bulk_operation(request.clone()).await
        })
        .await;
    let id = answer.unwrap().into_inner().operation.unwrap().id;
    wait_for("the end of a bulk operation", async || {
        stage.restart_the_dead();
        let operation = stage.queue.get_bulk(&id).await.unwrap();
        (operation.is_over() && operation.changed == 3).then_some(())
    })
    .await;
}

/// A queue gets a further partition and loses it again, which somebody will drop:
/// mostly the duties, as soon as they know of it.
async fn spread_and_gather(stage: &Stage, work: &mut Work) {
    let wide = SubmitJobRequest {
        queue: "wide".to_owned(),
        ..later(job("plain"), 3_600)
    };
    let id = submit(stage, wide).await;
    spread_over(stage, "wide", 2).await;
    spread_over(stage, "wide", 1).await;
    cancel(stage, id).await;
    work.insert(id, Fate::Ends(JobState::Cancelled));
}

async fn spread_over(stage: &Stage, queue: &str, partitions: i32) {
    let request = UpdateQueueRequest {
        queue: Some(Queue {
            name: queue.to_owned(),
            settings: Some(QueueSettings {
                partitions: Some(partitions),
                ..QueueSettings::default()
            }),
            ..Queue::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["settings.partitions".to_owned()],
        }),
        ..UpdateQueueRequest::default()
    };
    let answer = stage
        .call("a change of a queue", async |channel| {
            let mut client = QueueServiceClient::new(channel);
            client.update_queue(request.clone()).await
        })
        .await;
    answer.unwrap();
}

/// Pause, resume, delete, purge, delete the queue, signal.
async fn control(stage: &Stage, work: &mut Work) {
    let name = || "other".to_owned();
    let ahead = || SubmitJobRequest {
        queue: name(),
        ..later(job("plain"), 3_600)
    };
    let deleted = submit(stage, ahead()).await;
    let purged = submit(stage, ahead()).await;
    work.extend([(deleted, Fate::IsDeleted), (purged, Fate::IsDeleted)]);

    pause_and_resume(stage, &name()).await;
    let id = deleted.to_string();
    let answer = stage
        .call("a deletion", async |channel| {
            let request = DeleteJobRequest {
                id: id.clone(),
                ..DeleteJobRequest::default()
            };
            JobServiceClient::new(channel).delete_job(request).await
        })
        .await;
    done_or(answer, Code::NotFound);
    let purged = stage
        .call("a purge", async |channel| {
            let request = PurgeQueueRequest {
                name: name(),
                states: vec![WireState::Scheduled.into()],
                confirm_name: name(),
                ..PurgeQueueRequest::default()
            };
            QueueServiceClient::new(channel).purge_queue(request).await
        })
        .await;
    purged.unwrap();
    let answer = stage
        .call("the deletion of a queue", async |channel| {
            let request = DeleteQueueRequest { name: name() };
            QueueServiceClient::new(channel).delete_queue(request).await
        })
        .await;
    done_or(answer, Code::NotFound);
    signal(stage).await;
}

async fn pause_and_resume(stage: &Stage, queue: &str) {
    let paused = stage
        .call("a pause", async |channel| {
            let request = PauseQueueRequest {
                name: queue.to_owned(),
                ..PauseQueueRequest::default()
            };
            QueueServiceClient::new(channel).pause_queue(request).await
        })
        .await;
    paused.unwrap();
    let resumed = stage
        .call("a resume", async |channel| {
            let request = ResumeQueueRequest {
                name: queue.to_owned(),
                ..ResumeQueueRequest::default()
            };
            QueueServiceClient::new(channel).resume_queue(request).await
        })
        .await;
    resumed.unwrap();
}

async fn signal(stage: &Stage) {
    let answer = stage
        .call("a signal", async |channel| {
            let mut client = WorkerServiceClient::new(channel);
            let workers = client.list_workers(ListWorkersRequest::default()).await?;
            let Some(worker) = workers.into_inner().workers.pop() else {
                return Err(Status::unavailable("no worker has beaten so far"));
            };
            let request = SignalWorkerRequest {
                id: worker.id,
                signal: WorkerSignal::Resume.into(),
            };
            client.signal_worker(request).await
        })
        .await;
    // Of a worker that has died meanwhile.
    done_or(answer, Code::NotFound);
}

/// Done now, or done before, by a call whose answer was lost.
fn done_or<T>(answer: Result<T, Status>, before: Code) {
    if let Err(status) = answer {
        assert_eq!(status.code(), before, "{status}");
    }
}
