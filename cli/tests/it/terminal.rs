//! The binary on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobflow::proto::{CancelJobRequest, PurgeQueueRequest, StartBulkOperationRequest};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::cli::eventually;
use crate::fake::{FakeServer, Script, id};

struct Terminal {
    keyboard: File,
    /// Kept open, so that its modes can be looked at after the end.
    slave: OwnedFd,
    child: Child,
    screen: Arc<Mutex<String>>,
}

impl Terminal {
    fn start(server: &FakeServer, args: &str) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&slave, size).unwrap();
        let end = || slave.try_clone().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_jobflow-cli"))
            .args(["--server", &server.url])
            .args(args.split(' '))
            .env("TERM", "xterm-256color")
            .env_remove("JOBFLOW_SERVER")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let keyboard = File::from(master);
        let screen = Arc::default();
        read(keyboard.try_clone().unwrap(), Arc::clone(&screen));
        Self {
            keyboard,
            slave,
            child,
            screen,
        }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    async fn shows(&self, text: &str) {
        let screen = Arc::clone(&self.screen);
        let shown = move || screen.lock().unwrap().contains(text);
        eventually(shown, || {
            format!("`{text}` in {:?}", self.screen.lock().unwrap())
        })
        .await;
    }

    async fn code(&mut self) -> Option<i32> {
        let mut code = None;
        let child = &mut self.child;
        let ended = || {
            let status = child.try_wait().unwrap();
            code = status.and_then(|status| status.code());
            status.is_some()
        };
        eventually(ended, || "its end".to_owned()).await;
        code
    }

    /// Whether lines are edited and keys echoed, as in a shell.
    fn is_cooked(&self) -> bool {
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects what is printed, in a thread that ends with the terminal.
fn read(mut master: File, screen: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        let mut part = [0; 4_096];
        while let Ok(length @ 1..) = master.read(&mut part) {
            let text = String::from_utf8_lossy(&part[..length]);
            screen.lock().unwrap().push_str(&text);
        }
    });
}

#[tokio::test]
async fn a_purge_wants_the_name_typed() {
    let server = FakeServer::start().await;
    for (answer, code) in [("yes\n", Some(1)), ("mail\n", Some(0))] {
        let mut terminal = Terminal::start(&server, "queue purge mail --state failed");
        terminal
            .shows("Delete 412 jobs of queue mail? Type `mail`")
            .await;
        terminal.press(answer);
        assert_eq!(terminal.code().await, code, "{answer:?}");
    }
    let calls = server.script().calls::<PurgeQueueRequest>();
    let done = calls.iter().filter(|call| !call.validate_only);
    assert_eq!(done.count(), 1);
}

#[tokio::test]
async fn a_bulk_operation_asks_with_the_count() {
    let server = FakeServer::start().await;
    for (answer, code) in [("\n", Some(1)), ("no\n", Some(1)), ("y\n", Some(0))] {
        let mut terminal = Terminal::start(&server, "bulk delete --filter kind=x");
        terminal.shows("Delete 412 jobs? [y/N] ").await;
        terminal.press(answer);
        assert_eq!(terminal.code().await, code, "{answer:?}");
    }
    let calls = server.script().calls::<StartBulkOperationRequest>();
    let begun = calls.iter().filter(|call| !call.validate_only);
    assert_eq!(begun.count(), 1);

    let mut terminal = Terminal::start(&server, "bulk delete --filter kind=x");
    terminal.shows("[y/N]").await;
    terminal.press("\x04");
    assert_eq!(terminal.code().await, Some(1));
}

#[tokio::test]
async fn a_replay_of_all_and_the_delete_of_a_job_ask_too() {
    let server = FakeServer::scripted(Script::stocked()).await;
    let mut all = Terminal::start(&server, "dead replay --all");
    all.shows("Retry 412 jobs? [y/N] ").await;
    all.press("n\n");
    assert_eq!(all.code().await, Some(1));
    let mut one = Terminal::start(&server, &format!("job delete {}", id(0)));
    one.shows("(resize in images, waiting)? [y/N] ").await;
    one.press("y\n");
    assert_eq!(one.code().await, Some(0));
}

#[tokio::test]
async fn a_wait_shows_a_bar() {
    let script = Script {
        bulk_looks: 3,
        ..Script::default()
    };
    let server = FakeServer::scripted(script).await;
    let mut terminal = Terminal::start(&server, "bulk get b-1 --wait");
    terminal.shows("102 of 412, 2 skipped").await;
    assert_eq!(terminal.code().await, Some(0));
}

#[tokio::test]
async fn a_watched_list_is_drawn_over_and_over() {
    let server = FakeServer::scripted(Script::stocked()).await;
    let mut terminal = Terminal::start(&server, "job list --watch --interval 20ms");
    terminal.shows("\x1b[H").await;
    terminal.shows(&id(4)).await;
    terminal.press("\x03");
    // No terminal of a session: the key is only a character of its input.
    terminal.child.kill().unwrap();
    terminal.code().await;
}

fn paced() -> Script {
    Script {
        pace: Some(Duration::from_millis(20)),
        ..Script::stocked()
    }
}

#[tokio::test]
async fn top_cancels_a_job_after_a_yes_and_gives_the_terminal_back() {
    let server = FakeServer::scripted(paced()).await;
    let mut terminal = Terminal::start(&server, "top --tab jobs");
    terminal.shows(&id(4)).await;
    assert!(!terminal.is_cooked());
    terminal.press("Cn");
    terminal.press("jjCy");
    let cancelled = || !server.script().calls::<CancelJobRequest>().is_empty();
    eventually(cancelled, || "a cancel".to_owned()).await;
    assert_eq!(server.script().calls::<CancelJobRequest>()[0].id, id(2));
    terminal.press("q");
    assert_eq!(terminal.code().await, Some(0));
    terminal.shows("\x1b[?1049l").await;
    terminal.shows("\x1b[?25h").await;
    assert!(terminal.is_cooked());
}

#[tokio::test]
async fn top_gives_the_terminal_back_however_it_is_ended() {
    let server = FakeServer::scripted(paced()).await;
    for signal in ["-INT", "-TERM", "-HUP"] {
        let mut terminal = Terminal::start(&server, "top");
        terminal.shows("overview").await;
        let pid = terminal.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
        assert_eq!(terminal.code().await, Some(130), "{signal}");
        terminal.shows("\x1b[?1049l").await;
        assert!(terminal.is_cooked(), "{signal}");
    }
    let mut terminal = Terminal::start(&server, "top");
    terminal.shows("overview").await;
    terminal.press("\x03");
    assert_eq!(terminal.code().await, Some(130));
}

#[tokio::test]
async fn top_goes_on_when_the_server_restarts() {
    let script = Script {
        metrics_messages: Some(3),
        ..paced()
    };
    let server = FakeServer::scripted(script).await;
    let mut terminal = Terminal::start(&server, "top");
    let connected = || server.script().streams > 3;
    eventually(connected, || "a new stream".to_owned()).await;
    terminal.press("q");
    assert_eq!(terminal.code().await, Some(0));
}
