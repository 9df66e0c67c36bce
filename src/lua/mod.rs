//! The scripts, and the one way to call one.

use std::sync::LazyLock;

use ::redis::{Arg, Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind, ToRedisArgs};

use crate::error::{Error, Result};
use crate::keys::QueueKeys;
use crate::redis::{Exclusive, Store};

/// The most jobs in one call: a script holds up everybody else while it runs,
/// and is at its slowest when Redis has to grow tables with millions of jobs.
pub(crate) const MAX_JOBS: usize = 125;

/// Declares a script: the prelude, further parts of it that the script needs,
/// and a file of the same name. Functions of a part are made anew with every
/// call, so a script gets no more parts than it uses.
macro_rules! queue_script {
    ($name:ident, $($file:literal),+) => {
        pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("prelude.lua"), $(include_str!($file)),+))
        });
    };
}

queue_script!(
    SUBMIT,
    "prelude_count.lua",
    "prelude_store.lua",
    "prelude_submit.lua",
    "submit.lua"
);
#[rustfmt::skip]
queue_script!(REPLACE, "prelude_count.lua", "prelude_keep.lua", "prelude_history.lua", "prelude_control.lua", "prelude_store.lua", "prelude_submit.lua", "replace.lua");
#[rustfmt::skip]
queue_script!(CLAIM, "prelude_pause.lua", "prelude_take.lua", "prelude_count.lua", "prelude_keep.lua", "prelude_history.lua", "prelude_resume.lua", "prelude_due.lua", "claim.lua");
#[rustfmt::skip]
queue_script!(FINISH, "prelude_count.lua", "prelude_keep.lua", "prelude_history.lua", "prelude_finish.lua", "finish.lua");
queue_script!(FIND, "find.lua");
queue_script!(SPREAD, "spread.lua");
queue_script!(FOLD, "fold.lua");
queue_script!(
    RETIRE,
    "prelude_count.lua",
    "prelude_keep.lua",
    "prelude_history.lua",
    "prelude_control.lua",
    "retire.lua"
);
queue_script!(EXTEND, "extend.lua");
queue_script!(REPORT, "prelude_count.lua", "report.lua");
#[rustfmt::skip]
queue_script!(PROMOTE, "prelude_count.lua", "prelude_keep.lua", "prelude_history.lua", "prelude_pause.lua", "prelude_resume.lua", "prelude_due.lua", "promote.lua");
#[rustfmt::skip]
queue_script!(REAP, "prelude_count.lua", "prelude_keep.lua", "prelude_history.lua", "prelude_pause.lua", "prelude_resume.lua", "prelude_due.lua", "reap.lua");
queue_script!(PRUNE, "prelude_keep.lua", "prune.lua");
queue_script!(
    GET,
    "prelude_keep.lua",
    "prelude_history.lua",
    "prelude_control.lua",
    "get.lua"
);
queue_script!(LIST, "prelude_look.lua", "list.lua");
queue_script!(STATS, "prelude_count.lua", "stats.lua");
queue_script!(RECENT, "recent.lua");
queue_script!(KINDS, "kinds.lua");
#[rustfmt::skip]
queue_script!(MEASURE, "prelude_count.lua", "prelude_measure.lua", "measure.lua");
queue_script!(QUERY, "prelude_count.lua", "query.lua");

#[rustfmt::skip]
queue_script!(CANCEL, "prelude_count.lua", "prelude_keep.lua", "prelude_history.lua", "prelude_control.lua", "cancel.lua");
queue_script!(
    RETRY,
    "prelude_keep.lua",
    "prelude_history.lua",
    "prelude_control.lua",
    "retry.lua"
);
queue_script!(
    PROMOTE_NOW,
    "prelude_keep.lua",
    "prelude_history.lua",
    "prelude_control.lua",
    "promote_now.lua"
);
queue_script!(
    UPDATE,
    "prelude_keep.lua",
    "prelude_history.lua",
    "prelude_control.lua",
    "update.lua"
);
queue_script!(
    DELETE,
    "prelude_keep.lua",
    "prelude_history.lua",
    "prelude_control.lua",
    "delete.lua"
);

