//! The form of what is sealed.
//!
//! ```text
//! 1 byte    the version, 1
//! 1 byte    1 when it is bound to its job, 0 when to the kind alone
//! 1 byte    how long the id of the key is
//!           the id of the key
//! 24 bytes  the nonce, random
//!           XChaCha20-Poly1305 of the clear form, with its tag of 16 bytes
//! ```
//!
//! The clear form is the length of the content (4 bytes, big endian), that of its
//! type (1 byte), type and content, and zeros that hide its length. What it
//! belongs to is authenticated with it: the purpose, all before the nonce, the
//! kind and, where it is bound to its job, the 16 bytes of the id.

use std::fmt;

use bytes::{BufMut, Bytes};
use chacha20poly1305::aead::{Aead, Generate, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::{Keyring, Place};
use crate::error::Result;
use crate::new_job::check_content_type;
use crate::options::{MAX_PAYLOAD, check_size};

/// The content type of what is sealed; its own one is sealed with it.
pub const CONTENT_TYPE: &str = "application/vnd.jobflow.sealed";

const VERSION: u8 = 1;
const BOUND_TO_KIND: u8 = 0;
const BOUND_TO_JOB: u8 = 1;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// In front of the content type and the content.
const LENGTHS: usize = 5;
/// What is shorter counts as so long.
const SHORTEST: usize = 64;

/// What was sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// The content type that its producer gave.
    pub content_type: String,
    /// The payload or result itself.
    pub bytes: Bytes,
}

/// Its size alone.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} bytes)", self.bytes.len())
    }
}

/// Why something can not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is not of the form that this version knows.
    #[error("is not sealed in a form that is known")]
    Malformed,
    /// The ring does not have the key.
    #[error("no key has the id {key}")]
    UnknownKey {
        /// The id of the key.
        key: String,
    },
    /// It was sealed by another key of this id, or for another job, or changed since.
    #[error("the seal is broken: it has another key, was made for another job, or was changed")]
    Broken,
}

/// What it is of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Payload,
    Result,
}

impl Purpose {
    const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Payload => b"jobflow.payload\0",
            Self::Result => b"jobflow.result\0",
        }
    }
}

impl Keyring {
    pub(super) fn seal(&self, purpose: Purpose, place: Place<'_>, clear: &Opened) -> Result<Bytes> {
        let key = self.present();
        let mut sealed = vec![VERSION, BOUND_TO_JOB, short(key.len())];
        sealed.extend_from_slice(key.as_bytes());
        let aad = associated(purpose, &sealed, place, BOUND_TO_JOB);
        let room = MAX_PAYLOAD.saturating_sub(sealed.len() + NONCE_BYTES + TAG_BYTES);
        let msg = &clear_form(clear, room)?[..];
        let nonce = XNonce::generate();
        let body = self.keys[key].encrypt(&nonce, Payload { msg, aad: &aad });
        let body = body.expect("far below the limit of the cipher");
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        Ok(sealed.into())
    }

    pub(super) fn open(
        &self,
        purpose: Purpose,
        place: Place<'_>,
        sealed: &Bytes,
    ) -> Result<Opened, OpenError> {
        let envelope = Envelope::read(sealed).ok_or(OpenError::Malformed)?;
        let cipher: &XChaCha20Poly1305 =
            self.keys
                .get(envelope.key)
                .ok_or_else(|| OpenError::UnknownKey {
                    key: envelope.key.to_owned(),
                })?;
        let aad = associated(purpose, envelope.header, place, envelope.bound);
        let payload = Payload {
            msg: envelope.body,
            aad: &aad,
        };
        let clear = cipher.decrypt(&XNonce::from(envelope.nonce), payload);
        let clear = clear.map_err(|_| OpenError::Broken)?;
        read_clear(&clear.into()).ok_or(OpenError::Malformed)
    }
}

/// What is sealed, taken apart.
struct Envelope<'a> {
    /// All before the nonce.
    header: &'a [u8],
    bound: u8,
    key: &'a str,
    nonce: [u8; NONCE_BYTES],
    body: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn read(sealed: &'a [u8]) -> Option<Self> {
        let (&[version, bound, length], rest) = sealed.split_first_chunk()?;
        let is_known = version == VERSION && matches!(bound, BOUND_TO_KIND | BOUND_TO_JOB);
        let (key, rest) = rest.split_at_checked(length.into())?;
        let (header, _) = sealed.split_at_checked(3 + key.len())?;
        let (nonce, body) = rest.split_first_chunk()?;
        let key = std::str::from_utf8(key).ok()?;
        is_known.then_some(Self {
            header,
            bound,
            key,
            nonce: *nonce,
            body,
        })
    }
}

/// What is authenticated with it.
fn associated(purpose: Purpose, header: &[u8], place: Place<'_>, bound: u8) -> Vec<u8> {
    let mut all = purpose.as_bytes().to_vec();
    all.extend_from_slice(header);
    let kind = place.kind.as_str().as_bytes();
    all.push(short(kind.len()));
    all.extend_from_slice(kind);
    if bound == BOUND_TO_JOB {
        all.extend_from_slice(place.id.as_bytes());
    }
    all
}

/// Lengths of names, which are all far below 256.
fn short(length: usize) -> u8 {
    u8::try_from(length).expect("names are short")
}

fn clear_form(clear: &Opened, room: usize) -> Result<Vec<u8>> {
    check_content_type(clear.content_type.clone())?;
    check_size("payload", clear.bytes.len())?;
    let length = u32::try_from(clear.bytes.len()).expect("within its limit");
    let size = LENGTHS + clear.content_type.len() + clear.bytes.len();
    let mut form = Vec::with_capacity(rounded(size));
    form.put_u32(length);
    form.put_u8(short(clear.content_type.len()));
    form.extend_from_slice(clear.content_type.as_bytes());
    form.extend_from_slice(&clear.bytes);
    // One that just fits is not made too large by what hides its length.
    form.resize(rounded(size).min(room).max(size), 0);
    Ok(form)
}

