//! Tokens: there is one, `mailer`.

use jobflow::proto;
use tonic::{Code, Request, Response, Status};

use super::{Fake, error, time};

/// The id of the only token.
pub(crate) const ID: &str = "0a1b2c3d4e5f";

fn token() -> proto::Token {
    proto::Token {
        id: ID.to_owned(),
        name: "mailer".to_owned(),
        role: proto::Role::Submitter.into(),
        queues: vec!["mail".to_owned()],
        create_time: time(1_800_000_000),
        expire_time: time(1_900_000_000),
        rotate_time: None,
        creator: "root".to_owned(),
    }
}

fn known(id: &str) -> Result<(), Status> {
    if id == ID {
        return Ok(());
    }
    let message = format!("token {id} does not exist or was revoked");
    Err(error(Code::NotFound, "TOKEN_NOT_FOUND", &message))
}

#[tonic::async_trait]
impl proto::token_service_server::TokenService for Fake {
    async fn create_token(
        &self,
        request: Request<proto::CreateTokenRequest>,
    ) -> Result<Response<proto::CreateTokenResponse>, Status> {
        let shown = request.metadata().get("authorization");
        self.script().shown = shown.map(|value| value.to_str().unwrap().to_owned());
        let request = request.into_inner();
        self.script().record(&request);
        Ok(Response::new(proto::CreateTokenResponse {
            token: Some(proto::Token {
                name: request.name.clone(),
                role: request.role,
                queues: request.queues,
                ..token()
            }),
            text: format!("jf_{ID}_secret"),
        }))
    }

    async fn list_tokens(
        &self,
        _: Request<proto::ListTokensRequest>,
    ) -> Result<Response<proto::ListTokensResponse>, Status> {
        Ok(Response::new(proto::ListTokensResponse {
            tokens: vec![token()],
            next_page_token: String::new(),
        }))
    }

    async fn rotate_token(
        &self,
        request: Request<proto::RotateTokenRequest>,
    ) -> Result<Response<proto::RotateTokenResponse>, Status> {
        let request = request.into_inner();
        known(&request.id)?;
        self.script().record(&request);
        Ok(Response::new(proto::RotateTokenResponse {
            token: Some(token()),
            text: format!("jf_{ID}_rotated"),
        }))
    }

    async fn revoke_token(
        &self,
        request: Request<proto::RevokeTokenRequest>,
    ) -> Result<Response<proto::RevokeTokenResponse>, Status> {
        let request = request.into_inner();
        known(&request.id)?;
        self.script().record(&request);
        Ok(Response::new(proto::RevokeTokenResponse {}))
    }
}
