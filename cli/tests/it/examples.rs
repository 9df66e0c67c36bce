//! Every example of every command does what it shows.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use jobflow::proto::JobState;
use tokio::process::Command;
use tokio::time::timeout;

use crate::cli::run;
use crate::fake::{FakeServer, Script, event};

const BINARY: &str = env!("CARGO_BIN_EXE_jobflow-cli");

/// No example takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The commands that are printed, and the examples of each, as the program
/// itself has them.
async fn examples() -> Vec<(String, Vec<String>)> {
    let page = run("http://127.0.0.1:9", ["markdown"]).await.stdout;
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    let mut is_example = false;
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            commands.push((name.to_owned(), Vec::new()));
            is_example = false;
        } else if line == "Examples:" {
            is_example = true;
        } else if let (true, Some(example)) = (is_example, line.strip_prefix("  ")) {
            commands.last_mut().unwrap().1.push(example.to_owned());
        } else {
            is_example = false;
        }
    }
    commands
}

#[tokio::test]
async fn every_command_has_an_example() {
    let commands = examples().await;
    assert!(commands.len() > 45, "{}", commands.len());
    for (name, examples) in commands {
        let shows_it = |example: &String| example.contains(&name);
        assert!(examples.iter().any(shows_it), "{name} has no example");
    }
}

#[tokio::test]
async fn every_example_does_what_it_shows() {
    let script = Script {
        bulk_looks: 1,
        events: vec![event(0, JobState::Waiting)],
        ..Script::stocked()
    };
    let server = FakeServer::scripted(script).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name, text| std::fs::write(folder.path().join(name), text).unwrap();
    file("job.json", "{\"w\":64}");
    file(
        "jobs.jsonl",
        "{\"kind\":\"resize\"}\n{\"kind\":\"crop\",\"tags\":[\"eu\"]}\n",
    );
    let all: BTreeSet<_> = examples()
        .await
        .into_iter()
        .flat_map(|(_, examples)| examples)
        .collect();
    for example in all {
        // The one that can not be run without a terminal.
        let code = if example == "jobflow-cli top" { 2 } else { 0 };
        let outcome = shell(&server.url, &example, folder.path()).await;
        assert_eq!(outcome.0, Some(code), "{example}: {}", outcome.1);
    }
}

/// Runs a line as it is typed into a shell, endless ones up to their first line.
async fn shell(server: &str, line: &str, folder: &Path) -> (Option<i32>, String) {
    let is_endless = line.contains("--watch") || line.contains("--follow");
    let head = if is_endless { " | head -n 1" } else { "" };
    let path = std::env::var("PATH").unwrap();
    let binaries = Path::new(BINARY).parent().unwrap();
    let output = Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {line}{head}")])
        .env("PATH", format!("{}:{path}", binaries.display()))
        .env("JOBFLOW_SERVER", server)
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, output).await;
    let output = output.unwrap_or_else(|_| panic!("`{line}` does not end"));
    let output = output.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), stderr)
}

/// Completes a line as bash does when Tab is pressed behind it.
async fn complete(server: &str, line: &str) -> Vec<String> {
    let script = format!(
        r#"source <(jobflow-cli completions bash)
           COMP_WORDS=({line} ""); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
           _complete=$(complete -p jobflow-cli); _complete=${{_complete#*-F }}
           "${{_complete%% *}}" jobflow-cli "" "${{COMP_WORDS[COMP_CWORD-1]}}"
           printf '%s\n' "${{COMPREPLY[@]}}""#
    );
    let path = std::env::var("PATH").unwrap();
    let binaries = Path::new(BINARY).parent().unwrap();
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("PATH", format!("{}:{path}", binaries.display()))
        .env("JOBFLOW_SERVER", server)
        .output()
        .await
        .unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    words.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn bash_completes_the_names_of_queues_and_workers() {
    let server = FakeServer::start().await;
    for (line, names) in [
        ("jobflow-cli submit resize --queue", ["default", "mail"]),
        ("jobflow-cli queue pause", ["default", "mail"]),
        ("jobflow-cli queue get", ["default", "mail"]),
        ("jobflow-cli worker stop", ["web-1-4711", "web-2-4712"]),
    ] {
        let words = complete(&server.url, line).await;
        for name in names {
            assert!(words.iter().any(|word| word == name), "{line}: {words:?}");
        }
    }
    let verbs = complete(&server.url, "jobflow-cli queue").await;
    assert!(verbs.iter().any(|word| word == "purge"), "{verbs:?}");
}

#[tokio::test]
async fn completion_says_nothing_when_no_server_answers() {
    let names = run("http://127.0.0.1:9", ["complete-names", "queues"]).await;
    let nothing = (Some(0), "", "");
    assert_eq!((names.code, &*names.stdout, &*names.stderr), nothing);
}

#[tokio::test]
async fn zsh_asks_for_names_as_well() {
    let script = run("http://127.0.0.1:9", ["completions", "zsh"])
        .await
        .stdout;
    assert!(script.starts_with("#compdef jobflow-cli\n"), "{script}");
    assert!(script.contains("]:QUEUE:_jobflow-cli_queues'"));
    assert!(script.contains("':queue:_jobflow-cli_queues'"));
    assert!(script.contains("':worker:_jobflow-cli_workers'"));
    assert!(!script.contains("':queue:_default'"));
}
