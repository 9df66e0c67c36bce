//! Tokens and roles, on the wire and back.

use super::{known, timestamp};
use crate::access::Role;
use crate::error::{Error, Result};
use crate::proto;
use crate::queue::Token;

impl From<Role> for proto::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Submitter => Self::Submitter,
            Role::Operator => Self::Operator,
            Role::Admin => Self::Admin,
        }
    }
}

impl From<Token> for proto::Token {
    fn from(token: Token) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            role: proto::Role::from(token.role).into(),
            queues: token.queues.to_strings(),
            create_time: Some(timestamp(token.created)),
            expire_time: token.expires.map(timestamp),
            rotate_time: token.rotated.map(timestamp),
            creator: token.creator,
        }
    }
}

/// What the holder of a token is to be.
///
/// # Errors
/// `INVALID_FIELD` naming `role` when it is not given or not known.
pub fn role(role: i32) -> Result<Role> {
    match known("role", proto::Role::try_from(role))? {
        proto::Role::Unspecified => Err(Error::invalid("role", "must be given")),
        proto::Role::Viewer => Ok(Role::Viewer),
        proto::Role::Submitter => Ok(Role::Submitter),
        proto::Role::Operator => Ok(Role::Operator),
        proto::Role::Admin => Ok(Role::Admin),
    }
}
