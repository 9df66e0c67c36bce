//! What this worker reads from outside by code of its own, for `tests/fuzz`.

use jobflow::testing::fuzz::Target;

use crate::handlers;

/// All of it.
pub const TARGETS: &[Target] = &[
    Target {
        name: "handler_spec",
        read: spec,
    },
    Target {
        name: "handler_answer",
        read: answer,
    },
];

fn spec(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let _refused = text.parse::<handlers::HandlerSpec>();
    let _refused = handlers::Secret::read_all(&text);
}

fn answer(input: &[u8]) {
    let mut parts = input.splitn(3, |byte| *byte == b'|');
    let mut next = || parts.next().unwrap_or_default();
    let (status, header, body) = (next(), next(), next());
    let status = std::str::from_utf8(status)
        .ok()
        .and_then(|text| text.parse().ok());
    handlers::read_http_answer(status.unwrap_or(200), header, body);
    handlers::read_grpc_answer(header);
    handlers::read_grpc_answer(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_panics() {
        jobflow::testing::fuzz::run(TARGETS);
    }
}
