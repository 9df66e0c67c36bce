//! What tokens and TLS cost: one job a call, by gRPC, four ways in turns.

use std::path::Path;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use jobflow::testing::TestAuthority;
use tokio::time::{sleep, timeout};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::children::{LOOK_EVERY, PATIENCE, Process};
use crate::grpc::{Bearer, CHANNELS, unary_calls_as};
use crate::setting::{config, print_rate};

/// How callers and server meet.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    tokens: bool,
    tls: bool,
}

const WAYS: [Way; 4] = [
    Way {
        name: "grpc-unary-open",
        tokens: false,
        tls: false,
    },
    Way {
        name: "grpc-unary-token",
        tokens: true,
        tls: false,
    },
    Way {
        name: "grpc-unary-tls",
        tokens: false,
        tls: true,
    },
    Way {
        name: "grpc-unary-token-tls",
        tokens: true,
        tls: true,
    },
];

/// Each way once: `--rounds` takes them in turns.
pub(crate) async fn run(n: usize, in_flight: usize) -> Result<()> {
    let authority = TestAuthority::new();
    for way in WAYS {
        measure(way, &authority, n, in_flight).await?;
    }
    Ok(())
}

async fn measure(way: Way, authority: &TestAuthority, n: usize, in_flight: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("admin.token");
    let (cert, key) = authority.signed_files("server");
    let mut words = vec!["--max-call-rate", "0"];
    if way.tokens {
        words.extend(["--auth", "tokens", "--admin-token-file", text(&file)?]);
    }
    if way.tls {
        words.extend(["--tls-cert", text(&cert)?, "--tls-key", text(&key)?]);
    }
    let server = Process::guarded(&config(way.name)?, &words).await?;
    let token = match way.tokens {
        false => None,
        true => Some(bearer(&file).await?),
    };
    let channels = channels(&server.address, way.tls.then_some(authority)).await?;
    unary_calls_as(&channels, 100, in_flight, token.clone()).await?;
    let took = unary_calls_as(&channels, n, in_flight, token).await?;
    print_rate(way.name, n, ("c", in_flight), took);
    Ok(())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("an odd folder")
}

/// The port is there before the file is.
async fn bearer(file: &Path) -> Result<Bearer> {
    let written = async {
        loop {
            match std::fs::read_to_string(file) {
                Ok(token) if token.ends_with('\n') => return token,
                _ => sleep(LOOK_EVERY).await,
            }
        }
    };
    let token = timeout(PATIENCE, written).await.context("no admin token")?;
    Ok(format!("Bearer {}", token.trim()).parse()?)
}

async fn channels(address: &str, authority: Option<&TestAuthority>) -> Result<Vec<Channel>> {
    let endpoint = match authority {
        None => Endpoint::from_shared(format!("http://{address}"))?,
        Some(authority) => {
            let tls = ClientTlsConfig::new()
                .ca_certificate(Certificate::from_pem(authority.pem()))
                .domain_name("localhost");
            Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls)?
        }
    };
    let endpoint = endpoint.tcp_nodelay(true);
    let connects = (0..CHANNELS).map(|_| endpoint.connect());
    Ok(try_join_all(connects).await?)
}
