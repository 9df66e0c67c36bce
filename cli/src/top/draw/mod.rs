//! Puts the state on the screen.

mod lists;
mod overview;

use jobflow::proto::{HealthStatus, JobState, StreamMetricsResponse};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::state::{Mode, State, TABS};
use crate::args::Tab;
use crate::view::metrics::workers_line;
use crate::view::words::{health, printable};

const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);
const GOOD: Style = Style::new().fg(Color::Green);
const BUSY: Style = Style::new().fg(Color::Cyan);
const CARE: Style = Style::new().fg(Color::Yellow);
const BAD: Style = Style::new().fg(Color::Red);

const HELP: &str = "\
1-5 tab      another tab
j k g G      down, up, first, last
/            filter: jobs and dead letters as for `job list`,
             queues and workers by a part of their name
Esc          no filter
Enter        the jobs of a queue or group
R C D        retry, cancel, delete the job; R D the group
P            pause or resume the queue
?            this help
q            quit";

pub(super) fn frame(frame: &mut Frame<'_>, state: &State) {
    let [tabs, status, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(tab_line(state), tabs);
    frame.render_widget(status_line(state), status);
    match state.tab {
        Tab::Overview => overview::draw(frame, body, state),
        Tab::Queues => lists::queues(frame, body, state),
        Tab::Jobs => lists::jobs(frame, body, state),
        Tab::Workers => lists::workers(frame, body, state),
        Tab::Dead => lists::dead(frame, body, state),
    }
    frame.render_widget(foot_line(state), foot);
    if state.mode == Mode::Help {
        help(frame, body);
    }
}

fn tab_line(state: &State) -> Line<'static> {
    let mut spans = vec![Span::styled("JobFlow", STRONG)];
    for (number, (tab, name)) in TABS.iter().enumerate() {
        let style = if *tab == state.tab {
            CHOSEN
        } else {
            Style::new()
        };
        spans.push(Span::raw(" "));
        spans.push(Span::styled(format!(" {} {name} ", number + 1), style));
    }
    spans.into()
}

fn status_line(state: &State) -> Line<'static> {
    if let Some(why) = &state.lost {
        let text = format!("not connected: {}; connecting again", printable(why));
        return Line::styled(text, BAD);
    }
    let Some(numbers) = &state.numbers else {
        return Line::default();
    };
    let (word, style) = health_of(numbers);
    let workers = workers_line(&numbers.workers.unwrap_or_default());
    let time = numbers.time.map(|time| time.to_string());
    Line::from(vec![
        Span::styled(word, style),
        Span::raw(format!("  {workers}  {}", time.unwrap_or_default())),
    ])
}

fn health_of(numbers: &StreamMetricsResponse) -> (&'static str, Style) {
    let status = numbers
        .health
        .as_ref()
        .map_or(HealthStatus::Unspecified, |health| health.status());
    let style = match status {
        HealthStatus::Healthy => GOOD,
        HealthStatus::Degraded => CARE,
        HealthStatus::Unhealthy => BAD,
        HealthStatus::Unspecified => Style::new(),
    };
    (health(status), style)
}

fn foot_line(state: &State) -> Line<'static> {
    match &state.mode {
        Mode::Filter(text) => Line::from(format!("filter: {}_", printable_input(text))),
        Mode::Confirm(action) => Line::styled(format!("{} [y/N]", action.question()), CARE),
        Mode::Help => Line::raw("any key goes back"),
        Mode::Look if !state.notice.is_empty() => Line::styled(printable(&state.notice), CARE),
        Mode::Look => {
            let own = match state.tab {
                Tab::Overview => "",
                Tab::Queues => "  Enter jobs  P pause/resume",
                Tab::Jobs => "  R retry  C cancel  D delete",
                Tab::Workers => "  / filter",
                Tab::Dead => "  Enter jobs  R replay  D delete",
            };
            Line::raw(format!("q quit  ? help  1-5 tabs  j/k move{own}"))
        }
    }
}

/// What is being typed keeps the blanks at its end.
fn printable_input(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .collect()
}

fn help(frame: &mut Frame<'_>, body: Rect) {
    let lines = u16::try_from(HELP.lines().count()).unwrap_or(u16::MAX);
    let [area] = Layout::vertical([Constraint::Length(lines + 2)]).areas(body);
    frame.render_widget(Clear, area);
    let help = Paragraph::new(HELP)
        .wrap(Wrap { trim: false })
        .block(Block::bordered().title(" keys "));
    frame.render_widget(help, area);
}

/// The colour of a state.
const fn of_state(state: JobState) -> Style {
    match state {
        JobState::Completed => GOOD,
        JobState::Active => BUSY,
        JobState::Retrying | JobState::Cancelled => CARE,
        JobState::Failed => BAD,
        JobState::Unspecified | JobState::Scheduled | JobState::Blocked | JobState::Waiting => {
            Style::new()
        }
    }
}
