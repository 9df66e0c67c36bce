//! The programs of a running installation, as processes of their own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jobflow::QueueConfig;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::watch;

/// For a start; a loaded machine is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How often a starting program is asked.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A program that ends with this value.
pub(crate) struct Process {
    child: Child,
    /// Where it listens; the worker of this program does not.
    pub(crate) address: String,
    /// From its start to its first good answer.
    pub(crate) ready: Duration,
}

impl Process {
    /// `jobflow-server`, ready to serve.
    pub(crate) async fn server(config: &QueueConfig) -> Result<Self> {
        Self::start("jobflow-server", config, &[], "/readyz").await
    }

    /// `jobflow-worker` with a handler that does nothing, at its first claim.
    pub(crate) async fn worker(config: &QueueConfig) -> Result<Self> {
        let handler = ["--handler", "*=simulate:0ms..0ms"];
        Self::start("jobflow-worker", config, &handler, "/healthz").await
    }

    /// The library's worker in a process of this program's.
    pub(crate) fn noop_worker(config: &QueueConfig) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .stdout(Stdio::null())
            .arg("worker")
            .env("JOBFLOW_REDIS_URL", &config.redis_url)
            .env("JOBFLOW_NAMESPACE", config.namespace.as_str());
        Ok(Self {
            child: spawn(&mut command)?,
            address: String::new(),
            ready: Duration::ZERO,
        })
    }

    /// Readers of so many streams, all of them open.
    pub(crate) async fn watchers(server: &Self, count: usize) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["watch", &server.address, &count.to_string()]);
        let began = Instant::now();
        let mut child = spawn(command.stdout(Stdio::piped()))?;
        let output = child.stdout.take().context("its output is not there")?;
        let mut line = String::new();
        let mut output = BufReader::new(output);
        let said = timeout(PATIENCE, output.read_line(&mut line));
        said.await.context("too slow")??;
        ensure!(line.trim() == watch::OPEN, "not all streams are open");
        Ok(Self {
            child,
            address: String::new(),
            ready: began.elapsed(),
        })
    }

    /// `jobflow-server` with more arguments, at its first connection: it may speak
    /// TLS, and want tokens.
    pub(crate) async fn guarded(config: &QueueConfig, arguments: &[&str]) -> Result<Self> {
        let listens = async |address: &str| TcpStream::connect(address).await.is_ok();
        Self::start_until("jobflow-server", config, arguments, listens).await
    }

    async fn start(
        program: &str,
        config: &QueueConfig,
        arguments: &[&str],
        ready_path: &str,
    ) -> Result<Self> {
        let answers = async |address: &str| answers(address, ready_path).await;
        Self::start_until(program, config, arguments, answers).await
    }

    async fn start_until(
        program: &str,
        config: &QueueConfig,
        arguments: &[&str],
        is_ready: impl AsyncFn(&str) -> bool,
    ) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(beside_this(program)?);
        command
            .args(["--redis", &config.redis_url, "--listen", &address])
            .args(["--namespace", config.namespace.as_str()])
            .args(arguments)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null());
        let began = Instant::now();
        let mut child = spawn(&mut command)?;
        while !is_ready(&address).await {
            if let Some(status) = child.try_wait()? {
                bail!("{program} ended ({status})");
            }
            if began.elapsed() > PATIENCE {
                bail!("{program} is not ready");
            }
            sleep(LOOK_EVERY).await;
        }
        let ready = began.elapsed();
        Ok(Self {
            child,
            address,
            ready,
        })
    }

    /// The time on a processor that it has had, in ticks of the system.
    pub(crate) fn cpu_ticks(&self) -> Result<u64> {
        let id = self.child.id().context("it has ended")?;
        cpu_ticks(&id.to_string())
    }

    /// Memory that is in use, in MB; `None` where the system does not tell.
    pub(crate) fn resident_mb(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes: f64 = line?.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some((kilobytes / 102.4).round() / 10.0)
    }
}

/// The time on a processor that this program has had, in ticks of the system.
pub(crate) fn own_cpu_ticks() -> Result<u64> {
    cpu_ticks("self")
}

fn cpu_ticks(process: &str) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, the second field, may hold spaces, but nothing after it does.
    let (_, fields) = stat.rsplit_once(')').context("an odd /proc/*/stat")?;
    let mut times = fields.split_ascii_whitespace().skip(11).take(2);
    let mut time = || -> Result<u64> { Ok(times.next().context("no time")?.parse()?) };
    Ok(time()? + time()?)
}

fn spawn(command: &mut Command) -> Result<Child> {
    let name = command.as_std().get_program().to_owned();
    command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} did not start", name.display()))
}

/// A program built together with this one.
fn beside_this(program: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(program);
    if !path.is_file() {
        bail!("{} is not there: build it first", path.display());
    }
    Ok(path)
}

/// Whether `GET path` is answered with 200.
async fn answers(address: &str, path: &str) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        std::io::Result::Ok(status)
    };
    let answer = timeout(Duration::from_secs(1), asked).await;
    matches!(answer, Ok(Ok(status)) if status.ends_with(b"200"))
}
