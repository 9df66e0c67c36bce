//! The dashboard in a real browser: pushed numbers, the feed, a server that
//! goes away, and how it looks.

use std::fs::File;
use std::time::Duration;

use jobflow::JobState;
use jobflow::proto::submit_job_request::When;
use jobflow::proto::{self, Backoff, SubmitJobRequest};
use jobflow::testing::wait_for;
use rustix::process::Signal;

use crate::system::{System, figure};
use crate::webdriver::Browser;

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_move_while_jobs_run() {
    let mut system = System::start().await;
    let gate = "while [ -d $folder ] && [ ! -e $folder/gate ]; do sleep 0.02; done";
    let gated = format!("gated={}", system.script("gated.sh", gate));
    let arguments = ["--concurrency", "4", "--handler", &gated];
    system
        .worker(&[&arguments[..], &["--handler", "fails=exec:false"]].concat())
        .await;
    let page = Browser::open(&system.url()).await;
    page.shows("connection", "data-state", "live").await;
    page.shows("health", "data-status", "healthy").await;
    for state in [
        "waiting",
        "active",
        "completed",
        "failed",
        "scheduled",
        "retrying",
    ] {
        page.counts(state, 0).await;
    }

    for n in 0..20 {
        system
            .rest()
            .submit(&format!(r#"{{"name":"gated","data":{n}}}"#))
            .await;
    }
    page.counts("active", 4).await;
    page.counts("waiting", 16).await;
    page.counts("completed", 0).await;
    File::create(system.folder().join("gate")).unwrap();
    page.counts("completed", 20).await;
    page.counts("active", 0).await;
    page.counts("waiting", 0).await;

    let last = system
        .rest()
        .submit(r#"{"name":"fails","attempts":1}"#)
        .await;
    page.counts("failed", 1).await;
    assert_eq!(page.row(&last).await, "failed");
    submit_for_later(&system).await;
    page.counts("retrying", 1).await;
    page.counts("scheduled", 1).await;
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

/// A job that is put off after an error, and one that is from its start.
async fn submit_for_later(system: &System) {
    let days = Some(proto::duration(Duration::from_secs(10 * 24 * 3600)));
    let backoff = Backoff {
        initial: days,
        multiplier: 1.0,
        max: days,
    };
    for (backoff, when) in [(Some(backoff), None), (None, days.map(When::Delay))] {
        let request = SubmitJobRequest {
            kind: "fails".to_owned(),
            backoff,
            when,
            ..SubmitJobRequest::default()
        };
        system.jobs().submit_job(request).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_job_stands_in_the_feed() {
    let mut system = System::start().await;
    system.worker(&["--handler", "*=simulate:1ms"]).await;
    let page = Browser::open(&system.url()).await;
    page.shows("connection", "data-state", "live").await;

    let mut delays = Vec::new();
    for _ in 0..10 {
        let id = system.rest().submit(r#"{"name":"seen"}"#).await;
        assert_eq!(page.row(&id).await, "completed");
        let finished = system
            .reaches(&id, JobState::Completed)
            .await
            .finished
            .unwrap();
        let appeared = page.ask(&format!("return seen.rows['{id}']")).await;
        delays.push(appeared.as_u64().unwrap().saturating_sub(finished.0));
    }
    delays.sort_unstable();
    figure(
        "from completed until in the feed",
        format!(
            "{} ms (median), {} ms (longest of 10)",
            delays[5], delays[9]
        ),
    );
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_that_the_server_is_gone_and_goes_on_when_it_is_back() {
    let mut system = System::start().await;
    system.worker(&["--handler", "*=simulate:1ms"]).await;
    let page = Browser::open(&system.url()).await;
    page.shows("connection", "data-state", "live").await;
    page.ask("window.marker = 'the same page'").await;
    let before = system.rest().submit(r#"{"name":"before"}"#).await;
    page.row(&before).await;
    page.assert_clean().await;

    let gone = page.ask("return Date.now()").await.as_u64().unwrap();
    system.kill_server();
    let told = told(&page, |state| state != "live").await;
    figure(
        "from the death of the server until the page says so",
        format!("{} ms", told.saturating_sub(gone)),
    );
    system.start_server().await;
    let back = page.ask("return Date.now()").await.as_u64().unwrap();
    let told = self::told(&page, |state| state == "live").await;
    figure(
        "from the server being back until the page is live",
        format!("{} ms", told.saturating_sub(back)),
    );

    let after = system.rest().submit(r#"{"name":"after"}"#).await;
    assert_eq!(page.row(&after).await, "completed");
    page.counts("completed", 2).await;
    assert_eq!(page.ask("return window.marker").await, "the same page");

    // A server that hangs looks like one that is gone.
    system.server().signal(Signal::STOP);
    self::told(&page, |state| state != "live").await;
    system.server().signal(Signal::CONT);
    self::told(&page, |state| state == "live").await;
    assert_eq!(page.ask("return window.marker").await, "the same page");
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

/// Waits until the page tells of such a connection, and since when it does.
async fn told(page: &Browser, is: impl Fn(&str) -> bool) -> u64 {
    let told = async || {
        let last = page.ask("return seen.connection.at(-1)").await;
        is(last["state"].as_str()?).then(|| last["at"].as_u64())?
    };
    wait_for("the page to tell of its connection", told).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_that_redis_is_gone() {
    let mut system = System::start().await;
    system.worker(&["--handler", "*=simulate:1ms"]).await;
    let page = Browser::open(&system.url()).await;
    page.shows("health", "data-status", "healthy").await;
    tokio::task::block_in_place(|| system.redis.stop());
    page.shows("health", "data-status", "unhealthy").await;
    tokio::task::block_in_place(|| system.redis.resume());
    page.shows("health", "data-status", "healthy").await;
    page.shows("connection", "data-state", "live").await;
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}
