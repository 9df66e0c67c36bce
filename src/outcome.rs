//! The results column: what a job returned, or why its last attempt errored.
//!
//! A letter (`R` or `E`), the length and text of the content type or error
//! code, then the bytes. Scripts cut off the end of long errors, so the form
//! must stay readable from its start.

use bytes::Bytes;

use crate::options::{DEFAULT_CONTENT_TYPE, MAX_ERROR_MESSAGE};
use crate::record::{JobError, JobResult};

/// What the results column holds for one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stored {
    Result(JobResult),
    Error(JobError),
}

pub(crate) fn encode_result(result: &JobResult) -> Vec<u8> {
    let content_type = match result.content_type.as_str() {
        DEFAULT_CONTENT_TYPE => "",
        other => other,
    };
    encode(b'R', content_type, &result.bytes)
}

pub(crate) fn encode_error(error: &JobError) -> Vec<u8> {
    encode(
        b'E',
        &error.code,
        cut(&error.message, MAX_ERROR_MESSAGE).as_bytes(),
    )
}

pub(crate) fn decode(bytes: &Bytes) -> Option<Stored> {
    let (letter, len) = (*bytes.first()?, usize::from(*bytes.get(1)?));
    let word = std::str::from_utf8(bytes.get(2..2 + len)?).ok()?;
    match letter {
        b'R' => Some(Stored::Result(JobResult {
            bytes: bytes.slice(2 + len..),
            content_type: if word.is_empty() {
                DEFAULT_CONTENT_TYPE
            } else {
                word
            }
            .to_owned(),
        })),
        b'E' => Some(Stored::Error(JobError {
            code: word.to_owned(),
            // Lossy, because a script may have cut a character in two.
            message: String::from_utf8_lossy(&bytes[2 + len..]).into_owned(),
        })),
        _ => None,
    }
}

fn encode(letter: u8, word: &str, body: &[u8]) -> Vec<u8> {
    let word = cut(word, usize::from(u8::MAX));
    let len = u8::try_from(word.len()).expect("cut to 255 bytes");
    [&[letter, len], word.as_bytes(), body].concat()
}

/// The longest start of `text` that has at most `limit` bytes.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_errors_read_back() {
        let result = JobResult {
            bytes: Bytes::from_static(b"\0\xff"),
            content_type: "image/png".to_owned(),
        };
        assert_eq!(
            decode(&encode_result(&result).into()),
            Some(Stored::Result(result))
        );
        let error = JobError {
            code: "TIMEOUT".to_owned(),
            message: "after 30 s".to_owned(),
        };
        assert_eq!(
            decode(&encode_error(&error).into()),
            Some(Stored::Error(error))
        );
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let error = JobError {
            code: "X".to_owned(),
            message: "é".repeat(MAX_ERROR_MESSAGE),
        };
        let Some(Stored::Error(read)) = decode(&encode_error(&error).into()) else {
            panic!()
        };
        assert_eq!(read.message, "é".repeat(MAX_ERROR_MESSAGE / 2));
    }

    #[test]
    fn what_is_neither_is_told() {
        for bytes in [&b""[..], b"R", b"R\x05abc", b"X\x00"] {
            assert_eq!(decode(&Bytes::copy_from_slice(bytes)), None);
        }
    }
}
