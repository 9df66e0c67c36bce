//! The dashboard: the bundle of `web/dist`, built into this binary.

use std::borrow::Cow;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse, Response};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};
use tower_http::compression::CompressionLayer;

use crate::grpc;
use crate::rest::Problem;

/// In a debug build read from the folder at each request, so that the page can
/// be worked on without building the server.
#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Bundle;

const INDEX: &str = "index.html";
/// The page loads what it is made of from here and nothing from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const MISSING: &str = "<!doctype html><title>JobFlow</title><h1>The dashboard is not built</h1>\
     <p>Run <code>cargo xtask web</code> and build the server again. The APIs work without it.</p>";

/// Answers every path that no API has.
pub(crate) fn routes() -> Router {
    Router::new()
        .fallback(answer)
        .layer(CompressionLayer::new())
}

async fn answer(request: Request) -> Response {
    if grpc::is_grpc(&request) {
        return grpc::unimplemented();
    }
    let path = request.uri().path();
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Problem::not_found(path).into_response();
    }
    let mut response = page(path.trim_start_matches('/'), request.headers())
        .unwrap_or_else(|| Problem::not_found(path).into_response());
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// A file of the bundle; for a path that is none but is asked for by a browser's
/// address bar, the page itself, which knows its own paths.
fn page(path: &str, headers: &HeaderMap) -> Option<Response> {
    if let Some(file) = Bundle::get(path) {
        return Some(serve(path, file, headers));
    }
    if !path.is_empty() && !wants_html(headers) {
        return None;
    }
    Some(match Bundle::get(INDEX) {
        Some(file) => serve(INDEX, file, headers),
        None => (StatusCode::NOT_FOUND, Html(MISSING)).into_response(),
    })
}

fn serve(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let etag = etag(&file.metadata.sha256_hash());
    let cache = if is_hashed(path) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let caching = [(CACHE_CONTROL, cache), (ETAG, etag.as_str())];
    // Compression makes a tag weak, `W/"…"`, which names the same bytes here.
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok());
    if known.is_some_and(|tags| tags.contains(&etag)) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let content_type = [(CONTENT_TYPE, file.metadata.mimetype().to_owned())];
    // Compressed as well as can be when the dashboard was built.
    let small = knows_brotli(headers).then(|| Bundle::get(&format!("{path}.br")));
    if let Some(small) = small.flatten() {
        let encoding = [(CONTENT_ENCODING, "br"), (VARY, "accept-encoding")];
        return (caching, content_type, encoding, body(small)).into_response();
    }
    (caching, content_type, body(file)).into_response()
}

fn body(file: EmbeddedFile) -> Body {
    match file.data {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    }
}

fn knows_brotli(headers: &HeaderMap) -> bool {
    let known = headers.get_all(ACCEPT_ENCODING).iter();
    let mut codings = known
        .filter_map(|known| known.to_str().ok())
        .flat_map(|known| known.split(','));
    codings.any(|coding| coding.trim() == "br")
}

fn etag(hash: &[u8; 32]) -> String {
    let hex = hash.iter().take(16).map(|byte| format!("{byte:02x}"));
    format!("\"{}\"", hex.collect::<String>())
}

/// Whether the name holds a hash of the content, as `app-0123456789abcdef.js`
/// does: then its content never changes.
fn is_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split(['-', '.', '_'])
        .any(|part| part.len() >= 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        assert!(is_hashed("app-0123456789abcdef.js"));
        assert!(is_hashed("assets/app-0123abcd_bg.wasm"));
        for plain in [
            "index.html",
            "style.css",
            "app.js",
            "app_bg.wasm",
            "favicon.svg",
        ] {
            assert!(!is_hashed(plain), "{plain}");
        }
    }
}
