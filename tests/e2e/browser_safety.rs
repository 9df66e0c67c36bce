//! What the page must never do: be large, be of another server unseen, or work
//! while nobody looks.

use std::fmt::Write;

use jobflow::JobState;

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
