//! The payload of one job, from the command line, a file or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use jobflow::MAX_PAYLOAD;
use serde_json::value::RawValue;

use crate::args::Payload;
use crate::error::{Error, Result};
use crate::view::json::is_json;

impl Payload {
    pub(crate) const fn is_given(&self) -> bool {
        self.data.is_some() || self.data_file.is_some()
    }

    /// The payload as it was given, if it is what its content type says.
    pub(crate) fn read(&self, content_type: &str) -> Result<Option<Bytes>> {
        let (flag, payload) = match (&self.data, &self.data_file) {
            (Some(data), _) => ("--data", Bytes::from(data.clone())),
            (None, Some(path)) => ("--data-file", read(path)?),
            (None, None) => return Ok(None),
        };
        if is_json(content_type)
            && let Err(error) = serde_json::from_slice::<&RawValue>(&payload)
        {
            return Err(Error::usage(format!("{flag} is not JSON: {error}"))
                .hint("--content-type says what else it is"));
        }
        Ok(Some(payload))
    }
}

fn read(path: &Path) -> Result<Bytes> {
    let failed = |error| Error::usage(format!("--data-file {}: {error}", path.display()));
    let source: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(io::stdin().lock()),
        _ => Box::new(File::open(path).map_err(failed)?),
    };
    let mut payload = Vec::new();
    // One byte over the limit is enough for the server to refuse it.
    source
        .take(MAX_PAYLOAD as u64 + 1)
        .read_to_end(&mut payload)
        .map_err(failed)?;
    if payload.len() > MAX_PAYLOAD {
        return Err(Error::usage(format!(
            "--data-file is larger than {MAX_PAYLOAD} bytes"
        )));
    }
    Ok(payload.into())
}
