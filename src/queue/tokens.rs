//! Tokens in the store: a record each, written once, and a secret for each
//! generation, written once. A token without a record is none, so nothing that
//! races with a revocation brings a token back.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;

use crate::access::{QueueScope, Role};
use crate::error::{Error, Result};
use crate::job::StoreTime;
use crate::keys;
use crate::queue::JobQueue;
use crate::token::{TokenHash, TokenId, TokenText};

/// Tokens of a namespace. Servers hold all of them, so that a token that is
/// unknown costs no question to the store.
pub const MAX_TOKENS: usize = 1_000;
/// The longest name of a token.
const MAX_LABEL: usize = 64;
/// How long an old secret holds beside a new one, at the most.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3_600);
const MAX_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);
/// After it has expired, a token is still listed for so long.
const LISTED_FOR: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A token to make.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// For people and the audit log: 1 to 64 printable ASCII characters.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// With which queues; an admin's are all.
    pub queues: QueueScope,
    /// How long it holds; for ever without.
    pub life: Option<Duration>,
    /// Who makes it.
    pub creator: String,
}

/// What is known of a token; not its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The public part.
    pub id: TokenId,
    /// For people.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// With which queues.
    pub queues: QueueScope,
    /// Who made it.
    pub creator: String,
    /// When it was made.
    pub created: StoreTime,
    /// When its secret was last replaced.
    pub rotated: Option<StoreTime>,
    /// From when on it is refused.
    pub expires: Option<StoreTime>,
    /// The present secret and the one before it, each with its end.
    secrets: Vec<(TokenHash, Option<StoreTime>)>,
}

/// All tokens at an instant of the store's clock.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// When they were read.
    pub time: StoreTime,
    /// The oldest first.
    pub tokens: Vec<Token>,
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    role: String,
    #[prost(string, repeated, tag = "3")]
    queues: Vec<String>,
    #[prost(string, tag = "4")]
    creator: String,
    #[prost(uint64, tag = "5")]
    created_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Secret {
    #[prost(bytes = "vec", tag = "1")]
    hash: Vec<u8>,
    #[prost(uint64, tag = "2")]
    created_ms: u64,
    /// When the generation before ends.
    #[prost(uint64, tag = "3")]
    before_ends_ms: u64,
    /// When this one ends; 0 for never.
    #[prost(uint64, tag = "4")]
    expires_ms: u64,
}

impl Token {
    /// Whether the holder of this text holds the token, at this time.
    #[must_use]
    pub fn accepts(&self, text: &TokenText, now: StoreTime) -> bool {
        let hash = text.hash();
        let holds = |end: &Option<StoreTime>| end.is_none_or(|end| now.0 < end.0);
        let mut found = false;
        // All are compared, so that the time does not tell which one it was.
        for (known, end) in &self.secrets {
            found |= (*known == hash) & holds(end);
        }
        found && *text.id() == self.id
    }

    /// Whether none of its secrets holds any more.
    #[must_use]
    pub fn is_expired(&self, now: StoreTime) -> bool {
        self.expires.is_some_and(|end| end.0 <= now.0)
    }

    fn read(id: TokenId, record: Record, generations: &BTreeMap<u32, Secret>) -> Option<Self> {
        let (number, present) = generations.last_key_value()?;
        let time = |ms: u64| (ms > 0).then_some(StoreTime(ms));
        let mut secrets = vec![(
            TokenHash::from_slice(&present.hash)?,
            time(present.expires_ms),
        )];
        if let Some(before) = number.checked_sub(1).and_then(|n| generations.get(&n)) {
            let own_end = time(before.expires_ms).map_or(u64::MAX, |end| end.0);
            let end = StoreTime(own_end.min(present.before_ends_ms));
            secrets.push((TokenHash::from_slice(&before.hash)?, Some(end)));
        }
        Some(Self {
            id,
            name: record.name,
            role: record.role.parse().ok()?,
            queues: QueueScope::new(record.queues).ok()?,
            creator: record.creator,
            created: StoreTime(record.created_ms),
            rotated: (*number > 1).then_some(StoreTime(present.created_ms)),
            expires: time(present.expires_ms),
            secrets,
        })
    }
}

