//! Tokens in the browser: who may look, who may change, and how one signs in.

use jobflow::{JobState, NewJob};
use serde_json::{Value, json};

use crate::axe;
use crate::system::System;
use crate::webdriver::Browser;

/// What changes something: each page with what it has of it.
const CHANGES: [(&str, &[&str]); 5] = [
    ("/ui/jobs/JOB", &["cancel", "clone", "delete"]),
    (
        "/ui/queues/default",
        &["pause", "drain", "purge", "delete-queue"],
    ),
    ("/ui/dead", &["replay"]),
    ("/ui/workers", &["quiet", "stop"]),
    (
        "/ui/jobs",
        &["bulk-retry", "bulk-promote", "bulk-cancel", "bulk-delete"],
    ),
];

struct Guarded {
    system: System,
    /// Where the token of the first admin is.
    file: String,
    admin: String,
}

async fn guarded() -> Guarded {
    let mut system = System::start().await;
    let file = system.folder().join("admin.token");
    let file = file.to_str().unwrap().to_owned();
    system.kill_server();
    system
        .start_server_with(&["--auth", "tokens", "--admin-token-file", &file])
        .await;
    let text = std::fs::read_to_string(&file).unwrap();
    let admin = text.lines().find(|line| line.starts_with("jf_")).unwrap();
    Guarded {
        admin: admin.to_owned(),
        system,
        file,
    }
}

impl Guarded {
    async fn token(&self, role: &str) -> String {
        let made = [
            "--token-file",
            &self.file,
            "token",
            "create",
            role,
            "--role",
            role,
            "-o",
            "json",
        ];
        let made = self.system.run_cli(&made).await;
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        made["token"]
            .as_str()
            .unwrap_or_else(|| panic!("{made}"))
            .to_owned()
    }
}

async fn sign_in(page: &Browser, token: &str) {
    page.fill("[data-testid=token]", token).await;
    // As by keys alone.
    page.press(&char::from(fantoccini::key::Key::Enter).to_string())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_tokens_asks_for_one() {
    let guarded = guarded().await;
    let page = Browser::open(&format!("{}/ui/queues", guarded.system.url())).await;
    page.sees("[data-testid=sign-in]").await;
    axe::bring(&page).await;
    let mut faults = Vec::new();
    // One that can not even stand in a header, and one that nobody has.
    for wrong in [
        None,
        Some("jf_0123\u{2026}"),
        Some("jf_0123456789ab_nobody"),
    ] {
        if let Some(wrong) = wrong {
            sign_in(&page, wrong).await;
            page.reads("[role=alert].problem", "does not take").await;
        }
        for theme in ["dark", "light"] {
            for width in [390, 1280] {
                page.shape(width, 800, theme).await;
                page.holds(&format!("innerWidth === {width}")).await;
                page.screenshot(&format!("sign-in-{width}-{theme}")).await;
                faults.extend(axe::judge(&page).await);
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    // One that may submit, and not look.
    sign_in(&page, &guarded.token("submitter").await).await;
    page.reads("[role=alert].problem", "submitter").await;
    sign_in(&page, &guarded.admin).await;
    page.sees("main[data-testid=queues-page]").await;
    page.shows("caller", "data-role", "admin").await;
    page.reload().await;
    page.shows("caller", "data-role", "admin").await;

    // Who did what, and who was turned away.
    page.go("/ui/audit").await;
    page.reads(
        "[data-testid=audit] [data-call='TokenService/CreateToken']",
        "admin",
    )
    .await;
    page.sees("[data-testid=audit] [data-result=TOKEN_INVALID]")
        .await;
    page.assert_clean().await;
    page.close().await;
    guarded.system.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_looks_at_everything_and_changes_nothing() {
    let mut guarded = guarded().await;
    guarded
        .system
        .worker(&["--queue", "mail", "--handler", "fails=exec:false"])
        .await;
    let system = &guarded.system;
    let job = |kind: &str| NewJob::new(kind, r#"{"secret":1}"#).unwrap();
    let id = system
        .queue
        .submit(job("send"))
        .await
        .unwrap()
        .id
        .to_string();
    let fails = job("fails")
        .queue("mail")
        .and_then(|job| job.max_attempts(1))
        .unwrap();
    let fails = system.queue.submit(fails).await.unwrap().id.to_string();
    system.reaches(&fails, JobState::Failed).await;

    let page = Browser::open(&system.url()).await;
    page.sees("[data-testid=sign-in]").await;
    sign_in(&page, &guarded.token("viewer").await).await;
    page.sees("[data-testid=read-only]").await;
    for (path, buttons) in CHANGES {
        page.go(&path.replace("JOB", &id)).await;
        page.sees("[data-testid=read-only]").await;
        if path == "/ui/jobs" {
            page.click("[data-testid=select-listed]").await;
        }
        for button in buttons {
            page.sees(&format!("fieldset:disabled [data-testid={button}]"))
                .await;
        }
        // Nothing of it, whatever it is called.
        let open = page.ask("return [...document.querySelectorAll('main .rights :is(button, input, select)')].filter((one) => !one.matches(':disabled')).length").await;
        assert_eq!(open, json!(0), "{path}");
    }
    page.go(&format!("/ui/jobs/{id}")).await;
    page.sees("[data-testid=job][data-state=JOB_STATE_WAITING]")
        .await;
    page.loses("pre[data-testid=payload]").await;
    page.go("/ui/audit").await;
    page.sees("[data-reason=ROLE_REQUIRED]").await;
    // Were a button used all the same, the server would say no.
    page.go("/ui/queues/default").await;
    page.sees("fieldset:disabled [data-testid=drain]").await;
    page.ask("document.querySelectorAll('fieldset').forEach((one) => { one.disabled = false })")
        .await;
    page.click("[data-testid=drain]").await;
    page.sees(".notice.failed").await;
    assert_eq!(system.job(&id).await.state, JobState::Waiting);
    let control = system.queue.snapshot().await.unwrap().queues;
    assert!(control.iter().all(|queue| !queue.control.draining));
    page.assert_clean().await;
    page.close().await;
    guarded.system.close().await;
}
