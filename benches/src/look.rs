//! Looking at a large queue: pages, counts, groups, explanations and steps of
//! bulk operations, while jobs move, and the slowest script of each.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use jobflow::{
    Change, Direction, Filter, JobId, JobQueue, ListRequest, NewJob, Order, Outcome, QueueName,
};
use serde_json::json;

use crate::scale::{claim, fill, finish, keeping};
use crate::setting::{millis, print, say};
use crate::store::Store;

/// Of a page, the largest there is.
const PAGE: usize = 500;
/// Pages of each order, and explanations.
const SOME: usize = 100;
/// Jobs of a step of a bulk operation.
const STEP: usize = 100;
/// A page and what moves between two pages.
const MOVED: usize = 50;
const STATES: usize = 6;
/// For a count or a group of all jobs.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) async fn run(n: usize) -> Result<()> {
    let mut store = Store::connect().await?;
    let queue = JobQueue::open(keeping("look", u32::MAX)?)?;
    fill(&queue, n / STATES).await?;
    store.watch_scripts().await?;
    say(&format!("walking {n} jobs while they move"));
    walk(&queue, n / STATES * STATES).await?;
    told(
        &mut store,
        n,
        "pages of all jobs, while 50 move between two",
    )
    .await?;

    let newest = Order::FinishTime(Direction::Descending);
    for (filter, order) in [
        ("state = failed", newest),
        ("state = waiting", Order::Position(Direction::Ascending)),
        ("state = failed AND kind = other", Order::Stored),
    ] {
        let mut page = request(filter, order)?;
        for _ in 0..SOME {
            page.page_token = queue.list(&page).await?.next_page_token;
        }
        told(&mut store, n, &format!("pages of `{filter}`")).await?;
    }
    counts(&mut store, &queue, n).await?;
    let patience = Instant::now() + PATIENCE;
    queue
        .dead_letter_groups(&Filter::default(), patience)
        .await?;
    told(&mut store, n, "groups of failed jobs").await?;
    let waiting = queue
        .list(&request("state = waiting", Order::Stored)?)
        .await?
        .jobs;
    for job in waiting.iter().take(SOME) {
        queue.explain(job.id).await?;
    }
    told(&mut store, n, "explanations").await?;
    steps(
        &queue,
        &waiting.iter().map(|job| job.id).collect::<Vec<_>>(),
    )
    .await?;
    told(&mut store, n, "steps of bulk operations").await
}

async fn counts(store: &mut Store, queue: &JobQueue, n: usize) -> Result<()> {
    for filter in [
        "",
        "kind = noop",
        "error_code = HANDLER_ERROR",
        "attempt > 0 OR priority < 5",
    ] {
        let began = Instant::now();
        let count = queue
            .count(&Filter::parse(filter)?, Instant::now() + PATIENCE)
            .await?;
        ensure!(count.complete, "the count was cut off");
        say(&format!(
            "`{filter}`: {} in {:.0} ms",
            count.count,
            millis(began.elapsed())
        ));
        told(store, n, &format!("count of `{filter}`")).await?;
    }
    Ok(())
}

/// Every page of all jobs, with claims, finishes and submits between them:
/// each job that was there from the start comes exactly once.
async fn walk(queue: &JobQueue, jobs: usize) -> Result<()> {
    let mut seen = HashMap::<JobId, u32>::new();
    let mut page = request("", Order::Stored)?;
    let mut pages = 0;
    loop {
        let found = queue.list(&page).await?;
        for job in &found.jobs {
            *seen.entry(job.id).or_default() += 1;
        }
        pages += 1;
        page.page_token = found.next_page_token;
        if page.page_token.is_empty() {
            break;
        }
        let claimed = claim(queue, MOVED).await?;
        finish(queue, &claimed, &Outcome::Ack(None)).await?;
        let moved = claimed.len();
        for submitted in queue.submit_batch(new_jobs(moved)?).await {
            submitted?;
        }
    }
    // Those that were submitted meanwhile may be seen or not.
    let new = seen.len().saturating_sub(jobs);
    say(&format!(
        "{pages} pages, {} jobs seen, at least {new} of them new",
        seen.len()
    ));
    ensure!(
        seen.len() >= jobs,
        "{} of {jobs} jobs were seen",
        seen.len()
    );
    let twice = seen.values().filter(|times| **times > 1).count();
    ensure!(twice == 0, "{twice} jobs came twice");
    Ok(())
}

async fn steps(queue: &JobQueue, ids: &[JobId]) -> Result<()> {
    let name = QueueName::default();
    let reason = "as the measurement wants it".to_owned();
    for ids in ids.chunks(STEP) {
        for change in [
            Change::Cancel {
                reason: reason.clone(),
            },
            Change::Retry,
        ] {
            for verdict in queue
                .change_jobs(&name, &change, ids, None)
                .await?
                .unwrap_or_default()
            {
                verdict?;
            }
        }
    }
    Ok(())
}

fn new_jobs(count: usize) -> Result<Vec<NewJob>> {
    let jobs = (0..count).map(|_| crate::setting::job());
    Ok(jobs.collect::<jobflow::Result<_>>()?)
}

fn request(filter: &str, order: Order) -> Result<ListRequest> {
    Ok(ListRequest {
        filter: Filter::parse(filter)?,
        order,
        page_size: PAGE,
        page_token: String::new(),
    })
}

/// How many scripts took over 0.3 ms since the last time, and how long.
async fn told(store: &mut Store, n: usize, what: &str) -> Result<()> {
    let mut times: Vec<f64> = store
        .slow_scripts()
        .await?
        .into_iter()
        .map(|(_, ms)| ms)
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    let at = |part: usize| times.get((times.len() * part / 100).min(times.len().saturating_sub(1)));
    print(
        &json!({"peer": "jobflow", "mode": "look", "n": n, "what": what, "scripts_over_300_us": times.len(),
        "p50_ms": at(50), "p99_ms": at(99), "max_ms": times.last()}),
    );
    store.watch_scripts().await
}