queue_script!(
    CHECK,
    "prelude_count.lua",
    "prelude_keep.lua",
    "prelude_history.lua",
    "prelude_control.lua",
    "prelude_pause.lua",
    "prelude_resume.lua",
    "prelude_due.lua",
    "prelude_check.lua",
    "prelude_judge.lua",
    "check.lua"
);

queue_script!(
    PAUSE,
    "prelude_pause.lua",
    "prelude_resume.lua",
    "pause.lua"
);
queue_script!(DRAIN, "prelude_keep.lua", "drain.lua");
queue_script!(CONFIGURE, "configure.lua");
queue_script!(
    PURGE,
    "prelude_keep.lua",
    "prelude_history.lua",
    "prelude_control.lua",
    "purge.lua"
);
queue_script!(
    DELETE_QUEUE,
    "prelude_count.lua",
    "prelude_keep.lua",
    "prelude_history.lua",
    "prelude_control.lua",
    "delete_queue.lua"
);

/// These stand alone: they touch the namespace, or one key of a queue.
pub(crate) static BEAT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("beat.lua")));
pub(crate) static SIGNAL: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("signal.lua")));
pub(crate) static RING: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("ring.lua")));

/// Whether Redis does not have the script of a call, which has done nothing then.
pub(crate) fn is_lost(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// A script and the name that Redis gives it.
pub(crate) struct Script {
    source: &'static str,
    hash: String,
}

impl Script {
    fn new(source: &'static str) -> Self {
        let hash = ::redis::Script::new(source).get_hash().to_owned();
        Self { source, hash }
    }
}

/// One call of a script. All arguments go into the one buffer of a command;
/// `redis::ScriptInvocation` would allocate each.
pub(crate) struct Call {
    script: &'static Script,
    command: Cmd,
}

impl Call {
    /// A call of a queue's script: all keys of the queue.
    pub(crate) fn new(script: &'static Script, keys: &QueueKeys) -> Self {
        Self::with_keys(script, keys.all())
    }

    pub(crate) fn with_keys(script: &'static Script, keys: &[String]) -> Self {
        let mut command = ::redis::cmd("EVALSHA");
        command.arg(&script.hash).arg(keys.len()).arg(keys);
        Self { script, command }
    }

    /// For a caller that sends it by itself, and knows what to do when the script [is lost](is_lost).
    pub(crate) const fn command(&self) -> &Cmd {
        &self.command
    }

    pub(crate) fn arg<T: ToRedisArgs>(&mut self, arg: T) -> &mut Self {
        self.command.arg(arg);
        self
    }

    /// Runs a script that may run twice.
    pub(crate) async fn run<T: FromRedisValue>(&self, store: &Store) -> Result<T> {
        match self.run_once(store).await {
            // Its connection may have broken long before, while nobody used it.
            Err(Error::StoreUnavailable) => self.run_once(store).await,
            reply => reply,
        }
    }

    /// Runs it. Where Redis has lost the script, after a restart, a fail-over
    /// or a `SCRIPT FLUSH`, it is sent along: loaded apart from its call, it
    /// could be lost again in between.
    pub(crate) async fn run_once<T: FromRedisValue>(&self, store: &Store) -> Result<T> {
        let reply = match store.query_once(&self.command).await {
            Err(error) if is_lost(&error) => store.query_once(&self.with_source()).await,
            other => other,
        };
        reply.map_err(|error| store.fault(&error))
    }

    /// The same on a connection that the caller owns.
    pub(crate) async fn run_once_on<T: FromRedisValue>(
        &self,
        store: &Store,
        own: &mut Exclusive,
    ) -> Result<T> {
        let reply = match own.query(&self.command).await {
            Err(error) if is_lost(&error) => own.query(&self.with_source()).await,
            other => other,
        };
        reply.map_err(|error| store.fault(&error))
    }

    fn with_source(&self) -> Cmd {
        let mut command = ::redis::cmd("EVAL");
        command.arg(self.script.source);
        // Behind the name of the command and the hash: keys and arguments.
        for arg in self.command.args_iter().skip(2) {
            if let Arg::Simple(bytes) = arg {
                command.arg(bytes);
            }
        }
        command
    }
}
