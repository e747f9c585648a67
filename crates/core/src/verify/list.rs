//! What a drive should hold and what is known of it, as temporary tables.
//!
//! The manifest with the journal on top of it, the findings and parts of earlier checks, and what this check
//! finds. The tables are a SQLite file without a name that goes with its connection: memory stays flat however
//! much the drive holds. Nothing is written to the drive.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{Code, Error, Result};
use crate::format::item::{Algorithm, Digest, Item};
use crate::format::verify::{Finding, Part, Word};
use crate::meta::{Kind, Time};

/// More parts than that are not remembered.
pub(super) const MAX_PARTS: usize = 10_000;

const TABLES: &str = "
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE item(
  key BLOB PRIMARY KEY, kind INTEGER, size INTEGER, sec INTEGER, nsec INTEGER, algorithm TEXT, digest BLOB,
  target BLOB, link BLOB, major INTEGER, minor INTEGER,
  timed INTEGER,             -- 0: only the digest is known (the manifest is damaged)
  state INTEGER,             -- 0 to be looked at, 1 only recorded, 2 only intended by a broken run
  alias BLOB,                -- its path on the drive, where that is another one
  begins INTEGER, whole INTEGER,  -- of a part of a file: where in the file, and the file's size
  at INTEGER DEFAULT 0,      -- when it was checked last, 0 = never
  generation INTEGER DEFAULT 0,
  picked INTEGER DEFAULT 1   -- this check looks at it
) WITHOUT ROWID;
-- Keys by what stands on the drive under another name.
CREATE TABLE there(place BLOB PRIMARY KEY, key BLOB) WITHOUT ROWID;
CREATE TABLE intent(id INTEGER PRIMARY KEY, done INTEGER, was BLOB, key BLOB, json BLOB);
CREATE TABLE inode(ino INTEGER, algorithm TEXT, digest BLOB, errno INTEGER, PRIMARY KEY(ino, algorithm)) WITHOUT ROWID;
CREATE TABLE finding(
  key BLOB PRIMARY KEY, word TEXT, errno INTEGER, at INTEGER, why TEXT,
  fresh INTEGER              -- found by this check
) WITHOUT ROWID;
CREATE TABLE other(key BLOB PRIMARY KEY, word TEXT, why TEXT) WITHOUT ROWID;
CREATE TABLE compared(key BLOB PRIMARY KEY, word TEXT, errno INTEGER, why TEXT) WITHOUT ROWID;
";

/// The tables.
#[derive(Debug)]
pub struct Tables {
    pub(super) db: Connection,
}

/// A finding with what it is about in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What is wrong.
    pub finding: Finding,
    /// In words; no name is in them.
    pub why: String,
}

/// An entry that is to be looked at.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub key: Vec<u8>,
    pub kind: Kind,
    pub size: u64,
    pub mtime: Time,
    pub digest: Option<Digest>,
    pub target: Option<Vec<u8>>,
    pub rdev: Option<(u32, u32)>,
    pub timed: bool,
    pub alias: Option<Vec<u8>>,
    /// Of a part of a file: where in the file it begins, and the file's size.
    pub part: Option<(u64, u64)>,
}

impl Expected {
    /// By which algorithm it is read.
    pub fn by(&self) -> Algorithm {
        self.digest.map_or(Algorithm::Sha256, |d| d.algorithm)
    }

    /// Its true path.
    pub fn path(&self) -> &[u8] {
        self.key.strip_suffix(b"/").unwrap_or(&self.key)
    }

    /// Its path on the drive.
    pub fn on_drive(&self) -> &[u8] {
        if let Some(alias) = &self.alias {
            return alias;
        }
        self.path()
    }
}

pub(super) fn fault(e: rusqlite::Error) -> Error {
    let code = match e.sqlite_error_code() {
        Some(_) => Code::Io,
        None => Code::Internal,
    };
    Error::new(code, "listing what the drive holds", e.to_string())
}

impl Tables {
    pub(super) fn new() -> Result<Tables> {
        let db = Connection::open("").map_err(fault)?;
        db.execute_batch(TABLES).map_err(fault)?;
        db.set_prepared_statement_cache_capacity(64);
        Ok(Tables { db })
    }

