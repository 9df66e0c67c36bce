//! Keeps one stream open while the tab is visible, whatever happens to the server.

use std::time::Duration;

use yew::Callback;

use crate::{
    api::{Answered, Api, Metrics, Problem},
    browser,
    follow::{self, Pause, Work, within},
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
/// Runs until the task is dropped, which also ends the call.
pub(crate) fn start(emit: Callback<Event>) -> Work {
    follow::spawn(keep(emit))
}

async fn keep(emit: Callback<Event>) {
    let mut pause = Pause::default();
    loop {
        let mut heard = false;
        let problem = follow(&emit, &mut heard).await;
        if problem.wants_token() {
            // Until somebody shows one, asking again is knocking at a closed door.
            return emit.emit(Event::Refused);
        }
        emit.emit(Event::Lost(problem.message));
        if heard {
            pause = Pause::default();
        }
        pause.wait().await;
    }
}

/// Follows one stream to its end and says why it ended.
async fn follow(emit: &Callback<Event>, heard: &mut bool) -> Problem {
    let opened = within(OPENING_MS, async {
        let mut metrics = Api::stream_metrics(INTERVAL).await?;
        let first = metrics.next().await?;
        Ok((metrics, first))
    });
    let (mut metrics, first) = match opened.await {
        Ok(opened) => opened,
        Err(problem) => return problem,
    };
    *heard = true;
    let time = first.time;
    emit.emit(Event::Received(Box::new(first)));
    let _introduction = introduce(emit.clone());
    let _memory = time.map(|time| remember(emit.clone(), time));
    loop {
        match next(&mut metrics).await {
            Ok(snapshot) => emit.emit(Event::Received(Box::new(snapshot))),
            Err(problem) => return problem,
        }
    }
}

async fn next(metrics: &mut Metrics) -> Answered<Snapshot> {
    within(SILENCE_MS, metrics.next()).await
}

/// Asks what happened while nobody looked, beside the stream.
fn remember(emit: Callback<Event>, now: u64) -> Work {
    follow::spawn(async move {
        // Without it the line begins where this tab began to look.
        if let Ok(seconds) = Api::last_seconds(now).await {
            emit.emit(Event::Remembered(seconds));
        }
    })
}

/// Asks beside the stream: the numbers do not wait for the name of the server.
fn introduce(emit: Callback<Event>) -> Work {
    follow::spawn(async move {
        // The name is an ornament: without it the page is complete.
        if let Ok(server) = Api::server_info().await {
            emit.emit(Event::Introduced(server));
        }
        // A server that was restarted may have brought another page.
        if let Some(outdated) = browser::is_outdated().await {
            emit.emit(Event::Compared { outdated });
        }
    })
}
