//! `JobService`.

use std::time::Duration;

use jobflow::{
    DEFAULT_CONTENT_TYPE, DEFAULT_MAX_ATTEMPTS, Error, JobId, MAX_BATCH, NewJob, Priority, Result,
    Submitted, proto,
};
use proto::job_service_server::JobService;
use proto::submit_job_result::Verdict;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::status::reply;
use crate::app::App;
use crate::deadline;

/// How long a wait lasts when neither the request nor the call says so.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
const MAX_WAIT: Duration = Duration::from_secs(3600);

pub(super) struct Jobs(pub(super) App);

#[tonic::async_trait]
impl JobService for Jobs {
    async fn submit_job(
        &self,
        request: Request<proto::SubmitJobRequest>,
    ) -> Result<Response<proto::SubmitJobResponse>, Status> {
        reply(self.submit(request.into_inner()).await)
    }

    async fn batch_submit_jobs(
        &self,
        request: Request<proto::BatchSubmitJobsRequest>,
    ) -> Result<Response<proto::BatchSubmitJobsResponse>, Status> {
        reply(self.submit_batch(request.into_inner().requests).await)
    }

    async fn get_job(
        &self,
        request: Request<proto::GetJobRequest>,
    ) -> Result<Response<proto::GetJobResponse>, Status> {
        reply(self.get(&request.into_inner().id).await)
    }

    async fn wait_job(
        &self,
        request: Request<proto::WaitJobRequest>,
    ) -> Result<Response<proto::WaitJobResponse>, Status> {
        let by_deadline = deadline::time_to_answer(request.extensions());
        reply(self.wait(request.into_inner(), by_deadline).await)
    }
}

impl Jobs {
    async fn submit(&self, request: proto::SubmitJobRequest) -> Result<proto::SubmitJobResponse> {
        let outline = outline(&request);
        let submitted = self.0.submit(NewJob::try_from(request)?).await?;
        let job = if submitted.duplicate {
            // It may be gone by now; that it was a duplicate stays true.
            let existing = self.0.queue.get(submitted.id).await;
            existing.map_or_else(|_| created(proto::Job::default(), &submitted), Into::into)
        } else {
            created(outline, &submitted)
        };
        Ok(proto::SubmitJobResponse {
            job: Some(job),
            duplicate: submitted.duplicate,
        })
    }

    async fn submit_batch(
        &self,
        requests: Vec<proto::SubmitJobRequest>,
    ) -> Result<proto::BatchSubmitJobsResponse> {
        if requests.len() > MAX_BATCH {
            return Err(Error::invalid(
                "requests",
                format!("must be at most {MAX_BATCH}"),
            ));
        }
        let mut sound = Vec::with_capacity(requests.len());
        let parse = |request| NewJob::try_from(request).map(|job| sound.push(job));
        let parsed: Vec<Result<()>> = requests.into_iter().map(parse).collect();
        let mut submitted = self.0.submit_batch(sound).await?.into_iter();
        let mut next = || submitted.next().unwrap_or_else(|| Err(no_verdict()));
        let results: Vec<_> = parsed
            .into_iter()
            .map(|parsed| parsed.and_then(|()| next()))
            .collect();
        fault_of_all(&results)?;
        let results = results.into_iter().map(verdict).collect();
        Ok(proto::BatchSubmitJobsResponse { results })
    }

    async fn get(&self, id: &str) -> Result<proto::GetJobResponse> {
        let job = self.0.queue.get(id.parse()?).await?;
        Ok(proto::GetJobResponse {
            job: Some(job.into()),
        })
    }

    async fn wait(
        &self,
        request: proto::WaitJobRequest,
        by_deadline: Option<Duration>,
    ) -> Result<proto::WaitJobResponse> {
        let id: JobId = request.id.parse()?;
        let asked = request
            .timeout
            .map(|timeout| wait_time(&timeout))
            .transpose()?;
        let time = match (asked, by_deadline) {
            (Some(asked), Some(deadline)) => asked.min(deadline),
            (Some(time), None) | (None, Some(time)) => time.min(MAX_WAIT),
            (None, None) => DEFAULT_WAIT,
        };
        let job = self.0.events.wait_final(id, Instant::now() + time).await?;
        Ok(proto::WaitJobResponse {
            job: Some(job.into()),
        })
    }
}

