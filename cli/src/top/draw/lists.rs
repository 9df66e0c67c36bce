//! Queues, jobs, workers and dead letters, a row each.

use jobflow::proto;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Text};
use ratatui::widgets::{Row, Table, TableState};

use super::{BAD, CARE, CHOSEN, STRONG, of_state};
use crate::top::state::State;
use crate::view::dead::error;
use crate::view::job::{attempt, note as note_of};
use crate::view::queue::note;
use crate::view::table::plain;
use crate::view::words::{self, count, printable, wire_duration};

pub(super) fn queues(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let rows = state.queues().into_iter().map(|(metrics, queue)| {
        let counts = queue.counts.unwrap_or_default();
        let rates = metrics.rates.unwrap_or_default();
        let numbers = [
            count(counts.waiting),
            count(counts.active),
            count(counts.scheduled + counts.retrying),
            count(counts.failed),
            format!("{:.1}", rates.submitted),
            format!("{:.1}", rates.completed),
            wire_duration(queue.oldest_waiting_age.as_ref()),
        ];
        let note = plain(&note(queue));
        let style = if note.is_empty() { Style::new() } else { CARE };
        let cells = [Text::from(printable(&queue.name))]
            .into_iter()
            .chain(numbers.map(right))
            .chain([Text::from(note)]);
        Row::new(cells.collect::<Vec<_>>()).style(style)
    });
    let widths = [
        Constraint::Min(8),
        Constraint::Length(9),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Max(16),
    ];
    let heading = [
        "QUEUE", "WAITING", "ACTIVE", "LATER", "FAILED", "IN/S", "OUT/S", "OLDEST",
    ];
    let heading = [Text::from(heading[0])]
        .into_iter()
        .chain(heading[1..].iter().map(|name| right((*name).to_owned())))
        .chain([Text::from("NOTE")]);
    let heading = Row::new(heading.collect::<Vec<_>>());
    let detail = String::new();
    list(
        frame,
        area,
        state,
        Table::new(rows, widths),
        heading,
        detail,
    );
}

pub(super) fn jobs(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let rows = state.jobs.iter().map(|job| {
        let cells = [
            job.id.clone(),
            words::state(job.state()).to_owned(),
            printable(&job.queue),
            printable(&job.kind),
            attempt(job),
            note_of(job),
        ];
        Row::new(cells).style(of_state(job.state()))
    });
    let widths = [
        Constraint::Length(36),
        Constraint::Length(9),
        Constraint::Max(12),
        Constraint::Max(16),
        Constraint::Length(8),
        Constraint::Min(0),
    ];
    let heading = Row::new(["JOB", "STATE", "QUEUE", "KIND", "ATTEMPT", "NOTE"]);
    let selected = state.jobs.get(state.selected());
    let detail = selected.map(note_of);
    let detail = detail.unwrap_or_default();
    list(
        frame,
        area,
        state,
        Table::new(rows, widths),
        heading,
        detail,
    );
}

pub(super) fn workers(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let rows = state.workers().into_iter().map(|worker| {
        let style = match worker.state() {
            proto::WorkerState::Running => Style::new(),
            _ => CARE,
        };
        let cells = [
            printable(&worker.id),
            printable(&worker.host),
            words::worker(worker.state()).to_owned(),
            format!("{}/{}", worker.busy_slots, worker.slots),
            wire_duration(worker.beat_age.as_ref()),
            printable(&worker.queues.join(",")),
            printable(&worker.kinds.join(",")),
        ];
        Row::new(cells).style(style)
    });
    let widths = [
        Constraint::Min(16),
        Constraint::Max(12),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(7),
        Constraint::Max(16),
        Constraint::Max(16),
    ];
    let heading = Row::new(["WORKER", "HOST", "STATE", "BUSY", "BEAT", "QUEUES", "KINDS"]);
    let workers = state.workers();
    let selected = workers.get(state.selected());
    let detail = selected.map(|worker| {
        let (queues, kinds) = (worker.queues.join(", "), worker.kinds.join(", "));
        printable(&format!("{}: queues {queues}; kinds {kinds}", worker.id))
    });
    let detail = detail.unwrap_or_default();
    list(
        frame,
        area,
        state,
        Table::new(rows, widths),
        heading,
        detail,
    );
}

pub(super) fn dead(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let rows = state.groups.iter().map(|group| {
        // To the minute.
        let last = group.last_time.map(|time| time.to_string());
        let last = last.map(|time| time.chars().take(16).collect::<String>());
        let last = last.map(|time| time.replace('T', " "));
        let cells = [
            right(count(group.count)),
            printable(&group.queue).into(),
            printable(&group.kind).into(),
            last.unwrap_or_default().into(),
            error(group).into(),
        ];
        Row::new(cells).style(BAD)
    });
    let widths = [
        Constraint::Length(8),
        Constraint::Max(12),
        Constraint::Max(16),
        Constraint::Length(16),
        Constraint::Min(0),
    ];
    let heading = ["QUEUE", "KIND", "LAST", "ERROR"].map(Text::from);
    let heading = [right("JOBS".to_owned())].into_iter().chain(heading);
    let heading = Row::new(heading.collect::<Vec<_>>());
    let selected = state.groups.get(state.selected());
    let detail = selected.map(|group| format!("{}: {}", group.fingerprint, error(group)));
    let detail = detail.unwrap_or_default();
    list(
        frame,
        area,
        state,
        Table::new(rows, widths),
        heading,
        detail,
    );
}

/// A table with the filter above it, and below it what its columns have no room
/// for of the selected row.
fn list(
    frame: &mut Frame<'_>,
    area: Rect,
    state: &State,
    table: Table<'_>,
    heading: Row<'_>,
    detail: String,
) {
    let below = u16::from(!detail.is_empty());
    let [filter, area, selected] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(below),
    ])
    .areas(area);
    if !state.filter().is_empty() {
        let text = format!("filter: {}", printable(state.filter()));
        frame.render_widget(Line::raw(text), filter);
    }
    let table = table
        .header(heading.style(STRONG))
        .row_highlight_style(CHOSEN);
    let mut selection = TableState::new().with_selected(state.selected());
    frame.render_stateful_widget(table, area, &mut selection);
    frame.render_widget(Line::raw(detail), selected);
}

fn right(text: String) -> Text<'static> {
    Text::from(text).alignment(Alignment::Right)
}
