//! What a step of a walk finds, as records of jobs.

use ::redis::{FromRedisValue, ParsingError, Value};
use bytes::Bytes;

use crate::fingerprint::fnv1a;
use crate::job::{JobId, QueueName};
use crate::meta::Meta;
use crate::options::JobDefaults;
use crate::outcome::{self, Stored};
use crate::queue::inspect::{read_meta, record};
use crate::queue::list::Columns;
use crate::queue::list::token::Cursor;
use crate::queue::settings;
use crate::record::JobRecord;
use crate::report_codec::decode_progress;
use crate::spec::Spec;
use crate::state::JobState;

/// Fields a row.
const FIELDS: usize = 9;

/// The answer of `list.lua`.
pub(super) struct Found {
    /// Of a scan.
    pub(super) cursor: Cursor,
    /// How many ids the step came to.
    pub(super) ids: usize,
    /// Of how many the rows are there; none when they were too many at once,
    /// and then `rows` are ids alone.
    pub(super) read: usize,
    pub(super) bytes: usize,
    defaults: JobDefaults,
    rows: Vec<Bytes>,
}

impl FromRedisValue for Found {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let (at, ids, read, bytes, defaults, rows, run) = ::redis::from_redis_value(value)?;
        let defaults: [Option<String>; 3] = defaults;
        let run: Bytes = run;
        Ok(Self {
            cursor: Cursor {
                at,
                run: fnv1a(run),
            },
            ids,
            read,
            bytes,
            defaults: settings::job_defaults(&defaults.map(Option::unwrap_or_default)),
            rows,
        })
    }
}

/// One id that a step came to.
pub(super) struct Row {
    pub(super) id: JobId,
    /// In the set where it was found.
    pub(super) score: f64,
    /// `None` for an id that no set of states holds.
    pub(super) job: Option<JobRecord>,
}

impl Found {
    /// The ids that were too many to be read.
    pub(super) fn unread(&self) -> Vec<JobId> {
        let ids = self.rows.iter().filter(|_| self.read == 0);
        ids.filter_map(|id| JobId::from_slice(id)).collect()
    }

    pub(super) fn rows(&self, queue: &QueueName, columns: Columns) -> Vec<Row> {
        let rows = self.rows.chunks_exact(FIELDS).filter(|_| self.read > 0);
        let row = |fields: &[Bytes]| {
            let id = JobId::from_slice(&fields[0])?;
            Some(Row {
                id,
                score: number(&fields[1]).unwrap_or_default(),
                job: self.job(id, queue, columns, fields),
            })
        };
        rows.filter_map(row).collect()
    }

    fn job(
        &self,
        id: JobId,
        queue: &QueueName,
        columns: Columns,
        fields: &[Bytes],
    ) -> Option<JobRecord> {
        let [_, _, state, score, spec, meta, error, tags, progress] = fields else {
            return None;
        };
        let state = JobState::from_word(text(state)?)?;
        let score = number(score)?;
        // What can not be read is listed all the same: somebody has to see it.
        let spec = Some(spec)
            .filter(|_| columns.spec)
            .and_then(|spec| Spec::decode(spec.clone()))
            .unwrap_or_else(unreadable);
        let meta = Some(meta)
            .filter(|_| columns.meta)
            .and_then(|meta| read_meta(meta, state, score))
            .unwrap_or_else(Meta::default);
        let mut job = record(id, queue, state, score, &spec, meta, self.defaults)?;
        if let Some(Stored::Error(error)) = outcome::decode(error) {
            job.error = Some(error);
        }
        job.tags = text(tags)?.lines().map(str::to_owned).collect();
        job.progress = decode_progress(progress);
        Some(job)
    }
}

/// Stands for a spec that can not be read, or is not.
fn unreadable() -> Spec {
    let kind_alone = Bytes::from_static(b"\x0a\x0aunreadable");
    Spec::decode(kind_alone).expect("a kind alone is a spec")
}

fn text(bytes: &Bytes) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn number(bytes: &Bytes) -> Option<f64> {
    text(bytes)?.parse().ok()
}
