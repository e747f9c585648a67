//! Renames: what the drives hold under a name that the source has no more, and which name it has now.
//!
//! A row of `moved` says that a placement belongs to an entry of another name. While the placement is what
//! that entry is now, the entry counts as backed up, no drive is asked for, and the placement takes the new
//! name when its drive is in. Once the entry has changed, the placement is an older version of it: it goes when
//! the newer one is durable. The old name is no removal in either case. Of a directory out of which things were
//! renamed the row has no new name (directory 0): it goes when it is empty.
//! What a row means follows from placement and entry each time it is looked at; [`Catalog::settle_moves`] drops
//! those that mean nothing any more.

use std::collections::BTreeMap;

use rusqlite::params;

use super::Catalog;
use super::order::Row;
use super::place::{COLUMNS, HOLDS, Key, NOT_LOST, Placed, THIS_RUN, from_row};
use crate::error::Result;
use crate::format::item::Item;
use crate::meta::Kind;

/// Rows that are looked at between two commits.
pub(super) const BATCH: usize = 4_096;

/// SQL: that the entry of the placement `p` has another name now.
pub(super) const MOVED: &str = "EXISTS (SELECT 1 FROM moved m WHERE m.from_dir = p.dir \
    AND m.from_name = p.name AND m.volume = p.volume)";

/// SQL: that the placement `p` of the entry `e` was left behind by a rename: an older version of an entry that
/// is durable as it is now, or a directory that is gone.
pub(super) fn left_behind(catalog: &Catalog) -> String {
    format!(
        "EXISTS (SELECT 1 FROM moved m WHERE m.from_dir = p.dir AND m.from_name = p.name \
         AND m.volume = p.volume AND (m.dir = 0 AND p.kind = 1 AND e.gone <> 0 OR EXISTS (SELECT 1 FROM entry t \
         WHERE t.dir = m.dir AND t.name = m.name AND t.gone = 0 AND {} AND NOT ({}) \
         AND EXISTS (SELECT 1 FROM placement q WHERE q.dir = t.dir AND q.name = t.name AND {}{}))))",
        catalog.is_backed_up().replace("e.", "t."),
        HOLDS.replace("e.", "t."),
        HOLDS.replace("e.", "t.").replace("p.", "q."),
        catalog.and_same_copy()
    )
}

/// One rename that a drive has not seen yet.
#[derive(Debug, Clone)]
pub struct Move {
    /// What the drive holds, under its old key. `path` of the item is empty.
    pub placed: Placed,
    /// The key that it has now.
    pub to: Key,
    /// For a directory, its own number under the new key; else 0.
    pub child: i64,
}

/// What a drive has to come in for, besides copying.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The volume's number.
    pub volume: u32,
    /// Regular files that have another name now.
    pub renames: u64,
    /// Regular files that are gone from their sources.
    pub removals: u64,
}

