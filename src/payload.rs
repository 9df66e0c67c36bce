//! Payloads and results that only producers and workers can read.
//!
//! A producer seals a payload, a worker with the same keys opens it for its
//! handler, and what the handler returns is sealed for whoever has the keys. What
//! lies between, Redis, server and dashboard, sees the kind, the queue, the
//! headers and tags of a job, and a length that is rounded up.
//!
//! ```
//! use jobflow::NewJob;
//! use jobflow::payload::Keyring;
//!
//! # fn main() -> jobflow::Result<()> {
//! let keys = Keyring::read("2026-11 c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0ISE=\n")?;
//! let job = NewJob::new("send_email", r#"{"to":"user@example.com"}"#)?
//!     .queue("mail")?
//!     .sealed(&keys)?;
//! # Ok(()) }
//! ```

mod envelope;
mod keyring;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::job::{JobId, Kind};
use crate::new_job::NewJob;
use crate::options::check_size;

pub use envelope::{CONTENT_TYPE, OpenError, Opened};
pub use keyring::Keyring;

use envelope::Purpose;

/// What a sealed payload or result belongs to: it opens there and nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The kind of the job.
    pub kind: &'a Kind,
    /// The job itself.
    pub id: JobId,
}

/// Whether bytes of this content type are sealed.
#[must_use]
pub fn is_sealed(content_type: &str) -> bool {
    content_type == CONTENT_TYPE
}

impl NewJob {
    /// Seals the payload and its content type, for this job alone. The last thing
    /// to do to a job: it gets the id that it keeps.
    ///
    /// # Errors
    /// `INVALID_FIELD` when it is sealed already, `PAYLOAD_TOO_LARGE` when it is
    /// over its limit once it is sealed.
    pub fn sealed(mut self, keys: &Keyring) -> Result<Self> {
        if is_sealed(&self.content_type) {
            return Err(Error::invalid("payload", "is sealed already"));
        }
        let id = *self.id.get_or_insert_with(|| JobId::generate(&self.queue));
        let place = Place {
            kind: &self.kind,
            id,
        };
        let opened = Opened {
            content_type: self.content_type,
            bytes: self.payload,
        };
        self.payload = keys.seal(Purpose::Payload, place, &opened)?;
        self.content_type = CONTENT_TYPE.to_owned();
        check_size("payload", self.payload.len())?;
        Ok(self)
    }
}

impl Keyring {
    /// Opens the payload of a job.
    ///
    /// # Errors
    /// [`OpenError`], which says nothing of the payload.
    pub fn open_payload(&self, place: Place<'_>, sealed: &Bytes) -> Result<Opened, OpenError> {
        self.open(Purpose::Payload, place, sealed)
    }

    /// Seals the result of a job.
    ///
    /// # Errors
    /// `PAYLOAD_TOO_LARGE` when it is over its limit once it is sealed.
    pub fn seal_result(&self, place: Place<'_>, result: &Opened) -> Result<Bytes> {
        let sealed = self.seal(Purpose::Result, place, result)?;
        check_size("result", sealed.len())?;
        Ok(sealed)
    }

    /// Opens the result of a job.
    ///
    /// # Errors
    /// [`OpenError`], which says nothing of the result.
    pub fn open_result(&self, place: Place<'_>, sealed: &Bytes) -> Result<Opened, OpenError> {
        self.open(Purpose::Result, place, sealed)
    }
}
