//! What becomes of volumes: relabelled, retired, lost, found again; and what is lost with them.
//!
//! A retired volume is healthy: it gets nothing new, and what it holds needs a copy elsewhere. Nothing on a
//! lost volume counts. Its placements stay in the catalog until the entries have copies elsewhere, so that
//! a scan which later finds an entry gone can tell "lost" from "never backed up". What no source and no
//! other volume has is moved to the table `lost`, path by path. No drive is touched here; a drive that turns
//! up is taken in again by what it says of itself (`learn.rs`).

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{OptionalExtension, params};

use super::Catalog;
use super::digests::digest_from;
use super::moved::MOVED;
use super::order::kind_from;
use super::place::{HOLDS, IN_USE, Key, NOT_LOST, THIS_RUN};
use super::status::Amount;
use super::volumes::Fate;
use crate::error::{Code, Error, Result};
use crate::format::item::Digest;
use crate::meta::{Kind, Time};

/// Rows handled at once.
const PAGE: i64 = 1000;

/// Directories are freed from the leaves up; deeper trees take another run.
const ROUNDS: usize = 64;

/// SQL: that the entry `e` is in no source that is known.
const UNSOURCED: &str = "(e.gone <> 0 OR (e.ino = 0 AND e.source = 0))";

/// SQL: that the content of the placement `p` is on another volume that is not lost, under the same name.
fn elsewhere() -> String {
    format!(
        "EXISTS (SELECT 1 FROM placement q WHERE q.dir = p.dir AND q.name = p.name AND q.volume <> p.volume \
         AND q.kind = p.kind AND ((q.size = p.size AND q.mtime = p.mtime AND q.mtime_ns = p.mtime_ns) \
         OR (q.algorithm = p.algorithm AND q.digest = p.digest)) AND {})",
        NOT_LOST.replace("p.", "q.")
    )
}

/// What a fate means for what a volume held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consequence {
    /// Regular files in the sources that the next run copies to other volumes.
    pub planned: Amount,
    /// Regular files that the sources should have; the next look at them will tell.
    pub unseen: Amount,
    /// Regular files that are in no source and on no other volume.
    pub alone: Amount,
}

/// One entry that was on a lost volume, and is in no source and on no other one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostEntry {
    /// Its path below the drives' root.
    pub path: Vec<u8>,
    /// The volume that it was on.
    pub volume: u32,
    /// What it was; never a directory.
    pub kind: Kind,
    /// Bytes of its content.
    pub size: u64,
    /// Its time of modification.
    pub mtime: Time,
    /// Its digest, where one was made.
    pub digest: Option<Digest>,
    /// When it was found to be lost, seconds since 1970.
    pub noted: i64,
}

impl Catalog {
    /// Gives a volume another label. The drive itself gets it when it is next opened for writing.
    ///
    /// # Errors
    /// `Code::BadInput` when there is no such volume; what SQLite answers.
    pub fn relabel(&self, number: u32, label: &str) -> Result<()> {
        self.atomically(|| {
            let changed = self.conn.execute(
                "UPDATE volume SET label = ?2 WHERE number = ?1",
                params![number, label],
            )?;
            known(number, changed)?;
            self.raise_revision()?;
            Ok(())
        })
    }

    /// Retires a volume: its files need a copy on others, and it gets nothing new.
    ///
    /// # Errors
    /// `Code::BadInput` when there is no such volume; what SQLite answers.
    pub fn retire(&self, number: u32) -> Result<Consequence> {
        self.atomically(|| {
            self.set_fate(number, Fate::Retired)?;
            self.need_what_is_renamed_on(number)?;
            self.need_what_is_nowhere()?;
            Ok(Consequence {
                alone: self.sum(
                    number,
                    &format!(
                        "p.kind = 0 AND {UNSOURCED} AND NOT {MOVED} AND NOT {}",
                        elsewhere()
                    ),
                )?,
                ..self.planned_from(number)?
            })
        })
    }

