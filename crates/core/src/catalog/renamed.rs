//! Finding renames: what a run found new under one name and gone under another.
//!
//! Both are told from the rows alone, by device, inode, kind, size and time; whoever calls has the last word on
//! each. Memory does not grow with their number: new rows come in pages, gone ones by an index.
//! What follows from a rename is said in [`super::moved`].

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::Catalog;
use super::moved::{BATCH, MOVED};
use super::order::{ENTRY_COLUMNS, Row, entry_from_row};
use super::place::{HOLDS, Key};
use super::scan::Sameness;
use super::schema::ROOT_DIR;
use crate::error::Result;
use crate::meta::Kind;

/// What was found renamed among the entries of one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Renamed {
    /// Regular files.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Entries of any kind but directories that hold something.
    pub entries: u64,
}

/// What was found renamed, by the source that had it and by the one that has it now.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// By the source that had it.
    pub from: BTreeMap<i64, Renamed>,
    /// By the source that has it.
    pub to: BTreeMap<i64, Renamed>,
}

impl Found {
    pub(super) fn count(&mut self, old: &Row, new: &Row) {
        for (map, source) in [(&mut self.from, old.source), (&mut self.to, new.source)] {
            let sum = map.entry(source).or_default();
            sum.entries += 1;
            if new.meta.kind == Kind::File {
                sum.files += 1;
                sum.bytes += new.meta.size;
            }
        }
    }

    /// Regular files in all.
    pub fn files(&self) -> u64 {
        self.to.values().map(|r| r.files).sum()
    }
}

/// Looks at the source whether a new entry, whose path below the drives' root is given, can be the old one
/// under another name: beyond what the catalog can tell.
pub type Check<'f> = dyn FnMut(&[u8], &Row, &Row) -> Result<bool> + 'f;

