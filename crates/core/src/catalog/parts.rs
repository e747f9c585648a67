//! Files in parts (`--split-large`): which entries are parts of which file, and when such a file is backed up.
//!
//! A *split* is one version of a file that fits on no drive, cut into parts of one size. Each part is an entry of
//! its own beside the file's, with the negative number of the file's source, so that no walk ever takes it for
//! something that is gone; it is placed, copied, checked and removed like any other file. The file itself never
//! has a placement of this version: its `need` is 0 when all parts are held, and until then the negative number of
//! the run, which plans and work lists pass over. Parts of two versions never have the same names: the number of
//! parts in the name is one that no other split of the file has. Nothing here touches a drive or a source.

use rusqlite::{OptionalExtension, params};

use super::Catalog;
use super::digests::{digest_from, number_of};
use super::place::{HOLDS, Key, NOT_LOST, THIS_RUN};
use crate::digest::Chains;
use crate::error::Result;
use crate::format::item::Item;
use crate::format::part::{MOST_PARTS, Part, SUFFIX, bytes_of_hex, even_size, part_name};
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

/// SQL: what is recorded of the part that the entry `e` is, NULL for any other entry. A macro, so that the columns
/// of a placement are one constant.
macro_rules! part_column {
    () => {
        "CASE WHEN e.source < 0 THEN (SELECT printf('%d %d %d %d %d ', x.number, s.count, \
    x.offset, s.size, s.algorithm) || coalesce(hex(s.digest), '') FROM part x JOIN split s ON s.id = x.split \
    WHERE x.dir = e.dir AND x.name = e.name) END"
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

/// A file with holes, and those of its parts that are to be copied: name, offset and length.
#[derive(Debug)]
pub(crate) struct WithHoles {
    /// Where the file is in the catalog.
    pub whole: Key,
    /// The source that it is in.
    pub source: i64,
    /// Its parts.
    pub parts: Vec<(Vec<u8>, u64, u64)>,
}

/// A split with the file that it is of.
struct Split {
    id: i64,
    key: Key,
    count: u32,
    size: u64,
    mtime: Time,
    stale: i64,
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

    /// Cuts the files that the plan in force places nowhere into parts of `size` bytes each; a part that fits
    /// nowhere has its file cut anew, into smaller ones. Gives how many files were cut.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn split_unplaced(&self, run: i64, size: u64) -> Result<u64> {
        let mut keys = Vec::new();
        let mut list = super::plan::Worklist::new(&self.conn, run, 0)?;
        while let Some((_, row)) = list.next_row()? {
            if row.meta.kind != Kind::File || row.meta.size == 0 || size == 0 {
                continue;
            }
            let mut key = Key {
                dir: row.dir,
                name: row.name,
            };
            if row.source < 0 {
                if row.meta.size <= size {
                    continue;
                }
                key.name.truncate(key.name.len() - SUFFIX);
            }
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        drop(list);
        let mut n = 0;
        self.atomically(|| {
            for key in &keys {
                n += u64::from(self.split(run, key, size)?);
            }
            Ok(())
        })?;
        Ok(n)
    }

    /// Cuts one file; `false` where it cannot be: its name leaves no room, or it would have too many parts.
    fn split(&self, run: i64, key: &Key, part_size: u64) -> Result<bool> {
        let Some(row) = self.entry(key.dir, &key.name)? else {
            return Ok(false);
        };
        let size = row.meta.size;
        // As many as no other version has, and as no file of the sources is named after: names are never shared.
        let mut count = size.div_ceil(part_size).max(2);
        let part_size = loop {
            let Ok(n) = u32::try_from(count) else {
                return Ok(false);
            };
            if n > MOST_PARTS || part_name(&key.name, 1, n).len() > 255 {
                return Ok(false);
            }
            let each = even_size(size, n);
            if each * (count - 1) < size && !self.names_are_taken(key, n)? {
                break each;
            }
            count += 1;
        };
        let count = count as u32;
        self.conn.execute(
            "UPDATE split SET stale = max(stale, 1) WHERE dir = ?1 AND name = ?2",
            params![key.dir, key.name],
        )?;
        self.conn
            .prepare_cached(
                "INSERT INTO split(dir, name, count, size, mtime, mtime_ns, ino, ctime, ctime_ns, stale, algorithm) \
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, 0, 0)",
            )?
            .execute(params![
                key.dir,
                key.name,
                count,
                size as i64,
                row.meta.mtime.sec,
                row.meta.mtime.nsec
            ])?;
        let id = self.conn.last_insert_rowid();
        for number in 1..=count {
            let offset = u64::from(number - 1) * part_size;
            let len = part_size.min(size - offset);
            self.part_row(id, key, number, count, offset, len)?;
        }
        self.settle_split(&self.split_by_id(id)?, run)?;
        Ok(true)
    }

    fn names_are_taken(&self, key: &Key, count: u32) -> Result<bool> {
        let used: bool = self.conn.query_row(
            "SELECT EXISTS(SELECT 1 FROM split WHERE dir = ?1 AND name = ?2 AND count = ?3)",
            params![key.dir, key.name, count],
            |r| r.get(0),
        )?;
        if used {
            return Ok(true);
        }
        let suffix = format!("-of-{count:04}");
        // Whatever else has such a name, of this source or another, has nothing to do with it.
        let mut stmt = self
            .conn
            .prepare_cached("SELECT name FROM entry WHERE dir = ?1 AND name >= ?2 AND name < ?3")?;
        let (low, high) = (part_name(&key.name, 1, count), {
            let mut high = [&key.name[..], b".mvpart-"].concat();
            high.push(b':');
            high
        });
        let names = stmt.query_map(
            params![
                key.dir,
                [&low[..low.len() - SUFFIX], b".mvpart-"].concat(),
                high
            ],
            |r| r.get::<_, Vec<u8>>(0),
        )?;
        for name in names {
            let name = name?;
            let bare = name.strip_suffix(b"/").unwrap_or(&name);
            if bare.ends_with(suffix.as_bytes()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes the row of a part where there is none.
    fn part_row(
        &self,
        split: i64,
        whole: &Key,
        number: u32,
        count: u32,
        offset: u64,
        len: u64,
    ) -> Result<Key> {
        let key = Key {
            dir: whole.dir,
            name: part_name(&whole.name, number, count),
        };
        self.conn
            .prepare_cached("INSERT OR IGNORE INTO part VALUES(?1, ?2, ?3, ?4, ?5)")?
            .execute(params![key.dir, key.name, split, number, offset as i64])?;
        if self.entry(key.dir, &key.name)?.is_none()
            && let Some(row) = self.entry(whole.dir, &whole.name)?
        {
            let meta = Meta {
                size: len,
                allocated: len,
                nlink: 1,
                ..row.meta
            };
            let source = -row.source.abs().max(1);
            self.insert_entry(key.dir, &key.name, source, &meta, 0, 0)?;
        }
        Ok(key)
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

    fn split_by_id(&self, id: i64) -> Result<Split> {
        Ok(self.conn.query_row(
            "SELECT id, dir, name, count, size, mtime, mtime_ns, stale FROM split WHERE id = ?1",
            [id],
            split_from,
        )?)
    }

    /// Parts that `run` has to copy of files with holes: of each the key of the file and its source, then its parts,
    /// with where each begins and how long it is.
    pub(crate) fn parts_with_holes(&self, run: i64) -> Result<Vec<WithHoles>> {
        let mut stmt = self.conn.prepare(
            "SELECT w.dir, w.name, w.source, x.name, x.offset, e.size FROM split s JOIN entry w ON w.dir = s.dir \
             AND w.name = s.name JOIN part x ON x.split = s.id JOIN entry e ON e.dir = x.dir AND e.name = x.name \
             WHERE s.stale = 0 AND w.allocated < w.size AND e.need = ?1 AND e.allocated >= e.size \
             ORDER BY s.id, x.number",
        )?;
        let mut files: Vec<WithHoles> = Vec::new();
        let mut rows = stmt.query([run])?;
        while let Some(r) = rows.next()? {
            let whole = Key {
                dir: r.get(0)?,
                name: r.get(1)?,
            };
            let part = (
                r.get(3)?,
                r.get::<_, i64>(4)? as u64,
                r.get::<_, i64>(5)? as u64,
            );
            match files.last_mut() {
                Some(last) if last.whole == whole => last.parts.push(part),
                _ => files.push(WithHoles {
                    whole,
                    source: r.get(2)?,
                    parts: vec![part],
                }),
            }
        }
        Ok(files)
    }

    /// Notes how much of a part is allocated.
    pub(crate) fn note_allocated(&self, dir: i64, name: &[u8], bytes: u64) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE entry SET allocated = ?3 WHERE dir = ?1 AND name = ?2")?
            .execute(params![dir, name, bytes as i64])?;
        Ok(())
    }

    /// Brings parts and their files into step: after a look at the sources, and when parts were written. What a
    /// run has to copy of a file whose parts stand already is known from here on.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn settle_parts(&self) -> Result<()> {
        if !self.has_parts()? {
            return Ok(());
        }
        let run: i64 = self
            .conn
            .query_row(&format!("SELECT {THIS_RUN}"), [], |r| r.get(0))?;
        self.atomically(|| self.settle_all(run))
    }

    /// [`Catalog::settle_parts`] within a transaction that is open already.
    pub(super) fn settle_all(&self, run: i64) -> Result<()> {
        let splits = self
            .conn
            .prepare("SELECT id, dir, name, count, size, mtime, mtime_ns, stale FROM split ORDER BY id DESC")?
            .query_map([], split_from)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        for split in &splits {
            self.settle_split(split, run)?;
        }
        Ok(())
    }

    fn settle_split(&self, split: &Split, run: i64) -> Result<()> {
        let Key { dir, name } = &split.key;
        let row = self.entry(*dir, name)?;
        let gone = row.as_ref().map_or(0, |row| row.gone);
        // A version that is not the source's any more stays until another one is complete.
        let current = row.as_ref().is_some_and(|row| {
            row.meta.kind == Kind::File
                && row.meta.size == split.size
                && row.meta.mtime == split.mtime
        }) && split.stale == 0;
        let Some(row) = row else {
            return self.drop_split_unplaced(split);
        };
        if gone != 0 || !current {
            let backed_up = gone == 0 && row.need == 0 && row.meta.ino != 0;
            let stale = match (gone, current) {
                (0, _) if backed_up => 2,
                (0, _) => 1,
                (_, true) => 0,
                (_, false) => split.stale,
            };
            self.conn.execute(
                "UPDATE split SET stale = ?2 WHERE id = ?1",
                params![split.id, stale],
            )?;
            self.conn
                .prepare_cached(
                    "UPDATE entry SET need = 0, gone = ?2 WHERE source < 0 AND (dir, name) IN \
                     (SELECT dir, name FROM part WHERE split = ?1)",
                )?
                .execute(params![split.id, gone])?;
            return self.drop_split_unplaced(split);
        }
        self.current_split(split, &row, run)
    }

    fn current_split(&self, split: &Split, row: &super::order::Row, run: i64) -> Result<()> {
        let Key { dir, name } = &split.key;
        let known: Option<i64> = self
            .conn
            .prepare_cached(
                "SELECT offset / (number - 1) FROM part WHERE split = ?1 AND number > 1 LIMIT 1",
            )?
            .query_row([split.id], |r| r.get(0))
            .optional()?;
        let each = known.map_or_else(|| even_size(split.size, split.count), |each| each as u64);
        for number in 1..=split.count {
            // A drive may say anything of where a part begins.
            let offset = u64::from(number - 1).checked_mul(each);
            if let Some(offset) = offset.filter(|offset| *offset < split.size) {
                let len = each.min(split.size - offset);
                self.part_row(split.id, &split.key, number, split.count, offset, len)?;
            }
        }
        let meta = &row.meta;
        // What the walk says of the file holds for its parts; all but the size.
        self.conn
            .prepare_cached(
                "UPDATE entry SET gone = 0, source = ?2, mode = ?3, uid = ?4, gid = ?5, ino = ?6, dev = ?7, mtime = ?8, \
                 mtime_ns = ?9 WHERE source < 0 AND (dir, name) IN (SELECT dir, name FROM part WHERE split = ?1) \
                 AND (gone <> 0 OR source <> ?2 OR mode <> ?3 OR uid <> ?4 OR gid <> ?5 OR ino <> ?6 OR dev <> ?7 \
                 OR mtime <> ?8 OR mtime_ns <> ?9)",
            )?
            .execute(params![
                split.id,
                -row.source.abs().max(1),
                meta.mode,
                meta.uid,
                meta.gid,
                meta.ino as i64,
                meta.dev as i64,
                meta.mtime.sec,
                meta.mtime.nsec
            ])?;
        let held = format!(
            "EXISTS (SELECT 1 FROM placement p WHERE p.dir = e.dir AND p.name = e.name AND {HOLDS} AND {})",
            self.in_use()
        );
        let lacking: bool = self
            .conn
            .prepare_cached(&format!(
                "SELECT (SELECT count(*) FROM part WHERE split = ?1) < ?2 OR EXISTS(SELECT 1 FROM part x JOIN entry e \
                 ON e.dir = x.dir AND e.name = x.name WHERE x.split = ?1 AND NOT {held})"
            ))?
            .query_row(params![split.id, split.count], |r| r.get(0))?;
        // An entry that only drives have told of is nothing to be copied.
        let wanted = meta.ino != 0 && (row.need == run || row.need == 0);
        if !lacking || wanted {
            self.conn
                .prepare_cached(&format!(
                    "UPDATE entry AS e SET need = CASE WHEN {held} THEN 0 ELSE ?2 END WHERE source < 0 AND (dir, name) IN \
                     (SELECT dir, name FROM part WHERE split = ?1)"
                ))?
                .execute(params![split.id, run])?;
        }
        let need = match (lacking, wanted) {
            (false, _) => 0,
            (true, true) => -run,
            (true, false) => row.need,
        };
        if need != row.need {
            self.conn
                .prepare_cached("UPDATE entry SET need = ?3 WHERE dir = ?1 AND name = ?2")?
                .execute(params![dir, name, need])?;
        }
        Ok(())
    }

    /// Forgets a version of which no volume holds a part, unless it is the one in force.
    fn drop_split_unplaced(&self, split: &Split) -> Result<()> {
        self.conn
            .prepare_cached(
                "DELETE FROM entry WHERE source < 0 AND (dir, name) IN (SELECT dir, name FROM part WHERE split = ?1) \
                 AND NOT EXISTS (SELECT 1 FROM placement p WHERE p.dir = entry.dir AND p.name = entry.name)",
            )?
            .execute([split.id])?;
        self.conn
            .prepare_cached(
                "DELETE FROM part WHERE split = ?1 AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.dir = part.dir \
                 AND e.name = part.name)",
            )?
            .execute([split.id])?;
        self.conn
            .prepare_cached(
                "DELETE FROM split WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM part WHERE split = ?1)",
            )?
            .execute([split.id])?;
        Ok(())
    }

    /// After a part was placed: its file is backed up when it was the last one, and what it replaces may go.
    pub(super) fn part_placed(&self, key: &Key, part: &Part) -> Result<()> {
        let found: Option<(i64, bool)> = self
            .conn
            .prepare_cached(
                "SELECT x.split, EXISTS (SELECT 1 FROM part y JOIN entry e ON e.dir = y.dir AND e.name = y.name \
                 WHERE y.split = x.split AND e.need <> 0) FROM part x WHERE x.dir = ?1 AND x.name = ?2",
            )?
            .query_row(params![key.dir, key.name], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        let Some((split, waits)) = found else {
            return Ok(());
        };
        if let Some(digest) = &part.digest {
            self.note_whole_digest(split, digest)?;
        }
        if waits {
            return Ok(());
        }
        let split = self.split_by_id(split)?;
        let run: i64 = self
            .conn
            .query_row(&format!("SELECT {THIS_RUN}"), [], |r| r.get(0))?;
        if split.stale == 0
            && self
                .entry(split.key.dir, &split.key.name)?
                .is_some_and(|w| w.meta.ino != 0)
        {
            self.settle_all(run)?;
        }
        Ok(())
    }
}

fn split_from(r: &rusqlite::Row<'_>) -> rusqlite::Result<Split> {
    Ok(Split {
        id: r.get(0)?,
        key: Key {
            dir: r.get(1)?,
            name: r.get(2)?,
        },
        count: r.get(3)?,
        size: r.get::<_, i64>(4)? as u64,
        mtime: Time {
            sec: r.get(5)?,
            nsec: r.get(6)?,
        },
        stale: r.get(7)?,
    })
}
