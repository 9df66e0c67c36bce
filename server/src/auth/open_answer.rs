//! The answer of a call that stays open: counted, and ended with its token.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http::HeaderMap;
use hyper::body::{Frame, SizeHint};
use jobflow::Error;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::principal::Principal;
use crate::grpc;

/// The body of such an answer.
pub(super) struct OpenAnswer {
    body: Body,
    /// Until its reader has gone.
    _counted: Option<OwnedSemaphorePermit>,
    token_ends: Pin<Box<WaitForCancellationFutureOwned>>,
    is_over: bool,
}

impl OpenAnswer {
    pub(super) fn new(
        body: Body,
        principal: &Principal,
        counted: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            body,
            _counted: counted,
            token_ends: Box::pin(principal.ended.clone().cancelled_owned()),
            is_over: false,
        }
    }
}

impl hyper::body::Body for OpenAnswer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if self.token_ends.as_mut().poll(context).is_ready() {
            self.is_over = true;
            let mut trailers = HeaderMap::new();
            let told = grpc::status(&Error::TokenInvalid).add_header(&mut trailers);
            return Poll::Ready(Some(match told {
                Ok(()) => Ok(Frame::trailers(trailers)),
                Err(status) => Err(axum::Error::new(status)),
            }));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
