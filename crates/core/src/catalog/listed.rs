//! What the lists of the whole set on the drives need: whether they are up to date, how long they get, and
//! all entries of all volumes in path order.
//!
//! The set has a *revision*, a number that rises whenever something changes that a list tells of (what a
//! volume holds, its label or fate, a source). A volume's `listed` is the revision that the list on it has, so
//! a list is stale when that is lower. Too many revisions only cost the writing of a list that says the same.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};

use super::Catalog;
use super::order::{Pages, kind_from};
use super::parts::{part_column, part_from};
use super::place::{CHILD, THIS_RUN};
use crate::error::Result;
use crate::format::part::Part;
use crate::meta::{Kind, Time};

/// About what a line of the list takes beside the path.
const LINE: u64 = 110;

/// The lines that are not about entries, about.
const HEAD: u64 = 4096;

/// About what START-HERE.html takes by itself, and a line of its parts beside the names in it.
const PAGE: u64 = 40 * 1024;
const PAGE_LINE: u64 = 36;

impl Catalog {
    /// The revision of what the lists tell, from 1.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn revision(&self) -> Result<i64> {
        Ok(self.number_in_meta("revision")?.unwrap_or(1))
    }

    /// Makes every list that is on a drive stale; gives the new revision.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn raise_revision(&self) -> Result<i64> {
        let next = self.revision()? + 1;
        self.set_in_meta("revision", next)?;
        Ok(next)
    }

    /// Notes that the list of the set at this revision is on a volume, and how many bytes it has.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn set_listed(&self, volume: u32, revision: i64, bytes: u64) -> Result<()> {
        self.conn.execute(
            "UPDATE volume SET listed = ?2 WHERE number = ?1",
            params![volume, revision],
        )?;
        self.set_in_meta("list_bytes", bytes as i64)
    }

    /// Whether a volume of the set carries no list, or one that is not up to date.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn list_is_stale(&self, volume: u32) -> Result<bool> {
        let listed: Option<i64> = self
            .conn
            .query_row(
                "SELECT listed FROM volume WHERE number = ?1",
                [volume],
                |r| r.get(0),
            )
            .optional()?;
        Ok(listed.unwrap_or(0) < self.revision()?)
    }

    /// Bytes of the list that was written last, whatever drive it is on; 0 when there was none.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn list_bytes(&self) -> Result<u64> {
        Ok(self.number_in_meta("list_bytes")?.unwrap_or(0) as u64)
    }

    /// The run in hand and the volumes that the stored plan has something for, by number.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn planned_volumes(&self) -> Result<(i64, Vec<u32>)> {
        let run = self
            .conn
            .query_row(&format!("SELECT {THIS_RUN}"), [], |r| r.get(0))?;
        let mut stmt = self.conn.prepare(
            "SELECT DISTINCT volume FROM plan WHERE volume BETWEEN 1 AND ?1 ORDER BY volume",
        )?;
        let volumes = stmt.query_map([65_535], |r| r.get(0))?;
        Ok((run, volumes.collect::<rusqlite::Result<_>>()?))
    }

    /// About how many bytes the list will have when all that is known is on drives.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn projected_list(&self) -> Result<u64> {
        // Down the directories by the entries that they are; the limit ends a damaged catalog's circles.
        let (entries, paths): (i64, i64) = self.conn.query_row(
            "WITH RECURSIVE tree(id, len) AS (SELECT 1, 0 UNION ALL SELECT e.child, t.len + length(e.name) \
             FROM tree t JOIN entry e ON e.dir = t.id WHERE e.child <> 0 AND t.len < 65536) \
             SELECT count(*), coalesce(sum(t.len + length(e.name)), 0) FROM tree t JOIN entry e ON e.dir = t.id",
            [],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )?;
        let lines = entries as u64 * LINE + paths as u64;
        let projected = HEAD + lines * u64::from(self.copies());
        // What lies on several volumes has several lines: the last list knows.
        let list = projected.max(self.list_bytes()?);
        let page = PAGE + entries as u64 * PAGE_LINE + paths as u64;
        Ok(list + if self.has_start_here()? { page } else { 0 })
    }

    /// Whether the drives get a START-HERE.html; so it is where nobody has chosen.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn has_start_here(&self) -> Result<bool> {
        Ok(self.number_in_meta("start_here")? != Some(0))
    }

    /// Notes whether they get one from now on.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn set_start_here(&self, wanted: bool) -> Result<()> {
        if self.has_start_here()? != wanted {
            self.set_in_meta("start_here", wanted.into())?;
            self.raise_revision()?;
        }
        Ok(())
    }

    /// Whether the set has an entry of this name at the drives' root, in any spelling of ASCII letters: on some
    /// file systems all of them are one file.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn has_at_root(&self, name: &[u8]) -> Result<bool> {
        let name = name.to_ascii_lowercase();
        let mut stmt = self.conn.prepare_cached(
            "SELECT name FROM entry WHERE dir = ?1 AND length(name) IN (?2, ?2 + 1)",
        )?;
        let mut rows = stmt.query(params![super::ROOT_DIR, name.len() as i64])?;
        while let Some(row) = rows.next()? {
            let found: Vec<u8> = row.get(0)?;
            if found
                .strip_suffix(b"/")
                .unwrap_or(&found)
                .eq_ignore_ascii_case(&name)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn number_in_meta(&self, key: &str) -> Result<Option<i64>> {
        Ok(self
            .conn
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |r| r.get(0))
            .optional()?)
    }

    fn set_in_meta(&self, key: &str, value: i64) -> Result<()> {
        self.conn.execute(
            "INSERT OR REPLACE INTO meta VALUES(?1, ?2)",
            params![key, value],
        )?;
        Ok(())
    }
}

