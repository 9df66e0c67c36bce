//! What happened before a page was opened: the chart of the overview, and the
//! history of a queue.

use crate::past::remember_a_month;
use crate::system::System;
use crate::webdriver::Browser;

/// Lines of which there is something to see.
const DRAWN: &str = "[...document.querySelectorAll('SELECTOR')].some((path) => (path.getAttribute('d') || '').length > 300)";

fn drawn(selector: &str) -> String {
    DRAWN.replace("SELECTOR", selector)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_page_shows_the_last_minutes_at_once_and_percentiles_of_all_attempts() {
    let mut system = System::start().await;
    remember_a_month(&system, "mail", 12.0).await;
    system
        .worker(&["--queue", "mail", "--handler", "*=simulate:5ms"])
        .await;
    for _ in 0..60 {
        system
            .rest()
            .submit(r#"{"name":"send","queue":"mail"}"#)
            .await;
    }
    let page = Browser::open(&system.url()).await;
    page.shows("connection", "data-state", "live").await;
    page.holds(&drawn(".rates-panel .line.completed")).await;
    page.loses(".chart-wait").await;
    page.sees("[data-testid=memory]").await;
    assert_ne!(page.attribute("memory", "data-value").await, "0");
    // More than the fifty jobs that are listed, once the worker has beaten; those
    // of the month before are not of the last minutes.
    page.holds("Number(document.querySelector('[data-testid=percentiles]')?.dataset.count) >= 60")
        .await;
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_a_queue_goes_back_a_month_and_is_told_by_kind() {
    let system = System::start().await;
    remember_a_month(&system, "mail", 12.0).await;
    system
        .rest()
        .submit(r#"{"name":"send","queue":"mail"}"#)
        .await;
    let page = Browser::open(&format!("{}/ui/queues/mail", system.url())).await;
    for (span, title) in [
        ("1h", "1 h"),
        ("24h", "24 h"),
        ("7d", "7 d"),
        ("30d", "30 d"),
    ] {
        let choice =
            format!("document.querySelector('[data-testid=past]')?.dataset.span === '{span}'");
        if span != "1h" {
            page.ask(&format!(
                "[...document.querySelectorAll('.past-panel a')].find((one) => one.textContent === '{title}').click()"
            ))
            .await;
        }
        page.holds(&choice).await;
        for chart in ["past-jobs", "past-waiting", "past-wait", "past-run"] {
            page.holds(&drawn(&format!(
                "[data-testid={chart}] .chart-drawing .line"
            )))
            .await;
        }
        page.sees(&format!(
            ".past-panel a.pressed[href*='{}']",
            if span == "1h" { "queues/mail" } else { span }
        ))
        .await;
    }
    assert!(page.address().await.ends_with("/ui/queues/mail?span=30d"));

    // A kind is told by workers alone: nobody knows how many of it wait.
    page.click(".past-kinds a[href*='transcode']").await;
    page.sees("[data-testid=past][data-kind=transcode]").await;
    page.loses("[data-testid=past-waiting]").await;
    page.reload().await;
    page.sees("[data-testid=past][data-kind=transcode][data-span='30d']")
        .await;
    page.holds(&drawn("[data-testid=past-run] .line.p99")).await;
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}
