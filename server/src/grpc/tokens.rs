//! `TokenService`.

use std::sync::Arc;
use std::time::Duration;

use super::services::token_service_server::TokenService;
use jobflow::{NewToken, QueueScope, Result, StoreTime, TokenId, proto};
use tonic::{Request, Response, Status};

use super::paging;
use super::status::reply;
use crate::app::App;
use crate::auth::who;

/// How long an old text holds beside a new one when the request says nothing.
const OVERLAP: Duration = Duration::from_secs(24 * 3_600);

pub(super) struct TokenCalls(pub(super) Arc<App>);

#[tonic::async_trait]
impl TokenService for TokenCalls {
    async fn create_token(
        &self,
        request: Request<proto::CreateTokenRequest>,
    ) -> Result<Response<proto::CreateTokenResponse>, Status> {
        reply(self.create(request.into_inner()).await)
    }

    async fn list_tokens(
        &self,
        request: Request<proto::ListTokensRequest>,
    ) -> Result<Response<proto::ListTokensResponse>, Status> {
        reply(self.list(request.into_inner()).await)
    }

    async fn rotate_token(
        &self,
        request: Request<proto::RotateTokenRequest>,
    ) -> Result<Response<proto::RotateTokenResponse>, Status> {
        reply(self.rotate(request.into_inner()).await)
    }

    async fn revoke_token(
        &self,
        request: Request<proto::RevokeTokenRequest>,
    ) -> Result<Response<proto::RevokeTokenResponse>, Status> {
        reply(self.revoke(request.into_inner()).await)
    }
}

impl TokenCalls {
    async fn create(
        &self,
        request: proto::CreateTokenRequest,
    ) -> Result<proto::CreateTokenResponse> {
        let new = NewToken {
            role: proto::role(request.role)?,
            queues: QueueScope::new(request.queues)?,
            life: duration("expires_in", request.expires_in.as_ref())?,
            creator: who::principal()?.name.clone(),
            name: request.name,
        };
        let (token, text) = self.0.queue.create_token(new).await?;
        who::about(format!("token {}", token.id));
        self.0.know_tokens().await?;
        Ok(proto::CreateTokenResponse {
            token: Some(token.into()),
            text: text.reveal().to_owned(),
        })
    }

    async fn list(&self, request: proto::ListTokensRequest) -> Result<proto::ListTokensResponse> {
        let size = paging::LONG.of(request.page_size)?;
        let after = paging::place("tokens", &request.page_token, place)?;
        let mut tokens = self.0.queue.tokens().await?.tokens;
        if let Some(after) = &after {
            tokens.retain(|token| (token.created.0, &token.id) > (after.0.0, &after.1));
        }
        let more = tokens.len() > size;
        tokens.truncate(size);
        let last = tokens.last().filter(|_| more);
        let next = last.map(|last| format!("{}:{}", last.created.0, last.id));
        Ok(proto::ListTokensResponse {
            next_page_token: next
                .map(|place| paging::token("tokens", &place))
                .unwrap_or_default(),
            tokens: tokens.into_iter().map(Into::into).collect(),
        })
    }

    async fn rotate(
        &self,
        request: proto::RotateTokenRequest,
    ) -> Result<proto::RotateTokenResponse> {
        let id = TokenId::new(&request.id)?;
        who::about(format!("token {id}"));
        let overlap = duration("overlap", request.overlap.as_ref())?.unwrap_or(OVERLAP);
        let life = duration("expires_in", request.expires_in.as_ref())?;
        let (token, text) = self.0.queue.rotate_token(&id, overlap, life).await?;
        self.0.know_tokens().await?;
        Ok(proto::RotateTokenResponse {
            token: Some(token.into()),
            text: text.reveal().to_owned(),
        })
    }

    async fn revoke(
        &self,
        request: proto::RevokeTokenRequest,
    ) -> Result<proto::RevokeTokenResponse> {
        let id = TokenId::new(&request.id)?;
        who::about(format!("token {id}"));
        self.0.queue.revoke_token(&id).await?;
        self.0.know_tokens().await?;
        Ok(proto::RevokeTokenResponse {})
    }
}

fn duration(field: &str, wire: Option<&prost_types::Duration>) -> Result<Option<Duration>> {
    wire.map(|wire| proto::duration_from(field, wire))
        .transpose()
}

/// Where a page begins: behind the token of this age and id.
fn place(text: &str) -> Option<(StoreTime, TokenId)> {
    let (created, id) = text.split_once(':')?;
    Some((StoreTime(created.parse().ok()?), TokenId::new(id).ok()?))
}
