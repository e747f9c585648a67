//! `--copies N`: a set as N complete backups, each on volumes of its own.
//!
//! Each volume belongs to one *copy* of the set, from 1, for ever. So "on N distinct volumes" holds by
//! construction, and one copy can be kept in another place. A run goes from copy to copy; while one is in hand,
//! `need`, homes, renames and removals are about its volumes only, and an entry that is done with waits for the
//! next copy under [`LATER`], what failed under the negative of that. Between runs `need` is not 0 where any copy that is wanted lacks the entry. A set
//! that never had more than one copy is *plain*: nothing here is asked or done for it.
//! Nothing here decides which volume belongs to which copy.

use rusqlite::{OptionalExtension, params};

use super::Catalog;
use super::place::{HOLDS, IN_USE};
use super::schema::ROOT_PARENT;
use crate::error::Result;
use crate::meta::Meta;

/// The most copies that a set can have.
pub const MOST: u32 = 9;

/// Added to the number of a run in `need`: that run has to do with the entry, but not for the copy in hand.
const LATER: i64 = 1 << 40;

/// What is known of the copies of a set, kept with the handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copies {
    /// How many are wanted.
    wanted: u32,
    /// One is wanted, and no volume belongs to another one.
    plain: bool,
    /// The copy in hand; 0 between runs and while sources are looked at.
    hand: u32,
    /// The run that has it in hand, else 0.
    run: i64,
}

impl Default for Copies {
    fn default() -> Self {
        Copies {
            wanted: 1,
            plain: true,
            hand: 0,
            run: 0,
        }
    }
}

impl Catalog {
    /// Copies of each entry that are wanted, from 1.
    pub fn copies(&self) -> u32 {
        self.copies.get().wanted
    }

    /// Whether a run has to go from copy to copy: several are wanted, or were.
    pub fn has_several_copies(&self) -> bool {
        !self.copies.get().plain
    }

    /// Notes how many copies are wanted from now on: 1 to [`MOST`].
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn set_copies(&self, wanted: u32) -> Result<()> {
        let before = self.number("copies")?;
        let wanted = wanted.clamp(1, MOST);
        // That one is wanted where nothing else was ever said needs no word.
        let new = before.is_some() || wanted > 1 || self.copies() > 1;
        if new && before != Some(i64::from(wanted)) {
            self.note("copies", i64::from(wanted))?;
            self.raise_revision()?;
        }
        self.forget("copies_as_of")?;
        self.load_copies()
    }

    /// Takes over how many copies a list of the set says are wanted, unless this host was told itself, or by a
    /// newer list. `date`: that of the list.
    pub(super) fn hear_copies(&self, wanted: u32, date: i64) -> Result<()> {
        let told = self.number("copies_as_of")?;
        let known = self.number("copies")?.is_some();
        if told.map_or(!known, |before| before < date) && (known || wanted > 1) {
            self.note("copies", i64::from(wanted.clamp(1, MOST)))?;
            self.note("copies_as_of", date)?;
        }
        self.load_copies()
    }

    /// Reads what the catalog says of copies.
    pub(super) fn load_copies(&self) -> Result<()> {
        let most: u32 = self.conn.query_row(
            "SELECT coalesce(max(copy), 1) FROM volume WHERE fate = ''",
            [],
            |r| r.get(0),
        )?;
        // A host that knows the set from drives without lists has only them to go by.
        let wanted = match self.number("copies")? {
            Some(n) => u32::try_from(n).unwrap_or(1),
            None => most,
        };
        let wanted = wanted.clamp(1, MOST);
        let any: bool = self.conn.query_row(
            "SELECT EXISTS(SELECT 1 FROM volume WHERE copy > 1)",
            [],
            |r| r.get(0),
        )?;
        let hand = self.number("copy_in_hand")?;
        self.copies.set(Copies {
            wanted,
            plain: wanted == 1 && !any,
            hand: hand.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            run: match hand {
                Some(_) => self.number("copy_in_hand_run")?.unwrap_or(0),
                None => 0,
            },
        });
        Ok(())
    }

