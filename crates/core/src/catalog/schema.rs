//! The tables of a catalog, version 4, and how a file becomes one.
//!
//! Entries are kept directory by directory: a path's directory is stored once, as a row of `dir`, and an
//! entry's key is (directory, name). A directory's name is stored with a slash at its end, so that the
//! order of the keys, followed into each directory as it is met, is the byte order of whole paths.
//! `entry` is what the sources look like; `placement` is what lies on the volumes, with the metadata that
//! was written there. An entry is backed up when its `need` is 0.
//!
//! The version is `PRAGMA user_version`. Raise it when a table changes, add a step to [`migrate`], and keep a
//! fixture of the old version. A new catalog is made by the same steps, so the two can't differ.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};

use super::SetInfo;
use crate::error::{Code, Error, Result};

/// The version of the tables below.
pub const VERSION: i64 = 4;

/// "MVCC" as SQLite's application id: tells our catalogs from other databases.
const APPLICATION_ID: i64 = 0x4d56_4343;

/// The row of `dir` that stands for the root of every drive.
pub const ROOT_DIR: i64 = 1;

/// The key of the entry that stands for the root itself: (0, "/").
pub const ROOT_PARENT: i64 = 0;

/// Version 1.
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

/// Version 2: what makes a set last.
const SET_THAT_LASTS: &str = "
ALTER TABLE volume ADD COLUMN fate TEXT NOT NULL DEFAULT '';  -- '', retired (its files move off it), lost
ALTER TABLE volume ADD COLUMN verified INTEGER NOT NULL DEFAULT 0;         -- seconds since 1970, 0 = never
ALTER TABLE volume ADD COLUMN verified_kind TEXT NOT NULL DEFAULT '';      -- how: see volume.json
ALTER TABLE volume ADD COLUMN verified_bad INTEGER NOT NULL DEFAULT 0;     -- entries that were not good
ALTER TABLE volume ADD COLUMN listed INTEGER NOT NULL DEFAULT 0;  -- the revision (meta) that its catalog.jsonl has
ALTER TABLE volume ADD COLUMN as_of INTEGER NOT NULL DEFAULT 0;   -- known only from another drive's list of this date
ALTER TABLE volume ADD COLUMN copy INTEGER NOT NULL DEFAULT 1;    -- which copy of the set it belongs to (--copies)
-- The digests of what the source holds now, where it was read to compare it with what a drive holds: of each
-- algorithm that a placement of it has.
ALTER TABLE entry ADD COLUMN sha256 BLOB;
ALTER TABLE entry ADD COLUMN blake3 BLOB;
-- Placements whose entry has another name in the source now, and on the volume not yet. Of a directory that is
-- gone and only holds such placements dir is 0: it goes as soon as it is empty.
CREATE TABLE moved(
  from_dir INTEGER NOT NULL,
  from_name BLOB NOT NULL,
  volume INTEGER NOT NULL,
  dir INTEGER NOT NULL,
  name BLOB NOT NULL,
  PRIMARY KEY(from_dir, from_name, volume)
) WITHOUT ROWID;
CREATE INDEX moved_to ON moved(dir, name);
-- By what a renamed entry is known again: few rows, since little is gone.
CREATE INDEX entry_gone ON entry(dev, ino) WHERE gone <> 0;
CREATE INDEX entry_gone_size ON entry(size) WHERE gone <> 0 AND kind = 0;
-- Files whose content this run has to compare.
CREATE TABLE look(dir INTEGER NOT NULL, name BLOB NOT NULL, PRIMARY KEY(dir, name)) WITHOUT ROWID;
-- Where volumes of the set have been mounted: an empty directory there is no folder to be filled.
CREATE TABLE place(path BLOB PRIMARY KEY) WITHOUT ROWID;
INSERT INTO place SELECT DISTINCT mount FROM volume WHERE mount <> x'';
-- What was on a lost volume and is nowhere else, the source included.
CREATE TABLE lost(
  path BLOB NOT NULL,
  volume INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  algorithm INTEGER NOT NULL,
  digest BLOB,
  noted INTEGER NOT NULL,         -- seconds since 1970
  PRIMARY KEY(path, volume)
) WITHOUT ROWID;
-- What is known to be wrong with what lies on a volume, by its last verifications.
CREATE TABLE finding(
  volume INTEGER NOT NULL,
  dir INTEGER NOT NULL,
  name BLOB NOT NULL,
  word TEXT NOT NULL,             -- corrupt, changed, missing, unreadable
  errno INTEGER NOT NULL,         -- 0 = no call failed
  checked INTEGER NOT NULL,       -- seconds since 1970
  PRIMARY KEY(volume, dir, name)
) WITHOUT ROWID;
";

