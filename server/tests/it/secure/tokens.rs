//! The life of a token.

use std::time::{Duration, Instant};

use jobflow::testing::TestQueue;
use jobflow::{Role, TokenId, proto};
use jobflow_server::{AuthMode, Config};
use proto::token_service_client::TokenServiceClient;
use tokio::time::timeout;
use tonic::Code;

use super::{Locked, with};
use crate::support::{Server, details};

/// Within which a revocation is heeded everywhere.
const HEEDED: Duration = Duration::from_secs(5);

async fn info(server: &Server, token: &str) -> Result<proto::Caller, tonic::Status> {
    let request = with(token, proto::GetServerInfoRequest {});
    let answer = server.admin().get_server_info(request).await?;
    Ok(answer.into_inner().caller.unwrap())
}

/// Asks until the server refuses the token, and tells after how long.
async fn refused_after(server: &Server, token: &str) -> Duration {
    let began = Instant::now();
    let refused = async {
        loop {
            if let Err(status) = info(server, token).await {
                assert_eq!(status.code(), Code::Unauthenticated);
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(2 * HEEDED, refused).await.expect("never refused");
    began.elapsed()
}

#[tokio::test]
async fn a_token_is_made_listed_and_says_who_calls() {
    let queue = TestQueue::new();
    let locked = Locked::over(&queue).await;
    let (id, token) = locked
        .issue(Role::Operator, &["mail", "shop-*"], None)
        .await;
    let caller = info(&locked.server, &token).await.unwrap();
    assert_eq!(
        (&*caller.name, caller.role()),
        ("the operator", proto::Role::Operator)
    );
    assert_eq!(caller.queues, ["mail", "shop-*"]);
    assert!(caller.authenticated);
    let mut client = TokenServiceClient::new(locked.server.channel());
    let list = proto::ListTokensRequest {
        page_size: 1,
        page_token: String::new(),
    };
    let first = client
        .list_tokens(with(&locked.admin, list))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (first.tokens[0].id.clone(), first.next_page_token.clone()),
        (id, String::new())
    );
    assert!(first.tokens[0].creator.starts_with("admin file"));
    let secret = token.rsplit_once('_').unwrap().1;
    assert!(!format!("{first:?}").contains(secret));
    locked.server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_revoked_token_is_refused_by_every_server_and_its_streams_end() {
    let queue = TestQueue::new();
    let locked = Locked::over(&queue).await;
    let (id, token) = locked.issue(Role::Viewer, &[], None).await;
    let other = Server::start(Config {
        redis_url: queue.config().redis_url.clone(),
        namespace: queue.config().namespace.clone(),
        auth: AuthMode::Tokens,
        ..Config::default()
    })
    .await;
    let metrics = with(&token, proto::StreamMetricsRequest::default());
    let mut stream = other
        .metrics()
        .stream_metrics(metrics)
        .await
        .unwrap()
        .into_inner();
    assert!(stream.message().await.unwrap().is_some());

    let mut client = TokenServiceClient::new(locked.server.channel());
    let revoke = proto::RevokeTokenRequest { id: id.clone() };
    client
        .revoke_token(with(&locked.admin, revoke.clone()))
        .await
        .unwrap();
    let here = info(&locked.server, &token).await.unwrap_err();
    assert_eq!(
        details(&here).0,
        "TOKEN_INVALID",
        "at once where it was revoked"
    );
    let there = refused_after(&other, &token).await;
    assert!(there <= HEEDED, "{there:?}");
    let end = async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                end => return end.map(|_| ()),
            }
        }
    };
    let end = timeout(HEEDED, end).await.expect("the stream goes on");
    assert_eq!(end.unwrap_err().code(), Code::Unauthenticated);

    let again = client.revoke_token(with(&locked.admin, revoke)).await;
    assert_eq!(details(&again.unwrap_err()).0, "TOKEN_NOT_FOUND");
    other.stop().await.unwrap();
    locked.server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn after_a_rotation_both_secrets_hold_for_the_overlap_and_no_older_one() {
    let queue = TestQueue::new();
    let locked = Locked::over(&queue).await;
    let (id, first) = locked.issue(Role::Viewer, &[], None).await;
    let mut client = TokenServiceClient::new(locked.server.channel());
    let mut rotate = async |overlap| {
        let request = proto::RotateTokenRequest {
            id: id.clone(),
            overlap: Some(prost_types::Duration {
                seconds: overlap,
                nanos: 0,
            }),
            expires_in: None,
        };
        let rotated = client.rotate_token(with(&locked.admin, request)).await;
        rotated.unwrap().into_inner().text
    };
    let second = rotate(3_600).await;
    for token in [&first, &second] {
        assert!(info(&locked.server, token).await.is_ok());
    }
    let third = rotate(3_600).await;
    assert!(
        info(&locked.server, &first).await.is_err(),
        "two rotations ago"
    );
    assert!(info(&locked.server, &second).await.is_ok());
    let fourth = rotate(0).await;
    assert!(
        info(&locked.server, &third).await.is_err(),
        "without an overlap"
    );
    assert!(info(&locked.server, &fourth).await.is_ok());

    // A rotation that races with a revocation brings nothing back.
    let token = TokenId::new(&id).unwrap();
    let overlap = Duration::from_secs(60);
    let (rotated, revoked) = tokio::join!(
        queue.rotate_token(&token, overlap, None),
        queue.revoke_token(&token)
    );
    revoked.unwrap();
    assert!(queue.tokens().await.unwrap().tokens.is_empty());
    if let Ok((_, text)) = rotated {
        refused_after(&locked.server, text.reveal()).await;
    }
    locked.server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let queue = TestQueue::new();
    let locked = Locked::over(&queue).await;
    let second = prost_types::Duration {
        seconds: 1,
        nanos: 0,
    };
    let (_, token) = locked.issue(Role::Viewer, &[], Some(second)).await;
    assert!(info(&locked.server, &token).await.is_ok());
    let lived = refused_after(&locked.server, &token).await;
    assert!(lived <= Duration::from_secs(2), "{lived:?}");
    locked.server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn an_admin_of_some_queues_is_none() {
    let queue = TestQueue::new();
    let locked = Locked::over(&queue).await;
    let mut client = TokenServiceClient::new(locked.server.channel());
    let request = proto::CreateTokenRequest {
        name: "half".to_owned(),
        role: proto::Role::Admin.into(),
        queues: vec!["mail".to_owned()],
        expires_in: None,
    };
    let refused = client.create_token(with(&locked.admin, request)).await;
    let (_, details) = details(&refused.unwrap_err());
    let violations = &details.bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "queues");
    locked.server.stop().await.unwrap();
    queue.close().await;
}
