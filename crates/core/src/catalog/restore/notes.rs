//! What a restore notes of its destination: directories, flags, and files that can have further names.

use rusqlite::{OptionalExtension, params};

use super::super::Catalog;
use super::super::place::{COLUMNS, Placed, from_row};
use super::count;
use crate::error::Result;
use crate::format::extra::Extra;
use crate::format::item::Item;
use crate::meta::Time;

/// Names of a hard-link group that are looked for in the destination.
const MOST_NAMES: usize = 256;

/// What is known of a directory that was made or is wanted.
#[derive(Debug, Clone)]
pub struct DirMeta {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last modification.
    pub mtime: Time,
    /// Extended attributes and ACLs.
    pub extra: Option<Box<Extra>>,
}

/// A file that can have further names.
#[derive(Debug, Clone)]
pub struct LinkedTo {
    /// Where it is below the destination.
    pub dest: Vec<u8>,
    /// The number of its temp file while it has no name yet.
    pub temp: Option<u64>,
    /// Bytes.
    pub size: u64,
    /// What its content is, where that is known.
    pub digest: Option<Vec<u8>>,
}

impl Catalog {
    /// Notes a directory that is to get its owner, mode and time at the end; the newest word counts.
    pub(crate) fn restore_note_dir(&self, path: &[u8], meta: Option<&DirMeta>) -> Result<()> {
        match meta {
            None => self
                .conn
                .prepare_cached("INSERT OR IGNORE INTO restore_dir(path) VALUES(?1)")?
                .execute([path])?,
            Some(m) => self
                .conn
                .prepare_cached(
                    "INSERT INTO restore_dir VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(path) DO UPDATE SET \
                     mode = excluded.mode, uid = excluded.uid, gid = excluded.gid, mtime = excluded.mtime, \
                     mtime_ns = excluded.mtime_ns, extra = excluded.extra WHERE mode IS NULL OR (excluded.mtime, excluded.mtime_ns) >= \
                     (restore_dir.mtime, restore_dir.mtime_ns)",
                )?
                .execute(params![
                    path,
                    m.mode,
                    m.uid,
                    m.gid,
                    m.mtime.sec,
                    m.mtime.nsec,
                    m.extra.as_ref().map(|extra| extra.to_bytes())
                ])?,
        };
        Ok(())
    }

