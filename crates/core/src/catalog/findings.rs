//! What verifications found wrong with the volumes, kept for whoever mends it.
//!
//! One row an entry and volume, by the keys of placements; only entries that the catalog knows. What a drive
//! says of its own files and what is on it beside the set stand in its `verify.jsonl` alone. A row is what was
//! true at `checked`: whoever acts on it looks again.

use rusqlite::params;

use super::Catalog;
use super::place::Key;
use crate::error::Result;
use crate::format::verify::{CheckKind, Word};

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The entry.
    pub key: Key,
    /// What is wrong with it.
    pub word: Word,
    /// The errno, where a call failed.
    pub errno: Option<i32>,
    /// When it was found, seconds since 1970.
    pub checked: i64,
}

impl Catalog {
    /// Notes that something is wrong with an entry on a volume, in place of what was noted of it before.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn record_finding(&self, volume: u32, found: &Found) -> Result<()> {
        self.conn
            .prepare_cached("INSERT OR REPLACE INTO finding VALUES(?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                volume,
                found.key.dir,
                found.key.name,
                found.word.as_str(),
                found.errno.unwrap_or(0),
                found.checked
            ])?;
        Ok(())
    }

    /// The findings of a volume in the order of their keys, at most `limit`, after the key `after`.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn findings(&self, volume: u32, after: Option<&Key>, limit: u32) -> Result<Vec<Found>> {
        let (dir, name) = after.map_or((-1, &b""[..]), |key| (key.dir, &key.name[..]));
        let mut stmt = self.conn.prepare_cached(
            "SELECT dir, name, word, errno, checked FROM finding WHERE volume = ?1 \
             AND (dir, name) > (?2, ?3) ORDER BY dir, name LIMIT ?4",
        )?;
        let rows = stmt.query_map(params![volume, dir, name, limit], |r| {
            Ok(Found {
                key: Key {
                    dir: r.get(0)?,
                    name: r.get(1)?,
                },
                // A word of a later program: something is wrong with its content.
                word: Word::from_word(&r.get::<_, String>(2)?).unwrap_or(Word::Corrupt),
                errno: Some(r.get(3)?).filter(|errno| *errno != 0),
                checked: r.get(4)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many findings a volume has.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn count_findings(&self, volume: u32) -> Result<u64> {
        let n: i64 = self.conn.query_row(
            "SELECT count(*) FROM finding WHERE volume = ?1",
            [volume],
            |r| r.get(0),
        )?;
        Ok(n as u64)
    }

    /// Forgets the finding about one entry of a volume (it was mended).
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn clear_finding(&self, volume: u32, key: &Key) -> Result<()> {
        self.conn
            .prepare_cached("DELETE FROM finding WHERE volume = ?1 AND dir = ?2 AND name = ?3")?
            .execute(params![volume, key.dir, key.name])?;
        Ok(())
    }

    /// Forgets all findings of a volume.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn clear_findings(&self, volume: u32) -> Result<()> {
        self.conn
            .execute("DELETE FROM finding WHERE volume = ?1", [volume])?;
        Ok(())
    }

    /// Notes that all of a volume was verified: when (seconds since 1970), how, and how many entries were bad.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn note_verified(&self, volume: u32, when: i64, kind: CheckKind, bad: u64) -> Result<()> {
        self.conn.execute(
            "UPDATE volume SET verified = ?2, verified_kind = ?3, verified_bad = ?4 WHERE number = ?1",
            params![volume, when, kind.as_str(), bad as i64],
        )?;
        self.conn.execute(
            "INSERT OR REPLACE INTO verification VALUES(?1, ?2, ?3, ?4)",
            params![volume, when, kind.as_str(), bad as i64],
        )?;
        self.raise_revision()?;
        Ok(())
    }
}
