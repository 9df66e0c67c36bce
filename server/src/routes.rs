//! Everything on the one port, and what every answer passes through.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use jobflow::Result;
use tower::ServiceBuilder;
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::{DefaultOnFailure, TraceLayer};
use tracing::{Level, Span, debug_span};

use crate::app::App;
use crate::auth::{AuditLog, Guard};
use crate::browser::Browsers;
use crate::calls::Calls;
use crate::config::Config;
use crate::request_id::{self, NewRequestId};
use crate::{dashboard, grpc, rest, trace};

/// gRPC by its paths, REST by its own, and the dashboard for what is left.
pub(crate) fn router(
    app: &Arc<App>,
    config: &Config,
    health: grpc::HealthService,
) -> Result<Router> {
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
    let calls = app.calls.clone();
    let entrance = Arc::new(Entrance { browsers, calls });
    let router = grpc::routes(app, &guard, config.reflection, health)
        .merge(rest::routes(app, &guard))
        .fallback_service(dashboard::routes())
        .layer(from_fn_with_state(entrance, enter));
    // Outside, because a preflight has no token.
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    let outside = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(NewRequestId))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(log);
    Ok(router.layer(outside))
}

/// What every request meets. One function for all of it: a layer of a router is
/// boxed, and cloned for each request together with all that is below.
struct Entrance {
    browsers: Browsers,
    calls: Calls,
}

async fn enter(State(entrance): State<Arc<Entrance>>, request: Request, next: Next) -> Response {
    if let Some(refusal) = entrance.browsers.refuse(&request) {
        return refusal;
    }
    let (id, parent) = (request_id::of(&request), trace::parent_of(&request));
    let answer = trace::scope(parent, entrance.calls.measure(request, next));
    request_id::scope(id, answer).await
}

fn span(request: &Request) -> Span {
    let id = request.headers().get("x-request-id");
    debug_span!("request", method = %request.method(), path = request.uri().path(), ?id)
}
