//! The files of a made-up run, for tests with a planted violation.

use std::fmt::Write as _;

use crate::evidence::Evidence;
use crate::report::{Report, Verdict};
use crate::terms::{Durability, Musts, Terms};

pub(super) const MS: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000 * MS;

/// A run as its files would tell it, one second and one job at a time.
pub(super) struct Story {
    pub(super) terms: Terms,
    pub(super) log: String,
    pub(super) dump: String,
}

pub(super) fn id(number: u64) -> String {
    format!("018f0000-0000-7000-8000-{number:012}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut all, byte| {
        let _infallible = write!(all, "{byte:02x}");
        all
    })
}

impl Story {
    /// Nothing has happened but one good job, 1, completed under token 1 by process 10.
    pub(super) fn good() -> Self {
        let terms = Terms {
            scenario: "planted".to_owned(),
            seed: 0,
            minutes: 1.0,
            lease_ms: 2_000,
            durability: Durability::Always,
            crash_cap: 3,
            trimmed: false,
            peer: false,
            progress_ms: 5_000,
            submits: (0, 4 * SECOND),
            drained: Some(5 * SECOND),
            musts: Musts::default(),
        };
        let mut story = Self {
            terms,
            log: String::new(),
            dump: String::new(),
        };
        story
            .log("P 0 worker-0 10")
            .log("P 0 worker-1 11")
            .log("P 0 server-0 12");
        story
            .submit("a-1", 1)
            .start(1, 1, 1, 10, "a-1")
            .end(1, 1, 10, "ok -")
            .completed(1, "a-1", 1);
        story
    }

    pub(super) fn log(&mut self, line: &str) -> &mut Self {
        self.log.push_str(line);
        self.log.push('\n');
        self
    }

    pub(super) fn submit(&mut self, request: &str, job: u64) -> &mut Self {
        self.log(&format!("T {MS} {request} quick q 3 0"));
        self.log(&format!("A {} {request} {} 0", 2 * MS, id(job)))
    }

    /// The run under token `n` begins at the second `n`.
    pub(super) fn start(
        &mut self,
        job: u64,
        token: u64,
        attempt: u32,
        pid: u32,
        request: &str,
    ) -> &mut Self {
        self.log(&format!(
            "S {} 0 {pid} {} {attempt} {token} 0 {request}",
            token * SECOND,
            id(job)
        ))
    }

    /// And ends half a second later.
    pub(super) fn end(&mut self, job: u64, token: u64, pid: u32, how: &str) -> &mut Self {
        self.log(&format!(
            "E {} 0 {pid} {} 1 {token} {how}",
            token * SECOND + SECOND / 2,
            id(job)
        ))
    }

    pub(super) fn set(&mut self, set: &str, job: u64) -> &mut Self {
        let _infallible = writeln!(self.dump, "set q {set} {} 1", id(job));
        self
    }

    pub(super) fn column(&mut self, column: &str, job: u64, value: &[u8]) -> &mut Self {
        let field = id(job).replace('-', "");
        let _infallible = writeln!(self.dump, "col q {column} {field} {}", hex(value));
        self
    }

    pub(super) fn spec(&mut self, job: u64, request: &str) -> &mut Self {
        let payload = format!(r#"{{"r":"{request}"}}"#);
        let len = u8::try_from(payload.len()).unwrap();
        self.column(
            "specs",
            job,
            &[&[0x0a, 1, b'k', 0x12, len], payload.as_bytes()].concat(),
        )
    }

    pub(super) fn meta(&mut self, job: u64, attempt: u8, ended: u8, crashes: u8) -> &mut Self {
        let mut meta = vec![0; 50];
        (meta[0], meta[2], meta[4], meta[12]) = (1, crashes, attempt, ended);
        self.column("meta", job, &meta)
    }

    pub(super) fn completed(&mut self, job: u64, request: &str, token: u8) -> &mut Self {
        self.set("completed", job)
            .spec(job, request)
            .meta(job, 1, token, 0);
        self.column(
            "results",
            job,
            format!("R\0{{\"token\":{token}}}").as_bytes(),
        )
    }

    pub(super) fn judged(&self) -> Report {
        let mut evidence = Evidence::new(self.terms.clone());
        evidence.take(self.log.lines());
        for line in self.dump.lines() {
            evidence.take_dump(line).unwrap();
        }
        crate::judge(&evidence)
    }

    /// The rules that are broken.
    pub(super) fn broken(&self) -> Vec<&'static str> {
        let report = self.judged();
        assert_eq!(report.holds(), report.verdicts.iter().all(Verdict::holds));
        report
            .verdicts
            .iter()
            .filter(|verdict| !verdict.holds())
            .map(|verdict| verdict.rule)
            .collect()
    }
}
