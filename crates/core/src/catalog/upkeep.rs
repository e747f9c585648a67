//! What a volume needs besides new files: directories brought up to date, owners and modes to mend,
//! what may be removed, and what is gone from its source.
//!
//! Nothing here touches a drive; what is handed out is acted on elsewhere and recorded then.

use rusqlite::params;

use super::Catalog;
use super::moved::MOVED;
use super::place::{COLUMNS, HOLDS, Key, NOT_LOST, Placed, THIS_RUN, from_row};
use crate::error::Result;
use crate::format::item::Item;
use crate::meta::Meta;

/// SQL: that it is noted that the placement `p` may not have the attributes of its source.
const OTHER_ATTRIBUTES: &str = "EXISTS (SELECT 1 FROM attribute a WHERE a.dir = p.dir AND a.name = p.name \
    AND a.volume = p.volume)";

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

    /// Entries on a volume, but for directories, whose content is as in the source and whose owner, mode, time or attributes are not: up to `limit` that
    /// come after the key `after`, in the order of the keys.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn mendable(
        &self,
        volume: u32,
        after: &Key,
        limit: usize,
    ) -> Result<Vec<(Key, Item, Meta)>> {
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM placement p JOIN entry e ON e.dir = p.dir AND e.name = p.name \
             WHERE p.volume = ?1 AND p.kind <> 1 AND {} AND e.gone = 0 \
             AND e.ino <> 0 AND {HOLDS} AND (p.mode <> e.mode OR p.uid <> e.uid OR p.gid <> e.gid \
             OR p.mtime <> e.mtime OR p.mtime_ns <> e.mtime_ns OR {OTHER_ATTRIBUTES}) AND (p.dir, p.name) > (?2, ?3) ORDER BY p.dir, p.name LIMIT ?4",
            self.is_backed_up()
        ))?;
        let placed = stmt
            .query_map(
                params![volume, after.dir, after.name, limit as i64],
                from_row,
            )?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut out = Vec::new();
        for p in placed {
            if let Some(row) = self.entry(p.key.dir, &p.key.name)? {
                out.push((p.key, p.item, row.meta));
            }
        }
        Ok(out)
    }

    /// Whether a volume holds an entry of which only owner, mode, time or attributes differ from the source's.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn needs_mending(&self, volume: u32) -> Result<bool> {
        Ok(self.conn.query_row(
            &format!(
                "SELECT EXISTS(SELECT 1 FROM placement p JOIN entry e ON e.dir = p.dir AND e.name = p.name \
                 WHERE p.volume = ?1 AND {} AND e.gone = 0 \
                 AND e.ino <> 0 AND {HOLDS} AND (p.mode <> e.mode OR p.uid <> e.uid OR p.gid <> e.gid \
                 OR {OTHER_ATTRIBUTES} OR (p.kind = 0 AND (p.mtime <> e.mtime OR p.mtime_ns <> e.mtime_ns))))",
                self.is_backed_up()
            ),
            [volume],
            |r| r.get(0),
        )?)
    }

    /// Whether it can be seen at once that a volume needs nothing but perhaps new files: nothing is renamed, in
    /// parts or has other attributes, and each of its entries that is backed up is in the source with what was
    /// written. One plain pass, where the exact questions ([`Catalog::removable`], [`Catalog::needs_mending`]) ask
    /// several things of each row; no says nothing.
    ///
    /// # Errors
    /// What SQLite answers.
    pub(super) fn is_plainly_settled(&self, volume: u32, gone: bool) -> Result<bool> {
        if self.has_several_copies() {
            return Ok(false);
        }
        let special: bool = self.conn.query_row(
            "SELECT EXISTS(SELECT 1 FROM moved) OR EXISTS(SELECT 1 FROM split) OR EXISTS(SELECT 1 FROM part) \
             OR EXISTS(SELECT 1 FROM attribute WHERE volume = ?1)",
            [volume],
            |r| r.get(0),
        )?;
        if special {
            return Ok(false);
        }
        Ok(self.conn.query_row(
            "SELECT NOT EXISTS(SELECT 1 FROM placement p CROSS JOIN entry e ON e.dir = p.dir AND e.name = p.name \
             WHERE p.volume = ?1 AND ((e.gone <> 0 AND ?2) OR (e.gone = 0 AND e.need = 0 AND (e.ino = 0 \
             OR p.kind <> e.kind OR p.mode <> e.mode OR p.uid <> e.uid OR p.gid <> e.gid \
             OR (p.kind <> 1 AND (p.mtime <> e.mtime OR p.mtime_ns <> e.mtime_ns)) OR (p.kind = 0 AND p.size <> e.size) \
             OR e.sha256 IS NOT NULL OR e.blake3 IS NOT NULL))))",
            params![volume, gone],
            |r| r.get(0),
        )?)
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

    /// What may be removed from a volume: entries that this run found gone from their source (when `gone` is
    /// true), older versions whose newer one is durable elsewhere, and directories out of which all was renamed. What an earlier run found gone and this
    /// one could not look for is not among them. What a directory holds comes before the directory; up to
    /// `limit` that come before the key `before`, in falling order of the keys.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn removable(
        &self,
        volume: u32,
        gone: bool,
        before: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Placed>> {
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM placement p JOIN entry e ON e.dir = p.dir AND e.name = p.name \
             WHERE p.volume = ?1 AND (((?2 AND e.gone = {THIS_RUN}) OR (e.gone = 0 AND {} AND p.kind <> 1 \
             AND NOT ({HOLDS}) AND (EXISTS (SELECT 1 FROM placement q WHERE q.dir = p.dir AND q.name = p.name \
             AND q.volume <> p.volume AND {} AND {}) OR (p.kind = 0 AND {}))) OR {}) AND NOT {MOVED} OR {}) AND (p.dir, p.name) < (?3, ?4) \
             ORDER BY p.dir DESC, p.name DESC LIMIT ?5",
            self.is_backed_up(),
            HOLDS.replace("p.", "q."),
            self.in_use().replace("p.", "q."),
            super::parts::in_parts(&self.in_use()),
            super::parts::REPLACED,
            super::moved::left_behind(self)
        ))?;
        let (dir, name) = before.map_or((i64::MAX, &b""[..]), |k| (k.dir, &k.name));
        let rows = stmt.query_map(params![volume, gone, dir, name, limit as i64], from_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many regular files, and bytes, this run found gone from their sources and still on volumes.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn gone_on_volumes(&self) -> Result<(u64, u64)> {
        let (files, bytes): (i64, i64) = self.conn.query_row(
            &format!(
                "SELECT count(*), coalesce(sum(p.size), 0) FROM entry e JOIN placement p \
                 ON p.dir = e.dir AND p.name = e.name WHERE e.gone <> 0 AND e.gone = {THIS_RUN} AND p.kind = 0 AND NOT {MOVED} \
                 AND {NOT_LOST}"
            ),
            [],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )?;
        Ok((files as u64, bytes as u64))
    }

    /// The first `limit` paths that this run found gone from their sources and still on volumes, with the volume.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn gone_paths(&self, limit: usize) -> Result<Vec<(Vec<u8>, u32)>> {
        let mut stmt = self.conn.prepare(&format!(
            "SELECT e.dir, e.name, p.volume FROM entry e JOIN placement p \
             ON p.dir = e.dir AND p.name = e.name WHERE e.gone <> 0 AND e.gone = {THIS_RUN} AND NOT {MOVED} AND {NOT_LOST} \
             ORDER BY p.kind = 1 LIMIT ?1"
        ))?;
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
