//! The Jobs page: from the click to the state in Redis.

use jobflow::JobState;
use jobflow::testing::wait_for;

use crate::system::System;
use crate::webdriver::Browser;

async fn rows(page: &Browser, count: usize) {
    page.shows("list-status", "data-rows", &count.to_string())
        .await;
}

async fn tab(page: &Browser, name: &str, count: usize) {
    page.holds(&format!(
        "document.querySelector('[data-testid=tab-{name}] [data-count]')?.dataset.count === '{count}'"
    ))
    .await;
}

async fn submit(system: &System, kind: &str, queue: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..count {
        let body = format!(r#"{{"name":"{kind}","queue":"{queue}","data":{n},"attempts":1}}"#);
        ids.push(system.rest().submit(&body).await);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_found_by_filter_tab_address_and_history() {
    let system = System::start().await;
    let page = Browser::open(&format!("{}/ui/jobs", system.url())).await;
    page.sees("[data-testid=empty] code").await;
    submit(&system, "send", "mail", 12).await;
    submit(&system, "resize", "images", 5).await;
    // The list follows without being asked.
    rows(&page, 17).await;
    tab(&page, "all", 17).await;
    tab(&page, "waiting", 17).await;

    // A wrong filter is told at once, with its place, and the list stays.
    page.fill("#filter", "queue = mail AND kynd = x").await;
    page.reads("[data-testid=filter-problem]", "kynd").await;
    page.reads("[data-testid=filter-problem] mark", "kynd")
        .await;
    rows(&page, 17).await;
    page.fill("#filter", "queue = m").await;
    page.reads("#suggestions", "mail").await;
    page.press(&char::from(fantoccini::key::Key::Down).to_string())
        .await;
    page.press(&char::from(fantoccini::key::Key::Enter).to_string())
        .await;
    page.holds("document.querySelector('#filter').value.trim() === 'queue = mail'")
        .await;
    page.press("kind = se*").await;
    page.press(&char::from(fantoccini::key::Key::Enter).to_string())
        .await;
    rows(&page, 12).await;
    tab(&page, "waiting", 12).await;
    tab(&page, "failed", 0).await;
    assert_eq!(
        page.address().await,
        "/ui/jobs?filter=queue+%3D+mail+kind+%3D+se*"
    );

    page.click("[data-testid=tab-failed]").await;
    rows(&page, 0).await;
    page.reads("[data-testid=empty]", "jobflow-cli job list --filter")
        .await;
    assert!(page.address().await.contains("state=failed"));
    page.back().await;
    rows(&page, 12).await;
    page.reload().await;
    rows(&page, 12).await;
    page.holds("document.querySelector('#filter').value === 'queue = mail kind = se*'")
        .await;
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn picked_jobs_and_all_that_match_are_changed_after_the_count_was_named() {
    let system = System::start().await;
    submit(&system, "send", "mail", 12).await;
    let others = submit(&system, "resize", "images", 5).await;
    let page = Browser::open(&format!("{}/ui/jobs?filter=queue+%3D+mail", system.url())).await;
    rows(&page, 12).await;

    // Two by hand, by keys alone.
    page.press("j").await;
    page.press("x").await;
    page.reads("[data-testid=selection]", "1 job selected")
        .await;
    page.press("j").await;
    page.press("x").await;
    page.reads("[data-testid=selection]", "2 jobs selected")
        .await;
    page.click("[data-testid=bulk-cancel]").await;
    page.reads("[data-testid=dialog] h2", "Cancel 2 jobs?")
        .await;
    page.fill("[data-testid=bulk-reason]", "not needed").await;
    page.press(&char::from(fantoccini::key::Key::Enter).to_string())
        .await;
    page.sees("[data-testid=operation][data-state=done]").await;
    reaches(&system, JobState::Cancelled, 2).await;

    // All that match, listed or not.
    page.click("[data-testid=select-listed]").await;
    page.click("[data-testid=select-all]").await;
    page.click("[data-testid=bulk-delete]").await;
    page.reads("[data-testid=dialog] h2", "Delete 12 jobs?")
        .await;
    page.reads("[data-testid=dialog]", "queue = mail").await;
    // Escape changes nothing.
    page.press(&char::from(fantoccini::key::Key::Escape).to_string())
        .await;
    page.loses("[data-testid=dialog]").await;
    page.click("[data-testid=bulk-delete]").await;
    page.reads("[data-testid=dialog-do]", "Delete 12 jobs")
        .await;
    page.click("[data-testid=dialog-do]").await;
    rows(&page, 0).await;
    reaches(&system, JobState::Cancelled, 0).await;
    reaches(&system, JobState::Waiting, 5).await;

    page.click("[data-testid=tab-all]").await;
    page.fill("#filter", " ").await;
    page.press(&char::from(fantoccini::key::Key::Enter).to_string())
        .await;
    rows(&page, 5).await;
    // One is opened by the keyboard.
    page.press(&char::from(fantoccini::key::Key::Escape).to_string())
        .await;
    page.click("[data-testid=reload]").await;
    page.press("j").await;
    page.press(&char::from(fantoccini::key::Key::Enter).to_string())
        .await;
    page.sees("[data-testid=job][data-job-id]").await;
    let id = page.attribute("job", "data-job-id").await;
    assert!(others.iter().any(|other| id == **other), "{id}");
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

/// Waits until Redis has so many jobs in a state.
async fn reaches(system: &System, state: JobState, jobs: u64) {
    let reached = async || (system.counts().await?.of(state) == jobs).then_some(());
    wait_for(&format!("{jobs} {state} jobs"), reached).await;
}