/// What the request says about the job, without the payload: its sender has it.
fn outline(request: &proto::SubmitJobRequest) -> proto::Job {
    let content_type = match request.content_type.as_str() {
        "" => DEFAULT_CONTENT_TYPE,
        content_type => content_type,
    };
    let max_attempts = i32::try_from(DEFAULT_MAX_ATTEMPTS).unwrap_or(i32::MAX);
    proto::Job {
        kind: request.kind.clone(),
        content_type: content_type.to_owned(),
        priority: request
            .priority
            .unwrap_or_else(|| Priority::default().get().into()),
        max_attempts: request.max_attempts.unwrap_or(max_attempts),
        idempotency_key: request.idempotency_key.clone(),
        ..proto::Job::default()
    }
}

/// The new job, without asking the store again.
fn created(outline: proto::Job, submitted: &Submitted) -> proto::Job {
    proto::Job {
        id: submitted.id.to_string(),
        queue: submitted.queue.to_string(),
        state: proto::JobState::from(submitted.state).into(),
        create_time: Some(proto::timestamp(submitted.time)),
        ..outline
    }
}

fn wait_time(timeout: &prost_types::Duration) -> Result<Duration> {
    let refused = || Error::invalid("timeout", "must be 0 to 1 h");
    let time = proto::duration_from("timeout", timeout).map_err(|_| refused())?;
    if time > MAX_WAIT {
        Err(refused())
    } else {
        Ok(time)
    }
}

/// When nothing was stored and the store is why, the call has failed, and its
/// caller may repeat all of it.
fn fault_of_all(results: &[Result<Submitted>]) -> Result<()> {
    let mut fault = None;
    for result in results {
        match result {
            Ok(_) => return Ok(()),
            Err(error) if error.field().is_none() => fault = Some(error),
            Err(_) => {}
        }
    }
    fault.map_or(Ok(()), |error| Err(error.clone()))
}

fn verdict(result: Result<Submitted>) -> proto::SubmitJobResult {
    let verdict = match result {
        Ok(job) if job.duplicate => Verdict::DuplicateId(job.id.to_string()),
        Ok(job) => Verdict::CreatedId(job.id.to_string()),
        Err(error) => Verdict::Rejected(proto::SubmitRejection {
            reason: error.code().as_str().to_owned(),
            field: error.field().unwrap_or_default().to_owned(),
            message: error.to_string(),
        }),
    };
    proto::SubmitJobResult {
        verdict: Some(verdict),
    }
}

fn no_verdict() -> Error {
    Error::Internal {
        message: "a job of the batch was left without a verdict".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad_field() -> Result<Submitted> {
        Err(Error::invalid("kind", "is odd"))
    }

    #[test]
    fn bad_jobs_are_their_own_fault_and_a_silent_store_is_the_fault_of_all() {
        assert!(fault_of_all(&[]).is_ok());
        assert!(fault_of_all(&[bad_field(), bad_field()]).is_ok());
        let mixed = [bad_field(), Err(Error::StoreUnavailable)];
        assert_eq!(fault_of_all(&mixed), Err(Error::StoreUnavailable));
    }

    #[test]
    fn a_rejection_names_reason_and_field() {
        let Some(Verdict::Rejected(rejection)) = verdict(bad_field()).verdict else {
            panic!("not rejected");
        };
        assert_eq!(
            (rejection.reason.as_str(), rejection.field.as_str()),
            ("INVALID_FIELD", "kind")
        );
    }

    #[test]
    fn a_wait_is_bounded() {
        let seconds = |seconds| prost_types::Duration { seconds, nanos: 0 };
        assert_eq!(
            wait_time(&seconds(3601)).unwrap_err().field(),
            Some("timeout")
        );
        assert_eq!(
            wait_time(&seconds(-1)).unwrap_err().field(),
            Some("timeout")
        );
        assert_eq!(wait_time(&seconds(3600)), Ok(MAX_WAIT));
    }
}
