//! Queues, dead letters, workers, events and settings: from the click to the
//! state in Redis.

use std::time::Duration;

use jobflow::testing::wait_for;
use jobflow::{Durability, JobState, QueueControl, WorkerState};

use crate::system::System;
use crate::webdriver::Browser;

async fn open(system: &System, path: &str) -> Browser {
    Browser::open(&format!("{}{path}", system.url())).await
}

/// The switches and settings of the only queue.
async fn control(system: &System, is: impl Fn(&QueueControl) -> bool) -> QueueControl {
    let reached = async || {
        let mut queues = system.queue.snapshot().await.ok()?.queues;
        let control = queues.pop()?.control;
        is(&control).then_some(control)
    };
    wait_for("the queue to be so", reached).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_set_paused_drained_purged_and_deleted_from_its_page() {
    let system = System::start().await;
    let page = open(&system, "/ui/queues").await;
    page.sees(".empty code").await;
    for _ in 0..3 {
        system
            .rest()
            .submit(r#"{"name":"send","queue":"mail"}"#)
            .await;
    }
    page.click("[data-queue=mail] a").await;
    page.sees("[data-testid=queue][data-queue=mail]").await;
    page.sees("[data-testid=no-worker]").await;
    page.sees(".state-link[data-state=waiting][data-value='3']")
        .await;

    pause_and_drain(&system, &page).await;
    set(&system, &page).await;
    clear_out(&page).await;
    page.sees("[data-testid=queues-page]").await;
    let gone = async || {
        system
            .queue
            .snapshot()
            .await
            .ok()?
            .queues
            .is_empty()
            .then_some(())
    };
    wait_for("the queue to be gone", gone).await;
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

async fn pause_and_drain(system: &System, page: &Browser) {
    page.click("[data-testid=pause]").await;
    page.fill("[data-testid=pause-reason]", "deploying").await;
    page.click("[data-testid=dialog-do]").await;
    page.sees("[data-testid=paused]").await;
    page.reads("[data-testid=pauses]", "deploying").await;
    let paused = control(system, |control| !control.pauses.is_empty()).await;
    assert_eq!(
        (
            paused.pauses[0].reason.as_str(),
            paused.pauses[0].kind.is_none()
        ),
        ("deploying", true)
    );
    page.click("[data-testid=resume]").await;
    control(system, |control| control.pauses.is_empty()).await;
    page.loses("[data-testid=paused]").await;

    page.click("[data-testid=drain]").await;
    control(system, |control| control.draining).await;
    page.click("[data-testid=open]").await;
    control(system, |control| !control.draining).await;
}

async fn set(system: &System, page: &Browser) {
    // In place, one at a time; what is no value is told beside it.
    let timeout = "[data-setting='settings.timeout']";
    page.fill(&format!("{timeout} input"), "soon").await;
    page.click(&format!("{timeout} button")).await;
    page.reads(&format!("{timeout} [data-testid=problem]"), "90s")
        .await;
    page.fill(&format!("{timeout} input"), "90s").await;
    page.click(&format!("{timeout} button")).await;
    let set = control(system, |control| control.settings.timeout.is_some()).await;
    assert_eq!(set.settings.timeout, Some(Duration::from_secs(90)));
    page.holds(&format!(
        "document.querySelector(`{timeout} button`).disabled"
    ))
    .await;
    page.click("[data-setting='settings.durability'] option[value=memory]")
        .await;
    page.click("[data-setting='settings.durability'] button")
        .await;
    control(system, |control| {
        control.settings.durability == Some(Durability::Memory)
    })
    .await;
    page.fill(
        "[data-setting='settings.failed_retention.count'] input",
        "7",
    )
    .await;
    page.click("[data-setting='settings.failed_retention.count'] button")
        .await;
    control(system, |control| control.settings.keep_failed == Some(7)).await;
}

async fn clear_out(page: &Browser) {
    // Not while it has jobs; they are purged after their number was named.
    page.click("[data-testid=delete-queue]").await;
    page.click("[data-testid=dialog-do]").await;
    page.sees("[data-testid=dialog] [data-reason=QUEUE_NOT_EMPTY]")
        .await;
    page.click("[data-testid=dialog-close]").await;
    page.click("[data-testid=purge]").await;
    page.click("[data-testid=purge-state] option:nth-child(4)")
        .await;
    page.reads("[data-testid=dialog] h2", "Delete 3 waiting jobs?")
        .await;
    page.click("[data-testid=dialog-do]").await;
    page.sees(".state-link[data-state=waiting][data-value='0']")
        .await;
    page.click("[data-testid=delete-queue]").await;
    page.click("[data-testid=dialog-do]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_jobs_stand_in_groups_and_a_group_is_replayed_at_a_rate() {
    let mut system = System::start().await;
    let moody = system.script(
        "moody.sh",
        "[ -e $folder/well ] || { echo \"no route to host $JOBFLOW_JOB_ID\" >&2; exit 65; }",
    );
    let handler = format!("moody={moody}");
    system
        .worker(&[
            "--concurrency",
            "4",
            "--handler",
            &handler,
            "--handler",
            "never=exec:false",
        ])
        .await;
    for n in 0..8 {
        let kind = if n < 6 { "moody" } else { "never" };
        let id = system
            .rest()
            .submit(&format!(r#"{{"name":"{kind}","attempts":1}}"#))
            .await;
        system.reaches(&id, JobState::Failed).await;
    }
    let page = open(&system, "/ui/dead").await;
    page.sees(".group[data-count='6']").await;
    page.sees(".group[data-count='2']").await;
    page.reads(".group[data-count='6']", "no route to host")
        .await;
    std::fs::write(system.folder().join("well"), "").unwrap();
    page.click(".group[data-count='6'] [data-testid=replay]")
        .await;
    page.reads("[data-testid=dialog] h2", "Retry 6 jobs?").await;
    page.fill("[data-testid=bulk-rate]", "fast").await;
    page.holds("document.querySelector('[data-testid=dialog-do]').disabled")
        .await;
    page.fill("[data-testid=bulk-rate]", "20").await;
    page.click("[data-testid=dialog-do]").await;
    page.sees("[data-testid=operation][data-state=done]").await;
    page.loses(".group[data-count='6']").await;
    page.sees(".group[data-count='2']").await;
    let counts = async || {
        let counts = system.counts().await?;
        (counts.completed == 6 && counts.failed == 2).then_some(())
    };
    wait_for("six completed jobs", counts).await;
    page.click(".group [data-testid=example]").await;
    page.sees("[data-testid=job][data-state=JOB_STATE_FAILED]")
        .await;
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_shows_what_it_runs_and_is_told_to_be_quiet_and_to_stop() {
    let mut system = System::start().await;
    let page = open(&system, "/ui/workers").await;
    page.sees("[data-testid=empty] code").await;
    let worker = system
        .worker(&["--concurrency", "2", "--handler", "*=simulate:1h"])
        .await;
    let id = system.rest().submit(r#"{"name":"endless"}"#).await;
    page.click("[data-testid=show-jobs]").await;
    page.sees(&format!("[data-testid=running] [data-job-id='{id}']"))
        .await;
    for (button, word, state) in [
        ("quiet", "quiet", WorkerState::Quiet),
        ("resume", "running", WorkerState::Running),
    ] {
        page.click(&format!("[data-testid={button}]")).await;
        page.sees(&format!(".worker[data-state={word}]")).await;
        let told = async || {
            let workers = system.queue.snapshot().await.ok()?.workers;
            (workers.first()?.beat.state == state).then_some(())
        };
        wait_for(word, told).await;
    }
    page.click("[data-testid=stop]").await;
    page.reads("[data-testid=dialog]", "1 running job").await;
    page.click("[data-testid=dialog-do]").await;
    let mut process = system.take_worker(worker);
    assert!(process.ended().await.success(), "{process}");
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_appear_as_they_happen_filtered_and_held() {
    let mut system = System::start().await;
    system.worker(&["--handler", "*=simulate:1ms"]).await;
    let page = open(&system, "/ui/events?filter=kind+%3D+seen").await;
    page.shows("events", "data-listens", "true").await;
    let other = system.rest().submit(r#"{"name":"other"}"#).await;
    let seen = system.rest().submit(r#"{"name":"seen"}"#).await;
    for state in ["WAITING", "ACTIVE", "COMPLETED"] {
        page.sees(&format!(
            ".event-row[data-job-id='{seen}'][data-state=JOB_STATE_{state}]"
        ))
        .await;
    }
    page.loses(&format!("[data-job-id='{other}']")).await;
    page.click("[data-testid=hold]").await;
    let held = system.rest().submit(r#"{"name":"seen"}"#).await;
    page.reads(".list-status", "3 events came meanwhile").await;
    page.loses(&format!("[data-job-id='{held}']")).await;
    page.click("[data-testid=hold]").await;
    page.sees(&format!("[data-job-id='{held}']")).await;
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_place_is_reached_by_click_key_and_address() {
    let system = System::start().await;
    let page = open(&system, "/").await;
    page.shows("connection", "data-state", "live").await;
    for (key, address, test_id) in [
        ("j", "/ui/jobs", "jobs"),
        ("q", "/ui/queues", "queues-page"),
        ("d", "/ui/dead", "dead"),
        ("w", "/ui/workers", "workers-page"),
        ("e", "/ui/events", "events"),
        ("a", "/ui/audit", "audit-page"),
        ("s", "/ui/settings", "settings"),
    ] {
        page.click(&format!("[data-testid=go-{key}]")).await;
        page.sees(&format!("main[data-testid={test_id}]")).await;
        assert_eq!(page.address().await, address);
        page.press("go").await;
        page.sees("#counts-title").await;
        page.press(&format!("g{key}")).await;
        page.sees(&format!("main[data-testid={test_id}]")).await;
        page.reload().await;
        page.sees(&format!("main[data-testid={test_id}]")).await;
        page.go("/ui/nowhere").await;
        page.sees("main[data-testid=missing]").await;
        page.back().await;
        page.sees(&format!("main[data-testid={test_id}]")).await;
    }
    page.press("?").await;
    page.reads("[data-testid=dialog]", "Dead letters").await;
    page.press(&char::from(fantoccini::key::Key::Escape).to_string())
        .await;
    page.loses("[data-testid=dialog]").await;

    // What is set holds after a reload.
    page.click("[data-testid=zone-utc]").await;
    page.reads("main", "UTC.").await;
    page.click("[data-testid=times-absolute]").await;
    page.click("[data-testid=density-compact]").await;
    page.press("t").await;
    page.reload().await;
    page.holds("document.documentElement.dataset.density === 'compact' && document.documentElement.dataset.theme === 'light'").await;
    for chosen in ["zone-utc", "times-absolute", "density-compact"] {
        page.shows(chosen, "aria-pressed", "true").await;
    }
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}