impl Catalog {
    /// Whether any rename waits for its drive.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn any_moves(&self) -> Result<bool> {
        Ok(self
            .conn
            .query_row("SELECT EXISTS(SELECT 1 FROM moved)", [], |r| r.get(0))?)
    }

    /// Whether what a volume holds under a name has another name now.
    pub(super) fn has_other_name(&self, row: &Row) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM moved WHERE from_dir = ?1 AND from_name = ?2)",
            )?
            .query_row(params![row.dir, row.name], |r| r.get(0))?)
    }

    /// Drops the renames that mean nothing any more: the old name is back as it was, the new one is gone, or
    /// the volume does not hold it. What is then nowhere needs a copy.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn settle_moves(&self) -> Result<()> {
        let sql = format!(
            "SELECT m.from_dir, m.from_name, m.volume, p.dir IS NULL OR o.gone = 0 AND (m.dir = 0 OR ({})) OR \
             m.dir <> 0 AND coalesce(t.gone, 1) <> 0 FROM moved m \
             LEFT JOIN placement p ON p.dir = m.from_dir AND p.name = m.from_name AND p.volume = m.volume \
             LEFT JOIN entry o ON o.dir = m.from_dir AND o.name = m.from_name \
             LEFT JOIN entry t ON t.dir = m.dir AND t.name = m.name \
             WHERE (m.from_dir, m.from_name, m.volume) > (?1, ?2, ?3) \
             ORDER BY m.from_dir, m.from_name, m.volume LIMIT {BATCH}",
            HOLDS.replace("e.", "o.")
        );
        let mut after = (i64::MIN, Vec::new(), 0u32);
        loop {
            let rows = self
                .conn
                .prepare_cached(&sql)?
                .query_map(params![after.0, after.1, after.2], |r| {
                    Ok((
                        (
                            r.get::<_, i64>(0)?,
                            r.get::<_, Vec<u8>>(1)?,
                            r.get::<_, u32>(2)?,
                        ),
                        r.get::<_, bool>(3)?,
                    ))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            after = last.clone();
            self.atomically(|| {
                for ((dir, name, volume), stale) in rows {
                    if stale {
                        self.forget_move(volume, &Key { dir, name })?;
                    }
                }
                Ok(())
            })?;
        }
    }

    /// Forgets that the placement under `from` has another name now; what is then nowhere needs a copy.
    pub(super) fn forget_move(&self, volume: u32, from: &Key) -> Result<()> {
        let to = self
            .conn
            .prepare_cached(
                "DELETE FROM moved WHERE from_dir = ?1 AND from_name = ?2 AND volume = ?3 RETURNING dir, name",
            )?
            .query_map(params![from.dir, from.name, volume], |r| {
                Ok(Key {
                    dir: r.get(0)?,
                    name: r.get(1)?,
                })
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        for key in to {
            // Also where it is gone: should that be taken back, nobody would look at it again.
            self.conn
                .prepare_cached(&format!(
                    "UPDATE entry AS e SET need = {THIS_RUN} WHERE dir = ?1 AND name = ?2 AND {} AND ino <> 0 AND {}",
                    self.is_backed_up(),
                    self.nowhere()
                ))?
                .execute(params![key.dir, key.name])?;
        }
        Ok(())
    }

    /// Gives a rename up that its drive cannot have: something else stands there. The entry is copied; what the
    /// drive holds under the old name stays, and is not removed by the run in hand.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn drop_move(&self, volume: u32, from: &Key) -> Result<()> {
        self.forget_move(volume, from)?;
        // Gone, but by no run: nobody was asked about it, and the copy is still to come.
        self.conn
            .prepare_cached(
                "UPDATE entry SET gone = -1 WHERE dir = ?1 AND name = ?2 AND gone <> 0",
            )?
            .execute(params![from.dir, from.name])?;
        Ok(())
    }

    /// The renames that can be carried out on a volume: up to `limit` whose old key comes after `after`, in the
    /// order of the old keys.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn moves_on(&self, volume: u32, after: &Key, limit: usize) -> Result<Vec<Move>> {
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS}, m.dir, m.name, t.child FROM moved m \
             JOIN placement p ON p.dir = m.from_dir AND p.name = m.from_name AND p.volume = m.volume \
             JOIN entry e ON e.dir = p.dir AND e.name = p.name \
             JOIN entry t ON t.dir = m.dir AND t.name = m.name AND t.gone = 0 AND {} \
             WHERE m.volume = ?1 AND m.dir <> 0 AND (m.from_dir, m.from_name) > (?2, ?3) \
             ORDER BY m.from_dir, m.from_name LIMIT ?4",
            HOLDS.replace("e.", "t.")
        ))?;
        let rows = stmt.query_map(params![volume, after.dir, after.name, limit as i64], |r| {
            Ok(Move {
                placed: from_row(r)?,
                to: Key {
                    dir: r.get(20)?,
                    name: r.get(21)?,
                },
                child: r.get(22)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Records that a rename is carried out and durable: the volume holds `item` under its new key.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn moved(&self, volume: u32, one: &Move, item: &Item) -> Result<()> {
        let from = &one.placed.key;
        if one.child != 0 {
            // The old directory goes when it is empty.
            self.place_dirs(volume, one.child)?;
            let inside = item.alias.as_ref().map(|alias| [alias, &b"/"[..]].concat());
            self.alias_dirs(volume, one.child, inside.as_deref())?;
            self.conn
                .prepare_cached(
                    "UPDATE moved SET dir = 0, name = x'' WHERE from_dir = ?1 AND from_name = ?2 AND volume = ?3",
                )?
                .execute(params![from.dir, from.name, volume])?;
            return Ok(());
        }
        self.place_dirs(volume, one.to.dir)?;
        self.alias_dirs(volume, one.to.dir, item.alias.as_deref())?;
        self.place(volume, &one.to, item, None)?;
        self.unplace(volume, from)
    }

    /// Forgets the directories of a volume that were left by renames, once no rename waits for it: what could
    /// not be removed holds something else.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn forget_left_dirs(&self, volume: u32) -> Result<()> {
        self.conn.execute(
            "DELETE FROM moved WHERE volume = ?1 AND dir = 0 \
             AND NOT EXISTS (SELECT 1 FROM moved k WHERE k.volume = ?1 AND k.dir <> 0)",
            [volume],
        )?;
        Ok(())
    }

    /// Under which names volumes hold an entry whose rename they have not seen yet: volume and old key, by
    /// volume. Only where what they hold is the entry as it is now.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn pending_from(&self, key: &Key) -> Result<Vec<(u32, Key)>> {
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT m.volume, m.from_dir, m.from_name FROM moved m JOIN entry e ON e.dir = m.dir AND e.name = m.name \
             JOIN placement p ON p.dir = m.from_dir AND p.name = m.from_name AND p.volume = m.volume \
             WHERE m.dir = ?1 AND m.name = ?2 AND m.dir <> 0 AND {HOLDS} ORDER BY m.volume, m.from_dir, m.from_name"
        ))?;
        let rows = stmt.query_map(params![key.dir, key.name], |r| {
            Ok((
                r.get(0)?,
                Key {
                    dir: r.get(1)?,
                    name: r.get(2)?,
                },
            ))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many regular files, and bytes of them, a volume holds under names that they had.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn pending_on(&self, volume: u32) -> Result<(u64, u64)> {
        let (files, bytes): (i64, i64) = self.conn.query_row(
            &format!(
                "SELECT count(*), coalesce(sum(p.size), 0) FROM moved m \
                 JOIN entry e ON e.dir = m.dir AND e.name = m.name AND e.gone = 0 \
                 JOIN placement p ON p.dir = m.from_dir AND p.name = m.from_name AND p.volume = m.volume \
                 WHERE m.volume = ?1 AND m.dir <> 0 AND p.kind = 0 AND {HOLDS}"
            ),
            [volume],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )?;
        Ok((files as u64, bytes as u64))
    }

    /// Whether there is anything to do on a volume besides copying: renames, removals (with `gone` also of what
    /// is gone from its source), and what is to be mended.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn has_work(&self, volume: u32, gone: bool) -> Result<bool> {
        let settled = self.is_plainly_settled(volume, gone)?;
        debug_assert!(!settled || !self.has_work_exactly(volume, gone)?);
        Ok(!settled && self.has_work_exactly(volume, gone)?)
    }

    fn has_work_exactly(&self, volume: u32, gone: bool) -> Result<bool> {
        let start = Key {
            dir: i64::MIN,
            name: Vec::new(),
        };
        if !self.moves_on(volume, &start, 1)?.is_empty() {
            return Ok(true);
        }
        // Directories that were left wait until no rename does.
        let waiting: bool = self.conn.query_row(
            "SELECT EXISTS(SELECT 1 FROM moved WHERE volume = ?1 AND dir <> 0)",
            [volume],
            |r| r.get(0),
        )?;
        let mut before = None;
        loop {
            let batch = self.removable(volume, gone, before.as_ref(), BATCH)?;
            let Some(last) = batch.last() else {
                return self.needs_mending(volume);
            };
            if !waiting {
                return Ok(true);
            }
            before = Some(last.key.clone());
            for placed in &batch {
                if placed.item.kind != Kind::Dir || !self.was_left(volume, &placed.key)? {
                    return Ok(true);
                }
            }
        }
    }

    /// What waits for the volumes, by volume: regular files to be renamed, and regular files that this run found
    /// gone from their sources. What is on a lost volume waits for nothing.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn waiting_work(&self) -> Result<Vec<Waiting>> {
        let mut all: BTreeMap<u32, Waiting> = BTreeMap::new();
        // CROSS: by the few rows of `moved`, or all placements are gone through (sqlite.org/optoverview.html).
        let mut count = |sql: &str, add: fn(&mut Waiting, u64)| -> Result<()> {
            let mut stmt = self.conn.prepare(sql)?;
            let mut rows = stmt.query([])?;
            while let Some(row) = rows.next()? {
                let volume = row.get(0)?;
                let waiting = all.entry(volume).or_insert_with(|| Waiting {
                    volume,
                    ..Waiting::default()
                });
                add(waiting, row.get::<_, i64>(1)? as u64);
            }
            Ok(())
        };
        count(
            &format!(
                "SELECT p.volume, count(*) FROM moved n CROSS JOIN placement p ON p.dir = n.from_dir AND p.name = n.from_name \
                 AND p.volume = n.volume WHERE n.dir <> 0 AND p.kind = 0 AND {NOT_LOST} GROUP BY p.volume"
            ),
            |waiting, n| waiting.renames = n,
        )?;
        count(
            &format!(
                "SELECT p.volume, count(*) FROM entry e JOIN placement p ON p.dir = e.dir AND p.name = e.name \
                 WHERE e.gone <> 0 AND e.gone = {THIS_RUN} AND p.kind = 0 AND NOT {MOVED} AND {NOT_LOST} \
                 GROUP BY p.volume"
            ),
            |waiting, n| waiting.removals = n,
        )?;
        Ok(all.into_values().collect())
    }

    fn was_left(&self, volume: u32, key: &Key) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM moved WHERE from_dir = ?1 AND from_name = ?2 AND volume = ?3)",
            )?
            .query_row(params![key.dir, key.name, volume], |r| r.get(0))?)
    }
}
