//! What this server reads from outside by code of its own, for `tests/fuzz`.

use http::{HeaderMap, HeaderValue};
use jobflow::testing::fuzz::Target;

use crate::auth::operator_files;
use crate::config::read_settings;
use crate::{browser, deadline, grpc, rest};

/// All of it.
pub const TARGETS: &[Target] = &[
    Target {
        name: "rest_body",
        read: rest_body,
    },
    Target {
        name: "headers",
        read: headers,
    },
    Target {
        name: "request_lists",
        read: grpc::read_batch,
    },
    Target {
        name: "operator_files",
        read: files,
    },
];

fn rest_body(input: &[u8]) {
    let (first, rest) = input.split_at(input.len() / 8);
    let key = std::str::from_utf8(first).ok();
    for body in [input, rest] {
        // What is let in is the data as it came.
        if let Ok(job) = rest::read_body(body, key) {
            assert!(!job.kind().as_str().is_empty());
        }
    }
}

fn headers(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(input) else {
        return;
    };
    for name in [
        "grpc-timeout",
        "host",
        "origin",
        "authorization",
        "traceparent",
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.clone());
        deadline::read(&headers);
        browser::read(&headers);
        crate::auth::read_bearer(&headers);
    }
    if let Ok(text) = value.to_str() {
        grpc::read_page_token(text);
    }
}

fn files(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    operator_files(&text);
    read_settings(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_panics() {
        jobflow::testing::fuzz::run(TARGETS);
    }
}