fn read_clear(clear: &Bytes) -> Option<Opened> {
    let (&[a, b, c, d, type_length], rest) = clear.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    let (content_type, rest) = rest.split_at_checked(type_length.into())?;
    rest.get(..length)?;
    let content_type = std::str::from_utf8(content_type).ok()?.to_owned();
    let from = LENGTHS + content_type.len();
    Some(Opened {
        content_type,
        bytes: clear.slice(from..from + length),
    })
}

/// The length up to which a clear form is filled, so that lengths tell little: at
/// most an eighth more, in ever larger steps.
fn rounded(size: usize) -> usize {
    let size = size.max(SHORTEST);
    let step = (1 << size.ilog2()) / 8;
    size.next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::job::{JobId, Kind, QueueName};
    use crate::new_job::NewJob;

    fn ring(id: &str, byte: u8) -> Keyring {
        Keyring::new(id, [byte; 32]).unwrap()
    }

    fn kind(name: &str) -> Kind {
        Kind::new(name).unwrap()
    }

    fn opened(bytes: &'static [u8]) -> Opened {
        Opened {
            content_type: "text/plain".to_owned(),
            bytes: Bytes::from_static(bytes),
        }
    }

    #[test]
    fn what_is_sealed_opens_at_its_place_and_nowhere_else() {
        let (keys, mail, other) = (ring("k", 1), kind("mail"), kind("other"));
        let id = JobId::generate(&QueueName::default());
        let place = Place { kind: &mail, id };
        let clear = opened(b"hidden");
        let sealed = keys.seal(Purpose::Payload, place, &clear).unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"hidden"));
        assert_eq!(keys.open_payload(place, &sealed), Ok(clear));
        let elsewhere = JobId::generate(&QueueName::default());
        for place in [
            Place { kind: &other, id },
            Place {
                kind: &mail,
                id: elsewhere,
            },
        ] {
            assert_eq!(keys.open_payload(place, &sealed), Err(OpenError::Broken));
        }
        assert_eq!(keys.open_result(place, &sealed), Err(OpenError::Broken));
    }

    #[test]
    fn a_changed_byte_is_found_out_wherever_it_is() {
        let (keys, mail) = (ring("k", 1), kind("mail"));
        let id = JobId::generate(&QueueName::default());
        let place = Place { kind: &mail, id };
        let sealed = keys.seal(Purpose::Payload, place, &opened(b"x")).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.to_vec();
            changed[at] ^= 1;
            let opened = keys.open_payload(place, &changed.into());
            assert!(opened.is_err(), "byte {at}");
        }
        for end in 0..sealed.len() {
            let opened = keys.open_payload(place, &sealed.slice(..end));
            assert!(opened.is_err(), "cut at {end}");
        }
    }

    #[test]
    fn keys_are_replaced_one_after_the_other() {
        let (old, mail) = (ring("old", 1), kind("mail"));
        let id = JobId::generate(&QueueName::default());
        let place = Place { kind: &mail, id };
        let sealed = old.seal(Purpose::Payload, place, &opened(b"x")).unwrap();
        let both = ring("new", 2).and("old", [1; 32]).unwrap();
        assert_eq!(both.open_payload(place, &sealed), Ok(opened(b"x")));
        let newer = both.seal(Purpose::Payload, place, &opened(b"y")).unwrap();
        let missing = OpenError::UnknownKey {
            key: "new".to_owned(),
        };
        assert_eq!(old.open_payload(place, &newer), Err(missing));
        let wrong = ring("old", 3);
        assert_eq!(wrong.open_payload(place, &sealed), Err(OpenError::Broken));
    }

    #[test]
    fn lengths_are_hidden_and_the_largest_payload_still_fits() {
        let keys = ring("k", 1);
        let sizes = |lengths: std::ops::Range<usize>| {
            let sealed = lengths.map(|length| {
                let job = NewJob::new("k", vec![7; length]).unwrap();
                job.sealed(&keys).unwrap().payload.len()
            });
            sealed.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(sizes(0..40).len(), 1);
        assert_eq!(sizes(4_200..4_400).len(), 1);
        let overhead = 3 + 1 + NONCE_BYTES + TAG_BYTES + LENGTHS + "application/json".len();
        let fits = NewJob::new("k", vec![7; MAX_PAYLOAD - overhead]).unwrap();
        assert_eq!(fits.sealed(&keys).unwrap().payload.len(), MAX_PAYLOAD);
        let over = NewJob::new("k", vec![7; MAX_PAYLOAD - overhead + 1]).unwrap();
        let refused = over.sealed(&keys).unwrap_err();
        assert!(matches!(refused, Error::PayloadTooLarge { .. }));
    }

    #[test]
    fn a_job_is_sealed_once_with_its_content_type() {
        let keys = ring("k", 1);
        let job = NewJob::new("mail", "hidden").unwrap();
        let job = job.content_type("text/plain").unwrap();
        let sealed = job.sealed(&keys).unwrap();
        assert_eq!(sealed.content_type, CONTENT_TYPE);
        let place = Place {
            kind: &sealed.kind,
            id: sealed.id.unwrap(),
        };
        assert_eq!(
            keys.open_payload(place, &sealed.payload),
            Ok(opened(b"hidden"))
        );
        assert!(sealed.sealed(&keys).is_err());
    }
}
