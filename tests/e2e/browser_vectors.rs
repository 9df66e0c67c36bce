//! Data that would be markup if anything took it for that.

use jobflow::proto::SubmitJobRequest;
use jobflow::testing::wait_for;
use jobflow::{JobState, WorkerBeat, WorkerState};
use serde_json::{Value, json};

use crate::system::{System, figure};
use crate::webdriver::Browser;

const OUT_OF: [&str; 16] = [
    "",
    "\"",
    "'",
    "\">",
    "'>",
    "</p>",
    "</pre>",
    "</script>",
    "</style>",
    "-->",
    "</title>",
    "</textarea>",
    "`",
    "\\\"",
    "]]>",
    "{{",
];
const EVENTS: [&str; 8] = [
    "onerror",
    "onload",
    "onclick",
    "onfocus",
    "onmouseover",
    "ontoggle",
    "onbegin",
    "onanimationend",
];
const RUN: &str = "window.taken=1";
const TAGS: [&str; 14] = [
    "img src=x",
    "svg",
    "body",
    "input autofocus",
    "details open",
    "video src=x",
    "select autofocus",
    "audio src=x",
    "marquee",
    "x tabindex=1 autofocus",
    "animate",
    "iframe",
    "button autofocus",
    "textarea autofocus",
];

/// Markup that runs, wherever it is taken for markup: each way in with each
/// way out of what may be around it.
fn vectors() -> Vec<String> {
    let mut ways = vec![
        format!("<script>{RUN}</script>"),
        format!("<script src=data:text/javascript,{RUN}></script>"),
        format!("<iframe srcdoc='<script>parent.{RUN}</script>'>"),
        format!("<a href=javascript:{RUN}>x</a>"),
        format!("<form action=javascript:{RUN}><button autofocus>"),
        format!("<object data=javascript:{RUN}>"),
        format!("<meta http-equiv=refresh content='0;javascript:{RUN}'>"),
        format!("<style>@import 'javascript:{RUN}'</style>"),
        format!("<base href=javascript:{RUN}//>"),
        format!("<math><mtext><img src=x onerror={RUN}>"),
        format!("${{{RUN}}}"),
        format!("javascript:{RUN}//"),
        format!("\u{202e}<img src=x onerror={RUN}>"),
    ];
    for event in EVENTS {
        for tag in TAGS {
            ways.push(format!("<{tag} {event}={RUN}>"));
        }
    }
    let all = OUT_OF
        .iter()
        .flat_map(|out| ways.iter().map(move |way| format!("{out}{way}")));
    all.collect()
}

