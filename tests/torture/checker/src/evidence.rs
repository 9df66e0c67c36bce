//! All that is known of a run, put together from its files.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};

use crate::dump::Dump;
use crate::log::{self, End, Id, Line};
use crate::terms::Terms;

/// One run of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) at: u64,
    pub(crate) pid: u32,
    pub(crate) attempt: u32,
    pub(crate) token: u64,
    /// How many workers the job had lost before.
    pub(crate) crashes: u32,
    pub(crate) request: String,
    /// None when its process ended before it.
    pub(crate) end: Option<End>,
}

impl Run {
    pub(crate) fn ended_well(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.outcome == "ok")
    }
}

/// What a submitter wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// When it was first tried; none when nobody tried it.
    pub(crate) tried: Option<u64>,
    pub(crate) kind: String,
    pub(crate) attempts: u32,
    pub(crate) delay_ms: u64,
    /// The job of each acknowledgement.
    pub(crate) jobs: Vec<Id>,
    /// When it was first acknowledged.
    pub(crate) acked: Option<u64>,
    /// Tries whose end is unknown.
    pub(crate) unknown: u32,
    /// The words of its refusals.
    pub(crate) refused: Vec<String>,
}

/// What the run did to its processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) begun: u64,
    /// The end of the run when it was never healed.
    pub(crate) healed: u64,
    /// The processes that feel it; empty for all.
    pub(crate) scope: Vec<u32>,
    pub(crate) detail: String,
}

/// What a process used at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) at: u64,
    pub(crate) kib: u64,
    pub(crate) descriptors: u64,
}

/// A process of the system under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) role: String,
    pub(crate) pid: u32,
    pub(crate) born: u64,
    pub(crate) gone: Option<u64>,
    /// It ended by itself.
    pub(crate) died: bool,
    pub(crate) samples: Vec<Sample>,
}

impl Process {
    pub(crate) fn lives_at(&self, at: u64) -> bool {
        self.born <= at && self.gone.is_none_or(|gone| gone > at)
    }
}

/// All that is known of a run.
#[derive(Debug)]
pub struct Evidence {
    pub(crate) terms: Terms,
    pub(crate) requests: HashMap<String, Request>,
    /// By token, oldest first.
    pub(crate) runs: HashMap<Id, Vec<Run>>,
    pub(crate) faults: Vec<Fault>,
    /// By their start.
    pub(crate) processes: Vec<Process>,
    /// The places of all that had an id.
    by_pid: HashMap<u32, Vec<usize>>,
    pub(crate) dump: Dump,
    /// Ends without a start, and lines that can not be read.
    pub(crate) odd_lines: Vec<String>,
}

impl Evidence {
    /// Nothing but the terms.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            requests: HashMap::new(),
            runs: HashMap::new(),
            faults: Vec::new(),
            processes: Vec::new(),
            by_pid: HashMap::new(),
            dump: Dump::default(),
            odd_lines: Vec::new(),
        }
    }

    /// Reads the folder of a run.
    ///
    /// # Errors
    /// When `run.json` or the dump is missing, or a file can not be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("run.json");
        let terms = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut evidence = Self::new(serde_json::from_str(&terms)?);
        let mut files: Vec<_> = fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.sort();
        let mut lines = Lines::default();
        for path in files
            .iter()
            .filter(|path| path.extension().is_some_and(|ext| ext == "log"))
        {
            each_line(path, |line| {
                lines.take(&mut evidence, line);
                Ok(())
            })?;
        }
        lines.finish(&mut evidence);
        each_line(&folder.join("dump.txt"), |line| evidence.dump.take(line))?;
        Ok(evidence)
    }

    /// Takes in the lines of a run, from any of its files and in any order.
    pub fn take<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        let mut reader = Lines::default();
        for line in lines {
            reader.take(self, line);
        }
        reader.finish(self);
    }

    /// Takes in a line of the dump.
    ///
    /// # Errors
    /// When it is none.
    pub fn take_dump(&mut self, line: &str) -> Result<()> {
        self.dump.take(line)
    }

    pub(crate) fn request_of(&self, run: &Run) -> Option<&Request> {
        self.requests.get(&run.request)
    }

    /// The process that a run was in.
    pub(crate) fn process_of(&self, run: &Run) -> Option<&Process> {
        let places = self.by_pid.get(&run.pid)?;
        let processes = places.iter().map(|at| &self.processes[*at]);
        processes.rev().find(|process| process.born <= run.at)
    }

    pub(crate) fn workers(&self) -> impl Iterator<Item = &Process> {
        self.processes
            .iter()
            .filter(|process| process.role.starts_with("worker"))
    }

    /// Faults that everybody feels.
    pub(crate) fn outages(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| fault.scope.is_empty())
    }
}

fn each_line(path: &Path, mut take: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    for (number, line) in BufReader::with_capacity(1 << 20, file).lines().enumerate() {
        take(&line?).with_context(|| format!("{}:{}", path.display(), number + 1))?;
    }
    Ok(())
}

