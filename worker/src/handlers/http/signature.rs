//! Signs requests as <https://www.standardwebhooks.com> has it, so that the
//! libraries there can check them: HMAC-SHA256 over id, time and body.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jobflow::JobId;
use sha2::Sha256;

use crate::handlers::spec::SpecError;

const PREFIX: &str = "whsec_";
/// Of the convention: shorter ones can be guessed, longer ones gain nothing.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The current one, the next one, and some in between.
const MAX_SECRETS: usize = 4;

/// What a request is signed with, and known to its receiver: `whsec_` and 24 to
/// 64 bytes in base64.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Reads secrets, one a line; empty lines and those that begin with `#` are
    /// skipped. With several each request is signed with each, so that a secret
    /// can be replaced without a moment at which the receiver refuses.
    ///
    /// # Errors
    /// When a line is no secret, or when there is none at all or more than 4.
    pub fn read_all(text: &str) -> Result<Vec<Self>, SpecError> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let secrets = lines.map(str::parse).collect::<Result<Vec<Self>, _>>()?;
        if secrets.is_empty() || secrets.len() > MAX_SECRETS {
            return Err(SpecError::new(format!(
                "there must be 1 to {MAX_SECRETS} secrets, one a line"
            )));
        }
        Ok(secrets)
    }
}

impl FromStr for Secret {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let bytes = text.strip_prefix(PREFIX).map(|text| STANDARD.decode(text));
        match bytes {
            Some(Ok(bytes)) if BYTES.contains(&bytes.len()) => Ok(Self(bytes)),
            _ => Err(SpecError::new(
                "a secret is whsec_ and 24 to 64 bytes in base64, \
                 as made by: echo whsec_$(openssl rand -base64 32)",
            )),
        }
    }
}

/// Never what it is.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The time in seconds since 1970 and the value of `webhook-signature`.
pub(super) fn sign(secrets: &[Secret], id: JobId, body: &[u8]) -> (u64, String) {
    let time = seconds();
    (time, signatures(secrets, &id.to_string(), time, body))
}

fn signatures(secrets: &[Secret], id: &str, time: u64, body: &[u8]) -> String {
    let one = |secret: &Secret| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).expect("HMAC takes any length");
        mac.update(format!("{id}.{time}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    let all: Vec<_> = secrets.iter().map(one).collect();
    all.join(" ")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the receiver compares it with its own clock; nothing becomes due by it"
)]
fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the convention's own documents.
    #[test]
    fn the_signature_is_that_of_the_convention() {
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = signatures(
            &[secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            body,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn several_secrets_sign_side_by_side() {
        let text = "# next\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n\n\
                    whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\n";
        let secrets = Secret::read_all(text).unwrap();
        let signed = signatures(&secrets, "a", 1, b"");
        assert_eq!(signed.split(' ').count(), 2);
        assert!(signed.split(' ').all(|one| one.starts_with("v1,")));
    }

    #[test]
    fn a_secret_is_long_enough_and_is_never_shown() {
        for bad in [
            "",
            "whsec_",
            "whsec_c2hvcnQ=",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_?",
        ] {
            assert!(bad.parse::<Secret>().is_err(), "{bad}");
            assert!(Secret::read_all(bad).is_err(), "{bad}");
        }
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        assert_eq!(format!("{secret:?}"), "Secret");
        let five = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n".repeat(5);
        assert!(Secret::read_all(&five).is_err());
    }
}
