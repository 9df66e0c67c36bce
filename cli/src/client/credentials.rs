//! What the client shows to the server, and by what it knows the server.

use std::env;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use crate::args::Global;
use crate::error::{Error, Result};

const TOKEN: &str = "JOBFLOW_TOKEN";

/// Adds the token, if there is one, to every call.
#[derive(Clone)]
pub(crate) struct Credentials(Option<MetadataValue<Ascii>>);

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", value.clone());
        }
        Ok(request)
    }
}

impl Credentials {
    /// Reads the token from where it is.
    pub(super) fn read(global: &Global) -> Result<Self> {
        let text = match &global.token_file {
            Some(file) => Some(read(file)?),
            None => env::var(TOKEN).ok(),
        };
        let text = text.as_deref().map(first_line).unwrap_or_default();
        if text.is_empty() {
            return Ok(Self(None));
        }
        if !global.plaintext_token && is_exposed(&global.server) {
            return Err(
                Error::usage("the token would travel in the clear to another machine")
                    .hint("use an https:// server, or --plaintext-token if the way there is safe"),
            );
        }
        let mut value = MetadataValue::try_from(format!("Bearer {text}"))
            .map_err(|_| Error::usage("the token has characters that no token has"))?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

/// A file of the server may have several tokens and comments.
fn first_line(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    line.unwrap_or_default()
}

/// Whether what is sent there passes through others' hands unencrypted.
fn is_exposed(server: &Endpoint) -> bool {
    let host = server.uri().host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    server.uri().scheme_str() != Some("https") && !is_local
}

/// The endpoint, with TLS where its URL asks for it.
pub(super) fn secured(endpoint: Endpoint, global: &Global) -> Result<Endpoint> {
    if endpoint.uri().scheme_str() != Some("https") {
        if global.ca_file.is_some() || global.client_cert.is_some() {
            return Err(Error::usage("certificates need an https:// server"));
        }
        return Ok(endpoint);
    }
    let mut tls = match &global.ca_file {
        Some(file) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(file)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let (Some(cert), Some(key)) = (&global.client_cert, &global.client_key) {
        tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
    }
    endpoint
        .tls_config(tls)
        .map_err(|error| Error::usage(format!("TLS can not be set up: {error}")))
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file)
        .map_err(|error| Error::usage(format!("can not read {}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_go_in_the_clear_to_this_machine_alone() {
        for (server, exposed) in [
            ("http://127.0.0.1:4000", false),
            ("http://[::1]:4000", false),
            ("http://localhost:4000", false),
            ("https://jobs.example.com", false),
            ("http://jobs.example.com", true),
            ("http://10.0.0.1:4000", true),
        ] {
            let endpoint = Endpoint::from_static(server);
            assert_eq!(is_exposed(&endpoint), exposed, "{server}");
        }
    }

    #[test]
    fn the_first_token_of_a_file_is_taken() {
        assert_eq!(
            first_line("# of the admin\n\n  jf_a_b \njf_c_d\n"),
            "jf_a_b"
        );
        assert_eq!(first_line("\n"), "");
    }
}
