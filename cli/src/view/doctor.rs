//! How the server and its store are.

use jobflow::proto;
use serde::Serialize;

use crate::view::json::text as wire_text;
use crate::view::style;
use crate::view::table::pairs;
use crate::view::words::{count, given, printable, severity};

#[derive(Serialize)]
pub(crate) struct Diagnosis<'a> {
    server: Server<'a>,
    findings: Vec<Finding<'a>>,
    jobs: i64,
    damages: Vec<Damage<'a>>,
    damage_count: i64,
}

#[derive(Serialize)]
struct Damage<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    queue: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    job_id: &'a str,
    description: &'a str,
    mended: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    done: &'a str,
}

#[derive(Serialize)]
struct Server<'a> {
    version: &'a str,
    namespace: &'a str,
    layout_version: i32,
    start_time: Option<String>,
    store_version: &'a str,
}

#[derive(Serialize)]
struct Finding<'a> {
    severity: &'static str,
    check: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    advice: &'a str,
}

impl<'a> Diagnosis<'a> {
    pub(crate) fn new(
        info: &'a proto::GetServerInfoResponse,
        check: &'a proto::CheckIntegrityResponse,
    ) -> Self {
        let findings = check.findings.iter().map(|finding| Finding {
            severity: severity(finding.severity()),
            check: &finding.check,
            description: &finding.description,
            advice: &finding.advice,
        });
        let damages = check.damages.iter().map(|damage| Damage {
            kind: &damage.kind,
            queue: &damage.queue,
            job_id: &damage.job_id,
            description: &damage.description,
            mended: damage.mended,
            done: &damage.done,
        });
        Self {
            server: Server {
                version: &info.version,
                namespace: &info.namespace,
                layout_version: info.layout_version,
                start_time: wire_text(info.start_time),
                store_version: &info.store_version,
            },
            findings: findings.collect(),
            jobs: check.jobs,
            damages: damages.collect(),
            damage_count: check.damage_count,
        }
    }
}

pub(crate) fn text(
    info: &proto::GetServerInfoResponse,
    check: &proto::CheckIntegrityResponse,
) -> String {
    let store = given(&info.store_version).map(|version| format!("Redis {version}"));
    let mut text = pairs(&[
        (
            "server",
            Some(format!("jobflow-server {}", printable(&info.version))),
        ),
        ("since", info.start_time.map(|time| time.to_string())),
        (
            "store",
            Some(store.unwrap_or_else(|| "can not be reached".to_owned())),
        ),
        ("namespace", given(&info.namespace)),
        ("layout", Some(info.layout_version.to_string())),
        ("jobs", Some(count(check.jobs))),
    ]);
    text.push('\n');
    for finding in &check.findings {
        let advice = given(&finding.advice).map(|advice| format!("\n  {advice}"));
        text += &format!(
            "{} {}: {}{}\n",
            style::severity(finding.severity()),
            printable(&finding.check),
            printable(&finding.description),
            advice.unwrap_or_default()
        );
    }
    for damage in &check.damages {
        let done = given(&damage.done).map(|done| format!("\n  {done}"));
        text += &format!(
            "{}: {}{}\n",
            printable(&damage.kind),
            printable(&damage.description),
            done.unwrap_or_default()
        );
    }
    let untold = check.damage_count - i64::try_from(check.damages.len()).unwrap_or(i64::MAX);
    if untold > 0 {
        text += &format!("and {} more\n", count(untold));
    }
    text
}
