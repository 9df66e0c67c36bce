//! `cargo xtask dev`: everything at once, for a newcomer and for daily work.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::children::{Children, End};
use crate::redis::{self, Keeping};
use crate::util::{self, say};
use crate::{http, setup, web};

mod load;
mod options;
mod ports;

use options::Options;

pub(crate) const HELP: &str = options::HELP;

const READY: Duration = Duration::from_secs(30);

/// What the simulated worker does with each kind. The last one stands for all
/// others.
const HANDLERS: [&str; 5] = [
    "charge-card=simulate:100ms..900ms,fail=25%",
    "resize-image=simulate:200ms..1500ms,fail=2%,progress",
    "daily-report=simulate:2s..8s,fail=5%,progress,log",
    "flaky-webhook=simulate:50ms..300ms,fail=60%",
    "*=simulate:50ms..500ms,fail=5%",
];

/// Where everything listens.
struct Addresses {
    server: u16,
    dashboard: u16,
    redis: String,
}

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    // Before anything is built: nobody wants to hear this after two minutes.
    let server = ports::server(options.port)?;
    let dashboard = ports::dashboard(options.dashboard_port, server)?;
    if !options.no_build {
        setup::for_dev()?;
        web::build()?;
        build_binaries()?;
    }

    let mut children = Children::new()?;
    let redis = match &options.redis {
        Some(url) => url.clone(),
        None => own_redis(&mut children, options.data.as_deref())?,
    };
    let addresses = Addresses {
        server,
        dashboard,
        redis,
    };
    start_server(&mut children, &addresses)?;
    start_worker(&mut children, &addresses)?;
    welcome(&addresses, options.load);
    if options.load {
        load::start(server);
    }

    let end = children.watch();
    if let End::Asked(signal) = end {
        say(&format!("stopping on {signal}"));
    }
    children.stop();
    match end {
        End::Asked(_) => Ok(()),
        End::Died(what) => bail!("{what}; everything else was stopped"),
    }
}

fn build_binaries() -> Result<()> {
    let mut cargo = util::cargo();
    cargo.args(["build", "--locked", "--bins"]);
    for package in ["jobflow-server", "jobflow-worker", "jobflow-cli"] {
        cargo.args(["--package", package]);
    }
    util::run(&mut cargo)
}

fn own_redis(children: &mut Children, data: Option<&Path>) -> Result<String> {
    let usual = util::root().join(".jobflow/redis");
    let folder = data.unwrap_or(&usual);
    let mut port = ports::redis()?;
    let mut started = redis::start(children, port, folder, Keeping::OnDisk);
    if started.is_err() && !children.are_running() && ports::is_taken(port) {
        // Somebody was faster; it may be another `cargo xtask dev`.
        port = redis::free_port()?;
        started = redis::start(children, port, folder, Keeping::OnDisk);
    }
    started?;
    Ok(format!("redis://127.0.0.1:{port}/"))
}

fn start_server(children: &mut Children, addresses: &Addresses) -> Result<()> {
    let mut server = binary("jobflow-server")?;
    server.args(["--redis", &addresses.redis]);
    for port in [addresses.server, addresses.dashboard] {
        server.args(["--listen", &format!("127.0.0.1:{port}")]);
    }
    children.start("server", &server)?;
    children.wait_until("the server", READY, || {
        http::get(addresses.server, "/readyz").is_ok_and(|status| status == 200)
    })?;
    children.wait_until("the dashboard", READY, || {
        http::get(addresses.dashboard, "/").is_ok_and(|status| status == 200)
    })
}

fn start_worker(children: &mut Children, addresses: &Addresses) -> Result<()> {
    let port = redis::free_port()?;
    let mut worker = binary("jobflow-worker")?;
    worker.args(["--redis", &addresses.redis, "--concurrency", "24"]);
    worker.args(["--listen", &format!("127.0.0.1:{port}")]);
    for queue in load::QUEUES {
        worker.args(["--queue", queue]);
    }
    for handler in HANDLERS {
        worker.args(["--handler", handler]);
    }
    children.start("worker", &worker)?;
    children.wait_until("the worker", READY, || http::answers(port))
}

fn binary(name: &str) -> Result<Command> {
    let mut command = Command::new(util::target_dir()?.join("debug").join(name));
    command.current_dir(util::root());
    Ok(command)
}

fn welcome(addresses: &Addresses, load: bool) {
    let Addresses {
        server,
        dashboard,
        redis,
    } = addresses;
    let cli = cli_line(*server);
    let fed = if load {
        "Jobs are being submitted all the time; Ctrl-C ends everything."
    } else {
        "`cargo xtask dev --load` submits jobs all the time. Ctrl-C ends everything."
    };
    eprintln!(
        "
  JobFlow is ready.

  Dashboard   http://127.0.0.1:{dashboard}/
  API         http://127.0.0.1:{server}/  (REST, gRPC, grpc-web)
  Redis       {redis}

  Submit a job, in another terminal:

    curl -i http://127.0.0.1:{server}/jobs -H 'content-type: application/json' \\
      -d '{{\"name\": \"email-delivery\", \"data\": {{\"to\": \"user@example.com\"}}}}'

    {cli}

  {fed}
"
    );
}

fn cli_line(server: u16) -> String {
    let elsewhere = if server == options::PORT {
        String::new()
    } else {
        format!("--server http://127.0.0.1:{server} ")
    };
    let program = util::target_dir()
        .map(|target| target.join("debug/jobflow-cli"))
        .unwrap_or_default();
    // As short as it can be: `cargo xtask` works in the whole checkout, but
    // mostly it is typed at its top.
    let here = std::env::current_dir().unwrap_or_default();
    let program = program.strip_prefix(&here).unwrap_or(&program).display();
    format!(
        "{program} {elsewhere}submit email-delivery --data '{{\"to\": \"user@example.com\"}}' --wait"
    )
}