/// One entry, on all volumes that hold it.
#[derive(Debug, Clone)]
pub struct Everywhere {
    name: Vec<u8>,
    child: i64,
    /// What each volume holds of it, by rising numbers.
    pub held: Vec<Held>,
}

/// What one volume holds of an entry.
#[derive(Debug, Clone)]
pub struct Held {
    /// The volume's number.
    pub volume: u32,
    /// What it is there.
    pub kind: Kind,
    /// Bytes of content; for a symbolic link, of its target.
    pub size: u64,
    /// Last modification.
    pub mtime: Time,
    /// For a device: which one, as `makedev` numbers it.
    pub rdev: u64,
    /// Its path there, where that is not its own.
    pub alias: Option<Vec<u8>>,
    /// Which part of a file it is, where it is one.
    pub part: Option<Part>,
}

impl Everywhere {
    /// For a directory, its number in the catalog; else 0.
    pub fn child(&self) -> i64 {
        self.child
    }
}

/// The entries of some volumes, in path order, each once.
#[derive(Clone, Copy)]
pub struct OnAll<'c> {
    /// The catalog.
    pub catalog: &'c Catalog,
    /// The numbers of the volumes that count.
    pub volumes: &'c BTreeSet<u32>,
}

impl OnAll<'_> {
    /// Whether a volume holds something in a directory.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn holds_in(&self, dir: i64, volume: u32) -> Result<bool> {
        Ok(self
            .catalog
            .conn
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM placement WHERE dir = ?1 AND volume = ?2)",
            )?
            .query_row(params![dir, volume], |r| r.get(0))?)
    }
}

impl Pages for OnAll<'_> {
    type Row = Everywhere;

    fn page(&self, dir: i64, after: &[u8], inclusive: bool, limit: i64) -> Result<Vec<Everywhere>> {
        let compare = if inclusive { ">=" } else { ">" };
        // A page is so many names, however many volumes hold each of them: the rows come in the order of the
        // table, and are left when the next name begins.
        let mut stmt = self.catalog.conn.prepare_cached(&format!(
            "SELECT p.name, {CHILD}, p.volume, p.kind, p.size, p.mtime, p.mtime_ns, p.rdev, p.target, p.alias, {} \
             FROM placement p WHERE p.dir = ?1 AND p.name {compare} ?2 ORDER BY p.name, p.volume, p.part",
            part_column!()
        ))?;
        let mut rows = stmt.query(params![dir, after])?;
        let mut page: Vec<Everywhere> = Vec::new();
        while let Some(r) = rows.next()? {
            let name = r.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            let child = r.get(1)?;
            let is_full = page.len() as i64 == limit;
            match page.last_mut() {
                Some(last) if last.name == name => last.child = last.child.max(child),
                _ if is_full => break,
                _ => page.push(Everywhere {
                    name: name.to_vec(),
                    child,
                    held: Vec::new(),
                }),
            }
            let volume: u32 = r.get(2)?;
            let Some(entry) = page.last_mut() else {
                continue;
            };
            // Parts of one entry are one line.
            let again = entry.held.last().is_some_and(|held| held.volume == volume);
            if again || !self.volumes.contains(&volume) {
                continue;
            }
            let target: Option<Vec<u8>> = r.get(8)?;
            entry.held.push(Held {
                volume,
                kind: kind_from(r.get(3)?),
                size: target.map_or(r.get::<_, i64>(4)? as u64, |t| t.len() as u64),
                mtime: Time {
                    sec: r.get(5)?,
                    nsec: r.get(6)?,
                },
                rdev: r.get::<_, i64>(7)? as u64,
                alias: r.get(9)?,
                part: part_from(r.get::<_, Option<String>>(10)?.as_deref()),
            });
        }
        Ok(page)
    }

    fn key<'r>(&self, row: &'r Everywhere) -> (&'r [u8], i64) {
        (&row.name, row.child)
    }
}
