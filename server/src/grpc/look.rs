//! The calls that look at jobs.

use std::time::{Duration, Instant};

use jobflow::{Filter, ListRequest, Result, proto};
use tonic::Extensions;

use super::jobs::Jobs;
use super::paging::{self, PageSize};
use crate::auth::who;
use crate::deadline;

/// Of jobs.
const PAGE: PageSize = PageSize {
    default: 50,
    most: 500,
};
/// How long a call looks at jobs when its caller sets no deadline.
const LOOK: Duration = Duration::from_secs(10);

/// When a call that looks at jobs until it is told to stop, has to stop.
pub(super) fn until(extensions: &Extensions) -> Instant {
    let time = deadline::time_to_answer(extensions).unwrap_or(LOOK);
    Instant::now() + time.min(LOOK)
}

impl Jobs {
    pub(super) async fn get(&self, request: proto::GetJobRequest) -> Result<proto::GetJobResponse> {
        let id = request.id.parse()?;
        // Before the store is asked: a view that is not known is the caller's fault.
        proto::Job::default().in_view(request.view)?;
        who::job(&self.0.queue, id).await?;
        let job = self.0.queue.get(id).await?;
        Ok(proto::GetJobResponse {
            job: Some(who::shown(proto::Job::from(job).in_view(request.view)?)?),
        })
    }

    pub(super) async fn list(
        &self,
        request: proto::ListJobsRequest,
    ) -> Result<proto::ListJobsResponse> {
        let request = ListRequest {
            filter: who::narrow(&Filter::parse(&request.filter)?)?,
            order: request.order_by.parse()?,
            page_size: PAGE.of(request.page_size)?,
            page_token: request.page_token,
        };
        let page = self.0.queue.list(&request).await?;
        Ok(proto::ListJobsResponse {
            jobs: page
                .jobs
                .into_iter()
                .map(|job| who::shown(job.into()))
                .collect::<Result<_>>()?,
            next_page_token: page.next_page_token,
            unreachable: proto::names(&page.unreachable),
        })
    }

    pub(super) async fn count(
        &self,
        request: proto::CountJobsRequest,
        until: Instant,
    ) -> Result<proto::CountJobsResponse> {
        let filter = who::narrow(&Filter::parse(&request.filter)?)?;
        let count = self.0.queue.count(&filter, until).await?;
        Ok(count.into())
    }

    pub(super) async fn list_dead_letters(
        &self,
        request: proto::ListDeadLetterGroupsRequest,
        until: Instant,
    ) -> Result<proto::ListDeadLetterGroupsResponse> {
        let filter = who::narrow(&Filter::parse(&request.filter)?)?;
        let letters = self.0.queue.dead_letter_groups(&filter, until).await?;
        Ok(letters.into())
    }

    pub(super) async fn explain(
        &self,
        request: proto::ExplainJobRequest,
    ) -> Result<proto::ExplainJobResponse> {
        let id = request.id.parse()?;
        who::job(&self.0.queue, id).await?;
        let explanation = self.0.queue.explain(id).await?;
        Ok(explanation.into())
    }

    pub(super) async fn list_logs(
        &self,
        request: proto::ListJobLogsRequest,
    ) -> Result<proto::ListJobLogsResponse> {
        let id = request.id.parse()?;
        let size = paging::LONG.of(request.page_size)?;
        let read = |line: &str| line.parse().ok();
        let from = paging::place("logs", &request.page_token, read)?;
        who::job(&self.0.queue, id).await?;
        let page = self.0.queue.logs(id, from.unwrap_or(0), size).await?;
        let next = page
            .next
            .map(|line| paging::token("logs", &line.to_string()));
        Ok(proto::ListJobLogsResponse {
            lines: page.lines.into_iter().map(Into::into).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }
}
