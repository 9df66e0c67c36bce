//! How evenly a page draws, and what it costs.

use std::fmt;

use serde_json::{Value, json};

use crate::webdriver::Browser;

/// Frames of a measurement.
pub(crate) const FRAMES: u32 = 600;
/// A frame that takes longer is seen as a stop.
const SLOW_MS: f64 = 50.0;

/// What scrolls in an empty page of this server: what the machine and the
/// browser take without anything of ours.
const EMPTY: &str = "document.body.style.height = '3600000px'";

/// Scrolls by so many pixels a frame, and tells how long each took and the
/// most rows that were ever drawn.
const SCROLL: &str = r"
  const done = arguments[arguments.length - 1];
  const list = document.querySelector('[data-testid=list]') ?? document.scrollingElement;
  const rows = list.getElementsByClassName('job-row');
  const frames = [];
  let last = null, drawn = 0, top = list.scrollTop;
  const step = (now) => {
    if (last !== null) frames.push(now - last);
    last = now;
    drawn = Math.max(drawn, rows.length);
    if (frames.length === FRAMES) return done({ frames, drawn });
    list.scrollTop = top += BY;
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
";

/// The frames of a measurement.
pub(crate) struct Frames {
    /// In milliseconds, the shortest first.
    all: Vec<f64>,
    /// Milliseconds of processor a frame took of the page's main thread, and
    /// of these in scripts, in styles, and in layout. Not longer where the
    /// machine is busy with something else.
    cost: [f64; 4],
    pub(crate) drawn: u64,
}

impl fmt::Display for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slow = self.all.iter().filter(|frame| **frame > SLOW_MS).count();
        let of = |part: usize| self.all[(self.all.len() - 1) * part / 100];
        let [all, script, style, layout] = self.cost;
        write!(
            f,
            "{} frames, over 50 ms: {slow}, median {:.1} ms, p99 {:.1} ms, longest {:.1} ms; \
             processor a frame: {all:.1} ms, script {script:.1}, style {style:.1}, layout {layout:.1}",
            self.all.len(),
            of(50),
            of(99),
            of(100),
        )
    }
}

/// Scrolls the list, or the page where there is none, by so many pixels a frame.
pub(crate) async fn scroll(page: &Browser, by: f64, frames: u32) -> Frames {
    let script = SCROLL
        .replace("FRAMES", &frames.to_string())
        .replace("BY", &by.to_string());
    let before = costs(page).await;
    let told = page.later(&script).await;
    let after = costs(page).await;
    let mut all: Vec<_> = told["frames"]
        .as_array()
        .unwrap()
        .iter()
        .map(|frame| frame.as_f64().unwrap())
        .collect();
    all.sort_by(f64::total_cmp);
    let cost = std::array::from_fn(|at| (after[at] - before[at]) * 1_000.0 / f64::from(frames));
    Frames {
        all,
        cost,
        drawn: told["drawn"].as_u64().unwrap(),
    }
}

/// The same in a page that is empty, for comparison.
pub(crate) async fn of_an_empty_page(page: &Browser) -> Frames {
    page.go("/healthz").await;
    page.ask(EMPTY).await;
    scroll(page, 120.0, FRAMES).await
}

/// Seconds of processor of the page's main thread so far.
async fn costs(page: &Browser) -> [f64; 4] {
    const NAMES: [&str; 4] = [
        "TaskDuration",
        "ScriptDuration",
        "RecalcStyleDuration",
        "LayoutDuration",
    ];
    let of_thread = json!({ "timeDomain": "threadTicks" });
    page.devtools("Performance.enable", of_thread).await;
    let told = metrics(page).await;
    NAMES.map(|name| metric(&told, name))
}

pub(crate) async fn metrics(page: &Browser) -> Value {
    page.devtools("Performance.getMetrics", json!({})).await
}

pub(crate) fn metric(told: &Value, name: &str) -> f64 {
    let all = told["metrics"].as_array().unwrap();
    let found = all.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {told}"))["value"]
        .as_f64()
        .unwrap()
}
