//! The outcomes that a handler names in its messages.

use jobflow::proto::{HandleAck, HandleError, HandleSnooze, duration_from};
use jobflow::{DEFAULT_CONTENT_TYPE, JobResult};

use crate::attempt_error::{AttemptError, CodedError, HANDLER_ERROR};

/// The code of a message that no handler may send.
const PROTOCOL_ERROR: &str = "HANDLER_PROTOCOL";

pub(super) fn result(ack: HandleAck) -> Option<JobResult> {
    let content_type = match ack.content_type.as_str() {
        "" => DEFAULT_CONTENT_TYPE.to_owned(),
        _ => ack.content_type,
    };
    (!ack.result.is_empty()).then_some(JobResult {
        bytes: ack.result,
        content_type,
    })
}

pub(super) fn error(error: HandleError) -> AttemptError {
    let code = match error.code.as_str() {
        "" => HANDLER_ERROR.to_owned(),
        _ => error.code,
    };
    let coded = CodedError::new(code, error.message);
    match error.retry_delay {
        _ if error.permanent => AttemptError::fail(coded),
        None => AttemptError::retry(coded),
        Some(delay) => match duration_from("retry_delay", &delay) {
            Ok(delay) => AttemptError::retry_after(delay, coded),
            Err(bad) => protocol_error(&bad),
        },
    }
}

pub(super) fn snooze(snooze: &HandleSnooze) -> AttemptError {
    let delay = snooze.delay.unwrap_or_default();
    match duration_from("delay", &delay) {
        Ok(delay) => AttemptError::Snooze(delay),
        Err(bad) => protocol_error(&bad),
    }
}

fn protocol_error(bad: &jobflow::Error) -> AttemptError {
    AttemptError::retry(CodedError::new(PROTOCOL_ERROR, bad.to_string()))
}

/// For tests: reads what a handler streams back.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_grpc_answer(bytes: &[u8]) {
    use jobflow::proto::{HandleResponse, handle_response::Event};
    use prost::Message as _;

    let answer = HandleResponse::decode(bytes);
    match answer.ok().and_then(|answer| answer.event) {
        Some(Event::Ack(ack)) => drop(result(ack)),
        Some(Event::Error(told)) => drop(error(told)),
        Some(Event::Snooze(told)) => drop(snooze(&told)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn seconds(seconds: i64) -> prost_types::Duration {
        prost_types::Duration { seconds, nanos: 0 }
    }

    #[test]
    fn an_empty_result_is_none_and_the_usual_type_need_not_be_named() {
        assert_eq!(result(HandleAck::default()), None);
        let ack = HandleAck {
            result: "1".into(),
            ..HandleAck::default()
        };
        assert_eq!(result(ack).unwrap().content_type, DEFAULT_CONTENT_TYPE);
    }

    #[test]
    fn an_error_is_permanent_or_comes_back_after_its_delay_or_the_backoff() {
        let told = |permanent, retry_delay| {
            error(HandleError {
                permanent,
                retry_delay,
                ..HandleError::default()
            })
        };
        assert!(matches!(told(false, None), AttemptError::Retry(_)));
        assert!(matches!(
            told(true, Some(seconds(5))),
            AttemptError::Fail(_)
        ));
        let AttemptError::RetryAfter(delay, _) = told(false, Some(seconds(5))) else {
            panic!("no delay");
        };
        assert_eq!(delay, Duration::from_secs(5));
    }

    #[test]
    fn a_delay_before_now_is_an_error_of_its_own() {
        let bad = HandleSnooze {
            delay: Some(seconds(-1)),
        };
        let AttemptError::Retry(bad) = snooze(&bad) else {
            panic!("was taken");
        };
        assert!(bad.to_string().contains("delay"), "{bad}");
        assert!(matches!(
            snooze(&HandleSnooze::default()),
            AttemptError::Snooze(Duration::ZERO)
        ));
    }
}
