//! Files in parts (`--split-large`): which entries are parts of which file, and when such a file is backed up.
//!
//! A *split* is one version of a file that fits on no drive, cut into parts of one size. Each part is an entry of
//! its own beside the file's, with the negative number of the file's source, so that no walk ever takes it for
//! something that is gone; it is placed, copied, checked and removed like any other file. The file itself never
//! has a placement of this version: its `need` is 0 when all parts are held, and until then the negative number of
//! the run, which plans and work lists pass over. Parts of two versions never have the same names: the number of
//! parts in the name is one that no other split of the file has. Nothing here touches a drive or a source.

mod cut;
mod settle;

use rusqlite::{OptionalExtension, params};

use super::Catalog;
use super::digests::{digest_from, number_of};
use super::place::{Key, NOT_LOST};
use crate::digest::Chains;
use crate::error::Result;
use crate::format::item::Item;
use crate::format::part::{Part, SUFFIX, bytes_of_hex};
use crate::meta::{Kind, Meta, Time};

/// Version 3: files in parts.
pub(super) const TABLES: &str = "
-- One version of a file that is kept in parts.
CREATE TABLE split(
  id INTEGER PRIMARY KEY,
  dir INTEGER NOT NULL,
  name BLOB NOT NULL,
  count INTEGER NOT NULL,         -- how many parts there are
  size INTEGER NOT NULL,          -- of the whole
  mtime INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  ino INTEGER NOT NULL,           -- what the source was when the first part was read; 0 = not yet read
  ctime INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL,
  stale INTEGER NOT NULL,         -- 0 in force, 1 given up or older, 2 older and to be removed from the drives
  algorithm INTEGER NOT NULL,     -- of the digest of the whole, 0 = not known
  digest BLOB
);
CREATE INDEX split_of ON split(dir, name);
-- Which entry is which part.
CREATE TABLE part(
  dir INTEGER NOT NULL,
  name BLOB NOT NULL,
  split INTEGER NOT NULL,
  number INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  PRIMARY KEY(dir, name)
) WITHOUT ROWID;
CREATE INDEX part_of ON part(split, number);
";

/// SQL: what is recorded of the part that the entry of the placement `p` is, NULL for any other entry. There are few
/// parts, and the entry is looked up for them alone. A macro, so that the columns of a placement are one constant.
macro_rules! part_column {
    () => {
        "(SELECT printf('%d %d %d %d %d ', x.number, s.count, x.offset, s.size, s.algorithm) || \
    coalesce(hex(s.digest), '') FROM part x JOIN split s ON s.id = x.split JOIN entry o ON o.dir = x.dir \
    AND o.name = x.name AND o.source < 0 WHERE x.dir = p.dir AND x.name = p.name)"
    };
}
pub(super) use part_column;

/// SQL: that the entry `e` is kept in parts, all of which volumes hold as they should be. `{counts}`: which count.
const IN_PARTS: &str = "EXISTS (SELECT 1 FROM split s WHERE s.dir = e.dir AND s.name = e.name AND s.stale = 0 AND e.kind = 0 \
    AND s.size = e.size AND s.mtime = e.mtime AND s.mtime_ns = e.mtime_ns AND s.count = (SELECT count(*) FROM part x \
    WHERE x.split = s.id AND EXISTS (SELECT 1 FROM placement p WHERE p.dir = x.dir AND p.name = x.name \
    AND p.mtime = s.mtime AND p.mtime_ns = s.mtime_ns AND {counts})))";

/// SQL: that the entry `e` is part of a version that is not in force.
pub(super) const OUTDATED: &str = "(e.source < 0 AND EXISTS (SELECT 1 FROM part x JOIN split s ON s.id = x.split \
    WHERE x.dir = e.dir AND x.name = e.name AND s.stale <> 0))";

/// SQL: that the placement `p` of the entry `e` is a part of a version that has been replaced as a whole.
pub(super) const REPLACED: &str = "(e.source < 0 AND EXISTS (SELECT 1 FROM part x JOIN split s ON s.id = x.split \
    WHERE x.dir = e.dir AND x.name = e.name AND s.stale = 2 AND p.mtime = s.mtime AND p.mtime_ns = s.mtime_ns))";

/// SQL: see [`IN_PARTS`]; `counts`: a condition on the placement `p`.
pub(super) fn in_parts(counts: &str) -> String {
    IN_PARTS.replace("{counts}", counts)
}

