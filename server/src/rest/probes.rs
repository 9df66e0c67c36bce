//! `/healthz`: is the process there? `/readyz`: can it take jobs?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jobflow::Error;
use serde::Serialize;

use super::problem::Problem;
use crate::app::App;

#[derive(Serialize)]
pub(super) struct Probe {
    status: &'static str,
}

pub(super) async fn healthz() -> Json<Probe> {
    Json(Probe { status: "ok" })
}

/// Asks the store each time, so that the answer is never older than the question.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Probe>, Problem> {
    if app.stopping.is_cancelled() {
        return Err(Error::ShuttingDown.into());
    }
    app.store.check().await?;
    Ok(Json(Probe { status: "ready" }))
}
