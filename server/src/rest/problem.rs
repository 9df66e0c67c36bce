//! The one way from an error to an RFC 9457 problem.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use jobflow::{Code, Error};
use serde::Serialize;

use super::body::MAX_BODY;
use crate::auth::who;
use crate::request_id;

/// Seconds after which a caller may try again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// What went wrong, for a caller of REST.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    reason: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    /// The job that is stored although there is a problem.
    job_id: Option<String>,
}

/// The field at fault and what it must be.
#[derive(Debug, Serialize)]
struct FieldError {
    field: String,
    message: String,
}

/// On the wire. `success` stands first, for callers that look at nothing else.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    success: bool,
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

impl Problem {
    pub(crate) fn not_found(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "ROUTE_NOT_FOUND",
            format!("nothing is at {path}"),
        )
    }

    pub(crate) fn method_not_allowed() -> Self {
        let detail = "this method is not allowed here: see the header Allow".to_owned();
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", detail)
    }

    pub(crate) fn origin_refused() -> Self {
        let detail = "pages of this origin may not call".to_owned();
        Self::new(StatusCode::FORBIDDEN, "ORIGIN_REFUSED", detail)
    }

    pub(super) fn unsupported_media_type() -> Self {
        let detail = "the content type must be application/json".to_owned();
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            detail,
        )
    }

    /// A body that was refused before it was read to its end.
    pub(super) fn body(status: StatusCode) -> Self {
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            let reason = Code::PayloadTooLarge.as_str();
            return Self::new(
                status,
                reason,
                format!("body: the limit is {MAX_BODY} bytes"),
            );
        }
        Error::invalid("body", "could not be read to its end").into()
    }

    fn new(status: StatusCode, reason: &'static str, detail: String) -> Self {
        Self {
            status,
            reason,
            detail,
            errors: Vec::new(),
            job_id: None,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        who::answered(error.code());
        let status = http_status(error.code());
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(request_id = request_id::current(), "{error}");
        }
        let mut problem = Self::new(status, error.code().as_str(), error.to_string());
        if let Error::DurabilityUnknown { id, .. } = &error {
            problem.job_id = Some(id.to_string());
        }
        if let Some(field) = error.field() {
            let message = match &error {
                Error::InvalidField { message, .. } => message.clone(),
                other => other.to_string(),
            };
            problem.errors.push(FieldError {
                field: field.to_owned(),
                message,
            });
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let wire = Wire {
            success: false,
            r#type: format!("urn:jobflow:error:{}", self.reason),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            reason: self.reason,
            errors: &self.errors,
            job_id: self.job_id.as_deref(),
            request_id: request_id::current(),
        };
        let mut response = (self.status, axum::Json(wire)).into_response();
        let headers = response.headers_mut();
        let problem_json = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, problem_json);
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let busy = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        if busy.contains(&self.status) || self.job_id.is_some() {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

/// As gRPC gateways translate the gRPC codes, but for 413, which HTTP knows
/// better, and for 504, since 500 would say that the job has failed to be stored.
const fn http_status(code: Code) -> StatusCode {
    match code {
        Code::InvalidField | Code::InvalidFilter => StatusCode::BAD_REQUEST,
        Code::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::JobNotFound
        | Code::QueueNotFound
        | Code::WorkerNotFound
        | Code::BulkOperationNotFound
        | Code::TokenNotFound => StatusCode::NOT_FOUND,
        Code::IdempotencyConflict
        | Code::EtagMismatch
        | Code::InvalidStateTransition
        | Code::QueueNotEmpty
        | Code::QueueDraining
        | Code::DurabilityUnavailable
        | Code::LeaseLost => StatusCode::CONFLICT,
        Code::TokenMissing | Code::TokenInvalid => StatusCode::UNAUTHORIZED,
        Code::RoleRequired | Code::QueueForbidden => StatusCode::FORBIDDEN,
        Code::QueueFull | Code::StoreOutOfMemory | Code::TooManyStreams | Code::RateLimited => {
            StatusCode::TOO_MANY_REQUESTS
        }
        Code::StoreUnavailable
        | Code::StoreLoading
        | Code::StoreReadOnly
        | Code::StoreUnsafe
        | Code::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        Code::WaitTimeout | Code::CallTimeout | Code::DurabilityUnknown => {
            StatusCode::GATEWAY_TIMEOUT
        }
        Code::CorruptRecord | Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
