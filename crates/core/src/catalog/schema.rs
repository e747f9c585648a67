//! The tables of a catalog, version 1, and how a file becomes one.
//!
//! Entries are kept directory by directory: a path's directory is stored once, as a row of `dir`, and an
//! entry's key is (directory, name). A directory's name is stored with a slash at its end, so that the
//! order of the keys, followed into each directory as it is met, is the byte order of whole paths.
//! `entry` is what the sources look like; `placement` is what lies on the volumes, with the metadata that
//! was written there. An entry is backed up when its `need` is 0.
//!
//! The version is `PRAGMA user_version`. Raise it when a table changes, add a migration in [`open`], and
//! keep a fixture of the old version.

use rusqlite::Connection;

use crate::error::{Code, Error, Result};

/// The version of the tables below.
pub const VERSION: i64 = 1;

/// "MVCC" as SQLite's application id: tells our catalogs from other databases.
const APPLICATION_ID: i64 = 0x4d56_4343;

/// The row of `dir` that stands for the root of every drive.
pub const ROOT_DIR: i64 = 1;

/// The key of the entry that stands for the root itself: (0, "/").
pub const ROOT_PARENT: i64 = 0;

const TABLES: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE source(
  id INTEGER PRIMARY KEY,
  path BLOB NOT NULL UNIQUE,      -- where it lies on this host, absolute
  prefix BLOB NOT NULL,           -- where it lies on the drives: '' is the root
  is_file INTEGER NOT NULL,
  fsid TEXT NOT NULL              -- what file system it was on, '' = unknown
);
CREATE TABLE volume(
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  label TEXT NOT NULL,
  state TEXT NOT NULL,            -- open: being filled; complete: all that was planned for it is there
  generation INTEGER NOT NULL,
  fs_type TEXT NOT NULL,
  fs_uuid TEXT NOT NULL,
  capacity INTEGER NOT NULL,
  available INTEGER NOT NULL,     -- when it was last in
  block_size INTEGER NOT NULL,
  inodes_free INTEGER NOT NULL,   -- 0 = the file system does not count them
  has_links INTEGER NOT NULL,
  mount BLOB NOT NULL,            -- where it was last mounted
  created INTEGER NOT NULL,
  written INTEGER NOT NULL,       -- seconds since 1970
  files INTEGER NOT NULL,
  bytes INTEGER NOT NULL
);
CREATE TABLE run(id INTEGER PRIMARY KEY, started INTEGER NOT NULL, ended INTEGER, outcome TEXT);
CREATE TABLE dir(id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name BLOB NOT NULL);
CREATE TABLE entry(
  dir INTEGER NOT NULL,
  name BLOB NOT NULL,             -- with '/' at the end for a directory
  source INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  size INTEGER NOT NULL,
  allocated INTEGER NOT NULL,
  mtime INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  mode INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  gid INTEGER NOT NULL,
  dev INTEGER NOT NULL,
  ino INTEGER NOT NULL,
  nlink INTEGER NOT NULL,
  rdev INTEGER NOT NULL,
  child INTEGER NOT NULL,         -- the row of `dir` that this directory is, else 0
  need INTEGER NOT NULL,          -- the run that last saw that it must be copied, 0 = backed up
  gone INTEGER NOT NULL,          -- the run that found it missing in its source, 0 = there
  PRIMARY KEY(dir, name)
) WITHOUT ROWID;
CREATE INDEX entry_links ON entry(dev, ino) WHERE nlink > 1 AND kind = 0;
CREATE TABLE placement(
  dir INTEGER NOT NULL,
  name BLOB NOT NULL,
  volume INTEGER NOT NULL,
  part INTEGER NOT NULL,          -- 0 = the whole entry
  kind INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  mode INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  gid INTEGER NOT NULL,
  algorithm INTEGER NOT NULL,     -- 0 none, 1 SHA-256, 2 BLAKE3
  digest BLOB,
  target BLOB,                    -- of a symlink
  link BLOB,                      -- the first path of its hard-link group on that volume
  rdev INTEGER NOT NULL,
  stored INTEGER NOT NULL,        -- 0 = only recorded, the drive's file system could not hold it
  PRIMARY KEY(dir, name, volume, part)
) WITHOUT ROWID;
CREATE TABLE plan(
  seq INTEGER PRIMARY KEY,        -- runs of entries in path order that go to one volume
  volume INTEGER NOT NULL,        -- 0 = fits nowhere
  first BLOB NOT NULL,
  last BLOB NOT NULL,
  files INTEGER NOT NULL,
  bytes INTEGER NOT NULL
);
INSERT INTO dir VALUES(1, 0, x'');
";

/// Sets what every connection needs.
///
/// # Errors
/// What SQLite answers; a file that is no database is `Code::CatalogDamaged`.
pub fn configure(conn: &Connection) -> Result<()> {
    conn.busy_timeout(std::time::Duration::from_secs(10))?;
    // WAL: readers beside the one writer. NORMAL: a power cut may lose the last commits, never the file;
    // what they said is on the drives, whose word counts more anyway.
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    conn.pragma_update(None, "cache_size", -32_768)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Makes the tables in a new, empty database.
///
/// # Errors
/// What SQLite answers.
pub fn create(conn: &Connection) -> Result<()> {
    conn.execute_batch(&format!(
        "BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; {TABLES} COMMIT;"
    ))?;
    Ok(())
}

/// Checks that a database is a catalog of a version that this program understands.
///
/// # Errors
/// `Code::CatalogDamaged` when it is no catalog, `Code::CatalogNewer` when a newer program wrote it.
pub fn check(conn: &Connection) -> Result<()> {
    let application: i64 = conn.pragma_query_value(None, "application_id", |r| r.get(0))?;
    if application != APPLICATION_ID {
        return Err(Error::new(
            Code::CatalogDamaged,
            "opening the catalog",
            "this file is no catalog of multivolumecopy",
        ));
    }
    let version: i64 = conn.pragma_query_value(None, "user_version", |r| r.get(0))?;
    if version > VERSION {
        return Err(Error::new(
            Code::CatalogNewer,
            "opening the catalog",
            format!("it has version {version}, this program understands up to {VERSION}"),
        ));
    }
    Ok(())
}
