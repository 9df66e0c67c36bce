//! Readers of single values.

use std::str::FromStr;
use std::time::Duration;

use jobflow::{Kind, proto};
use prost_types::Timestamp;
use tonic::transport::Endpoint;

pub(super) fn server(url: &str) -> Result<Endpoint, String> {
    let url = match url.split_once("://") {
        Some(("http" | "https", _)) => url.to_owned(),
        Some(_) => return Err("must begin with http:// or https://".to_owned()),
        None => format!("http://{url}"),
    };
    Endpoint::from_shared(url).map_err(|_| "must be like http://127.0.0.1:4000".to_owned())
}

pub(super) fn kind_or_stdin(kind: &str) -> jobflow::Result<String> {
    if kind != "-" {
        Kind::new(kind)?;
    }
    Ok(kind.to_owned())
}

/// Reads `5m`, `1h 30m` or `500ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}

/// Reads an RFC 3339 time.
pub(crate) fn timestamp(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::from_str(text).map_err(|_| "must be an RFC 3339 time like 2030-01-31T09:00:00Z")
}

pub(super) fn header(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE"),
    }
}

/// Reads how many final jobs are kept and for how long: `1000`, `24h`, or both
/// with a comma between them.
pub(crate) fn retention(text: &str) -> Result<proto::Retention, &'static str> {
    const FORM: &str = "must be a count, a duration or both, like 1000,24h";
    let mut retention = proto::Retention::default();
    for part in text.split(',').map(str::trim) {
        if let (Ok(count), None) = (part.parse::<u32>(), retention.count) {
            retention.count = Some(i32::try_from(count).map_err(|_| FORM)?);
        } else if let (Ok(age), None) = (duration(part), retention.age) {
            retention.age = Some(proto::duration(age));
        } else {
            return Err(FORM);
        }
    }
    Ok(retention)
}

/// Reads the delay between attempts: first, factor and most.
pub(super) fn backoff(text: &str) -> Result<proto::Backoff, &'static str> {
    const FORM: &str = "must be the first delay, a factor and the longest delay, like 1s,2,1h";
    let parts: Vec<_> = text.split(',').map(str::trim).collect();
    let [initial, multiplier, max] = parts[..] else {
        return Err(FORM);
    };
    let delay = |text| duration(text).map(proto::duration).map_err(|_| FORM);
    Ok(proto::Backoff {
        initial: Some(delay(initial)?),
        multiplier: multiplier.parse().map_err(|_| FORM)?,
        max: Some(delay(max)?),
    })
}

/// Reads a number of jobs a second.
pub(super) fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok();
    rate.filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
        .ok_or("must be a number above 0")
}

/// Reads a filter that can not be empty by accident: an unset variable of a
/// script must not change all jobs.
pub(super) fn narrow_filter(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        return Err("must not be empty");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_be_named_without_its_scheme() {
        assert_eq!(
            server("localhost:4000").unwrap().uri(),
            "http://localhost:4000/"
        );
        assert!(server("https://jobs.example.com").is_ok());
        assert!(server("redis://localhost").is_err());
        assert!(server("http://").is_err());
    }

    #[test]
    fn times_are_rfc_3339_with_any_offset() {
        let utc = timestamp("2030-01-31T08:00:00Z").unwrap();
        assert_eq!(timestamp("2030-01-31T09:00:00+01:00").unwrap(), utc);
        assert!(timestamp("tomorrow").is_err());
        assert!(timestamp("é").is_err());
    }

    #[test]
    fn a_retention_has_a_count_an_age_or_both() {
        let day = prost_types::Duration {
            seconds: 86_400,
            nanos: 0,
        };
        let both = retention("1000,24h").unwrap();
        assert_eq!((both.count, both.age), (Some(1_000), Some(day)));
        assert_eq!(retention("24h, 1000").unwrap(), both);
        assert_eq!(retention("0").unwrap().count, Some(0));
        for bad in ["", "1,2", "24h,1h", "soon", "-1", "4294967295"] {
            assert!(retention(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_backoff_has_three_parts() {
        assert_eq!(backoff("1s,2,1h").unwrap().multiplier.to_string(), "2");
        for bad in ["1s", "1s,2", "1s,x,1h", "1s,2,1h,1"] {
            assert!(backoff(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rate_is_above_zero() {
        assert!(rate("0.5").is_ok());
        for bad in ["0", "-1", "inf", "NaN", "fast"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
