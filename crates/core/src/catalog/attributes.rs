//! Extended attributes, ACLs and flags: which placements do not have those of their source, and what owners are
//! called.
//!
//! A walk does not read attributes: it sees that an entry's ctime has changed and notes it in `attribute_look`.
//! Someone reads those in the source; what differs is noted in `attribute`, by volume, until that volume is in and
//! has been mended. A directory that is new on a volume is noted, too: it gets its attributes when the volume is
//! closed. Nothing is read here.

use rusqlite::{OptionalExtension, params};

use super::Catalog;
use super::order::{ENTRY_COLUMNS, Row, entry_from_row};
use super::place::Key;
use crate::error::Result;
use crate::format::extra::Extra;
use crate::meta::Kind;

impl Catalog {
    /// Notes that the attributes of an entry are to be looked at in its source.
    pub(super) fn look_at_attributes(&self, dir: i64, name: &[u8]) -> Result<()> {
        self.conn
            .prepare_cached("INSERT OR IGNORE INTO attribute_look VALUES(?1, ?2)")?
            .execute(params![dir, name])?;
        Ok(())
    }

    /// Entries whose attributes are to be looked at: up to `limit` after the key `after`, in the order of the keys.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn attributes_to_look_at(&self, after: &Key, limit: usize) -> Result<Vec<Row>> {
        let columns = ENTRY_COLUMNS
            .split(", ")
            .map(|c| format!("e.{}", c.trim()))
            .collect::<Vec<_>>()
            .join(", ");
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT {columns} FROM attribute_look l JOIN entry e ON e.dir = l.dir AND e.name = l.name \
             WHERE (l.dir, l.name) > (?1, ?2) ORDER BY l.dir, l.name LIMIT ?3"
        ))?;
        let rows = stmt.query_map(params![after.dir, after.name, limit as i64], entry_from_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Records what attributes the source has of an entry: volumes that have others, also of a part of it, are noted.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn attributes_are(&self, row: &Row, found: Option<&Extra>) -> Result<()> {
        let mut stmt = self.conn.prepare_cached(
            "SELECT name, volume, extra FROM placement WHERE dir = ?1 AND name = ?2 UNION ALL \
             SELECT ?2, p.volume, p.extra FROM moved m JOIN placement p ON p.dir = m.from_dir \
             AND p.name = m.from_name AND p.volume = m.volume WHERE m.dir = ?1 AND m.name = ?2 UNION ALL \
             SELECT p.name, p.volume, p.extra FROM split s JOIN part x ON x.split = s.id JOIN placement p \
             ON p.dir = x.dir AND p.name = x.name WHERE s.dir = ?1 AND s.name = ?2 AND s.stale = 0",
        )?;
        let placed = stmt
            .query_map(params![row.dir, row.name], |r| {
                let name: Vec<u8> = r.get(0)?;
                Ok((name, r.get::<_, u32>(1)?, r.get::<_, Option<Vec<u8>>>(2)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let found = found.map(Extra::to_bytes);
        for (name, volume, extra) in placed {
            if extra != found {
                self.note_attributes(row.dir, &name, volume)?;
            } else if row.meta.kind != Kind::Dir {
                self.forget_attributes(row.dir, &name, volume)?;
            }
        }
        Ok(())
    }

    /// Forgets up to the key `through` what was to be looked at.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn attributes_looked_at(&self, through: &Key) -> Result<()> {
        self.conn
            .prepare_cached("DELETE FROM attribute_look WHERE (dir, name) <= (?1, ?2)")?
            .execute(params![through.dir, through.name])?;
        Ok(())
    }

    /// Notes that a volume may not have the attributes that the source has.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn note_attributes(&self, dir: i64, name: &[u8], volume: u32) -> Result<()> {
        self.conn
            .prepare_cached("INSERT OR IGNORE INTO attribute VALUES(?1, ?2, ?3)")?
            .execute(params![dir, name, volume])?;
        Ok(())
    }

    fn forget_attributes(&self, dir: i64, name: &[u8], volume: u32) -> Result<()> {
        self.conn
            .prepare_cached("DELETE FROM attribute WHERE dir = ?1 AND name = ?2 AND volume = ?3")?
            .execute(params![dir, name, volume])?;
        Ok(())
    }

    /// An entry was copied with its attributes; a directory gets them when its volume is closed.
    pub(super) fn attributes_copied(&self, volume: u32, key: &Key, kind: Kind) -> Result<()> {
        match kind {
            Kind::Dir => self.note_attributes(key.dir, &key.name, volume),
            _ => self.forget_attributes(key.dir, &key.name, volume),
        }
    }

    /// Whether it is noted that a volume may not have the attributes that the source has.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn wants_attributes(&self, volume: u32, key: &Key) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM attribute WHERE dir = ?1 AND name = ?2 AND volume = ?3)",
            )?
            .query_row(params![key.dir, key.name, volume], |r| r.get(0))?)
    }

    /// A volume has these attributes of an entry now, which are those of the source.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn attributes_set(&self, volume: u32, key: &Key, extra: Option<&Extra>) -> Result<()> {
        self.conn
            .prepare_cached(
                "UPDATE placement SET extra = ?4 WHERE dir = ?1 AND name = ?2 AND volume = ?3",
            )?
            .execute(params![
                key.dir,
                key.name,
                volume,
                extra.map(Extra::to_bytes)
            ])?;
        self.forget_attributes(key.dir, &key.name, volume)
    }

    /// What an owner, or a group, is called, where anybody has told.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn owner_name(&self, is_group: bool, id: u32) -> Result<Option<Vec<u8>>> {
        Ok(self
            .conn
            .prepare_cached("SELECT name FROM owner WHERE is_group = ?1 AND id = ?2")?
            .query_row(params![is_group, id], |r| r.get(0))
            .optional()?)
    }

    /// Notes what an owner, or a group, is called; the first word counts.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn note_owner(&self, is_group: bool, id: u32, name: &[u8]) -> Result<()> {
        self.conn
            .prepare_cached("INSERT OR IGNORE INTO owner VALUES(?1, ?2, ?3)")?
            .execute(params![is_group, id, name])?;
        Ok(())
    }
}
