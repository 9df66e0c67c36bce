use std::time::Duration;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::{Args, Global, Names};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::Output;

/// Who presses a key does not wait longer than this.
const PATIENCE: Duration = Duration::from_millis(500);

/// Asks the server, which it finds as any command does, for the names that the
/// cursor may want.
const BASH_NAMES: &str = "\
_jobflow-cli_names() {
    local i server=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == --server ]]; then
            server=(--server \"${COMP_WORDS[i+1]}\")
        fi
    done
    jobflow-cli complete-names \"$1\" \"${server[@]}\" 2>/dev/null
}

";

const ZSH_NAMES: &str = "\
_jobflow-cli_names() {
    local i=${words[(I)--server]}
    local -a server names
    (( i )) && server=(--server \"${words[i+1]}\")
    names=(${(f)\"$(jobflow-cli complete-names $1 $server 2>/dev/null)\"})
    compadd -a names
}

_jobflow-cli_queues() { _jobflow-cli_names queues }
_jobflow-cli_workers() { _jobflow-cli_names workers }

";

pub(crate) fn run(shell: Shell, output: &mut Output) -> Result<()> {
    Ok(output.text(&script(shell))?)
}

/// Prints the names that exist now; none when the server does not say in time.
pub(crate) async fn names(global: &Global, what: Names, output: &mut Output) -> Result<()> {
    let client = Client::new(global)?;
    let names = async {
        let names: Vec<String> = match what {
            Names::Queues => {
                let queues = client.list_queues().await?.into_iter();
                queues.map(|queue| queue.name).collect()
            }
            Names::Workers => {
                let workers = client.list_workers("").await?.into_iter();
                workers.map(|worker| worker.id).collect()
            }
        };
        Ok::<_, Error>(names)
    };
    let names = tokio::time::timeout(PATIENCE, names).await;
    // A message would stand in the middle of what is being typed.
    for name in names.unwrap_or(Ok(Vec::new())).unwrap_or_default() {
        output.line(&name)?;
    }
    Ok(())
}

/// The script of a shell. In bash and zsh the places that take a queue or a
/// worker ask for their names.
fn script(shell: Shell) -> String {
    // Into memory first: the generator panics when a pipe closes under it.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "jobflow-cli", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => {
            // The generator spells a name with a hyphen in two ways, and so
            // never finds the sections of the commands.
            let script = script.replace("jobflow__subcmd__cli", "jobflow__cli");
            BASH_NAMES.to_owned() + &with_bash_names(&script)
        }
        Shell::Zsh => with_zsh_names(&script),
        _ => script,
    }
}

/// Adds the names to what the option `--queue` and the commands with such an
/// argument offer.
fn with_bash_names(script: &str) -> String {
    const REPLY: &str = "COMPREPLY=($(compgen -f";
    const NAMES: &str = r#"COMPREPLY=($(compgen -W "$(_jobflow-cli_names queues)" -- "${cur}"))"#;
    let places = places();
    let mut before = "";
    let lines = script.lines().map(|line| {
        let text = line.trim();
        let place = places.iter().find(|(label, _)| before.ends_with(label));
        let line = match (before, place) {
            // `-q` is the queue wherever it is an option.
            ("--queue)" | "-q)", _) if text.starts_with(REPLY) => line.replace(text, NAMES),
            (_, Some((_, names))) if text.starts_with("opts=\"") => {
                let names = format!("opts=\"$(_jobflow-cli_names {names}) ");
                line.replacen("opts=\"", &names, 1)
            }
            _ => line.to_owned(),
        };
        before = text;
        line + "\n"
    });
    lines.collect()
}

/// The sections of the script for commands that take a queue or a worker, and
/// what each takes.
fn places() -> Vec<(String, &'static str)> {
    let root = Args::command();
    let mut places = Vec::new();
    for noun in root.get_subcommands() {
        for verb in noun.get_subcommands() {
            for argument in verb.get_positionals() {
                let names = match argument.get_id().as_str() {
                    "queue" => "queues",
                    "worker" => "workers",
                    _ => continue,
                };
                let (noun, verb) = (noun.get_name(), verb.get_name());
                places.push((format!("cli__subcmd__{noun}__subcmd__{verb})"), names));
            }
        }
    }
    places
}

fn with_zsh_names(script: &str) -> String {
    let head = "#compdef jobflow-cli\n";
    let script = script
        .replace(head, &format!("{head}\n{ZSH_NAMES}"))
        .replace(":QUEUE:_default", ":QUEUE:_jobflow-cli_queues");
    let lines = script.lines().map(|line| {
        let names = match line.trim_start() {
            place if place.starts_with("':queue") => "_jobflow-cli_queues",
            place if place.starts_with("':worker") => "_jobflow-cli_workers",
            _ => "_default",
        };
        line.replace(":_default'", &format!(":{names}'")) + "\n"
    });
    lines.collect()
}
