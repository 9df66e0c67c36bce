//! A queue over several partitions, from its page.

use jobflow::NewJob;

use crate::system::System;
use crate::webdriver::Browser;

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_spread_from_its_page_which_tells_of_each_partition() {
    const JOBS: usize = 60;
    let system = System::start().await;
    submit(&system, "before", JOBS).await;
    let page = Browser::open(&format!("{}/ui/queues/mail", system.url())).await;
    page.sees("[data-testid=queue][data-queue=mail]").await;
    page.loses("[data-testid=partitions]").await;

    let setting = "[data-setting='settings.partitions']";
    page.fill(&format!("{setting} input"), "65").await;
    page.click(&format!("{setting} button")).await;
    page.reads(&format!("{setting} [data-testid=problem]"), "1 to 64")
        .await;
    page.fill(&format!("{setting} input"), "4").await;
    page.click(&format!("{setting} button")).await;
    page.reads("[data-testid=partitions]", "4 take new jobs")
        .await;
    submit(&system, "after", JOBS).await;
    let counts = "[...document.querySelectorAll('[data-partition]')]
        .map(row => Number(row.querySelector('.waiting').textContent))";
    let all = 2 * JOBS;
    page.holds(&format!("{counts}.reduce((a, b) => a + b, 0) === {all}"))
        .await;
    page.holds(&format!(
        "{counts}.length === 4 && {counts}.every(n => n > 0)"
    ))
    .await;

    // Those over the new number have jobs, so they stay until these are done.
    page.fill(&format!("{setting} input"), "2").await;
    page.click(&format!("{setting} button")).await;
    page.reads("[data-partition='2']", "worked off").await;
    page.reads("[data-partition='3']", "worked off").await;
    page.loses("[data-partition='1'] .badge").await;
    page.go("/ui/queues").await;
    page.reads("[data-queue=mail] .card-note", "2 partitions")
        .await;
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

/// Jobs that their keys spread.
async fn submit(system: &System, name: &str, jobs: usize) {
    for n in 0..jobs {
        let new = NewJob::new("send", "{}").unwrap().queue("mail").unwrap();
        let keyed = new.idempotency_key(format!("{name}-{n}")).unwrap();
        system.queue.submit(keyed).await.unwrap();
    }
}
