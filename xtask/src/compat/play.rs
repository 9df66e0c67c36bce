//! What each pairing is put through: a job in every state, a look at all of them,
//! and an end for each.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::children::Children;

use super::process::{Place, Process, Started};
use super::{Build, Crew, OLD};

/// The queue that no worker serves at first.
const IDLE: &str = "idle";
const SERVED: &str = "default";
/// How a line of the doctor about a key that belongs to nobody begins.
const UNKNOWN_KEY: &str = "STRAY_KEY: ";

pub(super) enum Verdict {
    /// So many keys of the newer build are none to the doctor of the older one.
    Works { unknown_keys: usize },
    /// One of the programs says that the layout is not its own.
    Refuses(String),
}

/// A job in each state.
struct Jobs {
    /// Those that are there without a worker.
    still: Vec<Job>,
    /// Those that one has had.
    run: Vec<Job>,
    /// It errs, and moves between states.
    retrying: String,
}

struct Job {
    id: String,
    state: &'static str,
    /// What the command line does with it in the end, and what becomes of it.
    end: Option<(&'static str, &'static str)>,
}

/// A crew in a namespace of its own.
pub(super) fn together(
    children: &mut Children,
    url: &str,
    folder: &Path,
    crew: Crew<'_>,
) -> Result<Verdict> {
    let place = Place::new(url, folder)?;
    let _server = match place.server(children, crew)? {
        Started::Running(server) => server,
        Started::Refused(why) => bail!("nobody was there before, and still {why}"),
    };
    let still = submit_still(&place, crew.cli)?;
    let _worker = match place.worker(children, crew, SERVED)? {
        Started::Running(worker) => worker,
        Started::Refused(why) => {
            are_as_expected(&place, children, crew.cli, &still)?;
            doctor(&place, crew)?;
            return Ok(Verdict::Refuses(why));
        }
    };
    let jobs = submit_run(&place, children, crew.cli, still)?;
    let unknown_keys = look_and_end(&place, children, crew, &jobs)?;
    Ok(Verdict::Works { unknown_keys })
}

