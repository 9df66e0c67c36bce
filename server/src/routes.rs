//! Everything on the one port, and what every answer passes through.

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn;
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::{DefaultOnFailure, TraceLayer};
use tracing::{Level, Span, debug_span};

use crate::app::App;
use crate::request_id::{self, NewRequestId};
use crate::{dashboard, grpc, rest};

/// gRPC by its paths, REST by its own, and the dashboard for what is left.
pub(crate) fn router(app: &App, reflection: bool, health: grpc::HealthService) -> Router {
    // At debug level: what is a fault of ours is logged where it is found, and
    // an outage of the store is no reason to log every call.
    let trace = TraceLayer::new_for_http()
        .make_span_with(span)
        .on_failure(DefaultOnFailure::new().level(Level::DEBUG));
    grpc::routes(app, reflection, health)
        .merge(rest::routes(app))
        .fallback_service(dashboard::routes())
        .layer(from_fn(request_id::scope))
        .layer(trace)
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(NewRequestId))
}

fn span(request: &Request) -> Span {
    let id = request.headers().get("x-request-id");
    debug_span!("request", method = %request.method(), path = request.uri().path(), ?id)
}
