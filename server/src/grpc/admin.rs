//! `AdminService`.

use std::sync::Arc;

use super::services::admin_service_server::AdminService;
use jobflow::{AuditEvent, LAYOUT_VERSION, Mend, proto};
use tonic::{Request, Response, Status};

use super::paging;
use super::status::{self, reply};
use crate::app::App;
use crate::auth::who;

pub(super) struct Admin(pub(super) Arc<App>);

#[tonic::async_trait]
impl AdminService for Admin {
    async fn get_server_info(
        &self,
        _: Request<proto::GetServerInfoRequest>,
    ) -> Result<Response<proto::GetServerInfoResponse>, Status> {
        let caller = who::principal().map_err(|error| status::of(&error))?;
        Ok(Response::new(proto::GetServerInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            namespace: self.0.queue.config().namespace.to_string(),
            layout_version: LAYOUT_VERSION.into(),
            start_time: Some(self.0.started.into()),
            store_version: self.0.store.version().unwrap_or_default(),
            caller: Some((&*caller).into()),
        }))
    }

    async fn check_integrity(
        &self,
        request: Request<proto::CheckIntegrityRequest>,
    ) -> Result<Response<proto::CheckIntegrityResponse>, Status> {
        let mend = if request.into_inner().fix {
            Mend::Yes
        } else {
            Mend::No
        };
        let checked = self.0.queue.check_integrity(mend).await;
        reply(checked.map(Into::into))
    }

    async fn list_audit_events(
        &self,
        request: Request<proto::ListAuditEventsRequest>,
    ) -> Result<Response<proto::ListAuditEventsResponse>, Status> {
        reply(self.list_audit(request.into_inner()).await)
    }
}

impl Admin {
    async fn list_audit(
        &self,
        request: proto::ListAuditEventsRequest,
    ) -> jobflow::Result<proto::ListAuditEventsResponse> {
        let size = paging::LONG.of(request.page_size)?;
        let read = |id: &str| Some(id.to_owned());
        let before = paging::place("audit", &request.page_token, read)?;
        let page = self.0.queue.audit_events(before.as_deref(), size).await?;
        let next = page.next.map(|id| paging::token("audit", &id));
        let event = |(id, time, event): (_, _, AuditEvent)| proto::AuditEvent {
            id,
            time: Some(proto::timestamp(time)),
            caller: event.caller,
            peer: event.peer,
            call: event.call,
            target: event.target,
            result: event.result,
            request_id: event.request_id,
        };
        Ok(proto::ListAuditEventsResponse {
            events: page.events.into_iter().map(event).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }
}
