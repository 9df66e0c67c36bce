//! How long things took, as counts in places that grow by a tenth each: any
//! percentile is told within 5 %, and two histograms are one by adding.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bytes_reader::Reader;

/// The first place is for all up to here, 0.1 ms.
const FIRST: f64 = 1e-4;
/// How much longer each place is than the one before.
const GROWTH: f64 = 1.1;

/// Counts of durations from 0.1 ms to 37 days, each within 5 %.
///
/// ```
/// use std::time::Duration;
///
/// let mut histogram = jobflow::Histogram::default();
/// (1..=100).for_each(|ms| histogram.record(Duration::from_millis(ms)));
/// let p95 = histogram.quantile(0.95).unwrap().as_secs_f64();
/// assert!((p95 / 0.095 - 1.0).abs() < 0.05);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram(BTreeMap<u8, u64>);

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        *self.0.entry(place(duration)).or_default() += 1;
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// A duration that no more than this part of all is longer than, `part` of
    /// 0 to 1; `None` when nothing was counted.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let count = self.count();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank of 0 to `count`, exact for any number of jobs that there is"
        )]
        let rank = (part.clamp(0.0, 1.0) * count as f64).ceil() as u64;
        let mut passed = 0;
        let found = self.0.iter().find(|(_, count)| {
            passed += **count;
            passed >= rank.max(1)
        });
        found.map(|(place, _)| middle(*place))
    }

    /// Packs it for the store: a varint for each place, 0 and a byte for so many
    /// places without any.
    pub(crate) fn pack(&self) -> Vec<u8> {
        let (mut packed, mut next) = (Vec::new(), 0_u16);
        for (place, count) in self.0.iter().filter(|(_, count)| **count > 0) {
            let empty = u16::from(*place) - next;
            if let Some(empty) = u8::try_from(empty).ok().filter(|empty| *empty > 0) {
                packed.extend([0, empty]);
            }
            push_varint(&mut packed, *count);
            next = u16::from(*place) + 1;
        }
        packed
    }

    /// Adds what [`Self::pack`] or the store has packed; `None` when it is damaged.
    pub(crate) fn add_packed(&mut self, packed: &[u8]) -> Option<()> {
        let (mut reader, mut place) = (Reader(packed), 0_u64);
        while !reader.0.is_empty() {
            let count = varint(&mut reader)?;
            if count == 0 {
                place += reader.number::<1>()?;
            } else {
                *self.0.entry(u8::try_from(place).ok()?).or_default() += count;
                place += 1;
            }
        }
        Some(())
    }
}

impl std::ops::AddAssign<&Self> for Histogram {
    fn add_assign(&mut self, other: &Self) {
        for (place, count) in &other.0 {
            *self.0.entry(*place).or_default() += count;
        }
    }
}

fn place(duration: Duration) -> u8 {
    let parts = duration.as_secs_f64() / FIRST;
    if parts <= 1.0 {
        return 0;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the last place takes what is beyond it; below 0 nothing is"
    )]
    let place = (parts.ln() / GROWTH.ln()).ceil() as u8;
    place
}

/// The duration that is as far from the shortest of a place as from the longest.
fn middle(place: u8) -> Duration {
    Duration::from_secs_f64(FIRST * GROWTH.powi(place.into()) * 2.0 / (1.0 + GROWTH))
}

fn push_varint(packed: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        packed.push(low_bits(number) | 128);
        number /= 128;
    }
    packed.push(low_bits(number));
}

const fn low_bits(number: u64) -> u8 {
    number.to_le_bytes()[0] & 127
}

fn varint(reader: &mut Reader<'_>) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let byte = reader.number::<1>()?;
        number |= (byte & 127) << shift;
        if byte < 128 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among 200"
        )]
        fn a_percentile_is_within_five_percent(
            mut millis in prop::collection::vec(0.1_f64..3e9, 1..200),
            part in 0.0_f64..1.0,
        ) {
            let mut histogram = Histogram::default();
            for value in &millis {
                histogram.record(Duration::from_secs_f64(value / 1e3));
            }
            millis.sort_by(f64::total_cmp);
            let rank = ((part * millis.len() as f64).ceil() as usize).max(1);
            let exact = millis[rank - 1] / 1e3;
            let told = histogram.quantile(part).unwrap().as_secs_f64();
            prop_assert!((told / exact - 1.0).abs() < 0.05, "{told} for {exact}");
        }

        #[test]
        fn packed_histograms_add_up(
            first in prop::collection::btree_map(any::<u8>(), 1_u64..1 << 40, 0..40),
            second in prop::collection::btree_map(any::<u8>(), 1_u64..1 << 40, 0..40),
        ) {
            let (first, second) = (Histogram(first), Histogram(second));
            let mut both = first.clone();
            both += &second;
            let mut read = Histogram::default();
            read.add_packed(&first.pack()).unwrap();
            read.add_packed(&second.pack()).unwrap();
            prop_assert_eq!(read, both);
        }

        #[test]
        fn any_bytes_are_read_or_refused(packed in prop::collection::vec(any::<u8>(), 0..64)) {
            let _damaged_or_not = Histogram::default().add_packed(&packed);
        }
    }

    #[test]
    fn the_ends_take_what_is_beyond_them() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for duration in [Duration::ZERO, Duration::MAX] {
            histogram.record(duration);
        }
        assert_eq!(histogram.count(), 2);
        assert!(histogram.quantile(0.5).unwrap() < Duration::from_micros(100));
        assert!(histogram.quantile(1.0).unwrap() > Duration::from_secs(37 * 24 * 3600));
    }

    #[test]
    fn a_narrow_histogram_is_short() {
        let mut histogram = Histogram::default();
        for micros in 0..10_000 {
            histogram.record(Duration::from_micros(20_000 + micros));
        }
        assert!(histogram.pack().len() <= 16, "{:?}", histogram.pack());
    }
}
