//! A list of very many jobs: only what is in sight is drawn, and it scrolls.

use std::env;

use jobflow::NewJob;
use jobflow::testing::wait_for;

use crate::system::{System, figure};
use crate::webdriver::Browser;

/// Enough to show that nothing grows with it; `JOBFLOW_ROWS=100000` measures.
const ROWS: usize = 10_000;
const BATCH: usize = 1_000;
/// More rows than this in the document mean that those out of sight are drawn.
const DRAWN: u64 = 160;

/// Scrolls from the top to the bottom in six hundred frames, and tells how
/// long the longest took, and those of them over 50 ms.
const SCROLL: &str = r"
  const done = arguments[arguments.length - 1];
  const list = document.querySelector('[data-testid=list]');
  const frames = [];
  let last = null;
  let drawn = 0;
  list.scrollTop = 0;
  const step = (now) => {
    if (last !== null) frames.push(now - last);
    last = now;
    drawn = Math.max(drawn, list.querySelectorAll('[data-index]').length);
    list.scrollTop += list.scrollHeight / 600;
    if (frames.length < 600) return requestAnimationFrame(step);
    frames.sort((a, b) => a - b);
    done({ drawn, median: frames[300], longest: frames[599], slow: frames.filter((one) => one > 50).length,
           last: list.querySelector('[data-index]:last-of-type')?.dataset.index });
  };
  requestAnimationFrame(step);
";

const TO_THE_END: &str =
    "const list = document.querySelector('[data-testid=list]'); list.scrollTop = list.scrollHeight";

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_many_thousand_jobs_draws_only_what_is_in_sight() {
    let rows = env::var("JOBFLOW_ROWS").map_or(ROWS, |rows| rows.parse().unwrap());
    let system = System::start().await;
    for _ in 0..rows / BATCH {
        let jobs = (0..BATCH).map(|_| NewJob::new("many", "{}").unwrap());
        for submitted in system.queue.submit_batch(jobs.collect()).await {
            submitted.unwrap();
        }
    }
    let page = Browser::open(&format!("{}/ui/jobs?state=waiting", system.url())).await;
    page.sees(".job-row[data-index]").await;
    // To the end of what is there, until there is no more.
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
    page.shows("list-status", "data-rows", &rows.to_string())
        .await;
    let frames = page.later(SCROLL).await;
    figure(
        &format!("scrolling through {rows} rows in 600 frames"),
        format!(
            "median {:.1} ms, longest {:.1} ms, over 50 ms: {}",
            frames["median"].as_f64().unwrap(),
            frames["longest"].as_f64().unwrap(),
            frames["slow"]
        ),
    );
    assert!(frames["drawn"].as_u64().unwrap() < DRAWN, "{frames}");
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}
