//! Answers of grpc-web as they come: messages, then how the call went.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::{Buf, Bytes, BytesMut};
use percent_encoding::percent_decode_str;
use prost::Message;
use tonic::Code;
use tonic_types::pb;

use super::{Answered, Problem};

/// The longest message that is read, as with every other client of tonic.
const LONGEST: usize = 4 * 1024 * 1024;
/// Before each message: what it is, and how long.
const HEAD: usize = 5;
/// What it is when it is none: how the call went.
const END: u8 = 0x80;

/// What the wire calls binary comes with padding or without.
const BINARY: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Puts a message into the form of the wire.
pub(super) fn framed(message: &impl Message) -> Vec<u8> {
    let mut bytes = vec![0; HEAD];
    message
        .encode(&mut bytes)
        .expect("a vector grows as needed");
    let length = u32::try_from(bytes.len() - HEAD).unwrap_or(u32::MAX);
    bytes[1..HEAD].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// A whole piece of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Message(Bytes),
    End(Answered<()>),
}

/// What has come of an answer and was not yet taken.
#[derive(Debug, Default)]
pub(super) struct Frames(BytesMut);

impl Frames {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next part; `None` until the rest of it has come.
    pub(super) fn next(&mut self) -> Answered<Option<Part>> {
        let Some(&[kind, a, b, c, d]) = self.0.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > LONGEST || ![0, END].contains(&kind) {
            return Err(Problem::broken());
        }
        if self.0.len() < HEAD + length {
            return Ok(None);
        }
        self.0.advance(HEAD);
        let body = self.0.split_to(length).freeze();
        Ok(Some(if kind == END {
            let text = String::from_utf8_lossy(&body);
            let end = ending(|name| Some(trailer(&text, name)?.to_owned()));
            Part::End(end.unwrap_or_else(|| Err(Problem::broken())))
        } else {
            Part::Message(body)
        }))
    }
}

fn trailer<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(found, _)| found.trim().eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim())
}

/// How the call went, by headers or trailers; `None` where these do not say.
pub(super) fn ending(get: impl Fn(&str) -> Option<String>) -> Option<Answered<()>> {
    let code = match get("grpc-status")?.parse().map(Code::from_i32) {
        Ok(Code::Ok) => return Some(Ok(())),
        Ok(code) => code,
        Err(_) => return Some(Err(Problem::broken())),
    };
    let message = get("grpc-message").unwrap_or_default();
    let message = percent_decode_str(&message).decode_utf8_lossy();
    let info = get("grpc-status-details-bin").and_then(|details| info(&details));
    Some(Err(problem(code, &message, info)))
}

/// What the server says of an error beyond its code.
fn info(details: &str) -> Option<pb::ErrorInfo> {
    let status = pb::Status::decode(&*BINARY.decode(details).ok()?).ok()?;
    let mut details = status.details.iter();
    let any = details.find(|any| any.type_url.ends_with("/google.rpc.ErrorInfo"))?;
    let info = pb::ErrorInfo::decode(&*any.value).ok()?;
    (!info.reason.is_empty()).then_some(info)
}

fn problem(code: Code, message: &str, info: Option<pb::ErrorInfo>) -> Problem {
    let Some(info) = info else {
        return match code {
            // The transport's own text names nothing a person can act on.
            Code::Unknown | Code::Internal => Problem::broken(),
            code => Problem::local(format!("{}: {message}", code.description())),
        };
    };
    let position = info.metadata.get("position");
    Problem {
        position: position.and_then(|position| position.parse().ok()),
        reason: info.reason.into(),
        message: message.to_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use jobflow::proto::GetJobRequest;

    use super::*;

    const OK: &[u8] = b"grpc-status:0\r\n";

    fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("a short body");
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    /// Everything that comes of an answer which arrives in two pieces.
    fn parts(first: &[u8], second: &[u8]) -> Answered<Vec<Part>> {
        let mut frames = Frames::default();
        let mut parts = Vec::new();
        for piece in [first, second] {
            frames.add(piece);
            while let Some(part) = frames.next()? {
                parts.push(part);
            }
        }
        Ok(parts)
    }

    #[test]
    fn an_answer_is_read_wherever_it_is_cut() {
        let answer = [frame(0, b"one"), frame(0, b""), frame(END, OK)].concat();
        let whole = vec![
            Part::Message(Bytes::from_static(b"one")),
            Part::Message(Bytes::new()),
            Part::End(Ok(())),
        ];
        for cut in 0..=answer.len() {
            let (first, second) = answer.split_at(cut);
            assert_eq!(parts(first, second).as_ref(), Ok(&whole), "at {cut}");
        }
    }

    #[test]
    fn a_request_is_one_frame() {
        let request = GetJobRequest {
            id: "01".to_owned(),
            ..GetJobRequest::default()
        };
        assert_eq!(framed(&request), frame(0, &request.encode_to_vec()));
    }

    #[test]
    fn what_is_too_long_or_unknown_ends_the_call_before_it_is_kept() {
        let mut long = frame(0, b"");
        long[1..].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(parts(&long, b""), Err(Problem::broken()));
        for kind in [1, 2, 0x81, 0xff, b'<'] {
            assert_eq!(parts(&frame(kind, b"x"), b""), Err(Problem::broken()));
        }
        for end in [&b""[..], b"grpc-status:?", b"\xff\xfe", b"no colon"] {
            let end = parts(&frame(END, end), b"");
            assert_eq!(end, Ok(vec![Part::End(Err(Problem::broken()))]));
        }
    }

    #[test]
    fn an_error_says_its_reason_and_its_place() {
        use std::collections::HashMap;
        let info = pb::ErrorInfo {
            reason: "INVALID_FILTER".to_owned(),
            domain: "jobflow".to_owned(),
            metadata: HashMap::from([("position".to_owned(), "7".to_owned())]),
        };
        let status = pb::Status {
            code: 3,
            message: String::new(),
            details: vec![prost_types::Any {
                type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(),
                value: info.encode_to_vec(),
            }],
        };
        let details = BINARY.encode(status.encode_to_vec());
        for details in [details.as_str(), details.trim_end_matches('=')] {
            let trailers = format!(
                "Grpc-Status: 3\r\ngrpc-message: 50%25 \u{2026}\r\ngrpc-status-details-bin: {details}\r\n"
            );
            let problem = Problem {
                reason: "INVALID_FILTER".into(),
                message: "50% \u{2026}".into(),
                position: Some(7),
            };
            let told = parts(&frame(END, trailers.as_bytes()), b"");
            assert_eq!(told, Ok(vec![Part::End(Err(problem))]));
        }
    }

    #[test]
    fn an_error_that_no_server_of_ours_said_is_told_in_words() {
        let said = |code: &str| {
            let get = |name: &str| match name {
                "grpc-status" => Some(code.to_owned()),
                "grpc-message" => Some("no upstream".to_owned()),
                _ => None,
            };
            ending(get).expect("it says").expect_err("it failed")
        };
        let message = "The service is currently unavailable: no upstream";
        assert_eq!(said("14"), Problem::local(message));
        assert_eq!(said("13"), Problem::broken());
        assert_eq!(ending(|_| None), None);
    }
}
