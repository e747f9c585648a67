//! What is wanted back and which volume holds it: the work list of a restore, on a private copy of a catalog.
//!
//! An entry is wanted once, under the path that it is to have; each volume that holds a version of it is a row
//! beside it. The best version is the one that the source had when it was last looked at, else the newest.
//! Copies that turn out bad are struck off, so the next best one is what the next question is answered with.
//! The tables are of no lasting use: a restore that is broken off is begun anew, and finds what is there.

mod links;
mod notes;
mod stage;

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{OptionalExtension, Row, params};

use super::Catalog;
use crate::error::Result;
use crate::format::item::Item;
use crate::meta::{Kind, Time};

pub use links::{Group as NameGroup, InSource, LinkedTo, NameOf};
pub use notes::DirMeta;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS restore_want(
  id INTEGER PRIMARY KEY,
  path BLOB NOT NULL UNIQUE,      -- that it is to have, below the destination
  kind INTEGER NOT NULL,
  size INTEGER NOT NULL,
  leaf INTEGER NOT NULL,          -- 0: a directory that comes with what is in it
  state INTEGER NOT NULL,         -- 0 wanted, 1 settled
  mtime INTEGER, mtime_ns INTEGER, -- of the version that was delivered
  whole BLOB                      -- of a part: the path of the file
);
CREATE INDEX IF NOT EXISTS restore_want_whole ON restore_want(whole) WHERE whole IS NOT NULL;
CREATE TABLE IF NOT EXISTS restore_have(
  volume INTEGER NOT NULL,
  key BLOB NOT NULL,              -- its path on the drive, with a slash at its end for a directory
  want INTEGER NOT NULL,
  current INTEGER NOT NULL,       -- 1: what the source had when it was last looked at
  mtime INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  tried INTEGER NOT NULL,         -- 1: it is no good
  PRIMARY KEY(want, volume, key)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS restore_have_key ON restore_have(volume, key);
CREATE TABLE IF NOT EXISTS restore_dir(
  path BLOB PRIMARY KEY,
  mode INTEGER, uid INTEGER, gid INTEGER, mtime INTEGER, mtime_ns INTEGER,
  extra BLOB                      -- extended attributes and ACLs, as in `placement`
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS restore_flag(path BLOB PRIMARY KEY, flags INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS restore_link(
  volume INTEGER NOT NULL,        -- and link: see `NameGroup`
  link BLOB NOT NULL,
  dest BLOB NOT NULL,
  size INTEGER NOT NULL,
  digest BLOB,
  temp INTEGER,                   -- the number of its temp file while it has no name yet
  dev INTEGER, ino INTEGER,       -- which file of the source it is, where that is known
  PRIMARY KEY(volume, link)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS restore_groups ON placement(volume, link) WHERE link IS NOT NULL;
CREATE INDEX IF NOT EXISTS restore_same_files ON placement(same_file) WHERE same_file IS NOT NULL;
";

/// SQL: the bytes of all files. As a floating-point number, because a drive may claim any size, and a sum of
/// integers that is too large is an error.
const BYTES: &str = "total(max(size, 0)) FILTER (WHERE kind = 0)";

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Staged {
    /// Regular files.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Links, fifos, devices, empty directories.
    pub others: u64,
    /// Entries of which no copy was ever made.
    pub not_backed_up: u64,
    /// Entries of which only an older version is on a drive.
    pub outdated: u64,
    /// Entries that were on lost drives only.
    pub lost: u64,
}

/// Entries whose best version is on the same volumes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// The volumes, each of which holds all of these entries; rising.
    pub volumes: Vec<u32>,
    /// Entries of any kind.
    pub entries: u64,
    /// Regular files.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
}

/// One wanted entry, as the volume in hand has it.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its number.
    pub id: i64,
    /// The path that it is to have.
    pub path: Vec<u8>,
    /// Nobody has anything better.
    pub best: bool,
    /// It is settled already: delivered, or found to be there.
    pub settled: bool,
    /// It is not a directory that comes with what is in it.
    pub leaf: bool,
    /// The time of the version that this restore has delivered, to be replaced by a newer one.
    pub delivered: Option<Time>,
    /// It is a part of the file that is to have this path.
    pub whole: Option<Vec<u8>>,
}

impl Catalog {
    /// Another connection to a private copy of a catalog, with the tables of a restore.
    ///
    /// # Errors
    /// As [`Catalog::attach`].
    pub fn attach_restore(path: &Path) -> Result<Catalog> {
        let catalog = Self::attach(path)?;
        // Sorting a large set is done on disk; nothing in the copy has to survive a power cut.
        catalog.conn.pragma_update(None, "temp_store", "FILE")?;
        catalog.conn.pragma_update(None, "synchronous", "OFF")?;
        catalog.conn.execute_batch(TABLES)?;
        Ok(catalog)
    }

    /// What is still wanted, by the volumes that hold its best version; in the order of their numbers.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn restore_groups(&self) -> Result<Vec<Group>> {
        // One pass in the order of the table: sorted and ranked by SQLite it takes several times as long.
        let mut stmt = self.conn.prepare(
            "SELECT h.want, h.volume, h.current, h.mtime, h.mtime_ns, w.kind, w.size FROM restore_have h \
             CROSS JOIN restore_want w ON w.id = h.want WHERE h.tried = 0 AND w.state = 0 AND w.leaf = 1 \
             ORDER BY h.want",
        )?;
        let mut rows = stmt.query([])?;
        let mut groups: BTreeMap<Vec<u32>, Group> = BTreeMap::new();
        let mut best: Option<Best> = None;
        while let Some(r) = rows.next()? {
            let (want, volume): (i64, u32) = (r.get(0)?, r.get(1)?);
            let rank: Rank = (r.get(2)?, r.get(3)?, r.get(4)?);
            match &mut best {
                Some(one) if one.want == want => one.other(volume, rank),
                _ => {
                    let next = Best {
                        want,
                        rank,
                        volumes: vec![volume],
                        is_file: r.get::<_, i64>(5)? == 0,
                        size: r.get::<_, i64>(6)?,
                    };
                    if let Some(one) = best.replace(next) {
                        one.count(&mut groups);
                    }
                }
            }
        }
        if let Some(one) = best {
            one.count(&mut groups);
        }
        let named = |(volumes, group)| Group { volumes, ..group };
        Ok(groups.into_iter().map(named).collect())
    }

    /// Wanted entries that were not brought back, in the order of their paths, after `after`: of each its
    /// path, kind and size.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn restore_missing(&self, after: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Kind, u64)>> {
        let mut stmt = self.conn.prepare_cached(
            "SELECT path, kind, size FROM restore_want WHERE state = 0 AND leaf = 1 AND path > ?1 \
             ORDER BY path LIMIT ?2",
        )?;
        let rows = stmt.query_map(params![after, limit as i64], |r| {
            let kind = super::order::kind_from(r.get(1)?);
            Ok((r.get(0)?, kind, r.get::<_, i64>(2)? as u64))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many wanted entries were not brought back: of any kind, files, and their bytes.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn restore_left(&self) -> Result<(u64, u64, u64)> {
        Ok(self.conn.query_row(
            &format!(
                "SELECT count(*), count(*) FILTER (WHERE kind = 0), {BYTES} FROM restore_want \
                 WHERE state = 0 AND leaf = 1"
            ),
            [],
            |r| Ok((count(r, 0)?, count(r, 1)?, bytes(r, 2)?)),
        )?)
    }

    /// What is wanted of an entry of the volume in hand; `None` when nothing is.
    pub(crate) fn restore_wanted(&self, volume: u32, key: &[u8]) -> Result<Option<Wanted>> {
        let mut stmt = self.conn.prepare_cached(
            "SELECT w.id, w.path, w.state, w.mtime, w.mtime_ns, NOT EXISTS (SELECT 1 FROM restore_have b \
             WHERE b.want = h.want AND b.tried = 0 AND (b.current, b.mtime, b.mtime_ns) > \
             (h.current, h.mtime, h.mtime_ns)), w.leaf, w.whole FROM restore_have h JOIN restore_want w ON w.id = h.want \
             WHERE h.volume = ?1 AND h.key = ?2 AND h.tried = 0",
        )?;
        Ok(stmt
            .query_row(params![volume, key], |r| {
                let (sec, nsec): (Option<i64>, Option<u32>) = (r.get(3)?, r.get(4)?);
                Ok(Wanted {
                    id: r.get(0)?,
                    path: r.get(1)?,
                    settled: r.get::<_, i64>(2)? != 0,
                    delivered: sec.zip(nsec).map(|(sec, nsec)| Time { sec, nsec }),
                    best: r.get(5)?,
                    leaf: r.get(6)?,
                    whole: r.get(7)?,
                })
            })
            .optional()?)
    }

    /// Parts of files that are wanted and not settled, by number after `after`: of each its number, the path that
    /// it would have, and what it is.
    pub(crate) fn restore_parts(
        &self,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, Vec<u8>, Item)>> {
        let wants = self
            .conn
            .prepare_cached(
                "SELECT w.id, w.path, min(h.volume), h.key FROM restore_want w JOIN restore_have h ON h.want = w.id \
                 WHERE w.whole IS NOT NULL AND w.state = 0 AND w.id > ?1 GROUP BY w.id ORDER BY w.id LIMIT ?2",
            )?
            .query_map(params![after, limit as i64], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))
            })?
            .collect::<rusqlite::Result<Vec<(i64, Vec<u8>, u32, Vec<u8>)>>>()?;
        let mut parts = Vec::new();
        for (id, path, volume, key) in wants {
            if let Some(at) = self.find(&key, false)?
                && let Some(placed) = self.placement(volume, &at)?
            {
                parts.push((id, path, placed.item));
            }
        }
        Ok(parts)
    }

    /// How many parts of a file have been brought back.
    pub(crate) fn restore_parts_done(&self, whole: &[u8]) -> Result<u64> {
        self.count_parts("state = 1 AND mtime IS NOT NULL", whole)
    }

    /// How many parts of a file are still wanted.
    pub(crate) fn restore_parts_left(&self, whole: &[u8]) -> Result<u64> {
        self.count_parts("state = 0", whole)
    }

    fn count_parts(&self, which: &str, whole: &[u8]) -> Result<u64> {
        Ok(self
            .conn
            .prepare_cached(&format!(
                "SELECT count(*) FROM restore_want WHERE whole = ?1 AND {which}"
            ))?
            .query_row([whole], |r| count(r, 0))?)
    }

    /// A file did not get its name: what was brought back of it is not what was wanted.
    pub(crate) fn restore_parts_failed(&self, whole: &[u8]) -> Result<()> {
        self.conn
            .prepare_cached(
                "UPDATE restore_want SET mtime = NULL, mtime_ns = NULL WHERE whole = ?1",
            )?
            .execute([whole])?;
        Ok(())
    }

    /// The entry is settled; `delivered`: with the version of this time.
    pub(crate) fn restore_settle(&self, id: i64, delivered: Option<Time>) -> Result<()> {
        self.conn
            .prepare_cached(
                "UPDATE restore_want SET state = 1, mtime = ?2, mtime_ns = ?3 WHERE id = ?1",
            )?
            .execute(params![
                id,
                delivered.map(|t| t.sec),
                delivered.map(|t| t.nsec)
            ])?;
        Ok(())
    }

    /// The copy on this volume is no good.
    pub(crate) fn restore_strike(&self, volume: u32, key: &[u8]) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE restore_have SET tried = 1 WHERE volume = ?1 AND key = ?2")?
            .execute(params![volume, key])?;
        Ok(())
    }
}

/// Of two copies the one with the higher rank is the better one: the source's version, and then the newest.
type Rank = (i64, i64, i64);

/// The best copies of an entry that have been met.
struct Best {
    want: i64,
    rank: Rank,
    volumes: Vec<u32>,
    is_file: bool,
    size: i64,
}

impl Best {
    /// Another copy; they come by their volumes, rising.
    fn other(&mut self, volume: u32, rank: Rank) {
        if rank > self.rank {
            self.rank = rank;
            self.volumes.clear();
        }
        if rank == self.rank && self.volumes.last() != Some(&volume) {
            self.volumes.push(volume);
        }
    }

    fn count(self, groups: &mut BTreeMap<Vec<u32>, Group>) {
        let group = groups.entry(self.volumes).or_default();
        group.entries += 1;
        if self.is_file {
            group.files += 1;
            // A drive may claim any size.
            group.bytes = group.bytes.saturating_add(self.size.max(0) as u64);
        }
    }
}

fn count(r: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    r.get::<_, i64>(column).map(|n| n as u64)
}

/// A sum of [`BYTES`].
fn bytes(r: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    r.get::<_, f64>(column).map(|n| n as u64)
}
