//! Keeps one stream open while the tab is visible, whatever happens to the server.

use std::time::Duration;

use futures_util::future::{AbortHandle, Either, abortable, select};
use gloo_timers::future::TimeoutFuture;
use wasm_bindgen_futures::spawn_local;
use yew::{AttrValue, Callback};

use crate::{
    api::{Api, Failed, Metrics},
    browser,
    format::whole,
    model::Snapshot,
    store::Event,
};

/// How often the server sends. Twice a second: a finished job stands in the
/// feed well within a second.
const INTERVAL: Duration = Duration::from_millis(500);
/// Silence that means the other end is gone: five intervals, so that a stall of
/// the network is not called a death, and short of three seconds.
const SILENCE_MS: u32 = 2_500;
/// The first message needs a connection and a reading of the store.
const OPENING_MS: u32 = 5_000;
/// The pause before the second call; it doubles with every failure.
const FIRST_PAUSE_MS: u32 = 250;
const LONGEST_PAUSE_MS: u32 = 2_000;

/// Runs until the handle aborts it, which also ends the call.
pub(crate) fn start(api: Api, emit: Callback<Event>) -> AbortHandle {
    let (task, handle) = abortable(keep(api, emit));
    spawn_local(async move {
        // Aborted is how it ends.
        let _aborted = task.await;
    });
    handle
}

async fn keep(api: Api, emit: Callback<Event>) {
    let mut pause = FIRST_PAUSE_MS;
    loop {
        let mut heard = false;
        let reason = follow(&api, &emit, &mut heard).await;
        emit.emit(Event::Lost(reason));
        if heard {
            pause = FIRST_PAUSE_MS;
        }
        // Up to half of the pause is left to chance, so that the tabs of a
        // restarted server do not come all at once.
        let chance = whole(browser::random() * f64::from(pause / 2));
        TimeoutFuture::new(pause - u32::try_from(chance).unwrap_or_default()).await;
        pause = (pause * 2).min(LONGEST_PAUSE_MS);
    }
}

/// Follows one stream to its end and says why it ended.
async fn follow(api: &Api, emit: &Callback<Event>, heard: &mut bool) -> AttrValue {
    let opened = within(OPENING_MS, async {
        let mut metrics = api.stream_metrics(INTERVAL).await?;
        let first = metrics.next().await?;
        Ok((metrics, first))
    });
    let (mut metrics, first) = match opened.await {
        Ok(opened) => opened,
        Err(reason) => return reason,
    };
    *heard = true;
    emit.emit(Event::Received(Box::new(first)));
    introduce(api.clone(), emit.clone());
    loop {
        match next(&mut metrics).await {
            Ok(snapshot) => emit.emit(Event::Received(Box::new(snapshot))),
            Err(reason) => return reason,
        }
    }
}

async fn next(metrics: &mut Metrics) -> Result<Snapshot, Failed> {
    within(SILENCE_MS, metrics.next()).await
}

/// Asks beside the stream: the numbers do not wait for the name of the server.
fn introduce(api: Api, emit: Callback<Event>) {
    spawn_local(async move {
        // The name is an ornament: without it the page is complete.
        if let Ok(server) = api.server_info().await {
            emit.emit(Event::Introduced(server));
        }
    });
}

/// The future's outcome, or a failure when it takes longer than `millis`.
async fn within<T>(
    millis: u32,
    future: impl Future<Output = Result<T, Failed>>,
) -> Result<T, Failed> {
    let future = std::pin::pin!(future);
    match select(future, TimeoutFuture::new(millis)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(((), _)) => Err("the server fell silent".into()),
    }
}
