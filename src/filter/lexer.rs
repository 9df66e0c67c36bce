//! Cuts a filter into words. What may stand in a value depends on where it
//! stands, so the parser asks for what it expects.

use crate::error::{Error, Result};

/// How a comparison compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Has,
}

impl Op {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Has => ":",
        }
    }
}

/// What stands on the right of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    /// A `*` stands behind the text.
    pub(super) open: bool,
    /// Of its first character, from 1.
    pub(super) position: usize,
}

pub(super) struct Lexer {
    chars: Vec<char>,
    at: usize,
}

impl Lexer {
    pub(super) fn new(text: &str) -> Self {
        Self {
            chars: text.chars().collect(),
            at: 0,
        }
    }

    /// Of the next character, from 1.
    pub(super) const fn position(&self) -> usize {
        self.at + 1
    }

    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        error_at(self.position(), message)
    }

    /// The next character behind any white space, not taken.
    pub(super) fn peek(&mut self) -> Option<char> {
        while self.here().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        self.here()
    }

    /// Takes the character if it is next.
    pub(super) fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Takes the word if it is next and no longer word begins with it.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        self.peek();
        let end = self.at + word.len();
        let found = self
            .chars
            .get(self.at..end)
            .is_some_and(|next| next.iter().copied().eq(word.chars()));
        let ends = !self.chars.get(end).copied().is_some_and(is_name);
        if found && ends {
            self.at = end;
        }
        found && ends
    }

    /// The name of a field; empty where none stands.
    pub(super) fn name(&mut self) -> String {
        self.peek();
        let name: String = self.chars[self.at..]
            .iter()
            .take_while(|c| is_name(**c))
            .collect();
        self.at += name.chars().count();
        name
    }

    pub(super) fn operator(&mut self) -> Result<Op> {
        let first = self.peek();
        let equals = self.chars.get(self.at + 1) == Some(&'=');
        let (op, len) = match (first, equals) {
            (Some('!'), true) => (Op::NotEqual, 2),
            (Some('<'), true) => (Op::LessEqual, 2),
            (Some('>'), true) => (Op::GreaterEqual, 2),
            (Some('<'), false) => (Op::Less, 1),
            (Some('>'), false) => (Op::Greater, 1),
            (Some(':'), _) => (Op::Has, 1),
            (Some('='), false) => (Op::Equal, 1),
            _ => return Err(self.error("expected one of = != < <= > >= :")),
        };
        self.at += len;
        Ok(op)
    }

    pub(super) fn value(&mut self) -> Result<Value> {
        match self.peek() {
            Some('"') => self.quoted(),
            Some(c) if !"()=!<>".contains(c) => self.bare(),
            _ => Err(self.error("expected a value")),
        }
    }

    /// Up to white space or a parenthesis, so that times need no quotes.
    fn bare(&mut self) -> Result<Value> {
        let mut value = self.begin();
        while let Some(c) = self.here() {
            match c {
                c if c.is_whitespace() || c == '(' || c == ')' => break,
                '"' | '\\' => return Err(self.error("put the whole value in quotes")),
                c => self.push(&mut value, c)?,
            }
            self.at += 1;
        }
        if !value.open && ["AND", "OR", "NOT"].contains(&value.text.as_str()) {
            let message = format!(
                "expected a value; {} is a word of its own, put it in quotes",
                value.text
            );
            return Err(error_at(value.position, message));
        }
        Ok(value)
    }

    fn quoted(&mut self) -> Result<Value> {
        let mut value = self.begin();
        self.at += 1;
        loop {
            match self.here() {
                None => return Err(error_at(value.position, "this quote is not closed")),
                Some('"') => break,
                Some('\\') => {
                    self.at += 1;
                    let escaped = match self.here() {
                        Some(c @ ('"' | '\\' | '*')) => c,
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some('r') => '\r',
                        _ => return Err(self.error(r#"after \ comes one of " \ * n t r"#)),
                    };
                    self.no_more_after_star(&value)?;
                    value.text.push(escaped);
                }
                Some(c) => self.push(&mut value, c)?,
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(value)
    }

    const fn begin(&self) -> Value {
        Value {
            text: String::new(),
            open: false,
            position: self.position(),
        }
    }

    fn push(&self, value: &mut Value, c: char) -> Result<()> {
        self.no_more_after_star(value)?;
        if c == '*' {
            value.open = true;
        } else {
            value.text.push(c);
        }
        Ok(())
    }

    fn no_more_after_star(&self, value: &Value) -> Result<()> {
        if value.open {
            return Err(error_at(
                self.position() - 1,
                r#"a * stands at the end of a value; for the character itself write "\*""#,
            ));
        }
        Ok(())
    }

    fn here(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub(super) fn error_at(position: usize, message: impl Into<String>) -> Error {
    Error::InvalidFilter {
        message: message.into(),
        position,
    }
}
