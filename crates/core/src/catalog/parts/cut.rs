//! Cutting files into parts: of which size, under which names, and what of them is a hole.

use rusqlite::params;

use super::super::Catalog;
use super::super::place::Key;
use super::super::worklist::Worklist;
use crate::error::Result;
use crate::format::part::{MOST_PARTS, SUFFIX, even_size, part_name};
use crate::meta::{Kind, Meta};

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

impl Catalog {
    /// Cuts the files that the plan in force places nowhere into parts of `size` bytes each; a part that fits
    /// nowhere has its file cut anew, into smaller ones. Gives how many files were cut.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn split_unplaced(&self, run: i64, size: u64) -> Result<u64> {
        let mut keys = Vec::new();
        let mut list = Worklist::new(&self.conn, run, 0)?;
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
    pub(super) fn part_row(
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
}
