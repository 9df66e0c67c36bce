//! What a newcomer does first, and what happens when everything else goes away.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, block_in_place};
use tokio_util::sync::CancellationToken;

use jobflow::JobState;
use jobflow::testing::wait_for;

use crate::system::{System, figure};
use crate::webdriver::Browser;

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_finds_a_failed_job_mends_it_and_sees_it_complete() {
    let mut system = System::start().await;
    let strict = system.script(
        "strict.sh",
        "grep -q '@' || { echo 'the field to is no address' >&2; exit 65; }; echo sent",
    );
    let handler = format!("email-delivery={strict}");
    system.worker(&["--handler", &handler]).await;
    let page = Browser::open(&system.url()).await;
    let body = r#"{"name":"email-delivery","attempts":1,"data":{"to":"user.example.com"}}"#;
    let id = system.rest().submit(body).await;

    // It fails, in sight of whoever looks.
    let row = format!("[data-testid=feed] [data-job-id='{id}']");
    page.sees(&format!("{row}[data-state=failed]")).await;
    page.click(&format!("{row} a")).await;
    // Why.
    page.reads("[data-testid=error]", "the field to is no address")
        .await;
    page.reads("pre[data-testid=payload]", "user.example.com")
        .await;
    // Mend it, and let it begin anew.
    page.click("[data-testid=retry-edited]").await;
    page.fill("[data-testid=payload-edit]", r#"{"to":"user@example.com"}"#)
        .await;
    page.click("[data-testid=dialog-do]").await;
    // It completes, without a reload.
    page.sees("[data-testid=job][data-state=JOB_STATE_COMPLETED]")
        .await;
    page.reads("pre[data-testid=result]", "sent").await;
    let job = system.reaches(&id, JobState::Completed).await;
    assert_eq!(job.payload, r#"{"to":"user@example.com"}"#);
    let clicks = page.clicks();
    figure("clicks from a failed job to its completion", clicks);
    assert_eq!(clicks, 3);
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

/// Waits for a condition, and tells how long it took by the clock of the page.
async fn took(page: &Browser, what: &str, condition: &str) {
    let begun = page.ask("return performance.now()").await.as_f64().unwrap();
    page.holds(condition).await;
    let now = page.ask("return performance.now()").await.as_f64().unwrap();
    figure(what, format!("{:.0} ms", now - begun));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_job_is_right_again_after_each_outage_without_a_reload() {
    const COMPLETED: &str = "document.querySelector('[data-testid=job]')?.dataset.state === 'JOB_STATE_COMPLETED' && document.querySelector('[data-testid=connection]').dataset.state === 'live'";
    const LIVE: &str =
        "document.querySelector('[data-testid=connection]').dataset.state === 'live'";
    let mut system = System::start_on(jobflow::testing::TestRedis::start_durable()).await;
    let gate = "while [ -d $folder ] && [ ! -e $folder/$JOBFLOW_JOB_ID ]; do sleep 0.02; done";
    let gated = format!("gated={}", system.script("gated.sh", gate));
    system.worker(&["--handler", &gated]).await;
    let page = Browser::open(&system.url()).await;
    page.ask("window.marker = 'the same page'").await;

    // The server is killed while the job runs, and the job ends meanwhile.
    let id = system.rest().submit(r#"{"name":"gated"}"#).await;
    walk_to(&page, &id).await;
    system.kill_server();
    page.holds(&format!("!({LIVE})")).await;
    std::fs::write(system.folder().join(&id), "").unwrap();
    system.reaches(&id, JobState::Completed).await;
    system.start_server().await;
    took(
        &page,
        "from the server being back until an open job is right",
        COMPLETED,
    )
    .await;

    // Redis is killed under everybody.
    let id = system.rest().submit(r#"{"name":"gated"}"#).await;
    walk_to(&page, &id).await;
    block_in_place(|| system.redis.kill());
    page.holds("document.querySelector('[data-testid=connection]').dataset.state !== 'live'")
        .await;
    std::fs::write(system.folder().join(&id), "").unwrap();
    block_in_place(|| system.redis.resume());
    took(&page, "from Redis being back until the numbers live", LIVE).await;
    page.holds(COMPLETED).await;
    assert_eq!(page.ask("return window.marker").await, "the same page");
    page.close().await;
    system.close().await;
}

/// Goes to the page of a job inside of the page that is open.
async fn walk_to(page: &Browser, id: &str) {
    page.click("[data-testid=go-j]").await;
    page.click(&format!(".job-row[data-job-id='{id}'] .cell-kind a"))
        .await;
    page.sees("[data-testid=job][data-state=JOB_STATE_ACTIVE]")
        .await;
}

/// Everything between the browser and the server, to be cut.
struct Wire {
    address: String,
    cut: CancellationToken,
}

impl Wire {
    /// Carries to the server, on a port of its own.
    async fn lay(port: u16, server: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let cut = CancellationToken::new();
        let cutting = cut.clone();
        tokio::spawn(async move {
            let mut carried = JoinSet::new();
            let carry = async {
                while let Ok((mut near, _)) = listener.accept().await {
                    let server = server.clone();
                    carried.spawn(async move {
                        let mut far = TcpStream::connect(server).await?;
                        copy_bidirectional(&mut near, &mut far).await
                    });
                }
            };
            cutting.run_until_cancelled(carry).await;
            carried.abort_all();
        });
        Self { address, cut }
    }

    fn port(&self) -> u16 {
        self.address.rsplit_once(':').unwrap().1.parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_network_is_told_and_mended_by_itself() {
    let mut system = System::start().await;
    system.worker(&["--handler", "*=simulate:1ms"]).await;
    let wire = Wire::lay(0, system.address().to_owned()).await;
    let page = Browser::open(&wire.address).await;
    page.counts("completed", 0).await;
    let port = wire.port();
    wire.cut.cancel();
    page.shows("connection", "data-state", "reconnecting").await;
    let id = system.rest().submit(r#"{"name":"unseen"}"#).await;
    system.reaches(&id, JobState::Completed).await;
    // For ten seconds nothing comes through, and nothing is made up.
    page.holds("Number(document.querySelector('[data-testid=age]').dataset.ageMs) >= 10000")
        .await;
    page.counts("completed", 0).await;
    page.sees("[data-testid=banner]").await;
    let laid = async || {
        let free = TcpListener::bind(("127.0.0.1", port)).await.is_ok();
        free.then_some(())
    };
    wait_for("the port to be free", laid).await;
    let _wire = Wire::lay(port, system.address().to_owned()).await;
    took(
        &page,
        "from the network being back until the numbers are right",
        "document.querySelector('[data-testid=count-completed]').dataset.value === '1'",
    )
    .await;
    page.shows("connection", "data-state", "live").await;
    page.close().await;
    system.close().await;
}
