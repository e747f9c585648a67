//! What lies where: recording what a drive holds, and forgetting what it no longer does.
//!
//! A placement carries the metadata that was written to the drive, so a manifest can be made from the
//! catalog alone. What a drive says of itself wins: reading its manifest replaces its placements.

use rusqlite::{OptionalExtension, Row as SqlRow, params};

use super::Catalog;
use super::digests::{digest_from, number_of};
use super::order::{Pages, kind_from};
use super::parts::{part_column, part_from};
use super::schema::{ROOT_DIR, ROOT_PARENT};
use crate::error::Result;
use crate::format::extra::Extra;
use crate::format::item::Item;
use crate::format::samefile::SameFile;
use crate::meta::{Kind, Meta, Time};

/// Where an entry is in the catalog: its directory and its stored name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The directory's number.
    pub dir: i64,
    /// The name, with a slash at the end for a directory.
    pub name: Vec<u8>,
}

/// One entry of a drive, as the catalog knows it. `path` of the item is the name only.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Where it is in the catalog.
    pub key: Key,
    /// What was written; its path is filled in by whoever knows it.
    pub item: Item,
    /// For a directory, its own number; else 0.
    pub child: i64,
}

macro_rules! placed_columns {
    () => {
        "p.dir, p.name, p.kind, p.size, p.mtime, p.mtime_ns, p.mode, p.uid, p.gid, p.algorithm, \
        p.digest, p.target, p.link, p.rdev, p.stored"
    };
}

macro_rules! more_columns {
    () => {
        concat!("p.alias, ", part_column!(), ", p.extra, p.same_file")
    };
}

/// SQL: what [`from_row`] takes, of a placement `p` and its entry `e`.
pub(super) const COLUMNS: &str = concat!(placed_columns!(), ", e.child, ", more_columns!());

/// SQL: the number of the directory that the placement `p` is of, else 0. Only for directories the entry is looked
/// up: going through a million files that is what takes longest.
pub(super) const CHILD: &str = "CASE p.kind WHEN 1 THEN coalesce((SELECT e.child FROM entry e \
    WHERE e.dir = p.dir AND e.name = p.name), 0) ELSE 0 END";

pub(super) fn from_row(r: &SqlRow<'_>) -> rusqlite::Result<Placed> {
    let kind = kind_from(r.get(2)?);
    let digest = digest_from(r.get(9)?, r.get(10)?);
    let rdev = r.get::<_, i64>(13)? as u64;
    Ok(Placed {
        key: Key {
            dir: r.get(0)?,
            name: r.get(1)?,
        },
        item: Item {
            path: Vec::new(),
            kind,
            size: r.get::<_, i64>(3)? as u64,
            mtime: Time {
                sec: r.get(4)?,
                nsec: r.get(5)?,
            },
            mode: r.get(6)?,
            uid: r.get(7)?,
            gid: r.get(8)?,
            digest,
            target: r.get(11)?,
            link: r.get(12)?,
            rdev: matches!(kind, Kind::CharDevice | Kind::BlockDevice)
                .then(|| (crate::sys::major(rdev), crate::sys::minor(rdev))),
            stored: r.get(14)?,
            alias: r.get(16)?,
            part: part_from(r.get::<_, Option<String>>(17)?.as_deref()),
            extra: r
                .get_ref(18)?
                .as_blob_or_null()?
                .and_then(Extra::from_bytes),
            names: None,
            same_file: r
                .get::<_, Option<i64>>(19)?
                .map(|word| SameFile(word as u64)),
        },
        child: r.get(15)?,
    })
}

/// The entries of one volume, in path order.
pub struct OnVolume<'c> {
    /// The catalog.
    pub catalog: &'c Catalog,
    /// The volume's number.
    pub volume: u32,
}

impl Pages for OnVolume<'_> {
    type Row = Placed;

    fn page(&self, dir: i64, after: &[u8], inclusive: bool, limit: i64) -> Result<Vec<Placed>> {
        let compare = if inclusive { ">=" } else { ">" };
        let mut stmt = self.catalog.conn.prepare_cached(&format!(
            "SELECT {}, {CHILD}, {} FROM placement p \
             WHERE p.dir = ?1 AND p.volume = ?2 AND p.name {compare} ?3 ORDER BY p.name LIMIT ?4",
            placed_columns!(),
            more_columns!(),
        ))?;
        let rows = stmt.query_map(params![dir, self.volume, after, limit], from_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn key<'r>(&self, row: &'r Placed) -> (&'r [u8], i64) {
        (&row.key.name, row.child)
    }
}

/// SQL: that the placement `p` is what the entry `e` is now. Where both contents are known, and by the
/// same algorithm, they decide, else the times do. The size of a symlink is that of its target in the one and nothing in the other.
pub(super) const HOLDS: &str = "p.kind = e.kind AND (e.kind = 1 OR ((e.kind <> 0 OR p.size = e.size) AND \
    coalesce(CASE WHEN e.kind = 0 THEN p.digest = \
    CASE p.algorithm WHEN 1 THEN e.sha256 WHEN 2 THEN e.blake3 END END, p.mtime = e.mtime AND p.mtime_ns = e.mtime_ns)))";

