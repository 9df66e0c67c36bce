//! Standard input, in batches of bounded size.

use std::io::{self, BufRead, BufReader, Read};
use std::thread;

use jobflow::proto::{SubmitJobRequest, SubmitRejection};
use prost::Message;
use tokio::sync::mpsc;

use crate::lines::line::{Template, rejection};

/// Of a batch. A server takes 1,000 jobs and 4 MiB; more than this wins nothing.
pub(crate) const MAX_JOBS: usize = 500;
const MAX_BYTES: usize = 1 << 20;
/// Leaves room around the largest payload for everything else a line can say.
const MAX_LINE: usize = 2 * jobflow::MAX_PAYLOAD;
const READ_BUFFER: usize = 256 * 1024;

#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) lines: Vec<Line>,
    /// Those of the lines that are not rejected, in the same order.
    pub(crate) jobs: Vec<SubmitJobRequest>,
    /// How much of the input has been read at its end.
    pub(crate) position: u64,
}

pub(crate) struct Line {
    /// Counted from 1, as editors do.
    pub(crate) number: u64,
    pub(crate) rejected: Option<SubmitRejection>,
}

/// Reads standard input in a thread of its own, which waits while nobody
/// takes its batches and ends with the process.
pub(crate) fn spawn(template: Template) -> mpsc::Receiver<io::Result<Batch>> {
    let (batches, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        let input = BufReader::with_capacity(READ_BUFFER, io::stdin().lock());
        for batch in (Batches {
            input,
            template,
            number: 0,
            position: 0,
        }) {
            if batches.blocking_send(batch).is_err() {
                return;
            }
        }
    });
    receiver
}

struct Batches<R> {
    input: BufReader<R>,
    template: Template,
    number: u64,
    position: u64,
}

impl<R: Read> Iterator for Batches<R> {
    type Item = io::Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch().transpose()
    }
}

impl<R: Read> Batches<R> {
    /// A batch is full, or the input has no further line at hand: whoever
    /// types or trickles lines sees each result at once.
    fn batch(&mut self) -> io::Result<Option<Batch>> {
        let mut batch = Batch::default();
        let mut size = 0;
        while let Some(job) = self.job()? {
            let number = self.number;
            let rejected = match job {
                Ok(job) => {
                    size += job.encoded_len();
                    batch.jobs.push(job);
                    None
                }
                Err(rejection) => Some(rejection),
            };
            batch.lines.push(Line { number, rejected });
            let more_at_hand = self.input.buffer().contains(&b'\n');
            if !more_at_hand || batch.lines.len() >= MAX_JOBS || size >= MAX_BYTES {
                break;
            }
        }
        batch.position = self.position;
        Ok(Some(batch).filter(|batch| !batch.lines.is_empty()))
    }

    /// The job of the next line that is not blank.
    fn job(&mut self) -> io::Result<Option<Result<SubmitJobRequest, SubmitRejection>>> {
        let mut text = Vec::new();
        loop {
            text.clear();
            let limit = MAX_LINE as u64 + 1;
            let read = self
                .input
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut text)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.position += read as u64;
            if text.len() > MAX_LINE && !text.ends_with(b"\n") {
                self.position += self.input.skip_until(b'\n')? as u64;
                return Ok(Some(Err(rejection(
                    "",
                    format!("is longer than {MAX_LINE} bytes"),
                ))));
            }
            let text = text.strip_suffix(b"\n").unwrap_or(&text);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if !text.trim_ascii().is_empty() {
                return Ok(Some(self.template.job(text)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(input: impl Read) -> Vec<Batch> {
        let request = SubmitJobRequest {
            kind: "k".to_owned(),
            ..SubmitJobRequest::default()
        };
        let template = Template {
            request,
            bare_data: true,
        };
        let input = BufReader::with_capacity(READ_BUFFER, input);
        let batches = Batches {
            input,
            template,
            number: 0,
            position: 0,
        };
        batches.collect::<io::Result<_>>().unwrap()
    }

    #[test]
    fn a_batch_is_bounded_in_jobs() {
        let input = "1\n".repeat(1_200);
        let sizes: Vec<_> = batches(input.as_bytes())
            .iter()
            .map(|b| b.lines.len())
            .collect();
        assert_eq!(sizes, [500, 500, 200]);
    }

    #[test]
    fn a_batch_is_bounded_in_bytes() {
        let line = format!("{}\n", "x".repeat(200_000));
        for batch in batches(line.repeat(30).as_bytes()) {
            let size: usize = batch.jobs.iter().map(Message::encoded_len).sum();
            assert!(size < MAX_BYTES + MAX_LINE);
        }
    }

    #[test]
    fn lines_keep_their_numbers_across_blank_and_overlong_ones() {
        let input = format!("a\n\n{}\nb\r\nlast", "x".repeat(2 * MAX_LINE));
        let (mut accepted, mut rejected) = (Vec::new(), Vec::new());
        let mut payloads = Vec::new();
        for batch in batches(input.as_bytes()) {
            for line in batch.lines {
                let numbers = if line.rejected.is_some() {
                    &mut rejected
                } else {
                    &mut accepted
                };
                numbers.push(line.number);
            }
            payloads.extend(batch.jobs.into_iter().map(|job| job.payload));
        }
        assert_eq!((accepted, rejected), (vec![1, 4, 5], vec![3]));
        assert_eq!(payloads, ["a", "b", "last"]);
    }

    #[test]
    fn the_longest_line_takes_nothing_of_the_next() {
        let input = format!("{}\nnext\n", "x".repeat(MAX_LINE));
        let batches = batches(input.as_bytes());
        let jobs: Vec<_> = batches.iter().flat_map(|batch| &batch.jobs).collect();
        assert_eq!(jobs.len(), 2);
        assert_eq!(jobs[1].payload, "next");
    }

    #[test]
    fn a_line_that_trickles_in_is_not_held_back() {
        // Each half is all that one read returns, as from a pipe.
        let input = "1\n".as_bytes().chain("2\n".as_bytes());
        assert_eq!(batches(input).len(), 2);
    }
}
