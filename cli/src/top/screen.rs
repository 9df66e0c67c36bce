//! The terminal, while it is ours.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use ratatui::DefaultTerminal;
use ratatui::style::Color;
use tokio::sync::mpsc;

use super::draw;
use super::feed::{self, Wish};
use super::keys::{Effect, key};
use super::state::{State, Update};
use crate::client::Client;
use crate::error::{Error, Result};

/// News that are not drawn yet, and wishes that are not answered.
const BUFFER: usize = 16;

/// Gives the terminal back as it was, however this ends; `ratatui` does the
/// same before a panic is printed.
struct Screen {
    terminal: DefaultTerminal,
    coloured: bool,
}

impl Screen {
    fn open(coloured: bool) -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        Ok(Self { terminal, coloured })
    }

    fn draw(&mut self, state: &State) -> io::Result<()> {
        let coloured = self.coloured;
        self.terminal.draw(|frame| {
            draw::frame(frame, state);
            if !coloured {
                for cell in &mut frame.buffer_mut().content {
                    cell.fg = Color::Reset;
                    cell.bg = Color::Reset;
                }
            }
        })?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

pub(super) async fn run(
    client: &Client,
    state: State,
    interval: Duration,
    coloured: bool,
) -> Result<()> {
    let (sender, updates) = mpsc::channel(BUFFER);
    let (wishes, mut wished) = mpsc::channel(BUFFER);
    let screen = Screen::open(coloured)?;
    tokio::select! {
        end = show(screen, state, updates, wishes) => end,
        () = feed::numbers(client, interval, &sender) => Ok(()),
        () = feed::answers(client, &mut wished, &sender) => Ok(()),
        () = told_to_end() => Err(Error::interrupted()),
    }
}

async fn show(
    mut screen: Screen,
    mut state: State,
    mut updates: mpsc::Receiver<Update>,
    wishes: mpsc::Sender<Wish>,
) -> Result<()> {
    let mut events = EventStream::new();
    loop {
        if let Ok(permit) = wishes.try_reserve()
            && let Some(load) = state.load()
        {
            permit.send(Wish::Load(load));
        }
        screen.draw(&state)?;
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(Event::Key(pressed))) => match key(&mut state, pressed) {
                    Effect::Nothing => {}
                    Effect::Quit => return Ok(()),
                    Effect::Interrupt => return Err(Error::interrupted()),
                    Effect::Do(action) => {
                        if wishes.try_send(Wish::Do(action)).is_err() {
                            "too much at once; nothing was changed".clone_into(&mut state.notice);
                        }
                    }
                },
                // A new size is drawn like everything else.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
            Some(update) = updates.recv() => state.take(update),
        }
    }
}

/// Whoever kills the process, or closes the window, gets a clean terminal too.
#[cfg(unix)]
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut hang_up)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}

#[cfg(not(unix))]
async fn told_to_end() {
    std::future::pending().await
}
