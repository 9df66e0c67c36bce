//! A real browser, driven through WebDriver.

use std::env;
use std::fs;
use std::future::ready;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use fantoccini::key::Key;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use http::StatusCode;
use hyper_util::client::legacy::connect::HttpConnector;
use jobflow::testing::wait_for;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;
use crate::rest::Rest;
use crate::system::output_folder;

/// Before giving up.
const DRIVER_STARTS: usize = 5;
/// Before a script of a test is given up.
const SCRIPT_MS: u32 = 300_000;
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Runs in the page before anything of it: what the page may not do, and when
/// what the tests look for changed, by the clock of this machine.
const WITNESS: &str = r"
window.seen = { violations: [], rows: {}, connection: [], content: null };
addEventListener('securitypolicyviolation', (e) => {
  seen.violations.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sample}`);
});
new MutationObserver(() => {
  for (const row of document.querySelectorAll('[data-testid=feed] [data-job-id]')) {
    seen.rows[row.dataset.jobId] ??= Date.now();
  }
  if (document.querySelector('[data-testid=count-waiting][data-value]')) seen.content ??= performance.now();
  const state = document.querySelector('[data-testid=connection]')?.dataset.state;
  if (state && seen.connection.at(-1)?.state !== state) {
    seen.connection.push({ state, at: Date.now() });
  }
}).observe(document, { subtree: true, childList: true, attributes: true });
";

pub(crate) use fantoccini::wd::WindowHandle as Window;

pub(crate) struct Browser {
    client: Client,
    clicks: AtomicUsize,
    /// Of the session: what fantoccini does not know is asked for there.
    session: Rest,
    /// Until it has been closed.
    pid: Option<Pid>,
    _driver: Process,
    // Last: the others write into it until they end.
    _folder: TempDir,
}

impl Browser {
    /// Opens a page in a browser of its own.
    pub(crate) async fn open(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (driver, port) = start_driver(&folder).await;
        let driver_url = format!("http://127.0.0.1:{port}");
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&folder))
            .connect(&driver_url)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{driver}"));
        let id = client.session_id().await.unwrap().unwrap();
        let pid = client.capabilities().unwrap()["goog:processID"].as_i64();
        let browser = Self {
            session: Rest::new(&format!("{driver_url}/session/{id}")),
            pid: pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)),
            client,
            clicks: AtomicUsize::new(0),
            _driver: driver,
            _folder: folder,
        };
        let patience = json!({ "script": SCRIPT_MS });
        browser.post("/timeouts", &patience).await;
        browser.begin(url).await;
        browser
    }

    /// Opens a page in the window or tab that is driven, with a witness.
    async fn begin(&self, url: &str) {
        self.shape(1280, 800, "dark").await;
        let script = json!({ "source": WITNESS });
        self.devtools("Page.addScriptToEvaluateOnNewDocument", script)
            .await;
        self.client.goto(url).await.unwrap();
    }

    /// Opens a page in another window, or in another tab, and drives that.
    pub(crate) async fn open_another(&self, url: &str, is_window: bool) -> Window {
        let opened = self.client.new_window(!is_window).await.unwrap();
        let window = opened.handle;
        self.switch_to(&window).await;
        self.begin(url).await;
        window
    }

    /// The window or tab that is driven.
    pub(crate) async fn window(&self) -> Window {
        self.client.window().await.unwrap()
    }

    pub(crate) async fn switch_to(&self, window: &Window) {
        self.client.switch_to_window(window.clone()).await.unwrap();
    }

    /// Closes what is driven; another has to be switched to.
    pub(crate) async fn close_window(&self) {
        self.client.close_window().await.unwrap();
    }

    /// What a script returns.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        let asked = self.client.execute(script, Vec::new()).await;
        asked.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// What a script gives to the function that is its last argument.
    pub(crate) async fn later(&self, script: &str) -> Value {
        let asked = self.client.execute_async(script, Vec::new()).await;
        asked.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// An attribute of the element with this `data-testid`; null without one.
    pub(crate) async fn attribute(&self, test_id: &str, name: &str) -> Value {
        let script = format!(
            "return document.querySelector('[data-testid={test_id}]')?.getAttribute('{name}')"
        );
        self.ask(&script).await
    }

    /// Waits until an attribute has a value.
    pub(crate) async fn shows(&self, test_id: &str, name: &str, value: &str) {
        let what = format!("{test_id} to have {name} {value}");
        let shown = async || (self.attribute(test_id, name).await == value).then_some(());
        wait_for(&what, shown).await;
    }

    /// Waits until so many jobs are shown in a state.
    pub(crate) async fn counts(&self, state: &str, jobs: usize) {
        let test_id = format!("count-{state}");
        self.shows(&test_id, "data-value", &jobs.to_string()).await;
    }

    /// Waits until a job stands in the feed, and returns its state there.
    pub(crate) async fn row(&self, id: &str) -> String {
        let script = format!(
            "return document.querySelector('[data-testid=feed] [data-job-id=\"{id}\"]')?.dataset.state"
        );
        let row = async || Some(self.ask(&script).await.as_str()?.to_owned());
        wait_for(&format!("{id} to be in the feed"), row).await
    }

    /// Goes to a page of the dashboard as by the address bar.
    pub(crate) async fn go(&self, path: &str) {
        let mut url = self.client.current_url().await.unwrap();
        url.set_path("");
        url.set_query(None);
        let url = url.join(path).unwrap();
        self.client.goto(url.as_str()).await.unwrap();
    }

    /// The path and query in the address bar.
    pub(crate) async fn address(&self) -> String {
        let address = self.ask("return location.pathname + location.search").await;
        address.as_str().unwrap().to_owned()
    }

    pub(crate) async fn back(&self) {
        self.client.back().await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// Clicks what a selector finds, as soon as it can be clicked.
    pub(crate) async fn click(&self, css: &str) {
        self.clicks.fetch_add(1, Ordering::Relaxed);
        let click = async || {
            self.client
                .find(Locator::Css(css))
                .await
                .ok()?
                .click()
                .await
                .ok()
        };
        wait_for(&format!("{css} to be clicked"), click).await;
    }

    /// How often something was clicked.
    pub(crate) fn clicks(&self) -> usize {
        self.clicks.load(Ordering::Relaxed)
    }

    /// Slows the network down, to so many bits a second after so many
    /// milliseconds, and lets the browser keep nothing.
    pub(crate) async fn slow(&self, bits: u64, latency: u64) {
        let rate = bits / 8;
        let limits = json!({ "offline": false, "latency": latency, "downloadThroughput": rate, "uploadThroughput": rate });
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.setCacheDisabled", json!({ "cacheDisabled": true }))
            .await;
        self.devtools("Network.emulateNetworkConditions", limits)
            .await;
    }

    /// Replaces what stands in a box.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let fill = async || {
            let field = self.client.find(Locator::Css(css)).await.ok()?;
            let all = format!(
                "{}a{}{}",
                char::from(Key::Control),
                char::from(Key::Null),
                char::from(Key::Delete)
            );
            field.send_keys(&all).await.ok()?;
            field.send_keys(text).await.ok()
        };
        wait_for(&format!("{css} to be filled"), fill).await;
    }

    /// Types where the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        self.client
            .active_element()
            .await
            .unwrap()
            .send_keys(keys)
            .await
            .unwrap();
    }

    /// Waits until a selector finds something.
    pub(crate) async fn sees(&self, css: &str) {
        self.holds(&format!("document.querySelector(`{css}`) !== null"))
            .await;
    }

    /// Waits until a selector finds nothing.
    pub(crate) async fn loses(&self, css: &str) {
        self.holds(&format!("document.querySelector(`{css}`) === null"))
            .await;
    }

    /// Waits until what a selector finds has this in its text.
    pub(crate) async fn reads(&self, css: &str, text: &str) {
        let text = serde_json::to_string(text).unwrap();
        self.holds(&format!(
            "document.querySelector(`{css}`)?.textContent.includes({text}) === true"
        ))
        .await;
    }

    /// Waits until a condition holds in the page.
    pub(crate) async fn holds(&self, condition: &str) {
        let script = format!("return {condition}");
        let holds = async || (self.ask(&script).await == true).then_some(());
        wait_for(condition, holds).await;
    }

    /// Fails where the page did what its policy forbids, or complained.
    pub(crate) async fn assert_clean(&self) {
        assert_eq!(self.ask("return seen.violations").await, json!([]));
        let log = self.post("/se/log", &json!({ "type": "browser" })).await;
        let entries = log.as_array().unwrap();
        let severe: Vec<_> = entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE")
            // A server that is gone is not a fault of the page.
            .filter(|entry| entry["source"] != "network")
            .collect();
        assert!(severe.is_empty(), "{severe:?}");
    }

    /// Gives the page a size, and the theme that the system is said to have.
    pub(crate) async fn shape(&self, width: u32, height: u32, theme: &str) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await;
        let theme = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.devtools("Emulation.setEmulatedMedia", theme).await;
    }

    /// Saves what can be seen in `target/screenshots`.
    pub(crate) async fn screenshot(&self, name: &str) -> PathBuf {
        let folder = output_folder().join("screenshots");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.png"));
        fs::write(&path, self.client.screenshot().await.unwrap()).unwrap();
        path
    }

    pub(crate) async fn close(mut self) {
        self.client.clone().close().await.unwrap();
        self.pid = None;
    }

    /// A command of the browser's developer tools, and its answer.
    pub(crate) async fn devtools(&self, command: &str, params: Value) -> Value {
        let body = json!({ "cmd": command, "params": params });
        self.post("/goog/cdp/execute", &body).await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.session.post_to(path, &body.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        answer.json()["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A test that failed closed nothing, and the driver would leave it running.
        if let Some(pid) = self.pid {
            let _ended = kill_process(pid, Signal::KILL);
        }
    }
}

/// The driver and its port. It looks for a port that is free for IPv4 and ends
/// when the same is taken for IPv6; then it is started again.
async fn start_driver(folder: &TempDir) -> (Process, String) {
    for _ in 0..DRIVER_STARTS {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0");
        let mut driver = Process::start("chromedriver", &mut command, folder.path());
        let started = || {
            let log = driver.log();
            let port = log.rsplit_once("started successfully on port ");
            let port = port.and_then(|(_, rest)| Some(rest.split_once('.')?.0.to_owned()));
            let ended = !driver.is_running();
            ready((ended || port.is_some()).then_some((ended, port)))
        };
        if let (false, Some(port)) = wait_for("chromedriver", started).await {
            return (driver, port);
        }
        assert!(driver.log().contains("port not available"), "{driver}");
    }
    panic!("chromedriver finds no port in {DRIVER_STARTS} starts")
}

fn capabilities(folder: &TempDir) -> Capabilities {
    let profile = format!(
        "--user-data-dir={}",
        folder.path().join("profile").display()
    );
    let json = json!({
        "browserName": "chrome",
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": {
            "binary": browser(),
            "args": [
                "--headless=new",
                // Needs rights that containers seldom give; the page is our own.
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--hide-scrollbars",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-default-apps",
                "--disable-extensions",
                "--disable-sync",
                profile,
            ],
        },
    });
    serde_json::from_value(json).unwrap()
}

fn browser() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).collect();
    let programs = BROWSERS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let mut found = programs.filter(|program| program.is_file());
    found
        .next()
        .expect("a Chromium is installed (cargo xtask setup)")
}