    /// Whether a directory is one that this restore makes or was asked for.
    pub(crate) fn restore_knows_dir(&self, path: &[u8]) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM restore_dir WHERE path = ?1)")?
            .query_row([path], |r| r.get(0))?)
    }

    /// The noted directories before `before` (all where it is `None`), the last in byte order first, so each
    /// comes before those that it lies in.
    pub(crate) fn restore_dirs(
        &self,
        before: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Option<DirMeta>)>> {
        let mut stmt = self.conn.prepare_cached(
            "SELECT path, mode, uid, gid, mtime, mtime_ns, extra FROM restore_dir WHERE ?1 IS NULL OR path < ?1 \
             ORDER BY path DESC LIMIT ?2",
        )?;
        let rows = stmt.query_map(params![before, limit as i64], |r| {
            let mode: Option<u32> = r.get(1)?;
            let meta = match mode {
                None => None,
                Some(mode) => Some(DirMeta {
                    mode,
                    uid: r.get(2)?,
                    gid: r.get(3)?,
                    mtime: Time {
                        sec: r.get(4)?,
                        nsec: r.get(5)?,
                    },
                    extra: r.get_ref(6)?.as_blob_or_null()?.and_then(Extra::from_bytes),
                }),
            };
            Ok((r.get(0)?, meta))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What a walk saw of a directory, where one did.
    pub(crate) fn restore_dir_in_source(&self, path: &[u8]) -> Result<Option<DirMeta>> {
        let Some(key) = self.find(path, true)? else {
            return Ok(None);
        };
        let row = self.entry(key.dir, &key.name)?;
        Ok(row.filter(|row| row.meta.ino != 0).map(|row| DirMeta {
            mode: row.meta.mode,
            uid: row.meta.uid,
            gid: row.meta.gid,
            mtime: row.meta.mtime,
            extra: None,
        }))
    }

    /// Notes the flags that an entry of the destination is to get when all is done.
    pub(crate) fn restore_note_flags(&self, path: &[u8], flags: u8) -> Result<()> {
        self.conn
            .prepare_cached("INSERT OR REPLACE INTO restore_flag VALUES(?1, ?2)")?
            .execute(params![path, flags])?;
        Ok(())
    }

    /// The entry did not get its name.
    pub(crate) fn restore_forget_flags(&self, path: &[u8]) -> Result<()> {
        self.conn
            .prepare_cached("DELETE FROM restore_flag WHERE path = ?1")?
            .execute([path])?;
        Ok(())
    }

    /// Entries of the destination that are to get flags: up to `limit` after `after`.
    pub(crate) fn restore_flags(&self, after: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, u8)>> {
        let mut stmt = self.conn.prepare_cached(
            "SELECT path, flags FROM restore_flag WHERE path > ?1 ORDER BY path LIMIT ?2",
        )?;
        let rows = stmt.query_map(params![after, limit as i64], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many entries of the destination had flags.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn restore_flagged(&self) -> Result<u64> {
        Ok(self
            .conn
            .query_row("SELECT count(*) FROM restore_flag", [], |r| count(r, 0))?)
    }

    /// The file of a hard-link group of a volume that further names can be given to.
    pub(crate) fn restore_linked(&self, volume: u32, link: &[u8]) -> Result<Option<LinkedTo>> {
        let mut stmt = self.conn.prepare_cached(
            "SELECT dest, temp, size, digest FROM restore_link WHERE volume = ?1 AND link = ?2",
        )?;
        Ok(stmt
            .query_row(params![volume, link], |r| {
                Ok(LinkedTo {
                    dest: r.get(0)?,
                    temp: r.get::<_, Option<i64>>(1)?.map(|n| n as u64),
                    size: r.get::<_, i64>(2)? as u64,
                    digest: r.get(3)?,
                })
            })
            .optional()?)
    }

    /// The wanted entries of a hard-link group of a volume, some of them: of each the path that it is to have,
    /// and what it is. `link`: the first name of the group.
    pub(crate) fn restore_group(&self, volume: u32, link: &[u8]) -> Result<Vec<(Vec<u8>, Item)>> {
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM placement p JOIN entry e ON e.dir = p.dir AND e.name = p.name \
             WHERE p.volume = ?1 AND p.link = ?2 LIMIT {MOST_NAMES}"
        ))?;
        let rows = stmt.query_map(params![volume, link], from_row)?;
        let mut placed: Vec<Placed> = rows.collect::<rusqlite::Result<_>>()?;
        if let Some(key) = self.find(link, false)? {
            let mut stmt = self.conn.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM placement p JOIN entry e ON e.dir = p.dir AND e.name = p.name \
                 WHERE p.dir = ?1 AND p.name = ?2 AND p.volume = ?3 AND p.part = 0"
            ))?;
            let first = stmt
                .query_row(params![key.dir, key.name, volume], from_row)
                .optional()?;
            placed.extend(first);
        }
        let mut group = Vec::new();
        for one in placed {
            let path = self.path_of(&one.key)?;
            if let Some(wanted) = self.restore_wanted(volume, &path)? {
                group.push((wanted.path, one.item));
            }
        }
        Ok(group)
    }

    /// Notes the file of a hard-link group.
    pub(crate) fn restore_note_link(
        &self,
        volume: u32,
        placed: &Placed,
        link: &[u8],
        dest: &[u8],
        temp: Option<u64>,
    ) -> Result<()> {
        let item = &placed.item;
        self.conn
            .prepare_cached("INSERT OR REPLACE INTO restore_link VALUES(?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                volume,
                link,
                dest,
                item.size as i64,
                item.digest.map(|d| d.bytes),
                temp.map(|n| n as i64)
            ])?;
        Ok(())
    }

    /// All files of groups have their names now.
    pub(crate) fn restore_links_named(&self) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE restore_link SET temp = NULL WHERE temp IS NOT NULL")?
            .execute([])?;
        Ok(())
    }

    /// Forgets a file of a group that did not get its name.
    pub(crate) fn restore_forget_link(&self, dest: &[u8]) -> Result<()> {
        self.conn
            .prepare_cached("DELETE FROM restore_link WHERE dest = ?1")?
            .execute([dest])?;
        Ok(())
    }
}
