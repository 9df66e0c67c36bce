//! A list of very many jobs: only what is in sight is drawn, and it scrolls.

use std::env;

use jobflow::NewJob;
use jobflow::testing::wait_for;
use serde_json::json;

use crate::frames::{self, FRAMES};
use crate::system::{System, figure};
use crate::webdriver::Browser;

/// Enough to show that nothing grows with it; `JOBFLOW_ROWS=100000` measures.
const ROWS: usize = 10_000;
const BATCH: usize = 1_000;
/// More rows than this in the document mean that those out of sight are drawn.
const DRAWN: u64 = 60;
/// A turn of a wheel.
const WHEEL: f64 = 120.0;

const TO_THE_END: &str =
    "const list = document.querySelector('[data-testid=list]'); list.scrollTop = list.scrollHeight";
const TO_THE_TOP: &str = "document.querySelector('[data-testid=list]').scrollTop = 0";
const HEIGHT: &str = "return document.querySelector('[data-testid=list]').scrollHeight";
/// Where rows are out of order, twice there, or not between the others.
const DISORDER: &str = r"
  const rows = [...document.querySelectorAll('[data-index]')];
  const first = Number(rows[0].dataset.index);
  const wrong = rows.filter((row, at) => Number(row.dataset.index) !== first + at || !row.querySelector('a').href.endsWith(row.dataset.jobId));
  return wrong.length + rows.length - new Set(rows.map((row) => row.dataset.jobId)).size;
";

async fn open(rows: usize) -> (System, Browser) {
    let system = System::start().await;
    for _ in 0..rows / BATCH {
        let jobs = (0..BATCH).map(|_| NewJob::new("many", "{}").unwrap());
        for submitted in system.queue.submit_batch(jobs.collect()).await {
            submitted.unwrap();
        }
    }
    let page = Browser::open(&format!("{}/ui/jobs?state=waiting", system.url())).await;
    page.sees(".job-row[data-index]").await;
    (system, page)
}

/// To the end of what is there, until there is no more.
async fn read_all(page: &Browser) {
    let mut seen = 0;
    while page.attribute("list-status", "data-complete").await != "true" {
        let more = async || {
            page.ask(TO_THE_END).await;
            let now = page.attribute("list-status", "data-rows").await;
            let now: usize = now.as_str()?.parse().ok()?;
            let complete = page.attribute("list-status", "data-complete").await == "true";
            (now > seen || complete).then_some(now)
        };
        seen = wait_for("more rows", more).await;
    }
    // The last of them may have come ahead of the scrolling.
    page.ask(TO_THE_END).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_many_thousand_jobs_draws_only_what_is_in_sight() {
    let rows = env::var("JOBFLOW_ROWS").map_or(ROWS, |rows| rows.parse().unwrap());
    let (system, page) = open(rows).await;
    // With the wheel, while it is still being read.
    let wheel = frames::scroll(&page, WHEEL, FRAMES).await;
    read_all(&page).await;
    page.shows("list-status", "data-rows", &rows.to_string())
        .await;
    page.sees(&format!("[data-index='{}']", rows - 1)).await;
    assert_eq!(page.ask(DISORDER).await, json!(0));

    // From the top to the bottom: each frame shows other rows than the one before.
    let height = page.ask(HEIGHT).await.as_f64().unwrap();
    page.ask(TO_THE_TOP).await;
    page.sees("[data-index='0']").await;
    let flight = frames::scroll(&page, height / f64::from(FRAMES), FRAMES).await;
    page.sees(&format!("[data-index='{}']", rows - 1)).await;
    assert_eq!(page.ask(DISORDER).await, json!(0));
    let drawn = wheel.drawn.max(flight.drawn);
    page.assert_clean().await;

    let empty = frames::of_an_empty_page(&page).await;
    figure("scrolling an empty page", empty);
    figure(
        &format!("scrolling {rows} rows with the wheel, as they are read"),
        wheel,
    );
    figure(
        &format!("scrolling {rows} rows from the top to the bottom"),
        flight,
    );
    figure("the most rows drawn at once", drawn);
    assert!(drawn < DRAWN, "{drawn} rows are drawn at once");
    page.close().await;
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_scrolled_away_takes_no_key_that_was_meant_for_another() {
    let (system, page) = open(BATCH).await;
    // Nobody scrolled: the first page, which moves with the jobs.
    page.shows("list-status", "data-rows", "200").await;
    page.reads("[data-testid=list-status]", "moves with the jobs")
        .await;
    read_all(&page).await;
    page.ask(TO_THE_TOP).await;
    page.sees("[data-index='0']").await;
    page.press("j").await;
    page.holds("document.activeElement.closest('[data-index]')?.dataset.index === '0'")
        .await;
    page.press("j").await;
    page.holds("document.activeElement.closest('[data-index]')?.dataset.index === '1'")
        .await;
    page.ask("document.querySelector('[data-testid=list]').scrollTop = 7200")
        .await;
    page.sees("[data-index='200']").await;
    page.holds("document.activeElement.dataset.testid === 'list'")
        .await;
    page.press("x").await;
    // From here on it goes by what is in sight.
    page.press("j").await;
    page.holds("document.activeElement.closest('[data-index]')?.dataset.index === '200'")
        .await;
    page.loses("[data-testid=selection]").await;
    page.press("x").await;
    page.reads("[data-testid=selection]", "1 job selected")
        .await;
    page.sees("[data-index='200'].picked").await;
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}