    pub(super) fn run(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        self.db
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(values))
            .map_err(fault)
    }

    pub(super) fn number(&self, sql: &str, values: impl rusqlite::Params) -> Result<i64> {
        self.db
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(values, |r| r.get(0)))
            .map_err(fault)
    }

    /// Does many changes in one transaction.
    pub(super) fn atomically<T>(&self, changes: impl FnOnce() -> Result<T>) -> Result<T> {
        self.db.execute_batch("BEGIN").map_err(fault)?;
        let done = changes();
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        self.db.execute_batch(end).map_err(fault)?;
        done
    }

    /// An entry that the drive holds, or only records.
    pub(super) fn put(&self, item: &Item) -> Result<()> {
        self.run(
            "INSERT OR REPLACE INTO item(key, kind, size, sec, nsec, algorithm, digest, target, link, major, \
             minor, timed, state, alias, begins, whole) \
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1, ?12, ?13, ?14, ?15)",
            params![
                item.sort_key(),
                item.kind as u8,
                item.size as i64,
                item.mtime.sec,
                item.mtime.nsec,
                item.digest.map(|d| d.algorithm.as_str()),
                item.digest.map(|d| d.bytes),
                item.target,
                item.link,
                item.rdev.map(|r| r.0),
                item.rdev.map(|r| r.1),
                !item.stored,
                item.alias,
                item.part.map(|p| p.offset as i64),
                item.part.map(|p| p.size as i64)
            ],
        )?;
        self.put_alias(&item.sort_key(), item.alias.as_deref())
    }

    /// Where what has this key stands on the drive.
    pub(super) fn put_alias(&self, key: &[u8], alias: Option<&[u8]>) -> Result<()> {
        let Some(alias) = alias else {
            return Ok(());
        };
        let slash: &[u8] = if key.ends_with(b"/") { b"/" } else { b"" };
        self.run(
            "INSERT OR REPLACE INTO there VALUES(?1, ?2)",
            params![[alias, slash].concat(), key],
        )?;
        Ok(())
    }

    /// The state of what should stand at a place on the drive (a path, with a slash at its end for a directory).
    pub(super) fn state_at(&self, place: &[u8]) -> Result<Option<u8>> {
        let found = self
            .db
            .prepare_cached(
                "SELECT state FROM item WHERE key = (SELECT key FROM there WHERE place = ?1) \
                 UNION ALL SELECT state FROM item WHERE key = ?1 AND alias IS NULL LIMIT 1",
            )
            .and_then(|mut find| find.query_row([place], |r| r.get(0)).optional());
        found.map_err(fault)
    }

    /// A file of which only the digest is known.
    pub(super) fn put_digest(&self, path: &[u8], digest: &Digest) -> Result<()> {
        self.run(
            "INSERT OR REPLACE INTO item(key, kind, size, sec, nsec, algorithm, digest, timed, state) \
             VALUES(?1, 0, 0, 0, 0, ?2, ?3, 0, 0)",
            params![path, digest.algorithm.as_str(), digest.bytes],
        )?;
        Ok(())
    }

    pub(super) fn remove(&self, path: &[u8]) -> Result<()> {
        let dir = [path, b"/"].concat();
        self.run(
            "DELETE FROM item WHERE key = ?1 OR key = ?2",
            params![path, dir],
        )?;
        Ok(())
    }

    /// The next entries after `after`, in path order: at most `most`, and no more than `bytes` together
    /// unless the first alone has more.
    pub(super) fn chunk(
        &self,
        after: Option<&[u8]>,
        most: usize,
        bytes: u64,
    ) -> Result<Vec<Expected>> {
        let mut statement = self
            .db
            .prepare_cached(
                "SELECT key, kind, size, sec, nsec, algorithm, digest, target, major, minor, timed, alias, \
                 begins, whole \
                 FROM item WHERE key > ?1 AND picked = 1 AND state = 0 ORDER BY key LIMIT ?2",
            )
            .map_err(fault)?;
        let mut rows = statement
            .query(params![after.unwrap_or_default(), most as i64])
            .map_err(fault)?;
        let mut chunk = Vec::new();
        let mut sum = 0u64;
        while let Some(r) = rows.next().map_err(fault)? {
            let one = expected(r).map_err(fault)?;
            sum = sum.saturating_add(one.size);
            if sum > bytes && !chunk.is_empty() {
                break;
            }
            chunk.push(one);
        }
        Ok(chunk)
    }

    /// Notes a finding, in place of what was known of the entry.
    pub(super) fn find(&self, told: &Told) -> Result<()> {
        self.run(
            "INSERT OR REPLACE INTO finding VALUES(?1, ?2, ?3, ?4, ?5, 1)",
            params![
                told.finding.path,
                told.finding.word.as_str(),
                told.finding.errno,
                told.finding.at,
                told.why
            ],
        )?;
        Ok(())
    }

    /// Takes over what an earlier check found.
    pub(super) fn known(&self, finding: &Finding) -> Result<()> {
        self.run(
            "INSERT OR REPLACE INTO finding VALUES(?1, ?2, ?3, ?4, '', 0)",
            params![
                finding.path,
                finding.word.as_str(),
                finding.errno,
                finding.at
            ],
        )?;
        Ok(())
    }

    pub(super) fn has_finding(&self, key: &[u8]) -> Result<bool> {
        let sql = "SELECT EXISTS(SELECT 1 FROM finding WHERE key = ?1)";
        Ok(self.number(sql, [key])? != 0)
    }

    pub(super) fn forget(&self, key: &[u8]) -> Result<()> {
        self.run("DELETE FROM finding WHERE key = ?1", [key])?;
        Ok(())
    }

    /// Hands over findings in path order: all that are known, or those of this check alone.
    pub(super) fn findings(
        &self,
        fresh_only: bool,
        sink: &mut dyn FnMut(Told) -> Result<()>,
    ) -> Result<()> {
        let mut after = Vec::new();
        let mut inclusive = true;
        loop {
            let page = self.page(&after, inclusive, fresh_only, 1000)?;
            inclusive = false;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after.clone_from(&last.finding.path);
            for told in page {
                sink(told)?;
            }
        }
    }

    fn page(
        &self,
        after: &[u8],
        inclusive: bool,
        fresh_only: bool,
        limit: u32,
    ) -> Result<Vec<Told>> {
        let compare = if inclusive { ">=" } else { ">" };
        let mut statement = self
            .db
            .prepare_cached(&format!(
                "SELECT key, word, errno, at, why FROM finding WHERE key {compare} ?1 AND fresh >= ?2 \
                 ORDER BY key LIMIT ?3"
            ))
            .map_err(fault)?;
        let rows = statement
            .query_map(params![after, fresh_only, limit], |r| {
                Ok(Told {
                    finding: Finding {
                        path: r.get(0)?,
                        word: Word::from_word(&r.get::<_, String>(1)?).unwrap_or(Word::Corrupt),
                        errno: r.get(2)?,
                        at: r.get(3)?,
                    },
                    why: r.get(4)?,
                })
            })
            .map_err(fault)?;
        rows.collect::<rusqlite::Result<_>>().map_err(fault)
    }

    /// A page of this check's findings after the key `after` (from the first one without it).
    ///
    /// # Errors
    /// `Code::Io` when the temporary file cannot be read.
    pub fn told(&self, after: Option<&[u8]>, limit: u32) -> Result<Vec<Told>> {
        self.page(after.unwrap_or_default(), after.is_none(), true, limit)
    }

    /// What the digest by an algorithm of a file with several names was, or the errno of reading it.
    pub(super) fn inode(&self, ino: u64, by: Algorithm) -> Result<Option<Result<Digest, i32>>> {
        self.db
            .prepare_cached("SELECT digest, errno FROM inode WHERE ino = ?1 AND algorithm = ?2")
            .and_then(|mut find| {
                find.query_row(params![ino.cast_signed(), by.as_str()], |r| {
                    Ok(match r.get::<_, Option<[u8; 32]>>(0)? {
                        Some(bytes) => Ok(Digest {
                            algorithm: by,
                            bytes,
                        }),
                        None => Err(r.get(1)?),
                    })
                })
                .optional()
            })
            .map_err(fault)
    }

    pub(super) fn put_inode(
        &self,
        ino: u64,
        by: Algorithm,
        read: &Result<Digest, i32>,
    ) -> Result<()> {
        self.run(
            "INSERT OR REPLACE INTO inode VALUES(?1, ?2, ?3, ?4)",
            params![
                ino.cast_signed(),
                by.as_str(),
                read.as_ref().ok().map(|d| d.bytes),
                read.as_ref().err()
            ],
        )?;
        Ok(())
    }

    /// The parts that are known now: what was checked by this check up to `through`, and what was before.
    /// Of more than [`MAX_PARTS`] the rest is left out: it counts as not checked.
    pub(super) fn parts(&self) -> Result<Vec<Part>> {
        let mut statement = self
            .db
            .prepare_cached("SELECT key, at, generation FROM item WHERE state = 0 ORDER BY key")
            .map_err(fault)?;
        let mut rows = statement.query([]).map_err(fault)?;
        let mut parts: Vec<Part> = Vec::new();
        let mut open = false;
        while let Some(r) = rows.next().map_err(fault)? {
            let (key, at, generation): (Vec<u8>, i64, i64) =
                (|| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))().map_err(fault)?;
            let generation = generation as u64;
            if at == 0 {
                open = false;
                continue;
            }
            let full = parts.len() == MAX_PARTS;
            match parts.last_mut() {
                Some(last) if open && (last.at, last.generation) == (at, generation) => {
                    last.through = key;
                }
                _ if full => break,
                _ => parts.push(Part {
                    from: key.clone(),
                    through: key,
                    at,
                    generation,
                }),
            }
            open = true;
        }
        Ok(parts)
    }
}

fn expected(r: &rusqlite::Row<'_>) -> rusqlite::Result<Expected> {
    let algorithm: Option<String> = r.get(5)?;
    let algorithm = algorithm.and_then(|word| Algorithm::from_word(word.as_bytes()));
    let bytes: Option<[u8; 32]> = r.get(6)?;
    Ok(Expected {
        key: r.get(0)?,
        kind: Kind::from_u8(r.get(1)?).unwrap_or(Kind::File),
        size: r.get::<_, i64>(2)? as u64,
        mtime: Time {
            sec: r.get(3)?,
            nsec: r.get(4)?,
        },
        digest: algorithm
            .zip(bytes)
            .map(|(algorithm, bytes)| Digest { algorithm, bytes }),
        target: r.get(7)?,
        rdev: r.get::<_, Option<u32>>(8)?.zip(r.get(9)?),
        timed: r.get(10)?,
        alias: r.get(11)?,
        part: r
            .get::<_, Option<i64>>(12)?
            .zip(r.get::<_, Option<i64>>(13)?)
            .map(|(begins, whole)| (begins as u64, whole as u64)),
    })
}
