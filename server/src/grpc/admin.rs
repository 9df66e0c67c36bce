//! `AdminService`.

use jobflow::{LAYOUT_VERSION, Mend, proto};
use proto::admin_service_server::AdminService;
use tonic::{Request, Response, Status};

use super::status::{self, reply};
use crate::app::App;
use crate::auth::who;

pub(super) struct Admin(pub(super) App);

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
}
