//! Many tabs: of many browsers, which cost Redis no more than one, and of one
//! browser, which opens six connections to a server and no more.

use std::time::Duration;

use jobflow::proto;
use serde_json::json;

use crate::system::{System, figure};
use crate::webdriver::{Browser, Window};

/// As many streams as fifty tabs open, beside one: the store is asked as often
/// for each snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_streams_ask_redis_no_more_often_than_one() {
    let system = System::start().await;
    // Without a queue there is nothing to ask for.
    system.rest().submit(r#"{"name":"seen"}"#).await;
    let one = polls_per_snapshot(&system, 1).await;
    let fifty = polls_per_snapshot(&system, 50).await;
    figure(
        "script calls of Redis for each snapshot",
        format!("{one:.2} with one stream, {fifty:.2} with fifty"),
    );
    assert!(one > 0.0 && fifty <= one * 1.5, "{one} {fifty}");
    system.close().await;
}

async fn polls_per_snapshot(system: &System, tabs: usize) -> f64 {
    let request = proto::StreamMetricsRequest {
        interval: Some(proto::duration(Duration::from_millis(500))),
    };
    let mut streams = Vec::new();
    for _ in 0..tabs {
        let mut metrics = system.metrics();
        streams.push(metrics.stream_metrics(request).await.unwrap().into_inner());
    }
    let next = async |stream: &mut tonic::Streaming<proto::StreamMetricsResponse>| {
        stream.message().await.unwrap().unwrap().sequence
    };
    let mut first = 0;
    for stream in &mut streams {
        first = first.max(next(stream).await);
    }
    let before = script_calls(system);
    let mut last = first;
    while last < first + 10 {
        for stream in &mut streams {
            last = last.max(next(stream).await);
        }
    }
    (script_calls(system) - before) as f64 / (last - first) as f64
}

fn script_calls(system: &System) -> u64 {
    let stats = system.redis.cli(&["INFO", "commandstats"]);
    let scripts = stats
        .lines()
        .filter(|line| line.starts_with("cmdstat_eval"));
    let calls = scripts.map(|line| {
        let (_, calls) = line.split_once(":calls=").unwrap();
        calls.split(',').next().unwrap().parse::<u64>().unwrap()
    });
    calls.sum()
}

/// More windows than a browser opens connections, all in sight, and most of the
/// fifty tabs behind them.
const WINDOWS: usize = 10;
const TABS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_tabs_of_a_browser_live_on_one_stream() {
    let mut system = System::start().await;
    system.rest().submit(r#"{"name":"first"}"#).await;
    let page = Browser::open(&system.url()).await;
    let mut tabs = vec![page.window().await];
    while tabs.len() < TABS {
        let is_window = tabs.len() < WINDOWS;
        tabs.push(page.open_another(&system.url(), is_window).await);
    }
    let mut seen = Vec::new();
    for tab in &tabs {
        page.switch_to(tab).await;
        if page.ask("return document.visibilityState").await == "visible" {
            seen.push(tab.clone());
        }
    }
    figure(
        "tabs of one browser",
        format!("{TABS}, of which {} in sight", seen.len()),
    );
    assert!(seen.len() >= WINDOWS, "{} are seen", seen.len());
    moves(&page, &system, &seen, 2).await;

    // No more is asked of Redis for all than for one.
    let polls = polls_while_shown(&page, &system).await;
    figure(
        "script calls of Redis for each snapshot, fifty tabs of a browser",
        format!("{polls:.2}"),
    );
    assert!(polls <= 3.5, "{polls}");

    // Everything else still gets through.
    seen.truncate(WINDOWS);
    for tab in &seen {
        page.switch_to(tab).await;
        page.press("gj").await;
        page.sees(".job-row[data-index]").await;
        page.press("go").await;
    }
    let left = leave_one_by_one(&mut system, &page, seen).await;
    for tab in &left {
        page.switch_to(tab).await;
        assert_eq!(page.ask("return seen.violations").await, json!([]));
    }
    page.close().await;
    system.close().await;
}

/// Submits a job and waits until each of the tabs shows as many as there are.
async fn moves(page: &Browser, system: &System, tabs: &[Window], jobs: usize) {
    system.rest().submit(r#"{"name":"next"}"#).await;
    for tab in tabs {
        page.switch_to(tab).await;
        page.counts("waiting", jobs).await;
        page.shows("connection", "data-state", "live").await;
    }
}

/// Script calls of Redis for each snapshot that the page takes.
async fn polls_while_shown(page: &Browser, system: &System) -> f64 {
    let sequence = async || {
        let sequence = page.attribute("sequence", "data-seq").await;
        sequence.as_str().unwrap().parse::<u64>().unwrap()
    };
    let (begin, before) = (sequence().await, script_calls(system));
    page.holds(&format!(
        "Number(document.querySelector('[data-testid=sequence]').dataset.seq) >= {}",
        begin + 10
    ))
    .await;
    (script_calls(system) - before) as f64 / (sequence().await - begin) as f64
}

/// Takes away whichever leads, and the server: the others go on. Returns those
/// that are left.
async fn leave_one_by_one(system: &mut System, page: &Browser, tabs: Vec<Window>) -> Vec<Window> {
    let mut left = tabs;
    for jobs in 3..6 {
        page.switch_to(&left.remove(0)).await;
        page.close_window().await;
        moves(page, system, &left, jobs).await;
    }
    page.switch_to(&left[0]).await;
    page.ask("window.hidden_state = 'hidden'; Object.defineProperty(document, 'visibilityState', { get: () => window.hidden_state }); document.dispatchEvent(new Event('visibilitychange'))").await;
    page.reads("[data-testid=connection]", "Paused").await;
    moves(page, system, &left[1..], 6).await;
    system.kill_server();
    for tab in &left[1..] {
        page.switch_to(tab).await;
        page.shows("connection", "data-state", "reconnecting").await;
    }
    system.start_server().await;
    moves(page, system, &left[1..], 7).await;
    left
}
