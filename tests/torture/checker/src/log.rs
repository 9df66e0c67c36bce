//! The lines that processes write: a letter, and words separated by spaces.
//!
//! | Line | Written by |
//! |---|---|
//! | `S at wall pid job attempt token crashes request` | a handler that starts |
//! | `E at wall pid job attempt token outcome reason` | a handler that ends |
//! | `T at request kind queue attempts delay_ms` | a submitter before its first try |
//! | `A at request job duplicate` | an acknowledged submit |
//! | `U at request word` | a submit whose end is unknown |
//! | `R at request word` | a refused submit |
//! | `B at wall fault number scope detail` | a fault begins; scope is `*`, `-` or nothing for nobody, or process ids joined by commas |
//! | `H at wall fault number detail` | it is healed |
//! | `P at role pid` | a process starts |
//! | `X at role pid asked status` | it has ended; asked is `asked` or `died` |
//! | `M at role pid kib descriptors` | a sample |
//!
//! `at` is the monotonic clock in nanoseconds, which all processes of a machine
//! share and which no fake clock touches; `wall` is what the process took for
//! the time, in milliseconds.

use std::str::{FromStr, Split};

use anyhow::{Context, Result, bail};

/// The id of a job, from its text form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) u128);

impl FromStr for Id {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if digits.len() != 32 {
            bail!("`{text}` is no id");
        }
        Ok(Self(u128::from_str_radix(&digits, 16)?))
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:032x}", self.0);
        let parts = [
            &text[..8],
            &text[8..12],
            &text[12..16],
            &text[16..20],
            &text[20..],
        ];
        f.write_str(&parts.join("-"))
    }
}

/// How a handler ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) at: u64,
    /// `ok`, `error`, `fail`, `snooze`, `panic`, or `cut` when it was dropped.
    pub(crate) outcome: String,
    /// Why it was told to end, or `-`.
    pub(crate) reason: String,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    Start {
        at: u64,
        pid: u32,
        job: Id,
        attempt: u32,
        token: u64,
        crashes: u32,
        request: String,
    },
    End {
        job: Id,
        token: u64,
        pid: u32,
        end: End,
    },
    Tried {
        at: u64,
        request: String,
        kind: String,
        attempts: u32,
        delay_ms: u64,
    },
    Acked {
        at: u64,
        request: String,
        job: Id,
    },
    Unknown {
        request: String,
    },
    Refused {
        request: String,
        word: String,
    },
    Begun {
        at: u64,
        fault: String,
        number: u64,
        scope: Vec<u32>,
    },
    Healed {
        at: u64,
        number: u64,
        detail: String,
    },
    Born {
        at: u64,
        role: String,
        pid: u32,
    },
    Gone {
        at: u64,
        pid: u32,
        died: bool,
    },
    Sample {
        at: u64,
        pid: u32,
        kib: u64,
        descriptors: u64,
    },
}

struct Words<'a>(Split<'a, char>);

impl Words<'_> {
    fn next<T: FromStr<Err: Into<anyhow::Error>>>(&mut self, what: &str) -> Result<T> {
        let word = self.0.next().with_context(|| format!("no {what}"))?;
        word.parse().map_err(Into::into).context(what.to_owned())
    }

    fn skip(&mut self, what: &str) -> Result<()> {
        self.next::<String>(what).map(drop)
    }

    fn rest(self) -> String {
        self.0.collect::<Vec<_>>().join(" ")
    }
}

/// Reads one line.
pub(crate) fn parse(line: &str) -> Result<Line> {
    let mut words = Words(line.split(' '));
    let letter: String = words.next("letter")?;
    let at = words.next("time")?;
    match letter.as_str() {
        "S" | "E" => of_handler(&letter, at, words),
        "T" | "A" | "U" | "R" => of_submitter(&letter, at, words),
        "B" | "H" => of_fault(&letter, at, words),
        "P" | "X" | "M" => of_process(&letter, at, words),
        other => bail!("no line begins with `{other}`"),
    }
}

