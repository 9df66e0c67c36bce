//! The caller's deadline: the header `grpc-timeout`, at most 8 digits and a unit.

use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use tokio::time::{Instant, timeout_at};
use tonic::{Extensions, Status};

/// What is kept back so that our answer, which says more than the caller's own
/// timer, arrives before that timer fires.
const MARGIN: Duration = Duration::from_millis(100);

/// When the caller stops listening.
#[derive(Debug, Clone, Copy)]
struct Deadline(Instant);

/// Ends calls whose caller has stopped listening, and tells handlers the deadline.
pub(crate) async fn enforce<F: Future<Output = Response>>(
    mut request: Request,
    answer: impl FnOnce(Request) -> F,
) -> Response {
    let allowed = grpc_timeout(request.headers());
    let Some(deadline) = allowed.and_then(|allowed| Instant::now().checked_add(allowed)) else {
        return answer(request).await;
    };
    request.extensions_mut().insert(Deadline(deadline));
    match timeout_at(deadline, answer(request)).await {
        Ok(response) => response,
        Err(_) => Status::deadline_exceeded("the deadline of the call has passed")
            .into_http::<axum::body::Body>()
            .into_response(),
    }
}

/// How long a handler that waits may wait for this caller.
pub(crate) fn time_to_answer(extensions: &Extensions) -> Option<Duration> {
    let Deadline(deadline) = extensions.get::<Deadline>()?;
    let left = deadline.saturating_duration_since(Instant::now());
    Some(left.saturating_sub(MARGIN.min(left / 10)))
}

fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    parse(headers.get("grpc-timeout")?.to_str().ok()?)
}

/// Reads `250m`, `10S` and the like; what is not spelled so is no deadline.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// For tests: reads the deadline of a call.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read(headers: &HeaderMap) {
    // The longest is 99,999,999 hours, and nothing may be added to it in vain.
    if let Some(time) = grpc_timeout(headers) {
        assert!(Instant::now().checked_add(time).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_of_the_grpc_specification_is_read() {
        assert_eq!(parse("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parse("1M"), Some(Duration::from_secs(60)));
        assert_eq!(parse("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("7u"), Some(Duration::from_micros(7)));
        assert_eq!(parse("7n"), Some(Duration::from_nanos(7)));
    }

    #[test]
    fn what_is_not_a_timeout_is_no_deadline() {
        for text in ["", "S", "1", "-1S", "1.5S", "100000000S", "1s", "1é"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
