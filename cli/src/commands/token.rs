use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use jobflow::Role;
use jobflow::proto::{self, CreateTokenRequest, RotateTokenRequest};

use crate::args::Token;
use crate::client::Client;
use crate::error::{Error, Exit, Result};
use crate::output::Output;
use crate::view::token::Issued;

pub(crate) async fn run(client: &Client, command: Token, output: &mut Output) -> Result<()> {
    let (token, text, to) = match command {
        Token::List => return Ok(output.list(&client.list_tokens().await?)?),
        Token::Revoke { id } => {
            client.revoke_token(&id).await?;
            output.message(&format!("token {id} ends within five seconds"));
            return Ok(());
        }
        Token::Create {
            name,
            role,
            queue,
            expires,
            to,
        } => {
            let request = CreateTokenRequest {
                name,
                role: wire_role(role).into(),
                queues: queue,
                expires_in: expires.0.map(proto::duration),
            };
            let answer = client.create_token(&request).await?;
            (answer.token, answer.text, to)
        }
        Token::Rotate {
            id,
            overlap,
            expires,
            to,
        } => {
            let request = RotateTokenRequest {
                id,
                overlap: Some(proto::duration(overlap)),
                expires_in: expires.map(proto::duration),
            };
            let answer = client.rotate_token(&request).await?;
            (answer.token, answer.text, to)
        }
    };
    let token = token.ok_or_else(|| client.incomplete())?;
    match to {
        None => {
            output.item(&Issued { token, text })?;
            output.message("the token is not shown again");
        }
        Some(file) => {
            if let Err(error) = keep(&file, &text) {
                // It can not be had again, so a file that can not be written must
                // not cost it.
                output.item(&Issued { token, text })?;
                let message = format!("can not write {}: {error}", file.display());
                return Err(Error::new(Exit::Other, message));
            }
            output.item(&token)?;
        }
    }
    Ok(())
}

/// Writes a token for its owner alone to read. Never over another file, whose
/// rights may be wider.
fn keep(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

const fn wire_role(role: Role) -> proto::Role {
    match role {
        Role::Viewer => proto::Role::Viewer,
        Role::Submitter => proto::Role::Submitter,
        Role::Operator => proto::Role::Operator,
        Role::Admin => proto::Role::Admin,
    }
}
