//! The dashboard without a mouse: everything is reached by Tab and seen to be
//! reached, and dialogs hold the focus and give it back.

use fantoccini::key::Key;
use jobflow::JobState;
use serde_json::{Value, json};

use crate::axe;
use crate::system::{System, figure};
use crate::webdriver::Browser;

/// What can be used, in sight or scrolled out of it, as the page numbers it.
/// Radio buttons and the like are not among them: there are none.
const USABLE: &str = r"
  const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')];
  const within = document.querySelector('dialog[open]') ?? document;
  window.usable = all.filter((one) => one.tabIndex >= 0 && within.contains(one) && !one.matches(':disabled')
    && one.checkVisibility({ visibilityProperty: true }) && one.getClientRects().length > 0);
  return usable.map((one) => one.outerHTML.slice(0, 160));
";

/// Where the focus is, by that number (-1: at what is no use, null: nowhere),
/// and what keeps a reader from seeing it there.
const FOCUSED: &str = r"
  const one = document.activeElement;
  if (one === document.body || one === null) return { at: null };
  const luminance = (colour) => {
    const is_unit = colour.startsWith('color(');
    const parts = colour.match(/[\d.]+/g).map(Number).slice(0, 3).map((part) => is_unit ? part : part / 255);
    const [r, g, b] = parts.map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const opaque = (colour) => !/, 0\)|\/ 0\)|transparent/.test(colour);
  const ground = (of) => {
    for (let at = of.parentElement; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (opaque(colour) && !/rgba|\//.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const style = getComputedStyle(one);
  const row = one.closest('.job-row:not(.head)');
  const faults = [];
  const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  if (!ring && !(row && getComputedStyle(row).boxShadow !== 'none')) faults.push('no ring');
  if (ring) {
    const [a, b] = [luminance(style.outlineColor), luminance(ground(one))].sort((a, b) => b - a);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 3) faults.push(`a ring of contrast ${contrast.toFixed(1)}`);
  }
  const boxes = [...one.getClientRects()].filter((box) => box.width > 0 && box.height > 0);
  const hit = boxes.some((box) => {
    const x = Math.min(Math.max(box.x + box.width / 2, 0), innerWidth - 1);
    const y = Math.min(Math.max(box.y + box.height / 2, 0), innerHeight - 1);
    const top = document.elementFromPoint(x, y);
    return top && (one.contains(top) || top.contains(one));
  });
  if (!hit && !one.matches('.skip')) faults.push('covered');
  return { at: usable.indexOf(one), faults, html: one.outerHTML.slice(0, 160) };
";

fn tab() -> String {
    char::from(Key::Tab).to_string()
}

fn escape() -> String {
    char::from(Key::Escape).to_string()
}

/// Goes through all that can be used by Tab, and returns what is wrong and how
/// much there is.
async fn walk(page: &Browser) -> (Vec<String>, usize) {
    page.ask("document.activeElement?.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)")
        .await;
    let usable = page.ask(USABLE).await;
    let usable = usable.as_array().unwrap();
    let mut faults = Vec::new();
    let mut reached = vec![false; usable.len()];
    // Once more than there is: a trap would hold the walk.
    for _ in 0..usable.len() + 3 {
        page.press(&tab()).await;
        let now = page.ask(FOCUSED).await;
        let Some(at) = now["at"].as_i64() else {
            continue;
        };
        let Ok(at) = usize::try_from(at) else {
            faults.push(format!("not to be used: {}", now["html"]));
            continue;
        };
        if std::mem::replace(&mut reached[at], true) {
            continue;
        }
        if now["faults"] != json!([]) {
            faults.push(format!("{} at {}", now["faults"], now["html"]));
        }
    }
    let missed = reached.iter().zip(usable).filter(|(reached, _)| !**reached);
    faults.extend(missed.map(|(_, html)| format!("not reached: {html}")));
    (faults, usable.len())
}

/// A system with something on each page that stands still, so that the walk
/// finds tomorrow what it found today.
async fn still() -> (System, String) {
    let mut system = System::start().await;
    system
        .worker(&["--handler", "fails=exec:false", "--queue", "mail"])
        .await;
    let mut failed = String::new();
    for queue in ["mail", "mail", "images", "images"] {
        let body = format!(r#"{{"name":"fails","queue":"{queue}","attempts":1,"data":{{"n":1}}}}"#);
        let id = system.rest().submit(&body).await;
        if queue == "mail" {
            system.reaches(&id, JobState::Failed).await;
            failed = id;
        }
    }
    (system, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_reached_by_tab_and_seen_there() {
    let (system, failed) = still().await;
    let page = Browser::open(&system.url()).await;
    let job = format!("/ui/jobs/{failed}");
    let mut faults = Vec::new();
    let mut all = 0;
    for (path, drawn) in [
        ("/", "[data-testid=feed] [data-job-id]"),
        ("/ui/jobs", ".job-row[data-index]"),
        (job.as_str(), "[data-testid=attempts] li"),
        ("/ui/queues", "[data-queue=images]"),
        ("/ui/queues/images", "[data-testid=pause]"),
        ("/ui/dead", ".group"),
        ("/ui/workers", ".worker"),
        ("/ui/events", "[data-listens=true]"),
        ("/ui/settings", "[data-testid=zone-utc]"),
        ("/ui/audit", "[data-testid=audit]"),
        ("/ui/nowhere", "[data-testid=missing]"),
    ] {
        page.go(path).await;
        page.sees(drawn).await;
        page.shows("connection", "data-state", "live").await;
        for (width, theme) in [(1280, "dark"), (390, "light")] {
            page.shape(width, 800, theme).await;
            page.holds(&format!("innerWidth === {width}")).await;
            let (found, count) = walk(&page).await;
            all += count;
            faults.extend(
                found
                    .into_iter()
                    .map(|fault| format!("{path} {width}: {fault}")),
            );
        }
    }
    figure("controls reached by Tab, 11 pages, 2 widths", all);
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dialogs_hold_the_focus_and_give_it_back() {
    let (system, failed) = still().await;
    let page = Browser::open(&system.url()).await;
    let job = format!("/ui/jobs/{failed}");
    let mut faults = Vec::new();
    for (path, button) in [
        ("/", "help"),
        (job.as_str(), "retry-edited"),
        (job.as_str(), "clone"),
        (job.as_str(), "delete"),
        ("/ui/queues/images", "pause"),
        ("/ui/queues/images", "purge"),
        ("/ui/queues/images", "delete-queue"),
        ("/ui/dead", "replay"),
        ("/ui/workers", "stop"),
        ("/ui/jobs", "bulk-cancel"),
    ] {
        page.go(path).await;
        if path == "/ui/jobs" {
            page.click("[data-testid=select-listed]").await;
        }
        page.sees(&format!("[data-testid={button}]")).await;
        page.shows("connection", "data-state", "live").await;
        axe::bring(&page).await;
        for theme in ["dark", "light"] {
            page.shape(1280, 800, theme).await;
            let name = format!("{button} {theme}");
            open(&page, button).await;
            page.screenshot(&format!("dialog-{button}-1280-{theme}"))
                .await;
            let judged = axe::judge(&page).await;
            faults.extend(judged.into_iter().map(|fault| format!("{name}: {fault}")));
            let (found, count) = walk(&page).await;
            assert!(count > 0, "{name} has nothing in it");
            faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
            // Given back, however it was closed.
            for close in ["escape", "button"] {
                if close == "escape" {
                    page.ask("document.querySelector('[data-testid=dialog-close]').focus()")
                        .await;
                    page.press(&escape()).await;
                } else {
                    open(&page, button).await;
                    page.click("[data-testid=dialog-close]").await;
                }
                page.loses("[data-testid=dialog]").await;
                let back = format!("document.activeElement.dataset.testid === '{button}'");
                page.holds(&back).await;
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}

/// Opens a dialog by the keyboard, which has the focus from then on.
async fn open(page: &Browser, button: &str) {
    page.ask(&format!(
        "document.querySelector('[data-testid={button}]').focus()"
    ))
    .await;
    page.press(&char::from(Key::Enter).to_string()).await;
    page.sees("dialog[open]").await;
    page.holds("document.querySelector('dialog[open]').contains(document.activeElement)")
        .await;
}

/// What was done may take away what had the focus: the page has it then.
#[tokio::test(flavor = "multi_thread")]
async fn the_focus_is_never_lost_with_what_was_done() {
    let (system, failed) = still().await;
    let page = Browser::open(&format!("{}/ui/jobs/{failed}", system.url())).await;
    page.sees("[data-testid=delete]").await;
    open(&page, "delete").await;
    page.ask("document.querySelector('[data-testid=dialog-do]').focus()")
        .await;
    page.press(&char::from(Key::Enter).to_string()).await;
    page.loses("[data-testid=dialog]").await;
    page.loses("[data-testid=delete]").await;
    page.holds("document.activeElement.id === 'main'").await;

    page.go("/ui/jobs?state=waiting").await;
    page.click("[data-testid=select-listed]").await;
    page.sees("[data-testid=bulk-cancel]").await;
    open(&page, "bulk-cancel").await;
    page.holds("!document.querySelector('[data-testid=dialog-do]').disabled")
        .await;
    page.ask("document.querySelector('[data-testid=dialog-do]').focus()")
        .await;
    page.press(&char::from(Key::Enter).to_string()).await;
    page.sees("[data-testid=operation][data-state=done]").await;
    page.holds("document.activeElement.id === 'main'").await;
    assert_eq!(
        page.ask("return document.activeElement.tagName").await,
        Value::from("MAIN")
    );
    page.assert_clean().await;
    page.close().await;
    system.close().await;
}
