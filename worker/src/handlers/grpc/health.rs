//! Asks a target for its health, by `grpc.health.v1`, as long as its handler lives.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::targets::Target;
use super::verdict::Failure;
use crate::attempt_error::AttemptError;

const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long an answer may take. None in time says nothing: a handler whose every
/// thread runs a job can not answer, and is well.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// What a target says of itself.
#[derive(Debug, PartialEq, Eq)]
enum Health {
    Up,
    Down(String),
    /// No answer, or none that says anything.
    Unknown,
}

pub(super) async fn watch(target: Arc<Target>) {
    loop {
        match ask(&target).await {
            Health::Up => target.is_up(),
            Health::Down(why) => target.is_down(&why),
            Health::Unknown => {}
        }
        // Not in step with the other workers that ask the same target.
        let pause = ASK_EVERY.mul_f64(rand::random_range(0.75..1.0));
        tokio::select! {
            () = sleep(pause) => {}
            () = target.doubted() => {}
        }
    }
}

async fn ask(target: &Target) -> Health {
    let mut client = HealthClient::new(target.channel());
    let whole_process = HealthCheckRequest {
        service: String::new(),
    };
    match timeout(ANSWER_WITHIN, client.check(whole_process)).await {
        Err(_) => Health::Unknown,
        Ok(Ok(answer)) => match answer.get_ref().status() {
            ServingStatus::Serving => Health::Up,
            other => Health::Down(format!("it says {}", other.as_str_name())),
        },
        Ok(Err(status)) => judge(status),
    }
}

fn judge(status: Status) -> Health {
    match status.code() {
        // It is there, and offers no health service, or none without a name.
        Code::Unimplemented | Code::NotFound => Health::Up,
        _ => match Failure::from(status) {
            Failure::Unreached(why) => Health::Down(why),
            Failure::Ended(AttemptError::Lost(broken)) => Health::Down(broken.to_string()),
            Failure::Ended(_) | Failure::OutOfTime => Health::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_without_a_health_service_is_up_and_one_that_is_busy_stays_as_it_is() {
        for (code, health) in [
            (Code::Unimplemented, Health::Up),
            (Code::NotFound, Health::Up),
            (Code::ResourceExhausted, Health::Unknown),
            (Code::Unknown, Health::Unknown),
        ] {
            assert_eq!(judge(Status::new(code, "")), health, "{code:?}");
        }
        let refused = tonic::ConnectError(Box::new(std::io::Error::other("refused")));
        let judged = judge(Status::from_error(Box::new(refused)));
        assert!(matches!(judged, Health::Down(_)), "{judged:?}");
    }
}