async fn submit(system: &System, kind: &str, payload: Vec<u8>) -> String {
    let request = SubmitJobRequest {
        kind: kind.to_owned(),
        payload: payload.into(),
        max_attempts: Some(1),
        headers: [(
            "<b>".to_owned(),
            "<img src=x onerror=window.taken=1>".to_owned(),
        )]
        .into(),
        ..SubmitJobRequest::default()
    };
    let answer = system.jobs().submit_job(request).await.unwrap();
    answer.into_inner().job.unwrap().id
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_vectors_are_shown_as_the_text_that_they_are() {
    let mut system = System::start().await;
    let vectors = vectors();
    assert!(vectors.len() >= 1_900, "{}", vectors.len());
    // Each line of the payload is logged, and returned; or is the error.
    let says = system.script("says.sh", "tee /dev/stderr");
    let fails = system.script("fails.sh", "cat >&2; exit 65");
    let handlers = [format!("says={says}"), format!("fails={fails}")];
    system
        .worker(&["--handler", &handlers[0], "--handler", &handlers[1]])
        .await;
    let page = Browser::open(&format!("{}/ui/events", system.url())).await;
    let all = serde_json::to_vec(&vectors).unwrap();
    let json = submit(&system, "says", all).await;
    let mut shown = vec![json];
    for lines in vectors.chunks(700) {
        shown.push(submit(&system, "says", lines.join("\n").into_bytes()).await);
    }
    for lines in vectors.chunks(60) {
        shown.push(submit(&system, "fails", lines.join("\n").into_bytes()).await);
    }
    let queue = "default".parse().unwrap();
    system
        .queue
        .pause(&queue, None, &vectors[1][..], None)
        .await
        .unwrap();

    for id in &shown {
        let ended = async || system.job(id).await.state.is_final().then_some(());
        wait_for("the job to end", ended).await;
    }
    // One by one in the lists as well, where each is a group of its own.
    page.go("/ui/dead").await;
    page.sees(".group").await;
    untouched(&page).await;
    page.go("/ui/jobs?state=failed").await;
    page.sees(".job-row[data-index]").await;
    untouched(&page).await;
    page.go("/ui/queues/default").await;
    page.reads("[data-testid=pauses]", &vectors[1]).await;
    untouched(&page).await;
    page.go("/").await;
    page.sees("[data-testid=feed] [data-job-id]").await;
    untouched(&page).await;
    let texts = read_through(&system, &page, &shown, &vectors).await;
    figure(
        "vectors shown as text",
        format!("{} on {texts} pages of jobs and 4 lists", vectors.len()),
    );
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

/// Opens each job, and tells how many.
async fn read_through(
    system: &System,
    page: &Browser,
    shown: &[String],
    vectors: &[String],
) -> usize {
    let mut texts = 0;
    for id in shown {
        page.go(&format!("/ui/jobs/{id}")).await;
        page.sees("pre[data-testid=payload]").await;
        page.ask("document.querySelectorAll('.viewer .button.wide').forEach((all) => all.click())")
            .await;
        let job = system.job(id).await;
        if job.state == JobState::Completed {
            page.holds("document.querySelectorAll('[data-testid=log] li').length > 0")
                .await;
        } else {
            page.sees("[data-testid=error]").await;
        }
        let last = vectors
            .iter()
            .rfind(|vector| contains(&job.payload, vector))
            .unwrap();
        let last = if job.content_type.contains("json") && job.payload.starts_with(b"[") {
            serde_json::to_string(last).unwrap()
        } else {
            last.clone()
        };
        page.reads("pre[data-testid=payload]", &last).await;
        untouched(page).await;
        texts += 1;
    }
    texts
}

fn contains(bytes: &[u8], text: &str) -> bool {
    let quoted = serde_json::to_string(text).unwrap();
    let whole = String::from_utf8_lossy(bytes);
    whole.contains(text) || whole.contains(quoted.as_str())
}

/// Nothing has run, nothing was tried, and no element came out of data.
async fn untouched(page: &Browser) {
    const COUNT: &str = "return document.querySelectorAll('main :is(script, img, iframe, object, math, base, meta, style, video, audio, marquee, form[action], a[href^=javascript])').length";
    assert_eq!(page.ask("return window.taken ?? null").await, Value::Null);
    assert_eq!(page.ask("return seen.violations").await, json!([]));
    assert_eq!(page.ask(COUNT).await, json!(0));
}

/// What people and processes say of queues and workers: each vector as the
/// host, the kinds and the version of a worker, and in the reason of a pause.
#[tokio::test(flavor = "multi_thread")]
async fn workers_and_pauses_are_shown_as_the_text_that_they_are() {
    /// As many as fit a reason, of at most 1 KiB, and as many reasons as a
    /// queue has.
    const IN_A_REASON: usize = 8;
    const REASONS: usize = 32;
    let system = System::start().await;
    let vectors = vectors();
    for (q, some) in vectors.chunks(IN_A_REASON * REASONS).enumerate() {
        let body = format!(r#"{{"name":"waits","queue":"q{q}"}}"#);
        system.rest().submit(&body).await;
        let queue = format!("q{q}").parse().unwrap();
        for (n, some) in some.chunks(IN_A_REASON).enumerate() {
            let kind = format!("kind-{n}").parse().unwrap();
            let reason = some.join(" ");
            system
                .queue
                .pause(&queue, Some(&kind), &reason, None)
                .await
                .unwrap();
        }
    }
    for (n, some) in vectors.chunks(IN_A_REASON).enumerate() {
        let beat = WorkerBeat {
            id: format!("{n} {}", some[0]),
            host: some.join(" "),
            pid: 1,
            version: some[0].clone(),
            queues: vec!["default".to_owned()],
            kinds: some.to_vec(),
            slots: 1,
            busy: 0,
            uptime_ms: Some(0),
            state: WorkerState::Running,
            running: Vec::new(),
        };
        system.queue.beat(&beat).await.unwrap();
    }
    let page = Browser::open(&format!("{}/ui/workers", system.url())).await;
    all_in(&page, ".workers", &vectors).await;
    untouched(&page).await;
    // Asked about by the name that it goes by.
    page.click(".worker [data-testid=stop]").await;
    page.sees("dialog[open]").await;
    untouched(&page).await;
    for (q, some) in vectors.chunks(IN_A_REASON * REASONS).enumerate() {
        page.go(&format!("/ui/queues/q{q}")).await;
        all_in(&page, "[data-testid=pauses]", some).await;
        untouched(&page).await;
    }
    page.go("/").await;
    page.shows("connection", "data-state", "live").await;
    untouched(&page).await;
    figure("vectors as names of workers and reasons", vectors.len());
    page.assert_clean().await;
    page.close().await;
    for (n, some) in vectors.chunks(IN_A_REASON).enumerate() {
        let id = format!("{n} {}", some[0]);
        system.queue.forget_worker(&id).await.unwrap();
    }
    system.close().await;
}

/// Waits until all of them stand in an element, letter by letter.
async fn all_in(page: &Browser, css: &str, texts: &[String]) {
    let texts = serde_json::to_string(texts).unwrap();
    page.holds(&format!(
        "((texts) => {{ const all = document.querySelector(`{css}`)?.textContent ?? ''; return texts.every((text) => all.includes(text)); }})({texts})"
    ))
    .await;
}
