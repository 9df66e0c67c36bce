//! The calls that last: wait for a job, watch one, follow events.

use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use jobflow::{Error, Filter, FilterField, JobId, Result, proto};
use tokio::time::Instant;
use tonic::Status;

use super::jobs::Jobs;
use super::status;
use crate::auth::who;
use crate::event_stream::EventStream;
use crate::job_watch::JobWatch;

/// How long a wait lasts when neither the request nor the call says so.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
const MAX_WAIT: Duration = Duration::from_secs(3600);
/// What an event tells, so what a filter of events can ask.
const EVENT_FIELDS: [FilterField; 4] = [
    FilterField::Id,
    FilterField::Queue,
    FilterField::Kind,
    FilterField::State,
];

/// Messages until an error, which is the last item.
pub(super) type Messages<T> = BoxStream<'static, Result<T, Status>>;

impl Jobs {
    pub(super) async fn wait(
        &self,
        request: proto::WaitJobRequest,
        by_deadline: Option<Duration>,
    ) -> Result<proto::WaitJobResponse> {
        let id: JobId = request.id.parse()?;
        let asked = request
            .timeout
            .map(|timeout| wait_time(&timeout))
            .transpose()?;
        let time = match (asked, by_deadline) {
            (Some(asked), Some(deadline)) => asked.min(deadline),
            (Some(time), None) | (None, Some(time)) => time.min(MAX_WAIT),
            (None, None) => DEFAULT_WAIT,
        };
        who::job(&self.0.queue, id).await?;
        let job = self.0.events.wait_final(id, Instant::now() + time).await?;
        Ok(proto::WaitJobResponse {
            job: Some(who::shown(job.into())?),
        })
    }

    pub(super) async fn watch(
        &self,
        request: proto::WatchJobRequest,
    ) -> Result<Messages<proto::WatchJobResponse>> {
        let from_line = u64::try_from(request.from_line)
            .map_err(|_| Error::invalid("from_line", "must not be negative"))?;
        let id = request.id.parse()?;
        who::job(&self.0.queue, id).await?;
        let hides = !who::principal()?.role.sees_payloads();
        let watch = self.0.events.watch_job(id, from_line);
        let next = move |watch: Option<JobWatch>| async move {
            let mut watch = watch?;
            match watch.next().await {
                Ok(message) => {
                    let mut message = message?;
                    if hides {
                        message.job = message.job.map(proto::Job::hidden);
                    }
                    Some((Ok(message), Some(watch)))
                }
                Err(error) => Some((Err(status::of(&error)), None)),
            }
        };
        Ok(stream::unfold(Some(watch.await?), next).boxed())
    }

    pub(super) async fn follow(
        &self,
        request: proto::WatchEventsRequest,
    ) -> Result<Messages<proto::WatchEventsResponse>> {
        let filter = Filter::parse(&request.filter)?;
        filter.only(&EVENT_FIELDS)?;
        let filter = who::narrow(&filter)?;
        let stream = self.0.events.follow(filter, &request.resume_token);
        let next = |stream: Option<EventStream>| async {
            let mut stream = stream?;
            Some(match stream.next().await {
                Ok(message) => (Ok(message), Some(stream)),
                Err(error) => (Err(status::of(&error)), None),
            })
        };
        Ok(stream::unfold(Some(stream.await?), next).boxed())
    }
}

fn wait_time(timeout: &prost_types::Duration) -> Result<Duration> {
    let refused = || Error::invalid("timeout", "must be 0 to 1 h");
    let time = proto::duration_from("timeout", timeout).map_err(|_| refused())?;
    if time > MAX_WAIT {
        Err(refused())
    } else {
        Ok(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_bounded() {
        let seconds = |seconds| prost_types::Duration { seconds, nanos: 0 };
        assert_eq!(
            wait_time(&seconds(3601)).unwrap_err().field(),
            Some("timeout")
        );
        assert_eq!(
            wait_time(&seconds(-1)).unwrap_err().field(),
            Some("timeout")
        );
        assert_eq!(wait_time(&seconds(3600)), Ok(MAX_WAIT));
    }
}
