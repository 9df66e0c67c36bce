//! How every page looks, and whether everybody can use it: in two themes, on a
//! desk and on a phone, judged by axe-core and kept as pictures.

use std::time::Duration;

use jobflow::JobState;
use jobflow::testing::wait_for;
use serde_json::json;

use crate::axe;
use crate::past::remember_a_month;
use crate::rest::Rest;
use crate::system::{System, figure, output_folder};
use crate::webdriver::Browser;

/// What is looked at, and what stands there once it is drawn.
async fn pages(system: &System) -> Vec<(&'static str, String, &'static str)> {
    let failed = failed_job(system).await;
    let page = |name, path: &str, drawn| (name, path.to_owned(), drawn);
    vec![
        page("overview", "/", "[data-testid=feed] [data-job-id]"),
        page("jobs", "/ui/jobs", ".job-row[data-index]"),
        (
            "job",
            format!("/ui/jobs/{failed}"),
            "[data-testid=attempts] li",
        ),
        page("queues", "/ui/queues", "[data-queue=reports]"),
        page("queue", "/ui/queues/reports", "[data-testid=paused]"),
        page(
            "history",
            "/ui/queues/mail?span=24h",
            "[data-testid=past-run] .line",
        ),
        page("dead", "/ui/dead", ".group"),
        page("workers", "/ui/workers", ".worker"),
        page("events", "/ui/events", ".event-row"),
        page("audit", "/ui/audit", "[data-testid=audit] [data-result=OK]"),
        page("settings", "/ui/settings", "[data-testid=zone-utc]"),
    ]
}

/// Saves `target/screenshots/<page>-<width>-<theme>.png`; `cargo xtask
/// screenshots` copies them to the documentation.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_is_readable_and_can_be_used_by_everybody() {
    let mut system = System::start().await;
    remember_a_month(&system, "mail", 13.0).await;
    remember_a_month(&system, "images", 12.0).await;
    workers(&mut system).await;
    let load = tokio::spawn(lively(system.rest()));
    let pages = pages(&system).await;
    system
        .rest()
        .submit(r#"{"name":"monthly-report","queue":"reports"}"#)
        .await;
    let pause = [
        "queue",
        "pause",
        "reports",
        "--reason",
        "the database is moved",
    ];
    let paused = system.run_cli(&pause).await;
    assert!(paused.status.success(), "{paused:?}");

    let page = Browser::open(&system.url()).await;
    page.holds("Number(document.querySelector('[data-testid=sequence]')?.dataset.seq) >= 12")
        .await;
    let mut faults = Vec::new();
    for (name, path, drawn) in &pages {
        page.go(path).await;
        page.sees(drawn).await;
        // Rates of queues are told from what the tab has seen.
        page.holds(SETTLED).await;
        page.shows("connection", "data-state", "live").await;
        axe::bring(&page).await;
        for size in [(1280, 800), (390, 844), (360, 740), (2560, 1440)] {
            for theme in ["dark", "light"] {
                look(&page, name, size, theme, &mut faults).await;
            }
        }
    }
    load.abort();
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
    let path = output_folder().join("screenshots");
    figure("screenshots", path.display());
    page.assert_clean().await;
    page.close().await;
    // What runs ends, what waits stays: no more is needed of this load.
    system.close().await;
}

/// Takes a picture, and judges what it shows.
async fn look(
    page: &Browser,
    name: &str,
    (width, height): (u32, u32),
    theme: &str,
    faults: &mut Vec<String>,
) {
    page.shape(width, height, theme).await;
    page.holds(&format!("innerWidth === {width}")).await;
    let beyond = page.ask(BEYOND).await;
    if beyond != json!([]) {
        faults.push(format!("{name} {width} {theme} scrolls sideways: {beyond}"));
    }
    page.screenshot(&format!("{name}-{width}-{theme}")).await;
    // The other widths differ in nothing that it looks at.
    if [390, 1280].contains(&width) {
        let found = axe::judge(page).await.into_iter();
        faults.extend(found.map(|fault| format!("{name} {width} {theme}: {fault}")));
    }
}

/// The page has drawn some numbers since it was loaded.
const SETTLED: &str = r"(() => {
    const shown = Number(document.querySelector('[data-testid=sequence]')?.dataset.seq);
    window.firstShown ??= shown || undefined;
    return shown >= window.firstShown + 4;
  })()
";

/// What sticks out where the page scrolls sideways.
const BEYOND: &str = r"
  if (document.documentElement.scrollWidth <= innerWidth) return [];
  const all = [...document.querySelectorAll('main *, header *, footer *')];
  const out = all.filter((one) => one.getBoundingClientRect().right > innerWidth);
  return out.map((one) => one.outerHTML.slice(0, 200));
";

/// A worker for each of two queues, one kind of whose jobs fails now and then.
async fn workers(system: &mut System) {
    for host in ["mail", "images"] {
        let moody = system.script(
            "moody.sh",
            "echo connecting to smtp.example.com >&2; [ $((0x$(echo $JOBFLOW_JOB_ID | tail -c 3) % 9)) -gt 0 ] || { echo \"550 mailbox $JOBFLOW_JOB_ID unavailable\" >&2; exit 65; }; echo sent >&2",
        );
        let handler = format!("email-delivery={moody}");
        let arguments = ["--queue", host, "--concurrency", "8", "--handler", &handler];
        let others = ["--handler", "*=simulate:40ms..900ms,fail=6%"];
        system.worker(&[&arguments[..], &others].concat()).await;
    }
}

/// A job that has failed with a log and several attempts.
async fn failed_job(system: &System) -> String {
    let rest = system.rest();
    let failed = async || {
        let body = r#"{"name":"email-delivery","queue":"mail","attempts":1,"data":{"to":"user@example.com","order":12345678901234567890,"lines":[{"sku":"A-1","n":2},{"sku":"B-7","n":1}],"express":true}}"#;
        let id = rest.submit(body).await;
        let ended = async || Some(system.job(&id).await.state).filter(|state| state.is_final());
        let state = wait_for("a job to end", ended).await;
        (state == JobState::Failed).then_some(id)
    };
    wait_for("a job to fail", failed).await
}

/// A mix of jobs, as an afternoon brings them.
async fn lively(rest: Rest) {
    const JOBS: [(&str, &str); 5] = [
        ("email-delivery", "mail"),
        ("welcome-mail", "mail"),
        ("resize-image", "images"),
        ("transcode", "images"),
        ("monthly-report", "reports"),
    ];
    let mut pace = tokio::time::interval(Duration::from_millis(32));
    for n in 0_u64.. {
        pace.tick().await;
        let index = usize::try_from(n * 7 % 5).unwrap();
        let (kind, queue) = JOBS[index];
        let delay = if n % 17 == 0 { 60_000 } else { 0 };
        let (priority, attempts) = (n % 10, 1 + n % 3);
        rest.submit(&format!(
            r#"{{"name":"{kind}","queue":"{queue}","priority":{priority},"attempts":{attempts},"delay":{delay}}}"#
        ))
        .await;
    }
}
