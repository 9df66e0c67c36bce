//! `top`: everything on one screen.
//!
//! `feed` brings numbers and lists and does what was asked for, `state` holds
//! what is shown, `keys` says what a key does to it, `draw` puts it on the
//! screen, and `screen` runs them together.

mod action;
mod draw;
mod feed;
mod keys;
mod screen;
mod state;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};

use anstream::ColorChoice;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::args::Top;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::Output;
use state::{State, Update};

pub(crate) async fn run(
    client: &Client,
    args: &Top,
    color: ColorChoice,
    output: &mut Output,
) -> Result<()> {
    output.refuse_ids("screens")?;
    let on_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    if !args.once && !on_terminal {
        return Err(Error::usage("top needs a terminal")
            .hint("--once prints one frame; `metrics --watch` prints numbers as they move"));
    }
    let mut state = State::new(args.tab);
    state.take(Update::numbers(client.first_metrics().await?));
    if !args.once {
        let coloured = color != ColorChoice::Never;
        return screen::run(client, state, args.interval, coloured).await;
    }
    if let Some(load) = state.load() {
        state.take(feed::load(client, load).await?);
    }
    Ok(output.text(&frame(&state, args.width, args.height))?)
}

/// One frame as plain text.
fn frame(state: &State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height))
        .expect("a screen in memory has room for itself");
    terminal
        .draw(|frame| draw::frame(frame, state))
        .expect("a screen in memory takes whatever is drawn");
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(usize::from(width)).map(|cells| {
        let line: String = cells.iter().map(|cell| cell.symbol()).collect();
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}
