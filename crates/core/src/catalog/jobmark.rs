//! Whether the job file that is there is the one that would be written: a run that finds nothing new writes none.
//!
//! What a job file says depends on the rows that a scan writes, on what is asked for, and on nothing else. So a
//! mark is kept of the file that was written last: what was asked for, and which file it became. A scan that
//! changes what would be in it takes the mark away, in the same transaction. A file that somebody touched
//! is another file, and is written anew.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::{OptionalExtension, params};

use super::{Catalog, Source};
use crate::error::Result;
use crate::filter::Filter;
use crate::format::item::{Algorithm, Digest};
use crate::sys;

const KEY: &str = "job_file";

/// Raised when the same rows make another file.
const FORM: u32 = 1;

/// What is asked for, as one line.
pub(super) fn asked(path: &Path, sources: &[Source], filter: &Filter, dst_root: &[u8]) -> String {
    let all = format!("{FORM} {path:?} {sources:?} {filter:?} {dst_root:?}");
    let mut hex = Vec::new();
    Digest::of(Algorithm::Sha256, all.as_bytes()).push_hex(&mut hex);
    String::from_utf8_lossy(&hex).into_owned()
}

/// The mark of a file that was written as `asked` and has so many entries; `None` where its file system does not
/// tell enough to know it again.
pub(super) fn mark(path: &Path, asked: &str, entries: u64) -> Option<String> {
    let m = sys::stat_path(path.as_os_str().as_bytes()).ok()?;
    let time = m.mtime;
    (m.changed != 0).then(|| {
        format!(
            "{asked} {}:{} {} {}.{:09} {} {entries}",
            m.dev, m.ino, m.size, time.sec, time.nsec, m.changed
        )
    })
}

impl Catalog {
    /// How many entries the job file at `path` has, where it is the one that would be written now.
    pub(super) fn current_job_file(&self, path: &Path, asked: &str) -> Result<Option<u64>> {
        let noted: Option<String> = self
            .conn
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
            .query_row([KEY], |r| r.get(0))
            .optional()?;
        let Some(noted) = noted else { return Ok(None) };
        let entries = noted.rsplit(' ').next().and_then(|n| n.parse().ok());
        Ok(entries.filter(|n| mark(path, asked, *n).as_ref() == Some(&noted)))
    }

    /// Keeps the mark of the job file that was just written ([`super::jobs::Written::mark`]).
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn note_job_file(&self, mark: &str) -> Result<()> {
        self.conn.execute(
            "INSERT OR REPLACE INTO meta VALUES(?1, ?2)",
            params![KEY, mark],
        )?;
        Ok(())
    }

    /// The rows that a job file is made from have changed.
    pub(super) fn forget_job_file(&self) -> Result<()> {
        self.forget(KEY)
    }
}
