//! `cargo xtask dev` from its start to its end, on the binaries built last.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const DEADLINE: Duration = Duration::from_secs(60);

/// A running `xtask dev`, killed if a test ends early.
struct Dev {
    child: Child,
    output: BufReader<Box<dyn Read>>,
    seen: String,
    server: u16,
    dashboard: u16,
    data: PathBuf,
}

impl Dev {
    fn start(name: &str) -> Self {
        let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&data);
        let (server, dashboard) = (free_port(), free_port());
        let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["dev", "--no-build", "--port", &server.to_string()])
            .args(["--dashboard-port", &dashboard.to_string(), "--data"])
            .arg(&data)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output: Box<dyn Read> = Box::new(child.stderr.take().unwrap());
        let mut dev = Self {
            child,
            output: BufReader::new(output),
            seen: String::new(),
            server,
            dashboard,
            data,
        };
        dev.read_until("Ctrl-C ends everything");
        dev
    }

    /// Reads on until a line contains `part`; the end of the output comes
    /// before the deadline, because `dev` has its own.
    fn read_until(&mut self, part: &str) {
        loop {
            let mut line = String::new();
            let length = self.output.read_line(&mut line).unwrap();
            assert!(length > 0, "ended before {part:?}:\n{}", self.seen);
            self.seen.push_str(&line);
            if line.contains(part) {
                return;
            }
        }
    }

    fn redis_port(&self) -> u16 {
        let (_, after) = self.seen.split_once("redis://127.0.0.1:").unwrap();
        after.split('/').next().unwrap().parse().unwrap()
    }

    fn ports(&self) -> [u16; 3] {
        [self.server, self.dashboard, self.redis_port()]
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// Its end, with the rest of its output read so that it can end.
    fn wait(&mut self) -> ExitStatus {
        self.output.read_to_string(&mut self.seen).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.data);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn status_line(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

fn wait_until_free(ports: [u16; 3]) {
    let deadline = Instant::now() + DEADLINE;
    while ports.into_iter().any(listens) {
        assert!(Instant::now() < deadline, "one of {ports:?} is still held");
        std::thread::yield_now();
    }
}

#[test]
fn everything_is_up_and_ends_with_ctrl_c() {
    let mut dev = Dev::start("dev-ctrl-c");
    let body = r#"{"name":"email-delivery","data":{"to":"user@example.com"}}"#;
    let post = format!(
        "POST /jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(status_line(dev.server, &post).contains("201"));
    let page = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    assert!(status_line(dev.dashboard, page).contains("200"));
    assert!(dev.data.join("appendonlydir").exists() || dev.data.join("appendonly.aof").exists());

    dev.signal(Signal::INT);
    assert!(dev.wait().success(), "{}", dev.seen);
    for port in dev.ports() {
        assert!(!listens(port), "port {port} is still held");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn no_child_outlives_a_killed_xtask() {
    let mut dev = Dev::start("dev-killed");
    let ports = dev.ports();
    dev.signal(Signal::KILL);
    assert!(!dev.wait().success());
    wait_until_free(ports);
}

#[test]
fn the_end_of_one_child_ends_the_others() {
    let mut dev = Dev::start("dev-lost-redis");
    let mut redis = TcpStream::connect((Ipv4Addr::LOCALHOST, dev.redis_port())).unwrap();
    redis.write_all(b"SHUTDOWN NOSAVE\r\n").unwrap();
    assert!(!dev.wait().success());
    assert!(dev.seen.contains("redis ended"), "{}", dev.seen);
    wait_until_free(dev.ports());
}

#[test]
fn a_data_folder_in_use_is_told() {
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dev-in-use");
    fs::create_dir_all(&data).unwrap();
    let lock = File::create(data.join("in-use")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["dev", "--no-build", "--port", &free_port().to_string()])
        .args(["--dashboard-port", &free_port().to_string(), "--data"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("another redis-server works in"), "{told}");
}
