//! The text form of the binary's handlers: `simulate:50ms..500ms,fail=5%`,
//! `exec:./resize.sh`, `grpc:http://127.0.0.1:50061`, `http:https://example.com/hook`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tonic::transport::{ClientTlsConfig, Endpoint};

use crate::handlers::http::read;
use crate::handlers::{Exec, Grpc, Handler, Http, Limits, Secret, Simulate};

/// Of one handler.
const MAX_TARGETS: usize = 64;

/// A handler as written on the command line.
#[derive(Clone)]
pub enum HandlerSpec {
    /// `simulate:DELAY[..DELAY][,fail=P%][,panic=P%][,snooze=P%][,progress][,log]`
    Simulate(Simulate),
    /// `exec[,memory=SIZE][,cpu=TIME][,files=N]:COMMAND [ARGUMENT…]`
    Exec(Exec),
    /// `grpc:URL[,URL…]`
    Grpc(Vec<Endpoint>),
    /// `http:URL`
    Http(Box<Http>),
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

impl SpecError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl HandlerSpec {
    /// The same, whose requests are signed if it makes some over HTTP.
    #[must_use]
    pub fn signed_with(self, secrets: &[Secret]) -> Self {
        match self {
            Self::Http(http) => Self::Http(Box::new(http.signed_with(secrets))),
            other => other,
        }
    }

    /// The handler it describes. To be called within a runtime.
    #[must_use]
    pub fn handler(self) -> Arc<dyn Handler> {
        match self {
            Self::Simulate(simulate) => Arc::new(simulate),
            Self::Exec(exec) => Arc::new(exec),
            Self::Grpc(endpoints) => Arc::new(Grpc::new(&endpoints)),
            Self::Http(http) => Arc::new(*http),
        }
    }
}

impl fmt::Debug for HandlerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simulate(simulate) => simulate.fmt(f),
            Self::Exec(exec) => exec.fmt(f),
            Self::Grpc(endpoints) => f.debug_tuple("Grpc").field(endpoints).finish(),
            Self::Http(http) => f.debug_tuple("Http").field(&http.origin()).finish(),
        }
    }
}

impl FromStr for HandlerSpec {
    type Err = SpecError;

    fn from_str(spec: &str) -> Result<Self, SpecError> {
        let (word, rest) = spec.split_once(':').unwrap_or_default();
        let (word, options) = word.split_once(',').unwrap_or((word, ""));
        match word {
            "exec" => exec(options, rest).map(Self::Exec),
            "simulate" if options.is_empty() => simulate(rest).map(Self::Simulate),
            "grpc" if options.is_empty() => grpc(rest).map(Self::Grpc),
            "http" if options.is_empty() => Http::new(rest).map(|http| Self::Http(Box::new(http))),
            _ => Err(SpecError(format!(
                "'{spec}' is no handler: use simulate:50ms..500ms,fail=5%, exec:./command, \
                 grpc:http://127.0.0.1:50061 or http:https://example.com/hook"
            ))),
        }
    }
}

fn grpc(rest: &str) -> Result<Vec<Endpoint>, SpecError> {
    let endpoints: Vec<_> = rest.split(',').map(endpoint).collect::<Result<_, _>>()?;
    if endpoints.len() > MAX_TARGETS {
        return Err(SpecError(format!("more than {MAX_TARGETS} addresses")));
    }
    Ok(endpoints)
}

fn endpoint(address: &str) -> Result<Endpoint, SpecError> {
    let uri = read(address.trim())?;
    let endpoint = Endpoint::from(uri.clone());
    if uri.scheme_str() == Some("http") {
        return Ok(endpoint);
    }
    let tls = endpoint.tls_config(ClientTlsConfig::new().with_native_roots());
    tls.map_err(|error| SpecError(format!("'{address}' can not be used over TLS: {error}")))
}

fn exec(options: &str, rest: &str) -> Result<Exec, SpecError> {
    let mut words = rest.split_whitespace().map(str::to_owned);
    let program = words
        .next()
        .ok_or_else(|| SpecError("exec: names no command".to_owned()))?;
    Ok(Exec {
        program,
        arguments: words.collect(),
        limits: limits(options)?,
    })
}

fn limits(options: &str) -> Result<Limits, SpecError> {
    let mut limits = Limits::default();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("memory", value)) => limits.memory = Some(size(value)?),
            Some(("cpu", value)) => limits.cpu = Some(delay(value)?),
            Some(("files", value)) => limits.files = Some(count(value)?),
            _ => {
                return Err(SpecError(format!(
                    "'{option}' is unknown: use memory=512MiB, cpu=60s or files=256"
                )));
            }
        }
    }
    Ok(limits)
}

fn size(text: &str) -> Result<u64, SpecError> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let sized = units.iter().find_map(|(unit, bytes)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*bytes).filter(|bytes| *bytes > 0)
    });
    sized.ok_or_else(|| SpecError(format!("'{text}' is no size like 512MiB")))
}

fn count(text: &str) -> Result<u64, SpecError> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| SpecError(format!("'{text}' is no number over 0")))
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
            limits: Limits::default(),
        };
        assert_eq!(command("exec:python3  -m a:b"), exec);
    }

    fn command(spec: &str) -> Exec {
        match parse(spec) {
            HandlerSpec::Exec(exec) => exec,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_command_may_have_limits() {
        let limits = command("exec,memory=1MiB,cpu=1m,files=16:./a memory=2").limits;
        let all = Limits {
            memory: Some(1 << 20),
            cpu: Some(Duration::from_secs(60)),
            files: Some(16),
        };
        assert_eq!(limits, all);
    }

    #[test]
    fn a_handler_over_grpc_may_have_several_targets() {
        let HandlerSpec::Grpc(endpoints) = parse("grpc:http://127.0.0.1:1,https://localhost:2")
        else {
            panic!("not gRPC");
        };
        let hosts: Vec<_> = endpoints.iter().map(|one| one.uri().port_u16()).collect();
        assert_eq!(hosts, [Some(1), Some(2)]);
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
            ("simulate,memory=1KiB:1s", "no handler"),
            ("exec,memory=1:a", "no size"),
            ("exec,memory=0MiB:a", "no size"),
            ("exec,memory=99999999999GiB:a", "no size"),
            ("exec,cpu=1:a", "no duration"),
            ("exec,files=0:a", "no number"),
            ("exec,colour=red:a", "'colour=red' is unknown"),
            ("grpc:", "no address"),
            ("grpc:127.0.0.1:50061", "begins with http"),
            ("grpc:http://127.0.0.1:1,", "no address"),
            ("http:example.com", "begins with http"),
            ("exec:", "no command"),
            ("exec:  ", "no command"),
        ] {
            let error = spec.parse::<HandlerSpec>().unwrap_err().to_string();
            assert!(error.contains(part), "{spec}: {error}");
        }
    }
}
