//! Tokens: what a caller shows, and what is kept of it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::{Error, Result};

/// What every token begins with, so that scanners find one that has leaked.
const PREFIX: &str = "jf_";
/// Random bytes of an id, written as hex.
const ID_BYTES: usize = 6;
/// Random bytes of a secret. So many can not be guessed, so a fast hash is
/// enough: there is nothing to slow down.
const SECRET_BYTES: usize = 32;
/// Longer texts are no tokens.
const MAX_TEXT: usize = 128;

/// The public part of a token: 12 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(String);

/// A token as its holder has it: `jf_<id>_<secret>`. Never stored, and not shown
/// by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText {
    id: TokenId,
    text: String,
}

/// What is kept of a token's text.
#[derive(Debug, Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenId {
    /// Reads an id.
    ///
    /// # Errors
    /// `INVALID_FIELD` naming `id`.
    pub fn new(id: &str) -> Result<Self> {
        let is_hex = id
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if id.len() == 2 * ID_BYTES && is_hex {
            Ok(Self(id.to_owned()))
        } else {
            let message = format!("must be {} hex digits in lower case", 2 * ID_BYTES);
            Err(Error::invalid("id", message))
        }
    }

    fn generate() -> Result<Self> {
        let bytes = random::<ID_BYTES>()?;
        Ok(Self(
            bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TokenText {
    /// Makes a new token.
    ///
    /// # Errors
    /// `INTERNAL` when the system has no randomness to give.
    pub fn generate() -> Result<Self> {
        Self::generate_for(TokenId::generate()?)
    }

    /// Makes a new secret for a token that exists.
    ///
    /// # Errors
    /// As [`Self::generate`].
    pub fn generate_for(id: TokenId) -> Result<Self> {
        let secret = URL_SAFE_NO_PAD.encode(random::<SECRET_BYTES>()?);
        let text = format!("{PREFIX}{id}_{secret}");
        Ok(Self { id, text })
    }

    /// Reads what a caller shows; `None` when it is spelled otherwise than any token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let id = TokenId::new(id).ok()?;
        let bytes = URL_SAFE_NO_PAD.decode(secret).ok()?;
        (bytes.len() == SECRET_BYTES).then(|| Self {
            id,
            text: text.to_owned(),
        })
    }

    /// The public part.
    #[must_use]
    pub const fn id(&self) -> &TokenId {
        &self.id
    }

    /// The whole token: for its holder alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.text.as_bytes()).into())
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_…", self.id)
    }
}

impl TokenHash {
    /// Reads a stored hash.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Takes the same time wherever the two differ.
impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| Error::Internal {
            message: format!("the system gives no random bytes: {error}"),
        })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_others_are_not() {
        let token = TokenText::generate().unwrap();
        assert_eq!(TokenText::parse(token.reveal()), Some(token.clone()));
        let text = token.reveal();
        let short = &text[..text.len() - 1];
        let long = format!("{text}{}", "A".repeat(200));
        let upper = text.to_uppercase();
        for odd in ["", "jf_", "jf__", "Bearer", short, &long, &upper, "😀"] {
            assert_eq!(TokenText::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn each_token_has_an_id_and_a_hash_of_its_own_and_debug_hides_the_secret() {
        let (a, b) = (
            TokenText::generate().unwrap(),
            TokenText::generate().unwrap(),
        );
        assert_ne!(a.id(), b.id());
        assert!(a.hash() == a.hash() && a.hash() != b.hash());
        let secret = a.reveal().rsplit_once('_').unwrap().1;
        let shown = format!("{a:?}");
        assert!(!shown.contains(secret) && shown.contains(a.id().as_str()));
    }
}
