//! What the JSON forms of all things share: the messages of `proto/` under the
//! same field names, with states as words and JSON payloads as they are.

use base64::{Engine, prelude::BASE64_STANDARD};
use jobflow::proto;
use serde::Serialize;
use serde_json::value::RawValue;

/// A payload or result.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    /// Byte for byte, so that no number loses a digit.
    Json(&'a RawValue),
    Text(&'a str),
    Binary {
        base64: String,
    },
}

impl<'a> Content<'a> {
    pub(super) fn new(bytes: &'a [u8], content_type: &str) -> Self {
        match (
            is_json(content_type),
            serde_json::from_slice(bytes),
            std::str::from_utf8(bytes),
        ) {
            (true, Ok(json), _) => Self::Json(json),
            (_, _, Ok(text)) => Self::Text(text),
            _ => Self::Binary {
                base64: BASE64_STANDARD.encode(bytes),
            },
        }
    }
}

/// Whether a payload of this media type must be valid JSON.
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json")
}

#[derive(Serialize)]
pub(super) struct JobError<'a> {
    code: &'a str,
    message: &'a str,
}

impl<'a> JobError<'a> {
    pub(super) fn new(error: &'a proto::JobError) -> Self {
        Self {
            code: &error.code,
            message: &error.message,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Backoff {
    initial: Option<String>,
    multiplier: f64,
    max: Option<String>,
}

impl From<proto::Backoff> for Backoff {
    fn from(backoff: proto::Backoff) -> Self {
        Self {
            initial: text(backoff.initial),
            multiplier: backoff.multiplier,
            max: text(backoff.max),
        }
    }
}

/// Declares the form of a message that holds nothing but numbers.
macro_rules! numbers {
    ($name:ident: $number:ty { $($field:ident),+ $(,)? }) => {
        #[derive(Serialize)]
        pub(super) struct $name {
            $($field: $number),+
        }

        impl From<proto::$name> for $name {
            fn from(message: proto::$name) -> Self {
                Self { $($field: message.$field),+ }
            }
        }
    };
}

pub(super) use numbers;

/// Times as RFC 3339 and durations as `1.5s`, the JSON forms of Protocol Buffers.
pub(super) fn text(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}
