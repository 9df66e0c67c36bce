//! Secrets that are looked for wherever somebody could find them: in the logs of
//! all processes at their most talkative, in metrics, traces and panics, in what the
//! command line prints, and in the pages of a reader who may not see them.

use std::process::{Command, Output};

use jobflow::JobState;
use jobflow::proto::SubmitJobRequest;
use jobflow::testing::{TestRedis, wait_for};
use serde_json::Value;
use tonic::Request;

use crate::process::Process;
use crate::rest::Rest;
use crate::system::{System, WorkerAt, figure};
use crate::trace::{address, python};
use crate::webdriver::Browser;

const PAYLOAD: &str = "canary-payload-4f1e";
const RESULT: &str = "canary-result-9b2c";
const HEADER: &str = "canary-header-77d0";
const WRONG_TOKEN: &str = "canarywrongtoken3a1f";
const IN_URL: &str = "canary-url-c81d";
const IN_HOOK: &str = "canary-hook-05ee";
const OF_REDIS: &str = "canary-redis-6d9a";
const OF_HOOKS: &str = "whsec_Y2FuYXJ5LWhvb2tzLTEyMzQ1Njc4OTAxMjM0NTY=";

/// What was found, and where.
#[derive(Default)]
struct Search {
    secrets: Vec<(&'static str, String)>,
    places: usize,
    bytes: usize,
    hits: Vec<String>,
}

impl Search {
    fn hide(&mut self, name: &'static str, secret: &str) {
        self.secrets.push((name, secret.to_owned()));
    }

    /// Looks through what must have this word in it: an empty place proves nothing.
    fn look(&mut self, place: &str, text: &str, word: &str) {
        assert!(text.contains(word), "{place} has no {word}: {text}");
        self.places += 1;
        self.bytes += text.len();
        for (name, secret) in &self.secrets {
            if let Some(at) = text.find(secret.as_str()) {
                let begin = text[..at].rfind('\n').map_or(0, |line| line + 1);
                let line: String = text[begin..].chars().take(400).collect();
                self.hits.push(format!("{name} in {place}: {line}"));
            }
        }
    }
}

/// A system whose Redis wants a password and whose server wants tokens, and all of
/// whose processes say everything.
async fn start(collector: &str) -> (System, String) {
    let redis = TestRedis::start();
    let password = format!(">{OF_REDIS}");
    let user = [
        "ACL", "SETUSER", "canary", "on", &password, "~*", "&*", "+@all",
    ];
    assert_eq!(redis.cli(&user).trim(), "OK");
    let url = redis.url();
    let url = url.replace("redis://", &format!("redis://canary:{OF_REDIS}@"));
    let endpoint = format!("http://{collector}");
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("RUST_LOG", "trace"),
        ("RUST_BACKTRACE", "full"),
    ];
    let mut system = System::prepare_at(redis, &url, &variables);
    let file = system.folder().join("admin.token");
    let words = [
        "--auth",
        "tokens",
        "--admin-token-file",
        file.to_str().unwrap(),
    ];
    system.start_server_with(&words).await;
    let admin = std::fs::read_to_string(file).unwrap().trim().to_owned();
    (system, admin)
}

/// A worker with a handler for each way in which a secret passes.
async fn work(system: &mut System) -> WorkerAt {
    let result = system.script("result.sh", &format!("cat > /dev/null; printf %s {RESULT}"));
    let hook = format!("hook=http:{}/hook?key={IN_HOOK}", system.url());
    let closed = format!("closed=http:http://127.0.0.1:9/hook?key={IN_HOOK}");
    let secrets = system.folder().join("hooks");
    std::fs::write(&secrets, OF_HOOKS).unwrap();
    let result = format!("result={result}");
    let handlers = [
        &result,
        &hook,
        &closed,
        "panics=simulate:1ms,panic=100%",
        "fails=simulate:1ms,fail=100%,progress,log",
    ];
    let mut words = vec!["--http-secret-file", secrets.to_str().unwrap()];
    for handler in &handlers {
        words.extend(["--handler", handler]);
    }
    system.worker(&words).await
}

