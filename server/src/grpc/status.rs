//! The one way from an error to a gRPC status with details.

use std::collections::HashMap;
use std::time::Duration;

use jobflow::{Code, Error, Result};
use tonic::{Response, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tracing::error;

use crate::auth::who;
use crate::request_id;

const DOMAIN: &str = "jobflow";
/// When a caller may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The status of an error: `ErrorInfo` always, `BadRequest` where a field is at
/// fault, `RetryInfo` where the same call may succeed later.
pub(crate) fn of(error: &Error) -> Status {
    who::answered(error.code());
    let code = grpc_code(error.code());
    if matches!(code, tonic::Code::Internal | tonic::Code::DataLoss) {
        error!(request_id = request_id::current(), "{error}");
    }
    let names = error
        .metadata()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    let request_id = request_id::current().map(|id| ("request_id".to_owned(), id));
    let metadata: HashMap<_, _> = names.chain(request_id).collect();
    let mut details = ErrorDetails::with_error_info(error.code().as_str(), DOMAIN, metadata);
    if let Some(field) = error.field() {
        details.add_bad_request_violation(field, error.to_string());
    }
    if error.is_transient() {
        details.set_retry_info(Some(RETRY_AFTER));
    }
    Status::with_error_details(code, error.to_string(), details)
}

/// What a handler answers.
pub(super) fn reply<T>(answer: Result<T>) -> Result<Response<T>, Status> {
    answer.map(Response::new).map_err(|error| of(&error))
}

const fn grpc_code(code: Code) -> tonic::Code {
    match code {
        Code::InvalidField | Code::InvalidFilter | Code::PayloadTooLarge => {
            tonic::Code::InvalidArgument
        }
        Code::JobNotFound
        | Code::QueueNotFound
        | Code::WorkerNotFound
        | Code::BulkOperationNotFound
        | Code::TokenNotFound => tonic::Code::NotFound,
        Code::IdempotencyConflict => tonic::Code::AlreadyExists,
        Code::EtagMismatch => tonic::Code::Aborted,
        Code::InvalidStateTransition
        | Code::LeaseLost
        | Code::DurabilityUnavailable
        | Code::QueueDraining
        | Code::QueueNotEmpty => tonic::Code::FailedPrecondition,
        Code::TokenMissing | Code::TokenInvalid => tonic::Code::Unauthenticated,
        Code::RoleRequired | Code::QueueForbidden => tonic::Code::PermissionDenied,
        Code::QueueFull | Code::StoreOutOfMemory | Code::TooManyStreams | Code::RateLimited => {
            tonic::Code::ResourceExhausted
        }
        Code::StoreUnavailable
        | Code::StoreLoading
        | Code::StoreReadOnly
        | Code::StoreUnsafe
        | Code::ShuttingDown => tonic::Code::Unavailable,
        Code::DurabilityUnknown => tonic::Code::Unknown,
        Code::WaitTimeout | Code::CallTimeout => tonic::Code::DeadlineExceeded,
        Code::CorruptRecord => tonic::Code::DataLoss,
        Code::Internal => tonic::Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_reason_field_and_advice() {
        let status = of(&Error::invalid("priority", "must be 0 to 9"));
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            ("INVALID_FIELD", "jobflow")
        );
        assert_eq!(
            details.bad_request().unwrap().field_violations[0].field,
            "priority"
        );
        assert!(details.retry_info().is_none());

        let details = of(&Error::StoreUnavailable).get_error_details();
        assert!(details.retry_info().is_some() && details.bad_request().is_none());
    }
}
