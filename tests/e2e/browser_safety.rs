//! What the page must never do: be large, be of another server unseen, work
//! while nobody looks, or change what its reader may not.

use std::fmt::Write;

use jobflow::proto;
use jobflow::{JobState, NewJob};
use serde_json::Value;

use crate::system::{System, figure};
use crate::webdriver::Browser;

/// What everything that a browser loads for the first page may weigh.
const BUDGET: u64 = 400 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_small_comes_compressed_and_is_kept_by_its_name() {
    const FILES: &str = "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .filter((one) => !one.name.includes('jobflow.v1'))
        .map((one) => ({ name: one.name, sent: one.transferSize, body: one.encodedBodySize, whole: one.decodedBodySize }))";
    let system = System::start().await;
    let page = Browser::open(&system.url()).await;
    page.shows("connection", "data-state", "live").await;
    let files = page.ask(FILES).await;
    let files = files.as_array().unwrap();
    let sent: u64 = files
        .iter()
        .map(|file| file["sent"].as_u64().unwrap())
        .sum();
    figure(
        "what the first visit transfers",
        format!("{} files, {:.1} KB", files.len(), sent as f64 / 1024.0),
    );
    assert!(sent > 0 && sent <= BUDGET, "{sent}: {files:?}");
    for file in files {
        let name = file["name"].as_str().unwrap();
        if name.ends_with(".wasm") || name.ends_with(".js") || name.ends_with(".css") {
            let (body, whole) = (
                file["body"].as_u64().unwrap(),
                file["whole"].as_u64().unwrap(),
            );
            assert!(body < whole, "{name} is not compressed");
        }
    }
    content_after(&page, "on this machine").await;

    // Again: what is named by its content is not asked for a second time.
    page.go("/ui/jobs").await;
    page.shows("connection", "data-state", "live").await;
    let again = page.ask(FILES).await;
    let again: u64 = again
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["sent"].as_u64().unwrap())
        .sum();
    figure(
        "what the second visit transfers",
        format!("{:.1} KB", again as f64 / 1024.0),
    );
    assert!(again < 8 * 1024, "{again}");

    // A slow network, as of a train: 1.6 Mbit/s and 150 ms.
    page.slow(1_600_000, 150).await;
    page.go("/").await;
    page.shows("connection", "data-state", "live").await;
    content_after(&page, "at 1.6 Mbit/s and 150 ms, nothing kept").await;
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

async fn content_after(page: &Browser, how: &str) {
    let content = page.ask("return seen.content").await;
    let paint = page
        .ask("return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null")
        .await;
    let mut text = String::new();
    write!(text, "{:.0} ms", content.as_f64().unwrap()).unwrap();
    if let Some(paint) = paint.as_f64() {
        write!(text, " (first paint {paint:.0} ms)").unwrap();
    }
    figure(&format!("until the counts stand there, {how}"), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_the_server_no_longer_has_says_so() {
    let mut system = System::start().await;
    let page = Browser::open(&system.url()).await;
    page.shows("connection", "data-state", "live").await;
    page.loses("[data-testid=outdated]").await;
    // As if this page were of another build.
    page.ask("document.querySelector('script[type=module]').setAttribute('src', '/boot-0000000000000000.js')").await;
    system.kill_server();
    system.start_server().await;
    page.click("[data-testid=outdated] button").await;
    page.loses("[data-testid=outdated]").await;
    page.shows("connection", "data-state", "live").await;
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_page_rests_and_is_right_when_it_is_looked_at_again() {
    const HIDE: &str = "Object.defineProperty(document, 'visibilityState', { get: () => window.state, configurable: true });
        window.state = arguments[0] ?? 'hidden'; document.dispatchEvent(new Event('visibilitychange'))";
    let mut system = System::start().await;
    let page = Browser::open(&system.url()).await;
    page.shows("connection", "data-state", "live").await;
    page.ask(HIDE).await;
    page.reads("[data-testid=connection]", "Paused").await;
    let sequence = page.attribute("sequence", "data-seq").await;
    system.worker(&["--handler", "*=simulate:1ms"]).await;
    for _ in 0..5 {
        let id = system.rest().submit(r#"{"name":"unseen"}"#).await;
        system.reaches(&id, JobState::Completed).await;
    }
    assert_eq!(
        page.attribute("sequence", "data-seq").await,
        sequence,
        "it rests"
    );
    page.shows("count-completed", "data-value", "0").await;
    page.ask(&HIDE.replace("arguments[0] ?? 'hidden'", "'visible'"))
        .await;
    page.shows("connection", "data-state", "live").await;
    page.counts("completed", 5).await;
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

/// As many streams as fifty tabs open, beside one: the store is asked as often
/// for each snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_tabs_ask_redis_no_more_often_than_one() {
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
        interval: Some(proto::duration(std::time::Duration::from_millis(500))),
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

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_tokens_asks_for_one_and_a_viewer_can_only_look() {
    let mut system = System::start().await;
    let file = system.folder().join("admin.token");
    system.kill_server();
    system
        .start_server_with(&[
            "--auth",
            "tokens",
            "--admin-token-file",
            file.to_str().unwrap(),
        ])
        .await;
    let page = Browser::open(&format!("{}/ui/queues", system.url())).await;
    page.sees("[data-testid=sign-in]").await;
    page.fill("[data-testid=token]", "jf_0123456789ab_nobody")
        .await;
    page.click("[data-testid=sign-in-do]").await;
    page.reads("[role=alert].problem", "does not take").await;
    let admin = std::fs::read_to_string(&file).unwrap();
    let admin = admin
        .lines()
        .find(|line| line.starts_with("jf_"))
        .unwrap()
        .to_owned();
    page.fill("[data-testid=token]", &admin).await;
    page.click("[data-testid=sign-in-do]").await;
    page.sees("main[data-testid=queues-page]").await;
    page.shows("caller", "data-role", "admin").await;
    page.reload().await;
    page.shows("caller", "data-role", "admin").await;

    let job = NewJob::new("send", "{}").unwrap();
    let id = system.queue.submit(job).await.unwrap().id.to_string();
    let path = file.to_str().unwrap();
    let made = [
        "--token-file",
        path,
        "token",
        "create",
        "reader",
        "--role",
        "viewer",
        "-o",
        "json",
    ];
    let made = system.run_cli(&made).await;
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let viewer = made["token"].as_str().unwrap_or_else(|| panic!("{made}"));
    look_as(&page, viewer, &id).await;
    assert_eq!(system.job(&id).await.state, JobState::Waiting);
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

/// Signs in with the token of a viewer: everything is there, nothing can be used.
async fn look_as(page: &Browser, viewer: &str, id: &str) {
    page.click("[data-testid=sign-out]").await;
    page.fill("[data-testid=token]", viewer).await;
    page.click("[data-testid=sign-in-do]").await;
    page.sees("[data-testid=read-only]").await;
    page.go(&format!("/ui/jobs/{id}")).await;
    page.sees("[data-testid=job][data-state=JOB_STATE_WAITING]")
        .await;
    page.sees("fieldset:disabled [data-testid=cancel]").await;
    page.loses("pre[data-testid=payload]").await;
    page.go("/ui/queues/default").await;
    page.sees("fieldset:disabled [data-testid=pause]").await;
}