impl JobQueue {
    /// Makes a token; its text is told this once.
    ///
    /// # Errors
    /// `INVALID_FIELD`, also when there are as many tokens as there can be, and
    /// any fault of the store.
    pub async fn create_token(&self, new: NewToken) -> Result<(Token, TokenText)> {
        check(&new)?;
        let now = self.forget_expired_tokens().await?;
        let text = TokenText::generate()?;
        let record = Record {
            name: new.name,
            role: new.role.to_string(),
            queues: new.queues.to_strings(),
            creator: new.creator,
            created_ms: now.0,
        };
        let secret = Secret {
            hash: text.hash().as_bytes().to_vec(),
            created_ms: now.0,
            before_ends_ms: 0,
            expires_ms: end(now, new.life),
        };
        let hash = keys::tokens(&self.core.config.namespace);
        let mut both = ::redis::pipe();
        both.atomic()
            .hset_nx(
                &hash,
                keys::token_secret(text.id(), 1),
                secret.encode_to_vec(),
            )
            .ignore()
            .hset_nx(&hash, text.id().as_str(), record.encode_to_vec())
            .ignore();
        self.core.store.run_pipeline(&both).await?;
        let token = self.token(text.id()).await?;
        if !token.accepts(&text, now) {
            return Err(taken(text.id()));
        }
        Ok((token, text))
    }

    /// Gives a token a new secret. The one it had holds for `overlap` beside it,
    /// any older one no more.
    ///
    /// # Errors
    /// `TOKEN_NOT_FOUND`, `INVALID_FIELD`, `ETAG_MISMATCH` when somebody else
    /// rotates it at the same time, and any fault of the store.
    pub async fn rotate_token(
        &self,
        id: &TokenId,
        overlap: Duration,
        life: Option<Duration>,
    ) -> Result<(Token, TokenText)> {
        if overlap > MAX_OVERLAP {
            return Err(Error::invalid("overlap", "must be at most 30 days"));
        }
        check_life(life)?;
        let (stored, now) = self.read_tokens().await?;
        let (_, generations) = stored
            .get(id)
            .filter(|(record, _)| record.is_some())
            .ok_or_else(|| not_found(id))?;
        let (number, present) = generations.last_key_value().ok_or_else(|| not_found(id))?;
        let text = TokenText::generate_for(id.clone())?;
        let secret = Secret {
            hash: text.hash().as_bytes().to_vec(),
            created_ms: now.0,
            before_ends_ms: now.0.saturating_add(ms(overlap)),
            expires_ms: life.map_or(present.expires_ms, |life| end(now, Some(life))),
        };
        let hash = keys::tokens(&self.core.config.namespace);
        let mut set = ::redis::cmd("HSETNX");
        set.arg(&hash)
            .arg(keys::token_secret(id, number + 1))
            .arg(secret.encode_to_vec());
        // Sent again after a break it would find itself, and say that it lost.
        let set = self.core.store.query_once::<bool>(&set).await;
        if !set.map_err(|error| self.core.store.fault(&error))? {
            return Err(taken(id));
        }
        if let Some(old) = number.checked_sub(1).filter(|old| *old > 0) {
            let mut forget = ::redis::cmd("HDEL");
            forget.arg(&hash).arg(keys::token_secret(id, old));
            self.core.store.run::<()>(&forget).await?;
        }
        // Not found when it was revoked meanwhile.
        Ok((self.token(id).await?, text))
    }

    /// Ends a token at once; servers heed it within five seconds.
    ///
    /// # Errors
    /// `TOKEN_NOT_FOUND` and any fault of the store.
    pub async fn revoke_token(&self, id: &TokenId) -> Result<()> {
        let hash = keys::tokens(&self.core.config.namespace);
        let mut forget = ::redis::cmd("HDEL");
        forget.arg(&hash).arg(id.as_str());
        let gone: bool = self.core.store.run(&forget).await?;
        self.forget_secrets(id).await?;
        if gone { Ok(()) } else { Err(not_found(id)) }
    }

    /// One token.
    ///
    /// # Errors
    /// `TOKEN_NOT_FOUND` and any fault of the store.
    pub async fn token(&self, id: &TokenId) -> Result<Token> {
        let tokens = self.tokens().await?.tokens;
        let found = tokens.into_iter().find(|token| token.id == *id);
        found.ok_or_else(|| not_found(id))
    }

