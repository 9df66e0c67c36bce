//! Jobs in lists.

use jobflow::proto;
use serde::Serialize;

use crate::view::job::{Job, attempt, first_line, text};
use crate::view::style::state;
use crate::view::table::Column::{self, Left, Right};
use crate::view::{Item, words::printable};

impl Item for proto::Job {
    const COLUMNS: &'static [Column] = &[
        Left("ID"),
        Left("QUEUE"),
        Left("KIND"),
        Left("STATE"),
        Right("PRIORITY"),
        Right("ATTEMPT"),
        Left("CREATED"),
        Left("NOTE"),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn json(&self) -> impl Serialize {
        Job::new(self)
    }

    fn text(&self) -> String {
        text::job(self)
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            printable(&self.queue),
            printable(&self.kind),
            state(self.state()),
            self.priority.to_string(),
            attempt(self),
            self.create_time
                .map(|time| time.to_string())
                .unwrap_or_default(),
            note(self),
        ]
    }
}

/// What one wants to know of a job in its state.
pub(crate) fn note(job: &proto::Job) -> String {
    match (job.state(), &job.progress, &job.error) {
        (proto::JobState::Active, Some(progress), _) => text::progress(progress),
        (_, _, Some(error)) => {
            printable(&format!("{}: {}", error.code, first_line(&error.message)))
        }
        _ => match job.run_time {
            Some(time) => format!("due {time}"),
            None => printable(&job.tags.join(",")),
        },
    }
}

/// A failed job, with what it failed of.
pub(crate) struct DeadLetter(pub(crate) proto::Job);

impl Item for DeadLetter {
    const COLUMNS: &'static [Column] = &[
        Left("ID"),
        Left("QUEUE"),
        Left("KIND"),
        Right("ATTEMPT"),
        Left("FAILED"),
        Left("ERROR"),
    ];

    fn id(&self) -> &str {
        &self.0.id
    }

    fn json(&self) -> impl Serialize {
        Job::new(&self.0)
    }

    fn text(&self) -> String {
        text::job(&self.0)
    }

    fn row(&self) -> Vec<String> {
        let job = &self.0;
        let error = job.error.as_ref();
        vec![
            job.id.clone(),
            printable(&job.queue),
            printable(&job.kind),
            attempt(job),
            job.finish_time
                .map(|time| time.to_string())
                .unwrap_or_default(),
            error
                .map(|error| format!("{}: {}", error.code, first_line(&error.message)))
                .map(|error| printable(&error))
                .unwrap_or_default(),
        ]
    }
}
