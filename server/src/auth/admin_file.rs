//! Admin tokens from a file: the first one, before the store has any, and the
//! way in when it has lost them.

use std::io::{self, Write};
use std::path::Path;

use jobflow::{Error, Result, TokenText};
use tempfile::NamedTempFile;

/// So many fit into one file.
const MAX_TOKENS: usize = 16;

/// Makes the file if it is not there, with a new token that only its owner can
/// read. Only for a start: who takes the file away later wants no such token.
pub(super) fn make_sure_of(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    create(path, &TokenText::generate()?).map_err(|error| refused(path, &error.to_string()))?;
    tracing::info!(file = %path.display(), "made a token for the first admin");
    Ok(())
}

/// Reads the tokens, one a line; none where the file is gone.
pub(super) fn read(path: &Path) -> Result<Vec<TokenText>> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(refused(path, &error.to_string())),
    }
}

fn create(path: &Path, token: &TokenText) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // For its owner alone; and whoever waits for the file finds all of it.
    let mut file = NamedTempFile::new_in(folder)?;
    writeln!(file, "{}", token.reveal())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        // Another server was faster.
        Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(failed) => Err(failed.error),
    }
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<TokenText>> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let tokens = lines
        .map(TokenText::parse)
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| refused(path, "each line must be a token, jf_<id>_<secret>"))?;
    if tokens.is_empty() || tokens.len() > MAX_TOKENS {
        let message = format!("must have 1 to {MAX_TOKENS} tokens");
        return Err(refused(path, &message));
    }
    Ok(tokens)
}

fn refused(path: &Path, why: &str) -> Error {
    Error::invalid("admin_token_file", format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_made_for_its_owner_alone_and_at_the_start_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        make_sure_of(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let made = read(&path).unwrap();
        assert_eq!(made.len(), 1);
        make_sure_of(&path).unwrap();
        assert_eq!(read(&path).unwrap(), made);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read(&path).unwrap(), []);
        assert!(!path.exists());
    }

    #[test]
    fn who_waits_for_the_file_finds_a_whole_token() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..50 {
            let path = folder.path().join(n.to_string());
            let waits = std::thread::spawn({
                let path = path.clone();
                move || {
                    while !path.exists() {
                        std::thread::yield_now();
                    }
                    read(&path)
                }
            });
            make_sure_of(&path).unwrap();
            assert_eq!(waits.join().unwrap().unwrap().len(), 1);
        }
        // Nothing is left beside them.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 50);
    }

    #[test]
    fn a_bad_line_is_refused_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        for text in ["", "# nothing\n", "hunter2\n", "jf_0123456789ab_c2hvcnQ\n"] {
            std::fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("admin.token"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(read(folder.path()).is_err(), "a folder");
    }
}
