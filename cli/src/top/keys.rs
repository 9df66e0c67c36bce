//! What a key does.
//!
//! Keys that change jobs or queues are upper case, and ask first.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use jobflow::proto::BulkAction;

use super::action::Action;
use super::state::{Mode, State, TABS, place};
use crate::args::Tab;
use crate::commands::dead::{failed, quoted};

/// A page of a list, near enough.
const PAGE: usize = 10;
/// Longer ones are not typed.
const MAX_FILTER: usize = 1_000;

/// What is to be done beside showing the state anew.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    Nothing,
    Quit,
    Interrupt,
    Do(Action),
}

pub(super) fn key(state: &mut State, key: KeyEvent) -> Effect {
    if key.kind == KeyEventKind::Release {
        return Effect::Nothing;
    }
    if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
        return Effect::Interrupt;
    }
    match std::mem::replace(&mut state.mode, Mode::Look) {
        Mode::Look => look(state, key.code),
        Mode::Help => Effect::Nothing,
        Mode::Filter(text) => {
            type_filter(state, text, key.code);
            Effect::Nothing
        }
        Mode::Confirm(action) => match key.code {
            KeyCode::Char('y' | 'Y') => Effect::Do(action),
            _ => {
                "nothing was changed".clone_into(&mut state.notice);
                Effect::Nothing
            }
        },
    }
}

fn look(state: &mut State, code: KeyCode) -> Effect {
    let row = state.selected();
    match code {
        KeyCode::Char('q') => return Effect::Quit,
        KeyCode::Char('?') => state.mode = Mode::Help,
        KeyCode::Char('/') => state.mode = Mode::Filter(state.filter().to_owned()),
        KeyCode::Esc => state.set_filter(String::new()),
        KeyCode::Char('j') | KeyCode::Down => state.select(row + 1),
        KeyCode::Char('k') | KeyCode::Up => state.select(row.saturating_sub(1)),
        KeyCode::PageDown => state.select(row + PAGE),
        KeyCode::PageUp => state.select(row.saturating_sub(PAGE)),
        KeyCode::Char('g') | KeyCode::Home => state.select(0),
        KeyCode::Char('G') | KeyCode::End => state.select(usize::MAX),
        KeyCode::Tab => state.show(beside(state.tab, 1)),
        KeyCode::BackTab => state.show(beside(state.tab, TABS.len() - 1)),
        KeyCode::Enter => open(state),
        KeyCode::Char(digit @ '1'..='5') => {
            let number = digit.to_digit(10).map_or(0, |digit| digit as usize);
            state.show(TABS[number - 1].0);
        }
        KeyCode::Char(letter) => {
            if let Some(action) = action(state, letter) {
                state.mode = Mode::Confirm(action);
            }
        }
        _ => {}
    }
    Effect::Nothing
}

/// The change that an upper-case letter asks for, of what is selected.
fn action(state: &State, letter: char) -> Option<Action> {
    let row = state.selected();
    let job = || state.jobs.get(row).map(|job| job.id.clone());
    let group = |action| {
        let group = state.groups.get(row)?;
        Some(Action::Group(
            action,
            group.fingerprint.clone(),
            group.count,
        ))
    };
    match (state.tab, letter) {
        (Tab::Jobs, 'R') => job().map(Action::Retry),
        (Tab::Jobs, 'C') => job().map(Action::Cancel),
        (Tab::Jobs, 'D') => job().map(Action::Delete),
        (Tab::Dead, 'R') => group(BulkAction::Retry),
        (Tab::Dead, 'D') => group(BulkAction::Delete),
        (Tab::Queues, 'P') => {
            let queues = state.queues();
            let (_, queue) = queues.get(row)?;
            let is_paused = queue.pauses.iter().any(|pause| pause.kind.is_empty());
            Some(match is_paused || queue.draining {
                true => Action::Resume(queue.name.clone()),
                false => Action::Pause(queue.name.clone()),
            })
        }
        _ => None,
    }
}

/// Shows the jobs of the selected queue or group.
fn open(state: &mut State) {
    let row = state.selected();
    let filter = match state.tab {
        Tab::Queues => {
            let queues = state.queues();
            queues
                .get(row)
                .map(|(_, queue)| format!("queue = {}", quoted(&queue.name)))
        }
        Tab::Dead => {
            let group = state.groups.get(row);
            group.map(|group| failed(&format!("fingerprint = {}", quoted(&group.fingerprint))))
        }
        _ => None,
    };
    if let Some(filter) = filter {
        state.show(Tab::Jobs);
        state.set_filter(filter);
    }
}

fn type_filter(state: &mut State, mut text: String, code: KeyCode) {
    match code {
        KeyCode::Esc => return,
        KeyCode::Enter => return state.set_filter(text),
        KeyCode::Backspace => {
            text.pop();
        }
        KeyCode::Char(character) if text.len() < MAX_FILTER => text.push(character),
        _ => {}
    }
    state.mode = Mode::Filter(text);
}

fn beside(tab: Tab, steps: usize) -> Tab {
    TABS[(place(tab) + steps) % TABS.len()].0
}