/// Reads what [`part_column`] gives.
pub(super) fn part_from(text: Option<&str>) -> Option<Part> {
    let mut words = text?.split(' ');
    let mut number = || words.next()?.parse::<u64>().ok();
    let (n, count, offset, size) = (number()?, number()?, number()?, number()?);
    let algorithm = u8::try_from(number()?).ok()?;
    let hex = words.next().unwrap_or_default();
    Some(Part {
        number: u32::try_from(n).ok()?,
        count: u32::try_from(count).ok()?,
        offset,
        size,
        digest: digest_from(algorithm, bytes_of_hex(hex)),
    })
}

/// What a file looked like when its first part was read; each further part has to come from the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Bytes of the whole.
    pub size: u64,
    /// Last modification.
    pub mtime: Time,
    /// Its inode.
    pub ino: u64,
    /// When anything about it was changed last.
    pub ctime: Time,
}

/// A part that is to be copied.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The split that it is a part of.
    pub split: i64,
    /// What is recorded of it.
    pub part: Part,
    /// The version of the file; `None` until its first part is read.
    pub version: Option<Version>,
    /// Size and time that the file has to have.
    pub size: u64,
    /// Its time.
    pub mtime: Time,
}

impl Catalog {
    /// The digests of files whose parts this handle has seen copied.
    pub(crate) fn take_chains(&self) -> Chains {
        self.chains.take()
    }

    /// Keeps them for the next drive.
    pub(crate) fn keep_chains(&self, chains: Chains) {
        self.chains.replace(chains);
    }

