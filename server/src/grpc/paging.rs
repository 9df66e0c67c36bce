//! Pages: their size, and the tokens that lead from one to the next.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jobflow::{Error, Result};

/// How many items a page has when the request says nothing, and at the most.
pub(super) struct PageSize {
    pub(super) default: usize,
    pub(super) most: usize,
}

/// Of queues, workers and log lines.
pub(super) const LONG: PageSize = PageSize {
    default: 100,
    most: 1_000,
};

impl PageSize {
    pub(super) fn of(&self, asked: i32) -> Result<usize> {
        match usize::try_from(asked) {
            Ok(0) => Ok(self.default),
            Ok(size) => Ok(size.min(self.most)),
            Err(_) => Err(Error::invalid("page_size", "must not be negative")),
        }
    }
}

/// A place in the list that `list` names. Encoded, so that nobody builds on
/// what it is today.
pub(super) fn token(list: &str, place: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}:{place}"))
}

/// The place; `None` for the first page.
pub(super) fn place<T>(
    list: &str,
    token: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>> {
    if token.is_empty() {
        return Ok(None);
    }
    let text = URL_SAFE_NO_PAD.decode(token).ok();
    let text = text.and_then(|text| String::from_utf8(text).ok());
    let place = text
        .as_deref()
        .and_then(|text| text.strip_prefix(list)?.strip_prefix(':'))
        .and_then(read);
    let refused = || {
        let message = "must be the next_page_token of an answer to the same call";
        Error::invalid("page_token", message)
    };
    place.map(Some).ok_or_else(refused)
}

/// For tests: reads a token of a page.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_page_token(text: &str) {
    let number = |text: &str| text.parse::<u64>().ok();
    if let Ok(Some(number)) = place("logs", text, number) {
        assert!(place("logs", &token("logs", &number.to_string()), |_| Some(())).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Option<u64> {
        text.parse().ok()
    }

    #[test]
    fn a_token_leads_to_the_next_page_and_others_are_refused() {
        assert_eq!(place("logs", &token("logs", "17"), number), Ok(Some(17)));
        assert_eq!(place("logs", "", number), Ok(None));
        let (foreign, odd) = (token("queues", "17"), token("logs", "x"));
        for bad in ["mail", "%%%", "e30", "😀", &foreign, &odd] {
            let refused = place("logs", bad, number).unwrap_err();
            assert_eq!(refused.field(), Some("page_token"), "{bad}");
        }
    }

    #[test]
    fn a_page_is_bounded() {
        assert_eq!(LONG.of(0), Ok(100));
        assert_eq!(LONG.of(7), Ok(7));
        assert_eq!(LONG.of(i32::MAX), Ok(1_000));
        assert_eq!(LONG.of(-1).unwrap_err().field(), Some("page_size"));
    }
}
