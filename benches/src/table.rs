//! `jobflow-bench table FILE`: raw lines as Markdown, with medians, spread and
//! the ratio to the best peer.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::setting::{median, print_text, rounded};

/// What a measurement was asked for; every other number is a figure. The
/// number of jobs is left out: apalis-redis is given fewer.
const ASKED: [&str; 11] = [
    "class", "c", "size", "rate", "secs", "client", "program", "call", "duty", "streams", "count",
];
const NOT_FIGURES: [&str; 3] = ["n", "round", "jobs"];
const OURS: &str = "jobflow";

/// Figures of each peer, by work and name of the figure.
type Groups = BTreeMap<(String, String), BTreeMap<String, Vec<f64>>>;

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    let [file] = arguments else {
        bail!("expected FILE");
    };
    let text = fs::read_to_string(file)?;
    let lines = text.lines().map(serde_json::from_str);
    let lines: Vec<Value> = lines.collect::<Result<_, _>>()?;
    print_text(&described(&lines));
    print_text(&format!(
        "\n## Raw lines\n\n```json\n{}\n```",
        text.trim_end()
    ));
    Ok(())
}

/// The machine and a row per figure and peer.
pub(crate) fn described(lines: &[Value]) -> String {
    let mut text = String::from("## Machine\n\n");
    let machine = lines.iter().find_map(|line| line["machine"].as_object());
    for (name, value) in machine.into_iter().flatten() {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        // Writing into a string can not fail.
        let _ = writeln!(text, "- {name}: {value}");
    }
    text.push_str(
        "\n## Figures\n\n| Work | Figure | Of | Median | Min–max | Rounds | JobFlow / it |\n\
         |---|---|---|---:|---:|---:|---:|\n",
    );
    for ((work, figure), peers) in grouped(lines) {
        let ours = peers.get(OURS).map(|samples| median(samples));
        for (peer, samples) in ranked(&peers, &figure) {
            let middle = median(samples);
            let ratio = ours.filter(|_| peer != OURS && middle > 0.0);
            let ratio = ratio.map_or(String::new(), |ours| format!("{:.2}", ours / middle));
            let spread = format!("{}–{}", plain(least(samples)), plain(most(samples)));
            let _ = writeln!(
                text,
                "| {work} | {figure} | {peer} | {} | {spread} | {} | {ratio} |",
                plain(middle),
                samples.len()
            );
        }
    }
    text
}

fn grouped(lines: &[Value]) -> Groups {
    let mut groups = Groups::new();
    for line in lines {
        let (Some(peer), Some(fields)) = (line["peer"].as_str(), line.as_object()) else {
            continue;
        };
        let work = work(line);
        for (name, value) in fields {
            let is_figure = !ASKED.contains(&&**name) && !NOT_FIGURES.contains(&&**name);
            if let (true, Some(value)) = (is_figure, value.as_f64()) {
                let group = groups.entry((work.clone(), name.clone())).or_default();
                group.entry(peer.to_owned()).or_default().push(value);
            }
        }
    }
    beside_peers(&mut groups);
    groups
}

/// With every write on disk there is nothing like it: it stands beside what
/// peers do without.
fn beside_peers(groups: &mut Groups) {
    let on_disk: Vec<_> = groups.keys().cloned().collect();
    for (work, figure) in on_disk {
        if let Some(sizes) = work.strip_prefix("drain-aof ") {
            let in_memory = groups.get(&(format!("drain {sizes}"), figure.clone()));
            let mut peers = in_memory.cloned().unwrap_or_default();
            peers.remove(OURS);
            groups.entry((work, figure)).or_default().extend(peers);
        }
    }
}

/// The mode and what it was asked for.
fn work(line: &Value) -> String {
    let mut work = line["mode"].as_str().unwrap_or_default().to_owned();
    for name in ASKED {
        let value = &line[name];
        if let Some(word) = value.as_str() {
            let _ = write!(work, " {word}");
        } else if !value.is_null() {
            let _ = write!(work, " {name}={value}");
        }
    }
    work
}

/// Ours first, then the best peer.
fn ranked<'a>(peers: &'a BTreeMap<String, Vec<f64>>, figure: &str) -> Vec<(&'a str, &'a [f64])> {
    let mut ranked: Vec<_> = peers.iter().map(|(name, s)| (&**name, &**s)).collect();
    ranked.sort_by(|(_, one), (_, other)| median(one).total_cmp(&median(other)));
    if figure.ends_with("per_s") {
        ranked.reverse();
    }
    ranked.sort_by_key(|(name, _)| *name != OURS);
    ranked
}

fn least(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Thousands apart, and no more digits than mean something.
fn plain(figure: f64) -> String {
    if figure.abs() < 1_000.0 {
        return rounded(figure).to_string();
    }
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_best_peer_stands_below_ours_with_the_ratio() {
        let line = |peer: &str, n: u64, rate: u64| json!({"peer": peer, "mode": "drain", "n": n, "c": 100, "jobs_per_s": rate});
        let table = described(&[
            json!({"machine": {"cores": 2, "redis": "7.0.15"}}),
            line("slow", 100, 10_000),
            line("jobflow", 100, 100_000),
            line("fast", 6, 20_000),
            line("jobflow", 100, 140_000),
            json!({"peer": "jobflow", "mode": "drain-aof", "c": 100, "jobs_per_s": 60_000}),
        ]);
        assert!(table.contains("- redis: 7.0.15\n"), "{table}");
        let rows: Vec<_> = table
            .lines()
            .filter(|line| line.starts_with("| drain c="))
            .collect();
        assert_eq!(
            rows,
            [
                "| drain c=100 | jobs_per_s | jobflow | 120,000 | 100,000–140,000 | 2 |  |",
                "| drain c=100 | jobs_per_s | fast | 20,000 | 20,000–20,000 | 1 | 6.00 |",
                "| drain c=100 | jobs_per_s | slow | 10,000 | 10,000–10,000 | 1 | 12.00 |",
            ]
        );
        let on_disk = "| drain-aof c=100 | jobs_per_s | fast | 20,000 | 20,000–20,000 | 1 | 3.00 |";
        assert!(table.contains(on_disk), "{table}");
    }
}
