//! The Job page: followed live, explained, and changed by each of its buttons.

use std::fs::File;

use jobflow::testing::wait_for;
use jobflow::{JobState, QueueName};

use crate::system::System;
use crate::webdriver::Browser;

async fn open(system: &System, id: &str) -> Browser {
    Browser::open(&format!("{}/ui/jobs/{id}", system.url())).await
}

async fn state(page: &Browser, state: &str) {
    let name = format!("JOB_STATE_{}", state.to_uppercase());
    page.shows("job", "data-state", &name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_followed_from_its_submit_to_its_end() {
    const DATA: &str = r#"{"n":12345678901234567890,"f":1.10,"s":"\u0000é😀"}"#;
    let mut system = System::start().await;
    let mail: QueueName = "mail".parse().unwrap();
    let gated = system.script(
        "gated.sh",
        "echo first line >&2; while [ -d $folder ] && [ ! -e $folder/gate ]; do sleep 0.02; done; echo last line >&2; cat",
    );
    let id = system
        .rest()
        .submit(&format!(
            r#"{{"name":"send","queue":"mail","data":{DATA}}}"#
        ))
        .await;
    system
        .queue
        .pause(&mail, None, "deploying", None)
        .await
        .unwrap();
    let page = open(&system, &id).await;
    state(&page, "waiting").await;
    page.shows("explain", "data-reason", "QUEUE_PAUSED").await;
    page.reads("[data-testid=explain]", "deploying").await;
    page.click("[data-testid=resume-queue]").await;
    page.shows("explain", "data-reason", "NO_WORKER").await;
    let queues = system.queue.snapshot().await.unwrap().queues;
    assert!(queues[0].control.pauses.is_empty());

    let handler = format!("send={gated}");
    system
        .worker(&["--queue", "mail", "--handler", &handler])
        .await;
    state(&page, "active").await;
    page.reads("[data-testid=log]", "first line").await;
    page.sees("[data-testid=timeline] .step.run.going").await;
    File::create(system.folder().join("gate")).unwrap();
    state(&page, "completed").await;
    page.reads("[data-testid=log]", "last line").await;
    // What came in and went out, to the last digit.
    for part in ["payload", "result"] {
        for text in ["12345678901234567890", "1.10", r#""\u0000é😀""#] {
            page.reads(&format!("pre[data-testid={part}]"), text).await;
        }
    }
    page.reload().await;
    state(&page, "completed").await;
    page.reads("[data-testid=log]", "first line").await;

    // What somebody else does is seen as well.
    system
        .queue
        .delete(id.parse().unwrap(), jobflow::Force::No, None)
        .await
        .unwrap();
    page.sees("[data-testid=gone]").await;
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_action_of_the_page_reaches_the_job() {
    let mut system = System::start().await;
    let strict = system.script(
        "strict.sh",
        "grep -q good || { echo bad payload >&2; exit 65; }",
    );
    let handler = format!("strict={strict}");
    system
        .worker(&["--handler", &handler, "--handler", "slow=simulate:1h"])
        .await;
    let id = system
        .rest()
        .submit(r#"{"name":"strict","attempts":1,"data":{"to":"bad"}}"#)
        .await;
    system.reaches(&id, JobState::Failed).await;
    let page = open(&system, &id).await;
    state(&page, "failed").await;
    page.reads("[data-testid=error]", "bad payload").await;

    // Retry: fails again, and the page follows.
    page.click("[data-testid=retry]").await;
    wait_for("a second attempt", async || {
        (system.job(&id).await.attempts.len() == 2).then_some(())
    })
    .await;
    page.sees("[data-testid=attempts] li:nth-child(2)").await;
    state(&page, "failed").await;

    // Retry with edits: not while it is no JSON.
    page.click("[data-testid=retry-edited]").await;
    page.fill("[data-testid=payload-edit]", r#"{"to":"#).await;
    page.holds("document.querySelector('[data-testid=dialog-do]').disabled")
        .await;
    page.fill("[data-testid=payload-edit]", r#"{"to":"good"}"#)
        .await;
    page.click("[data-testid=dialog-do]").await;
    state(&page, "completed").await;
    let job = system.reaches(&id, JobState::Completed).await;
    assert_eq!(job.payload, r#"{"to":"good"}"#);
    page.reads("pre[data-testid=payload]", "good").await;
    page.reads(".previous", "bad").await;

    clone_and_delete(&system, &page, &id).await;
    page.close().await;

    promote_and_cancel(&system).await;
    system.close().await;
}

async fn clone_and_delete(system: &System, page: &Browser, id: &str) {
    // Clone: a job of its own, on its own page.
    page.click("[data-testid=clone]").await;
    page.click("[data-testid=dialog-do]").await;
    page.holds(&format!(
        "document.querySelector('[data-testid=job]')?.dataset.jobId !== '{id}'"
    ))
    .await;
    page.sees("[data-testid=job][data-job-id]").await;
    let copy = page
        .attribute("job", "data-job-id")
        .await
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        system.reaches(&copy, JobState::Completed).await.payload,
        r#"{"to":"good"}"#
    );

    // Delete asks, and the keyboard is enough.
    page.click("[data-testid=delete]").await;
    page.reads("[data-testid=dialog] h2", "Delete 1 job?").await;
    page.click("[data-testid=dialog-close]").await;
    page.loses("[data-testid=dialog]").await;
    page.click("[data-testid=delete]").await;
    page.click("[data-testid=dialog-do]").await;
    page.sees("[data-testid=jobs]").await;
    assert!(system.queue.get(copy.parse().unwrap()).await.is_err());
}

async fn promote_and_cancel(system: &System) {
    let later = system
        .rest()
        .submit(r#"{"name":"slow","delay":3600000}"#)
        .await;
    let page = open(system, &later).await;
    state(&page, "scheduled").await;
    page.shows("explain", "data-reason", "NOT_DUE").await;
    page.click("[data-testid=promote]").await;
    state(&page, "active").await;
    page.click("[data-testid=cancel]").await;
    page.reads("[data-testid=dialog]", "It runs").await;
    page.fill("[data-testid=cancel-reason]", "not needed").await;
    page.click("[data-testid=dialog-do]").await;
    state(&page, "cancelled").await;
    let job = system.reaches(&later, JobState::Cancelled).await;
    assert_eq!(job.error.unwrap().message, "not needed");
    page.assert_clean().await;
    page.close().await;
}
