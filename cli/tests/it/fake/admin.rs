//! The server itself.

use jobflow::proto;
use proto::Severity;
use tonic::{Request, Response, Status};

use super::{Fake, NOW, time};

#[tonic::async_trait]
impl proto::admin_service_server::AdminService for Fake {
    async fn get_server_info(
        &self,
        _: Request<proto::GetServerInfoRequest>,
    ) -> Result<Response<proto::GetServerInfoResponse>, Status> {
        Ok(Response::new(proto::GetServerInfoResponse {
            version: "0.1.0".to_owned(),
            namespace: "jobflow".to_owned(),
            layout_version: 2,
            start_time: None,
            store_version: "7.0.15".to_owned(),
            caller: None,
        }))
    }

    async fn check_integrity(
        &self,
        request: Request<proto::CheckIntegrityRequest>,
    ) -> Result<Response<proto::CheckIntegrityResponse>, Status> {
        let mended = request.into_inner().fix;
        let damage = proto::Damage {
            kind: "TWO_STATES".to_owned(),
            queue: "mail".to_owned(),
            description: "queue mail: job 1 is in two states".to_owned(),
            mended,
            done: if mended { "left in active only" } else { "" }.to_owned(),
            ..proto::Damage::default()
        };
        let severity = match self.script().severity {
            Severity::Unspecified => Severity::Warning,
            severity => severity,
        };
        let worst = proto::Finding {
            severity: severity.into(),
            check: "STORE_PERSISTENCE".to_owned(),
            description: "the store keeps no append-only file".to_owned(),
            advice: "set appendonly yes".to_owned(),
        };
        let well = proto::Finding {
            severity: Severity::Ok.into(),
            check: "JOBS".to_owned(),
            description: "every job is where it must be".to_owned(),
            advice: String::new(),
        };
        Ok(Response::new(proto::CheckIntegrityResponse {
            findings: vec![worst, well],
            jobs: 1_204,
            damages: vec![damage],
            damage_count: 3,
        }))
    }

    async fn list_audit_events(
        &self,
        request: Request<proto::ListAuditEventsRequest>,
    ) -> Result<Response<proto::ListAuditEventsResponse>, Status> {
        // Three pages of two.
        let page: u32 = request.into_inner().page_token.parse().unwrap_or_default();
        let event = |number: u32| proto::AuditEvent {
            id: format!("{number}-0"),
            time: time(NOW),
            caller: "alice".to_owned(),
            peer: "10.0.0.7".to_owned(),
            call: "JobService/CancelJob".to_owned(),
            target: format!("job {number}"),
            result: "OK".to_owned(),
            request_id: "r".to_owned(),
        };
        Ok(Response::new(proto::ListAuditEventsResponse {
            events: vec![event(9 - 2 * page), event(8 - 2 * page)],
            next_page_token: if page < 2 {
                (page + 1).to_string()
            } else {
                String::new()
            },
        }))
    }
}
