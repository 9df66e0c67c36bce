//! A handler in another process, which implements `jobflow.v1.HandlerService`.

mod health;
mod outcome;
mod targets;
mod verdict;

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use jobflow::proto::handler_service_client::HandlerServiceClient;
use jobflow::proto::{HandleRequest, HandleResponse, duration, handle_response::Event};
use jobflow::telemetry::TRACEPARENT;
use jobflow::{JobResult, MAX_PAYLOAD};
use tonic::Request;
use tonic::transport::Endpoint;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::outcome::read_grpc_answer;
use self::targets::{Target, Targets};
use self::verdict::Failure;
use crate::attempt_error::AttemptError;
use crate::context::Context;
use crate::handlers::said::{Heard, pass_on};
use crate::handlers::{Handler, HandlerFuture, NOT_NOW};

/// How long an attempt waits for a target before its job is put off: long
/// enough for a quick restart, and short enough that jobs of other kinds do not
/// wait long behind those of a handler that is down.
const PATIENCE: Duration = Duration::from_secs(2);

/// The largest message of a handler: a result, with room for what is around it.
/// Over it the job fails, as every later attempt would return as much.
const MAX_MESSAGE: usize = MAX_PAYLOAD + 64 * 1024;

/// How much later than the attempt the call would end by itself. It is the
/// worker that ends an attempt, and says why.
const CALL_LEEWAY: Duration = Duration::from_secs(1);

/// Calls a process for each attempt: of several the one with the fewest attempts under way.
pub struct Grpc {
    targets: Arc<Targets>,
}

impl Grpc {
    /// A handler that calls the processes at these addresses, and asks each for
    /// its health from now on. To be called within a runtime.
    #[must_use]
    pub fn new(endpoints: &[Endpoint]) -> Self {
        Self {
            targets: Targets::watch(endpoints),
        }
    }
}

impl Handler for Grpc {
    fn prepare(&self, ctx: Context) -> Result<HandlerFuture, AttemptError> {
        let targets = self.targets.clone();
        Ok(Box::pin(async move {
            tokio::select! {
                biased;
                ended = attempt(&targets, &ctx) => ended,
                // The call is dropped, which the other side sees as cancelled.
                () = ctx.cancelled() => Err(AttemptError::retry("told to end")),
            }
        }))
    }
}

async fn attempt(targets: &Targets, ctx: &Context) -> Result<Option<JobResult>, AttemptError> {
    let patience = tokio::time::sleep(PATIENCE);
    tokio::pin!(patience);
    loop {
        let busy = tokio::select! {
            busy = targets.next() => busy,
            () = &mut patience => return Err(AttemptError::Snooze(NOT_NOW)),
        };
        match call(busy.target(), ctx).await {
            Ok(result) => return Ok(result),
            Err(Failure::Ended(error)) => {
                if let AttemptError::Lost(why) = &error {
                    busy.target().is_doubted(&why.to_string());
                }
                return Err(error);
            }
            // It has not heard of the job, so another one may have it.
            Err(Failure::Unreached(why)) => busy.target().is_down(&why),
            // The deadline of the attempt is that of the worker.
            Err(Failure::OutOfTime) => pending().await,
        }
    }
}

async fn call(target: &Target, ctx: &Context) -> Result<Option<JobResult>, Failure> {
    let heard = Heard::default();
    let (ended, ()) = tokio::join!(
        async {
            let ended = converse(target, ctx, &heard).await;
            heard.end();
            ended
        },
        pass_on(ctx, &heard)
    );
    ended
}

/// Listens until the outcome, or what there is in place of one.
async fn converse(
    target: &Target,
    ctx: &Context,
    heard: &Heard,
) -> Result<Option<JobResult>, Failure> {
    let mut client =
        HandlerServiceClient::new(target.channel()).max_decoding_message_size(MAX_MESSAGE);
    let mut messages = client.handle(request(ctx)).await?.into_inner();
    while let Some(message) = messages.message().await? {
        if let Some(ended) = listen(message, heard) {
            return ended.map_err(Failure::Ended);
        }
    }
    Ok(None)
}

/// Passes on what a message says of the attempt, or returns its outcome.
fn listen(
    message: HandleResponse,
    heard: &Heard,
) -> Option<Result<Option<JobResult>, AttemptError>> {
    match message.event? {
        Event::Progress(progress) => {
            let percent = u8::try_from(progress.percent.clamp(0, 100)).unwrap_or_default();
            heard.progress(percent, &progress.message);
            None
        }
        Event::Log(log) => {
            log.lines
                .iter()
                .for_each(|line| heard.line(line.trim_end()));
            None
        }
        Event::Ack(ack) => Some(Ok(outcome::result(ack))),
        Event::Error(error) => Some(Err(outcome::error(error))),
        Event::Snooze(snooze) => Some(Err(outcome::snooze(&snooze))),
    }
}

fn request(ctx: &Context) -> Request<HandleRequest> {
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let time_left = ctx.time_left();
    let mut headers: HashMap<_, _> = ctx.headers().clone().into_iter().collect();
    if let Some(traceparent) = ctx.traceparent() {
        headers.insert(TRACEPARENT.to_owned(), traceparent.to_owned());
    }
    let mut request = Request::new(HandleRequest {
        id: ctx.id().to_string(),
        queue: ctx.queue().to_string(),
        kind: ctx.kind().to_string(),
        payload: ctx.payload().clone(),
        content_type: ctx.content_type().to_owned(),
        headers,
        attempt: number(ctx.attempt()),
        max_attempts: number(ctx.max_attempts()),
        crash_count: number(ctx.crash_count()),
        lease_token: ctx.lease_token().get(),
        time_left: Some(duration(time_left)),
    });
    request.set_timeout(time_left + CALL_LEEWAY);
    // Where libraries for tracing look for it.
    let traceparent = ctx.traceparent().and_then(|text| text.parse().ok());
    if let Some(traceparent) = traceparent {
        request.metadata_mut().insert(TRACEPARENT, traceparent);
    }
    request
}
