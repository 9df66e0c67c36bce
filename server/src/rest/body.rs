//! The body of `POST /jobs`: from JSON text to a job, with `data` untouched.

use std::time::Duration;

use jobflow::{Error, MAX_PAYLOAD, NewJob, Priority, Result, RunAt};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The largest body: a payload at its limit, and room for the other fields.
pub(super) const MAX_BODY: usize = MAX_PAYLOAD + 64 * 1024;
/// How deep `data` may nest. Most readers, serde_json among them, stop there,
/// so a job that nests deeper could not be read by its handler.
const MAX_DEPTH: usize = 127;

/// Every field as the text it came in, so that each is parsed under its own
/// name and `data` is not parsed at all. Fields that are not known are ignored:
/// callers written for other servers send some.
#[derive(Deserialize)]
#[serde(
    rename_all = "camelCase",
    expecting = "an object with the fields of a job"
)]
struct Fields<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    queue: Option<&'a RawValue>,
    #[serde(borrow)]
    priority: Option<&'a RawValue>,
    #[serde(borrow)]
    delay: Option<&'a RawValue>,
    #[serde(borrow)]
    attempts: Option<&'a RawValue>,
    #[serde(borrow)]
    idempotency_key: Option<&'a RawValue>,
    #[serde(borrow)]
    durability: Option<&'a RawValue>,
}

/// Reads a body; `key` is the header `Idempotency-Key`.
///
/// # Errors
/// `INVALID_FIELD` and `PAYLOAD_TOO_LARGE` with the field as the body spells it.
pub(crate) fn parse(body: &[u8], key: Option<&str>) -> Result<NewJob> {
    let fields = split(body)?;
    job(&fields, key).map_err(as_the_body_spells_it)
}

fn split(body: &[u8]) -> Result<Fields<'_>> {
    // The parser would also take an array, as the fields in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Error::invalid("body", "must be a JSON object"));
    }
    serde_json::from_slice(body)
        .map_err(|error| Error::invalid("body", format!("is not sound JSON: {error}")))
}

fn job(fields: &Fields<'_>, key: Option<&str>) -> Result<NewJob> {
    let name = text("kind", fields.name)?.ok_or_else(|| Error::invalid("kind", "must be given"))?;
    let data = fields.data.map_or("null", RawValue::get);
    check_depth(data)?;
    let mut job = NewJob::new(name, data.to_owned())?;
    if let Some(queue) = text("queue", fields.queue)? {
        job = job.queue(queue)?;
    }
    if let Some(priority) = whole("priority", fields.priority)? {
        job = job.priority(Priority::new(priority)?);
    }
    if let Some(delay) = whole("delay", fields.delay)? {
        let ms =
            u64::try_from(delay).map_err(|_| Error::invalid("delay", "must be 0 to 10 years"))?;
        job = job.run_at(RunAt::After(Duration::from_millis(ms)))?;
    }
    if let Some(attempts) = whole("max_attempts", fields.attempts)? {
        // What does not fit is out of range, and 0 is refused as that.
        job = job.max_attempts(u32::try_from(attempts).unwrap_or(0))?;
    }
    if let Some(class) = text("durability", fields.durability)? {
        job = job.durability(class.parse()?);
    }
    match idempotency_key(text("idempotency_key", fields.idempotency_key)?, key)? {
        Some(key) => job.idempotency_key(key),
        None => Ok(job),
    }
}

fn idempotency_key(body: Option<String>, header: Option<&str>) -> Result<Option<String>> {
    match (body, header) {
        (Some(body), Some(header)) if body != header => Err(Error::invalid(
            "idempotency_key",
            "must be the same as the header Idempotency-Key",
        )),
        (body, header) => Ok(body.or_else(|| header.map(ToOwned::to_owned))),
    }
}

fn text(field: &str, raw: Option<&RawValue>) -> Result<Option<String>> {
    let parse = |raw: &RawValue| {
        serde_json::from_str(raw.get()).map_err(|_| Error::invalid(field, "must be a string"))
    };
    raw.map(parse).transpose()
}

fn whole(field: &str, raw: Option<&RawValue>) -> Result<Option<i64>> {
    let parse = |raw: &RawValue| {
        let text = raw.get();
        let number = serde_json::from_str(text).ok();
        let number = number.or_else(|| serde_json::from_str(text).ok().and_then(whole_part));
        number.ok_or_else(|| Error::invalid(field, "must be a whole number"))
    };
    raw.map(parse).transpose()
}

