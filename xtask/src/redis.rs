//! A redis-server of our own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};

use crate::children::Children;
use crate::util;

const PATIENCE: Duration = Duration::from_secs(1);
/// A large append-only file takes its time to read back.
const LOADING: Duration = Duration::from_secs(60);

/// In the server's own folder: it greets at length, and nobody wants to read it.
const LOG: &str = "redis.log";

/// Whether the jobs outlive the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// They are in an append-only file.
    OnDisk,
    /// They are in memory alone.
    InMemory,
}

/// Starts a redis-server in `folder` and waits until it answers.
pub(crate) fn start(
    children: &mut Children,
    port: u16,
    folder: &Path,
    keeping: Keeping,
) -> Result<()> {
    let program = util::find_program("redis-server").context("redis-server is not installed")?;
    let lock = claim_folder(folder)?;
    let mut command = Command::new(program);
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .arg("--dir")
        .arg(folder)
        .args(["--maxmemory-policy", "noeviction"])
        .args(["--logfile", LOG, "--save", ""]);
    match keeping {
        Keeping::OnDisk => command.args(["--appendonly", "yes", "--appendfsync", "everysec"]),
        Keeping::InMemory => command.args(["--appendonly", "no"]),
    };
    // The lock is the server's standard input: it is held as long as the
    // server lives, whatever becomes of this program.
    let id = children.start_reading("redis", &command, Stdio::from(lock))?;
    let ready = children.wait_until("redis", LOADING, || answers(port, id));
    ready.with_context(|| format!("see {}", folder.join(LOG).display()))
}

/// Two servers on one append-only file would destroy it.
fn claim_folder(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let path: PathBuf = folder.join("in-use");
    let lock = File::options()
        .create(true)
        .append(true)
        .read(true)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!(
            "another redis-server works in {}: stop it (is `cargo xtask dev` running elsewhere?) \
             or pass `--redis URL`",
            folder.display()
        );
    }
    Ok(lock)
}

/// Whether the server with this process id answers there, and no other.
fn answers(port: u16, id: u32) -> bool {
    let owner = format!("process_id:{id}\r\n");
    ask(port, &owner).is_ok_and(|answer| answer.starts_with("+PONG") && answer.contains(&owner))
}

/// Reads what the server says of itself, up to `end`.
fn ask(port: u16, end: &str) -> std::io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"PING\r\nINFO server\r\nQUIT\r\n")?;
    let mut answer = String::new();
    let mut part = [0; 1024];
    while !answer.contains(end) {
        match stream.read(&mut part)? {
            0 => break,
            length => answer.push_str(&String::from_utf8_lossy(&part[..length])),
        }
    }
    Ok(answer)
}

/// A port that nobody listens on at this moment.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_has_one_user_at_a_time() {
        let folder = std::env::temp_dir().join(format!("jobflow-xtask-{}", std::process::id()));
        let first = claim_folder(&folder).unwrap();
        assert!(claim_folder(&folder).is_err());
        drop(first);
        assert!(claim_folder(&folder).is_ok());
        fs::remove_dir_all(&folder).unwrap();
    }
}
