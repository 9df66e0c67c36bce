//! Against servers that say what a test wants.

use std::fmt::Write as _;
use std::sync::atomic::AtomicU32;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;
use crate::redis::access::{Login, RedisAccess};
use crate::redis::ask::{ASK_NEXT_AFTER, ASK_TIMEOUT};
use crate::redis::source::Source;
use crate::redis::url::plain;

/// A server of a cluster, which answers nothing before it is told how.
struct Fake {
    listener: TcpListener,
    port: u16,
}

impl Fake {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    /// Gives each command the answer that belongs to it.
    fn start<A: Future<Output = String> + Send>(
        self,
        answer: impl Fn(String) -> A + Clone + Send + Sync + 'static,
    ) {
        tokio::spawn(async move {
            while let Ok((client, _)) = self.listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move { serve(client, answer).await });
            }
        });
    }

    /// The answer to `CLUSTER SLOTS` where this one owns all of them.
    fn owns_all(port: u16) -> String {
        format!("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:{port}\r\n$1\r\na\r\n")
    }
}

async fn serve<A: Future<Output = String>>(client: TcpStream, answer: impl Fn(String) -> A) {
    let mut client = BufReader::new(client);
    // Until the other side is gone.
    while let Some(command) = read(&mut client).await {
        let answer = answer(command).await;
        if client.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A command, its words with a space behind each.
async fn read(from: &mut BufReader<TcpStream>) -> Option<String> {
    let words = number(from).await?;
    let mut command = String::new();
    for _ in 0..words {
        let mut word = vec![0; number(from).await? + 2];
        from.read_exact(&mut word).await.ok()?;
        write!(command, "{} ", String::from_utf8_lossy(&word).trim_end()).unwrap();
    }
    Some(command)
}

/// How many words follow, or bytes of one.
async fn number(from: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    from.read_line(&mut line).await.ok()?;
    line.get(1..)?.trim_end().parse().ok()
}

async fn open(seed: u16) -> Arc<Cluster> {
    let (common, node) = node(seed);
    Cluster::open(&common, vec![node]).await.unwrap()
}

fn node(seed: u16) -> (Common, Arc<Node>) {
    let info = plain(&format!("redis://127.0.0.1:{seed}/")).unwrap();
    let login = Login::read(&RedisAccess::default()).unwrap();
    let durable = Duration::from_secs(1);
    let source = Source::at(info.clone(), Arc::clone(&login)).unwrap();
    let node = Node::new(source, Address::of(&info), durable);
    let common = Common {
        info,
        login,
        durable,
    };
    (common, node)
}

async fn get(cluster: &Arc<Cluster>) -> RedisResult<String> {
    cluster.query(::redis::cmd("GET").arg("key")).await
}

#[tokio::test]
async fn a_slot_that_takes_long_to_move_is_followed_to_where_its_keys_are() {
    let (old, new) = (Fake::new().await, Fake::new().await);
    let (from, to) = (old.port, new.port);
    let tries = Arc::new(AtomicU32::new(0));
    old.start(move |command| {
        std::future::ready(match &*command {
            "CLUSTER SLOTS " => Fake::owns_all(from),
            "GET key " if tries.fetch_add(1, Ordering::Relaxed) < AT_ONCE => {
                "-TRYAGAIN keys are here and there\r\n".to_owned()
            }
            "GET key " => format!("-ASK 12539 127.0.0.1:{to}\r\n"),
            _ => "+OK\r\n".to_owned(),
        })
    });
    new.start(move |command| {
        std::future::ready(match &*command {
            "GET key " => "$5\r\nfound\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        })
    });
    assert_eq!(get(&open(from).await).await.unwrap(), "found");
}

/// Servers hear of each other's slots one after the other.
#[tokio::test]
async fn a_view_that_is_behind_ends_no_call_to_a_new_owner() {
    let (old, new) = (Fake::new().await, Fake::new().await);
    let (from, to) = (old.port, new.port);
    let (views, seen) = watch::channel(0);
    old.start(move |command| {
        std::future::ready(match &*command {
            "CLUSTER SLOTS " => {
                views.send_modify(|views| *views += 1);
                Fake::owns_all(from)
            }
            "GET key " => format!("-MOVED 12539 127.0.0.1:{to}\r\n"),
            _ => "+OK\r\n".to_owned(),
        })
    });
    let cluster = open(from).await;
    new.start(move |command| {
        let mut seen = seen.clone();
        async move {
            if command != "GET key " {
                return "+OK\r\n".to_owned();
            }
            // With the second the first has been taken in.
            let before = *seen.borrow_and_update();
            let answer = seen.wait_for(|views| *views >= before + 2).await;
            answer.map(|_| "$5\r\nfound\r\n".to_owned()).unwrap()
        }
    });
    assert_eq!(get(&cluster).await.unwrap(), "found");
}

#[tokio::test]
async fn a_server_that_stands_still_holds_up_no_news() {
    let (silent, well) = (Fake::new().await, Fake::new().await);
    let (silent_port, port) = (silent.port, well.port);
    silent.start(|_| std::future::pending());
    well.start(move |_| async move { Fake::owns_all(port) });
    let nodes = [silent_port, port].map(|port| node(port).1);
    assert_soon_told(&nodes).await;
}

#[tokio::test]
async fn servers_that_refuse_are_passed_over_at_once() {
    let well = Fake::new().await;
    let port = well.port;
    well.start(move |_| async move { Fake::owns_all(port) });
    let mut ports = Vec::new();
    for _ in 0..2 * (ASK_TIMEOUT.as_millis() / ASK_NEXT_AFTER.as_millis()) {
        ports.push(Fake::new().await.port);
    }
    ports.push(port);
    let nodes: Vec<_> = ports.into_iter().map(|port| node(port).1).collect();
    assert_soon_told(&nodes).await;
}

/// Before the time is over that a single silent server may take.
async fn assert_soon_told(nodes: &[Arc<Node>]) {
    let ranges = tokio::select! {
        biased;
        ranges = ask_each(nodes) => ranges.unwrap(),
        () = tokio::time::sleep(ASK_TIMEOUT) => panic!("one that does not answer is waited for"),
    };
    assert_eq!(ranges.len(), 1);
}
