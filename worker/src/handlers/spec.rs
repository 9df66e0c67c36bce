//! The text form of the binary's handlers: `simulate:50ms..500ms,fail=5%`, `exec:./resize.sh`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::handlers::{Exec, Handler, Simulate};

/// A handler as written on the command line.
#[derive(Debug, Clone, PartialEq)]
pub enum HandlerSpec {
    /// `simulate:DELAY[..DELAY][,fail=P%][,panic=P%][,snooze=P%][,progress][,log]`
    Simulate(Simulate),
    /// `exec:COMMAND [ARGUMENT…]`
    Exec(Exec),
}

/// What is wrong with a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError(String);

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SpecError {}

impl HandlerSpec {
    /// The handler it describes.
    #[must_use]
    pub fn handler(self) -> Arc<dyn Handler> {
        match self {
            Self::Simulate(simulate) => Arc::new(simulate),
            Self::Exec(exec) => Arc::new(exec),
        }
    }
}

impl FromStr for HandlerSpec {
    type Err = SpecError;

    fn from_str(spec: &str) -> Result<Self, SpecError> {
        match spec.split_once(':') {
            Some(("simulate", rest)) => simulate(rest).map(Self::Simulate),
            Some(("exec", rest)) => exec(rest).map(Self::Exec),
            _ => Err(SpecError(format!(
                "'{spec}' is no handler: use simulate:50ms..500ms,fail=5% or exec:./command"
            ))),
        }
    }
}

fn exec(rest: &str) -> Result<Exec, SpecError> {
    let mut words = rest.split_whitespace().map(str::to_owned);
    let program = words
        .next()
        .ok_or_else(|| SpecError("exec: names no command".to_owned()))?;
    Ok(Exec {
        program,
        arguments: words.collect(),
    })
}

fn simulate(rest: &str) -> Result<Simulate, SpecError> {
    let mut parts = rest.split(',').map(str::trim);
    let takes = delays(parts.next().unwrap_or_default())?;
    let mut simulate = Simulate {
        takes,
        fail: 0.0,
        panic: 0.0,
        snooze: 0.0,
        progress: false,
        log: false,
    };
    for part in parts {
        match part.split_once('=') {
            Some(("fail", value)) => simulate.fail = share(value)?,
            Some(("panic", value)) => simulate.panic = share(value)?,
            Some(("snooze", value)) => simulate.snooze = share(value)?,
            None if part == "progress" => simulate.progress = true,
            None if part == "log" => simulate.log = true,
            _ => {
                return Err(SpecError(format!(
                    "'{part}' is unknown: use fail=5%, panic=1%, snooze=1%, progress or log"
                )));
            }
        }
    }
    if simulate.fail + simulate.panic + simulate.snooze > 1.0 {
        return Err(SpecError("the shares are over 100% together".to_owned()));
    }
    Ok(simulate)
}

fn delays(text: &str) -> Result<RangeInclusive<Duration>, SpecError> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let range = delay(from)?..=delay(to)?;
    if range.is_empty() {
        return Err(SpecError(format!("'{text}' ends before it begins")));
    }
    Ok(range)
}

fn delay(text: &str) -> Result<Duration, SpecError> {
    humantime::parse_duration(text)
        .map_err(|error| SpecError(format!("'{text}' is no duration like 50ms: {error}")))
}

fn share(text: &str) -> Result<f64, SpecError> {
    text.strip_suffix('%')
        .and_then(|number| number.parse::<f64>().ok())
        .filter(|percent| (0.0..=100.0).contains(percent))
        .map(|percent| percent / 100.0)
        .ok_or_else(|| SpecError(format!("'{text}' is no share: use 0% to 100%")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn parse(spec: &str) -> HandlerSpec {
        spec.parse().unwrap()
    }

    #[test]
    fn a_simulation_has_a_range_and_shares() {
        let HandlerSpec::Simulate(simulate) =
            parse("simulate:50ms..500ms,fail=5%,panic=0.5%,snooze=10%")
        else {
            panic!("not a simulation");
        };
        assert_eq!(simulate.takes, ms(50)..=ms(500));
        assert!((simulate.fail - 0.05).abs() < 1e-9);
        assert!((simulate.panic - 0.005).abs() < 1e-9);
        assert!((simulate.snooze - 0.1).abs() < 1e-9);
    }

    #[test]
    fn a_single_delay_is_a_range_of_one() {
        for (spec, takes) in [("simulate:1s", ms(1000)), ("simulate:0ms", ms(0))] {
            let HandlerSpec::Simulate(simulate) = parse(spec) else {
                panic!("not a simulation");
            };
            assert_eq!(simulate.takes, takes..=takes);
        }
    }

    #[test]
    fn a_simulation_can_speak() {
        for (spec, progress, log) in [
            ("simulate:1s", false, false),
            ("simulate:1s,log", false, true),
            ("simulate:1s,fail=5%,progress,log", true, true),
        ] {
            let HandlerSpec::Simulate(simulate) = parse(spec) else {
                panic!("not a simulation");
            };
            assert_eq!((simulate.progress, simulate.log), (progress, log), "{spec}");
        }
    }

    #[test]
    fn a_command_has_arguments_and_may_hold_colons() {
        let exec = Exec {
            program: "python3".to_owned(),
            arguments: vec!["-m".to_owned(), "a:b".to_owned()],
        };
        assert_eq!(parse("exec:python3  -m a:b"), HandlerSpec::Exec(exec));
    }

    #[test]
    fn bad_specs_say_what_is_wrong() {
        for (spec, part) in [
            ("", "no handler"),
            ("simulate", "no handler"),
            ("shell:ls", "no handler"),
            ("simulate:", "no duration"),
            ("simulate:50", "no duration"),
            ("simulate:-1s", "no duration"),
            ("simulate:500ms..50ms", "ends before"),
            ("simulate:1s,fail=5", "no share"),
            ("simulate:1s,fail=101%", "no share"),
            ("simulate:1s,fail=NaN%", "no share"),
            ("simulate:1s,fail=60%,panic=60%", "over 100%"),
            ("simulate:1s,color=red", "'color=red' is unknown"),
            ("simulate:1s,progress=5%", "'progress=5%' is unknown"),
            ("simulate:1s,", "'' is unknown"),
            ("exec:", "no command"),
            ("exec:  ", "no command"),
        ] {
            let error = spec.parse::<HandlerSpec>().unwrap_err().to_string();
            assert!(error.contains(part), "{spec}: {error}");
        }
    }
}
