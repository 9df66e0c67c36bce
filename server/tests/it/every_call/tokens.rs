//! The calls about tokens.

use jobflow::proto;
use jobflow::proto::token_service_client::TokenServiceClient;

use super::{Refusals, seconds, text};
use crate::support::Server;

pub(super) async fn tokens(server: &Server, refused: &mut Refusals) {
    let mut tokens = TokenServiceClient::new(server.channel());
    for (name, role, queue, life, expected) in [
        ("", 1, "", None, "INVALID_FIELD name"),
        (&*"n".repeat(65), 1, "", None, "INVALID_FIELD name"),
        ("a\nb", 1, "", None, "INVALID_FIELD name"),
        ("a", 0, "", None, "INVALID_FIELD role"),
        ("a", 99, "", None, "INVALID_FIELD role"),
        ("a", 1, "a*b", None, "INVALID_FIELD queues"),
        ("a", 4, "mail", None, "INVALID_FIELD queues"),
        ("a", 1, "", seconds(0), "INVALID_FIELD expires_in"),
        ("a", 1, "", seconds(i64::MAX), "INVALID_FIELD expires_in"),
    ] {
        let create = proto::CreateTokenRequest {
            name: text(name),
            role,
            queues: Some(text(queue))
                .filter(|queue| !queue.is_empty())
                .into_iter()
                .collect(),
            expires_in: life,
        };
        refused.add("CreateToken", expected, tokens.create_token(create).await);
    }
    for (page_size, page_token, expected) in [
        (-1, "", "INVALID_FIELD page_size"),
        (0, "foreign", "INVALID_FIELD page_token"),
    ] {
        let list = proto::ListTokensRequest {
            page_size,
            page_token: text(page_token),
        };
        refused.add("ListTokens", expected, tokens.list_tokens(list).await);
    }
    for (id, overlap, expected) in [
        ("", None, "INVALID_FIELD id"),
        ("0A1B2C3D4E5F", None, "INVALID_FIELD id"),
        ("0a1b2c3d4e5f", seconds(-1), "INVALID_FIELD overlap"),
        (
            "0a1b2c3d4e5f",
            seconds(31 * 86_400),
            "INVALID_FIELD overlap",
        ),
        ("0a1b2c3d4e5f", None, "TOKEN_NOT_FOUND"),
    ] {
        let rotate = proto::RotateTokenRequest {
            id: text(id),
            overlap,
            expires_in: None,
        };
        refused.add("RotateToken", expected, tokens.rotate_token(rotate).await);
        if overlap.is_none() {
            let revoke = proto::RevokeTokenRequest { id: text(id) };
            refused.add("RevokeToken", expected, tokens.revoke_token(revoke).await);
        }
    }
}

pub(super) async fn audit(server: &Server, refused: &mut Refusals) {
    for (page_size, page_token, expected) in [
        (-1, "", "INVALID_FIELD page_size"),
        (0, "foreign", "INVALID_FIELD page_token"),
        (0, "YXVkaXQ6MS0wIENPVU5UIDE", "INVALID_FIELD page_token"),
    ] {
        let list = proto::ListAuditEventsRequest {
            page_size,
            page_token: text(page_token),
        };
        let listed = server.admin().list_audit_events(list).await;
        refused.add("ListAuditEvents", expected, listed);
    }
}
