//! The tokens that this server knows: all of them, read again and again, so that
//! a token nobody knows costs nothing, and a revoked one is soon refused.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jobflow::{
    Error, JobQueue, Pulses, QueueScope, Result, Role, StoreTime, Token, TokenHash, TokenId,
    TokenText, Tokens,
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::admin_file;
use super::limits::CallLimits;
use super::principal::Principal;

const READ_EVERY: Duration = Duration::from_secs(2);
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// What was read longer ago is not relied on: within this time a revocation is
/// heeded everywhere, whatever becomes of the store.
const STALE_AFTER: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(15);

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct TokenTable {
    queue: JobQueue,
    file: Option<PathBuf>,
    limits: CallLimits,
    known: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    /// From the file.
    admins: Vec<(TokenId, TokenHash, Arc<Principal>)>,
    tokens: HashMap<TokenId, (Token, Arc<Principal>)>,
    /// When they were read, by both clocks.
    read: Option<(Instant, StoreTime)>,
}

impl TokenTable {
    /// Reads the file, if there is one, but not the store.
    pub(crate) fn open(queue: JobQueue, file: Option<PathBuf>, limits: CallLimits) -> Result<Self> {
        let table = Self {
            queue,
            file,
            limits,
            known: Arc::default(),
        };
        if let Some(path) = &table.file {
            admin_file::make_sure_of(path)?;
        }
        table.read_file()?;
        Ok(table)
    }

    /// Who holds this token.
    ///
    /// # Errors
    /// `TOKEN_INVALID`, and `STORE_UNAVAILABLE` when that can not be told
    /// because the store has been silent for too long.
    pub(crate) fn holder(&self, text: &str) -> Result<Arc<Principal>> {
        let text = TokenText::parse(text).ok_or(Error::TokenInvalid)?;
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let hash = text.hash();
        let mut admins = known.admins.iter();
        if let Some((_, _, admin)) = admins.find(|(id, known, _)| id == text.id() && *known == hash)
        {
            return Ok(Arc::clone(admin));
        }
        let (at, time) = known
            .read
            .filter(|(at, _)| at.elapsed() < STALE_AFTER)
            .ok_or(Error::StoreUnavailable)?;
        let now = StoreTime(
            time.0
                .saturating_add(u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)),
        );
        let (token, principal) = known.tokens.get(text.id()).ok_or(Error::TokenInvalid)?;
        if token.accepts(&text, now) {
            Ok(Arc::clone(principal))
        } else {
            Err(Error::TokenInvalid)
        }
    }

    /// Reads the file again.
    ///
    /// # Errors
    /// `INVALID_FIELD`; then what was read before holds on.
    pub(crate) fn read_file(&self) -> Result<()> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        let texts = admin_file::read(path)?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut known.admins);
        for text in texts {
            let same = before
                .iter()
                .position(|(id, hash, _)| id == text.id() && *hash == text.hash());
            known.admins.push(match same {
                Some(at) => before.swap_remove(at),
                None => {
                    let name = format!("admin file {}", text.id());
                    let principal =
                        Principal::new(name, Role::Admin, QueueScope::all(), self.limits);
                    (text.id().clone(), text.hash(), Arc::new(principal))
                }
            });
        }
        for (_, _, gone) in before {
            gone.ended.cancel();
        }
        Ok(())
    }

    /// Reads the tokens of the store again: after each change here, and every
    /// two seconds for changes elsewhere.
    pub(crate) async fn read_store(&self) -> Result<()> {
        // Before the question, so that what is known is never taken for newer
        // than it is.
        let at = Instant::now();
        let tokens = timeout(READ_TIMEOUT, self.queue.tokens()).await;
        let tokens = tokens.unwrap_or(Err(Error::StoreUnavailable))?;
        self.learn(tokens, at);
        Ok(())
    }

    fn learn(&self, Tokens { time, tokens }: Tokens, at: Instant) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.read.is_some_and(|(newer, _)| newer > at) {
            return;
        }
        let mut before = std::mem::take(&mut known.tokens);
        for token in tokens {
            if token.is_expired(time) {
                continue;
            }
            // Who is known stays the same principal, with all it has open.
            let principal = match before.remove(&token.id) {
                Some((old, principal))
                    if (old.role, &old.queues) == (token.role, &token.queues) =>
                {
                    principal
                }
                _ => Arc::new(Principal::new(
                    token.name.clone(),
                    token.role,
                    token.queues.clone(),
                    self.limits,
                )),
            };
            known.tokens.insert(token.id.clone(), (token, principal));
        }
        for (_, principal) in before.into_values() {
            principal.ended.cancel();
        }
        known.read = Some((at, time));
    }

    /// Reads until `stopping`.
    pub(crate) async fn run(self, pulses: Pulses, stopping: CancellationToken) {
        let pulse = pulses.begin("token table", LIMIT);
        loop {
            // The pulse has said what is wrong.
            let _told = pulse.round(self.read_store()).await;
            if stopping
                .run_until_cancelled(sleep(READ_EVERY))
                .await
                .is_none()
            {
                return;
            }
        }
    }

    /// As on SIGHUP.
    pub(crate) fn reload(&self) {
        if let Err(error) = self.read_file() {
            warn!("{error}; the admin tokens stay as they are");
        }
    }
}
