//! Which parts of a volume were checked when, where the drive itself could not keep it (it was read-only).
//!
//! The table is made when it is first needed. What a drive keeps itself counts beside it: of each entry, the later.

use rusqlite::params;

use super::Catalog;
use crate::error::Result;
use crate::format::verify::Part;

const TABLE: &str = "
CREATE TABLE IF NOT EXISTS checked(
  volume INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  first BLOB NOT NULL,            -- sort keys below the drive's root
  last BLOB NOT NULL,
  at INTEGER NOT NULL,            -- seconds since 1970
  generation INTEGER NOT NULL,    -- that the volume had
  PRIMARY KEY(volume, seq)
) WITHOUT ROWID;
";

impl Catalog {
    /// The parts of a volume that were checked and are kept here, in path order.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn checked_parts(&self, volume: u32) -> Result<Vec<Part>> {
        if !self.has_checked()? {
            return Ok(Vec::new());
        }
        let mut stmt = self.conn.prepare_cached(
            "SELECT first, last, at, generation FROM checked WHERE volume = ?1 ORDER BY seq",
        )?;
        let rows = stmt.query_map([volume], |r| {
            Ok(Part {
                from: r.get(0)?,
                through: r.get(1)?,
                at: r.get(2)?,
                generation: r.get::<_, i64>(3)? as u64,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Keeps these in place of what was kept of the volume.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn keep_parts(&self, volume: u32, parts: &[Part]) -> Result<()> {
        if parts.is_empty() && !self.has_checked()? {
            return Ok(());
        }
        self.conn.execute_batch(TABLE)?;
        self.conn
            .execute("DELETE FROM checked WHERE volume = ?1", [volume])?;
        let mut insert = self
            .conn
            .prepare_cached("INSERT INTO checked VALUES(?1, ?2, ?3, ?4, ?5, ?6)")?;
        for (seq, part) in parts.iter().enumerate() {
            insert.execute(params![
                volume,
                seq as i64,
                part.from,
                part.through,
                part.at,
                part.generation as i64
            ])?;
        }
        Ok(())
    }

    fn has_checked(&self) -> Result<bool> {
        let sql =
            "SELECT EXISTS(SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'checked')";
        Ok(self.conn.prepare_cached(sql)?.query_row([], |r| r.get(0))?)
    }
}