fn of_handler(letter: &str, at: u64, mut words: Words<'_>) -> Result<Line> {
    words.skip("wall")?;
    let pid = words.next("pid")?;
    let job = words.next("job")?;
    let attempt = words.next("attempt")?;
    let token = words.next("token")?;
    if letter == "S" {
        return Ok(Line::Start {
            at,
            pid,
            job,
            attempt,
            token,
            crashes: words.next("crashes")?,
            request: words.next("request")?,
        });
    }
    let outcome = words.next("outcome")?;
    let reason = words.next("reason")?;
    let end = End {
        at,
        outcome,
        reason,
    };
    Ok(Line::End {
        job,
        token,
        pid,
        end,
    })
}

fn of_submitter(letter: &str, at: u64, mut words: Words<'_>) -> Result<Line> {
    let request = words.next("request")?;
    Ok(match letter {
        "A" => Line::Acked {
            at,
            request,
            job: words.next("job")?,
        },
        "U" => Line::Unknown { request },
        "R" => Line::Refused {
            request,
            word: words.next("word")?,
        },
        _ => {
            let kind = words.next("kind")?;
            words.skip("queue")?;
            Line::Tried {
                at,
                request,
                kind,
                attempts: words.next("attempts")?,
                delay_ms: words.next("delay")?,
            }
        }
    })
}

fn of_fault(letter: &str, at: u64, mut words: Words<'_>) -> Result<Line> {
    words.skip("wall")?;
    let fault = words.next("fault")?;
    let number = words.next("number")?;
    if letter == "H" {
        return Ok(Line::Healed {
            at,
            number,
            detail: words.rest(),
        });
    }
    let scope: String = words.next("scope")?;
    let pids = scope.split(',').filter(|pid| *pid != "*").map(str::parse);
    // Nobody: no process has the id 0.
    let scope = match scope.as_str() {
        "-" | "" => Vec::from([0]),
        _ => pids.collect::<Result<_, _>>().context("scope")?,
    };
    Ok(Line::Begun {
        at,
        fault,
        number,
        scope,
    })
}

fn of_process(letter: &str, at: u64, mut words: Words<'_>) -> Result<Line> {
    let role = words.next("role")?;
    let pid = words.next("pid")?;
    Ok(match letter {
        "P" => Line::Born { at, role, pid },
        "X" => {
            let how: String = words.next("how")?;
            Line::Gone {
                at,
                pid,
                died: how == "died",
            }
        }
        _ => Line::Sample {
            at,
            pid,
            kib: words.next("kib")?,
            descriptors: words.next("descriptors")?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_by_their_letter() {
        let id = "018f0000-0000-7000-8000-000000000001";
        let start = parse(&format!("S 5 9 77 {id} 1 12 0 g0-3")).unwrap();
        let Line::Start {
            at,
            pid,
            job,
            token,
            request,
            ..
        } = start
        else {
            panic!("{start:?}")
        };
        assert_eq!((at, pid, token, request.as_str()), (5, 77, 12, "g0-3"));
        assert_eq!(job.to_string(), id);
        let begun = parse("B 1 2 worker-kill 4 17,18 slots").unwrap();
        assert!(matches!(begun, Line::Begun { scope, .. } if scope == [17, 18]));
        for nobody in ["B 1 2 net-delay 4 - 9ms", "B 1 2 net-delay 4  9ms"] {
            let begun = parse(nobody).unwrap();
            assert!(matches!(begun, Line::Begun { scope, .. } if scope == [0]));
        }
        let begun = parse("B 1 2 redis-kill 4 * 9ms").unwrap();
        assert!(matches!(begun, Line::Begun { scope, .. } if scope.is_empty()));
    }

    #[test]
    fn what_is_no_line_is_told() {
        for odd in ["", "Z 1", "S 1", "S x", "A 1 r no-id", "B 1 2 f 3 a,b"] {
            assert!(parse(odd).is_err(), "{odd}");
        }
    }
}
