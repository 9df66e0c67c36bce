//! One comparison: what may be compared with what, and what comes of it.

use std::fmt;
use std::str::FromStr;

use crate::access::QueuePattern;
use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::job::{JobId, Kind, QueueName, StoreTime};
use crate::options::Priority;
use crate::record::JobRecord;
use crate::state::JobState;

use super::lexer::{Op, Value, error_at};

/// Declares the fields with the names under which filters know them.
macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident = $name:literal,)*) => {
        /// What of a job a filter can look at.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Field {
            $($(#[$doc])* $field,)*
        }

        impl Field {
            /// All fields.
            pub const ALL: &[Self] = &[$(Self::$field),*];

            /// The name in a filter.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)*
                }
            }
        }
    };
}

fields! {
    /// The job's id.
    Id = "id",
    /// Its queue.
    Queue = "queue",
    /// Its kind.
    Kind = "kind",
    /// Its state.
    State = "state",
    /// Its band.
    Priority = "priority",
    /// Its tags.
    Tags = "tags",
    /// Its current or last attempt.
    Attempt = "attempt",
    /// The worker of that attempt.
    Worker = "worker",
    /// The code of its last error.
    ErrorCode = "error_code",
    /// What it failed of, as dead letter groups have it.
    Fingerprint = "fingerprint",
    /// When it was submitted.
    CreateTime = "create_time",
    /// When it became final.
    FinishTime = "finish_time",
}

impl Field {
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }

    /// The operators that make sense for it.
    const fn operators(self) -> &'static [Op] {
        use Op::{Equal, Greater, GreaterEqual, Has, Less, LessEqual, NotEqual};
        match self {
            Self::Id | Self::State => &[Equal, NotEqual],
            Self::Queue | Self::Kind | Self::Worker | Self::ErrorCode | Self::Fingerprint => {
                &[Equal, NotEqual, Has]
            }
            Self::Tags => &[Has],
            Self::Priority | Self::Attempt => {
                &[Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual]
            }
            Self::CreateTime => &[Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual],
            Self::FinishTime => &[Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, Has],
        }
    }
}

/// The right side of a comparison, as its field needs it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Id(JobId),
    State(JobState),
    Number(u32),
    Time(StoreTime),
    Text(String),
    /// Text that begins so.
    Start(String),
    /// Anything at all.
    Present,
}

#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) field: Field,
    pub(super) op: Op,
    pub(super) operand: Operand,
    /// Where it stands, from 1.
    pub(super) position: usize,
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        (self.field, self.op, &self.operand) == (other.field, other.op, &other.operand)
    }
}

impl Term {
    pub(super) fn new(
        field: Field,
        op: Op,
        value: Value,
        position: usize,
        op_position: usize,
    ) -> Result<Self> {
        let allowed = field.operators();
        if !allowed.contains(&op) {
            let words: Vec<_> = allowed.iter().map(|op| op.as_str()).collect();
            let message = format!(
                "{} can not be compared by {}; use {}",
                field.name(),
                op.as_str(),
                words.join(" ")
            );
            return Err(error_at(op_position, message));
        }
        let at = value.position;
        let operand = operand(field, op, value)
            .map_err(|must| error_at(at, format!("{} must be {must}", field.name())))?;
        Ok(Self {
            field,
            op,
            operand,
            position,
        })
    }

    pub(super) const fn state(state: JobState) -> Self {
        Self {
            field: Field::State,
            op: Op::Equal,
            operand: Operand::State(state),
            position: 1,
        }
    }

    pub(super) fn queue(pattern: &QueuePattern) -> Self {
        Self {
            field: Field::Queue,
            op: Op::Equal,
            operand: match pattern {
                QueuePattern::Name(name) => Operand::Text(name.to_string()),
                QueuePattern::Start(start) => Operand::Start(start.clone()),
            },
            position: 1,
        }
    }

    pub(super) fn matches(&self, job: &JobRecord) -> bool {
        let error = job.error.as_ref();
        match self.field {
            Field::Id => self.same(&Operand::Id(job.id)),
            Field::Queue => self.text(Some(job.queue.as_str())),
            Field::Kind => self.text(Some(job.kind.as_str())),
            Field::State => self.same(&Operand::State(job.state)),
            Field::Priority => self.order(Some(u64::from(job.priority.get()))),
            Field::Tags => job.tags.iter().any(|tag| self.tag(tag)),
            Field::Attempt => self.order(Some(u64::from(job.attempt))),
            Field::Worker => self.text(job.worker.as_deref()),
            Field::ErrorCode => self.text(error.map(|error| error.code.as_str())),
            Field::Fingerprint => {
                let print = error.map(|error| Fingerprint::of(&job.kind, error).hex);
                self.text(print.as_deref())
            }
            Field::CreateTime => self.order(Some(job.created.0)),
            Field::FinishTime => self.order(job.finished.map(|time| time.0)),
        }
    }

    pub(super) fn matches_move(
        &self,
        id: JobId,
        queue: &QueueName,
        kind: Option<&Kind>,
        state: JobState,
    ) -> bool {
        match self.field {
            Field::Id => self.same(&Operand::Id(id)),
            Field::Queue => self.text(Some(queue.as_str())),
            Field::Kind => kind.is_some_and(|kind| self.text(Some(kind.as_str()))),
            Field::State => self.same(&Operand::State(state)),
            _ => false,
        }
    }

    /// What is known of the comparison when only queue and state are.
    pub(super) fn of_place(&self, queue: &QueueName, state: JobState) -> Option<bool> {
        match self.field {
            Field::Queue => Some(self.text(Some(queue.as_str()))),
            Field::State => Some(self.same(&Operand::State(state))),
            Field::FinishTime if !state.is_final() => Some(self.order(None)),
            _ => None,
        }
    }