    /// Takes a volume back into use that was retired: what it holds counts again.
    ///
    /// # Errors
    /// `Code::BadInput` when there is no such volume; what SQLite answers.
    pub fn unretire(&self, number: u32) -> Result<()> {
        self.atomically(|| {
            self.set_fate(number, Fate::None)?;
            self.conn.execute(
                &format!(
                    "UPDATE entry AS e SET need = 0 WHERE need <> 0 AND gone = 0 AND EXISTS (SELECT 1 \
                     FROM placement p WHERE p.dir = e.dir AND p.name = e.name AND p.volume = ?1 AND {HOLDS})"
                ),
                [number],
            )?;
            Ok(())
        })
    }

    /// Declares a volume lost: nothing on it counts any more, what the sources have is copied anew by the
    /// next run, and what they don't have goes into the list of what is lost ([`Catalog::lost_page`]).
    ///
    /// # Errors
    /// `Code::BadInput` when there is no such volume; what SQLite answers.
    pub fn lose(&self, number: u32) -> Result<Consequence> {
        self.atomically(|| {
            self.set_fate(number, Fate::Lost)?;
            self.need_what_is_renamed_on(number)?;
            self.note_lost(number)?;
            self.need_what_is_nowhere()?;
            let alone = self.conn.query_row(
                "SELECT count(*), coalesce(sum(size), 0) FROM lost WHERE volume = ?1 AND kind = 0",
                [number],
                Amount::from_row,
            )?;
            let consequence = Consequence {
                alone,
                ..self.planned_from(number)?
            };
            // What only has another name in the source now is there, and is copied under that name.
            self.conn.execute(
                "DELETE FROM placement WHERE volume = ?1 AND (dir, name) IN \
                 (SELECT from_dir, from_name FROM moved WHERE volume = ?1)",
                [number],
            )?;
            self.conn
                .execute("DELETE FROM moved WHERE volume = ?1", [number])?;
            Ok(consequence)
        })
    }

