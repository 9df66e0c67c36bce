//! The id of the request being answered: in by `x-request-id` or made here, out
//! in the answer, in its error, and in the log.

use axum::extract::Request;
use http::HeaderValue;
use tower_http::request_id::{MakeRequestId, RequestId};
use uuid::Uuid;

tokio::task_local! {
    static CURRENT: HeaderValue;
}

/// Makes ids that sort by time.
#[derive(Clone, Copy)]
pub(crate) struct NewRequestId;

impl MakeRequestId for NewRequestId {
    fn make_request_id<B>(&mut self, _: &http::Request<B>) -> Option<RequestId> {
        let id = Uuid::now_v7().to_string();
        HeaderValue::from_str(&id).ok().map(RequestId::new)
    }
}

/// The id that a request was given.
pub(crate) fn of(request: &Request) -> HeaderValue {
    let id = request.extensions().get::<RequestId>();
    let id = id.map(|id| id.header_value().clone());
    id.unwrap_or(HeaderValue::from_static(""))
}

/// Lets everything below ask for [`current`].
pub(crate) fn scope<F: Future>(id: HeaderValue, answer: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(id, answer)
}

/// The id of the request that this task answers, if it is text.
pub(crate) fn current() -> Option<String> {
    let text = |id: &HeaderValue| id.to_str().map(ToOwned::to_owned).ok();
    CURRENT
        .try_with(text)
        .ok()
        .flatten()
        .filter(|id| !id.is_empty())
}
