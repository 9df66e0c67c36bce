//! The scripts, and the one way to call one.

use std::sync::LazyLock;

use ::redis::{Cmd, ErrorKind, FromRedisValue, ServerErrorKind, ToRedisArgs};

use crate::error::Result;
use crate::keys::QueueKeys;
use crate::redis::Store;

/// The most jobs in one call: a script holds up everybody else while it runs.
pub(crate) const MAX_JOBS: usize = 256;
/// How often a call loads its script: Redis can lose it again before it runs.
const MAX_LOADS: usize = 5;

/// Declares a script: the prelude and a file of the same name.
macro_rules! queue_script {
    ($name:ident, $file:literal) => {
        pub(crate) static $name: LazyLock<::redis::Script> = LazyLock::new(|| {
            ::redis::Script::new(concat!(include_str!("prelude.lua"), include_str!($file)))
        });
    };
}

queue_script!(SUBMIT, "submit.lua");
queue_script!(CLAIM, "claim.lua");
queue_script!(FINISH, "finish.lua");
queue_script!(EXTEND, "extend.lua");
queue_script!(PROMOTE, "promote.lua");
queue_script!(REAP, "reap.lua");
queue_script!(PRUNE, "prune.lua");
queue_script!(GET, "get.lua");
queue_script!(STATS, "stats.lua");
queue_script!(RECENT, "recent.lua");

/// Stands alone: it touches the namespace, not a queue.
pub(crate) static BEAT: LazyLock<::redis::Script> =
    LazyLock::new(|| ::redis::Script::new(include_str!("beat.lua")));

/// One call of a script. All arguments go into the one buffer of a command;
/// `redis::ScriptInvocation` would allocate each.
pub(crate) struct Call {
    script: &'static ::redis::Script,
    command: Cmd,
}

impl Call {
    /// A call of a queue's script: all keys of the queue.
    pub(crate) fn new(script: &'static ::redis::Script, keys: &QueueKeys) -> Self {
        Self::with_keys(script, keys.all())
    }

    pub(crate) fn with_keys(script: &'static ::redis::Script, keys: &[String]) -> Self {
        let mut command = ::redis::cmd("EVALSHA");
        command.arg(script.get_hash()).arg(keys.len()).arg(keys);
        Self { script, command }
    }

    pub(crate) fn arg<T: ToRedisArgs>(&mut self, arg: T) -> &mut Self {
        self.command.arg(arg);
        self
    }

    /// Runs it, and loads the script first where Redis has lost it: after a
    /// restart, a fail-over or a `SCRIPT FLUSH`.
    pub(crate) async fn run<T: FromRedisValue>(&self, store: &Store) -> Result<T> {
        let mut loads = 0;
        loop {
            match store.query(&self.command).await {
                Err(error)
                    if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
                        && loads < MAX_LOADS =>
                {
                    loads += 1;
                    store.load(self.script).await?;
                }
                other => return other.map_err(|error| store.fault(&error)),
            }
        }
    }
}
