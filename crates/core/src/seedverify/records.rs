//! What a drive says that it holds: its manifest with its journal applied, as a temporary table.
//!
//! The manifest is in the order of paths and the job file in that of sources, so neither can be walked
//! beside the other. The table is a SQLite file without a name that goes with its connection: memory stays
//! flat however much the drive holds. Only regular files are kept. Nothing is written to the drive.

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};

use rusqlite::{Connection, OptionalExtension, params};

use super::join;
use crate::cancel::CancelToken;
use crate::error::{Code, Error, IoContext, Result};
use crate::format::item::OWN_DIR;
use crate::format::journal::{self, Record};
use crate::format::{Algorithm, Digest, Item, manifest};
use crate::meta::Kind;
use crate::sys;

/// A file that is recorded on the drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    /// The digest of its content, where one was made.
    pub digest: Option<Digest>,
    /// The path on the drive where its content lies, where the drive could not hold this name, or this name of a
    /// hard link.
    pub lies_at: Option<Vec<u8>>,
}

/// The files that are recorded on one drive.
#[derive(Debug)]
pub(super) struct Records {
    table: Connection,
    /// The number of the volume, where the manifest tells it.
    pub number: Option<u32>,
    /// Whether the drive is still being written: it has a journal.
    pub open: bool,
}

const TABLES: &str = "
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE file(path BLOB PRIMARY KEY, algorithm TEXT, digest BLOB, lies_at BLOB) WITHOUT ROWID;
CREATE TABLE intent(id INTEGER PRIMARY KEY, path BLOB, algorithm TEXT, digest BLOB, lies_at BLOB, is_file INTEGER,
  was BLOB);
BEGIN;
";

impl Records {
    /// Reads the records of the drive at `root`; `None` when it has neither manifest nor journal.
    ///
    /// `output` is where the drive is, for errors.
    ///
    /// # Errors
    /// `Code::BadFormat` for a manifest or journal that cannot be understood or is damaged; `Code::Io`.
    pub(super) fn read(
        root: BorrowedFd<'_>,
        output: &[u8],
        cancel: &CancelToken,
    ) -> Result<Option<Self>> {
        let own_path = join(output, OWN_DIR);
        let own = match sys::open_dir_beneath(root, OWN_DIR, true) {
            Ok(own) => own,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).at("opening", &own_path),
        };
        let manifest = open(own.as_fd(), &own_path, b"manifest.jsonl")?;
        let journal = open(own.as_fd(), &own_path, b"journal.log")?;
        if manifest.is_none() && journal.is_none() {
            return Ok(None);
        }
        let table = Connection::open("").map_err(table_error)?;
        table.execute_batch(TABLES).map_err(table_error)?;
        let mut this = Records {
            table,
            number: None,
            open: journal.is_some(),
        };
        if let Some((file, path)) = manifest {
            let header = manifest::read(reader(file), &path, &mut |item| {
                cancel.check()?;
                match item.kind {
                    Kind::File => this.put(&item),
                    _ => Ok(()),
                }
            })?;
            this.number = Some(header.number);
        }
        if let Some((file, path)) = journal {
            journal::read(reader(file), &path, &mut |record| {
                cancel.check()?;
                this.apply(record)
            })?;
        }
        this.table.execute_batch("COMMIT").map_err(table_error)?;
        Ok(Some(this))
    }

    /// What is recorded of the file at `path`; `None` when the drive does not know it.
    pub(super) fn find(&self, path: &[u8]) -> Result<Option<Recorded>> {
        self.table
            .prepare_cached(
                "SELECT algorithm, digest, coalesce((SELECT lies_at FROM file first WHERE first.path = f.lies_at), \
                 lies_at) FROM file f WHERE path = ?1",
            )
            .and_then(|mut find| {
                find.query_row([path], |row| {
                    Ok(Recorded {
                        digest: digest(row.get(0)?, row.get(1)?),
                        lies_at: row.get(2)?,
                    })
                })
                .optional()
            })
            .map_err(table_error)
    }

    fn put(&self, item: &Item) -> Result<()> {
        let (algorithm, digest) = columns(item);
        self.run(
            "INSERT OR REPLACE INTO file VALUES(?1, ?2, ?3, ?4)",
            params![item.path, algorithm, digest, lies_at(item)],
        )
    }

    /// Applies one record of the journal. What is only intended is no file yet.
    fn apply(&self, record: Record) -> Result<()> {
        match record {
            Record::Start { .. } | Record::Durable { .. } | Record::Mended { .. } => Ok(()),
            Record::Intent { id, item, .. } => {
                let (algorithm, digest) = columns(&item);
                let is_file = item.kind == Kind::File;
                self.run(
                    "INSERT OR REPLACE INTO intent VALUES(?1, ?2, ?3, ?4, ?5, ?6, NULL)",
                    params![
                        as_key(id),
                        item.path,
                        algorithm,
                        digest,
                        lies_at(&item),
                        is_file
                    ],
                )
            }
            Record::Moving { id, from, item } => {
                let (algorithm, digest) = columns(&item);
                let is_file = item.kind == Kind::File;
                self.run(
                    "INSERT OR REPLACE INTO intent VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![
                        as_key(id),
                        item.path,
                        algorithm,
                        digest,
                        lies_at(&item),
                        is_file,
                        from
                    ],
                )
            }
            Record::Done { ids } => ids.into_iter().try_for_each(|(first, last)| {
                let range = [as_key(first), as_key(last)];
                self.run(
                    "DELETE FROM file WHERE path IN (SELECT path FROM intent WHERE id BETWEEN ?1 AND ?2 \
                     UNION ALL SELECT was FROM intent WHERE id BETWEEN ?1 AND ?2 AND was IS NOT NULL)",
                    range,
                )?;
                // In the order of the ids: of two for one path the later one holds.
                self.run(
                    "INSERT OR REPLACE INTO file SELECT path, algorithm, digest, lies_at FROM intent \
                     WHERE id BETWEEN ?1 AND ?2 AND is_file ORDER BY id",
                    range,
                )?;
                self.run("DELETE FROM intent WHERE id BETWEEN ?1 AND ?2", range)
            }),
            Record::Removed { path } => self.run("DELETE FROM file WHERE path = ?1", [path]),
        }
    }

    fn run(&self, sql: &str, values: impl rusqlite::Params) -> Result<()> {
        self.table
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(values))
            .map(|_| ())
            .map_err(table_error)
    }
}

