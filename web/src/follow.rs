//! Work beside the page that ends with what wanted it.

use futures_util::future::{AbortHandle, Either, abortable, select};
use gloo_timers::future::TimeoutFuture;
use wasm_bindgen_futures::spawn_local;

use crate::{
    api::{Answered, Problem},
    browser,
    format::whole,
};

/// The pause before the second call; it doubles with every failure.
const FIRST_PAUSE_MS: u32 = 250;
const LONGEST_PAUSE_MS: u32 = 2_000;

/// Dropping it ends the work, and the calls that it has open.
#[derive(Debug)]
pub(crate) struct Work(AbortHandle);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts work that nobody waits for.
pub(crate) fn spawn(work: impl Future<Output = ()> + 'static) -> Work {
    let (work, handle) = abortable(work);
    spawn_local(async move {
        // Aborted is how it ends when nobody wants it any more.
        let _aborted = work.await;
    });
    Work(handle)
}

/// The future's outcome, or a failure when it takes longer than `millis`.
pub(crate) async fn within<T>(
    millis: u32,
    future: impl Future<Output = Answered<T>>,
) -> Answered<T> {
    let future = std::pin::pin!(future);
    match select(future, TimeoutFuture::new(millis)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(((), _)) => Err(Problem::local("the server fell silent")),
    }
}

/// The growing pauses between calls that fail.
#[derive(Debug)]
pub(crate) struct Pause(u32);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_PAUSE_MS)
    }
}

impl Pause {
    pub(crate) async fn wait(&mut self) {
        // Up to half of the pause is left to chance, so that the tabs of a
        // restarted server do not come all at once.
        let chance = whole(browser::random() * f64::from(self.0 / 2));
        TimeoutFuture::new(self.0 - u32::try_from(chance).unwrap_or_default()).await;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE_MS);
    }
}
