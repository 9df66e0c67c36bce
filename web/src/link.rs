//! Keeps one stream of numbers open, whatever happens to the server.

use std::time::Duration;

use bytes::Bytes;
use yew::AttrValue;

use crate::{
    api::{Answered, Api, Metrics, Problem},
    follow::{Pause, within},
    model::Snapshot,
    store::Refusal,
};

/// How often the server sends. Twice a second: a finished job stands in the
/// feed well within a second.
const INTERVAL: Duration = Duration::from_millis(500);
/// Silence that means the other end is gone: five intervals, so that a stall of
/// the network is not called a death, and short of three seconds.
const SILENCE_MS: u32 = 2_500;
/// The first message needs a connection and a reading of the store.
const OPENING_MS: u32 = 5_000;

/// What comes of a stream.
#[derive(Debug)]
pub(crate) enum News {
    /// Numbers, and the message that they are of.
    Came(Box<Snapshot>, Bytes),
    /// It broke, or could not be opened.
    Broke(AttrValue),
}

/// Goes on until the server wants a token, or another one.
pub(crate) async fn keep(tell: &impl Fn(News)) -> Refusal {
    let mut pause = Pause::default();
    loop {
        let mut heard = false;
        let problem = follow(tell, &mut heard).await;
        if let Some(refusal) = problem.refusal() {
            // Until somebody shows one, asking again is knocking at a closed door.
            return refusal;
        }
        tell(News::Broke(problem.message));
        if heard {
            pause = Pause::default();
        }
        pause.wait().await;
    }
}

/// Follows one stream to its end and says why it ended.
async fn follow(tell: &impl Fn(News), heard: &mut bool) -> Problem {
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
    let mut next = Ok(first);
    loop {
        match next {
            Ok((snapshot, message)) => tell(News::Came(Box::new(snapshot), message)),
            Err(problem) => return problem,
        }
        next = self::next(&mut metrics).await;
    }
}

async fn next(metrics: &mut Metrics) -> Answered<(Snapshot, Bytes)> {
    within(SILENCE_MS, metrics.next()).await
}
