//! A plain connection to the store of a run: to make times come, and to look
//! at what no call tells.

use std::collections::BTreeMap;

use jobflow::testing::{TestQueue, queue_key};
use jobflow::{JobId, QueueName};
use redis::{Cmd, Connection, FromRedisValue, ToRedisArgs};

/// Long ago, in milliseconds.
const PAST: u64 = 1;

/// An entry of the event stream: its id, letters and ids.
type Entry = (String, Vec<(String, Vec<u8>)>);

pub(crate) struct Store {
    connection: Connection,
    prefix: String,
    last_event: String,
}

impl Store {
    pub(crate) fn of(queue: &TestQueue) -> Self {
        let client = redis::Client::open(queue.config().redis_url.as_str()).unwrap();
        Self {
            connection: client.get_connection().unwrap(),
            prefix: queue_key(&queue.config().namespace, &QueueName::default(), ""),
            last_event: "-".to_owned(),
        }
    }

    fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> T {
        command.query(&mut self.connection).unwrap()
    }

    fn about(&self, command: &str, key: &str) -> Cmd {
        let mut asked = redis::cmd(command);
        asked.arg(format!("{}{key}", self.prefix));
        asked
    }

    /// Its clock, in milliseconds.
    pub(crate) fn time(&mut self) -> u64 {
        let (seconds, micros): (u64, u64) = self.ask(&redis::cmd("TIME"));
        seconds * 1_000 + micros / 1_000
    }

    /// Puts a job's lease, backoff or limit to its end.
    pub(crate) fn end(&mut self, set: &str, id: JobId) {
        self.put(set, id, PAST);
    }

    /// Puts a job's delay to its end: where no record says when, the spec does.
    pub(crate) fn end_delay(&mut self, id: JobId) {
        let mut score = self.about("ZSCORE", "scheduled");
        let due: u64 = self.ask(score.arg(id.as_bytes()));
        self.end("scheduled", id);
        let mut get = self.about("HGET", "specs");
        let mut spec: Vec<u8> = self.ask(get.arg(id.as_bytes()));
        let said = run_at_field(due);
        if let Some(at) = spec.windows(said.len()).position(|field| field == said) {
            spec.splice(at..at + said.len(), run_at_field(PAST));
            let mut set = self.about("HSET", "specs");
            set.arg(id.as_bytes()).arg(spec);
            self.ask::<()>(&set);
        }
    }

    pub(crate) fn put(&mut self, set: &str, id: JobId, score: u64) {
        let mut put = self.about("ZADD", set);
        put.arg("XX").arg(score).arg(id.as_bytes());
        self.ask::<()>(&put);
    }

    /// The store remembers when the first limit ends.
    pub(crate) fn end_limit(&mut self, id: JobId) {
        self.end("expiring", id);
        let mut remember = self.about("HSET", "config");
        remember.arg("next_expiry").arg(PAST);
        self.ask::<()>(&remember);
    }

    /// The members of a set and their places.
    pub(crate) fn members(&mut self, set: &str) -> BTreeMap<Vec<u8>, f64> {
        let mut range = self.about("ZRANGE", set);
        range.arg(0).arg(-1).arg("WITHSCORES");
        self.ask(&range)
    }

    pub(crate) fn hash(&mut self, key: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let all = self.about("HGETALL", key);
        self.ask(&all)
    }

    pub(crate) fn field(&mut self, key: &str, field: impl ToRedisArgs) -> Option<String> {
        let mut get = self.about("HGET", key);
        get.arg(field);
        self.ask(&get)
    }

    /// What was made known since the last time: a letter and an id each, sorted.
    pub(crate) fn news(&mut self) -> Vec<(char, Vec<u8>)> {
        let mut range = self.about("XRANGE", "events");
        range.arg(&self.last_event).arg("+");
        let entries: Vec<Entry> = self.ask(&range);
        let mut news = Vec::new();
        for (id, fields) in entries {
            self.last_event = format!("({id}");
            for (letter, ids) in fields {
                let letter = letter.chars().next().unwrap();
                if ids.is_empty() {
                    news.push((letter, ids));
                } else {
                    news.extend(ids.chunks(16).map(|id| (letter, id.to_vec())));
                }
            }
        }
        news.sort();
        news
    }

    /// The queue's stream was deleted with it.
    pub(crate) fn forget_news(&mut self) {
        self.last_event = "-".to_owned();
    }
}

/// A time in a spec: field 13, a fixed64.
fn run_at_field(time: u64) -> [u8; 9] {
    let mut field = [0b0110_1001; 9];
    field[1..].copy_from_slice(&time.to_le_bytes());
    field
}