/// A crew takes over what another has stored.
pub(super) fn handed_over(
    children: &mut Children,
    url: &str,
    folder: &Path,
    [first, then]: [Crew<'_>; 2],
) -> Result<Verdict> {
    let place = Place::new(url, folder)?;
    let (server, worker) = both(&place, children, first)?;
    let still = submit_still(&place, first.cli)?;
    let mut jobs = submit_run(&place, children, first.cli, still)?;
    worker.stop(children)?;
    server.stop(children)?;

    let server = place.server(children, then)?;
    let worker = place.worker(children, then, SERVED)?;
    match (server, worker) {
        (Started::Running(_server), Started::Running(_worker)) => {
            let unknown_keys = look_and_end(&place, children, then, &jobs)?;
            Ok(Verdict::Works { unknown_keys })
        }
        (Started::Refused(server), Started::Refused(worker)) => {
            // Rolled back: nothing has happened to the jobs. The first are there
            // again before their worker is.
            let _again = both(&place, children, first)?;
            jobs.still.append(&mut jobs.run);
            are_as_expected(&place, children, first.cli, &jobs.still)?;
            doctor(&place, first)?;
            Ok(Verdict::Refuses(format!("{server}; {worker}")))
        }
        (Started::Refused(why), _) | (_, Started::Refused(why)) => {
            bail!("{why}, and the other one does not mind")
        }
    }
}

fn both(place: &Place<'_>, children: &mut Children, crew: Crew<'_>) -> Result<(Process, Process)> {
    let server = place.server(children, crew)?;
    let worker = place.worker(children, crew, SERVED)?;
    match (server, worker) {
        (Started::Running(server), Started::Running(worker)) => Ok((server, worker)),
        (Started::Refused(why), _) | (_, Started::Refused(why)) => {
            bail!("of the same build, and still {why}")
        }
    }
}

fn submit(place: &Place<'_>, cli: Build<'_>, words: &[&str]) -> Result<String> {
    let words = [&["submit"], words, &["--data", r#"{"a":1}"#, "-o", "id"]].concat();
    place.cli(cli, &words)
}

fn submit_still(place: &Place<'_>, cli: Build<'_>) -> Result<Vec<Job>> {
    let later = ["ok", "--delay", "1h", "--tag", "later"];
    let cancelled = submit(place, cli, &later)?;
    place.cli(cli, &["job", "cancel", &cancelled])?;
    Ok(vec![
        Job {
            id: submit(place, cli, &["ok", "--queue", IDLE, "--priority", "2"])?,
            state: "waiting",
            end: None,
        },
        Job {
            id: submit(place, cli, &later)?,
            state: "scheduled",
            end: Some(("promote", "completed")),
        },
        Job {
            id: cancelled,
            state: "cancelled",
            end: Some(("retry", "completed")),
        },
    ])
}

fn submit_run(
    place: &Place<'_>,
    children: &mut Children,
    cli: Build<'_>,
    still: Vec<Job>,
) -> Result<Jobs> {
    let job = |words: &[&str], state, end| -> Result<Job> {
        let id = submit(place, cli, words)?;
        Ok(Job { id, state, end })
    };
    let run = vec![
        job(&["ok"], "completed", Some(("retry", "completed")))?,
        job(
            &["bad", "--attempts", "1"],
            "failed",
            Some(("retry", "failed")),
        )?,
        job(&["slow"], "active", Some(("cancel", "cancelled")))?,
    ];
    let retrying = submit(place, cli, &["bad", "--attempts", "100"])?;
    for job in &run {
        place.reaches(children, cli, &job.id, job.state)?;
    }
    place.reaches(children, cli, &retrying, "retrying")?;
    Ok(Jobs {
        still,
        run,
        retrying,
    })
}

fn are_as_expected(
    place: &Place<'_>,
    children: &mut Children,
    cli: Build<'_>,
    jobs: &[Job],
) -> Result<()> {
    for job in jobs {
        // One that was active has been handed back, and is about to be so again.
        let seen = place.reaches(children, cli, &job.id, job.state);
        seen.with_context(|| format!("it was {}", job.state))?;
    }
    Ok(())
}

fn look_and_end(
    place: &Place<'_>,
    children: &mut Children,
    crew: Crew<'_>,
    jobs: &Jobs,
) -> Result<usize> {
    let cli = crew.cli;
    for jobs in [&jobs.still, &jobs.run] {
        are_as_expected(place, children, cli, jobs)?;
    }
    for words in [
        &["job", "list", "--filter", "tags:later"][..],
        &["job", "count"],
        &["queue", "list"],
        &["queue", "pause", IDLE],
        &["queue", "resume", IDLE],
        &["worker", "list"],
        &["dead", "list"],
        &["metrics"],
    ] {
        let said = place.cli(cli, words)?;
        ensure!(
            words[1..] != ["list"] || !said.is_empty(),
            "{words:?} says nothing"
        );
    }
    doctor(place, crew)?;
    for job in jobs.still.iter().chain(&jobs.run) {
        let Some((what, state)) = job.end else {
            continue;
        };
        place.cli(cli, &["job", what, &job.id])?;
        let ended = place.reaches(children, cli, &job.id, state);
        ended.with_context(|| format!("{what} of a job that was {}", job.state))?;
    }
    place.cli(cli, &["job", "cancel", &jobs.retrying])?;
    place.reaches(children, cli, &jobs.retrying, "cancelled")?;
    let Started::Running(_idle) = place.worker(children, crew, IDLE)? else {
        bail!("a second worker refuses what the first has not");
    };
    for job in jobs.still.iter().filter(|job| job.end.is_none()) {
        place.reaches(children, cli, &job.id, "completed")?;
    }
    doctor(place, crew)
}

/// Lets the server look for damage. Returns how many keys it does not know: an older
/// one leaves what a newer one has added alone, and says so.
fn doctor(place: &Place<'_>, crew: Crew<'_>) -> Result<usize> {
    let Err(error) = place.cli(crew.cli, &["doctor"]) else {
        return Ok(0);
    };
    let said = error.to_string();
    let unknown_keys = said
        .lines()
        .filter(|line| line.starts_with(UNKNOWN_KEY))
        .count();
    let all = format!("{unknown_keys} damages were found");
    if crew.server.name == OLD && said.contains(&all) {
        return Ok(unknown_keys);
    }
    Err(error)
}
