//! What Redis says of itself: the time and number of commands, memory, the slow log.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};

use crate::setting;

/// Slower than this is a fault: while a script runs, everybody waits.
const SLOW: Duration = Duration::from_millis(5);

/// A connection beside those of the queue.
pub(crate) struct Store {
    client: Client,
    connection: MultiplexedConnection,
}

impl Store {
    pub(crate) async fn connect() -> Result<Self> {
        Self::at(&setting::redis_url()?).await
    }

    pub(crate) async fn at(url: &str) -> Result<Self> {
        let client = Client::open(url)?;
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        Ok(Self { client, connection })
    }

    /// One field of `INFO`.
    pub(crate) async fn info(&mut self, section: &str, field: &str) -> Result<String> {
        let text = self.section(section).await?;
        let value = lines(&text).find(|(name, _)| *name == field);
        let (_, value) = value.with_context(|| format!("INFO has no {field}"))?;
        Ok(value.to_owned())
    }

    /// What all commands have taken so far.
    pub(crate) async fn usage(&mut self) -> Result<Usage> {
        Ok(Usage::parse(&self.section("commandstats").await?))
    }

    async fn section(&mut self, section: &str) -> Result<String> {
        let mut info = redis::cmd("INFO");
        Ok(info.arg(section).query_async(&mut self.connection).await?)
    }

    pub(crate) async fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg(name).arg(value);
        Ok(set.query_async(&mut self.connection).await?)
    }

    /// Deletes everything, scripts too: else who comes next collects the garbage of
    /// all who were there before.
    pub(crate) async fn clear(&mut self) -> Result<()> {
        let mut both = redis::pipe();
        both.cmd("FLUSHALL").arg("SYNC").ignore();
        both.cmd("SCRIPT").arg("FLUSH").arg("SYNC").ignore();
        Ok(both.query_async(&mut self.connection).await?)
    }

    /// Runs a script that is not one of the queue's: it counts under `eval`.
    pub(crate) async fn eval(&mut self, script: &str, key: &str, argument: usize) -> Result<()> {
        let mut eval = redis::cmd("EVAL");
        eval.arg(script).arg(1).arg(key).arg(argument);
        Ok(eval.query_async(&mut self.connection).await?)
    }

    /// Brings the growth of all large tables to its end: each look into one
    /// that grows moves a bucket, and it has no more buckets than entries.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        let mut all = redis::cmd("KEYS");
        let keys: Vec<String> = all.arg("*").query_async(&mut self.connection).await?;
        for key in keys {
            self.eval(LOOK_AROUND, &key, LOOKS).await?;
        }
        Ok(())
    }

    /// From now on slow commands are noted.
    pub(crate) async fn watch_slow(&mut self) -> Result<()> {
        self.set("slowlog-max-len", "10000").await?;
        let micros = SLOW.as_micros().to_string();
        self.set("slowlog-log-slower-than", &micros).await?;
        let mut reset = redis::cmd("SLOWLOG");
        Ok(reset.arg("RESET").query_async(&mut self.connection).await?)
    }

    /// Begins to note scripts over 0.3 ms, the last 10,000 of them: what scripts call is below that.
    pub(crate) async fn watch_scripts(&mut self) -> Result<()> {
        self.watch_slow().await?;
        self.set("slowlog-log-slower-than", "300").await?;
        let mut reset = redis::cmd("SLOWLOG");
        Ok(reset.arg("RESET").query_async(&mut self.connection).await?)
    }

    /// The scripts that were noted, with their milliseconds.
    pub(crate) async fn slow_scripts(&mut self) -> Result<Vec<(String, f64)>> {
        // Arguments are bytes of any kind.
        type Entry = (u64, u64, u64, Vec<Vec<u8>>, String, String);
        let mut get = redis::cmd("SLOWLOG");
        let get = get.arg("GET").arg(-1);
        let entries: Vec<Entry> = get.query_async(&mut self.connection).await?;
        let scripts = entries.into_iter().filter(|entry| entry.3[0] == b"EVALSHA");
        Ok(scripts
            .map(|(_, _, micros, words, _, _)| {
                let hash = words.get(1).map(Vec::as_slice).unwrap_or_default();
                let name = script_name(&String::from_utf8_lossy(hash)).to_owned();
                (name, setting::number(micros) / 1e3)
            })
            .collect())
    }

    /// What clients send within some time: how often each command. What
    /// scripts call is not in it.
    pub(crate) async fn listen(&self, time: Duration) -> Result<BTreeMap<String, u64>> {
        let mut monitor = self.client.get_async_monitor().await?;
        let mut lines = monitor.on_message::<String>();
        let mut counts = BTreeMap::new();
        let deadline = tokio::time::Instant::now() + time;
        while let Ok(Some(line)) = tokio::time::timeout_at(deadline, lines.next()).await {
            if let Some(command) = sent_by_client(&line) {
                *counts.entry(command).or_default() += 1;
            }
        }
        Ok(counts)
    }
}