/// SQL: that the placement `p` counts: its volume is neither lost nor about to leave the set.
pub(super) const IN_USE: &str =
    "NOT EXISTS (SELECT 1 FROM volume v WHERE v.number = p.volume AND v.fate <> '')";

/// SQL: that the volume of the placement `p` is not lost.
pub(super) const NOT_LOST: &str =
    "NOT EXISTS (SELECT 1 FROM volume v WHERE v.number = p.volume AND v.fate = 'lost')";

/// SQL: the run in hand.
pub(super) const THIS_RUN: &str = "(SELECT coalesce(max(id), 1) FROM run)";

/// The size that a walk gives for what an item records.
pub(super) fn walked_size(item: &Item) -> u64 {
    match &item.target {
        Some(target) => target.len() as u64,
        None => item.size,
    }
}

impl Catalog {
    /// Does many changes in one transaction: all of them, or, when `changes` fails, none.
    ///
    /// # Errors
    /// What `changes` and SQLite answer.
    pub fn atomically<T>(&self, changes: impl FnOnce() -> Result<T>) -> Result<T> {
        self.begin()?;
        let done = changes().and_then(|done| self.commit().map(|()| done));
        if done.is_err() && !self.conn.is_autocommit() {
            // The first error is the one to tell.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        done
    }

    /// Groups many changes into one transaction; see [`Catalog::commit`].
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn begin(&self) -> Result<()> {
        if self.conn.is_autocommit() {
            self.conn.execute_batch("BEGIN")?;
        }
        Ok(())
    }

    /// Ends the transaction that [`Catalog::begin`] began, if one is open.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn commit(&self) -> Result<()> {
        if !self.conn.is_autocommit() {
            self.conn.execute_batch("COMMIT")?;
        }
        Ok(())
    }

