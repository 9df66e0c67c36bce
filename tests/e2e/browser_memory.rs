//! What a page keeps: the same after half an hour of a busy afternoon, and
//! nothing of the pages that were left.

use std::env;
use std::fmt;
use std::time::Duration;

use jobflow::{JobQueue, NewJob};
use serde_json::json;

use crate::frames::{self, metric};
use crate::system::{System, figure};
use crate::webdriver::Browser;

/// A thousand jobs a second: so many at once, so often.
const BATCH: usize = 50;
const PACE: Duration = Duration::from_millis(50);
/// Snapshots a second.
const SNAPSHOTS: u64 = 2;
/// Of a short run; `JOBFLOW_MINUTES=30` measures.
const SHORT: Duration = Duration::from_secs(20);
/// WebAssembly takes its memory in larger and larger pieces.
const PIECE: f64 = 2.0 * 1024.0 * 1024.0;

/// The memory of the page, when all that nobody needs has been given back.
const WASM: &str = r"
  const done = arguments[arguments.length - 1];
  const app = performance.getEntriesByType('resource').find((one) => /app-[0-9a-f]+\.js$/.test(one.name));
  import(app.name).then((app) => app.default()).then((app) => done(app.memory.buffer.byteLength), (error) => done(String(error)));
";

/// What the witness has noted of the page goes: it is the test's own, and grows
/// with each job that is seen.
const FORGET: &str = "const notes = Object.keys(seen.rows).length; seen.rows = {}; return notes";

/// Waits within the page: each call of the driver leaves 68 bytes there for good,
/// in an empty page too, and whoever calls all the time measures that.
const WAIT: &str = r"
  const done = arguments[arguments.length - 1];
  const read = () => Number(document.querySelector('[data-testid=sequence]')?.dataset.seq);
  let begin = NaN;
  const timer = setInterval(() => {
    if (Number.isNaN(begin)) begin = read();
    if (!(read() >= begin + COUNT)) return;
    clearInterval(timer);
    done(null);
  }, 50);
";

#[derive(Debug, Clone, Copy)]
struct Memory {
    wasm: f64,
    heap: f64,
    nodes: f64,
    listeners: f64,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebi = |bytes: f64| bytes / 1024.0 / 1024.0;
        let (wasm, heap) = (mebi(self.wasm), mebi(self.heap));
        let Self {
            nodes, listeners, ..
        } = self;
        write!(
            f,
            "WebAssembly {wasm:.1} MiB, scripts {heap:.1} MiB, {nodes} nodes, {listeners} listeners"
        )
    }
}

async fn memory(page: &Browser) -> Memory {
    let noted = page.ask(FORGET).await;
    assert!(noted.as_u64() > Some(0), "no job was seen: {noted}");
    // The first may only end what was being collected already.
    for _ in 0..3 {
        page.devtools("HeapProfiler.collectGarbage", json!({}))
            .await;
    }
    page.devtools("Performance.enable", json!({ "timeDomain": "threadTicks" }))
        .await;
    let told = frames::metrics(page).await;
    let wasm = page.later(WASM).await;
    Memory {
        wasm: wasm.as_f64().unwrap_or_else(|| panic!("{wasm}")),
        heap: metric(&told, "JSHeapUsedSize"),
        nodes: metric(&told, "Nodes"),
        listeners: metric(&told, "JSEventListeners"),
    }
}

/// Fails where the page has kept more than chance explains.
fn assert_flat(before: Memory, after: Memory) {
    let told = format!("{before}\n{after}");
    assert!(after.wasm <= before.wasm + PIECE, "{told}");
    assert!(after.heap <= before.heap * 1.2 + PIECE, "{told}");
    assert!(after.nodes <= before.nodes * 1.2 + 200.0, "{told}");
    assert!(after.listeners <= before.listeners * 1.2 + 20.0, "{told}");
}

/// Jobs at an even pace, as long as it is not aborted.
async fn busy(queue: JobQueue) {
    let mut pace = tokio::time::interval(PACE);
    loop {
        pace.tick().await;
        let jobs = (0..BATCH).map(|n| NewJob::new(["mail", "resize", "report"][n % 3], "{}"));
        let jobs = jobs.collect::<Result<_, _>>().unwrap();
        for submitted in queue.submit_batch(jobs).await {
            submitted.unwrap();
        }
    }
}

async fn busy_system() -> (System, tokio::task::JoinHandle<()>) {
    let mut system = System::start().await;
    system
        .worker(&["--concurrency", "64", "--handler", "*=simulate:1ms"])
        .await;
    let load = tokio::spawn(busy(system.queue.clone()));
    (system, load)
}

/// Waits until the page has taken so many more snapshots.
async fn snapshots(page: &Browser, count: u64) {
    let wait = WAIT.replace("COUNT", &count.to_string());
    page.later(&wait).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_of_a_page_stays_flat_while_jobs_pass() {
    let minutes = env::var("JOBFLOW_MINUTES").ok();
    let minutes = minutes.map(|minutes| minutes.parse::<u64>().unwrap());
    let (system, load) = busy_system().await;
    let page = Browser::open(&system.url()).await;
    page.shows("connection", "data-state", "live").await;
    // What is kept on purpose fills up first: the chart, in a long run.
    let parts = minutes.unwrap_or(2);
    let part = minutes.map_or(SHORT / 2, |_| Duration::from_secs(60));
    let settled = if minutes.is_some() { 4 } else { 1 };
    let mut samples = Vec::new();
    for at in 1..=parts {
        snapshots(&page, SNAPSHOTS * part.as_secs()).await;
        samples.push(memory(&page).await);
        if at == settled.min(parts) || at % 5 == 0 || at == parts {
            let done = system.totals().await.completed;
            let passed = part.as_secs() * at;
            let last = samples[samples.len() - 1];
            figure(
                &format!("after {passed} s and {done} jobs"),
                format_args!("{last}"),
            );
        }
    }
    load.abort();
    let settled = usize::try_from(settled).unwrap().min(samples.len());
    assert_flat(samples[settled - 1], samples[samples.len() - 1]);
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

/// Goes to a page by a script: the driver keeps each element that it was asked
/// for, and with it the page that it stood in.
async fn go(page: &Browser, place: &str) {
    let link = format!("[data-testid=go-{place}]");
    page.ask(&format!("document.querySelector('{link}').click()"))
        .await;
    page.sees(&format!("{link}[aria-current=page]")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_left_keeps_nothing() {
    let (system, load) = busy_system().await;
    let page = Browser::open(&system.url()).await;
    page.shows("connection", "data-state", "live").await;
    let walk = async || {
        for place in ["j", "q", "d", "w", "e", "s", "o"] {
            go(&page, place).await;
            snapshots(&page, 1).await;
        }
    };
    walk().await;
    let once = memory(&page).await;
    for _ in 0..5 {
        walk().await;
    }
    let after = memory(&page).await;
    figure("pages after one walk through them", once);
    figure("pages after six walks", after);
    assert_flat(once, after);

    // How evenly they draw meanwhile.
    for (place, name) in [
        ("o", "the overview"),
        ("j", "the jobs"),
        ("e", "the events"),
    ] {
        go(&page, place).await;
        snapshots(&page, 2).await;
        let frames = frames::scroll(&page, 0.0, 300).await;
        figure(&format!("{name} at 1,000 jobs a second"), frames);
    }
    load.abort();
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}
