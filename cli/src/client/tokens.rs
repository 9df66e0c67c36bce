//! Calls about tokens.

use jobflow::proto::{
    CreateTokenRequest, CreateTokenResponse, ListTokensRequest, RevokeTokenRequest,
    RotateTokenRequest, RotateTokenResponse, Token,
};
use tonic::Request;

use crate::client::{Client, PAGE_SIZE};
use crate::error::Result;

impl Client {
    /// Not repeated: a second try would make a second token.
    pub(crate) async fn create_token(
        &self,
        message: &CreateTokenRequest,
    ) -> Result<CreateTokenResponse> {
        let mut request = Request::new(message.clone());
        request.set_timeout(self.call_timeout);
        let answer = self.tokens().create_token(request).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| self.error(&status))
    }

    /// Not repeated: a second try would end the token that the first has told.
    pub(crate) async fn rotate_token(
        &self,
        message: &RotateTokenRequest,
    ) -> Result<RotateTokenResponse> {
        let mut request = Request::new(message.clone());
        request.set_timeout(self.call_timeout);
        let answer = self.tokens().rotate_token(request).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| self.error(&status))
    }

    /// All tokens, the oldest first.
    pub(crate) async fn list_tokens(&self) -> Result<Vec<Token>> {
        let mut tokens = Vec::new();
        let mut page = ListTokensRequest {
            page_size: PAGE_SIZE,
            page_token: String::new(),
        };
        loop {
            let answer = self
                .call(self.call_timeout, &page, async |request| {
                    self.tokens().list_tokens(request).await
                })
                .await?;
            tokens.extend(answer.tokens);
            if answer.next_page_token.is_empty() {
                return Ok(tokens);
            }
            page.page_token = answer.next_page_token;
        }
    }

    pub(crate) async fn revoke_token(&self, id: &str) -> Result<()> {
        let message = RevokeTokenRequest { id: id.to_owned() };
        self.call(self.call_timeout, &message, async |request| {
            self.tokens().revoke_token(request).await
        })
        .await?;
        Ok(())
    }
}
