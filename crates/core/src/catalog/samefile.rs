//! Names of one file: which of them a volume holds, and the word that its names have in common on all volumes.
//!
//! The word ([`SameFile`]) is given when the first name is written, and kept with each placement; a name that joins
//! later gets the one that the others have. Where a walk finds that a name is another file now, or the only one
//! of its file, the word is taken off what the volumes hold of it; what has none gets one when its volume is closed.
//! So a manifest says what the source had when the drive was last written.

use rusqlite::{OptionalExtension, params};

use super::Catalog;
use super::order::Row;
use super::place::{COLUMNS, HOLDS, Key, Placed, from_row};
use crate::error::Result;
use crate::format::samefile::SameFile;
use crate::meta::{Kind, Meta, Time};

/// How many placements are looked at at once.
const PAGE: usize = 4096;

/// A placement of a file of several names, as a position in the order of files and their names.
struct Unnamed {
    key: Key,
    meta: Meta,
}

impl Catalog {
    /// Another name of the same file (same device and inode) that a volume holds with this content.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn linked_on(&self, volume: u32, key: &Key, meta: &Meta) -> Result<Option<Placed>> {
        Ok(self.names_on(volume, key, meta, "LIMIT 1")?.pop())
    }

    /// First names of the same file that a volume holds with this content: one of each of its copies there.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn first_names_on(&self, volume: u32, key: &Key, meta: &Meta) -> Result<Vec<Placed>> {
        self.names_on(volume, key, meta, "AND p.link IS NULL")
    }

    fn names_on(&self, volume: u32, key: &Key, meta: &Meta, which: &str) -> Result<Vec<Placed>> {
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM entry e JOIN placement p ON p.dir = e.dir AND p.name = e.name \
             WHERE e.dev = ?1 AND e.ino = ?2 AND e.nlink > 1 AND e.kind = 0 AND p.volume = ?3 \
             AND p.size = ?4 AND p.mtime = ?5 AND p.mtime_ns = ?6 AND p.stored = 1 AND {} AND {HOLDS} \
             AND NOT (e.dir = ?7 AND e.name = ?8) {which}",
            self.is_backed_up()
        ))?;
        Ok(stmt
            .query_map(
                params![
                    meta.dev as i64,
                    meta.ino as i64,
                    volume,
                    meta.size as i64,
                    meta.mtime.sec,
                    meta.mtime.nsec,
                    key.dir,
                    key.name
                ],
                from_row,
            )?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Which file an entry is a name of: the word that other names of it have, else a new one; `None` for a file
    /// with one name.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn same_file(&self, meta: &Meta) -> Result<Option<SameFile>> {
        let Some(new) = SameFile::new(meta) else {
            return Ok(None);
        };
        let known: Option<i64> = self
            .conn
            .prepare_cached(
                "SELECT p.same_file FROM entry e JOIN placement p ON p.dir = e.dir AND p.name = e.name \
                 WHERE e.dev = ?1 AND e.ino = ?2 AND e.nlink > 1 AND e.kind = 0 AND e.gone = 0 \
                 AND p.same_file IS NOT NULL AND p.size = ?3 AND p.mtime = ?4 AND p.mtime_ns = ?5 LIMIT 1",
            )?
            .query_row(
                params![
                    meta.dev as i64,
                    meta.ino as i64,
                    meta.size as i64,
                    meta.mtime.sec,
                    meta.mtime.nsec
                ],
                |r| r.get(0),
            )
            .optional()?;
        Ok(Some(known.map_or(new, |word| SameFile(word as u64))))
    }

    /// A walk has found that a name is another file than it was, or the only name of its file: what volumes hold
    /// of it is no name of that file any more.
    pub(super) fn no_same_file(&self, row: &Row) -> Result<()> {
        self.conn
            .prepare_cached(
                "UPDATE placement SET same_file = NULL WHERE dir = ?1 AND name = ?2 AND same_file IS NOT NULL",
            )?
            .execute(params![row.dir, row.name])?;
        Ok(())
    }

    /// Gives a word to each name of a file of several names that a volume holds as it is in the source and that
    /// has none: an older program wrote it, or it was the only name then.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn name_files(&self, volume: u32) -> Result<()> {
        let mut after = (i64::MIN, i64::MIN, i64::MIN, Vec::new());
        let mut last: Option<(Meta, Option<SameFile>)> = None;
        loop {
            let page = self.unnamed(volume, &after)?;
            for one in &page {
                let meta = &one.meta;
                let word = match &last {
                    Some((of, word)) if of == meta => *word,
                    _ => self.same_file(meta)?,
                };
                last = Some((*meta, word));
                self.conn
                    .prepare_cached(
                        "UPDATE placement SET same_file = ?4 WHERE dir = ?1 AND name = ?2 AND volume = ?3",
                    )?
                    .execute(params![
                        one.key.dir,
                        one.key.name,
                        volume,
                        word.map(|word| word.0 as i64)
                    ])?;
            }
            match page.last() {
                Some(one) if page.len() == PAGE => {
                    let (dev, ino) = (one.meta.dev as i64, one.meta.ino as i64);
                    after = (dev, ino, one.key.dir, one.key.name.clone());
                }
                _ => return Ok(()),
            }
        }
    }

    fn unnamed(&self, volume: u32, after: &(i64, i64, i64, Vec<u8>)) -> Result<Vec<Unnamed>> {
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT e.dir, e.name, e.dev, e.ino, p.size, p.mtime, p.mtime_ns FROM entry e INDEXED BY entry_links \
             JOIN placement p ON p.dir = e.dir AND p.name = e.name AND p.volume = ?1 AND p.part = 0 \
             WHERE e.nlink > 1 AND e.kind = 0 AND e.gone = 0 AND e.ino <> 0 AND p.same_file IS NULL AND {HOLDS} \
             AND (e.dev, e.ino, e.dir, e.name) > (?2, ?3, ?4, ?5) ORDER BY e.dev, e.ino, e.dir, e.name LIMIT {PAGE}"
        ))?;
        let rows = stmt.query_map(params![volume, after.0, after.1, after.2, after.3], |r| {
            let key = Key {
                dir: r.get(0)?,
                name: r.get(1)?,
            };
            let mtime = Time {
                sec: r.get(5)?,
                nsec: r.get(6)?,
            };
            let meta = Meta {
                kind: Kind::File,
                size: r.get::<_, i64>(4)? as u64,
                allocated: 0,
                mtime,
                mode: 0,
                uid: 0,
                gid: 0,
                dev: r.get::<_, i64>(2)? as u64,
                ino: r.get::<_, i64>(3)? as u64,
                nlink: 2,
                rdev: 0,
                changed: 0,
                flags: 0,
            };
            Ok(Unnamed { key, meta })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
