//! SIGHUP: certificate, admin tokens and the principals of certificates are read again.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::auth::{CertificateTable, TokenTable};
use crate::tls::Tls;

/// Listens until `stopping`.
pub(crate) async fn run(
    tls: Option<Tls>,
    tokens: Option<TokenTable>,
    certificates: Option<CertificateTable>,
    stopping: CancellationToken,
) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => return warn!("can not listen for SIGHUP: {error}"),
    };
    while let Some(Some(())) = stopping.run_until_cancelled(hangup.recv()).await {
        if let Some(tls) = &tls {
            tls.reload();
        }
        if let Some(tokens) = &tokens {
            tokens.reload();
        }
        if let Some(certificates) = &certificates {
            certificates.reload();
        }
    }
}
