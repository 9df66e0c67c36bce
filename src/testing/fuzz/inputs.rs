//! Inputs made of other inputs.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Longer ones are cut: what a length can do is in the first bytes.
const LONGEST: usize = 16 * 1024;
/// Changes of one input at the most.
const CHANGES: usize = 8;
/// What is often a border.
const NUMBERS: [&[u8]; 10] = [
    b"0",
    b"-1",
    b"18446744073709551616",
    b"9223372036854775807",
    b"1e999",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80",
    b"\x7f",
];
/// What has a meaning somewhere.
const WORDS: [&[u8]; 16] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"(",
    b")",
    b":",
    b",",
    b"=",
    b"\n",
    b"\0",
    b"%00",
    b"\xc3",
    "😀".as_bytes(),
    b"jf_",
];

/// Without an end.
pub(super) struct Inputs<'a> {
    kept: &'a [Vec<u8>],
    dice: StdRng,
}

impl<'a> Inputs<'a> {
    pub(super) fn new(kept: &'a [Vec<u8>], seed: usize) -> Self {
        let dice = StdRng::seed_from_u64(seed as u64);
        Self { kept, dice }
    }

    fn any(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; self.dice.random_range(0..64)];
        self.dice.fill(&mut bytes[..]);
        bytes
    }

    fn one_kept(&mut self) -> Vec<u8> {
        let kept = self.kept.choose(&mut self.dice);
        kept.cloned().unwrap_or_default()
    }

    /// A part of it, perhaps nothing.
    fn part(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let (a, b) = (self.place(input), self.place(input));
        a.min(b)..a.max(b)
    }

    fn place(&mut self, input: &[u8]) -> usize {
        self.dice.random_range(0..=input.len())
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (at, part) = (self.place(input), self.part(input));
        match self.dice.random_range(0..9) {
            0 if at < input.len() => input[at] ^= 1 << self.dice.random_range(0..8),
            1 if at < input.len() => input[at] = self.dice.random(),
            2 => input.truncate(at),
            3 => drop(input.drain(part)),
            4 => {
                let part = input[part].to_vec();
                input.splice(at..at, part);
            }
            5 => {
                let any = self.any();
                input.splice(at..at, any);
            }
            6 => {
                let other = self.one_kept();
                let part = other[self.part(&other)].to_vec();
                input.splice(at..at, part);
            }
            7 => {
                let number = NUMBERS.choose(&mut self.dice).expect("there are some");
                let end = part.end.min(part.start + number.len());
                input.splice(part.start..end, number.iter().copied());
            }
            _ => {
                let word = WORDS.choose(&mut self.dice).expect("there are some");
                let times = if self.dice.random_ratio(1, 20) {
                    500
                } else {
                    1
                };
                input.splice(at..at, word.repeat(times));
            }
        }
    }
}

impl Iterator for Inputs<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.dice.random_ratio(1, 20) {
            return Some(self.any());
        }
        let mut input = self.one_kept();
        for _ in 0..self.dice.random_range(1..=CHANGES) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        Some(input)
    }
}
