//! The columns `progress` and `logs`: what handlers said of their attempts.
//!
//! Written by `lua/report.lua`; Rust reads them. Little-endian. Progress: percent
//! (1 byte), time in ms (6), message.
//!
//! The newest lines of a log are in its head, in the field of the job's id: the
//! number that the next line will have (6), how many parts were full so far (6),
//! lines. A full part moves to the field of the id and a byte, 1 to 14, where it
//! takes the place of the oldest: so a new line costs the same however long the
//! log is. Each line: number (6), time in ms (6), length of the text (2), text.

use bytes::Bytes;

use crate::job::{JobId, StoreTime};
use crate::record::{LogLine, Progress};

/// In how many fields the older lines of a log go round.
const LOG_SLOTS: u8 = 14;
/// Of the numbers in front of a head.
const LOG_HEADER: usize = 12;
/// Of what stands before the text of a line.
const LINE_HEADER: usize = 14;

/// Reads a progress; `None` when it is none.
pub(crate) fn decode_progress(packed: &[u8]) -> Option<Progress> {
    let (percent, rest) = packed.split_first()?;
    let (time, message) = rest.split_at_checked(6)?;
    Some(Progress {
        percent: (*percent <= 100).then_some(*percent)?,
        message: String::from_utf8(message.to_vec()).ok()?,
        time: StoreTime(number(time)),
    })
}

/// The fields of a job's log, its head first.
pub(crate) fn log_fields(id: JobId) -> Vec<Vec<u8>> {
    let slots = (1..=LOG_SLOTS).map(|slot| [&id.as_bytes()[..], &[slot]].concat());
    std::iter::once(id.as_bytes().to_vec())
        .chain(slots)
        .collect()
}

/// Reads up to `limit` lines of a log, from line number `from` on, out of the
/// values of its fields; with the number of the line behind them, if there is
/// one. `None` when it is no log.
pub(crate) fn decode_log(
    fields: &[Option<Bytes>],
    from: u64,
    limit: usize,
) -> Option<(Vec<LogLine>, Option<u64>)> {
    let (head, slots) = fields.split_first()?;
    let (numbers, newest) = head.as_ref()?.split_at_checked(LOG_HEADER)?;
    let end = number(&numbers[..6]);
    let mut parts: Vec<&[u8]> = slots.iter().flatten().map(|part| &part[..]).collect();
    // Each begins with the number of its first line.
    parts.sort_by_key(|part| number(&part[..part.len().min(6)]));
    parts.push(newest);
    let (mut lines, mut first_free) = (Vec::new(), 0);
    for mut rest in parts {
        while !rest.is_empty() {
            let (header, behind) = rest.split_at_checked(LINE_HEADER)?;
            let length = usize::from(u16::from_le_bytes([header[12], header[13]]));
            let (text, behind) = behind.split_at_checked(length)?;
            rest = behind;
            let line = number(&header[..6]);
            // Who reads page by page must come to an end.
            if !(first_free..end).contains(&line) {
                return None;
            }
            first_free = line + 1;
            if line < from {
                continue;
            }
            if lines.len() == limit {
                return Some((lines, Some(line)));
            }
            lines.push(LogLine {
                number: line,
                time: StoreTime(number(&header[6..12])),
                text: String::from_utf8(text.to_vec()).ok()?,
            });
        }
    }
    Some((lines, None))
}

/// Of up to eight bytes, little-endian.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(lines: &[(u64, &str)]) -> Vec<u8> {
        let mut packed = Vec::new();
        for (line, text) in lines {
            packed.extend(&line.to_le_bytes()[..6]);
            packed.extend(&(1_000 + line).to_le_bytes()[..6]);
            packed.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
            packed.extend(text.as_bytes());
        }
        packed
    }

    /// Lines 7 and 8 in the head, 5 and 6 in the third slot, 3 in the fourth.
    fn log() -> Vec<Option<Bytes>> {
        let head = [
            &[9, 0, 0, 0, 0, 0, 18, 0, 0, 0, 0, 0][..],
            &packed(&[(7, "seven"), (8, "é")]),
        ];
        let mut fields = vec![None; 15];
        fields[0] = Some(Bytes::from(head.concat()));
        fields[3] = Some(Bytes::from(packed(&[(5, "five"), (6, "")])));
        fields[4] = Some(Bytes::from(packed(&[(3, "three")])));
        fields
    }

    fn line(number: u64, text: &str) -> LogLine {
        LogLine {
            number,
            time: StoreTime(1_000 + number),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_progress_reads_back() {
        let packed = [&[42_u8, 0xe8, 3, 0, 0, 0, 0][..], "müde".as_bytes()].concat();
        let progress = Progress {
            percent: 42,
            message: "müde".to_owned(),
            time: StoreTime(1_000),
        };
        assert_eq!(decode_progress(&packed), Some(progress));
        for len in 0..7 {
            assert_eq!(decode_progress(&packed[..len]), None, "{len}");
        }
        assert_eq!(decode_progress(&[101, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(decode_progress(&[1, 0, 0, 0, 0, 0, 0, 0xff]), None);
    }

    #[test]
    fn the_prelude_has_as_many_slots() {
        let prelude = include_str!("lua/prelude.lua");
        assert!(prelude.contains(&format!("local LOG_SLOTS = {LOG_SLOTS}\n")));
        let id = JobId::from_slice(&[7; 16]).unwrap();
        let fields = log_fields(id);
        assert_eq!((fields.len(), &fields[0][..]), (15, &[7; 16][..]));
        assert_eq!((fields[14].len(), fields[14][16]), (17, LOG_SLOTS));
    }

    #[test]
    fn a_log_is_read_in_pages() {
        let all = [
            line(3, "three"),
            line(5, "five"),
            line(6, ""),
            line(7, "seven"),
            line(8, "é"),
        ];
        for (from, limit, lines, next) in [
            (0, 100, 0..5, None),
            (0, 1, 0..1, Some(5)),
            (4, 2, 1..3, Some(7)),
            (7, 2, 3..5, None),
            (8, 1, 4..5, None),
            (9, 1, 5..5, None),
        ] {
            let read = decode_log(&log(), from, limit);
            assert_eq!(read, Some((all[lines].to_vec(), next)), "{from} {limit}");
        }
    }

    #[test]
    fn a_damaged_log_is_told_at_every_length() {
        let whole = log();
        let cut = |field: usize, len: usize| {
            let mut fields = whole.clone();
            fields[field] = fields[field].as_ref().map(|bytes| bytes.slice(..len));
            decode_log(&fields, 0, 100).is_some()
        };
        let good = [LOG_HEADER, LOG_HEADER + LINE_HEADER + 5];
        for len in 0..LOG_HEADER + 2 * LINE_HEADER + 7 {
            assert_eq!(cut(0, len), good.contains(&len), "{len}");
        }
        for len in 1..2 * LINE_HEADER + 4 {
            assert_eq!(cut(3, len), len == LINE_HEADER + 4, "{len}");
        }
        assert_eq!(decode_log(&[], 0, 1), None);
        assert_eq!(decode_log(&[None], 0, 1), None);
        // A number twice, and one that no line has yet.
        for line in [6, 9] {
            let mut fields = whole.clone();
            fields[5] = Some(Bytes::from(packed(&[(line, "")])));
            assert_eq!(decode_log(&fields, 0, 100), None);
        }
    }
}
