//! What pages of other origins may do: nothing, unless their origin is listed.
//!
//! Tokens travel in a header that no page of another origin can set without
//! asking first, so this is what protects a server that wants no tokens, and the
//! second lock of one that does.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderName, HeaderValue, Method, Uri};
use jobflow::{Error, Result};
use tower_http::cors::CorsLayer;

use crate::config::{AuthMode, Config};
use crate::grpc;
use crate::rest::Problem;

const FROM_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What a client of grpc-web sends, and what it has to be able to read.
const SENT: [HeaderName; 6] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
];
const READ: [HeaderName; 4] = [
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-status-details-bin"),
    HeaderName::from_static("x-request-id"),
];
const PREFLIGHT_HOLDS: Duration = Duration::from_secs(600);

/// Which pages may call.
pub(crate) struct Browsers {
    origins: Vec<HeaderValue>,
    /// Nothing else tells this server from one whose name an attacker has
    /// pointed at it, so only names that can not be pointed are answered.
    local_names_only: bool,
}

impl Browsers {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let origins = config.allow_origin.iter().map(|text| origin(text));
        Ok(Self {
            origins: origins.collect::<Result<_>>()?,
            local_names_only: config.auth == AuthMode::None && !config.insecure_behind_proxy,
        })
    }

    /// Answers to preflights; none where no other origin may call.
    pub(crate) fn cors(&self) -> Option<CorsLayer> {
        (!self.origins.is_empty()).then(|| {
            CorsLayer::new()
                .allow_origin(self.origins.clone())
                .allow_methods([Method::GET, Method::POST, Method::DELETE])
                .allow_headers(SENT)
                .expose_headers(READ)
                .max_age(PREFLIGHT_HOLDS)
        })
    }

    /// The answer to a page that may not make this request.
    pub(crate) fn refuse(&self, request: &Request) -> Option<Response> {
        if self.lets_in(request) {
            return None;
        }
        Some(match grpc::is_grpc(request) {
            true => grpc::forbidden("pages of this origin may not call"),
            false => Problem::origin_refused().into_response(),
        })
    }

    /// Whether a page may make this request. What comes from no page may.
    fn lets_in(&self, request: &Request) -> bool {
        let headers = request.headers();
        let site = headers.get(FROM_SITE);
        let Some(origin) = headers.get(ORIGIN) else {
            // A page that only reads sends no origin, and says where it stands only
            // to names that it trusts: one that was pointed here looks like a
            // program. A link from elsewhere that is followed is no harm.
            let reads = matches!(*request.method(), Method::GET | Method::HEAD);
            return (site.is_none() && !reads) || self.knows_name(request);
        };
        if self.origins.contains(origin) {
            return true;
        }
        // Without the word of the browser, a page of the same name by plain HTTP
        // can not be told from one of this server.
        let same = match site {
            Some(site) => site == "same-origin",
            None => authority(origin).is_some_and(|origin| Some(origin) == host(request)),
        };
        same && self.knows_name(request)
    }

    /// Whether the name under which it was called says nothing against it. No
    /// browser leaves the name out; one that can not be read is none of ours.
    fn knows_name(&self, request: &Request) -> bool {
        let has_name = request.uri().authority().is_some() || request.headers().contains_key(HOST);
        !self.local_names_only
            || !has_name
            || host(request).is_some_and(|host| self.is_own_name(&host))
    }

    /// A name that nobody can have pointed here, or that of an origin in the list.
    fn is_own_name(&self, host: &Authority) -> bool {
        let listed = || self.origins.iter().filter_map(authority);
        let name = host.host().to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost"
            || name.ends_with(".localhost")
            || address.parse::<IpAddr>().is_ok()
            || listed().any(|listed| listed == *host)
    }
}

/// The name under which the caller knows this server.
fn host(request: &Request) -> Option<Authority> {
    let in_header = || {
        let host = request.headers().get(HOST)?;
        Authority::try_from(host.as_bytes()).ok()
    };
    request.uri().authority().cloned().or_else(in_header)
}

fn authority(origin: &HeaderValue) -> Option<Authority> {
    Uri::try_from(origin.as_bytes()).ok()?.authority().cloned()
}

