//! What a job failed of, so that those which failed of the same are found
//! together. Pure: computed from the error when it is asked for.

use crate::job::Kind;
use crate::record::JobError;

/// How much of an error's first line counts, in bytes.
const MAX_LINE: usize = 512;
/// A word of letters and digits this long is an id.
const ID_LEN: usize = 12;
/// A word of hex digits this long is an id.
const HEX_LEN: usize = 8;

/// The cause of a failure, without what differs from job to job.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint {
    /// Twelve hex digits.
    pub hex: String,
    /// The first line of the error, with numbers, ids and quoted text taken out.
    pub line: String,
}

impl Fingerprint {
    /// Of an error of a job of this kind.
    #[must_use]
    pub fn of(kind: &Kind, error: &JobError) -> Self {
        let line = normalised(first_line(&error.message));
        let parts = [kind.as_str(), "\0", &error.code, "\0", &line];
        let hash = fnv1a(parts.iter().flat_map(|part| part.bytes()));
        Self {
            hex: format!("{:012x}", (hash ^ (hash >> 48)) & 0xffff_ffff_ffff),
            line,
        }
    }
}

/// FNV-1a: stable across versions and machines.
pub(crate) fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

/// The first line that says something, cut at a character.
fn first_line(message: &str) -> &str {
    let line = message.trim_start().lines().next().unwrap_or_default();
    let mut end = line.len().min(MAX_LINE);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

fn normalised(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let (taken, written) = match c {
            '"' | '`' | '\'' => quoted(rest, c, before),
            c if c.is_whitespace() => (spaces(rest), " "),
            c if is_word(c) => word(rest),
            c => (c.len_utf8(), &rest[..c.len_utf8()]),
        };
        out.push_str(written);
        before = rest[..taken].chars().next_back().unwrap_or(' ');
        rest = &rest[taken..];
    }
    out.truncate(out.trim_end().len());
    out
}

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn spaces(rest: &str) -> usize {
    rest.find(|c: char| !c.is_whitespace())
        .unwrap_or(rest.len())
}

/// Text in quotes is a value. An apostrophe inside a word is no quote.
fn quoted(rest: &str, quote: char, before: char) -> (usize, &str) {
    let apostrophe = quote == '\'' && before.is_alphanumeric();
    let close = rest[1..].char_indices().find(|(at, c)| {
        let behind = rest[1 + at + c.len_utf8()..].chars().next();
        *c == quote && !(quote == '\'' && behind.is_some_and(char::is_alphanumeric))
    });
    match close {
        Some((at, _)) if !apostrophe => (at + 2, "<text>"),
        _ => (1, &rest[..1]),
    }
}

/// A word of ASCII letters and digits, or a UUID: as it is, or what it stands for.
fn word(rest: &str) -> (usize, &str) {
    if let Some(uuid) = rest.get(..36)
        && uuid.as_bytes()[8] == b'-'
        && uuid::Uuid::try_parse(uuid).is_ok()
        && !rest[36..].starts_with(is_word)
    {
        return (36, "<id>");
    }
    let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let word = &rest[..len];
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 {
        return (len, word);
    }
    if digits == len {
        // With its decimals, and addresses whole.
        return (number(rest), "<n>");
    }
    let hex = word.strip_prefix("0x").unwrap_or(word);
    let prefixed = hex.len() < len && !hex.is_empty();
    let is_hex = hex.bytes().all(|b| b.is_ascii_hexdigit());
    if (is_hex && (prefixed || len >= HEX_LEN)) || len >= ID_LEN {
        return (len, "<id>");
    }
    // Letters keep their meaning: `utf8`, `worker12`, `30s`.
    let first_digit = word.bytes().next().is_some_and(|b| b.is_ascii_digit());
    let part = word
        .find(|c: char| c.is_ascii_digit() != first_digit)
        .unwrap_or(len);
    if first_digit {
        (part, "<n>")
    } else {
        (part, &word[..part])
    }
}

/// Digits, and dots, commas and colons between digits.
fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        let joins = b".,:".contains(byte) && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        if !byte.is_ascii_digit() && !joins {
            break;
        }
        end += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> Fingerprint {
        let error = JobError {
            code: "HANDLER_ERROR".to_owned(),
            message: message.to_owned(),
        };
        Fingerprint::of(&Kind::new("send_email").unwrap(), &error)
    }

    #[test]
    fn what_differs_from_job_to_job_is_taken_out() {
        for (message, line) in [
            (
                "connect to 10.0.3.17:5432: connection refused (os error 111)",
                "connect to <n>: connection refused (os error <n>)",
            ),
            (
                "order 550e8400-e29b-41d4-a716-446655440000 is gone",
                "order <id> is gone",
            ),
            (
                "no customer cus_9s6XKzkNRiz8i3 at api.example.com",
                "no customer cus_<id> at api.example.com",
            ),
            (
                "commit 3f9d2c1ab0 and pointer 0x7ffe12 in frame a1",
                "commit <id> and pointer <id> in frame a<n>",
            ),
            (
                r#"duplicate key "users_email" for 'bob@example.com'"#,
                "duplicate key <text> for <text>",
            ),
            ("can't reach the host", "can't reach the host"),
            ("it's Bob's and Al's", "it's Bob's and Al's"),
            (
                "timed out after 30s, 1,234.5 ms over",
                "timed out after <n>s, <n> ms over",
            ),
            ("  spaces\tand   more \nsecond line 7", "spaces and more"),
            (
                "größe 12 überschritten: größe",
                "größe <n> überschritten: größe",
            ),
            ("deadbeef cafe facade", "deadbeef cafe facade"),
            ("an \"open quote", "an \"open quote"),
            ("", ""),
        ] {
            assert_eq!(of(message).line, line, "{message}");
        }
    }

    #[test]
    fn the_same_cause_has_the_same_fingerprint() {
        let one = of("row 17 of batch 4: bad date '2024-13-01'");
        assert_eq!(one, of("row 9 of batch 1234: bad date 'soon'\nat line 5"));
        assert_ne!(one, of("row 17 of batch 4: bad time '2024-13-01'"));
        assert_eq!(one.hex.len(), 12);
    }

    #[test]
    fn kind_and_code_tell_causes_apart() {
        let error = JobError {
            code: "TIMEOUT".to_owned(),
            message: "late".to_owned(),
        };
        let (a, b) = (Kind::new("a").unwrap(), Kind::new("b").unwrap());
        assert_ne!(Fingerprint::of(&a, &error), Fingerprint::of(&b, &error));
        let other = JobError {
            code: "OTHER".to_owned(),
            ..error.clone()
        };
        assert_ne!(Fingerprint::of(&a, &error), Fingerprint::of(&a, &other));
    }

    #[test]
    fn only_the_start_of_a_long_line_counts() {
        let long = "é".repeat(MAX_LINE);
        assert_eq!(of(&long), of(&format!("{long} and more")));
    }

    proptest::proptest! {
        #[test]
        fn no_message_panics(message in "\\PC{0,80}|[0-9a-fx'\"` é.,:-]{0,60}") {
            let line = of(&message).line;
            proptest::prop_assert!(line.len() <= 4 * message.len() + 8);
        }
    }
}
