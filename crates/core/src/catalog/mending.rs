//! What a repair asks of the catalog: where else the content of a placement is, under which name the source has
//! it now, which names a file has on its volume, and that it is lost for good.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{OptionalExtension, params};

use super::Catalog;
use super::order::{ENTRY_COLUMNS, Row, entry_from_row};
use super::place::{COLUMNS, Key, Placed, from_row};
use crate::error::Result;
use crate::format::item::Item;

impl Catalog {
    /// The entry as which the sources should have what a volume holds under this key: of what was renamed, the
    /// new one. With its key. `None` for what no source is known to have had.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn in_source(&self, volume: u32, key: &Key) -> Result<Option<Row>> {
        let moved: Option<Key> = self
            .conn
            .prepare_cached(
                "SELECT dir, name FROM moved WHERE volume = ?1 AND from_dir = ?2 AND from_name = ?3 AND dir <> 0",
            )?
            .query_row(params![volume, key.dir, key.name], |r| {
                Ok(Key {
                    dir: r.get(0)?,
                    name: r.get(1)?,
                })
            })
            .optional()?;
        let at = moved.as_ref().unwrap_or(key);
        Ok(self
            .conn
            .prepare_cached(&format!(
                "SELECT {ENTRY_COLUMNS} FROM entry WHERE dir = ?1 AND name = ?2 AND source <> 0"
            ))?
            .query_row(params![at.dir, at.name], entry_from_row)
            .optional()?)
    }

    /// The other volumes that hold this content under this key, the lowest number first: not lost, and without a
    /// finding about it. Where both have a digest by the same algorithm it decides, else the time does.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn holders(&self, volume: u32, key: &Key) -> Result<Vec<u32>> {
        let mut stmt = self.conn.prepare_cached(
            "SELECT q.volume FROM placement p JOIN placement q ON q.dir = p.dir AND q.name = p.name \
             AND q.volume <> p.volume JOIN volume v ON v.number = q.volume \
             WHERE p.dir = ?2 AND p.name = ?3 AND p.volume = ?1 AND q.kind = p.kind AND q.size = p.size \
             AND q.stored = 1 AND v.fate <> 'lost' AND coalesce(CASE WHEN p.algorithm = q.algorithm \
             THEN p.digest = q.digest END, p.mtime = q.mtime AND p.mtime_ns = q.mtime_ns) \
             AND NOT EXISTS (SELECT 1 FROM finding f WHERE f.volume = q.volume AND f.dir = q.dir \
             AND f.name = q.name) ORDER BY q.volume",
        )?;
        let rows = stmt.query_map(params![volume, key.dir, key.name], |r| r.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Finds out, in one pass, which names of a volume belong to hard-link groups; before [`Catalog::linked_to`].
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn gather_links(&self, volume: u32) -> Result<()> {
        self.conn.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS linked(first BLOB NOT NULL, dir INTEGER NOT NULL, name BLOB NOT NULL, \
             PRIMARY KEY(first, dir, name)) WITHOUT ROWID; DELETE FROM temp.linked;",
        )?;
        self.conn.execute(
            "INSERT INTO temp.linked SELECT link, dir, name FROM placement WHERE volume = ?1 AND link IS NOT NULL",
            [volume],
        )?;
        Ok(())
    }

    /// The further names of the file whose first name on the volume is `first`, with their paths.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn linked_to(&self, volume: u32, first: &[u8]) -> Result<Vec<Placed>> {
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM temp.linked l JOIN placement p ON p.dir = l.dir AND p.name = l.name \
             JOIN entry e ON e.dir = p.dir AND e.name = p.name WHERE l.first = ?1 AND p.volume = ?2"
        ))?;
        let rows = stmt.query_map(params![first, volume], from_row)?;
        let mut names = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        for one in &mut names {
            one.item.path = self.path_of(&one.key)?;
        }
        Ok(names)
    }

    /// Whether there is a finding about an entry of a volume.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn has_finding(&self, volume: u32, key: &Key) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM finding WHERE volume = ?1 AND dir = ?2 AND name = ?3)",
            )?
            .query_row(params![volume, key.dir, key.name], |r| r.get(0))?)
    }

    /// After a repair: so many entries of a volume are still not good, of those that its last check found bad.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn note_repaired(&self, volume: u32) -> Result<()> {
        let left = self.count_findings(volume)?;
        let changed = self.conn.execute(
            "UPDATE volume SET verified_bad = ?2 WHERE number = ?1 AND verified <> 0 AND verified_bad > ?2",
            params![volume, left as i64],
        )?;
        if changed > 0 {
            self.raise_revision()?;
        }
        Ok(())
    }

    /// Lists what a volume held as lost for good; it stays placed there, so that no check takes it for good.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn list_as_lost(&self, volume: u32, item: &Item) -> Result<()> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs() as i64);
        self.conn
            .prepare_cached(
                "INSERT OR IGNORE INTO lost VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                item.path,
                volume,
                item.kind as u8,
                item.size as i64,
                item.mtime.sec,
                item.mtime.nsec,
                super::digests::number_of(item.digest.map(|d| d.algorithm)),
                item.digest.as_ref().map(|d| &d.bytes[..]),
                now
            ])?;
        Ok(())
    }

    /// Takes an entry of a volume off that list: it is there after all.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn list_as_found(&self, volume: u32, path: &[u8]) -> Result<()> {
        self.conn
            .prepare_cached("DELETE FROM lost WHERE path = ?1 AND volume = ?2")?
            .execute(params![path, volume])?;
        Ok(())
    }
}
