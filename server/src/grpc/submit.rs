//! The ways in for jobs: one, a batch, a stream.

use futures_util::{Stream, StreamExt, TryStreamExt};
use jobflow::{DEFAULT_CONTENT_TYPE, Error, MAX_BATCH, NewJob, Priority, Result, Submitted, proto};
use proto::submit_job_result::Verdict;
use tonic::Status;

use super::jobs::Jobs;
use super::status;
use crate::auth::who;

/// Jobs of one stream: their verdicts stay below the 4 MiB that clients take
/// in one message unless told otherwise.
const MAX_STREAM: usize = 50_000;
/// Batches of one stream under way at once.
const IN_FLIGHT: usize = 2;

impl Jobs {
    pub(super) async fn submit(
        &self,
        request: proto::SubmitJobRequest,
    ) -> Result<proto::SubmitJobResponse> {
        let outline = outline(&request);
        let submitted = self.0.submit(admitted(request)?).await?;
        let job = if submitted.duplicate {
            // It may be gone by now; that it was a duplicate stays true.
            let existing = self.0.queue.get(submitted.id).await;
            match existing {
                Ok(job) => who::shown(job.into())?,
                Err(_) => created(proto::Job::default(), &submitted),
            }
        } else {
            created(outline, &submitted)
        };
        Ok(proto::SubmitJobResponse {
            job: Some(job),
            duplicate: submitted.duplicate,
            replaced_id: submitted
                .replaced
                .map(|id| id.to_string())
                .unwrap_or_default(),
        })
    }

    pub(super) async fn submit_batch(
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
        let parse = |request| admitted(request).map(|job| sound.push(job));
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

    pub(super) async fn submit_stream(
        &self,
        messages: impl Stream<Item = Result<proto::SubmitJobsRequest, Status>>,
    ) -> Result<proto::SubmitJobsResponse, Status> {
        let mut seen = 0;
        let batches = messages.map(|message| {
            let requests = message?.requests;
            seen += requests.len();
            if seen > MAX_STREAM {
                let limit = format!("must be at most {MAX_STREAM} in all messages of a stream");
                return Err(status::of(&Error::invalid("requests", limit)));
            }
            Ok(requests)
        });
        let stored = batches.map(async |requests| {
            let stored = self.submit_batch(requests?).await;
            stored.map_err(|error| status::of(&error))
        });
        let add = async |mut results: Vec<_>, batch: proto::BatchSubmitJobsResponse| {
            results.extend(batch.results);
            Ok(results)
        };
        let results = stored.buffered(IN_FLIGHT).try_fold(Vec::new(), add).await?;
        Ok(proto::SubmitJobsResponse { results })
    }
}

/// The job, if its caller may submit to its queue.
fn admitted(request: proto::SubmitJobRequest) -> Result<NewJob> {
    let job = NewJob::try_from(request)?;
    who::queue(job.queue_name())?;
    Ok(job)
}

/// What the request says about the job, without the payload: its sender has
/// it. What it leaves to the queue is not told here.
fn outline(request: &proto::SubmitJobRequest) -> proto::Job {
    let content_type = match request.content_type.as_str() {
        "" => DEFAULT_CONTENT_TYPE,
        content_type => content_type,
    };
    proto::Job {
        kind: request.kind.clone(),
        content_type: content_type.to_owned(),
        priority: request
            .priority
            .unwrap_or_else(|| Priority::default().get().into()),
        max_attempts: request.max_attempts.unwrap_or_default(),
        idempotency_key: request.idempotency_key.clone(),
        tags: request.tags.clone(),
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

/// When nothing was stored and the store is why, the call has failed, and its
/// caller may repeat all of it.
fn fault_of_all(results: &[Result<Submitted>]) -> Result<()> {
    let mut fault = None;
    for result in results {
        match result {
            // Each of these has an id that its caller must learn.
            Ok(_) | Err(Error::DurabilityUnknown { .. }) => return Ok(()),
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
        Err(ref error @ Error::DurabilityUnknown { id, .. }) => {
            Verdict::Unknown(proto::SubmitUnknown {
                id: id.to_string(),
                reason: error.code().as_str().to_owned(),
                message: error.to_string(),
            })
        }
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
}
