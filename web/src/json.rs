//! JSON as people read it, without changing a digit of it. Pure.
//!
//! Numbers, escapes, the order of keys and keys that come twice stay as the
//! producer wrote them: nothing is parsed into a value.

/// Deeper than this is shown as it came.
const MAX_DEPTH: usize = 128;

/// What a piece of a line is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    Key,
    Text,
    Number,
    Word,
    Mark,
}

impl Piece {
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Key => "json-key",
            Self::Text => "json-text",
            Self::Number => "json-number",
            Self::Word => "json-word",
            Self::Mark => "json-mark",
        }
    }
}

/// One line of the picture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Line {
    pub(crate) depth: usize,
    pub(crate) pieces: Vec<(Piece, String)>,
}

/// Lays JSON out in lines; `None` when it is none.
pub(crate) fn layout(text: &str) -> Option<Vec<Line>> {
    let mut reader = Reader {
        rest: text,
        lines: vec![Line::default()],
    };
    reader.value(0)?;
    reader.blank();
    reader.rest.is_empty().then_some(reader.lines)
}

/// The lines as text, with two spaces for each depth.
pub(crate) fn text(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        text.extend(std::iter::repeat_n("  ", line.depth));
        text.extend(line.pieces.iter().map(|(_, piece)| piece.as_str()));
        text.push('\n');
    }
    text.pop();
    text
}

struct Reader<'a> {
    rest: &'a str,
    lines: Vec<Line>,
}

impl<'a> Reader<'a> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn put(&mut self, piece: Piece, text: &str) {
        if let Some(line) = self.lines.last_mut() {
            line.pieces.push((piece, text.to_owned()));
        }
    }

    fn line(&mut self, depth: usize) {
        self.lines.push(Line {
            depth,
            pieces: Vec::new(),
        });
    }

    /// Takes this much off the front.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    fn eat(&mut self, mark: char) -> bool {
        self.blank();
        let there = self.rest.starts_with(mark);
        if there {
            self.take(1);
        }
        there
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        self.blank();
        if depth > MAX_DEPTH {
            return None;
        }
        match self.rest.chars().next()? {
            '{' => self.list(depth, "{", '}', |reader| {
                reader.blank();
                let key = reader.string()?;
                reader.put(Piece::Key, key);
                reader.eat(':').then(|| reader.put(Piece::Mark, ": "))?;
                reader.value(depth + 1)
            }),
            '[' => self.list(depth, "[", ']', |reader| reader.value(depth + 1)),
            '"' => {
                let text = self.string()?;
                self.put(Piece::Text, text);
                Some(())
            }
            '-' | '0'..='9' => {
                let number = self.number()?;
                self.put(Piece::Number, number);
                Some(())
            }
            _ => {
                let words = ["true", "false", "null"];
                let word = words.into_iter().find(|word| self.rest.starts_with(word))?;
                self.take(word.len());
                self.put(Piece::Word, word);
                Some(())
            }
        }
    }

    fn list(
        &mut self,
        depth: usize,
        open: &str,
        close: char,
        mut item: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.take(1);
        self.put(Piece::Mark, open);
        let close_text = close.to_string();
        if self.eat(close) {
            self.put(Piece::Mark, &close_text);
            return Some(());
        }
        loop {
            self.line(depth + 1);
            item(self)?;
            if self.eat(',') {
                self.put(Piece::Mark, ",");
            } else if self.eat(close) {
                self.line(depth);
                self.put(Piece::Mark, &close_text);
                return Some(());
            } else {
                return None;
            }
        }
    }

    /// With its quotes and escapes.
    fn string(&mut self) -> Option<&'a str> {
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(1) {
            match c {
                '"' if !escaped => return self.rest.starts_with('"').then(|| self.take(at + 1)),
                '\u{0}'..='\u{1f}' => return None,
                c => escaped = c == '\\' && !escaped,
            }
        }
        None
    }

    fn number(&mut self) -> Option<&'a str> {
        let end = self
            .rest
            .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
            .unwrap_or(self.rest.len());
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = &self.rest[..end];
        let (base, exponent) = match number.split_once(['e', 'E']) {
            Some((base, exponent)) => (base, Some(exponent)),
            None => (number, None),
        };
        let base = base.strip_prefix('-').unwrap_or(base);
        let (whole, part) = match base.split_once('.') {
            Some((whole, part)) => (whole, Some(part)),
            None => (base, None),
        };
        let sound = digits(whole)
            && (whole == "0" || !whole.starts_with('0'))
            && part.is_none_or(digits)
            && exponent.is_none_or(|exponent| {
                digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
            });
        sound.then(|| self.take(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str) -> Option<String> {
        layout(json).map(|lines| text(&lines))
    }

    #[test]
    fn nothing_is_changed_but_the_space_between() {
        let json = r#"{"n":12345678901234567890,"f":1.10,"e":[],"o":{},"n":-0.5E+7,"s":"\u0000é😀\"}","l":[1,[true,null]]}"#;
        let pretty = "{\n  \"n\": 12345678901234567890,\n  \"f\": 1.10,\n  \"e\": [],\n  \"o\": {},\n  \"n\": -0.5E+7,\n  \"s\": \"\\u0000é😀\\\"}\",\n  \"l\": [\n    1,\n    [\n      true,\n      null\n    ]\n  ]\n}";
        assert_eq!(shown(json).as_deref(), Some(pretty));
        assert_eq!(shown(pretty).as_deref(), Some(pretty));
        assert_eq!(shown(" 7 ").as_deref(), Some("7"));
    }

    #[test]
    fn what_is_no_json_is_left_alone() {
        for odd in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "01",
            "1.",
            "-",
            "1e",
            "\"",
            "\"\n\"",
            "nul",
            "1 2",
            "[1 2]",
            "'a'",
            "{\"a\":1,}",
            "\u{feff}1",
        ] {
            assert_eq!(shown(odd), None, "{odd:?}");
        }
        assert_eq!(shown(&"[".repeat(100_000)), None, "no stack is overrun");
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(shown(&deep).is_some());
    }
}
