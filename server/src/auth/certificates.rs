//! Callers who show a certificate in place of a token: which names of
//! certificates stand for whom, from a file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use jobflow::{Error, QueueScope, Result, Role};
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use tracing::warn;
use webpki::EndEntityCert;

use super::limits::CallLimits;
use super::principal::Principal;

/// As many as there may be tokens.
const MAX_PRINCIPALS: usize = 1_000;

/// The names that a caller's certificate is for. One of our authorities has
/// signed it, or the connection would not be there.
#[derive(Debug, Clone, Default)]
pub(crate) struct CertificateNames(Arc<[String]>);

impl CertificateNames {
    /// The alternative names of a certificate that are DNS names or URIs.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok(certificate) = EndEntityCert::try_from(certificate) else {
            return Self::default();
        };
        let names = certificate.valid_dns_names();
        let names = names.chain(certificate.valid_uri_names());
        Self(names.map(str::to_owned).collect())
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct CertificateTable {
    file: PathBuf,
    limits: CallLimits,
    known: Arc<RwLock<Vec<Known>>>,
}

struct Known {
    entry: Entry,
    principal: Arc<Principal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    principal: Vec<Entry>,
}

/// One principal as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    name: String,
    role: String,
    /// All of them unless given.
    queues: Option<Vec<String>>,
}

impl CertificateTable {
    /// Reads the file.
    pub(crate) fn open(file: PathBuf, limits: CallLimits) -> Result<Self> {
        let table = Self {
            file,
            limits,
            known: Arc::default(),
        };
        table.read()?;
        Ok(table)
    }

    /// Who stands behind a certificate with these names, the first that is known.
    pub(crate) fn holder(&self, names: &CertificateNames) -> Option<Arc<Principal>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let find = |name: &String| known.iter().find(|known| known.entry.name == *name);
        let known = names.0.iter().find_map(find)?;
        Some(Arc::clone(&known.principal))
    }

    /// As on SIGHUP: who is not in the file any more, or has another role, loses
    /// what it has open.
    pub(crate) fn reload(&self) {
        if let Err(error) = self.read() {
            warn!("{error}; the principals of certificates stay as they are");
        }
    }

    fn read(&self) -> Result<()> {
        let text = std::fs::read_to_string(&self.file);
        let text = text.map_err(|error| refused(&self.file, &error))?;
        let entries = parse(&self.file, &text)?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *known);
        for (entry, role, queues) in entries {
            let same = before.iter().position(|known| known.entry == entry);
            known.push(match same {
                Some(at) => before.swap_remove(at),
                None => {
                    let name = format!("certificate {}", entry.name);
                    let principal = Principal::new(name, role, queues, self.limits);
                    Known {
                        entry,
                        principal: Arc::new(principal),
                    }
                }
            });
        }
        for gone in before {
            gone.principal.ended.cancel();
        }
        Ok(())
    }
}

/// What the file says of one principal.
type Said = (Entry, Role, QueueScope);

fn refused(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::invalid("tls_principals", format!("{}: {why}", path.display()))
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Said>> {
    let refused = |why: &dyn std::fmt::Display| refused(path, why);
    let file: File = toml::from_str(text).map_err(|error| refused(&error))?;
    if file.principal.len() > MAX_PRINCIPALS {
        return Err(refused(&format!("may have {MAX_PRINCIPALS} principals")));
    }
    let mut entries: Vec<Said> = Vec::new();
    for entry in file.principal {
        let of_entry = |why: &dyn std::fmt::Display| refused(&format!("{}: {why}", entry.name));
        if entry.name.is_empty() || entries.iter().any(|(known, ..)| known.name == entry.name) {
            return Err(of_entry(&"a name must be there, and there once"));
        }
        let role = entry
            .role
            .parse::<Role>()
            .map_err(|error| of_entry(&error))?;
        let queues = match &entry.queues {
            None => QueueScope::all(),
            Some(patterns) => QueueScope::new(patterns).map_err(|error| of_entry(&error))?,
        };
        entries.push((entry, role, queues));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> (tempfile::NamedTempFile, Result<CertificateTable>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let limits = crate::config::Config::default().calls;
        let table = CertificateTable::open(file.path().to_owned(), limits);
        (file, table)
    }

    fn names(names: &[&str]) -> CertificateNames {
        CertificateNames(names.iter().map(|&name| name.to_owned()).collect())
    }

    const TWO: &str = "[[principal]]\nname = 'mailer.internal'\nrole = 'submitter'\nqueues = ['mail']\n\
                       [[principal]]\nname = 'spiffe://jobs/ops'\nrole = 'operator'\n";

    #[test]
    fn the_first_known_name_of_a_certificate_says_who_it_is() {
        let (file, table) = table(TWO);
        let table = table.unwrap();
        let mailer = table.holder(&names(&["x", "mailer.internal"])).unwrap();
        assert_eq!(
            (mailer.role, mailer.may_touch("mail")),
            (Role::Submitter, true)
        );
        assert!(!mailer.may_touch("default"));
        let operator = table.holder(&names(&["spiffe://jobs/ops"])).unwrap();
        assert!(operator.role == Role::Operator && operator.queues.is_all());
        assert!(table.holder(&names(&["mailer"])).is_none());
        assert!(table.holder(&names(&[])).is_none());

        // Taken away and changed: both end. A file that can not be read changes nothing.
        std::fs::write(file.path(), "nonsense").unwrap();
        table.reload();
        assert!(!mailer.ended.is_cancelled() && !operator.ended.is_cancelled());
        let viewer = "[[principal]]\nname = 'spiffe://jobs/ops'\nrole = 'viewer'\n";
        std::fs::write(file.path(), viewer).unwrap();
        table.reload();
        assert!(mailer.ended.is_cancelled() && operator.ended.is_cancelled());
        assert!(table.holder(&names(&["mailer.internal"])).is_none());
        let same = table.holder(&names(&["spiffe://jobs/ops"])).unwrap();
        table.reload();
        assert!(same.role == Role::Viewer && !same.ended.is_cancelled());
    }

    #[test]
    fn a_file_that_says_nothing_sensible_is_refused() {
        for bad in [
            "[[principal]]\nname = 'a'\nrole = 'king'\n",
            "[[principal]]\nname = ''\nrole = 'viewer'\n",
            "[[principal]]\nname = 'a'\n",
            "[[principal]]\nname = 'a'\nrole = 'viewer'\nqueues = ['{']\n",
            "[[principal]]\nname = 'a'\nrole = 'viewer'\n[[principal]]\nname = 'a'\nrole = 'admin'\n",
            "[[principle]]\nname = 'a'\nrole = 'viewer'\n",
        ] {
            let error = table(bad).1.err().expect(bad);
            assert_eq!(error.field(), Some("tls_principals"));
        }
    }
}
