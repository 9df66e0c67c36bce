//! Everything on the one port, and what every answer passes through.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use jobflow::Result;
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::{DefaultOnFailure, TraceLayer};
use tracing::{Level, Span, debug_span};

use crate::app::App;
use crate::auth::{AuditLog, Guard};
use crate::browser::{self, Browsers};
use crate::config::Config;
use crate::request_id::{self, NewRequestId};
use crate::{calls, dashboard, grpc, rest, trace};

/// gRPC by its paths, REST by its own, and the dashboard for what is left.
pub(crate) fn router(app: &App, config: &Config, health: grpc::HealthService) -> Result<Router> {
    // At debug level: what is a fault of ours is logged where it is found, and
    // an outage of the store is no reason to log every call.
    let log = TraceLayer::new_for_http()
        .make_span_with(span)
        .on_failure(DefaultOnFailure::new().level(Level::DEBUG));
    let guard = Guard::new(
        app.tokens.clone(),
        app.certificates.clone(),
        AuditLog::new(app.queue.clone()),
    );
    let browsers = Browsers::new(config)?;
    let cors = browsers.cors();
    let router = grpc::routes(app, &guard, config.reflection, health)
        .merge(rest::routes(app, &guard))
        .fallback_service(dashboard::routes())
        .layer(from_fn_with_state(app.calls.clone(), calls::measure))
        .layer(from_fn(trace::scope))
        .layer(from_fn(request_id::scope))
        .layer(from_fn_with_state(browsers, browser::guard));
    // Outside, because a preflight has no token.
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    Ok(router
        .layer(log)
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(NewRequestId)))
}

fn span(request: &Request) -> Span {
    let id = request.headers().get("x-request-id");
    debug_span!("request", method = %request.method(), path = request.uri().path(), ?id)
}
