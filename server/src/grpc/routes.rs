//! The services and what their calls pass through.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use tonic::Status;
use tonic::service::Routes;
use tonic_reflection::server::Builder;
use tonic_web::GrpcWebLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::admin::Admin;
use super::health::HealthService;
use super::jobs::Jobs;
use super::metrics::Metrics;
use super::queues::Queues;
use super::services::admin_service_server::{self, AdminServiceServer};
use super::services::job_service_server::{self, JobServiceServer};
use super::services::metrics_service_server::{self, MetricsServiceServer};
use super::services::queue_service_server::{self, QueueServiceServer};
use super::services::token_service_server::{self, TokenServiceServer};
use super::services::worker_service_server::{self, WorkerServiceServer};
use super::tokens::TokenCalls;
use super::workers::Workers;
use crate::app::App;
use crate::auth::{self, Guard};
use crate::deadline;

/// The largest request. A job is at most some 270 KiB, so a full batch of
/// 1,000 usual jobs (up to 16 KiB each) fits, and one caller can not make the
/// server hold much more than that. A single job over its own limit is still
/// read, so that it gets `PAYLOAD_TOO_LARGE` and not a transport error.
const MAX_REQUEST: usize = 16 * 1024 * 1024;

/// How long a caller may pause within its request, or between two messages of a
/// stream of them.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// gRPC and grpc-web. The layers are on these routes alone: `GrpcWebLayer`
/// answers everything that is not gRPC with an empty 400.
pub(crate) fn routes(
    app: &Arc<App>,
    guard: &Arc<Guard>,
    reflection: bool,
    health: HealthService,
) -> Router {
    let jobs = JobServiceServer::new(Jobs(app.clone())).max_decoding_message_size(MAX_REQUEST);
    let mut services = Routes::from(Router::new())
        .add_service(jobs)
        .add_service(QueueServiceServer::new(Queues(app.clone())))
        .add_service(MetricsServiceServer::new(Metrics(app.clone())))
        .add_service(WorkerServiceServer::new(Workers(app.clone())))
        .add_service(AdminServiceServer::new(Admin(app.clone())))
        .add_service(TokenServiceServer::new(TokenCalls(app.clone())))
        .add_service(health);
    if reflection {
        services = with_reflection(services);
    }
    services
        .prepare()
        .into_axum_router()
        .route_layer(from_fn_with_state(guard.clone(), enter))
        .route_layer(CatchPanicLayer::custom(panicked))
        .route_layer(RequestBodyTimeoutLayer::new(BODY_TIMEOUT))
        .route_layer(GrpcWebLayer::new())
}

/// Before every call.
async fn enter(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    deadline::enforce(request, |request| auth::grpc(&guard, request, next)).await
}

/// The services that reflection lists.
const SERVED: [&str; 7] = [
    job_service_server::SERVICE_NAME,
    queue_service_server::SERVICE_NAME,
    metrics_service_server::SERVICE_NAME,
    worker_service_server::SERVICE_NAME,
    token_service_server::SERVICE_NAME,
    admin_service_server::SERVICE_NAME,
    tonic_health::pb::health_server::SERVICE_NAME,
];

/// Both versions: older clients (grpcio, grpcurl before 1.9) ask for v1alpha.
fn with_reflection(services: Routes) -> Routes {
    let builder = || {
        let builder = Builder::configure()
            .register_encoded_file_descriptor_set(jobflow::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        // Not `HandlerService`: its messages are described, but users implement it.
        SERVED
            .iter()
            .fold(builder, |builder, name| builder.with_service_name(*name))
    };
    let v1 = builder().build_v1();
    let v1alpha = builder().build_v1alpha();
    services
        .add_service(v1.expect("the descriptors were compiled in by build.rs"))
        .add_service(v1alpha.expect("the descriptors were compiled in by build.rs"))
}

/// Whether the caller speaks gRPC or grpc-web, and so wants its errors that way.
pub(crate) fn is_grpc(request: &Request) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// For services that do not exist.
pub(crate) fn unimplemented() -> Response {
    Status::unimplemented("no such service")
        .into_http::<Body>()
        .into_response()
}

/// For callers that are not even heard.
pub(crate) fn forbidden(why: &str) -> Response {
    Status::permission_denied(why)
        .into_http::<Body>()
        .into_response()
}

/// A panic ends the call, not the server; it is in the log, by the panic hook.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    let error = jobflow::Error::Internal {
        message: "the handler panicked".to_owned(),
    };
    super::status::of(&error)
        .into_http::<Body>()
        .into_response()
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let broken = Router::new()
            .fallback(|| async { panic!("as this test wants it") as Response })
            .layer(CatchPanicLayer::custom(panicked));
        let request = http::Request::<axum::body::Body>::default();
        let response = broken.oneshot(request).await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "13");
    }
}
