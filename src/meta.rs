//! The packed mutable record of a job: the one codec, shared in form with
//! `lua/prelude.lua`.
//!
//! Written by scripts only; Rust reads it. Little-endian: version, priority
//! (1 byte each), crashes, attempt (2 each), token of the current lease or 0,
//! token of the last lease that was finished, finished, claimed, ready (6 each,
//! the last three milliseconds), score (a double: the place among the waiting),
//! worker (1-byte length), idempotency entry (2-byte length).

use crate::job::{LeaseToken, StoreTime};

/// The version in the first byte of every record.
pub(crate) const VERSION: u8 = 1;

/// What the store knows of a job beyond what was submitted. The default is
/// that of a waiting job that never ran and has no idempotency key: it has no
/// record at all.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Meta {
    pub(crate) priority: u8,
    pub(crate) crashes: u32,
    pub(crate) attempt: u32,
    pub(crate) token: Option<LeaseToken>,
    pub(crate) ready: Option<StoreTime>,
    pub(crate) claimed: Option<StoreTime>,
    pub(crate) finished: Option<StoreTime>,
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
            worker: Some(worker).filter(|worker| !worker.is_empty()),
            entry: Some(entry).filter(|entry| !entry.is_empty()),
        })
    }
}

/// Zero stands for an instant that has not come.
fn instant(ms: u64) -> Option<StoreTime> {
    (ms > 0).then_some(StoreTime(ms))
}

/// Takes fields off the front of a record.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number<const N: usize>(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_at_checked(N)?;
        self.0 = rest;
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(bytes);
        Some(u64::from_le_bytes(wide))
    }

    fn text(&mut self, len: u64) -> Option<String> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        String::from_utf8(bytes.to_vec()).ok()
    }
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
        bytes.extend(b"\x03box\x03\x00k:a");
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
