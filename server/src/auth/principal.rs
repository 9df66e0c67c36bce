//! Who makes a call.

use std::sync::{Arc, LazyLock};

use jobflow::{QueueScope, Role, proto};
use tokio_util::sync::CancellationToken;

use super::limits::{CallLimits, Limits};

/// Somebody whose calls are let through, as far as this goes.
#[derive(Debug)]
pub(crate) struct Principal {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) queues: QueueScope,
    /// Whether it is known who it is.
    pub(crate) authenticated: bool,
    /// How much it may ask for; none where callers are not told apart.
    pub(super) limits: Option<Limits>,
    /// Its token holds no more: what it has open is to end.
    pub(crate) ended: CancellationToken,
}

impl Principal {
    pub(crate) fn new(name: String, role: Role, queues: QueueScope, limits: CallLimits) -> Self {
        Self {
            name,
            role,
            queues,
            authenticated: true,
            limits: Some(Limits::new(limits)),
            ended: CancellationToken::new(),
        }
    }

    /// Whoever calls a server that wants no tokens.
    pub(crate) fn anonymous() -> Arc<Self> {
        static ANONYMOUS: LazyLock<Arc<Principal>> = LazyLock::new(|| {
            Arc::new(Principal {
                name: "anonymous".to_owned(),
                role: Role::Admin,
                queues: QueueScope::all(),
                authenticated: false,
                limits: None,
                ended: CancellationToken::new(),
            })
        });
        Arc::clone(&ANONYMOUS)
    }

    /// Whether it may touch the queue of this name.
    pub(crate) fn may_touch(&self, queue: &str) -> bool {
        self.queues.contains(queue)
    }
}

impl From<&Principal> for proto::Caller {
    fn from(principal: &Principal) -> Self {
        Self {
            name: principal.name.clone(),
            role: proto::Role::from(principal.role).into(),
            queues: principal.queues.to_strings(),
            authenticated: principal.authenticated,
        }
    }
}
