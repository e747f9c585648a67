//! One sums file of a drive that is being closed: begun with its first line, or removed where it would have none.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use super::drive::{Drive, OWN, join};
use super::own::OwnFiles;
use crate::error::{IoContext, Result};
use crate::format::item::{Algorithm, Digest};
use crate::format::sums;
use crate::sys;

/// Bytes of lines that are written at once.
const BUFFER: usize = 1 << 16;

/// The list of the files whose digests were made by one algorithm.
pub(super) struct SumsFile {
    /// The algorithm.
    pub by: Algorithm,
    path: Vec<u8>,
    file: Option<File>,
    lines: Vec<u8>,
}

impl SumsFile {
    /// A list without lines yet; nothing is created.
    pub fn new(drive: &Drive, by: Algorithm) -> Self {
        let name = sums::file_name(by).as_bytes();
        SumsFile {
            by,
            path: join(&join(&drive.path, OWN), name),
            file: None,
            lines: Vec::new(),
        }
    }

    /// Creates the file, if it is not yet.
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn begin(&mut self, own: &OwnFiles<'_>) -> Result<()> {
        if self.file.is_none() {
            self.file = Some(own.begin(sums::file_name(self.by).as_bytes())?);
        }
        Ok(())
    }

    /// Adds the line of a file. `false`: its name is beyond the program that checks this list, and is left out.
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn push(&mut self, own: &OwnFiles<'_>, digest: &Digest, path: &[u8]) -> Result<bool> {
        if !sums::takes(self.by, path) {
            return Ok(false);
        }
        self.begin(own)?;
        sums::push_line(&mut self.lines, digest, path);
        if self.lines.len() >= BUFFER {
            self.flush()?;
        }
        Ok(true)
    }

    fn flush(&mut self) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(&self.lines).at("writing", &self.path)?;
        }
        self.lines.clear();
        Ok(())
    }

    /// Puts the list into place, durably; one without lines that an earlier closing wrote is removed: an empty
    /// list would look like one that was checked.
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn finish(mut self, own: &OwnFiles<'_>) -> Result<()> {
        let name = sums::file_name(self.by).as_bytes();
        self.flush()?;
        if let Some(file) = self.file {
            return own.finish(file, name);
        }
        match sys::unlink(own.own.as_fd(), name, false) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).at("removing", &self.path),
            _ => Ok(()),
        }
    }
}