/// JSON has one kind of number, and some writers spell 2 as `2.0`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "small and without a fraction"
)]
fn whole_part(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

/// Counts brackets outside strings; the text is known to be sound JSON.
fn check_depth(json: &str) -> Result<()> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(Error::invalid(
                "payload",
                format!("must not nest deeper than {MAX_DEPTH}"),
            ));
        }
    }
    Ok(())
}

/// The compatible body has other names for some fields of the model.
fn as_the_body_spells_it(error: Error) -> Error {
    let rename = |field: String| match field.as_str() {
        "kind" => "name".to_owned(),
        "payload" => "data".to_owned(),
        "max_attempts" => "attempts".to_owned(),
        "idempotency_key" => "idempotencyKey".to_owned(),
        _ => field,
    };
    match error {
        Error::InvalidField { field, message } => Error::InvalidField {
            field: rename(field),
            message,
        },
        Error::PayloadTooLarge { field, size, limit } => Error::PayloadTooLarge {
            field: rename(field),
            size,
            limit,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(body: &str) -> String {
        let error = parse(body.as_bytes(), None).unwrap_err();
        error.field().expect("names a field").to_owned()
    }

    #[test]
    fn each_bad_field_is_named_as_the_body_spells_it() {
        for (body, name) in [
            ("", "body"),
            ("{", "body"),
            ("[\"a\",{}]", "body"),
            ("\"a\"", "body"),
            (r#"{"name":"a","name":"b"}"#, "body"),
            (r#"{"name":"a"} x"#, "body"),
            ("{}", "name"),
            (r#"{"name":null}"#, "name"),
            (r#"{"name":7}"#, "name"),
            (r#"{"name":"a b"}"#, "name"),
            (r#"{"name":"a","queue":"{x}"}"#, "queue"),
            (r#"{"name":"a","priority":10}"#, "priority"),
            (r#"{"name":"a","priority":1.5}"#, "priority"),
            (r#"{"name":"a","delay":-1}"#, "delay"),
            (r#"{"name":"a","delay":9223372036854775807}"#, "delay"),
            (r#"{"name":"a","delay":1e99}"#, "delay"),
            (r#"{"name":"a","attempts":0}"#, "attempts"),
            (r#"{"name":"a","attempts":1001}"#, "attempts"),
            (r#"{"name":"a","attempts":-1}"#, "attempts"),
            (r#"{"name":"a","idempotencyKey":""}"#, "idempotencyKey"),
            (r#"{"name":"a","durability":"disk"}"#, "durability"),
            (r#"{"name":"a","durability":1}"#, "durability"),
        ] {
            assert_eq!(field(body), name, "{body}");
        }
    }

    #[test]
    fn a_whole_number_may_be_spelled_with_a_point() {
        for body in [
            r#"{"name":"a","priority":2.0}"#,
            r#"{"name":"a","delay":1e3}"#,
        ] {
            assert!(parse(body.as_bytes(), None).is_ok(), "{body}");
        }
    }

    #[test]
    fn the_two_idempotency_keys_must_agree() {
        let body = br#"{"name":"a","idempotencyKey":"k"}"#;
        assert!(parse(body, Some("k")).is_ok());
        assert_eq!(
            parse(body, Some("other")).unwrap_err().field(),
            Some("idempotencyKey")
        );
    }

    #[test]
    fn what_other_servers_know_is_ignored() {
        assert!(parse(br#"{"name":"a","opts":{"removeOnComplete":true}}"#, None).is_ok());
    }

    #[test]
    fn depth_is_bounded_and_brackets_in_strings_do_not_count() {
        let nested = |depth: usize| {
            format!(
                r#"{{"name":"a","data":{}{}}}"#,
                "[".repeat(depth),
                "]".repeat(depth)
            )
        };
        assert!(parse(nested(MAX_DEPTH).as_bytes(), None).is_ok());
        assert_eq!(field(&nested(MAX_DEPTH + 1)), "data");
        assert_eq!(field(&nested(100_000)), "data");
        let string = format!(r#"{{"name":"a","data":"\"{}"}}"#, "[".repeat(200));
        assert!(parse(string.as_bytes(), None).is_ok());
    }

    #[test]
    fn too_much_data_is_refused_under_its_name() {
        let body = format!(r#"{{"name":"a","data":"{}"}}"#, "x".repeat(MAX_PAYLOAD));
        assert!(matches!(
            parse(body.as_bytes(), None),
            Err(Error::PayloadTooLarge { field, .. }) if field == "data"
        ));
    }
}