/// Looks for what is not there, as often as there are entries.
const LOOK_AROUND: &str = "
local key, looks, absent = KEYS[1], tonumber(ARGV[1]), {}
local kind = redis.call('TYPE', key).ok
local count = ({ hash = 'HLEN', zset = 'ZCARD' })[kind]
if not count then return end
for i = 1, looks do absent[i] = '-' end
for _ = 1, math.floor(redis.call(count, key) / looks) do
  redis.call(kind == 'hash' and 'HMGET' or 'ZMSCORE', key, unpack(absent))
end";
/// Of one command.
const LOOKS: usize = 5_000;

fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once(':'))
}

/// Calls and microseconds by command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Usage(BTreeMap<String, (u64, u64)>);

impl Usage {
    fn parse(text: &str) -> Self {
        let commands = lines(text).filter_map(|(name, values)| {
            let number = |field: &str| {
                let mut values = values.split(',');
                values.find_map(|value| value.strip_prefix(field)?.parse().ok())
            };
            let name = name.strip_prefix("cmdstat_")?.to_owned();
            Some((name, (number("calls=")?, number("usec=")?)))
        });
        Self(commands.collect())
    }

    /// What came on top of an earlier reading.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let more = self.0.iter().map(|(name, (calls, micros))| {
            let (old_calls, old_micros) = before.0.get(name).copied().unwrap_or_default();
            let more = (
                calls.saturating_sub(old_calls),
                micros.saturating_sub(old_micros),
            );
            (name.clone(), more)
        });
        Self(more.collect())
    }

    pub(crate) fn calls(&self, command: &str) -> u64 {
        self.0.get(command).map_or(0, |(calls, _)| *calls)
    }

    pub(crate) fn micros(&self, command: &str) -> u64 {
        self.0.get(command).map_or(0, |(_, micros)| *micros)
    }

    /// All calls but those of some commands: scripts and what they call count.
    pub(crate) fn calls_without(&self, others: &[&str]) -> u64 {
        let counted = self.0.iter().filter(|(name, _)| {
            let name = name.split('|').next().unwrap_or(name);
            !others.contains(&name)
        });
        counted.map(|(_, (calls, _))| calls).sum()
    }
}

/// The command in a line of MONITOR, unless a script called it.
fn sent_by_client(line: &str) -> Option<String> {
    let (head, words) = line.split_once("] ")?;
    if head.ends_with(" lua") {
        return None;
    }
    let mut words = words.split('"').skip(1).step_by(2);
    let command = words.next()?.to_uppercase();
    Some(match words.next() {
        Some(hash) if command == "EVALSHA" => script_name(hash).to_owned(),
        _ => command,
    })
}

/// What a script is called, or its hash where it is not one of ours.
pub(crate) fn script_name(hash: &str) -> &str {
    static NAMES: LazyLock<HashMap<String, String>> = LazyLock::new(|| names().unwrap_or_default());
    NAMES.get(hash).map_or(hash, String::as_str)
}

/// The scripts by their hashes, as `src/lua/mod.rs` puts them together.
fn names() -> std::io::Result<HashMap<String, String>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../src/lua"));
    let read = |name: &str| fs::read_to_string(folder.join(name));
    let mut names = HashMap::new();
    let mut add = |file: &str, text: &str| {
        let hash = redis::Script::new(text).get_hash().to_owned();
        names.insert(hash, file.trim_end_matches(".lua").to_owned());
    };
    for alone in ["beat.lua", "signal.lua"] {
        add(alone, &read(alone)?);
    }
    for declaration in read("mod.rs")?.split("\nqueue_script!(").skip(1) {
        let parts = declaration.split(");").next().unwrap_or_default();
        let files: Vec<&str> = parts.split('"').skip(1).step_by(2).collect();
        let mut text = read("prelude.lua")?;
        for file in &files {
            text += &read(file)?;
        }
        add(files.last().unwrap_or(&""), &text);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_a_difference() {
        let of = |calls: u64| {
            Usage::parse(&format!(
                "# Commandstats\r\ncmdstat_zadd:calls={calls},usec=9,usec_per_call=1.0\r\n\
                 cmdstat_config|set:calls=2,usec=1\r\n"
            ))
        };
        let usage = of(7).since(&of(4));
        assert_eq!((usage.calls("zadd"), usage.micros("zadd")), (3, 0));
        assert_eq!(of(7).calls_without(&["config"]), 7);
    }

    #[test]
    fn scripts_are_known_by_their_hashes() {
        let names = names().unwrap();
        for name in ["beat", "submit", "claim", "finish", "list"] {
            assert!(names.values().any(|known| known == name), "{name}");
        }
    }

    #[test]
    fn what_scripts_call_is_told_apart() {
        let command = |line: &str| sent_by_client(line);
        assert_eq!(
            command(r#"1.5 [0 127.0.0.1:60866] "ping""#),
            Some("PING".to_owned())
        );
        assert_eq!(command(r#"1.5 [0 lua] "zadd" "key""#), None);
        assert_eq!(command("OK"), None);
    }
}
