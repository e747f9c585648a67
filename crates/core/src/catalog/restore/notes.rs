//! What a restore notes of its destination: directories and flags.

use rusqlite::params;

use super::super::Catalog;
use super::count;
use crate::error::Result;
use crate::format::extra::Extra;
use crate::meta::Time;

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
}