impl Catalog {
    /// Until when, in nanoseconds since 1970, something that is not new to `run` can have been made.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn seen_until(&self, run: i64) -> Result<i64> {
        // Of a run that was broken off nobody knows when it last looked. Seconds are told by their end.
        Ok(self.conn.query_row(
            "SELECT coalesce((SELECT value FROM meta WHERE key = 'looked'), 999999999 + 1000000000 * \
             coalesce((SELECT ended FROM run WHERE id < ?1 ORDER BY id DESC LIMIT 1), \
             (SELECT started FROM run WHERE id = ?1), 0))",
            [run],
            |r| r.get(0),
        )?)
    }

    /// Notes that the sources have been looked at until `now`, in nanoseconds since 1970.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn note_looked(&self, now: i64) -> Result<()> {
        self.conn
            .execute("INSERT OR REPLACE INTO meta VALUES('looked', ?1)", [now])?;
        Ok(())
    }

    /// Where a symbolic link leads that a volume holds under an entry's name; empty for anything else.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn target_of(&self, row: &Row) -> Result<Vec<u8>> {
        let target: Option<Option<Vec<u8>>> = self
            .conn
            .prepare_cached("SELECT target FROM placement WHERE dir = ?1 AND name = ?2 LIMIT 1")?
            .query_row(params![row.dir, row.name], |r| r.get(0))
            .optional()?;
        Ok(target.flatten().unwrap_or_default())
    }

    /// Finds what `run` found new under one name and gone under another: the same device, inode, kind, size and
    /// time. Names of one file are paired in their order. `devices` are those that sources are on now with the
    /// number that each had before; `check` has the last word.
    ///
    /// # Errors
    /// What SQLite and `check` answer.
    pub fn find_moves(
        &self,
        run: i64,
        same: &Sameness,
        devices: &[(u64, u64)],
        check: &mut Check<'_>,
    ) -> Result<Found> {
        self.conn.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS device(now INTEGER PRIMARY KEY, before INTEGER); \
             DELETE FROM temp.device;",
        )?;
        for (now, before) in devices {
            self.conn.execute(
                "INSERT OR IGNORE INTO temp.device VALUES(?1, ?2)",
                params![*now as i64, *before as i64],
            )?;
        }
        let sql = format!(
            "SELECT {ENTRY_COLUMNS} FROM entry e WHERE need = ?1 AND gone = 0 AND ino <> 0 AND dir <> 0 AND source >= 0 \
             AND (dir, name) > (?2, ?3) AND EXISTS (SELECT 1 FROM entry o WHERE o.dev IN (e.dev, \
             coalesce((SELECT before FROM temp.device WHERE now = e.dev), e.dev)) AND o.ino = e.ino \
             AND o.gone <> 0 AND o.gone = ?1 AND o.kind = e.kind) AND NOT EXISTS (SELECT 1 FROM placement p WHERE p.dir = e.dir AND p.name = e.name) \
             ORDER BY dir, name LIMIT {BATCH}"
        );
        let mut found = Found::default();
        let mut after = Key {
            dir: i64::MIN,
            name: Vec::new(),
        };
        loop {
            let rows = self
                .conn
                .prepare_cached(&sql)?
                .query_map(params![run, after.dir, after.name], entry_from_row)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let Some(last) = rows.last() else {
                return Ok(found);
            };
            after = Key {
                dir: last.dir,
                name: last.name.clone(),
            };
            self.atomically(|| {
                for new in rows {
                    self.find_move(run, same, &new, check, &mut found)?;
                }
                Ok(())
            })?;
        }
    }

    fn find_move(
        &self,
        run: i64,
        same: &Sameness,
        new: &Row,
        check: &mut Check<'_>,
        found: &mut Found,
    ) -> Result<()> {
        let olds = self
            .conn
            .prepare_cached(&format!(
                "SELECT {ENTRY_COLUMNS} FROM entry WHERE dev IN (?2, coalesce((SELECT before FROM temp.device \
                 WHERE now = ?2), ?2)) AND ino = ?3 AND gone <> 0 AND gone = ?1 AND kind = ?4 AND source >= 0 ORDER BY dir, name"
            ))?
            .query_map(
                params![
                    run,
                    new.meta.dev as i64,
                    new.meta.ino as i64,
                    new.meta.kind as u8
                ],
                entry_from_row,
            )?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let key = Key {
            dir: new.dir,
            name: new.name.clone(),
        };
        if new.meta.kind == Kind::Dir {
            for old in &olds {
                self.moved_dir(old, new, found)?;
            }
            return Ok(());
        }
        for old in &olds {
            let alike = new.meta.size == old.meta.size
                && new.meta.rdev == old.meta.rdev
                && same.time(&old.meta, &new.meta);
            if !alike || !self.is_free(old)? || !check(&self.path_of(&key)?, old, new)? {
                continue;
            }
            if new.meta.mtime != old.meta.mtime {
                // Where times need not be equal the known one stays, as with any other file.
                self.conn
                    .prepare_cached(
                        "UPDATE entry SET mtime = ?3, mtime_ns = ?4 WHERE dir = ?1 AND name = ?2",
                    )?
                    .execute(params![
                        key.dir,
                        key.name,
                        old.meta.mtime.sec,
                        old.meta.mtime.nsec
                    ])?;
            }
            if self.take_over(old, &key)? {
                found.count(old, new);
                if same.content && new.meta.kind == Kind::File {
                    self.note_to_compare(key.dir, &key.name)?;
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether a volume holds the old entry, and no other name has been found for it.
    fn is_free(&self, old: &Row) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached(&format!(
                "SELECT EXISTS(SELECT 1 FROM placement p WHERE p.dir = ?1 AND p.name = ?2 AND NOT {MOVED})"
            ))?
            .query_row(params![old.dir, old.name], |r| r.get(0))?)
    }

    /// Lets the placements of a gone entry that are what the entry `to` is now count for that; `false` when there
    /// are none.
    pub(super) fn take_over(&self, old: &Row, to: &Key) -> Result<bool> {
        let volumes = self
            .conn
            .prepare_cached(&format!(
                "INSERT INTO moved SELECT p.dir, p.name, p.volume, e.dir, e.name FROM entry e, placement p \
                 WHERE e.dir = ?3 AND e.name = ?4 AND p.dir = ?1 AND p.name = ?2 AND p.part = 0 AND {HOLDS} \
                 AND NOT {MOVED} RETURNING volume"
            ))?
            .query_map(params![old.dir, old.name, to.dir, to.name], |r| {
                r.get::<_, u32>(0)
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        if volumes.is_empty() {
            return Ok(false);
        }
        self.look_at_attributes(to.dir, &to.name)?;
        // A copy of the set that did not hold it gets it under its new name.
        let held = match self.has_several_copies() {
            true => format!(" AND NOT ({})", self.nowhere()),
            false => String::new(),
        };
        self.conn
            .prepare_cached(&format!(
                "UPDATE entry AS e SET need = 0 WHERE dir = ?1 AND name = ?2{held}"
            ))?
            .execute(params![to.dir, to.name])?;
        for volume in volumes {
            self.leave_dirs(volume, old.dir)?;
        }
        Ok(true)
    }

    /// A directory of another name: one that holds nothing is renamed like a file, else the old one goes when
    /// what it held has gone.
    fn moved_dir(&self, old: &Row, new: &Row, found: &mut Found) -> Result<()> {
        let holds_something: bool = self
            .conn
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM entry WHERE dir = ?1 AND gone = 0)")?
            .query_row([new.child], |r| r.get(0))?;
        let to = Key {
            dir: new.dir,
            name: new.name.clone(),
        };
        if !holds_something && self.take_over(old, &to)? {
            found.count(old, new);
            return Ok(());
        }
        let volumes = self
            .conn
            .prepare_cached("SELECT volume FROM placement WHERE dir = ?1 AND name = ?2")?
            .query_map(params![old.dir, old.name], |r| r.get(0))?
            .collect::<rusqlite::Result<Vec<u32>>>()?;
        for volume in volumes {
            self.leave_dirs(volume, old.child)?;
        }
        Ok(())
    }

    /// Notes that the directory `dir` of a volume, and those above it, are left by a rename, as far as they are
    /// gone.
    fn leave_dirs(&self, volume: u32, dir: i64) -> Result<()> {
        let mut dir = dir;
        while dir != ROOT_DIR
            && let Some((parent, name)) = self.dir_key(dir)?
        {
            let noted = self
                .conn
                .prepare_cached(
                    "INSERT OR IGNORE INTO moved SELECT p.dir, p.name, p.volume, 0, x'' FROM placement p \
                     JOIN entry e ON e.dir = p.dir AND e.name = p.name \
                     WHERE p.dir = ?1 AND p.name = ?2 AND p.volume = ?3 AND e.gone <> 0",
                )?
                .execute(params![parent, name, volume])?;
            if noted == 0 {
                // It is there, or was met before, with all above it.
                break;
            }
            dir = parent;
        }
        Ok(())
    }
}
