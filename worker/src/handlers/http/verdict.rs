//! What an answer means for the job.

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use jobflow::{JobResult, MAX_PAYLOAD};

use super::client::Answer;
use crate::attempt_error::{AttemptError, CodedError};
use crate::handlers::said::cut;

/// The longest that an answer may put a job off.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 3600);
/// How much of a body becomes part of an error.
const SHOWN: usize = 1024;

/// Success acknowledges the job, with the body as its result. What the job is to
/// blame for fails it, and whatever can pass is tried again.
pub(super) fn judge(answer: Answer) -> Result<Option<JobResult>, AttemptError> {
    if answer.status.is_success() {
        return result(answer);
    }
    let error = CodedError::new("HTTP_STATUS", explain(&answer));
    if is_permanent(answer.status) {
        return Err(AttemptError::fail(error));
    }
    Err(match retry_after(&answer.headers, now()) {
        Some(delay) => AttemptError::retry_after(delay, error),
        None => AttemptError::retry(error),
    })
}

/// The request will never be taken. Not so for a timeout, a conflict with what
/// goes on at the moment, "too early" and "too many".
fn is_permanent(status: StatusCode) -> bool {
    status.is_client_error()
        && !matches!(
            status,
            StatusCode::REQUEST_TIMEOUT
                | StatusCode::CONFLICT
                | StatusCode::LOCKED
                | StatusCode::TOO_EARLY
                | StatusCode::TOO_MANY_REQUESTS
        )
}

fn result(answer: Answer) -> Result<Option<JobResult>, AttemptError> {
    let Some(bytes) = answer.body else {
        let message = format!("the answer is over {MAX_PAYLOAD} bytes");
        return Err(AttemptError::fail(CodedError::new(
            "PAYLOAD_TOO_LARGE",
            message,
        )));
    };
    if bytes.is_empty() {
        return Ok(None);
    }
    let content_type = answer.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    Ok(Some(JobResult {
        content_type: content_type
            .unwrap_or("application/octet-stream")
            .to_owned(),
        bytes,
    }))
}

fn explain(answer: &Answer) -> String {
    let location = answer.headers.get(LOCATION);
    if answer.status.is_redirection() && location.is_some() {
        return format!("{}: redirects are not followed", answer.status);
    }
    let body = answer.body.as_deref().unwrap_or_default();
    let text = std::str::from_utf8(body).unwrap_or_default().trim();
    match cut(text, SHOWN) {
        "" => answer.status.to_string(),
        text => format!("{}: {text}", answer.status),
    }
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let delay = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            date.duration_since(now).unwrap_or_default()
        }
    };
    Some(delay.min(LONGEST_DELAY))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the answer names a time by the clock of HTTP; only the difference is kept"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// For tests: judges an answer.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_http_answer(status: u16, header: &[u8], body: &[u8]) {
    use http::HeaderValue;

    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(header) {
        headers.insert(RETRY_AFTER, value.clone());
        headers.insert(CONTENT_TYPE, value);
    }
    let answer = Answer {
        status: StatusCode::from_u16(status).unwrap_or_default(),
        headers,
        body: Some(bytes::Bytes::copy_from_slice(body)),
    };
    if let Err(AttemptError::RetryAfter(delay, _)) = judge(answer) {
        assert!(delay <= LONGEST_DELAY);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Some(Bytes::from_static(body.as_bytes())),
        }
    }

    #[test]
    fn every_status_has_an_outcome() {
        for (status, word) in [
            (200, "Ok"),
            (202, "Ok"),
            (204, "Ok"),
            (301, "Retry"),
            (304, "Retry"),
            (400, "Fail"),
            (401, "Fail"),
            (404, "Fail"),
            (408, "Retry"),
            (409, "Retry"),
            (410, "Fail"),
            (413, "Fail"),
            (422, "Fail"),
            (423, "Retry"),
            (425, "Retry"),
            (429, "Retry"),
            (500, "Retry"),
            (501, "Retry"),
            (502, "Retry"),
            (503, "Retry"),
            (599, "Retry"),
        ] {
            let word_of = match judge(answer(status, "")) {
                Ok(_) => "Ok".to_owned(),
                Err(error) => format!("{error:?}"),
            };
            assert!(word_of.starts_with(word), "{status}: {word_of}");
        }
    }

    #[test]
    fn the_body_is_the_result_and_of_an_error_its_start_is_told() {
        let mut good = answer(200, "{}");
        good.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let result = judge(good).unwrap().unwrap();
        assert_eq!(
            (result.content_type.as_str(), &result.bytes[..]),
            ("application/json", &b"{}"[..])
        );
        assert!(judge(answer(204, "")).unwrap().is_none());

        let told = explain(&answer(500, " no disk\n"));
        assert_eq!(told, "500 Internal Server Error: no disk");
        let mut moved = answer(302, "somewhere");
        moved
            .headers
            .insert(LOCATION, HeaderValue::from_static("http://elsewhere/"));
        assert_eq!(explain(&moved), "302 Found: redirects are not followed");
    }

    #[test]
    fn an_answer_over_the_limit_fails_the_job() {
        let large = Answer {
            body: None,
            ..answer(200, "")
        };
        let Err(AttemptError::Fail(error)) = judge(large) else {
            panic!("was taken");
        };
        assert!(error.to_string().contains("262144"), "{error}");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (value, delay) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999999", Some(24 * 3600)),
            ("-1", None),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            let read = retry_after(&headers, now);
            assert_eq!(read, delay.map(Duration::from_secs), "{value}");
        }
    }
}
