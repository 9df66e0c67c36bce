//! Payloads that are opened for a handler, and results that are sealed behind it.

use std::sync::Arc;

use jobflow::payload::{self, Keyring, OpenError, Opened, Place};
use jobflow::{ClaimedJob, Error, JobResult};

use crate::attempt_error::{AttemptError, CodedError};

/// No key of this worker has the id that a payload names.
pub(crate) const KEY_MISSING: &str = "PAYLOAD_KEY_MISSING";
/// A payload was sealed by another key, or for another job, or was changed.
const SEAL_BROKEN: &str = "PAYLOAD_SEAL_BROKEN";

/// Opens the payload of a job, if it is sealed and there are keys. None where
/// the handler gets it as it is.
pub(crate) fn open(
    keys: Option<&Keyring>,
    job: &ClaimedJob,
) -> Result<Option<Arc<Opened>>, AttemptError> {
    let Some(keys) = keys.filter(|_| payload::is_sealed(&job.content_type)) else {
        return Ok(None);
    };
    match keys.open_payload(place(job), &job.payload) {
        Ok(opened) => Ok(Some(Arc::new(opened))),
        // Another worker may have been given the key already.
        Err(error @ OpenError::UnknownKey { .. }) => Err(AttemptError::retry(CodedError::new(
            KEY_MISSING,
            format!("the payload is sealed, and {error} here"),
        ))),
        Err(error) => Err(AttemptError::fail(CodedError::new(
            SEAL_BROKEN,
            format!("the payload: {error}"),
        ))),
    }
}

/// The result of a job whose payload was opened.
pub(crate) fn sealed(
    keys: &Keyring,
    job: &ClaimedJob,
    result: JobResult,
) -> Result<JobResult, AttemptError> {
    let clear = Opened {
        content_type: result.content_type,
        bytes: result.bytes,
    };
    let bytes = keys
        .seal_result(place(job), &clear)
        .map_err(|error| refused(&error))?;
    Ok(JobResult {
        bytes,
        content_type: payload::CONTENT_TYPE.to_owned(),
    })
}

/// The next attempt would return the same again.
fn refused(error: &Error) -> AttemptError {
    AttemptError::fail(CodedError::new(error.code().as_str(), error.to_string()))
}

const fn place(job: &ClaimedJob) -> Place<'_> {
    Place {
        kind: &job.kind,
        id: job.id,
    }
}
