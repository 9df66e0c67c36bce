//! Files to which several threads append whole lines.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};

/// A file that only grows. Each append is one call of the system, so a process
/// that is killed leaves no half line behind.
#[derive(Debug)]
pub struct Journal(File);

impl Journal {
    /// Opens it, or begins it.
    ///
    /// # Errors
    /// When the file can not be written.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(path);
        Ok(Self(file.with_context(|| path.display().to_string())?))
    }

    /// Appends lines, each with its end.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn append(&self, lines: &str) -> io::Result<()> {
        (&self.0).write_all(lines.as_bytes())
    }

    /// Appends one line.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn line(&self, line: &str) -> Result<()> {
        Ok(self.append(&format!("{line}\n"))?)
    }
}
