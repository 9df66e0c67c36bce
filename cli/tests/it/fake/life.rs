//! What becomes of a job, and how it is told.

use jobflow::proto::{self, JobState};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::{NOW, Script, boom, error, time};

/// The job as its handler leaves it.
pub(super) fn ended(mut job: proto::Job) -> proto::Job {
    match job.kind.as_str() {
        "fails" => {
            job.set_state(JobState::Failed);
            job.error = Some(boom());
        }
        "cancelled" => job.set_state(JobState::Cancelled),
        _ => {
            job.set_state(JobState::Completed);
            job.result = job.payload.clone();
            job.result_content_type.clone_from(&job.content_type);
        }
    }
    job
}

/// The job while its handler is at a line of its log.
pub(super) fn at_work(job: &proto::Job, line: usize) -> proto::WatchJobResponse {
    let mut job = job.clone();
    job.set_state(JobState::Active);
    job.progress = Some(proto::Progress {
        percent: i32::try_from(line * 50).unwrap(),
        message: format!("step {line}"),
        update_time: None,
    });
    proto::WatchJobResponse {
        job: Some(job),
        log_lines: vec![proto::LogLine {
            number: i64::try_from(line).unwrap(),
            time: time(NOW),
            text: format!("line {line}"),
        }],
    }
}

pub(super) fn forbidden_step(from: &str, to: &str) -> Status {
    let message = format!("a job can not go from {from} to {to}");
    error(
        Code::FailedPrecondition,
        "INVALID_STATE_TRANSITION",
        &message,
    )
}

impl Script {
    /// A stream of these messages, which then stays open or breaks.
    pub(super) fn stream<T: Send + 'static>(
        &mut self,
        mut messages: Vec<Result<T, Status>>,
    ) -> ReceiverStream<Result<T, Status>> {
        let breaks = self.break_streams > 0;
        if breaks {
            self.break_streams -= 1;
            messages.truncate(1);
            messages.push(Err(Status::unavailable("restarts")));
        }
        let (sender, receiver) = mpsc::channel(messages.len());
        for message in messages {
            assert!(sender.try_send(message).is_ok(), "there is room for all");
        }
        if !breaks {
            // It ends when nobody reads it.
            tokio::spawn(async move { sender.closed().await });
        }
        ReceiverStream::new(receiver)
    }
}
