//! `QueueService`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jobflow::{Error, QueueName, Result, proto};
use proto::queue_service_server::QueueService;
use tonic::{Request, Response, Status};

use super::status::reply;
use crate::app::App;

const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

pub(super) struct Queues(pub(super) App);

#[tonic::async_trait]
impl QueueService for Queues {
    async fn list_queues(
        &self,
        request: Request<proto::ListQueuesRequest>,
    ) -> Result<Response<proto::ListQueuesResponse>, Status> {
        reply(self.list(request.into_inner()).await)
    }
}

impl Queues {
    async fn list(&self, request: proto::ListQueuesRequest) -> Result<proto::ListQueuesResponse> {
        let size = page_size(request.page_size)?;
        let after = page_start(&request.page_token)?;
        let mut queues = self.0.queue.snapshot().await?.queues;
        queues.sort_by(|a, b| a.name.cmp(&b.name));
        queues.retain(|queue| after.as_ref().is_none_or(|after| queue.name > *after));
        let more = queues.len() > size;
        queues.truncate(size);
        let last = queues.last().filter(|_| more);
        Ok(proto::ListQueuesResponse {
            next_page_token: last
                .map(|queue| page_token(&queue.name))
                .unwrap_or_default(),
            queues: queues.iter().map(Into::into).collect(),
        })
    }
}

fn page_size(asked: i32) -> Result<usize> {
    match usize::try_from(asked) {
        Ok(0) => Ok(DEFAULT_PAGE),
        Ok(size) => Ok(size.min(MAX_PAGE)),
        Err(_) => Err(Error::invalid("page_size", "must not be negative")),
    }
}

/// The name of the last queue of the page before. Encoded, so that nobody
/// builds on what it is today.
fn page_token(last: &QueueName) -> String {
    URL_SAFE_NO_PAD.encode(last.as_str())
}

fn page_start(token: &str) -> Result<Option<QueueName>> {
    if token.is_empty() {
        return Ok(None);
    }
    let name = URL_SAFE_NO_PAD.decode(token).ok();
    let name = name.and_then(|name| String::from_utf8(name).ok());
    let name = name.and_then(|name| QueueName::new(name).ok());
    let refused = || Error::invalid("page_token", "must be a next_page_token of this server");
    name.map(Some).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_to_the_next_page_and_others_are_refused() {
        let mail = QueueName::new("mail").unwrap();
        assert_eq!(page_start(&page_token(&mail)), Ok(Some(mail)));
        assert_eq!(page_start(""), Ok(None));
        for bad in ["mail", "%%%", "e30", "😀"] {
            assert_eq!(
                page_start(bad).unwrap_err().field(),
                Some("page_token"),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_page_is_bounded() {
        assert_eq!(page_size(0), Ok(100));
        assert_eq!(page_size(7), Ok(7));
        assert_eq!(page_size(i32::MAX), Ok(1_000));
        assert_eq!(page_size(-1).unwrap_err().field(), Some("page_size"));
    }
}