    /// All tokens.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn tokens(&self) -> Result<Tokens> {
        let (stored, time) = self.read_tokens().await?;
        let read =
            |(id, (record, generations)): (_, Stored)| Token::read(id, record?, &generations);
        let mut tokens: Vec<_> = stored.into_iter().filter_map(read).collect();
        tokens.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        Ok(Tokens { time, tokens })
    }

    async fn read_tokens(&self) -> Result<(HashMap<TokenId, Stored>, StoreTime)> {
        let now = (self.core.store)
            .now(&keys::tokens(&self.core.config.namespace))
            .await?;
        let mut all = ::redis::cmd("HGETALL");
        all.arg(keys::tokens(&self.core.config.namespace));
        let fields: HashMap<String, Bytes> = self.core.store.run(&all).await?;
        let mut stored: HashMap<TokenId, Stored> = HashMap::new();
        for (field, bytes) in fields {
            let (id, generation) = match field.split_once(':') {
                Some((id, number)) => (id, number.parse().ok()),
                None => (&*field, None),
            };
            let Ok(id) = TokenId::new(id) else {
                continue;
            };
            let (record, generations) = stored.entry(id).or_default();
            match generation {
                Some(number) => generations.extend(Secret::decode(bytes).ok().map(|s| (number, s))),
                None => *record = Record::decode(bytes).ok(),
            }
        }
        Ok((stored, now))
    }

    async fn forget_secrets(&self, id: &TokenId) -> Result<()> {
        let (stored, _) = self.read_tokens().await?;
        let Some((None, generations)) = stored.get(id) else {
            return Ok(());
        };
        let mut forget = ::redis::cmd("HDEL");
        forget.arg(keys::tokens(&self.core.config.namespace));
        for number in generations.keys() {
            forget.arg(keys::token_secret(id, *number));
        }
        if generations.is_empty() {
            return Ok(());
        }
        self.core.store.run(&forget).await
    }

    /// Makes room, and says what time it is.
    async fn forget_expired_tokens(&self) -> Result<StoreTime> {
        let Tokens { time, tokens } = self.tokens().await?;
        let mut left = tokens.len();
        for token in &tokens {
            let long_over = token
                .expires
                .is_some_and(|end| time.since(end) > LISTED_FOR);
            if long_over || (left >= MAX_TOKENS && token.is_expired(time)) {
                match self.revoke_token(&token.id).await {
                    Ok(()) | Err(Error::TokenNotFound { .. }) => left -= 1,
                    Err(error) => return Err(error),
                }
            }
        }
        if left >= MAX_TOKENS {
            let message = format!("can not be taken: there are {MAX_TOKENS} tokens; revoke some");
            return Err(Error::invalid("name", message));
        }
        Ok(time)
    }
}

/// A record and the secrets by their generation, as they are stored.
type Stored = (Option<Record>, BTreeMap<u32, Secret>);

fn check(new: &NewToken) -> Result<()> {
    let printable = |byte: u8| (b' '..=b'~').contains(&byte);
    let name = new.name.as_bytes();
    if name.is_empty() || name.len() > MAX_LABEL || !name.iter().copied().all(printable) {
        let message = format!("must be 1 to {MAX_LABEL} printable ASCII characters");
        return Err(Error::invalid("name", message));
    }
    if new.role == Role::Admin && !new.queues.is_all() {
        return Err(Error::invalid("queues", "must be all for an admin"));
    }
    check_life(new.life)
}

fn check_life(life: Option<Duration>) -> Result<()> {
    match life {
        Some(life) if life < Duration::from_secs(1) || life > MAX_LIFE => {
            Err(Error::invalid("expires_in", "must be 1 s to 10 years"))
        }
        _ => Ok(()),
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn end(now: StoreTime, life: Option<Duration>) -> u64 {
    life.map_or(0, |life| now.0.saturating_add(ms(life)))
}

fn not_found(id: &TokenId) -> Error {
    Error::TokenNotFound { id: id.to_string() }
}

fn taken(id: &TokenId) -> Error {
    Error::EtagMismatch {
        what: format!("token {id}"),
    }
}
