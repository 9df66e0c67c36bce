//! The verdict, as a table for people and a line for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// How many violations of a rule are told.
const TOLD: usize = 20;

/// What became of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its short name.
    pub rule: &'static str,
    /// What it says.
    pub claim: String,
    /// How many things were looked at.
    pub checked: u64,
    /// How many broke it.
    pub broken: u64,
    /// The first of them.
    pub violations: Vec<String>,
}

impl Verdict {
    pub(crate) fn new(rule: &'static str, claim: impl Into<String>) -> Self {
        Self {
            rule,
            claim: claim.into(),
            checked: 0,
            broken: 0,
            violations: Vec::new(),
        }
    }

    pub(crate) fn check(&mut self, holds: bool, violation: impl FnOnce() -> String) {
        self.checked += 1;
        if !holds {
            self.break_by(violation());
        }
    }

    pub(crate) fn break_by(&mut self, violation: String) {
        self.broken += 1;
        if self.violations.len() < TOLD {
            self.violations.push(violation);
        }
    }

    /// Whether nothing broke the rule.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.broken == 0
    }
}

/// What a check found.
#[derive(Debug, Clone)]
pub struct Report {
    /// One for each rule.
    pub verdicts: Vec<Verdict>,
    /// What was counted and measured.
    pub figures: Vec<(String, Value)>,
}

impl Report {
    /// Whether every rule holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.verdicts.iter().all(Verdict::holds)
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.figures {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let _infallible = writeln!(text, "  {name:44} {value}");
        }
        text.push('\n');
        for verdict in &self.verdicts {
            let mark = if verdict.holds() { "ok" } else { "BROKEN" };
            let _infallible = writeln!(
                text,
                "  {mark:6} {:14} {} ({} checked, {} broken)",
                verdict.rule, verdict.claim, verdict.checked, verdict.broken
            );
            for violation in &verdict.violations {
                let _infallible = writeln!(text, "           {violation}");
            }
        }
        text
    }

    /// For programs, in one line.
    #[must_use]
    pub fn json(&self) -> Value {
        let verdicts: Vec<_> = self
            .verdicts
            .iter()
            .map(|verdict| {
                json!({"rule": verdict.rule, "claim": verdict.claim, "checked": verdict.checked,
                    "broken": verdict.broken, "violations": verdict.violations})
            })
            .collect();
        let figures: serde_json::Map<_, _> = self.figures.iter().cloned().collect();
        json!({"holds": self.holds(), "verdicts": verdicts, "figures": figures})
    }
}
