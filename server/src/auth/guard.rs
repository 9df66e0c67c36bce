//! What stands before every handler: who calls, and may they?

use std::future::Future;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method};
use jobflow::{Error, Result};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::error;

use super::audit::{AuditLog, Unanswered};
use super::certificates::{CertificateNames, CertificateTable};
use super::open_answer::OpenAnswer;
use super::principal::Principal;
use super::table::{self, Queues, Roles, Row, Time};
use super::tokens::TokenTable;
use super::who::{CALLER, Caller};
use crate::listen::Peer;
use crate::request_id;
use crate::rest::Problem;

/// One for all routes.
pub(crate) struct Guard {
    /// None where the server wants no tokens.
    tokens: Option<TokenTable>,
    /// None where certificates say nothing of who somebody is.
    certificates: Option<CertificateTable>,
    audit: Arc<AuditLog>,
    /// Calls that look through queues, see [`LOOKS`].
    looks: Semaphore,
}

/// So many calls look through queues at a time, and the others wait for their
/// turn: the store does one thing after the other, and submits and claims go
/// between two of their steps.
pub(super) const LOOKS: usize = 8;

/// How an edge tells that a call was refused.
type Refuse = fn(&Error) -> Response;

impl Guard {
    pub(crate) fn new(
        tokens: Option<TokenTable>,
        certificates: Option<CertificateTable>,
        audit: AuditLog,
    ) -> Arc<Self> {
        Arc::new(Self {
            tokens,
            certificates,
            audit: Arc::new(audit),
            looks: Semaphore::new(LOOKS),
        })
    }

    /// By the token, or where there is none, by the certificate.
    fn identify(&self, request: &Request) -> Result<Arc<Principal>> {
        let Some(tokens) = &self.tokens else {
            return Ok(Principal::anonymous());
        };
        match bearer(request.headers()) {
            Err(Error::TokenMissing) => {
                let names = request.extensions().get::<CertificateNames>();
                let known = self.certificates.as_ref().zip(names);
                let holder = known.and_then(|(table, names)| table.holder(names));
                holder.ok_or(Error::TokenMissing)
            }
            token => tokens.holder(token?),
        }
    }

    /// Answers when it is this call's turn, which counts as its own time.
    async fn in_turn(
        &self,
        row: &Row,
        principal: &Principal,
        answer: impl Future<Output = Response>,
    ) -> Response {
        if !row.looks_through_queues() {
            return answer.await;
        }
        // Never closed: an error can not be.
        let _own_turn = match &principal.limits {
            Some(limits) => limits.looks.acquire().await.ok(),
            None => None,
        };
        let _turn = self.looks.acquire().await.ok();
        answer.await
    }