/// Version 3: other names on the volumes, and checks.
const OTHER_NAMES: &str = "
-- Checks of whole volumes that this host knows of.
CREATE TABLE verification(
  volume INTEGER NOT NULL,
  checked INTEGER NOT NULL,       -- seconds since 1970
  kind TEXT NOT NULL,             -- how: see volume.json
  bad INTEGER NOT NULL,           -- entries that were not good
  PRIMARY KEY(volume, checked)
) WITHOUT ROWID;
-- Its whole path on the volume, where the file system could not take the true one; else NULL.
ALTER TABLE placement ADD COLUMN alias BLOB;
";

/// Version 3: what entries have besides.
const ATTRIBUTES: &str = "
-- Extended attributes, ACLs and flags: what a volume has, in the form of `Extra::to_bytes`.
ALTER TABLE placement ADD COLUMN extra BLOB;
ALTER TABLE entry ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;  -- its ctime in nanoseconds, 0 = unknown
ALTER TABLE entry ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;    -- immutable 1, append-only 2, no dump 4
-- Entries whose ctime has changed and nothing else that a walk sees: their attributes are to be looked at.
CREATE TABLE attribute_look(dir INTEGER NOT NULL, name BLOB NOT NULL, PRIMARY KEY(dir, name)) WITHOUT ROWID;
-- Placements whose attributes are not, or perhaps not, those that the source has.
CREATE TABLE attribute(
  dir INTEGER NOT NULL,
  name BLOB NOT NULL,
  volume INTEGER NOT NULL,
  PRIMARY KEY(dir, name, volume)
) WITHOUT ROWID;
-- What owners (0) and groups (1) are called, by whoever told first.
CREATE TABLE owner(
  is_group INTEGER NOT NULL,
  id INTEGER NOT NULL,
  name BLOB NOT NULL,
  PRIMARY KEY(is_group, id)
) WITHOUT ROWID;
";

/// Version 4: which file a name is of.
const SAME_FILE: &str = "
-- Names of one file of the sources have the same number here, on all volumes; NULL: its only name, or unknown.
ALTER TABLE placement ADD COLUMN same_file INTEGER;
";

/// The steps that make a catalog of version N + 1 out of one of version N, by N.
const STEPS: [&[&str]; VERSION as usize] = [
    &[TABLES],
    &[SET_THAT_LASTS],
    &[OTHER_NAMES, super::parts::TABLES, ATTRIBUTES],
    &[SAME_FILE],
];

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
    // The planner may not look at the values that are bound: else every statement with a range is parsed and
    // planned anew each time it is run, which took a third of all time in a walk through the catalog.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Makes the tables in a new, empty database that nobody else has, and says in it what set it is of. It is not
/// flushed: the caller does that once, in the place of a flush for each statement.
///
/// # Errors
/// What SQLite answers.
pub fn create(conn: &Connection, set: &SetInfo) -> Result<()> {
    conn.pragma_update(None, "synchronous", "OFF")?;
    // Of the file, so that nobody has to change it later.
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    migrate(conn, 0)?;
    for (key, value) in [("set_id", &set.id), ("set_name", &set.name)] {
        conn.execute("INSERT INTO meta VALUES(?1, ?2)", params![key, value])?;
    }
    conn.execute("INSERT INTO meta VALUES('created', ?1)", [set.created])?;
    Ok(())
}

/// Brings a database of the version `from` to [`VERSION`], all of it or nothing.
///
/// # Errors
/// What SQLite answers.
pub fn migrate(conn: &Connection, from: i64) -> Result<()> {
    let steps = STEPS.get(from.max(0) as usize..).unwrap_or_default();
    conn.execute_batch(&format!(
        "BEGIN IMMEDIATE; {} PRAGMA user_version = {VERSION}; COMMIT;",
        steps.concat().concat()
    ))?;
    Ok(())
}

/// Checks that a database is a catalog of a version that this program understands, and gives the version.
///
/// # Errors
/// `Code::CatalogDamaged` when it is no catalog, `Code::CatalogNewer` when a newer program wrote it.
pub fn check(conn: &Connection) -> Result<i64> {
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
    Ok(version)
}
