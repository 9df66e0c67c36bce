//! The history column: attempts that have ended and payloads that were
//! replaced, oldest first.
//!
//! Written by scripts only. An entry is a letter, the length of its body (4
//! bytes, little-endian) and the body. `A`, an attempt: a letter for how it
//! ended, its number (2), claimed, ended (6 each, milliseconds), worker and
//! error code (1-byte length each), then the error's message. `P`, a payload:
//! when it was replaced (6), then the spec that held it.

use bytes::Bytes;

use crate::bytes_reader::Reader;
use crate::job::StoreTime;
use crate::record::{Attempt, AttemptOutcome, JobError, PreviousPayload};
use crate::spec::Spec;

/// What the history column holds for one job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct History {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) payloads: Vec<PreviousPayload>,
}

impl History {
    /// Reads the column; `None` when it is damaged.
    pub(crate) fn unpack(packed: &Bytes) -> Option<Self> {
        let mut history = Self::default();
        let mut rest = packed.clone();
        while !rest.is_empty() {
            let mut head = Reader(&rest);
            let (letter, size) = (head.number::<1>()?, head.number::<4>()?);
            let end = usize::try_from(size).ok()?.checked_add(5)?;
            let body = (end <= rest.len()).then(|| rest.slice(5..end))?;
            match letter {
                0x41 => history.attempts.push(attempt(&body)?),
                0x50 => history.payloads.push(payload(&body)?),
                _ => return None,
            }
            rest = rest.slice(end..);
        }
        Some(history)
    }
}

fn attempt(body: &[u8]) -> Option<Attempt> {
    let mut reader = Reader(body);
    let outcome = match reader.number::<1>()?.try_into().ok()? {
        b'a' => AttemptOutcome::Acked,
        b'e' => AttemptOutcome::Errored,
        b's' => AttemptOutcome::Snoozed,
        b'r' => AttemptOutcome::Released,
        b'l' => AttemptOutcome::Lost,
        b'x' => AttemptOutcome::Cancelled,
        _ => return None,
    };
    let number = u32::try_from(reader.number::<2>()?).ok()?;
    let (started, ended) = (reader.number::<6>()?, reader.number::<6>()?);
    let worker_len = reader.number::<1>()?;
    let worker = reader.text(worker_len)?;
    let code_len = reader.number::<1>()?;
    let code = reader.text(code_len)?;
    // Lossy, because a script may have cut a character in two.
    let message = String::from_utf8_lossy(reader.0).into_owned();
    Some(Attempt {
        number,
        worker,
        started: StoreTime(started),
        ended: StoreTime(ended),
        outcome,
        error: (!code.is_empty()).then_some(JobError { code, message }),
    })
}

fn payload(body: &Bytes) -> Option<PreviousPayload> {
    let replaced = Reader(body).number::<6>()?;
    let spec = Spec::decode(body.slice(6..))?;
    Some(PreviousPayload {
        payload: spec.payload,
        content_type: spec.content_type,
        replaced: StoreTime(replaced),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::new_job::NewJob;

    fn entry(letter: u8, body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&[letter], &size[..], body].concat()
    }

    fn errored() -> Vec<u8> {
        let mut body = b"e\x02\x00".to_vec();
        for number in [2_000_u64, 3_000] {
            body.extend(&number.to_le_bytes()[..6]);
        }
        body.extend(b"\x03box\x07TIMEOUTtoo long");
        entry(b'A', &body)
    }

    #[test]
    fn attempts_and_payloads_read_back() {
        let mut spec = Spec::encode(&NewJob::new("k", "old").unwrap());
        spec.extend_from_slice(b"\x79\0\0\0\0\0\0\0\0");
        let replaced = [&4_000_u64.to_le_bytes()[..6], &spec[..]].concat();
        let packed = [errored(), entry(b'P', &replaced)].concat().into();
        let history = History::unpack(&packed).unwrap();
        assert_eq!(
            history.attempts,
            [Attempt {
                number: 2,
                worker: "box".to_owned(),
                started: StoreTime(2_000),
                ended: StoreTime(3_000),
                outcome: AttemptOutcome::Errored,
                error: Some(JobError {
                    code: "TIMEOUT".to_owned(),
                    message: "too long".to_owned()
                }),
            }]
        );
        assert_eq!(&history.payloads[0].payload[..], b"old");
        assert_eq!(history.payloads[0].replaced, StoreTime(4_000));
    }

    #[test]
    fn a_damaged_history_is_told() {
        let whole = errored();
        for len in 1..whole.len() {
            assert_eq!(
                History::unpack(&whole[..len].to_vec().into()),
                None,
                "{len}"
            );
        }
        assert_eq!(History::unpack(&entry(b'?', b"").into()), None);
        assert_eq!(History::unpack(&Bytes::new()), Some(History::default()));
    }
}
