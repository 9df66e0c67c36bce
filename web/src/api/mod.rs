//! The public API over grpc-web: the only folder that makes calls.
//!
//! Jobs, queues and workers are shown as the messages that the API sends; only
//! the numbers that stream have a model of their own.

mod admin;
mod bulk;
mod dead;
mod frames;
mod jobs;
mod metrics;
mod past;
mod queues;
mod rpc;
pub(crate) mod values;
mod wire;
mod workers;

use yew::AttrValue;

pub(crate) use bulk::{Bulk, Target};
pub(crate) use jobs::Page;
pub(crate) use metrics::{Metrics, counts};

use crate::store::Refusal;

/// Why a call failed, for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Problem {
    /// The reason of the error table; empty when no server said one.
    pub(crate) reason: AttrValue,
    pub(crate) message: AttrValue,
    /// Where in a filter it is, counted from 1.
    pub(crate) position: Option<usize>,
}

impl Problem {
    /// A problem of this side of the wire.
    pub(crate) fn local(message: impl Into<AttrValue>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    /// What the browser or a proxy did not let through.
    pub(crate) fn broken() -> Self {
        Self::local("the connection broke")
    }

    /// Why another token is needed, where the server says so.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        if self.is(jobflow::Code::TokenMissing) || self.is(jobflow::Code::TokenInvalid) {
            Some(Refusal::Token)
        } else if self.is(jobflow::Code::RoleRequired) {
            Some(Refusal::Role)
        } else {
            None
        }
    }

    /// Whether it is this one of the error table.
    pub(crate) fn is(&self, code: jobflow::Code) -> bool {
        self.reason == code.as_str()
    }
}

/// What a call came to.
pub(crate) type Answered<T> = Result<T, Problem>;

/// The server that this page came from, as the calls that it answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Api;

/// What every answer must have.
fn there<T>(part: Option<T>) -> Answered<T> {
    part.ok_or_else(|| Problem::local("the server's answer is incomplete"))
}
