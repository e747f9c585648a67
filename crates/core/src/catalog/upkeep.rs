//! What a volume needs besides new files: directories brought up to date, owners and modes to mend,
//! what may be removed, and what is gone from its source.
//!
//! Nothing here touches a drive; what is handed out is acted on elsewhere and recorded then.

use rusqlite::params;

use super::Catalog;
use super::place::{COLUMNS, Key, Placed, from_row};
use crate::error::Result;
use crate::format::item::Item;
use crate::meta::Meta;

impl Catalog {
    /// Brings the placements of a volume's directories up to what the sources say of them now.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn refresh_dirs(&self, volume: u32) -> Result<()> {
        self.conn.execute(
            "UPDATE placement SET mtime = e.mtime, mtime_ns = e.mtime_ns, mode = e.mode, uid = e.uid, \
             gid = e.gid FROM entry e WHERE placement.volume = ?1 AND placement.kind = 1 \
             AND e.dir = placement.dir AND e.name = placement.name AND e.gone = 0 AND e.ino <> 0",
            [volume],
        )?;
        Ok(())
    }

    /// Files on a volume whose content is as in the source and whose owner or mode is not.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn mendable(&self, volume: u32, limit: usize) -> Result<Vec<(Key, Item, Meta)>> {
        let mut stmt = self.conn.prepare(&format!(
            "SELECT {COLUMNS} FROM placement p JOIN entry e ON e.dir = p.dir AND e.name = p.name \
             WHERE p.volume = ?1 AND p.kind = 0 AND p.stored = 1 AND e.kind = 0 AND e.need = 0 AND e.gone = 0 \
             AND e.ino <> 0 AND p.size = e.size AND p.mtime = e.mtime AND p.mtime_ns = e.mtime_ns \
             AND (p.mode <> e.mode OR p.uid <> e.uid OR p.gid <> e.gid) LIMIT ?2"
        ))?;
        let placed = stmt
            .query_map(params![volume, limit as i64], from_row)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut out = Vec::new();
        for p in placed {
            if let Some(row) = self.entry(p.key.dir, &p.key.name)? {
                out.push((p.key, p.item, row.meta));
            }
        }
        Ok(out)
    }

    /// Forgets all that a volume holds, before its manifest is read anew.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn clear_volume(&self, volume: u32) -> Result<()> {
        self.conn
            .execute("DELETE FROM placement WHERE volume = ?1", [volume])?;
        Ok(())
    }

    /// What may be removed from a volume: entries gone from their source (when `gone` is true), and older
    /// versions whose newer one is durable elsewhere. Deepest paths last within a directory's name order;
    /// the caller removes directories after what they held.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn removable(&self, volume: u32, gone: bool, limit: usize) -> Result<Vec<Placed>> {
        let mut stmt = self.conn.prepare(&format!(
            "SELECT {COLUMNS} FROM placement p JOIN entry e ON e.dir = p.dir AND e.name = p.name \
             WHERE p.volume = ?1 AND ((?2 AND e.gone <> 0) OR (e.gone = 0 AND e.need = 0 AND p.kind <> 1 \
             AND (p.kind <> e.kind OR p.size <> e.size OR p.mtime <> e.mtime OR p.mtime_ns <> e.mtime_ns) \
             AND EXISTS (SELECT 1 FROM placement q WHERE q.dir = p.dir AND q.name = p.name \
             AND q.volume <> p.volume AND q.size = e.size AND q.mtime = e.mtime \
             AND q.mtime_ns = e.mtime_ns))) ORDER BY p.dir DESC, p.name DESC LIMIT ?3"
        ))?;
        let rows = stmt.query_map(params![volume, gone, limit as i64], from_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many regular files, and bytes, are gone from their sources and still on volumes.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn gone_on_volumes(&self) -> Result<(u64, u64)> {
        let (files, bytes): (i64, i64) = self.conn.query_row(
            "SELECT count(*), coalesce(sum(p.size), 0) FROM entry e JOIN placement p \
             ON p.dir = e.dir AND p.name = e.name WHERE e.gone <> 0 AND p.kind = 0",
            [],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )?;
        Ok((files as u64, bytes as u64))
    }

    /// The first `limit` paths that are gone from their sources and still on volumes, with the volume.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn gone_paths(&self, limit: usize) -> Result<Vec<(Vec<u8>, u32)>> {
        let mut stmt = self.conn.prepare(
            "SELECT e.dir, e.name, p.volume FROM entry e JOIN placement p \
             ON p.dir = e.dir AND p.name = e.name WHERE e.gone <> 0 AND p.kind <> 1 LIMIT ?1",
        )?;
        let rows = stmt
            .query_map([limit as i64], |r| {
                Ok((
                    r.get::<_, i64>(0)?,
                    r.get::<_, Vec<u8>>(1)?,
                    r.get::<_, u32>(2)?,
                ))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        rows.into_iter()
            .map(|(dir, name, volume)| {
                let mut path = self.dir_path(dir)?;
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(&name);
                Ok((path, volume))
            })
            .collect()
    }
}
