//! All queues together, and what ended last.

use jobflow::proto::{FinishedJob, StreamMetricsResponse};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Row, Table, Wrap};

use super::{CARE, STRONG, of_state};
use crate::top::state::State;
use crate::view::job::first_line;
use crate::view::queue::COUNTS;
use crate::view::words::{self, count, printable, wire_duration};

const COUNTS_WIDTH: u16 = 26;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let Some(numbers) = &state.numbers else {
        return;
    };
    let lines = u16::try_from(COUNTS.len()).unwrap_or(u16::MAX);
    let [top, recent] =
        Layout::vertical([Constraint::Length(lines + 2), Constraint::Min(0)]).areas(area);
    let [left, right] =
        Layout::horizontal([Constraint::Length(COUNTS_WIDTH), Constraint::Min(0)]).areas(top);
    frame.render_widget(counts(numbers), left);
    frame.render_widget(
        Paragraph::new(facts(numbers)).wrap(Wrap { trim: false }),
        right,
    );
    frame.render_widget(recent_jobs(numbers), recent);
}

fn counts(numbers: &StreamMetricsResponse) -> Text<'static> {
    let counts = numbers.counts.unwrap_or_default();
    let lines = COUNTS.iter().map(|(name, of)| {
        let number = count(of(&counts));
        Line::from(format!("{:<10} {number:>12}", name.to_lowercase()))
    });
    [Line::default()].into_iter().chain(lines).collect()
}

fn facts(numbers: &StreamMetricsResponse) -> Text<'static> {
    let rates = numbers.rates.unwrap_or_default();
    let health = numbers.health.clone().unwrap_or_default();
    let fact = |name: &str, value: String| {
        Line::from(vec![
            Span::styled(format!("{name:<15}"), STRONG),
            value.into(),
        ])
    };
    let mut lines = vec![
        Line::default(),
        fact("submitted/s", format!("{:.1}", rates.submitted)),
        fact("completed/s", format!("{:.1}", rates.completed)),
        fact(
            "failed/s",
            format!("{:.1}, {:.1} errored", rates.failed, rates.errored),
        ),
        fact(
            "oldest waiting",
            wire_duration(numbers.oldest_waiting_age.as_ref()),
        ),
        fact(
            "store",
            format!(
                "answers in {}",
                wire_duration(health.store_round_trip.as_ref())
            ),
        ),
        fact("queues", count(numbers.queues.len())),
    ];
    let reasons = health.reasons.iter();
    lines.extend(reasons.map(|reason| Line::styled(printable(reason), CARE)));
    lines.into()
}

fn recent_jobs(numbers: &StreamMetricsResponse) -> Table<'static> {
    let rows = numbers.recent_jobs.iter().map(row);
    let widths = [
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Max(12),
        Constraint::Max(14),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Min(0),
    ];
    let heading = Row::new(["ENDED", "STATE", "QUEUE", "KIND", "WAITED", "RAN", "ERROR"]);
    Table::new(rows, widths).header(heading.style(STRONG))
}

fn row(job: &FinishedJob) -> Row<'static> {
    let time = job.finish_time.map(|time| time.to_string());
    let error = job.error.as_ref();
    let error = error.map(|error| format!("{}: {}", error.code, first_line(&error.message)));
    let cells = [
        clock(&time.unwrap_or_default()),
        words::state(job.state()).to_owned(),
        printable(&job.queue),
        printable(&job.kind),
        wire_duration(job.wait_duration.as_ref()),
        wire_duration(job.run_duration.as_ref()),
        printable(&error.unwrap_or_default()),
    ];
    Row::new(cells).style(of_state(job.state()))
}

/// `12:34:56` of a time in RFC 3339.
fn clock(time: &str) -> String {
    let clock = time.split_once('T').map_or("", |(_, clock)| clock);
    clock.chars().take(8).collect()
}
