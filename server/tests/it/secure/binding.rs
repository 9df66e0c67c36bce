//! Where the binary listens, and where it refuses to.

use std::process::Stdio;
use std::time::Duration;

use jobflow::testing::{TestAuthority, TestQueue};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::tls::files;

const PATIENCE: Duration = Duration::from_secs(20);

/// What became of a start: the port it serves on, or what it said.
pub(super) enum Start {
    Serves(Child, u16),
    Refuses(String),
}

pub(super) async fn start(queue: &TestQueue, arguments: &[String]) -> Start {
    let config = queue.config();
    let mut child = Command::new(env!("CARGO_BIN_EXE_jobflow-server"))
        .args(["--redis", &config.redis_url])
        .args(["--namespace", config.namespace.as_str()])
        .args(arguments)
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    let read = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, address)) = line.split_once("ready on ") {
                let port = address.rsplit(':').next().unwrap().trim().parse();
                return Some(port.unwrap());
            }
            said += &line;
        }
        None
    };
    let port = timeout(PATIENCE, read).await.expect("it says nothing");
    match port {
        Some(port) => {
            // Nobody reads on, and a full pipe would stop it.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            Start::Serves(child, port)
        }
        None => {
            assert!(!child.wait().await.unwrap().success());
            Start::Refuses(said)
        }
    }
}

/// What a caller without a token and without TLS is told: the status line.
async fn plain_answer(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // A server that speaks TLS alone may also hang up.
    let _cut = read.expect("it answers or hangs up");
    let text = String::from_utf8_lossy(&answer).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_matrix_of_addresses_tokens_and_tls() {
    let queue = TestQueue::new();
    let authority = TestAuthority::new();
    let tls = files(&authority, false);
    let folder = TempDir::new().unwrap();
    let admin = folder.path().join("admin.token");
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let tokens = words(&[
        "--auth",
        "tokens",
        "--admin-token-file",
        admin.to_str().unwrap(),
    ]);
    let files = [tls.cert.to_str().unwrap(), tls.key.to_str().unwrap()];
    let tls = words(&["--tls-cert", files[0], "--tls-key", files[1]]);
    let proxy = words(&["--insecure-behind-proxy"]);
    for number in 0..16 {
        let [other, auth, with_tls, behind] = [8, 4, 2, 1].map(|bit| number & bit != 0);
        let address = if other { "0.0.0.0:0" } else { "127.0.0.1:0" };
        let mut arguments = words(&["--listen", address]);
        arguments.extend(auth.then(|| tokens.clone()).into_iter().flatten());
        arguments.extend(with_tls.then(|| tls.clone()).into_iter().flatten());
        arguments.extend(behind.then(|| proxy.clone()).into_iter().flatten());
        let allowed = !other || behind || (auth && with_tls);
        match start(&queue, &arguments).await {
            Start::Serves(mut child, port) => {
                assert!(allowed, "{arguments:?} was to be refused");
                let answer = plain_answer(port, "/stats").await;
                match (with_tls, auth) {
                    (true, _) => assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}"),
                    (false, true) => assert_eq!(answer, "HTTP/1.1 401 Unauthorized"),
                    (false, false) => assert_eq!(answer, "HTTP/1.1 200 OK"),
                }
                child.kill().await.unwrap();
            }
            Start::Refuses(said) => {
                assert!(!allowed, "{arguments:?}: {said}");
                assert!(said.contains("0.0.0.0:0"), "{said}");
                assert_eq!(!auth, said.contains("--auth tokens"), "{said}");
                assert_eq!(!with_tls, said.contains("--tls-cert"), "{said}");
            }
        }
    }
    queue.close().await;
}
