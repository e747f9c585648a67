//! Bringing files and their parts into step: which version is in force, which is given up, which may be removed.

use rusqlite::{OptionalExtension, params};

use super::super::Catalog;
use super::super::order::Row;
use super::super::place::{HOLDS, Key, THIS_RUN};
use crate::error::Result;
use crate::format::part::{Part, even_size};
use crate::meta::{Kind, Time};

/// A split with the file that it is of.
pub(super) struct Split {
    id: i64,
    key: Key,
    count: u32,
    size: u64,
    mtime: Time,
    stale: i64,
}

impl Catalog {
    pub(super) fn split_by_id(&self, id: i64) -> Result<Split> {
        Ok(self.conn.query_row(
            "SELECT id, dir, name, count, size, mtime, mtime_ns, stale FROM split WHERE id = ?1",
            [id],
            split_from,
        )?)
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
    pub(in crate::catalog) fn settle_all(&self, run: i64) -> Result<()> {
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

    pub(super) fn settle_split(&self, split: &Split, run: i64) -> Result<()> {
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

    fn current_split(&self, split: &Split, row: &Row, run: i64) -> Result<()> {
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
    pub(in crate::catalog) fn part_placed(&self, key: &Key, part: &Part) -> Result<()> {
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