/// Ids are far below 2^63 in any journal that was written; a hostile one gets the last of them.
fn as_key(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

/// Opens one of our own files on the drive; `None` when it is not there.
fn open(own: BorrowedFd<'_>, own_path: &[u8], name: &[u8]) -> Result<Option<(File, Vec<u8>)>> {
    let path = join(own_path, name);
    let fd = match sys::open_for_reading(own, name) {
        Ok(fd) => fd,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).at("opening", &path),
    };
    let meta = sys::stat_fd(fd.as_fd()).at("looking at", &path)?;
    if meta.kind != Kind::File {
        let e = Error::new(Code::BadFormat, "opening", "it is not a regular file");
        return Err(e.with_path(&path));
    }
    Ok(Some((File::from(fd), path)))
}

fn reader(file: File) -> BufReader<File> {
    BufReader::with_capacity(1 << 16, file)
}

fn columns(item: &Item) -> (Option<&'static str>, Option<Vec<u8>>) {
    match &item.digest {
        Some(digest) => (Some(digest.algorithm.as_str()), Some(digest.bytes.to_vec())),
        None => (None, None),
    }
}

fn digest(algorithm: Option<String>, bytes: Option<Vec<u8>>) -> Option<Digest> {
    Some(Digest {
        algorithm: Algorithm::from_word(algorithm?.as_bytes())?,
        bytes: bytes?.try_into().ok()?,
    })
}

fn lies_at(item: &Item) -> Option<&[u8]> {
    let link = item.link.as_deref().filter(|_| !item.stored);
    item.alias.as_deref().or(link)
}

fn table_error(e: rusqlite::Error) -> Error {
    let code = match e.sqlite_error_code() {
        Some(_) => Code::Io,
        None => Code::Internal,
    };
    Error::new(code, "listing what the drive holds", e.to_string())
}