    /// A page of what is lost for good, of one volume or of all, by path and volume: up to `limit` that come
    /// after `after`.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn lost_page(
        &self,
        volume: Option<u32>,
        after: Option<(&[u8], u32)>,
        limit: usize,
    ) -> Result<Vec<LostEntry>> {
        let (path, number) = after.unwrap_or((b"", 0));
        let mut stmt = self.conn.prepare_cached(
            "SELECT path, volume, kind, size, mtime, mtime_ns, algorithm, digest, noted FROM lost \
             WHERE (path, volume) > (?1, ?2) AND (?3 = 0 OR volume = ?3) ORDER BY path, volume LIMIT ?4",
        )?;
        let rows = stmt.query_map(
            params![path, number, volume.unwrap_or(0), limit as i64],
            |r| {
                Ok(LostEntry {
                    path: r.get(0)?,
                    volume: r.get(1)?,
                    kind: kind_from(r.get(2)?),
                    size: r.get::<_, i64>(3)? as u64,
                    mtime: Time {
                        sec: r.get(4)?,
                        nsec: r.get(5)?,
                    },
                    digest: digest_from(r.get(6)?, r.get(7)?),
                    noted: r.get(8)?,
                })
            },
        )?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// After a scan: what it found gone and only lost volumes held is lost; what is backed up again, or back
    /// in a source, is not any more.
    ///
    /// # Errors
    /// What SQLite answers.
    pub(super) fn settle_lost(&self) -> Result<()> {
        let volumes: Vec<u32> = self
            .conn
            .prepare("SELECT number FROM volume WHERE fate = 'lost'")?
            .query_map([], |r| r.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        if volumes.is_empty() {
            return Ok(());
        }
        self.atomically(|| {
            for number in volumes {
                self.note_lost(number)?;
                // Others hold it by now: that it was on this one too is of no use to anybody.
                self.conn.execute(
                    "DELETE FROM placement AS p WHERE volume = ?1 AND kind <> 1 AND EXISTS (SELECT 1 FROM entry e \
                     WHERE e.dir = p.dir AND e.name = p.name AND e.gone = 0 AND e.need = 0 AND e.ino <> 0)",
                    [number],
                )?;
                self.free_directories(number)?;
            }
            self.forget_found()
        })
    }

    /// Before an entry that is gone goes from its last volume by agreement: that a lost one held it too
    /// makes it no loss.
    pub(super) fn forget_lost_copies(&self, key: &Key) -> Result<()> {
        self.conn
            .prepare_cached(&format!(
                "DELETE FROM placement AS l WHERE dir = ?1 AND name = ?2 AND volume IN \
                 (SELECT number FROM volume WHERE fate = 'lost') AND EXISTS (SELECT 1 FROM entry e \
                 WHERE e.dir = ?1 AND e.name = ?2 AND e.gone <> 0) AND NOT EXISTS (SELECT 1 FROM placement p \
                 WHERE p.dir = ?1 AND p.name = ?2 AND {NOT_LOST})"
            ))?
            .execute(params![key.dir, key.name])?;
        Ok(())
    }

    fn set_fate(&self, number: u32, fate: Fate) -> Result<()> {
        let changed = self.conn.execute(
            "UPDATE volume SET fate = ?2 WHERE number = ?1",
            params![number, fate.word()],
        )?;
        known(number, changed)?;
        self.raise_revision()?;
        Ok(())
    }

    /// What only this volume holds, under the name that it had before, needs a copy.
    fn need_what_is_renamed_on(&self, number: u32) -> Result<()> {
        self.conn.execute(
            &format!(
                "UPDATE entry AS e SET need = {THIS_RUN} WHERE need = 0 AND gone = 0 AND (dir, name) IN \
                 (SELECT dir, name FROM moved WHERE volume = ?1) AND NOT EXISTS (SELECT 1 FROM placement p \
                 WHERE p.dir = e.dir AND p.name = e.name AND {HOLDS} AND {IN_USE})"
            ),
            [number],
        )?;
        Ok(())
    }

    /// Sums regular files of a volume for which an SQL condition holds.
    fn sum(&self, number: u32, condition: &str) -> Result<Amount> {
        Ok(self.conn.query_row(
            &format!(
                "SELECT count(*), coalesce(sum(p.size), 0) FROM placement p JOIN entry e \
                 ON e.dir = p.dir AND e.name = p.name WHERE p.volume = ?1 AND {condition}"
            ),
            [number],
            Amount::from_row,
        )?)
    }

    fn planned_from(&self, number: u32) -> Result<Consequence> {
        let there = "p.kind = 0 AND e.kind = 0 AND e.gone = 0 AND";
        let elsewhere = elsewhere();
        let mut planned = self.sum(number, &format!("{there} e.ino <> 0 AND e.need <> 0"))?;
        let renamed = self.conn.query_row(
            "SELECT count(*), coalesce(sum(t.size), 0) FROM moved m JOIN entry t ON t.dir = m.dir \
             AND t.name = m.name WHERE m.volume = ?1 AND t.kind = 0 AND t.gone = 0 AND t.need <> 0 \
             AND NOT EXISTS (SELECT 1 FROM placement p WHERE p.dir = t.dir AND p.name = t.name AND p.volume = ?1)",
            [number],
            Amount::from_row,
        )?;
        planned.files += renamed.files;
        planned.bytes += renamed.bytes;
        Ok(Consequence {
            planned,
            unseen: self.sum(
                number,
                &format!("{there} e.ino = 0 AND e.source <> 0 AND NOT {elsewhere}"),
            )?,
            alone: Amount::default(),
        })
    }

    /// Moves what only this volume held, and no source has, to the list of what is lost.
    fn note_lost(&self, volume: u32) -> Result<()> {
        let sql = format!(
            "SELECT p.dir, p.name, p.kind, p.size, p.mtime, p.mtime_ns, p.algorithm, p.digest \
             FROM placement p JOIN entry e ON e.dir = p.dir AND e.name = p.name \
             WHERE p.volume = ?1 AND p.kind <> 1 AND (p.dir, p.name) > (?2, ?3) AND {UNSOURCED} \
             AND NOT {MOVED} AND NOT {} ORDER BY p.dir, p.name LIMIT {PAGE}",
            elsewhere()
        );
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs() as i64);
        let mut after = Key {
            dir: -1,
            name: Vec::new(),
        };
        loop {
            let page = self
                .conn
                .prepare_cached(&sql)?
                .query_map(params![volume, after.dir, after.name], |r| {
                    let key = Key {
                        dir: r.get(0)?,
                        name: r.get(1)?,
                    };
                    let rest: [rusqlite::types::Value; 6] = [
                        r.get(2)?,
                        r.get(3)?,
                        r.get(4)?,
                        r.get(5)?,
                        r.get(6)?,
                        r.get(7)?,
                    ];
                    Ok((key, rest))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = last.clone();
            for (key, [kind, size, sec, nsec, algorithm, digest]) in page {
                let path = self.path_of(&key)?;
                self.conn
                    .prepare_cached(
                        "INSERT OR REPLACE INTO lost VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    )?
                    .execute(params![
                        path, volume, kind, size, sec, nsec, algorithm, digest, now
                    ])?;
                self.conn
                    .prepare_cached(
                        "DELETE FROM placement WHERE dir = ?1 AND name = ?2 AND volume = ?3",
                    )?
                    .execute(params![key.dir, key.name, volume])?;
                self.conn
                    .prepare_cached(
                        "DELETE FROM entry WHERE dir = ?1 AND name = ?2 AND NOT EXISTS \
                         (SELECT 1 FROM placement p WHERE p.dir = ?1 AND p.name = ?2)",
                    )?
                    .execute(params![key.dir, key.name])?;
            }
        }
    }

    /// Forgets directories of a lost volume of which it is not thought to hold anything any more.
    fn free_directories(&self, volume: u32) -> Result<()> {
        for _ in 0..ROUNDS {
            let freed = self.conn.execute(
                "DELETE FROM placement AS p WHERE volume = ?1 AND kind = 1 AND NOT EXISTS (SELECT 1 FROM entry e \
                 JOIN placement c ON c.dir = e.child AND c.volume = ?1 \
                 WHERE e.dir = p.dir AND e.name = p.name AND e.child <> 0)",
                [volume],
            )?;
            if freed == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Strikes off the list of what is lost whatever a source or another volume has again, as it was.
    fn forget_found(&self) -> Result<()> {
        let mut after = (Vec::new(), 0);
        loop {
            let page = self.lost_page(None, Some((&after.0, after.1)), PAGE as usize)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = (last.path.clone(), last.volume);
            for one in &page {
                if self.is_there(one)? {
                    self.conn
                        .prepare_cached("DELETE FROM lost WHERE path = ?1 AND volume = ?2")?
                        .execute(params![one.path, one.volume])?;
                }
            }
        }
    }

    fn is_there(&self, one: &LostEntry) -> Result<bool> {
        let Some(key) = self.find(&one.path, false)? else {
            return Ok(false);
        };
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT 1 FROM entry e WHERE dir = ?1 AND name = ?2 AND gone = 0 AND ino <> 0 AND kind = ?3 \
             AND (kind <> 0 OR size = ?4) AND mtime = ?5 AND mtime_ns = ?6 UNION ALL \
             SELECT 1 FROM placement p WHERE dir = ?1 AND name = ?2 AND kind = ?3 AND size = ?4 \
             AND mtime = ?5 AND mtime_ns = ?6 AND {NOT_LOST} AND NOT EXISTS (SELECT 1 FROM finding f \
             WHERE f.volume = p.volume AND f.dir = p.dir AND f.name = p.name) LIMIT 1"
        ))?;
        let found = stmt
            .query_row(
                params![
                    key.dir,
                    key.name,
                    one.kind as u8,
                    one.size as i64,
                    one.mtime.sec,
                    one.mtime.nsec
                ],
                |_| Ok(()),
            )
            .optional()?;
        Ok(found.is_some())
    }
}

fn known(number: u32, changed: usize) -> Result<()> {
    match changed {
        0 => Err(Error::new(
            Code::BadInput,
            "looking for the volume",
            format!("the set has no drive {number}"),
        )),
        _ => Ok(()),
    }
}