    /// No copy is in hand: after a run, and before one, whatever became of the one before.
    pub(super) fn put_down(&self) -> Result<()> {
        self.forget("copy_in_hand")?;
        self.forget("copy_in_hand_run")?;
        let copies = self.copies.get();
        self.copies.set(Copies {
            hand: 0,
            run: 0,
            ..copies
        });
        Ok(())
    }

    /// Before a run looks at its sources: what any copy lacks needs something. What the run does not look at is
    /// not among what it copies, as ever.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn need_for_copies(&self) -> Result<()> {
        if self.copies.get().plain {
            return Ok(());
        }
        self.conn.execute(
            &format!(
                "UPDATE entry AS e SET need = {LATER} WHERE need = 0 AND gone = 0 AND ino <> 0 AND dir <> ?1 AND {}",
                self.nowhere()
            ),
            [ROOT_PARENT],
        )?;
        Ok(())
    }

    /// Takes a copy in hand, after the sources were looked at: of all that `run` has to do with, what no volume
    /// of this copy holds needs a copy now, and nothing else does. What was given up in an earlier copy is tried
    /// again. Gives whether there is anything.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn need_for_copy(&self, run: i64, copy: u32) -> Result<bool> {
        self.atomically(|| {
            self.note("copy_in_hand", i64::from(copy))?;
            self.note("copy_in_hand_run", run)?;
            let copies = self.copies.get();
            self.copies.set(Copies {
                hand: copy,
                run,
                ..copies
            });
            self.conn.execute(
                &format!(
                    "UPDATE entry AS e SET need = CASE WHEN {} THEN ?1 WHEN need < 0 THEN need ELSE ?1 + {LATER} END \
                     WHERE need IN (?1, ?1 + {LATER}, -(?1 + {LATER}))",
                    self.nowhere()
                ),
                [run],
            )?;
            self.needs_copies(run)
        })
    }

    /// After the last copy, or wherever a run ended: what any copy lacks is still to be done, the rest is done.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn end_copies(&self, run: i64) -> Result<()> {
        self.atomically(|| {
            self.put_down()?;
            self.conn.execute(
                &format!(
                    "UPDATE entry AS e SET need = CASE WHEN NOT ({}) THEN 0 WHEN need < 0 THEN -?1 ELSE ?1 END \
                     WHERE need IN (?1, ?1 + {LATER}, -(?1 + {LATER}))",
                    self.nowhere()
                ),
                [run],
            )?;
            Ok(())
        })
    }

    /// SQL: that the placement `p` counts: on a volume in use, of the copy in hand or of any that is wanted.
    pub(super) fn in_use(&self) -> String {
        let Copies {
            wanted,
            plain,
            hand,
            ..
        } = self.copies.get();
        if plain {
            IN_USE.to_owned()
        } else if hand > 0 {
            on_copy(&format!("= {hand}"))
        } else {
            on_copy(&format!("<= {wanted}"))
        }
    }

    /// SQL: that the entry `e` needs a copy: no volume in use (of the copy in hand; between runs of some copy
    /// that is wanted) holds it as it is now, under its name or under one that it had.
    pub(super) fn nowhere(&self) -> String {
        let Copies {
            wanted,
            plain,
            hand,
            ..
        } = self.copies.get();
        if plain || hand > 0 {
            let counts = self.in_use();
            return format!(
                "{} AND NOT {}",
                not_on(&counts),
                super::parts::in_parts(&counts)
            );
        }
        let lacking: Vec<String> = (1..=wanted)
            .map(|copy| format!("({})", not_on(&on_copy(&format!("= {copy}")))))
            .collect();
        format!("({})", lacking.join(" OR "))
    }

    /// SQL: that the entry `e` needs no copy now.
    pub(super) fn is_backed_up(&self) -> String {
        match self.copies.get() {
            Copies { run: 0, .. } => "e.need = 0".to_owned(),
            Copies { run, .. } => format!("e.need IN (0, {})", run + LATER),
        }
    }

    /// SQL to follow another condition: that the placement `q` is on a volume in use of the copy in hand.
    pub(super) fn and_same_copy(&self) -> String {
        match self.copies.get().plain {
            true => String::new(),
            false => format!(" AND {}", self.in_use().replace("p.", "q.")),
        }
    }

    /// Whether every copy that is wanted holds the entry under this name with this kind, size and time.
    pub(super) fn all_copies_hold(&self, dir: i64, name: &[u8], meta: &Meta) -> Result<bool> {
        let held: u32 = self
            .conn
            .prepare_cached(
                "SELECT count(DISTINCT v.copy) FROM placement p JOIN volume v ON v.number = p.volume \
                 WHERE p.dir = ?1 AND p.name = ?2 AND v.fate = '' AND v.copy <= ?7 AND p.kind = ?3 \
                 AND (?3 = 1 OR (p.mtime = ?5 AND p.mtime_ns = ?6 AND (?3 <> 0 OR p.size = ?4)))",
            )?
            .query_row(
                params![
                    dir,
                    name,
                    meta.kind as u8,
                    meta.size as i64,
                    meta.mtime.sec,
                    meta.mtime.nsec,
                    self.copies()
                ],
                |r| r.get(0),
            )?;
        Ok(held >= self.copies())
    }

    /// The run that has a copy in hand, else 0; and what `need` becomes where that run has put an entry on it.
    pub(super) fn settled(&self) -> (i64, i64) {
        match self.copies.get().run {
            0 => (0, 0),
            run => (run, run + LATER),
        }
    }

    /// How many of the wanted copies hold the entry as it is now.
    pub(super) fn copies_of(&self, dir: i64, name: &[u8]) -> Result<u32> {
        Ok(self
            .conn
            .prepare_cached(&format!(
                "SELECT count(DISTINCT v.copy) FROM volume v WHERE v.fate = '' AND v.copy <= ?3 AND EXISTS \
                 (SELECT 1 FROM entry e JOIN placement p ON p.dir = e.dir AND p.name = e.name AND p.volume = v.number \
                 WHERE e.dir = ?1 AND e.name = ?2 AND {HOLDS} UNION ALL \
                 SELECT 1 FROM entry e JOIN moved m ON m.dir = e.dir AND m.name = e.name AND m.volume = v.number \
                 JOIN placement p ON p.dir = m.from_dir AND p.name = m.from_name AND p.volume = m.volume \
                 WHERE e.dir = ?1 AND e.name = ?2 AND {HOLDS})"
            ))?
            .query_row(params![dir, name, self.copies()], |r| r.get(0))?)
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<i64>> {
        Ok(self
            .conn
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
            .query_row([key], |r| r.get(0))
            .optional()?)
    }

    pub(super) fn note(&self, key: &str, value: i64) -> Result<()> {
        self.conn.execute(
            "INSERT OR REPLACE INTO meta VALUES(?1, ?2)",
            params![key, value],
        )?;
        Ok(())
    }

    pub(super) fn forget(&self, key: &str) -> Result<()> {
        self.conn
            .execute("DELETE FROM meta WHERE key = ?1", [key])?;
        Ok(())
    }
}

fn on_copy(which: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM volume v WHERE v.number = p.volume AND v.fate = '' AND v.copy {which})"
    )
}

/// SQL: that no placement that counts by `counts` holds the entry `e`.
fn not_on(counts: &str) -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM placement p WHERE p.dir = e.dir AND p.name = e.name AND {HOLDS} AND {counts}) \
         AND NOT EXISTS (SELECT 1 FROM moved m JOIN placement p ON p.dir = m.from_dir \
         AND p.name = m.from_name AND p.volume = m.volume \
         WHERE m.dir = e.dir AND m.name = e.name AND {HOLDS} AND {counts}) AND NOT {}",
        super::parts::OUTDATED
    )
}
