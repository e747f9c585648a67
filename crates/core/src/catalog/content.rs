//! Comparing by content: which files are to be read, and what follows from what was read.
//!
//! A scan notes the files whose content is to be compared in the table `look`; someone reads them in the source
//! and says what digest each has now. Where a volume holds that content the entry needs no copy, whatever its
//! time; where none does, it needs one. A digest is kept only where times don't tell the same.
//! Nothing is read here.

use rusqlite::params;

use super::Catalog;
use super::order::{ENTRY_COLUMNS, Row, entry_from_row};
use super::place::Key;
use super::renamed::Found;
use crate::error::Result;

/// What the content of a file means for the run in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// A volume holds it, as was known.
    Held,
    /// A volume holds it, although the time differs: it needs no copy after all.
    HeldAfterAll,
    /// No volume holds it, as was known.
    Needed,
    /// No volume holds it, although size and time are as they were.
    NeededAfterAll,
}

/// SQL: that a digest of this size is known for the placement `p` of a file.
const KNOWN: &str = "p.kind = 0 AND p.algorithm = 1 AND p.digest IS NOT NULL AND p.size = e.size";

impl Catalog {
    /// Notes that the content of a file is to be compared.
    pub(super) fn note_to_compare(&self, dir: i64, name: &[u8]) -> Result<()> {
        self.conn
            .prepare_cached("INSERT OR IGNORE INTO look VALUES(?1, ?2)")?
            .execute(params![dir, name])?;
        Ok(())
    }

    /// Forgets what was noted, by this run or by one that was broken off.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn forget_to_compare(&self) -> Result<()> {
        self.conn.execute("DELETE FROM look", [])?;
        Ok(())
    }

    /// Files that were noted and of which a volume holds a version of the same size with a digest: up to
    /// `limit` after the key `after`, in the order of the keys.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn to_compare(&self, after: &Key, limit: usize) -> Result<Vec<Row>> {
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT {} FROM look l JOIN entry e ON e.dir = l.dir AND e.name = l.name \
             WHERE (l.dir, l.name) > (?1, ?2) AND e.gone = 0 AND e.kind = 0 AND (EXISTS (SELECT 1 FROM placement p \
             WHERE p.dir = e.dir AND p.name = e.name AND {KNOWN}) OR EXISTS (SELECT 1 FROM moved m \
             JOIN placement p ON p.dir = m.from_dir AND p.name = m.from_name AND p.volume = m.volume \
             WHERE m.dir = e.dir AND m.name = e.name AND {KNOWN})) ORDER BY l.dir, l.name LIMIT ?3",
            qualified()
        ))?;
        let rows = stmt.query_map(params![after.dir, after.name, limit as i64], entry_from_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// New files of `run` that have the size of one that is gone and that a volume holds with a digest: up to
    /// `limit` after the key `after`, in the order of the keys. Files of several names are not among them.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn maybe_moved(&self, run: i64, after: &Key, limit: usize) -> Result<Vec<Row>> {
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT {ENTRY_COLUMNS} FROM entry e WHERE need = ?1 AND gone = 0 AND kind = 0 AND ino <> 0 AND nlink = 1 \
             AND (dir, name) > (?2, ?3) AND EXISTS (SELECT 1 FROM entry o WHERE o.size = e.size AND o.gone <> 0 \
             AND o.kind = 0 AND o.gone = ?1 AND o.nlink = 1) \
             AND NOT EXISTS (SELECT 1 FROM placement p WHERE p.dir = e.dir AND p.name = e.name) \
             AND NOT EXISTS (SELECT 1 FROM moved m WHERE m.dir = e.dir AND m.name = e.name) \
             ORDER BY dir, name LIMIT ?4"
        ))?;
        let rows = stmt.query_map(
            params![run, after.dir, after.name, limit as i64],
            entry_from_row,
        )?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Takes in what the content of a known file is now, and says what that means. The row is as the scan left it.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn content_is(&self, run: i64, row: &Row, digest: &[u8; 32]) -> Result<Means> {
        let key = params![row.dir, row.name, digest.as_slice()];
        self.conn
            .prepare_cached("UPDATE entry SET digest = ?3 WHERE dir = ?1 AND name = ?2")?
            .execute(key)?;
        let none: bool = self
            .conn
            .prepare_cached(&format!(
                "SELECT {} FROM entry e WHERE dir = ?1 AND name = ?2",
                self.nowhere()
            ))?
            .query_row(params![row.dir, row.name], |r| r.get(0))?;
        let means = match (none, row.need == 0) {
            (true, true) => Means::NeededAfterAll,
            (true, false) => Means::Needed,
            (false, true) => Means::Held,
            (false, false) => Means::HeldAfterAll,
        };
        if means == Means::NeededAfterAll || means == Means::HeldAfterAll {
            let need = if none { run } else { 0 };
            self.conn
                .prepare_cached("UPDATE entry SET need = ?3 WHERE dir = ?1 AND name = ?2")?
                .execute(params![row.dir, row.name, need])?;
        }
        if !none {
            // What every placement tells by its time, and rightly, needs no second word.
            self.conn
                .prepare_cached(
                    "UPDATE entry AS e SET digest = NULL WHERE dir = ?1 AND name = ?2 AND NOT EXISTS (SELECT 1 \
                     FROM placement p WHERE p.dir = e.dir AND p.name = e.name \
                     AND (p.mtime <> e.mtime OR p.mtime_ns <> e.mtime_ns OR p.digest IS NOT e.digest)) \
                     AND NOT EXISTS (SELECT 1 FROM moved m \
                     WHERE m.dir = e.dir AND m.name = e.name)",
                )?
                .execute(params![row.dir, row.name])?;
        }
        Ok(means)
    }

    /// Takes in what the content of a new file is: if a volume holds it under a name that `run` found gone, the
    /// file was renamed. Of several such names one that ends alike is taken first.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn moved_by_content(
        &self,
        run: i64,
        new: &Row,
        digest: &[u8; 32],
        found: &mut Found,
    ) -> Result<bool> {
        let olds = self
            .conn
            .prepare_cached(&format!(
                "SELECT {} FROM entry e JOIN placement p ON p.dir = e.dir AND p.name = e.name \
                 WHERE e.size = ?2 AND e.gone <> 0 AND e.kind = 0 AND e.gone = ?1 AND e.nlink = 1 AND {KNOWN} \
                 AND p.digest = ?3 AND NOT {} ORDER BY e.name <> ?4, e.dir, e.name LIMIT 1",
                qualified(),
                super::moved::MOVED
            ))?
            .query_map(
                params![run, new.meta.size as i64, digest.as_slice(), new.name],
                entry_from_row,
            )?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let Some(old) = olds.first() else {
            return Ok(false);
        };
        let to = Key {
            dir: new.dir,
            name: new.name.clone(),
        };
        self.conn
            .prepare_cached("UPDATE entry SET digest = ?3 WHERE dir = ?1 AND name = ?2")?
            .execute(params![to.dir, to.name, digest.as_slice()])?;
        let taken = self.take_over(old, &to)?;
        if taken {
            found.count(old, new);
        }
        Ok(taken)
    }
}

/// The columns of an entry, of the table `e`.
fn qualified() -> String {
    ENTRY_COLUMNS
        .split(", ")
        .map(|column| format!("e.{}", column.trim()))
        .collect::<Vec<_>>()
        .join(", ")
}