    /// Whether any file is kept in parts.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn has_parts(&self) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM split)")?
            .query_row([], |r| r.get(0))?)
    }

    /// Whether volumes in use hold all parts of a file as it is now.
    pub(super) fn is_in_parts(&self, dir: i64, name: &[u8], meta: &Meta) -> Result<bool> {
        if meta.kind != Kind::File {
            return Ok(false);
        }
        Ok(self
            .conn
            .prepare_cached(&format!(
                "SELECT EXISTS(SELECT 1 FROM (SELECT ?1 AS dir, ?2 AS name, 0 AS kind, ?3 AS size, ?4 AS mtime, \
                 ?5 AS mtime_ns) e WHERE {})",
                in_parts(&self.in_use())
            ))?
            .query_row(
                params![
                    dir,
                    name,
                    meta.size as i64,
                    meta.mtime.sec,
                    meta.mtime.nsec
                ],
                |r| r.get(0),
            )?)
    }

    /// Of how many parts the version of a file is that a restore is to bring back: one of which volumes hold all
    /// parts, the source's where it is known, else the newest. `None`: it is held as one file, or not at all.
    pub(super) fn chosen_parts(&self, path: &[u8]) -> Result<Option<u32>> {
        if !self.has_parts()? {
            return Ok(None);
        }
        let Some(key) = self.find(path, false)? else {
            return Ok(None);
        };
        let Some(row) = self.entry(key.dir, &key.name)? else {
            return Ok(None);
        };
        let known = row.gone == 0 && row.meta.ino != 0;
        Ok(self
            .conn
            .prepare_cached(&format!(
                "SELECT count FROM (SELECT s.count, s.size, s.mtime, s.mtime_ns FROM split s WHERE s.dir = ?1 \
                 AND s.name = ?2 AND s.count = (SELECT count(*) FROM part x WHERE x.split = s.id AND EXISTS \
                 (SELECT 1 FROM placement p WHERE p.dir = x.dir AND p.name = x.name AND p.mtime = s.mtime \
                 AND p.mtime_ns = s.mtime_ns AND {NOT_LOST})) UNION ALL SELECT 0, p.size, p.mtime, p.mtime_ns \
                 FROM placement p WHERE p.dir = ?1 AND p.name = ?2 AND p.stored = 1 AND {NOT_LOST}) \
                 ORDER BY (?3 AND size = ?4 AND mtime = ?5 AND mtime_ns = ?6) DESC, mtime DESC, mtime_ns DESC LIMIT 1"
            ))?
            .query_row(
                params![
                    key.dir,
                    key.name,
                    known,
                    row.meta.size as i64,
                    row.meta.mtime.sec,
                    row.meta.mtime.nsec
                ],
                |r| r.get::<_, u32>(0),
            )
            .optional()?
            .filter(|count| *count > 0))
    }

    /// What the part under a key is to be; `None` where it is no part.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn wanted_part(&self, key: &Key) -> Result<Option<Wanted>> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT s.id, x.number, s.count, x.offset, s.size, s.mtime, s.mtime_ns, s.ino, s.ctime, s.ctime_ns, \
                 s.algorithm, s.digest FROM part x JOIN split s ON s.id = x.split WHERE x.dir = ?1 AND x.name = ?2 \
                 AND s.stale = 0",
            )?
            .query_row(params![key.dir, key.name], |r| {
                let (size, ino) = (r.get::<_, i64>(4)? as u64, r.get::<_, i64>(7)? as u64);
                let mtime = Time {
                    sec: r.get(5)?,
                    nsec: r.get(6)?,
                };
                let ctime = Time {
                    sec: r.get(8)?,
                    nsec: r.get(9)?,
                };
                Ok(Wanted {
                    split: r.get(0)?,
                    part: Part {
                        number: r.get(1)?,
                        count: r.get(2)?,
                        offset: r.get::<_, i64>(3)? as u64,
                        size,
                        digest: digest_from(r.get(10)?, r.get(11)?),
                    },
                    version: (ino != 0).then_some(Version {
                        size,
                        mtime,
                        ino,
                        ctime,
                    }),
                    size,
                    mtime,
                })
            })
            .optional()?)
    }

    /// Notes what the file looked like when its first part was read.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn note_version(&self, split: i64, seen: &Version) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE split SET ino = ?2, ctime = ?3, ctime_ns = ?4 WHERE id = ?1")?
            .execute(params![
                split,
                seen.ino as i64,
                seen.ctime.sec,
                seen.ctime.nsec
            ])?;
        Ok(())
    }

    /// The file is not what its first parts were read from: none of them is joined with what it is now.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn give_up_split(&self, split: i64) -> Result<()> {
        self.conn.execute(
            "UPDATE split SET stale = max(stale, 1) WHERE id = ?1",
            [split],
        )?;
        Ok(())
    }

    /// Notes the digest of the whole.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn note_whole_digest(
        &self,
        split: i64,
        digest: &crate::format::item::Digest,
    ) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE split SET algorithm = ?2, digest = ?3 WHERE id = ?1")?
            .execute(params![
                split,
                number_of(Some(digest.algorithm)),
                &digest.bytes[..]
            ])?;
        Ok(())
    }

    /// What a drive says of a part: the split and the rows of part and file are made where they are missing.
    pub(super) fn learn_part(&self, item: &Item, part: &Part) -> Result<Key> {
        let whole = Item {
            path: item.path[..item.path.len() - SUFFIX].to_vec(),
            size: part.size,
            digest: part.digest,
            part: None,
            ..item.clone()
        };
        let whole = self.key_of(&whole)?;
        let known: Option<(i64, u8)> = self
            .conn
            .prepare_cached(
                "SELECT id, algorithm FROM split WHERE dir = ?1 AND name = ?2 AND count = ?3 AND size = ?4 \
                 AND mtime = ?5 AND mtime_ns = ?6",
            )?
            .query_row(
                params![
                    whole.dir,
                    whole.name,
                    part.count,
                    part.size as i64,
                    item.mtime.sec,
                    item.mtime.nsec
                ],
                |r| Ok((r.get(0)?, r.get(1)?)),
            )
            .optional()?;
        let (id, algorithm) = match known {
            Some(known) => known,
            None => {
                self.conn
                    .prepare_cached(
                        "INSERT INTO split(dir, name, count, size, mtime, mtime_ns, ino, ctime, ctime_ns, stale, \
                         algorithm) VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, 0, 0)",
                    )?
                    .execute(params![
                        whole.dir,
                        whole.name,
                        part.count,
                        part.size as i64,
                        item.mtime.sec,
                        item.mtime.nsec
                    ])?;
                (self.conn.last_insert_rowid(), 0)
            }
        };
        if let (0, Some(digest)) = (algorithm, &part.digest) {
            self.note_whole_digest(id, digest)?;
        }
        let len = item.size;
        let key = self.part_row(id, &whole, part.number, part.count, part.offset, len)?;
        // Of a version that was known under this name before nothing is left there; the version in force keeps it.
        self.conn
            .prepare_cached(
                "UPDATE part SET split = ?3, number = ?4, offset = ?5 WHERE dir = ?1 AND name = ?2 \
                 AND NOT EXISTS (SELECT 1 FROM split s JOIN entry w ON w.dir = s.dir AND w.name = s.name \
                 WHERE s.id = part.split AND s.id <> ?3 AND s.stale = 0 AND w.ino <> 0 AND w.size = s.size \
                 AND w.mtime = s.mtime AND w.mtime_ns = s.mtime_ns)",
            )?
            .execute(params![
                key.dir,
                key.name,
                id,
                part.number,
                part.offset as i64
            ])?;
        Ok(key)
    }
}
