//! The packed mutable record of a job: the one codec, shared in form with
//! `lua/prelude.lua`.
//!
//! Written by scripts only; Rust reads it. Little-endian: version, priority
//! (1 byte each), crashes, attempt (2 each), token of the current lease or 0,
//! token of the last lease that was finished, finished, claimed, ready (6 each,
//! the last three milliseconds), score (a double: the place among the waiting),
//! flags (1 byte), revision (2 bytes), worker (1-byte length), idempotency
//! entry (2-byte length).

use crate::bytes_reader::Reader;
use crate::job::{LeaseToken, StoreTime};

/// The version in the first byte of every record.
pub(crate) const VERSION: u8 = 1;

/// What the store knows of a job beyond what was submitted. The default is
/// that of a waiting or scheduled job that never ran and has no idempotency key:
/// it has no record at all.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Meta {
    pub(crate) priority: u8,
    pub(crate) crashes: u32,
    pub(crate) attempt: u32,
    pub(crate) token: Option<LeaseToken>,
    pub(crate) ready: Option<StoreTime>,
    pub(crate) claimed: Option<StoreTime>,
    pub(crate) finished: Option<StoreTime>,
    pub(crate) flags: Flags,
    pub(crate) worker: Option<String>,
    pub(crate) entry: Option<String>,
}

impl Meta {
    /// Reads a record; `None` when it is not one of this version.
    pub(crate) fn unpack(packed: &[u8]) -> Option<Self> {
        let mut reader = Reader(packed);
        if reader.number::<1>()? != u64::from(VERSION) {
            return None;
        }
        let priority = u8::try_from(reader.number::<1>()?).ok()?;
        let crashes = u32::try_from(reader.number::<2>()?).ok()?;
        let attempt = u32::try_from(reader.number::<2>()?).ok()?;
        let token = reader.number::<6>()?;
        let _ended = reader.number::<6>()?;
        let [finished, claimed, ready] = [
            reader.number::<6>()?,
            reader.number::<6>()?,
            reader.number::<6>()?,
        ];
        let _score = reader.number::<8>()?;
        let flags = Flags(u8::try_from(reader.number::<1>()?).ok()?);
        let _revision = reader.number::<2>()?;
        let worker_len = reader.number::<1>()?;
        let worker = reader.text(worker_len)?;
        let entry_len = reader.number::<2>()?;
        let entry = reader.text(entry_len)?;
        reader.0.is_empty().then_some(Self {
            priority,
            crashes,
            attempt,
            token: (token > 0).then_some(LeaseToken(token)),
            ready: instant(ready),
            claimed: instant(claimed),
            finished: instant(finished),
            flags,
            worker: Some(worker).filter(|worker| !worker.is_empty()),
            entry: Some(entry).filter(|entry| !entry.is_empty()),
        })
    }
}

/// What a job has beside the ordinary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(u8);

impl Flags {
    /// Somebody asked for its end while it was active.
    pub(crate) const CANCEL: Self = Self(1);

    pub(crate) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }
}

/// Zero stands for an instant that has not come.
fn instant(ms: u64) -> Option<StoreTime> {
    (ms > 0).then_some(StoreTime(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed() -> Vec<u8> {
        let mut bytes = vec![VERSION, 5, 2, 0, 3, 0];
        for number in [9_u64, 8, 3_000, 2_000, 1_000] {
            bytes.extend(&number.to_le_bytes()[..6]);
        }
        bytes.extend(7.5_f64.to_le_bytes());
        bytes.extend(b"\x05\x01\x00\x03box\x03\x00k:a");
        bytes
    }

    #[test]
    fn a_record_reads_back() {
        let meta = Meta::unpack(&packed()).unwrap();
        assert_eq!(
            meta,
            Meta {
                priority: 5,
                crashes: 2,
                attempt: 3,
                token: Some(LeaseToken(9)),
                ready: Some(StoreTime(1_000)),
                claimed: Some(StoreTime(2_000)),
                finished: Some(StoreTime(3_000)),
                flags: Flags(5),
                worker: Some("box".to_owned()),
                entry: Some("k:a".to_owned()),
            }
        );
    }

    #[test]
    fn a_damaged_record_is_told_at_every_length() {
        let whole = packed();
        for len in 0..whole.len() {
            assert_eq!(Meta::unpack(&whole[..len]), None, "{len}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert_eq!(Meta::unpack(&longer), None);
        let mut newer = whole;
        newer[0] = VERSION + 1;
        assert_eq!(Meta::unpack(&newer), None);
    }
}