    fn same(&self, value: &Operand) -> bool {
        (self.operand == *value) == (self.op == Op::Equal)
    }

    /// What a job lacks is unequal to everything.
    fn text(&self, text: Option<&str>) -> bool {
        let equal = text.is_some_and(|text| match &self.operand {
            Operand::Text(wanted) if self.op == Op::Has => text.contains(wanted.as_str()),
            Operand::Text(wanted) => text == wanted,
            Operand::Start(start) if self.op == Op::Has => text.contains(start.as_str()),
            Operand::Start(start) => text.starts_with(start.as_str()),
            Operand::Present => true,
            _ => false,
        });
        equal != (self.op == Op::NotEqual)
    }

    fn tag(&self, tag: &str) -> bool {
        match &self.operand {
            Operand::Text(wanted) => tag == wanted,
            Operand::Start(start) => tag.starts_with(start.as_str()),
            Operand::Present => true,
            _ => false,
        }
    }

    fn order(&self, number: Option<u64>) -> bool {
        let wanted = match self.operand {
            Operand::Number(number) => u64::from(number),
            Operand::Time(time) => time.0,
            _ => return number.is_some(),
        };
        let Some(number) = number else {
            return self.op == Op::NotEqual;
        };
        match self.op {
            Op::Equal => number == wanted,
            Op::NotEqual => number != wanted,
            Op::Less => number < wanted,
            Op::LessEqual => number <= wanted,
            Op::Greater => number > wanted,
            Op::GreaterEqual => number >= wanted,
            Op::Has => true,
        }
    }
}

/// Reads the right side; the error says what it must be.
fn operand(field: Field, op: Op, value: Value) -> Result<Operand, String> {
    let present = value.open && value.text.is_empty() && op == Op::Has;
    let text = value.text;
    match field {
        Field::Id if !value.open => JobId::from_str(&text)
            .map(Operand::Id)
            .map_err(|_| "a UUID".to_owned()),
        Field::Id => Err("a UUID".to_owned()),
        Field::State => {
            let state = JobState::from_word(&text).filter(|_| !value.open);
            state.map(Operand::State).ok_or_else(|| {
                let words = JobState::ALL.map(JobState::as_str);
                format!("one of {}", words.join(", "))
            })
        }
        Field::Priority => number(&text, value.open, u32::from(Priority::MAX)),
        Field::Attempt => number(&text, value.open, u32::from(u16::MAX)),
        Field::FinishTime if present => Ok(Operand::Present),
        Field::CreateTime | Field::FinishTime => time(&text)
            .filter(|_| !value.open)
            .map(Operand::Time)
            .ok_or_else(|| "a time like 2030-01-31T09:00:00Z".to_owned()),
        _ if present => Ok(Operand::Present),
        _ if value.open => Ok(Operand::Start(text)),
        _ if text.is_empty() => {
            Err("something; to find jobs without it, write NOT field:*".to_owned())
        }
        Field::Queue if op != Op::Has => {
            let name = QueueName::new(&text).map(|_| Operand::Text(text));
            name.map_err(|_| "the name of a queue: a-z 0-9 . _ -".to_owned())
        }
        Field::Kind if op != Op::Has => {
            let name = Kind::new(&text).map(|_| Operand::Text(text));
            name.map_err(|_| "the name of a kind: A-Z a-z 0-9 . _ -".to_owned())
        }
        _ => Ok(Operand::Text(text)),
    }
}

fn number(text: &str, open: bool, max: u32) -> Result<Operand, String> {
    let digits = !open && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|n| digits && *n <= max);
    number
        .map(Operand::Number)
        .ok_or_else(|| format!("a whole number, 0 to {max}"))
}

/// An RFC 3339 time since 1970, to the millisecond.
fn time(text: &str) -> Option<StoreTime> {
    let time = prost_types::Timestamp::from_str(text).ok()?;
    let seconds = u64::try_from(time.seconds).ok()?;
    let millis = u64::try_from(time.nanos).ok()? / 1_000_000;
    Some(StoreTime(seconds.checked_mul(1_000)?.checked_add(millis)?))
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, op) = (self.field.name(), self.op.as_str());
        match self.op {
            Op::Has => write!(f, "{name}{op}")?,
            _ => write!(f, "{name} {op} ")?,
        }
        match &self.operand {
            Operand::Id(id) => id.fmt(f),
            Operand::State(state) => state.fmt(f),
            Operand::Number(number) => number.fmt(f),
            Operand::Time(time) => write_time(f, *time),
            Operand::Text(text) => write_text(f, text, ""),
            Operand::Start(start) => write_text(f, start, "*"),
            Operand::Present => f.write_str("*"),
        }
    }
}

fn write_time(f: &mut fmt::Formatter<'_>, time: StoreTime) -> fmt::Result {
    let seconds = i64::try_from(time.0 / 1_000).map_err(|_| fmt::Error)?;
    let millis = i32::try_from(time.0 % 1_000).map_err(|_| fmt::Error)?;
    let time = prost_types::Timestamp {
        seconds,
        nanos: millis * 1_000_000,
    };
    write!(f, "{time}")
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str, star: &str) -> fmt::Result {
    let plain = |c: char| c.is_alphanumeric() || "._-/:@+".contains(c);
    // These would be read as an operator, or as words of the filter.
    let special = ["AND", "OR", "NOT", ""].contains(&text);
    if !special && text.chars().all(plain) {
        return write!(f, "{text}{star}");
    }
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' | '*' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            c => write!(f, "{c}")?,
        }
    }
    write!(f, "{star}\"")
}
