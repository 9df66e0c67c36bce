//! The routes and what their requests pass through.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::CONTENT_TYPE;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::problem::Problem;
use super::{body, jobs, metrics, probes, stats};
use crate::app::App;
use crate::auth::{self, Guard};

/// How long a caller may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

const OPENAPI: &str = include_str!("openapi.json");

pub(crate) fn routes(app: &Arc<App>, guard: &Arc<Guard>) -> Router {
    Router::new()
        .route("/jobs", post(jobs::submit))
        .route("/jobs/{id}", get(jobs::get).delete(jobs::cancel))
        .route("/stats", get(stats::stats))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi))
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .with_state(app.clone())
        .route_layer(from_fn_with_state(guard.clone(), auth::rest))
        .layer(DefaultBodyLimit::max(body::MAX_BODY))
        .layer(RequestBodyTimeoutLayer::new(BODY_TIMEOUT))
        .layer(CatchPanicLayer::custom(panicked))
}

/// What the routes take and answer, for programs; a test asks the running server
/// whether it is true.
async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI)
}

/// A panic ends the request, not the server; it is in the log, by the panic hook.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    let error = jobflow::Error::Internal {
        message: "the handler panicked".to_owned(),
    };
    Problem::from(error).into_response()
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
        assert_eq!(response.status(), 500);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
}