    /// Records that a volume holds an entry, and that the entry needs no copy any more if what was
    /// written is what the source has: `seen` is what the source looked like when it was read.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn place(&self, volume: u32, key: &Key, item: &Item, seen: Option<&Meta>) -> Result<()> {
        let algorithm = number_of(item.digest.map(|d| d.algorithm));
        let digest = item.digest.as_ref().map(|d| &d.bytes[..]);
        let rdev = item
            .rdev
            .map_or(0, |(major, minor)| crate::sys::make_device(major, minor));
        self.conn
            .prepare_cached(
                "INSERT OR REPLACE INTO placement VALUES(?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, \
                 ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
            )?
            .execute(params![
                key.dir,
                key.name,
                volume,
                item.kind as u8,
                item.size as i64,
                item.mtime.sec,
                item.mtime.nsec,
                item.mode,
                item.uid,
                item.gid,
                algorithm,
                digest,
                item.target,
                item.link,
                rdev as i64,
                item.stored,
                item.alias,
                item.extra.as_ref().map(|extra| extra.to_bytes()),
                item.same_file.map(|same| same.0 as i64)
            ])?;
        if seen.is_some() {
            self.attributes_copied(volume, key, item.kind)?;
        }
        let (run, settled) = self.settled();
        let (kind, size, mtime) = match seen {
            Some(m) => (m.kind, m.size, m.mtime),
            None => (item.kind, walked_size(item), item.mtime),
        };
        if seen.is_some() {
            // Where the content had to be known it stays so, or an older version of this time would count.
            self.conn
                .prepare_cached(
                    "UPDATE entry SET need = ?7, sha256 = CASE WHEN sha256 IS NULL AND blake3 IS NULL THEN NULL \
                     WHEN ?8 = 1 THEN ?6 WHEN size = ?3 AND mtime = ?4 AND mtime_ns = ?5 THEN sha256 END, \
                     blake3 = CASE WHEN sha256 IS NULL AND blake3 IS NULL THEN NULL \
                     WHEN ?8 = 2 THEN ?6 WHEN size = ?3 AND mtime = ?4 AND mtime_ns = ?5 THEN blake3 END, \
                     size = ?3, mtime = ?4, mtime_ns = ?5 WHERE dir = ?1 AND name = ?2",
                )?
                .execute(params![
                    key.dir,
                    key.name,
                    size as i64,
                    mtime.sec,
                    mtime.nsec,
                    digest,
                    settled,
                    algorithm
                ])?;
        } else {
            self.conn
                .prepare_cached(
                    "UPDATE entry SET need = CASE WHEN abs(need) IN (?7, ?8) THEN ?8 ELSE 0 END \
                     WHERE dir = ?1 AND name = ?2 AND need <> 0 AND need <> ?8 AND kind = ?3 \
                     AND (kind = 1 OR ((kind <> 0 OR size = ?4) AND mtime = ?5 AND mtime_ns = ?6))",
                )?
                .execute(params![
                    key.dir,
                    key.name,
                    kind as u8,
                    size as i64,
                    mtime.sec,
                    mtime.nsec,
                    run,
                    settled
                ])?;
        }
        if let Some(part) = &item.part {
            self.part_placed(key, part)?;
        }
        Ok(())
    }

    /// Records that a volume holds the directory `dir` and those above it, with what the sources say of
    /// them now.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn place_dirs(&self, volume: u32, dir: i64) -> Result<()> {
        let (run, settled) = self.settled();
        let mut dir = dir;
        while dir != ROOT_DIR && dir != ROOT_PARENT {
            let Some((parent, name)) = self.dir_key(dir)? else {
                return Ok(());
            };
            let added = self
                .conn
                .prepare_cached(
                    "INSERT OR IGNORE INTO placement SELECT dir, name, ?3, 0, kind, 0, mtime, mtime_ns, \
                     mode, uid, gid, 0, NULL, NULL, NULL, 0, 1, NULL, NULL, NULL FROM entry WHERE dir = ?1 AND name = ?2",
                )?
                .execute(params![parent, name, volume])?;
            if added == 0 {
                return Ok(());
            }
            self.note_attributes(parent, &name, volume)?;
            self.conn
                .prepare_cached(
                    "UPDATE entry SET need = CASE WHEN abs(need) IN (?3, ?4) THEN ?4 ELSE 0 END \
                     WHERE dir = ?1 AND name = ?2 AND need <> 0 AND need <> ?4",
                )?
                .execute(params![parent, name, run, settled])?;
            dir = parent;
        }
        Ok(())
    }

    /// Leaves an entry that failed to a later run; it is not tried again on the next drive of this one, but for
    /// the next copy of the set.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn give_up(&self, key: &Key, run: i64) -> Result<()> {
        let given_up = match self.settled() {
            (0, _) => run,
            (_, settled) => settled,
        };
        self.conn
            .prepare_cached("UPDATE entry SET need = ?3 WHERE dir = ?1 AND name = ?2")?
            .execute(params![key.dir, key.name, -given_up])?;
        Ok(())
    }

    /// Forgets that a volume holds an entry, and the entry too when it is gone (or was never in a source)
    /// and nowhere else. An entry that is there and that no other volume holds needs a copy again.
    ///
    /// A directory stays for as long as the volume holds something in it.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn unplace(&self, volume: u32, key: &Key) -> Result<()> {
        let changed = self
            .conn
            .prepare_cached(
                "DELETE FROM placement WHERE dir = ?1 AND name = ?2 AND volume = ?3 AND NOT EXISTS \
                 (SELECT 1 FROM entry e JOIN placement c ON c.dir = e.child AND c.volume = ?3 \
                 WHERE e.dir = ?1 AND e.name = ?2 AND e.child <> 0)",
            )?
            .execute(params![key.dir, key.name, volume])?;
        if changed == 0 {
            return Ok(());
        }
        self.forget_move(volume, key)?;
        self.forget_lost_copies(key)?;
        self.conn
            .prepare_cached(
                "DELETE FROM entry WHERE dir = ?1 AND name = ?2 AND (gone <> 0 OR ino = 0 OR (source < 0 AND EXISTS \
                 (SELECT 1 FROM part x JOIN split s ON s.id = x.split WHERE x.dir = ?1 AND x.name = ?2 AND s.stale <> 0))) AND NOT EXISTS \
                 (SELECT 1 FROM placement p WHERE p.dir = ?1 AND p.name = ?2) AND NOT EXISTS \
                 (SELECT 1 FROM entry c WHERE c.dir = entry.child AND entry.child <> 0)",
            )?
            .execute(params![key.dir, key.name])?;
        self.conn
            .prepare_cached(&format!(
                "UPDATE entry AS e SET need = {THIS_RUN} WHERE dir = ?1 AND name = ?2 AND {} AND gone = 0 AND {}",
                self.is_backed_up(),
                self.nowhere()
            ))?
            .execute(params![key.dir, key.name])?;
        Ok(())
    }

    /// Finds out anew which entries no volume holds as they are, and has them copied again: after a drive has
    /// said that it holds less, or something older, than was thought. Gives their number.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn need_what_is_nowhere(&self) -> Result<u64> {
        let n = self.conn.execute(
            &format!(
                "UPDATE entry AS e SET need = {THIS_RUN} WHERE {} AND gone = 0 AND ino <> 0 AND dir <> ?1 AND {}",
                self.is_backed_up(),
                self.nowhere()
            ),
            [ROOT_PARENT],
        )?;
        Ok(n as u64)
    }

    /// What a volume holds under a key, if anything.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn placement(&self, volume: u32, key: &Key) -> Result<Option<Placed>> {
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM placement p JOIN entry e ON e.dir = p.dir AND e.name = p.name \
             WHERE p.dir = ?1 AND p.name = ?2 AND p.volume = ?3"
        ))?;
        Ok(stmt
            .query_row(params![key.dir, key.name, volume], from_row)
            .optional()?)
    }
}
