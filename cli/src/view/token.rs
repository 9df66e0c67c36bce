//! Tokens.

use jobflow::proto;
use serde::Serialize;

use crate::view::Item;
use crate::view::json::text;
use crate::view::table::Column::{self, Left};
use crate::view::table::pairs;
use crate::view::words::{given, printable};

#[derive(Serialize)]
struct Token<'a> {
    id: &'a str,
    name: &'a str,
    role: String,
    queues: &'a [String],
    create_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotate_time: Option<String>,
    creator: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

impl<'a> Token<'a> {
    fn new(token: &'a proto::Token, text_: Option<&'a str>) -> Self {
        Self {
            id: &token.id,
            name: &token.name,
            role: role(token),
            queues: &token.queues,
            create_time: text(token.create_time),
            expire_time: text(token.expire_time),
            rotate_time: text(token.rotate_time),
            creator: &token.creator,
            token: text_,
        }
    }
}

/// `ROLE_VIEWER` as `viewer`.
fn role(token: &proto::Token) -> String {
    let name = token.role().as_str_name();
    name.trim_start_matches("ROLE_").to_lowercase()
}

fn lines(token: &proto::Token, text: &str) -> String {
    pairs(&[
        ("id", given(&token.id)),
        ("name", given(&token.name)),
        ("role", Some(role(token))),
        ("queues", given(&token.queues.join(", "))),
        ("created", token.create_time.map(|time| time.to_string())),
        ("by", given(&token.creator)),
        ("rotated", token.rotate_time.map(|time| time.to_string())),
        (
            "expires",
            Some(
                token
                    .expire_time
                    .map_or_else(never, |time| time.to_string()),
            ),
        ),
        ("token", given(text)),
    ])
}

fn never() -> String {
    "never".to_owned()
}

impl Item for proto::Token {
    const COLUMNS: &'static [Column] = &[
        Left("ID"),
        Left("NAME"),
        Left("ROLE"),
        Left("QUEUES"),
        Left("EXPIRES"),
        Left("CREATED BY"),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn json(&self) -> impl Serialize {
        Token::new(self, None)
    }

    fn text(&self) -> String {
        lines(self, "")
    }

    fn row(&self) -> Vec<String> {
        vec![
            printable(&self.id),
            printable(&self.name),
            role(self),
            printable(&self.queues.join(",")),
            self.expire_time.map_or_else(never, |time| time.to_string()),
            printable(&self.creator),
        ]
    }
}

/// A token with its text.
pub(crate) struct Issued {
    pub(crate) token: proto::Token,
    pub(crate) text: String,
}

impl Item for Issued {
    const COLUMNS: &'static [Column] = proto::Token::COLUMNS;

    /// What a script wants of a new token is the token.
    fn id(&self) -> &str {
        &self.text
    }

    fn json(&self) -> impl Serialize {
        Token::new(&self.token, Some(&self.text))
    }

    fn text(&self) -> String {
        lines(&self.token, &self.text)
    }

    fn row(&self) -> Vec<String> {
        self.token.row()
    }
}
