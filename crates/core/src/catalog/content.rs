//! Comparing by content: which files are to be read, and what follows from what was read.
//!
//! A scan notes the files whose content is to be compared in the table `look`; someone reads them in the source
//! and says what digest each has now. Where a volume holds that content the entry needs no copy, whatever its
//! time; where none does, it needs one. A digest is kept only where times don't tell the same.
//! Nothing is read here.

use rusqlite::params;

use super::Catalog;
use super::digests::{algorithm_of, bytes_of, number_of};
use super::order::{ENTRY_COLUMNS, Row, entry_from_row};
use super::place::Key;
use super::renamed::Found;
use crate::error::Result;
use crate::format::item::{Algorithm, Digest};

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
const KNOWN: &str = "p.kind = 0 AND p.digest IS NOT NULL AND p.size = e.size";

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
    /// `limit` after the key `after`, in the order of the keys; each with the algorithms of these digests.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn to_compare(&self, after: &Key, limit: usize) -> Result<Vec<(Row, Vec<Algorithm>)>> {
        let known_by = |number: u8| {
            format!(
                "(EXISTS (SELECT 1 FROM placement p WHERE p.dir = e.dir AND p.name = e.name AND {KNOWN} \
                 AND p.algorithm = {number}) OR EXISTS (SELECT 1 FROM moved m \
                 JOIN placement p ON p.dir = m.from_dir AND p.name = m.from_name AND p.volume = m.volume \
                 WHERE m.dir = e.dir AND m.name = e.name AND {KNOWN} AND p.algorithm = {number}))"
            )
        };
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT * FROM (SELECT {}, {} AS by_sha256, {} AS by_blake3 \
             FROM look l JOIN entry e ON e.dir = l.dir AND e.name = l.name \
             WHERE (l.dir, l.name) > (?1, ?2) AND e.gone = 0 AND e.kind = 0) \
             WHERE by_sha256 OR by_blake3 ORDER BY dir, name LIMIT ?3",
            qualified(),
            known_by(number_of(Some(Algorithm::Sha256))),
            known_by(number_of(Some(Algorithm::Blake3))),
        ))?;
        let rows = stmt.query_map(params![after.dir, after.name, limit as i64], |r| {
            let mut by = Vec::new();
            if r.get("by_sha256")? {
                by.push(Algorithm::Sha256);
            }
            if r.get("by_blake3")? {
                by.push(Algorithm::Blake3);
            }
            Ok((entry_from_row(r)?, by))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The algorithms of the digests that volumes hold of files that `run` found gone: by these, new files can be
    /// known as renamed ones.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn digests_of_gone(&self, run: i64) -> Result<Vec<Algorithm>> {
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT DISTINCT p.algorithm FROM entry e JOIN placement p ON p.dir = e.dir AND p.name = e.name \
             WHERE e.gone <> 0 AND e.kind = 0 AND e.gone = ?1 AND e.nlink = 1 AND {KNOWN} ORDER BY 1"
        ))?;
        let numbers = stmt.query_map([run], |r| r.get(0))?;
        let numbers = numbers.collect::<rusqlite::Result<Vec<i64>>>()?;
        Ok(numbers.into_iter().filter_map(algorithm_of).collect())
    }

    /// New files of `run` that have the size of one that is gone and that a volume holds with a digest: up to
    /// `limit` after the key `after`, in the order of the keys. Files of several names are not among them.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn maybe_moved(&self, run: i64, after: &Key, limit: usize) -> Result<Vec<Row>> {
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT {ENTRY_COLUMNS} FROM entry e WHERE need = ?1 AND gone = 0 AND kind = 0 AND ino <> 0 AND nlink = 1 AND source >= 0 \
             AND (dir, name) > (?2, ?3) AND EXISTS (SELECT 1 FROM entry o WHERE o.size = e.size AND o.gone <> 0 \
             AND o.kind = 0 AND o.gone = ?1 AND o.nlink = 1 AND o.source >= 0) \
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

    fn note_content(&self, row: &Row, digests: &[Digest]) -> Result<()> {
        self.conn
            .prepare_cached(
                "UPDATE entry SET sha256 = ?3, blake3 = ?4 WHERE dir = ?1 AND name = ?2",
            )?
            .execute(params![
                row.dir,
                row.name,
                bytes_of(digests, Algorithm::Sha256),
                bytes_of(digests, Algorithm::Blake3),
            ])?;
        Ok(())
    }

    /// Takes in what the content of a known file is now, and says what that means. The row is as the scan left
    /// it; the digests are of all algorithms that [`Catalog::to_compare`] named.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn content_is(&self, run: i64, row: &Row, digests: &[Digest]) -> Result<Means> {
        self.note_content(row, digests)?;
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
                    "UPDATE entry AS e SET sha256 = NULL, blake3 = NULL WHERE dir = ?1 AND name = ?2 \
                     AND NOT EXISTS (SELECT 1 FROM placement p WHERE p.dir = e.dir AND p.name = e.name \
                     AND (p.mtime <> e.mtime OR p.mtime_ns <> e.mtime_ns OR p.digest IS NULL OR p.digest IS NOT \
                     CASE p.algorithm WHEN 1 THEN e.sha256 WHEN 2 THEN e.blake3 END)) \
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
        digests: &[Digest],
        found: &mut Found,
    ) -> Result<bool> {
        let olds = self
            .conn
            .prepare_cached(&format!(
                "SELECT {} FROM entry e JOIN placement p ON p.dir = e.dir AND p.name = e.name \
                 WHERE e.size = ?2 AND e.gone <> 0 AND e.kind = 0 AND e.gone = ?1 AND e.nlink = 1 AND e.source >= 0 AND {KNOWN} \
                 AND p.digest = CASE p.algorithm WHEN 1 THEN ?3 WHEN 2 THEN ?5 END AND NOT {} ORDER BY e.name <> ?4, e.dir, e.name LIMIT 1",
                qualified(),
                super::moved::MOVED
            ))?
            .query_map(
                params![
                    run,
                    new.meta.size as i64,
                    bytes_of(digests, Algorithm::Sha256),
                    new.name,
                    bytes_of(digests, Algorithm::Blake3)
                ],
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
        self.note_content(new, digests)?;
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
