//! Payloads and results, without changing a digit of them.

use std::fmt::Write;

use bytes::Bytes;
use yew::{AttrValue, Callback, Html, Properties, function_component, html, use_memo, use_state};

use crate::{
    components::copy::Copy,
    format,
    json::{self, Line},
};

/// Lines that are drawn before somebody asks for all.
const AT_FIRST: usize = 400;
/// Bytes of what is no text that are drawn.
const HEX_BYTES: usize = 1_024;

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct ViewerProps {
    pub(crate) bytes: Bytes,
    pub(crate) content_type: AttrValue,
    /// For tests and for the copy button: `payload`, `result`.
    pub(crate) what: AttrValue,
}

/// Bytes as they can be read best.
#[derive(Debug)]
enum Shown {
    Json(Vec<Line>),
    Text(String),
    Binary(String),
}

/// Shows bytes as JSON, text, or hex digits: what they are, not what they are
/// said to be.
#[function_component]
pub(crate) fn Viewer(props: &ViewerProps) -> Html {
    let shown = use_memo(props.bytes.clone(), |bytes| read(bytes));
    let all = use_state(|| false);
    let copied: AttrValue = match &*shown {
        Shown::Json(lines) => json::text(lines).into(),
        Shown::Text(text) | Shown::Binary(text) => text.clone().into(),
    };
    let more = {
        let all = all.clone();
        Callback::from(move |_| all.set(true))
    };
    let most = if *all { usize::MAX } else { AT_FIRST };
    html! {
        <div class="viewer">
            <div class="viewer-head">
                <span>{&props.content_type}</span>
                <span>{format::bytes(props.bytes.len() as u64)}</span>
                <Copy text={copied} what={props.what.clone()} />
            </div>
            <pre class="viewer-text" tabindex="0" role="region" aria-label={format!("{}, as text", props.what)} data-testid={props.what.clone()}>{match &*shown {
                Shown::Json(lines) => html! { {for lines.iter().take(most).map(line)} },
                Shown::Text(text) => html! { {text} },
                Shown::Binary(text) => html! { {text} },
            }}</pre>
            if let Shown::Json(lines) = &*shown {
                if lines.len() > most {
                    <button type="button" class="button wide" onclick={more}>
                        {format!("Show all {} lines", format::grouped(lines.len() as u64))}
                    </button>
                }
            }
        </div>
    }
}

fn read(bytes: &[u8]) -> Shown {
    match std::str::from_utf8(bytes) {
        Ok(text) => match json::layout(text) {
            Some(lines) => Shown::Json(lines),
            None => Shown::Text(text.to_owned()),
        },
        Err(_) => Shown::Binary(hex(bytes)),
    }
}

fn line(line: &Line) -> Html {
    let margin = "  ".repeat(line.depth);
    html! { <>
        {margin}
        {for line.pieces.iter().map(|(piece, text)| html! { <span class={piece.class()}>{text}</span> })}
        {"\n"}
    </> }
}

/// Offsets and hex digits, sixteen bytes a line.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (row, chunk) in bytes.chunks(16).take(HEX_BYTES / 16).enumerate() {
        write!(text, "{:06x} ", row * 16).expect("a string takes any text");
        for byte in chunk {
            write!(text, " {byte:02x}").expect("a string takes any text");
        }
        text.push('\n');
    }
    if bytes.len() > HEX_BYTES {
        text.push_str("…\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bytes_are_decides_how_they_are_shown() {
        assert!(matches!(read(b"[1]"), Shown::Json(_)));
        assert!(matches!(read(b"<script>"), Shown::Text(_)));
        assert!(matches!(read(b""), Shown::Text(_)));
        let Shown::Binary(text) = read(b"\xff\x00") else {
            panic!("no text")
        };
        assert_eq!(text, "000000  ff 00\n");
        assert!(hex(&[0xff; 5_000]).ends_with("…\n"));
    }
}
