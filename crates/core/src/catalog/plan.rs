//! Pages of numbers for the planner, and what it decided, stored as runs.
//!
//! The planner sees no names: a page is a set of columns, one row an entry, in path order. What comes
//! back is a volume number a row. It is stored as runs: first and last path of entries that follow each
//! other and go to the same volume. A run stays true while the volume is written, because between its
//! ends every entry that still needs a copy belongs to it. Who works by a stored plan reads it by
//! [`super::worklist`].

use std::collections::VecDeque;

use rusqlite::{Connection, OptionalExtension, params};

use super::Catalog;
use super::names::odd_path;
use super::order::{Ordered, Pages, Step, kind_from};
use super::place::HOLDS;
use crate::error::{Code, Error, Result};
use crate::meta::{Kind, Time};

/// The row needs a place.
pub const NEEDS_PLACE: u8 = 1;
/// The row is a directory that holds nothing.
pub const EMPTY_DIR: u8 = 2;
/// Another name of the file is on the volume `home` as it is: there only this name costs anything.
pub const LINKED: u8 = 4;
/// The answer for a row that needs no place.
pub const NO_PLACE_NEEDED: u32 = u32::MAX;

/// One page of entries in path order, a column each; all columns have `count` elements.
#[derive(Debug, Default)]
pub struct Page {
    /// How many rows there are.
    pub count: usize,
    /// [`Kind`] as a number.
    pub kind: Vec<u8>,
    /// [`NEEDS_PLACE`], [`EMPTY_DIR`], [`LINKED`] and what [`super::names::odd_path`] says.
    pub flags: Vec<u8>,
    /// Directories above the entry.
    pub depth: Vec<u16>,
    /// Bytes of content.
    pub size: Vec<f64>,
    /// Bytes allocated where it lies.
    pub allocated: Vec<f64>,
    /// Bytes of the name.
    pub name_length: Vec<u16>,
    /// Bytes of the path below the drive's root.
    pub path_length: Vec<u32>,
    /// Hard-link group, 0 = none, else dense from 1.
    pub group: Vec<u32>,
    /// Names in the group.
    pub members: Vec<u32>,
    /// The volume that holds an older version (or another name of the same file, or some of a directory
    /// that is kept together), 0 = none.
    pub home: Vec<u32>,
    /// Bytes of that older version.
    pub home_size: Vec<f64>,
}

/// A version of a hard-linked file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LinkedVersion {
    dev: u64,
    ino: u64,
    size: u64,
    mtime: Time,
}

/// Hands out pages and takes back the answers.
pub struct Planner<'c> {
    catalog: &'c Catalog,
    run: i64,
    entries: Ordered<PlanRows<'c>>,
    any_placed: bool,
    /// Where another name is of the hard-linked file that was asked for last, and which version of it that was.
    linked_last: Option<(LinkedVersion, Option<u32>)>,
    /// Directories with so many above them are asked for the volume that holds them; none by default.
    units_at: Option<usize>,
    /// Of the pages that were handed out and have no answer yet, the first one first.
    unanswered: VecDeque<Handed>,
    open: Option<OpenRun>,
}

/// What is kept of a page until its answer comes.
#[derive(Debug, Default)]
struct Handed {
    /// Sort keys of its rows, end to end, and where each ends.
    keys: Vec<u8>,
    key_ends: Vec<usize>,
    /// Bytes of each row that is a file.
    sizes: Vec<Option<u64>>,
}

/// What a plan has to know of an entry. Of the catalog's columns it is half: reading them is most of what planning
/// takes.
struct PlanRow {
    dir: i64,
    name: Vec<u8>,
    kind: Kind,
    size: u64,
    allocated: u64,
    child: i64,
    need: i64,
    /// Of a file with several names.
    linked: Option<LinkedVersion>,
}

/// The entries of the sources that are there, as a plan sees them.
struct PlanRows<'c>(&'c Connection);