/// What has to wait until all lines are there.
#[derive(Default)]
struct Lines {
    ends: HashMap<(Id, u64, u32), End>,
    healed: HashMap<u64, (u64, String)>,
    numbers: Vec<u64>,
    gone: HashMap<u32, Vec<(u64, bool)>>,
    samples: HashMap<u32, Vec<Sample>>,
}

impl Lines {
    fn take(&mut self, evidence: &mut Evidence, line: &str) {
        match log::parse(line) {
            Ok(parsed) => self.place(evidence, parsed),
            Err(error) => evidence.odd_lines.push(format!("`{line}`: {error:#}")),
        }
    }

    fn place(&mut self, evidence: &mut Evidence, line: Line) {
        match line {
            Line::Start {
                at,
                pid,
                job,
                attempt,
                token,
                crashes,
                request,
            } => {
                let run = Run {
                    at,
                    pid,
                    attempt,
                    token,
                    crashes,
                    request,
                    end: None,
                };
                evidence.runs.entry(job).or_default().push(run);
            }
            Line::End {
                job,
                token,
                pid,
                end,
            } => {
                self.ends.insert((job, token, pid), end);
            }
            Line::Begun {
                at,
                fault,
                number,
                scope,
            } => {
                self.numbers.push(number);
                evidence.faults.push(Fault {
                    name: fault,
                    begun: at,
                    healed: u64::MAX,
                    scope,
                    detail: String::new(),
                });
            }
            Line::Healed { at, number, detail } => {
                self.healed.insert(number, (at, detail));
            }
            Line::Born { .. } | Line::Gone { .. } | Line::Sample { .. } => {
                self.place_process(evidence, &line);
            }
            Line::Tried { .. }
            | Line::Acked { .. }
            | Line::Unknown { .. }
            | Line::Refused { .. } => place_request(evidence, line),
        }
    }

    fn place_process(&mut self, evidence: &mut Evidence, line: &Line) {
        match line {
            Line::Born { at, role, pid } => evidence.processes.push(Process {
                role: role.clone(),
                pid: *pid,
                born: *at,
                gone: None,
                died: false,
                samples: Vec::new(),
            }),
            Line::Gone { at, pid, died } => {
                self.gone.entry(*pid).or_default().push((*at, *died));
            }
            Line::Sample {
                at,
                pid,
                kib,
                descriptors,
            } => {
                let sample = Sample {
                    at: *at,
                    kib: *kib,
                    descriptors: *descriptors,
                };
                self.samples.entry(*pid).or_default().push(sample);
            }
            _ => {}
        }
    }

    fn finish(mut self, evidence: &mut Evidence) {
        for (job, runs) in &mut evidence.runs {
            runs.sort_by_key(|run| (run.token, run.at));
            for run in runs {
                run.end = self.ends.remove(&(*job, run.token, run.pid));
            }
        }
        let strays = self.ends.keys();
        evidence.odd_lines.extend(strays.map(|(job, token, pid)| {
            format!("end of {job} with token {token} in {pid}, without a start")
        }));
        for (fault, number) in evidence.faults.iter_mut().zip(&self.numbers) {
            if let Some((at, detail)) = self.healed.remove(number) {
                (fault.healed, fault.detail) = (at, detail);
            }
        }
        evidence.faults.sort_by_key(|fault| fault.begun);
        // The system gives process ids again: times tell which one is meant.
        evidence.processes.sort_by_key(|process| process.born);
        for process in &mut evidence.processes {
            let gone = self.gone.get(&process.pid).into_iter().flatten();
            if let Some((at, died)) = gone.filter(|(at, _)| *at >= process.born).min() {
                (process.gone, process.died) = (Some(*at), *died);
            }
            let samples = self.samples.get(&process.pid).into_iter().flatten();
            let own = samples.filter(|sample| process.lives_at(sample.at));
            process.samples = own.copied().collect();
        }
        for (at, process) in evidence.processes.iter().enumerate() {
            evidence.by_pid.entry(process.pid).or_default().push(at);
        }
    }
}

fn place_request(evidence: &mut Evidence, line: Line) {
    let requests = &mut evidence.requests;
    match line {
        Line::Tried {
            at,
            request,
            kind,
            attempts,
            delay_ms,
        } => {
            let request = requests.entry(request).or_default();
            request.tried.get_or_insert(at);
            (request.kind, request.attempts, request.delay_ms) = (kind, attempts, delay_ms);
        }
        Line::Acked { at, request, job } => {
            let request = requests.entry(request).or_default();
            let first = request.acked.get_or_insert(at);
            *first = at.min(*first);
            if !request.jobs.contains(&job) {
                request.jobs.push(job);
            }
        }
        Line::Unknown { request } => requests.entry(request).or_default().unknown += 1,
        Line::Refused { request, word } => requests.entry(request).or_default().refused.push(word),
        _ => {}
    }
}
