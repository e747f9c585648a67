//! What a check of a drive found not to be as recorded: kept until it is put right, or found to be right after all.
//!
//! A finding is about a placement; its word says what was found. Nothing here looks at a drive.

use rusqlite::params;

use super::Catalog;
use super::place::Key;
use crate::error::Result;

/// One entry of a volume that was not as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which entry.
    pub key: Key,
    /// What was found: `corrupt`, `changed`, `missing`, `unreadable`.
    pub word: String,
    /// With `unreadable`: why, else 0.
    pub errno: i32,
    /// When, in seconds since 1970.
    pub checked: i64,
}

impl Catalog {
    /// Keeps a finding, in place of an older one about the same entry.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn record_finding(&self, volume: u32, finding: &Finding) -> Result<()> {
        self.conn
            .prepare_cached("INSERT OR REPLACE INTO finding VALUES(?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                volume,
                finding.key.dir,
                finding.key.name,
                finding.word,
                finding.errno,
                finding.checked
            ])?;
        Ok(())
    }

    /// The findings on a volume: up to `limit` after the key `after`, in the order of the keys.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn findings(&self, volume: u32, after: &Key, limit: usize) -> Result<Vec<Finding>> {
        let mut stmt = self.conn.prepare_cached(
            "SELECT dir, name, word, errno, checked FROM finding \
             WHERE volume = ?1 AND (dir, name) > (?2, ?3) ORDER BY dir, name LIMIT ?4",
        )?;
        let rows = stmt.query_map(params![volume, after.dir, after.name, limit as i64], |r| {
            Ok(Finding {
                key: Key {
                    dir: r.get(0)?,
                    name: r.get(1)?,
                },
                word: r.get(2)?,
                errno: r.get(3)?,
                checked: r.get(4)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many findings there are on a volume.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn count_findings(&self, volume: u32) -> Result<u64> {
        let count: i64 = self.conn.query_row(
            "SELECT count(*) FROM finding WHERE volume = ?1",
            [volume],
            |r| r.get(0),
        )?;
        Ok(count as u64)
    }

    /// Forgets a finding.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn clear_finding(&self, volume: u32, key: &Key) -> Result<()> {
        self.conn
            .prepare_cached("DELETE FROM finding WHERE volume = ?1 AND dir = ?2 AND name = ?3")?
            .execute(params![volume, key.dir, key.name])?;
        Ok(())
    }
}