/// `https://host[:port]`, as browsers spell it.
fn origin(text: &str) -> Result<HeaderValue> {
    let refused = || {
        let message = format!("{text:?} must be like https://jobs.example.com, without a path");
        Error::invalid("allow_origin", message)
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(refused)?;
    let sound = ["http", "https"].contains(&scheme)
        && !rest.contains(['/', '@', '?', '#', '*'])
        && text == text.to_ascii_lowercase()
        && Authority::try_from(rest).is_ok();
    if sound {
        HeaderValue::from_str(text).map_err(|_| refused())
    } else {
        Err(refused())
    }
}

/// For tests: reads where a request says it comes from and goes to.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read(headers: &http::HeaderMap) {
    let mut request = Request::default();
    headers.clone_into(request.headers_mut());
    let _nowhere = host(&request);
    for value in headers.values() {
        let _none = authority(value);
        let _refused = value.to_str().map(origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(config: &Config, headers: &[(&str, &str)]) -> bool {
        sent(Method::POST, config, headers)
    }

    fn sent(method: Method, config: &Config, headers: &[(&str, &str)]) -> bool {
        let mut request = http::Request::builder().method(method).uri("/jobs");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        Browsers::new(config).unwrap().lets_in(&request)
    }

    #[test]
    fn a_page_of_another_origin_may_not_call_and_a_program_may() {
        let config = Config::default();
        let host = ("host", "127.0.0.1:4000");
        for allowed in [
            &[("host", "jobs.example.com")][..],
            &[host, ("origin", "http://127.0.0.1:4000")],
            &[
                host,
                ("origin", "http://127.0.0.1:4000"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[host, ("sec-fetch-site", "none")],
        ] {
            assert!(allows(&config, allowed), "{allowed:?}");
        }
        for refused in [
            &[host, ("origin", "https://evil.example")][..],
            &[host, ("origin", "null")],
            &[host, ("origin", "http://127.0.0.1:4001")],
            &[
                host,
                ("origin", "http://127.0.0.1:4000"),
                ("sec-fetch-site", "cross-site"),
            ],
            &[
                host,
                ("origin", "https://evil.example"),
                ("sec-fetch-site", "cross-site"),
            ],
        ] {
            assert!(!allows(&config, refused), "{refused:?}");
        }
    }

    #[test]
    fn a_name_that_was_pointed_here_is_not_answered_without_tokens() {
        let rebound = [
            ("host", "evil.example:4000"),
            ("origin", "http://evil.example:4000"),
            ("sec-fetch-site", "same-origin"),
        ];
        assert!(!allows(&Config::default(), &rebound));
        // What browsers send with a read by such a name, and what programs do.
        let read = |headers: &[_]| sent(Method::GET, &Config::default(), headers);
        assert!(!read(&rebound[..1]));
        assert!(!read(&[rebound[0], rebound[2]]));
        assert!(
            !read(&[("host", "a{b.evil.example:4000")]),
            "can not be read"
        );
        assert!(read(&[("host", "LocalHost:4000")]) && read(&[("host", "[::1]:4000")]));
        assert!(read(&[]));
        let with_tokens = Config {
            auth: AuthMode::Tokens,
            ..Config::default()
        };
        assert!(allows(&with_tokens, &rebound));
    }

    #[test]
    fn only_exact_origins_can_be_listed() {
        let config = Config {
            allow_origin: vec!["https://a.example".to_owned()],
            ..Config::default()
        };
        let host = ("host", "127.0.0.1:4000");
        assert!(allows(&config, &[host, ("origin", "https://a.example")]));
        let read = |name| sent(Method::GET, &config, &[("host", name)]);
        assert!(read("a.example") && !read("b.a.example"));
        assert!(!allows(
            &config,
            &[host, ("origin", "https://a.example:8443")]
        ));
        assert!(!allows(&config, &[host, ("origin", "https://b.a.example")]));
        for odd in [
            "*",
            "https://*",
            "a.example",
            "https://a.example/",
            "ftp://a",
            "https://A",
        ] {
            assert!(origin(odd).is_err(), "{odd}");
        }
    }
}
