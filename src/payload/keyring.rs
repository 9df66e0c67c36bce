//! The keys, by their ids.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};

use crate::error::{Error, Result};

/// The longest id of a key, in bytes.
const MAX_ID: usize = 32;
/// The present one, and those of jobs that are still kept.
const MAX_KEYS: usize = 64;
const KEY_BYTES: usize = 32;

/// Keys by their ids: one that seals, and all that open. Cheap to clone; the keys
/// are wiped from memory with the last clone.
#[derive(Clone)]
pub struct Keyring {
    pub(super) present: Arc<str>,
    pub(super) keys: Arc<BTreeMap<String, XChaCha20Poly1305>>,
}

impl Keyring {
    /// A ring of one key of 32 random bytes.
    ///
    /// # Errors
    /// `INVALID_FIELD` for an odd id.
    pub fn new(id: impl Into<String>, key: [u8; KEY_BYTES]) -> Result<Self> {
        let id = check_id(id.into())?;
        let cipher = XChaCha20Poly1305::new(&key.into());
        Ok(Self {
            present: id.as_str().into(),
            keys: Arc::new(BTreeMap::from([(id, cipher)])),
        })
    }

    /// The same ring with one more key, which opens and does not seal: an earlier
    /// one, or one that is to come.
    ///
    /// # Errors
    /// `INVALID_FIELD` for an odd id, one that the ring has, or the 65th key.
    pub fn and(self, id: impl Into<String>, key: [u8; KEY_BYTES]) -> Result<Self> {
        let id = check_id(id.into())?;
        let mut keys = (*self.keys).clone();
        let cipher = XChaCha20Poly1305::new(&key.into());
        if keys.insert(id, cipher).is_some() {
            return Err(Error::invalid("key", "there are two keys of one id"));
        }
        if keys.len() > MAX_KEYS {
            let message = format!("there may be {MAX_KEYS} keys at most");
            return Err(Error::invalid("key", message));
        }
        Ok(Self {
            keys: Arc::new(keys),
            ..self
        })
    }

    /// Reads keys, one a line: an id, a space, and 32 bytes in base64. The first
    /// one seals. Empty lines and those that begin with `#` are skipped.
    ///
    /// # Errors
    /// `INVALID_FIELD` with the number of the line, and nothing of what it holds.
    pub fn read(text: &str) -> Result<Self> {
        let mut ring: Option<Self> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let read = key_of(line).and_then(|(id, key)| match ring.take() {
                None => Self::new(id, key),
                Some(ring) => ring.and(id, key),
            });
            ring = Some(read.map_err(|error| at_line(number, &error))?);
        }
        ring.ok_or_else(|| Error::invalid("key", "there is none"))
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn present(&self) -> &str {
        &self.present
    }
}

/// The ids alone.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}

fn key_of(line: &str) -> Result<(&str, [u8; KEY_BYTES])> {
    let (id, key) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let key = STANDARD.decode(key.trim()).ok();
    let key = key.and_then(|key| key.try_into().ok());
    let odd = || {
        let message = "a key is an id and 32 bytes in base64, as made by: \
                       echo \"2026-11 $(openssl rand -base64 32)\"";
        Error::invalid("key", message)
    };
    Ok((id, key.ok_or_else(odd)?))
}

fn check_id(id: String) -> Result<String> {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(is_letter) {
        let message = format!("an id is 1 to {MAX_ID} characters of A-Z a-z 0-9 . _ -");
        return Err(Error::invalid("key", message));
    }
    Ok(id)
}

fn at_line(number: usize, error: &Error) -> Error {
    let message = match error {
        Error::InvalidField { message, .. } => message.as_str(),
        _ => "can not be read",
    };
    Error::invalid("key", format!("line {number}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, byte: u8) -> String {
        format!("{id} {}", STANDARD.encode([byte; KEY_BYTES]))
    }

    #[test]
    fn the_first_of_a_file_seals_and_all_open() {
        let text = format!("# keys\n\n{}\n {}\n", line("new", 1), line("old", 2));
        let ring = Keyring::read(&text).unwrap();
        assert_eq!(ring.present(), "new");
        assert_eq!(format!("{ring:?}"), r#"{"new", "old"}"#);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number_and_never_shown() {
        let long = line("a", 1).replace("a ", &format!("{} ", "a".repeat(33)));
        for (bad, number) in [
            (String::new(), None),
            ("secret".to_owned(), Some(1)),
            ("a c2hvcnQ=".to_owned(), Some(1)),
            (format!("{}\n{}", line("a", 1), line("a", 2)), Some(2)),
            (line("b/c", 1), Some(1)),
            (long, Some(1)),
        ] {
            let error = Keyring::read(&bad).unwrap_err();
            assert_eq!(error.field(), Some("key"));
            let text = error.to_string();
            assert!(!text.contains("secret"), "{text}");
            let is_named = number.is_none_or(|number: u8| text.contains(&format!("line {number}")));
            assert!(is_named, "{text}");
        }
    }

    #[test]
    fn a_ring_has_so_many_keys_and_no_more() {
        let lines: Vec<_> = (0..65).map(|n| line(&n.to_string(), n)).collect();
        assert!(Keyring::read(&lines[..64].join("\n")).is_ok());
        assert!(Keyring::read(&lines.join("\n")).is_err());
    }
}