/// Submits a job of a kind with a secret payload and a secret header.
async fn submit(system: &System, token: &str, kind: &str) -> String {
    let mut request = Request::new(SubmitJobRequest {
        kind: kind.to_owned(),
        payload: format!(r#"{{"card":"{PAYLOAD}"}}"#).into(),
        headers: [("x-api-key".to_owned(), HEADER.to_owned())].into(),
        max_attempts: Some(1),
        ..SubmitJobRequest::default()
    });
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    let answer = system.jobs().submit_job(request).await.unwrap();
    answer.into_inner().job.unwrap().id
}

/// Makes calls that have a secret in them and are refused.
async fn knock(system: &System) {
    let rest = system.rest();
    let refused = rest.get(&format!("/stats?token={IN_URL}")).await;
    assert_eq!(refused.status, 401);
    let page = rest.get(&format!("/?token={IN_URL}")).await;
    assert_eq!(page.status, 200);
    let wrong = format!("Bearer jf_0123456789ab_{WRONG_TOKEN}");
    let refused = rest.get_with("/stats", &[("authorization", &wrong)]).await;
    assert_eq!(refused.status, 401);
    let broken = format!(r#"{{"name":"a","delay":"{PAYLOAD}","data":"{PAYLOAD}"}}"#);
    assert_eq!(rest.post(&broken).await.status, 401);
}

async fn cli(system: &System, token: &str, words: &[&str]) -> String {
    let mut command: Command = system.cli();
    command
        .args(words)
        .env("JOBFLOW_TOKEN", token)
        .env("RUST_LOG", "trace");
    let output: Output = tokio::process::Command::from(command)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    let (out, err) = (output.stdout, output.stderr);
    String::from_utf8_lossy(&[out, err].concat()).into_owned()
}

/// Everything that a page holds, but for the token that its tab keeps.
async fn page_text(page: &Browser) -> String {
    const ALL: &str = "return location.href + document.cookie + JSON.stringify(localStorage)
        + document.documentElement.outerHTML
        + [...document.querySelectorAll('input, textarea')].map((one) => one.value).join(' ')";
    page.ask(ALL).await.as_str().unwrap().to_owned()
}

async fn look_at_pages(search: &mut Search, system: &System, token: &str, id: &str) {
    let page = Browser::open(&format!("{}/ui/queues?token={IN_URL}", system.url())).await;
    page.sees("[data-testid=sign-in]").await;
    page.fill("[data-testid=token]", token).await;
    page.click("[data-testid=sign-in-do]").await;
    page.sees("[data-testid=read-only]").await;
    for (path, sign, word) in [
        (format!("/ui/jobs/{id}"), "[data-testid=job]", id),
        ("/ui/jobs".to_owned(), "[data-job-id]", id),
        ("/ui/queues/default".to_owned(), "main", "default"),
        ("/ui/dead".to_owned(), "main", "panics"),
        ("/ui/events".to_owned(), "main", "Events"),
        (
            "/".to_owned(),
            "[data-testid=count-completed]",
            "data-testid",
        ),
    ] {
        page.go(&path).await;
        page.sees(sign).await;
        // What the page asks the server for comes after its frame.
        let filled = async || Some(page_text(&page).await).filter(|text| text.contains(word));
        let text = wait_for(&format!("{word} on the page {path}"), filled).await;
        search.look(&format!("the page {path}"), &text, word);
    }
    page.assert_clean().await;
    page.close().await;
}

/// The token of a new viewer.
async fn viewer_of(system: &System, admin: &str) -> String {
    let words = [
        "token", "create", "reader", "--role", "viewer", "-o", "json",
    ];
    let made = cli(system, admin, &words).await;
    // A word to people stands behind it.
    let mut made = serde_json::Deserializer::from_str(&made).into_iter::<Value>();
    let made = made.next().unwrap().unwrap();
    made["token"].as_str().unwrap().to_owned()
}

/// A job of each kind, when it has come as far as it can.
async fn run_jobs(system: &System, token: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for (kind, state) in [
        ("result", JobState::Completed),
        ("hook", JobState::Failed),
        // Its address is dead: given back, to come again.
        ("closed", JobState::Scheduled),
        ("panics", JobState::Failed),
        ("fails", JobState::Failed),
    ] {
        let id = submit(system, token, kind).await;
        system.reaches(&id, state).await;
        ids.push(id);
    }
    // As its owner sees it, or there would be nothing to find.
    let own = system.job(&ids[0]).await;
    assert!(own.payload.ends_with(b"\"}") && own.result.unwrap().bytes == RESULT);
    ids
}

fn search_for_all(admin: &str, viewer: &str) -> Search {
    let mut search = Search::default();
    for (name, secret) in [
        ("the payload", PAYLOAD),
        ("the result", RESULT),
        ("a header of the job", HEADER),
        ("a token that does not hold", WRONG_TOKEN),
        ("a token in a URL", IN_URL),
        ("a key in the URL of a handler", IN_HOOK),
        ("the password of Redis", OF_REDIS),
        ("the secret of hooks", &OF_HOOKS["whsec_".len()..]),
        // The id of a token is no secret; its last part is.
        ("the admin's token", admin.rsplit('_').next().unwrap()),
        ("the viewer's token", viewer.rsplit('_').next().unwrap()),
    ] {
        search.hide(name, secret);
    }
    search
}

async fn look_at_metrics(search: &mut Search, system: &mut System, worker: WorkerAt, admin: &str) {
    let of_worker = crate::metrics::address_of_worker(system, worker);
    let metrics = Rest::new(&of_worker).get("/metrics").await.body;
    search.look("the metrics of the worker", &metrics, "jobflow_worker");
    let bearer = format!("Bearer {admin}");
    let headers = [("authorization", bearer.as_str())];
    let metrics = system.rest().get_with("/metrics", &headers).await.body;
    search.look("the metrics of the server", &metrics, "jobflow_queue_jobs");
}

async fn look_at_cli(search: &mut Search, system: &System, admin: &str, viewer: &str, id: &str) {
    for (token, words, word) in [
        (viewer, &["job", "get", id][..], "result"),
        (viewer, &["job", "list", "-o", "json"], "panics"),
        (viewer, &["dead", "groups"], "panics"),
        (viewer, &["worker", "list"], "STATE"),
        (admin, &["audit"], "CreateToken"),
        (admin, &["token", "list"], "reader"),
        (admin, &["doctor"], "Redis"),
    ] {
        let said = cli(system, token, words).await;
        search.look(&format!("jobflow-cli {}", words.join(" ")), &said, word);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_nowhere_but_where_they_belong() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = python("collector.py", "");
    let mut collector = Process::start("collector", &mut command, folder.path());
    let to = address(&mut collector).await;
    let (mut system, admin) = start(&to).await;
    let worker = work(&mut system).await;
    let viewer = viewer_of(&system, &admin).await;
    let ids = run_jobs(&system, &admin).await;
    knock(&system).await;

    let mut search = search_for_all(&admin, &viewer);
    look_at_metrics(&mut search, &mut system, worker, &admin).await;
    look_at_cli(&mut search, &system, &admin, &viewer, &ids[0]).await;
    look_at_pages(&mut search, &system, &viewer, &ids[0]).await;
    search.look("the log of the server", &system.server().log(), "TRACE");
    let mut worker = system.take_worker(worker);
    assert!(worker.terminate().await.success());
    search.look("the log of the worker", &worker.log(), "TRACE");
    search.look("the panics of the worker", &worker.log(), "panicked at");
    system.close().await;
    let all = async || {
        let spans = collector.log();
        ids.iter().all(|id| spans.contains(id)).then_some(spans)
    };
    let spans = wait_for("the spans", all).await;
    search.look("the traces", &spans, "attempt");
    collector.terminate().await;

    let (secrets, hits) = (search.secrets.len(), search.hits.len());
    let (places, kilobytes) = (search.places, search.bytes / 1024);
    figure(
        "secrets looked for",
        format!("{secrets} in {places} places and {kilobytes} KB: {hits} hits"),
    );
    assert!(search.hits.is_empty(), "{}", search.hits.join("\n"));
}
