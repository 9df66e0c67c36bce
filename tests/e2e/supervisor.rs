//! What systemd hears, from units with `Type=notify` and a watchdog.

use std::collections::BTreeMap;
use std::future::ready;
use std::os::unix::net::UnixDatagram;

use jobflow::testing::{TestRedis, wait_for};

use crate::system::System;

/// What was said so far, and how often.
struct Supervisor {
    socket: UnixDatagram,
    heard: BTreeMap<String, usize>,
}

impl Supervisor {
    fn hears(&mut self, word: &str) -> usize {
        let mut message = [0; 256];
        while let Ok(length) = self.socket.recv(&mut message) {
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            for line in text.lines() {
                *self.heard.entry(line.to_owned()).or_default() += 1;
            }
        }
        self.heard.get(word).copied().unwrap_or_default()
    }

    async fn waits_for(&mut self, word: &str, times: usize) {
        let heard = || ready((self.hears(word) >= times).then_some(()));
        wait_for(&format!("{word} {times} times"), heard).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_and_worker_say_that_they_are_ready_live_and_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut supervisor = Supervisor {
        socket,
        heard: BTreeMap::new(),
    };
    let path = path.display().to_string();
    let variables = [
        ("NOTIFY_SOCKET", path.as_str()),
        ("WATCHDOG_USEC", "300000"),
    ];
    let mut system = System::start_with(TestRedis::start(), &variables).await;
    supervisor.waits_for("READY=1", 1).await;
    supervisor.waits_for("WATCHDOG=1", 3).await;

    system.worker(&["--handler", "*=simulate:1ms"]).await;
    supervisor.waits_for("READY=1", 2).await;
    let beats = supervisor.hears("WATCHDOG=1");
    supervisor.waits_for("WATCHDOG=1", beats + 4).await;
    assert_eq!(supervisor.hears("STOPPING=1"), 0);
    system.close().await;
    assert_eq!(supervisor.hears("STOPPING=1"), 2);
}
