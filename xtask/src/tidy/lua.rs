//! As much of Lua as the header rule needs: names and strings.

use std::collections::BTreeSet;

/// The names and strings that a piece of Lua uses.
#[derive(Debug, Default, Clone)]
pub(super) struct Uses {
    /// Identifiers, except fields (`a.b`) and methods (`a:b`).
    pub(super) names: BTreeSet<String>,
    /// What stands between quotes, escapes as written.
    pub(super) strings: BTreeSet<String>,
}

impl Uses {
    pub(super) fn of(code: &str) -> Self {
        let mut uses = Self::default();
        let mut rest = code;
        let mut before = (' ', ' ');
        while let Some(first) = rest.chars().next() {
            let length = if rest.starts_with("--") {
                rest.find('\n').unwrap_or(rest.len())
            } else if first == '\'' || first == '"' {
                let length = quoted_length(rest, first);
                uses.strings.insert(rest[1..length - 1].to_owned());
                length
            } else if first.is_ascii_alphabetic() || first == '_' {
                let length = word_length(rest);
                if !is_field_after(before) {
                    uses.names.insert(rest[..length].to_owned());
                }
                length
            } else if first.is_ascii_digit() {
                word_length(rest)
            } else {
                first.len_utf8()
            };
            before = last_two(before, &rest[..length]);
            rest = &rest[length..];
        }
        uses
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.names.extend(other.names.iter().cloned());
        self.strings.extend(other.strings.iter().cloned());
    }
}

/// `a.b` and `a:b` name fields; `a .. b` does not.
fn is_field_after(before: (char, char)) -> bool {
    before.1 == ':' || (before.1 == '.' && before.0 != '.')
}

fn last_two(before: (char, char), piece: &str) -> (char, char) {
    let mut last = before;
    for c in piece.chars() {
        last = (last.1, c);
    }
    last
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

/// The length with both quotes; a string without an end goes to the end.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_strings_are_told_apart_from_comments_and_fields() {
        let uses = Uses::of("local a = b.c .. d -- e\nf('g', \"h\\\"\", 10)\ni:j()");
        let names: Vec<&str> = uses.names.iter().map(String::as_str).collect();
        assert_eq!(names, ["a", "b", "d", "f", "i", "local"]);
        let strings: Vec<&str> = uses.strings.iter().map(String::as_str).collect();
        assert_eq!(strings, ["g", "h\\\""]);
    }
}