    /// Lets a call of this row through, or says why not.
    async fn admit(
        &self,
        row: &'static Row,
        request: Request,
        next: Next,
        refuse: Refuse,
    ) -> Response {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        let principal = match self.identify(&request) {
            Ok(principal) => principal,
            Err(_) if row.roles == Roles::Public => Principal::anonymous(),
            Err(error) => {
                self.audit.not_let_in(row.call, peer, error.code()).await;
                return refuse(&error);
            }
        };
        let permit = match principal
            .limits
            .as_ref()
            .map(|limits| limits.admit(row.time))
        {
            Some(Err(error)) => return refuse(&error),
            permit => permit.and_then(Result::ok),
        };
        let caller = Arc::new(Caller::new(principal, peer));
        let unanswered = row
            .is_audited()
            .then(|| Unanswered::new(&self.audit, row.call, &caller));
        let answer = match allowed(row, &caller.principal) {
            Ok(()) => {
                let answer = self.in_turn(row, &caller.principal, next.run(request));
                run(row, &caller, answer).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &answer {
            caller.fail(error.code());
        }
        if caller.was_refused() {
            self.audit.refused(row.call, &caller).await;
        } else if row.is_audited() {
            self.audit.made(row.call, &caller).await;
        }
        if let Some(unanswered) = unanswered {
            unanswered.tell_no_more();
        }
        match answer {
            Ok(answer) if row.time == Time::Open && caller.principal.authenticated => {
                answer.map(|body| Body::new(OpenAnswer::new(body, &caller.principal, permit)))
            }
            Ok(answer) => answer,
            Err(error) => refuse(&error),
        }
    }
}

/// Whether this principal may make this call at all.
fn allowed(row: &Row, principal: &Principal) -> Result<()> {
    if !row.roles.include(principal.role) {
        let role = principal.role;
        return Err(Error::RoleRequired { role });
    }
    if row.queues == Queues::All && !principal.queues.is_all() {
        let what = "all queues, which this call is about".to_owned();
        return Err(Error::QueueForbidden { what });
    }
    Ok(())
}

/// Runs a handler for a caller, for as long as the call and the token hold.
async fn run(
    row: &'static Row,
    caller: &Arc<Caller>,
    answer: impl Future<Output = Response>,
) -> Result<Response> {
    let answer = CALLER.scope(Arc::clone(caller), answer);
    let answer = async {
        match row.time.limit() {
            None => Ok(answer.await),
            Some(limit) => timeout(limit, answer)
                .await
                .map_err(|_| Error::CallTimeout {
                    seconds: limit.as_secs(),
                }),
        }
    };
    let answer = if caller.principal.authenticated {
        tokio::select! {
            answer = answer => answer?,
            () = caller.principal.ended.cancelled() => return Err(Error::TokenInvalid),
        }
    } else {
        answer.await?
    };
    let must_ask = matches!(row.queues, Queues::One | Queues::Own);
    if must_ask && !caller.has_asked() && !caller.principal.queues.is_all() && succeeded(&answer) {
        let request_id = request_id::current();
        error!(
            request_id,
            call = row.call,
            "a handler has not asked about the queue"
        );
        let message = "this call can not tell whose queues it is about".to_owned();
        return Err(Error::Internal { message });
    }
    Ok(answer)
}

/// Whether the answer tells anything but an error.
pub(super) fn succeeded(answer: &Response) -> bool {
    let status = answer.headers().get("grpc-status");
    answer.status().is_success() && status.is_none_or(|status| status == "0")
}

/// What `authorization: Bearer …` has; only there are tokens looked for.
fn bearer(headers: &HeaderMap) -> Result<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Error::TokenMissing)?;
    if values.next().is_some() {
        return Err(Error::TokenInvalid);
    }
    let text = value.to_str().map_err(|_| Error::TokenInvalid)?;
    let (scheme, token) = text.split_once(' ').ok_or(Error::TokenInvalid)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim())
    } else {
        Err(Error::TokenInvalid)
    }
}

/// Before every gRPC call.
pub(crate) async fn grpc(guard: &Guard, request: Request, next: Next) -> Response {
    let refuse: Refuse = |error| {
        crate::grpc::status(error)
            .into_http::<Body>()
            .into_response()
    };
    let Some(row) = table::of(request.uri().path().trim_start_matches('/')) else {
        return match guard.identify(&request) {
            Ok(_) => crate::grpc::unimplemented(),
            Err(error) => refuse(&error),
        };
    };
    guard.admit(row, request, next, refuse).await
}

/// No such method here, but these.
fn not_allowed(path: &str) -> Response {
    let mut answer = Problem::method_not_allowed().into_response();
    if let Ok(allow) = HeaderValue::from_str(&table::methods(path)) {
        answer.headers_mut().insert(ALLOW, allow);
    }
    answer
}

/// Before every REST route.
pub(crate) async fn rest(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let refuse: Refuse = |error| Problem::from(error.clone()).into_response();
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map_or("", MatchedPath::as_str);
    let method = match *request.method() {
        Method::HEAD => &Method::GET,
        ref method => method,
    };
    let Some(row) = table::of(&format!("{method} {path}")) else {
        return match guard.identify(&request) {
            Ok(_) => not_allowed(path),
            Err(error) => refuse(&error),
        };
    };
    guard.admit(row, request, next, refuse).await
}

/// For tests: reads the token of a call.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_bearer(headers: &HeaderMap) {
    let token = bearer(headers).ok();
    let _none = token.and_then(jobflow::TokenText::parse);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_one_header_only() {
        let headers = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            headers
        };
        assert_eq!(bearer(&headers(&["Bearer x"])), Ok("x"));
        assert_eq!(bearer(&headers(&["bearer  x "])), Ok("x"));
        assert_eq!(bearer(&headers(&[])), Err(Error::TokenMissing));
        for odd in [
            &["Basic eDp5"][..],
            &["Bearer"],
            &["x"],
            &["Bearer x", "Bearer x"],
        ] {
            assert_eq!(bearer(&headers(odd)), Err(Error::TokenInvalid), "{odd:?}");
        }
    }
}
