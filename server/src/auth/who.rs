//! What handlers ask about their caller, who is known to the task that answers.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jobflow::{
    AuditEvent, Code, Error, Filter, JobId, JobQueue, QueueName, QueueScope, Result, proto,
};

use super::principal::Principal;
use crate::request_id;

tokio::task_local! {
    pub(super) static CALLER: Arc<Caller>;
}

/// One call and who makes it.
pub(crate) struct Caller {
    pub(super) principal: Arc<Principal>,
    peer: Option<IpAddr>,
    /// What the call is about, once a handler knows.
    target: Mutex<Option<String>>,
    /// Whether a handler has asked about queues.
    asked: AtomicBool,
    /// The error that it was answered with.
    failed: Mutex<Option<Code>>,
}

impl Caller {
    pub(super) fn new(principal: Arc<Principal>, peer: Option<IpAddr>) -> Self {
        Self {
            failed: Mutex::default(),
            principal,
            peer,
            target: Mutex::default(),
            asked: AtomicBool::new(false),
        }
    }

    pub(super) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// What the audit log says of the call.
    pub(super) fn event(&self, call: &str) -> AuditEvent {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        AuditEvent {
            caller: self.principal.name.clone(),
            peer: self.peer.map(|peer| peer.to_string()).unwrap_or_default(),
            call: call.trim_start_matches("jobflow.v1.").to_owned(),
            target: self.target().unwrap_or_default(),
            result: failed.map_or("OK", Code::as_str).to_owned(),
            request_id: request_id::current().unwrap_or_default(),
        }
    }

    pub(super) fn fail(&self, code: Code) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        *failed = Some(code);
    }

    /// Whether it was not allowed.
    pub(super) fn was_refused(&self) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*failed, Some(Code::RoleRequired | Code::QueueForbidden))
    }

    pub(super) fn target(&self) -> Option<String> {
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        target.clone()
    }

    fn ask(&self) -> &Principal {
        self.asked.store(true, Ordering::Relaxed);
        &self.principal
    }
}

/// Who calls. Only a call that went through the guard has a caller.
fn caller() -> Result<Arc<Caller>> {
    CALLER.try_with(Arc::clone).map_err(|_| Error::Internal {
        message: "a handler runs without a caller".to_owned(),
    })
}

/// Who calls.
pub(crate) fn principal() -> Result<Arc<Principal>> {
    Ok(Arc::clone(&caller()?.principal))
}

/// The call is answered with this error.
pub(crate) fn answered(code: Code) {
    // Errors before and after a call have no caller.
    let _known = CALLER.try_with(|caller| caller.fail(code));
}

/// The call is about this.
pub(crate) fn about(target: impl Into<String>) {
    // A handler without a caller is found out where it asks for one.
    let _known = CALLER.try_with(|caller| {
        let mut known = caller.target.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(target.into());
    });
}

/// Lets on who may touch this queue.
pub(crate) fn queue(queue: &QueueName) -> Result<()> {
    let caller = caller()?;
    about(format!("queue {queue}"));
    if caller.ask().may_touch(queue.as_str()) {
        return Ok(());
    }
    Err(Error::QueueForbidden {
        what: format!("queue {queue}"),
    })
}

/// Lets on who may touch this job. To anybody else it does not exist.
pub(crate) async fn job(store: &JobQueue, id: JobId) -> Result<()> {
    let caller = caller()?;
    about(format!("job {id}"));
    if caller.ask().queues.is_all() {
        return Ok(());
    }
    let job = store.get(id).await?;
    if caller.principal.may_touch(job.queue.as_str()) {
        return Ok(());
    }
    Err(Error::JobNotFound { id })
}

/// The part of a filter that the caller may see.
pub(crate) fn narrow(filter: &Filter) -> Result<Filter> {
    Ok(filter.and_queues(&caller()?.ask().queues))
}

/// The queues that the caller may see.
pub(crate) fn scope() -> Result<QueueScope> {
    Ok(caller()?.ask().queues.clone())
}

/// The job as its caller may see it.
pub(crate) fn shown(job: proto::Job) -> Result<proto::Job> {
    Ok(if principal()?.role.sees_payloads() {
        job
    } else {
        job.hidden()
    })
}
