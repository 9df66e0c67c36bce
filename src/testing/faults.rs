//! A Redis that answers with errors: a proxy in front of a real one.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{BoxFuture, FutureExt};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::wait_for;

/// What goes wrong with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `-LOADING`: Redis has just started.
    Loading,
    /// `-BUSY`: a script runs for too long.
    Busy,
    /// `-READONLY`: it is a replica now.
    ReadOnly,
    /// `-OOM`: its memory is full.
    OutOfMemory,
    /// An answer of a type that no command here has.
    OddType,
    /// Bytes that are no answer at all.
    Garbage,
    /// The connection is closed before the command is carried out.
    Closed,
    /// The command is carried out, and the connection closed before the answer.
    LostReply,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Loading,
        Self::Busy,
        Self::ReadOnly,
        Self::OutOfMemory,
        Self::OddType,
        Self::Garbage,
        Self::Closed,
        Self::LostReply,
    ];

    /// What is answered in place of Redis; none for a closed connection.
    const fn answer(self) -> Option<&'static [u8]> {
        Some(match self {
            Self::Loading => b"-LOADING Redis is loading the dataset in memory\r\n",
            Self::Busy => b"-BUSY Redis is busy running a script.\r\n",
            Self::ReadOnly => b"-READONLY You can't write against a read only replica.\r\n",
            Self::OutOfMemory => b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
            Self::OddType => b"*2\r\n*1\r\n$-1\r\n:-1\r\n",
            Self::Garbage => b"\x00\xff?!\r\n\r\n$$$",
            Self::Closed | Self::LostReply => return None,
        })
    }
}

/// A proxy on a port of its own. It ends with this value.
#[derive(Debug)]
pub struct FaultyRedis {
    port: u16,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    target: String,
    /// What goes wrong, and with one in how many commands.
    faults: Mutex<Option<(Fault, u64)>>,
    commands: AtomicU64,
    injected: AtomicU64,
    /// Subscriptions, which have no commands, end with each change.
    changes: watch::Sender<()>,
}

impl FaultyRedis {
    /// Listens in front of the Redis at this port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            target: format!("127.0.0.1:{port}"),
            faults: Mutex::default(),
            commands: AtomicU64::default(),
            injected: AtomicU64::default(),
            changes: watch::Sender::default(),
        });
        let accepting = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            loop {
                if let Ok((client, _)) = listener.accept().await {
                    let shared = Arc::clone(&accepting);
                    // However it ends, its connection is closed.
                    tokio::spawn(async move { shared.serve(client).await });
                }
            }
        });
        Self {
            port: address.port(),
            shared,
            task,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Lets this go wrong with one in so many commands, and all subscriptions
    /// break, until it has gone wrong `times` more; then all is well.
    ///
    /// # Panics
    /// When too few commands come.
    pub async fn let_fail(&self, fault: Fault, one_in: u64, times: u64) {
        let enough = self.injected() + times;
        self.inject(fault, one_in);
        wait_for(&format!("{times} times {fault:?}"), async || {
            (self.injected() >= enough).then_some(())
        })
        .await;
        self.heal();
    }

    /// From now on this goes wrong with one in so many commands, and all
    /// subscriptions break.
    fn inject(&self, fault: Fault, one_in: u64) {
        self.set(Some((fault, one_in)));
    }

    /// From now on all is well.
    fn heal(&self) {
        self.set(None);
    }

    /// How many commands went wrong so far.
    fn injected(&self) -> u64 {
        self.shared.injected.load(Ordering::Relaxed)
    }

    fn set(&self, faults: Option<(Fault, u64)>) {
        *self.shared.faults() = faults;
        self.shared.changes.send_replace(());
    }
}

impl Drop for FaultyRedis {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.changes.send_replace(());
    }
}

impl Shared {
    fn faults(&self) -> std::sync::MutexGuard<'_, Option<(Fault, u64)>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes wrong with the next command.
    fn next_fault(&self) -> Option<Fault> {
        let (fault, one_in) = (*self.faults())?;
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        if !number.is_multiple_of(one_in) {
            return None;
        }
        self.injected.fetch_add(1, Ordering::Relaxed);
        Some(fault)
    }

    /// One connection, command by command, until somebody closes it.
    async fn serve(&self, client: TcpStream) -> io::Result<()> {
        let redis = TcpStream::connect(&self.target).await?;
        client.set_nodelay(true)?;
        redis.set_nodelay(true)?;
        let (from_client, mut to_client) = client.into_split();
        let (from_redis, mut to_redis) = redis.into_split();
        let (mut from_client, mut from_redis) =
            (BufReader::new(from_client), BufReader::new(from_redis));
        loop {
            let mut command = Vec::new();
            read_value(&mut from_client, &mut command).await?;
            let fault = self.next_fault();
            match fault {
                Some(Fault::Closed) => return Ok(()),
                Some(fault) if fault.answer().is_some() => {
                    to_client
                        .write_all(fault.answer().unwrap_or_default())
                        .await?;
                    continue;
                }
                Some(_) | None => {}
            }
            to_redis.write_all(&command).await?;
            let mut answer = Vec::new();
            read_value(&mut from_redis, &mut answer).await?;
            if fault.is_some() {
                return Ok(());
            }
            to_client.write_all(&answer).await?;
            if command_is(&command, b"SUBSCRIBE") {
                return self
                    .pass_on(from_client, to_client, from_redis, to_redis)
                    .await;
            }
        }
    }

    /// A subscription is passed on as it is, until what goes wrong changes.
    async fn pass_on(
        &self,
        from_client: BufReader<OwnedReadHalf>,
        to_client: OwnedWriteHalf,
        from_redis: BufReader<OwnedReadHalf>,
        to_redis: OwnedWriteHalf,
    ) -> io::Result<()> {
        let mut changes = self.changes.subscribe();
        let whole = |read: BufReader<OwnedReadHalf>, write: OwnedWriteHalf| {
            let read = read.into_inner();
            read.reunite(write).map_err(io::Error::other)
        };
        let mut client = whole(from_client, to_client)?;
        let mut redis = whole(from_redis, to_redis)?;
        tokio::select! {
            passed = copy_bidirectional(&mut client, &mut redis) => passed.map(drop),
            _ = changes.changed() => Ok(()),
        }
    }
}

fn command_is(command: &[u8], name: &[u8]) -> bool {
    // `*2`, `$9`, then the name.
    let mut lines = command.split(|byte| *byte == b'\n').skip(2);
    let first = lines.next().map(<[u8]>::trim_ascii_end);
    first.is_some_and(|word| word.eq_ignore_ascii_case(name))
}

/// Reads one value of the protocol of Redis, whole and as it is.
fn read_value<'a>(
    from: &'a mut BufReader<OwnedReadHalf>,
    into: &'a mut Vec<u8>,
) -> BoxFuture<'a, io::Result<()>> {
    async move {
        let start = into.len();
        if from.read_until(b'\n', into).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&into[start..]).into_owned();
        let size = line.get(1..).unwrap_or_default().trim_end();
        match line.as_bytes().first() {
            Some(b'$') => {
                // -1 says that there is nothing.
                if let Ok(size) = size.parse::<u64>() {
                    let mut body = from.take(size + 2);
                    body.read_to_end(into).await?;
                }
            }
            Some(b'*') => {
                for _ in 0..size.parse::<usize>().unwrap_or(0) {
                    read_value(from, into).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }
    .boxed()
}
