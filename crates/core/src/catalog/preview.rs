//! A catalog for looking ahead: a private copy, on which a run can be played through without a trace.
//!
//! The copy is taken beside a run that goes on, and from a state directory that can't be written. It shows
//! what was committed at one moment. Also here: what a plan wants to know beforehand, and the rate of copying.

use std::cell::Cell;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::moved::MOVED;
use super::place::{NOT_LOST, THIS_RUN};
use super::{Catalog, schema};
use crate::error::{Code, IoContext, Result};

/// Opens a catalog to read from it, also where nothing can be written: on a read-only file system SQLite can't
/// make the files that it keeps beside a database with a write-ahead log. The catalog is not locked, and
/// not brought up to date.
///
/// # Errors
/// `Code::Io`, `Code::CatalogNewer`, `Code::CatalogDamaged`.
pub fn open_frozen(path: &Path) -> Result<Catalog> {
    let bytes = path.as_os_str().as_bytes();
    std::fs::metadata(path).at("opening the catalog", bytes)?;
    // As a writer where that works: such a connection takes its log away again.
    let error = match Catalog::attach(path) {
        Err(e) if !matches!(e.code, Code::CatalogNewer | Code::CatalogDamaged) => e,
        other => return other,
    };
    // Nobody is writing where there is no log, and nobody can begin to where none can be made.
    for immutable in [false, true] {
        if immutable && beside(path, "-wal") {
            break;
        }
        if let Ok(catalog) = open_unlocked(path, immutable) {
            return Ok(catalog);
        }
    }
    Err(error)
}

/// Opens a catalog that nobody changes, to read from it: without any lock, and with nothing made beside it.
///
/// # Errors
/// What SQLite answers, `Code::CatalogNewer`, `Code::CatalogDamaged`.
pub(super) fn open_immutable(path: &Path) -> Result<Catalog> {
    open_unlocked(path, true)
}

fn open_unlocked(path: &Path, immutable: bool) -> Result<Catalog> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let conn = Connection::open_with_flags(uri(path, immutable), flags)?;
    schema::check(&conn)?;
    Ok(Catalog {
        conn,
        path: path.to_owned(),
        copies: Cell::default(),
        chains: std::cell::RefCell::default(),
        _lock: None,
    })
}

/// Whether a file that SQLite keeps beside a database is there.
fn beside(path: &Path, suffix: &str) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    Path::new(&name).symlink_metadata().is_ok()
}

/// The file as an URI (<https://sqlite.org/uri.html>).
fn uri(path: &Path, immutable: bool) -> String {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                uri.push(byte as char);
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    if immutable {
        uri.push_str("?immutable=1");
    }
    uri
}

/// Copies a catalog to a new file, as it is at this moment. The original is only read and not locked.
///
/// # Errors
/// As [`open_frozen`]; `Code::Io` when the copy can't be made.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let source = open_frozen(from)?;
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(to)
        .at("copying the catalog to", to.as_os_str().as_bytes())?;
    let mut target = Connection::open(to)?;
    // The copy dies with the run: nothing in it has to survive a power cut.
    target.pragma_update(None, "synchronous", "OFF")?;
    // All pages in one step, so one moment's state, however busily somebody writes.
    Backup::new(&source.conn, &mut target)?.step(-1)?;
    Ok(())
}

impl Catalog {
    /// The room in bytes that removing what is gone from the sources will give at least, by volume. Names of
    /// hard-linked files do not count, nor does what holes saved.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn gone_room(&self) -> Result<Vec<(u32, u64)>> {
        let mut stmt = self.conn.prepare(&format!(
            "SELECT p.volume, sum(min(p.size, e.allocated)) FROM entry e JOIN placement p \
             ON p.dir = e.dir AND p.name = e.name WHERE e.gone <> 0 AND e.gone = {THIS_RUN} AND p.kind = 0 AND p.stored = 1 \
             AND e.nlink = 1 AND NOT {MOVED} AND {NOT_LOST} GROUP BY p.volume"
        ))?;
        let rows = stmt.query_map([], |r| Ok((r.get(0)?, r.get::<_, i64>(1)? as u64)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Whether `run` saw anything that must be copied: without it there is nothing to plan.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn needs_copies(&self, run: i64) -> Result<bool> {
        Ok(self.conn.query_row(
            // The root of the drives is never placed.
            "SELECT EXISTS(SELECT 1 FROM entry WHERE need = ?1 AND gone = 0 AND dir <> ?2)",
            params![run, schema::ROOT_PARENT],
            |r| r.get(0),
        )?)
    }

    /// Notes how fast a volume was written last, in bytes a second.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn note_rate(&self, bytes_per_second: f64) -> Result<()> {
        self.conn.execute(
            "INSERT OR REPLACE INTO meta VALUES('rate', ?1)",
            params![bytes_per_second],
        )?;
        Ok(())
    }

    /// How fast a volume was written last, in bytes a second, where that is known.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn rate(&self) -> Result<Option<f64>> {
        Ok(self
            .conn
            .query_row("SELECT value FROM meta WHERE key = 'rate'", [], |r| {
                r.get(0)
            })
            .optional()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::SetInfo;

    fn set() -> SetInfo {
        SetInfo {
            id: "5e".repeat(16),
            name: "t".into(),
            created: 1,
        }
    }

    #[test]
    fn a_copy_shows_what_is_committed_while_the_original_is_locked_and_written() -> Result<()> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (from, to) = (dir.path().join("a b?%.sqlite"), dir.path().join("copy"));
        let writer = Catalog::create(&from, &set())?;
        writer.add_source(b"/s", b"", false, "")?;
        writer.begin()?;
        writer.add_source(b"/t", b"t", false, "")?;
        copy(&from, &to)?;
        let copied = Catalog::open(&to)?;
        assert_eq!(copied.set_info()?, set());
        assert_eq!(copied.sources()?.len(), 1);
        copied.add_source(b"/u", b"u", false, "")?;
        writer.commit()?;
        assert_eq!(writer.sources()?.len(), 2);
        assert!(copy(&from, &to).is_err(), "an existing file is left alone");
        Ok(())
    }

    #[test]
    fn what_is_no_catalog_is_not_copied() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (from, to) = (dir.path().join("x"), dir.path().join("copy"));
        std::fs::write(
            &from,
            b"no database, not at all, and more than a header of one",
        )
        .expect("written");
        let e = copy(&from, &to).expect_err("refused");
        assert_eq!(e.code, Code::CatalogDamaged);
        assert!(!to.exists());
    }
}
