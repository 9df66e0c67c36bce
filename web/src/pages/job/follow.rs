//! Follows one job through all of its life, and through all troubles of the way.

use std::{collections::VecDeque, rc::Rc};

use jobflow::{
    Code, JobState,
    proto::{Job, LogLine},
};
use yew::{Reducible, UseReducerDispatcher, UseReducerHandle, hook, use_effect_with, use_reducer};

use crate::{
    api::{Answered, Api, Problem, values::state},
    follow::{self, Pause, within},
    session::{use_live, use_turn},
    store::Link,
};

/// As many log lines as the server keeps.
const MOST_LINES: usize = 1_000;
/// The first message needs a connection and a reading of the store.
const OPENING_MS: u32 = 5_000;
/// The server says something at least every 15 s.
const SILENCE_MS: u32 = 20_000;

/// What is known of the job.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Followed {
    pub(super) job: Option<Rc<Job>>,
    pub(super) lines: VecDeque<Rc<LogLine>>,
    /// Nobody has it any more, or never had.
    pub(super) gone: bool,
    /// Why what is shown may be old.
    pub(super) problem: Option<Problem>,
}

/// What happens to it.
#[derive(Debug)]
pub(super) enum Told {
    Other,
    Job(Box<Job>),
    Lines(Vec<LogLine>),
    Gone,
    Lost(Problem),
}

impl Reducible for Followed {
    type Action = Told;

    fn reduce(self: Rc<Self>, told: Told) -> Rc<Self> {
        let mut next = (*self).clone();
        match told {
            Told::Other => next = Self::default(),
            Told::Job(mut job) => {
                // Messages after the first leave the payload out.
                if let Some(known) = next.job.as_ref().filter(|_| job.payload.is_empty()) {
                    job.payload.clone_from(&known.payload);
                    job.previous_payloads.clone_from(&known.previous_payloads);
                }
                next.job = Some(Rc::new(*job));
                next.gone = false;
                next.problem = None;
            }
            Told::Lines(lines) => {
                for line in lines {
                    // A stream that was opened anew repeats nothing that stands here.
                    if next
                        .lines
                        .back()
                        .is_none_or(|last| last.number < line.number)
                    {
                        next.lines.push_back(Rc::new(line));
                    }
                }
                while next.lines.len() > MOST_LINES {
                    next.lines.pop_front();
                }
            }
            Told::Gone => next.gone = true,
            Told::Lost(problem) => next.problem = Some(problem),
        }
        Rc::new(next)
    }
}

/// The job as it is now, for as long as somebody looks; `asked` asks anew, as
/// after a change.
#[hook]
pub(super) fn use_job(id: String, asked: u64) -> UseReducerHandle<Followed> {
    let followed = use_reducer(Followed::default);
    let visible = use_live().link != Link::Paused;
    let turn = use_turn();
    // The stream of a final job is at its end: it is looked at again whenever
    // jobs have moved, because somebody may retry or delete it.
    let is_final = followed
        .job
        .as_ref()
        .and_then(|job| state(job.state()))
        .is_some_and(JobState::is_final);
    let turn = if is_final { turn } else { 0 };
    {
        let dispatcher = followed.dispatcher();
        use_effect_with(id.clone(), move |_| dispatcher.dispatch(Told::Other));
    }
    let from_line = followed.lines.back().map_or(0, |line| line.number + 1);
    let dispatcher = followed.dispatcher();
    use_effect_with((id, asked, turn, visible), move |(id, _, _, visible)| {
        let task = visible.then(|| follow::spawn(keep(id.clone(), from_line, dispatcher)));
        move || drop(task)
    });
    followed
}

type Tell = UseReducerDispatcher<Followed>;

/// Follows it until it is final or gone.
async fn keep(id: String, mut from_line: i64, tell: Tell) {
    let mut pause = Pause::default();
    loop {
        let mut heard = false;
        match watch(&id, &tell, &mut from_line, &mut heard).await {
            Ok(true) => return,
            Ok(false) => {}
            // The second: an id that is none.
            Err(problem) if problem.is(Code::JobNotFound) || problem.is(Code::InvalidField) => {
                return tell.dispatch(Told::Gone);
            }
            Err(problem) => tell.dispatch(Told::Lost(problem)),
        }
        if heard {
            pause = Pause::default();
        }
        pause.wait().await;
    }
}

/// Follows one stream to its end, and says whether the job is final.
async fn watch(id: &str, tell: &Tell, from_line: &mut i64, heard: &mut bool) -> Answered<bool> {
    let mut stream = within(OPENING_MS, Api::watch_job(id.to_owned(), *from_line)).await?;
    let mut last = None;
    while let Some(message) = within(SILENCE_MS, stream.next()).await? {
        let is_first = !std::mem::replace(heard, true);
        if let Some(line) = message.log_lines.last() {
            *from_line = line.number + 1;
            tell.dispatch(Told::Lines(message.log_lines));
        }
        let Some(job) = message.job else { continue };
        let now = state(job.state());
        // Begun anew, perhaps with another payload: only a first message has it.
        let anew = matches!(now, Some(JobState::Waiting | JobState::Scheduled));
        if !is_first && anew && last != now {
            return Ok(false);
        }
        last = now;
        tell.dispatch(Told::Job(Box::new(job)));
    }
    Ok(last.is_some_and(JobState::is_final))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: i64) -> LogLine {
        LogLine {
            number,
            ..LogLine::default()
        }
    }

    #[test]
    fn a_payload_stays_when_later_messages_leave_it_out() {
        let job = |payload: &[u8]| {
            Told::Job(Box::new(Job {
                payload: payload.to_vec().into(),
                ..Job::default()
            }))
        };
        let followed = Rc::new(Followed::default()).reduce(job(b"{}"));
        let followed = followed.reduce(job(b""));
        assert_eq!(followed.job.as_ref().expect("a job").payload, b"{}"[..]);
    }

    #[test]
    fn no_line_stands_twice_and_the_oldest_make_way() {
        let lines = |range: std::ops::Range<i64>| Told::Lines(range.map(line).collect());
        let followed = Rc::new(Followed::default()).reduce(lines(0..3));
        let followed = followed.reduce(lines(1..1_200));
        assert_eq!(followed.lines.len(), MOST_LINES);
        assert_eq!(followed.lines.front().expect("lines").number, 200);
        assert_eq!(followed.lines.back().expect("lines").number, 1_199);
    }
}