impl Pages for PlanRows<'_> {
    type Row = PlanRow;

    fn page(&self, dir: i64, after: &[u8], inclusive: bool, limit: i64) -> Result<Vec<PlanRow>> {
        let compare = if inclusive { ">=" } else { ">" };
        let mut stmt = self.0.prepare_cached(&format!(
            "SELECT name, kind, size, allocated, child, need, nlink, mtime, mtime_ns, dev, ino FROM entry \
             WHERE dir = ?1 AND name {compare} ?2 AND gone = 0 ORDER BY name LIMIT ?3"
        ))?;
        let rows = stmt.query_map(params![dir, after, limit], |r| {
            let kind = kind_from(r.get(1)?);
            let size = r.get::<_, i64>(2)? as u64;
            let several = kind == Kind::File && r.get::<_, i64>(6)? > 1;
            let linked = several.then(|| -> rusqlite::Result<LinkedVersion> {
                Ok(LinkedVersion {
                    dev: r.get::<_, i64>(9)? as u64,
                    ino: r.get::<_, i64>(10)? as u64,
                    size,
                    mtime: Time {
                        sec: r.get(7)?,
                        nsec: r.get(8)?,
                    },
                })
            });
            Ok(PlanRow {
                dir,
                name: r.get(0)?,
                kind,
                size,
                allocated: r.get::<_, i64>(3)? as u64,
                child: r.get(4)?,
                need: r.get(5)?,
                linked: linked.transpose()?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn key<'r>(&self, row: &'r PlanRow) -> (&'r [u8], i64) {
        (&row.name, row.child)
    }
}

struct OpenRun {
    volume: u32,
    first: Vec<u8>,
    last: Vec<u8>,
    files: u64,
    bytes: u64,
}

/// What a plan gives one volume (number 0: what fits nowhere).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The volume's number.
    pub volume: u32,
    /// Regular files.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Entries of any kind, in runs.
    pub runs: u64,
}

impl Catalog {
    /// Starts a new plan for what `run` saw that it must be copied; the old plan is forgotten.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn planner(&self, run: i64) -> Result<Planner<'_>> {
        self.settle_parts()?;
        self.conn.execute_batch("DELETE FROM plan")?;
        self.conn.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS linkgroup(dev INTEGER, ino INTEGER, number INTEGER, \
             members INTEGER, PRIMARY KEY(dev, ino)) WITHOUT ROWID; DELETE FROM temp.linkgroup;",
        )?;
        self.conn.execute(
            "INSERT INTO temp.linkgroup SELECT dev, ino, row_number() OVER (ORDER BY dev, ino), count(*) \
             FROM entry WHERE nlink > 1 AND kind = 0 AND gone = 0 AND need = ?1 \
             GROUP BY dev, ino HAVING count(*) > 1",
            [run],
        )?;
        let any_placed: bool =
            self.conn
                .query_row("SELECT EXISTS(SELECT 1 FROM placement)", [], |r| r.get(0))?;
        Ok(Planner {
            catalog: self,
            run,
            entries: Ordered::new(PlanRows(&self.conn))?,
            any_placed,
            linked_last: None,
            units_at: None,
            unanswered: VecDeque::new(),
            open: None,
        })
    }

    /// What the stored plan gives each volume, by number.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn plan_shares(&self) -> Result<Vec<Share>> {
        let mut stmt = self.conn.prepare(
            "SELECT volume, sum(files), sum(bytes), count(*) FROM plan GROUP BY volume ORDER BY volume",
        )?;
        let rows = stmt.query_map([], |r| {
            Ok(Share {
                volume: r.get(0)?,
                files: r.get::<_, i64>(1)? as u64,
                bytes: r.get::<_, i64>(2)? as u64,
                runs: r.get::<_, i64>(3)? as u64,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl Planner<'_> {
    /// Directories at this depth below the drives' root (from 1) are kept together: their rows say which volume
    /// holds some of them. 0: none are.
    #[must_use]
    pub fn keeping_together(mut self, depth: u16) -> Self {
        self.units_at = usize::from(depth).checked_sub(1);
        self
    }

    /// The next page of at most `limit` rows; `None` when all were handed out. The pages before it may be without
    /// an answer yet; about as much memory as a page takes is kept for each.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn page(&mut self, limit: usize) -> Result<Option<Page>> {
        let mut page = Page::default();
        let mut handed = Handed::default();
        while page.count < limit {
            let row = match self.entries.step()? {
                None => break,
                Some(Step::Leave) => continue,
                Some(Step::Entry(row)) => row,
            };
            self.add(&mut page, &mut handed, &row)?;
        }
        if page.count == 0 {
            return Ok(None);
        }
        self.unanswered.push_back(handed);
        Ok(Some(page))
    }

    fn add(&mut self, page: &mut Page, handed: &mut Handed, row: &PlanRow) -> Result<()> {
        let needs = row.need == self.run;
        let is_dir = row.kind == Kind::Dir;
        let empty = is_dir && self.entries.is_empty_dir();
        // A file that needs nothing is no row: only directories frame the rest.
        if !needs && !is_dir {
            return Ok(());
        }
        let mut flags = 0;
        if needs && (!is_dir || empty) {
            flags |= NEEDS_PLACE;
        }
        if empty {
            flags |= EMPTY_DIR;
        }
        let mut home = (0u32, 0u64);
        let mut group = (0u32, 0u32);
        if flags & NEEDS_PLACE != 0 {
            if self.any_placed {
                home = self.home(row)?;
            }
            if let Some(version) = row.linked {
                if let Some(volume) = self.linked_home(version)? {
                    home = (volume, 0);
                    flags |= LINKED;
                } else {
                    group = self.group(version)?;
                }
            }
            flags |= odd_path(self.entries.path());
        } else if is_dir && self.any_placed && self.units_at == Some(self.entries.depth()) {
            home = self.home(row)?;
        }
        page.count += 1;
        page.kind.push(row.kind as u8);
        page.flags.push(flags);
        page.depth
            .push(u16::try_from(self.entries.depth()).unwrap_or(u16::MAX));
        page.size.push(row.size as f64);
        page.allocated.push(row.allocated as f64);
        page.name_length
            .push(u16::try_from(row.name.len()).unwrap_or(u16::MAX));
        page.path_length
            .push(u32::try_from(self.entries.path().len()).unwrap_or(u32::MAX));
        page.group.push(group.0);
        page.members.push(group.1);
        page.home.push(home.0);
        page.home_size.push(home.1 as f64);
        handed.keys.extend_from_slice(self.entries.key());
        handed.key_ends.push(handed.keys.len());
        handed
            .sizes
            .push((row.kind == Kind::File).then_some(row.size));
        Ok(())
    }

    fn home(&self, row: &PlanRow) -> Result<(u32, u64)> {
        let mut stmt = self.catalog.conn.prepare_cached(&format!(
            "SELECT p.volume, p.size FROM placement p WHERE p.dir = ?1 AND p.name = ?2 AND {} \
             ORDER BY p.volume LIMIT 1",
            self.catalog.in_use()
        ))?;
        let found = stmt
            .query_row(params![row.dir, row.name], |r| {
                Ok((r.get(0)?, r.get::<_, i64>(1)? as u64))
            })
            .optional()?;
        Ok(found.unwrap_or((0, 0)))
    }

    /// The volume that holds another name of the file as it is.
    fn linked_home(&mut self, version: LinkedVersion) -> Result<Option<u32>> {
        if !self.any_placed {
            return Ok(None);
        }
        // A file may have a hundred thousand names, one after the other.
        if let Some((last, volume)) = self.linked_last
            && last == version
        {
            return Ok(volume);
        }
        let volume = self.find_linked_home(version)?;
        self.linked_last = Some((version, volume));
        Ok(volume)
    }

    fn find_linked_home(&self, version: LinkedVersion) -> Result<Option<u32>> {
        let other = format!(
            "e.dev = ?1 AND e.ino = ?2 AND e.nlink > 1 AND e.kind = 0 AND {} AND e.gone = 0 AND e.size = ?3 \
             AND e.mtime = ?4 AND e.mtime_ns = ?5 AND p.stored = 1 AND {HOLDS} AND {}",
            self.catalog.is_backed_up(),
            self.catalog.in_use()
        );
        let find = |sql: &str| -> Result<Option<u32>> {
            let mut stmt = self.catalog.conn.prepare_cached(sql)?;
            let numbers = params![
                version.dev as i64,
                version.ino as i64,
                version.size as i64,
                version.mtime.sec,
                version.mtime.nsec
            ];
            Ok(stmt.query_row(numbers, |r| r.get(0)).optional()?)
        };
        let home = find(&format!(
            "SELECT p.volume FROM entry e JOIN placement p ON p.dir = e.dir AND p.name = e.name \
             WHERE {other} LIMIT 1"
        ))?;
        if home.is_some() {
            return Ok(home);
        }
        // It may stand there under a name that it had.
        find(&format!(
            "SELECT p.volume FROM entry e JOIN moved m ON m.dir = e.dir AND m.name = e.name \
             JOIN placement p ON p.dir = m.from_dir AND p.name = m.from_name AND p.volume = m.volume \
             WHERE {other} LIMIT 1"
        ))
    }

    fn group(&self, version: LinkedVersion) -> Result<(u32, u32)> {
        let mut stmt = self.catalog.conn.prepare_cached(
            "SELECT number, members FROM temp.linkgroup WHERE dev = ?1 AND ino = ?2",
        )?;
        let found = stmt
            .query_row(params![version.dev as i64, version.ino as i64], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .optional()?;
        Ok(found.unwrap_or((0, 0)))
    }

    /// Takes the answer for the first page that has none yet: a volume number a row, 0 for what fits nowhere,
    /// [`NO_PLACE_NEEDED`] for the rest.
    ///
    /// # Errors
    /// `Code::Internal` when no page waits, or the number of answers is wrong; what SQLite answers.
    pub fn answer(&mut self, volumes: &[u32]) -> Result<()> {
        let rows = self.unanswered.front().map(|handed| handed.key_ends.len());
        if rows != Some(volumes.len()) {
            return Err(Error::new(
                Code::Internal,
                "planning",
                "an answer of the wrong length, or to nothing",
            ));
        }
        let handed = self.unanswered.pop_front().unwrap_or_default();
        let mut start = 0;
        for (i, &volume) in volumes.iter().enumerate() {
            let key = start..handed.key_ends[i];
            start = key.end;
            if volume == NO_PLACE_NEEDED {
                continue;
            }
            if self.open.as_ref().is_some_and(|r| r.volume != volume) {
                self.close_run()?;
            }
            let key = &handed.keys[key];
            let run = self.open.get_or_insert_with(|| OpenRun {
                volume,
                first: key.to_vec(),
                last: Vec::new(),
                files: 0,
                bytes: 0,
            });
            run.last.clear();
            run.last.extend_from_slice(key);
            if let Some(size) = handed.sizes[i] {
                run.files += 1;
                run.bytes += size;
            }
        }
        Ok(())
    }

    /// Stores the end of the plan.
    ///
    /// # Errors
    /// `Code::Internal` when a page has no answer yet; what SQLite answers.
    pub fn finish(mut self) -> Result<()> {
        if !self.unanswered.is_empty() {
            return Err(Error::new(
                Code::Internal,
                "planning",
                "a page has no answer yet",
            ));
        }
        self.close_run()
    }

    fn close_run(&mut self) -> Result<()> {
        if let Some(r) = self.open.take() {
            self.catalog
                .conn
                .prepare_cached(
                    "INSERT INTO plan(volume, first, last, files, bytes) VALUES(?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![r.volume, r.first, r.last, r.files as i64, r.bytes as i64])?;
        }
        Ok(())
    }
}
