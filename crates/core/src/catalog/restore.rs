//! What is wanted back and which volume holds it: the work list of a restore, on a private copy of a catalog.
//!
//! An entry is wanted once, under the path that it is to have; each volume that holds a version of it is a row
//! beside it. The best version is the one that the source had when it was last looked at, else the newest.
//! Copies that turn out bad are struck off, so the next best one is what the next question is answered with.
//! The tables are of no lasting use: a restore that is broken off is begun anew, and finds what is there.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{OptionalExtension, Row, params};

use super::Catalog;
use super::place::{COLUMNS, Placed, from_row};
use super::query::{Hit, Standing};
use super::volumes::Fate;
use crate::cancel::CancelToken;
use crate::error::Result;
use crate::filter::search::{Patterns, Reading};
use crate::format::extra::Extra;
use crate::format::item::Item;
use crate::format::part::Part;
use crate::meta::{Kind, Time};

/// Hits of a page of the search.
const PAGE: usize = 4096;

/// Names of a hard-link group that are looked for in the destination.
const MOST_NAMES: usize = 256;

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
  PRIMARY KEY(volume, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS restore_have_want ON restore_have(want);
CREATE TABLE IF NOT EXISTS restore_dir(
  path BLOB PRIMARY KEY,
  mode INTEGER, uid INTEGER, gid INTEGER, mtime INTEGER, mtime_ns INTEGER,
  extra BLOB                      -- extended attributes and ACLs, as in `placement`
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS restore_flag(path BLOB PRIMARY KEY, flags INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS restore_link(
  volume INTEGER NOT NULL,
  link BLOB NOT NULL,             -- the first name of the group on that volume
  dest BLOB NOT NULL,
  size INTEGER NOT NULL,
  digest BLOB,
  temp INTEGER,                   -- the number of its temp file while it has no name yet
  PRIMARY KEY(volume, link)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS restore_groups ON placement(volume, link) WHERE link IS NOT NULL;
";

/// SQL: the copies that still come into question, each with its rank among those of its entry (1: the best).
const LIVE: &str = "SELECT h.want, h.volume, rank() OVER (PARTITION BY h.want ORDER BY h.current DESC, \
    h.mtime DESC, h.mtime_ns DESC) AS place FROM restore_have h JOIN restore_want w ON w.id = h.want \
    WHERE h.tried = 0 AND w.state = 0 AND w.leaf = 1";

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
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// The patterns for what a user names: a path that the set knows means it and all below it; anything else
    /// is read as a search reads it. Nothing named: everything.
    ///
    /// # Errors
    /// `Code::BadInput` for a pattern that makes no sense; what SQLite answers.
    pub fn restore_patterns(&self, paths: &[Vec<u8>]) -> Result<Patterns> {
        if paths.is_empty() {
            return Patterns::new(&[b"*".to_vec()], Reading::default());
        }
        let (mut trees, mut others) = (Vec::new(), Vec::new());
        for given in paths {
            let path = bare(given);
            let known = !path.is_empty()
                && (self.find(path, false)?.is_some() || self.find(path, true)?.is_some());
            match known {
                true => trees.push(path),
                false => others.push(given.clone()),
            }
        }
        let mut patterns = Patterns::new(&others, Reading::default())?;
        for path in trees {
            patterns.add_tree(path);
        }
        Ok(patterns)
    }

    /// Makes the work list, or brings it up to date when a drive has told more. What is settled stays so, but
    /// for an entry of which there is a newer version now.
    ///
    /// # Errors
    /// `Code::BadInput`, `Code::Cancelled`, what SQLite answers.
    pub fn restore_stage(&self, paths: &[Vec<u8>], cancel: &CancelToken) -> Result<Staged> {
        let patterns = self.restore_patterns(paths)?;
        let lost: BTreeSet<u32> = self
            .volumes()?
            .into_iter()
            .filter(|v| v.fate == Fate::Lost)
            .map(|v| v.number)
            .collect();
        let mut staged = Staged::default();
        self.atomically(|| {
            self.conn
                .execute("DELETE FROM restore_have WHERE tried = 0", [])?;
            let mut search = self.search(&patterns)?;
            let mut group: Vec<Hit> = Vec::new();
            loop {
                let page = search.page(PAGE, cancel)?;
                if page.is_empty() {
                    break;
                }
                for hit in page {
                    if group.first().is_some_and(|one| dest(one) != dest(&hit)) {
                        self.stage_entry(&group, &lost, &mut staged)?;
                        group.clear();
                    }
                    group.push(hit);
                }
            }
            self.stage_entry(&group, &lost, &mut staged)?;
            // A directory comes with what is in it; only an empty one needs a drive of its own.
            self.conn.execute(
                "UPDATE restore_want SET leaf = NOT EXISTS (SELECT 1 FROM restore_want c WHERE c.kind <> 1 AND \
                 c.path > CAST(restore_want.path || x'2f' AS BLOB) AND \
                 c.path < CAST(restore_want.path || x'30' AS BLOB)) WHERE kind = 1",
                [],
            )?;
            Ok(())
        })?;
        (staged.files, staged.bytes, staged.others) = self.conn.query_row(
            &format!(
                "SELECT count(*) FILTER (WHERE kind = 0 AND whole IS NULL) + count(DISTINCT whole), {BYTES}, \
                 count(*) FILTER (WHERE kind <> 0) \
                 FROM restore_want WHERE leaf = 1"
            ),
            [],
            |r| Ok((count(r, 0)?, bytes(r, 1)?, count(r, 2)?)),
        )?;
        Ok(staged)
    }

    /// All that is known of one entry.
    fn stage_entry(&self, hits: &[Hit], lost: &BTreeSet<u32>, staged: &mut Staged) -> Result<()> {
        let usable = |h: &&Hit| {
            let elsewhere = matches!(
                h.standing,
                Standing::Lost | Standing::NotBackedUp | Standing::Planned
            );
            // Of a file that its drive could not hold there is nothing but its name.
            let recorded_only = h.kind == Kind::File && !h.stored;
            h.volume != 0 && !elsewhere && !lost.contains(&h.volume) && !recorded_only
        };
        let have: Vec<&Hit> = hits.iter().filter(usable).collect();
        let waits = hits
            .iter()
            .any(|h| matches!(h.standing, Standing::NotBackedUp | Standing::Planned));
        let Some(first) = have.first() else {
            let is_dir = hits.iter().any(|h| h.kind == Kind::Dir);
            if waits && !is_dir {
                staged.not_backed_up += 1;
            } else if hits.iter().any(|h| h.volume != 0) && !is_dir {
                staged.lost += 1;
            }
            return Ok(());
        };
        let path = dest(first);
        let chosen = match &first.part {
            None => self.chosen_parts(path)?,
            Some(_) => self.chosen_parts(Part::whole(path))?,
        };
        match (&first.part, chosen) {
            // All that is kept of it as one file is older than its parts.
            (None, Some(_)) if first.kind == Kind::File => return Ok(()),
            (Some(part), chosen) if chosen != Some(part.count) => {
                let any = hits.iter().any(|h| h.volume != 0);
                staged.lost += u64::from(chosen.is_none() && any && part.number == 1);
                return Ok(());
            }
            _ => {}
        }
        if have.iter().all(|h| h.standing == Standing::Gone) && self.is_shadowed(path)? {
            return Ok(());
        }
        let versions = have.iter().any(|h| version(h) != version(first));
        let trusted = !versions || self.was_walked(path, first.kind)?;
        let is_current =
            |h: &Hit| trusted && matches!(h.standing, Standing::Current | Standing::Renamed);
        let order = |h: &&&Hit| (is_current(h), h.mtime);
        let best = have.iter().max_by_key(order).copied().unwrap_or(first);
        if waits && best.kind != Kind::Dir {
            staged.outdated += 1;
        }
        let delivered: Option<(i64, Option<i64>, Option<u32>)> = self
            .conn
            .prepare_cached("SELECT state, mtime, mtime_ns FROM restore_want WHERE path = ?1")?
            .query_row([path], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
            .optional()?;
        let newer = matches!(delivered, Some((1, Some(sec), Some(nsec)))
            if best.kind != Kind::Dir && (sec, nsec) < (best.mtime.sec, best.mtime.nsec));
        let whole = first.part.as_ref().map(|_| Part::whole(path));
        let id: i64 = self
            .conn
            .prepare_cached(
                "INSERT INTO restore_want(path, kind, size, leaf, state, whole) VALUES(?1, ?2, ?3, 1, 0, ?5) \
                 ON CONFLICT(path) DO UPDATE SET kind = ?2, size = ?3, whole = ?5, \
                 state = CASE WHEN ?4 THEN 0 ELSE state END RETURNING id",
            )?
            .query_row(
                params![path, best.kind as u8, best.size as i64, newer, whole],
                |r| r.get(0),
            )?;
        let mut insert = self.conn.prepare_cached(
            "INSERT OR IGNORE INTO restore_have VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0)",
        )?;
        for hit in have {
            let mut key = hit.path.clone();
            // Any drive that holds a directory will do for it.
            let mtime = match hit.kind {
                Kind::Dir => {
                    key.push(b'/');
                    Time::default()
                }
                _ => hit.mtime,
            };
            let current = hit.kind != Kind::Dir && is_current(hit);
            insert.execute(params![hit.volume, key, id, current, mtime.sec, mtime.nsec])?;
        }
        Ok(())
    }

    /// Whether something that is in the source stands where an entry that has gone from it was.
    fn is_shadowed(&self, path: &[u8]) -> Result<bool> {
        let is_there = |path: &[u8], is_dir: bool| -> Result<bool> {
            let Some(key) = self.find(path, is_dir)? else {
                return Ok(false);
            };
            Ok(self
                .entry(key.dir, &key.name)?
                .is_some_and(|row| row.gone == 0))
        };
        for (at, _) in path.iter().enumerate().filter(|(_, b)| **b == b'/') {
            if is_there(&path[..at], false)? {
                return Ok(true);
            }
        }
        Ok(is_there(path, false)? || is_there(path, true)?)
    }

    /// Whether a walk has seen the entry: else nobody knows which of several versions the source has.
    fn was_walked(&self, path: &[u8], kind: Kind) -> Result<bool> {
        let Some(key) = self.find(path, kind == Kind::Dir)? else {
            return Ok(false);
        };
        let row = self.entry(key.dir, &key.name)?;
        Ok(row.is_some_and(|row| row.meta.ino != 0))
    }

    /// What is still wanted, by the volumes that hold its best version.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn restore_groups(&self) -> Result<Vec<Group>> {
        let mut stmt = self.conn.prepare(&format!(
            "SELECT vols, count(*), count(*) FILTER (WHERE kind = 0), {BYTES} \
             FROM (SELECT want, group_concat(volume ORDER BY volume) AS vols FROM \
             (SELECT DISTINCT want, volume FROM ({LIVE}) WHERE place = 1) GROUP BY want) \
             JOIN restore_want ON id = want GROUP BY vols ORDER BY vols"
        ))?;
        let rows = stmt.query_map([], |r| {
            let volumes: String = r.get(0)?;
            Ok(Group {
                volumes: volumes.split(',').filter_map(|v| v.parse().ok()).collect(),
                entries: count(r, 1)?,
                files: count(r, 2)?,
                bytes: bytes(r, 3)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
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

fn count(r: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    r.get::<_, i64>(column).map(|n| n as u64)
}

/// A sum of [`BYTES`].
fn bytes(r: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    r.get::<_, f64>(column).map(|n| n as u64)
}

/// A path as the user names it, without slashes at its ends.
fn bare(given: &[u8]) -> &[u8] {
    let start = given.iter().position(|b| *b != b'/').unwrap_or(given.len());
    let end = given
        .iter()
        .rposition(|b| *b != b'/')
        .map_or(start, |n| n + 1);
    &given[start..end]
}

/// The path that a hit is to have.
fn dest(hit: &Hit) -> &[u8] {
    hit.now.as_deref().unwrap_or(&hit.path)
}

fn version(hit: &Hit) -> (Kind, u64, Time) {
    match hit.kind {
        Kind::Dir => (hit.kind, 0, Time::default()),
        Kind::Symlink => (hit.kind, 0, hit.mtime),
        kind => (kind, hit.size, hit.mtime),
    }
}
