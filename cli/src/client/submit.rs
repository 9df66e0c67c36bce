//! Submits.

use jobflow::proto::{self, BatchSubmitJobsRequest, SubmitJobRequest, submit_job_result::Verdict};
use tonic::{Code, Request, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::client::Client;
use crate::error::{Result, is_transient_reason};

/// What became of a submit.
pub(crate) struct Submission {
    pub(crate) job: proto::Job,
    /// The job existed already.
    pub(crate) duplicate: bool,
    /// The job that was called off in favour of this one, or nothing.
    pub(crate) replaced_id: String,
}

impl Client {
    pub(crate) async fn submit(&self, job: SubmitJobRequest) -> Result<Submission> {
        let answer = self
            .call(self.call_timeout, &job, async |request| {
                self.jobs().submit_job(request).await
            })
            .await?;
        Ok(Submission {
            job: answer.job.ok_or_else(|| self.incomplete())?,
            duplicate: answer.duplicate && !is_own_repeat(&job),
            replaced_id: answer.replaced_id,
        })
    }

    /// Submits up to 1,000 jobs; one verdict for each, in order.
    ///
    /// Jobs that are rejected for a passing reason, such as a store that
    /// restarts, are sent again, and only they; so are those that are stored
    /// but not known to be as safe as asked.
    pub(crate) async fn submit_batch(&self, jobs: &[SubmitJobRequest]) -> Result<Vec<Verdict>> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let mut verdicts: Vec<Option<Verdict>> = vec![None; jobs.len()];
        let sent = self.retry(async || {
            let open: Vec<_> = (0..jobs.len())
                .filter(|&job| matches!(verdicts[job], None | Some(Verdict::Unknown(_))))
                .collect();
            let requests = open.iter().map(|&job| jobs[job].clone()).collect();
            let mut request = Request::new(BatchSubmitJobsRequest { requests });
            request.set_timeout(self.call_timeout);
            let answer = self.jobs().batch_submit_jobs(request).await?;
            let mut passing = None;
            for (job, result) in open.into_iter().zip(&answer.get_ref().results) {
                match &result.verdict {
                    Some(Verdict::Rejected(fault)) if is_transient_reason(&fault.reason) => {
                        passing = Some(unavailable(&fault.reason, &fault.message));
                    }
                    Some(Verdict::Unknown(doubt)) => {
                        passing = Some(unavailable(&doubt.reason, &doubt.message));
                        verdicts[job].clone_from(&result.verdict);
                    }
                    Some(Verdict::DuplicateId(id)) if is_own_repeat(&jobs[job]) => {
                        verdicts[job] = Some(Verdict::CreatedId(id.clone()));
                    }
                    verdict => verdicts[job].clone_from(verdict),
                }
            }
            passing.map_or(Ok(answer), Err)
        });
        let sent = sent.await;
        match verdicts.into_iter().collect::<Option<_>>() {
            // What is stored has an id to tell, also where doubt has remained.
            Some(verdicts) => Ok(verdicts),
            None => Err(sent.err().unwrap_or_else(|| self.incomplete())),
        }
    }
}

/// Whether a duplicate of this job can only be the job itself, stored by an
/// earlier try whose answer was lost: nobody else knows its request id.
fn is_own_repeat(job: &SubmitJobRequest) -> bool {
    job.idempotency_key.is_empty()
}

/// A rejection for a passing reason, as the whole call would have met it.
fn unavailable(reason: &str, message: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, "jobflow", []);
    Status::with_error_details(Code::Unavailable, message, details)
}
