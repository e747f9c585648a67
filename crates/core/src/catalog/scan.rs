//! Comparing what a walk finds with what the catalog knows, directory by directory.
//!
//! Each listing is merged with the rows of its directory (both are sorted), and only differences are
//! written. An entry counts as gone only when its directory was read to the end and it was not in it;
//! what a filter, a list, an error or a mount point hid is unknown, and unknown is not gone.
//! Nothing is removed here from any drive: that needs a yes, later.

use std::collections::{HashMap, HashSet};

use rusqlite::{OptionalExtension, params};

use super::Catalog;
use super::order::{ENTRY_COLUMNS, Row, entry_from_row};
use super::rows::PAGE;
use super::schema::{ROOT_DIR, ROOT_PARENT};
use crate::error::{Code, Error, Result};
use crate::meta::{Kind, Meta};
use crate::walk::{Listing, What};

pub use super::tally::{Sameness, Tally};

/// Rows written between two commits.
const BATCH: u64 = 50_000;

/// A directory whose listing is merged.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Its number in the catalog.
    dir: i64,
    /// It was added just now: nothing is known in it.
    fresh: bool,
    /// The device that it was on when it was last looked at, and the one that it is on now.
    devices: (u64, u64),
    /// Something was mounted here, or above, and is not any more: what is missing is unknown.
    unmounted: bool,
}

impl Place {
    /// A directory of which nothing but its number matters.
    fn alone(dir: i64) -> Place {
        Place {
            dir,
            fresh: false,
            devices: (0, 0),
            unmounted: false,
        }
    }

    /// Whether something was mounted on this sub-directory when it was last looked at, and is no more.
    fn lost_mount(&self, before: &Meta, now: &Meta) -> bool {
        let known = before.dev != 0 && self.devices.0 != 0;
        known && before.dev != self.devices.0 && now.dev == self.devices.1
    }
}

/// What is known in a directory that is merged, page by page: it may hold a million entries.
struct Known {
    dir: i64,
    rows: std::iter::Peekable<std::vec::IntoIter<Row>>,
    /// The last name of the page.
    last: Vec<u8>,
    /// There may be another page.
    more: bool,
}

impl Known {
    /// `fresh`: nothing is known in it.
    fn new(dir: i64, fresh: bool) -> Self {
        Known {
            dir,
            rows: Vec::new().into_iter().peekable(),
            last: Vec::new(),
            more: !fresh,
        }
    }
}

/// The merge of one source's walk into the catalog.
pub struct Scan<'c> {
    pub(super) catalog: &'c Catalog,
    pub(super) run: i64,
    pub(super) source: i64,
    root_dir: i64,
    /// Whether other sources may have entries in the same directories.
    pub(super) shared: bool,
    /// Runs that were broken off: what they took for gone is looked at as if it were new.
    pub(super) unsettled: HashSet<i64>,
    /// Walk tokens whose listing is still to come.
    pending: HashMap<u64, Place>,
    pub(super) since_commit: u64,
    /// A row was written that a job file says something of.
    pub(super) relisted: bool,
    /// Something was marked as gone.
    pub(super) any_gone: bool,
    /// Something is renamed already and waits for its drive.
    pub(super) any_moves: bool,
    /// What counts as unchanged.
    pub(super) same: Sameness,
    /// The numbers so far.
    pub tally: Tally,
}

impl Catalog {
    /// As [`Catalog::scan_by`], by size and time.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn scan(&self, run: i64, source: i64, prefix: &[u8], root: &Meta) -> Result<Scan<'_>> {
        self.scan_by(run, source, prefix, root, Sameness::default())
    }

    /// Starts to merge a walk of the source `source`, which lies at `prefix` on the drives.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn scan_by(
        &self,
        run: i64,
        source: i64,
        prefix: &[u8],
        root: &Meta,
        same: Sameness,
    ) -> Result<Scan<'_>> {
        // What a run that was broken off took for gone nobody has agreed to: it still counts as known, or a
        // guard that was left unanswered would not ask again.
        let unsettled = self
            .conn
            .prepare(
                "SELECT id FROM run WHERE id <> ?1 AND coalesce(outcome, '') NOT LIKE 'exit %'",
            )?
            .query_map([run], |r| r.get(0))?
            .collect::<rusqlite::Result<HashSet<i64>>>()?;
        let known: i64 = self.conn.query_row(
            "SELECT count(*) FROM entry WHERE source = ?1 AND kind = 0 AND (gone = 0 OR gone IN \
             (SELECT id FROM run WHERE id <> ?2 AND coalesce(outcome, '') NOT LIKE 'exit %'))",
            [source, run],
            |r| r.get(0),
        )?;
        let others: i64 = self.conn.query_row(
            "SELECT count(*) FROM source WHERE id <> ?1",
            [source],
            |r| r.get(0),
        )?;
        self.conn.execute_batch("BEGIN")?;
        let mut scan = Scan {
            catalog: self,
            run,
            source,
            root_dir: ROOT_DIR,
            shared: others > 0,
            unsettled,
            pending: HashMap::new(),
            since_commit: 0,
            relisted: false,
            any_gone: false,
            any_moves: self.any_moves()?,
            same,
            tally: Tally {
                known_files: known as u64,
                ..Tally::default()
            },
        };
        if root.kind == Kind::Dir {
            let (parent, name) = if prefix.is_empty() {
                (ROOT_PARENT, b"/".to_vec())
            } else {
                (ROOT_DIR, [prefix, b"/"].concat())
            };
            let before = self.entry(parent, &name)?.map_or(root.dev, |r| r.meta.dev);
            let (dir, fresh) = scan.upsert_dir(parent, &name, root)?;
            scan.root_dir = dir;
            scan.tally.devices = (root.dev, before);
            let place = Place {
                dir,
                fresh,
                devices: (before, root.dev),
                unmounted: false,
            };
            scan.pending.insert(0, place);
        } else {
            let known = self.entry(ROOT_DIR, prefix)?;
            scan.found(&Place::alone(ROOT_DIR), prefix, root, known.as_ref(), None)?;
        }
        Ok(scan)
    }

    /// One entry by its key.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn entry(&self, dir: i64, name: &[u8]) -> Result<Option<Row>> {
        let mut stmt = self.conn.prepare_cached(&format!(
            "SELECT {ENTRY_COLUMNS} FROM entry WHERE dir = ?1 AND name = ?2"
        ))?;
        Ok(stmt
            .query_row(params![dir, name], entry_from_row)
            .optional()?)
    }

    /// Takes back what a run marked as gone below one source: after a walk with errors, or where the
    /// source looks as if it were not mounted.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn forget_gone(&self, run: i64, source: i64) -> Result<()> {
        // What was found under another name is known to be gone.
        self.conn.execute(
            "UPDATE entry SET gone = 0 WHERE gone = ?1 AND source = ?2 AND NOT EXISTS (SELECT 1 FROM moved m \
             WHERE m.from_dir = entry.dir AND m.from_name = entry.name)",
            params![run, source],
        )?;
        Ok(())
    }

    /// Drops entries that are gone from their source and that no drive holds; what was on a lost drive is
    /// noted in the list of what is lost.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn drop_gone_unplaced(&self) -> Result<()> {
        self.settle_lost()?;
        self.settle_parts()?;
        self.conn.execute(
            "DELETE FROM entry WHERE gone <> 0 AND NOT EXISTS (SELECT 1 FROM placement p \
             WHERE p.dir = entry.dir AND p.name = entry.name) AND NOT EXISTS (SELECT 1 FROM moved m \
             WHERE m.dir = entry.dir AND m.name = entry.name) AND NOT EXISTS (SELECT 1 FROM split s \
             WHERE s.dir = entry.dir AND s.name = entry.name)",
            [],
        )?;
        Ok(())
    }
}

impl Scan<'_> {
    /// Merges one listing.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn listing(&mut self, listing: &Listing) -> Result<()> {
        let Some(place) = self.pending.remove(&listing.token) else {
            return Err(Error::new(
                Code::Internal,
                "merging a walk",
                "a listing without a parent",
            )
            .with_path(&listing.path));
        };
        if listing.token == 0 && listing.complete && listing.entries.is_empty() {
            self.tally.root_empty = true;
        }
        let complete = listing.complete && !place.unmounted;
        let mut known = Known::new(place.dir, place.fresh);
        let mut name = Vec::new();
        for found in listing.entries.iter() {
            name.clear();
            name.extend_from_slice(listing.name(&found));
            let (meta, child) = match &found.what {
                What::Known { meta, child } => (meta, *child),
                What::Unknown => {
                    // Not looked at: what is known under this name, and below it, stays as it is.
                    if found.dir {
                        name.push(b'/');
                    }
                    self.gone_before(&mut known, &name, complete)?;
                    while self.next_known(&mut known, |k| k.name == name)?.is_some() {}
                    continue;
                }
            };
            if meta.kind == Kind::Dir {
                name.push(b'/');
            }
            self.gone_before(&mut known, &name, complete)?;
            let row = self.next_known(&mut known, |k| k.name == name)?;
            self.found(&place, &name, meta, row.as_ref(), child)?;
        }
        while complete && let Some(row) = self.next_known(&mut known, |_| true)? {
            self.gone(&row)?;
        }
        self.commit_sometimes()
    }

    /// Ends the merge; with `keep_gone` false nothing counts as gone.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn finish(mut self, keep_gone: bool) -> Result<Tally> {
        self.tally.moves_likely |= self.any_gone;
        if !keep_gone && self.any_gone {
            self.tally.moves_likely = false;
            self.catalog.forget_gone(self.run, self.source)?;
            self.tally.gone_files = 0;
            self.tally.gone_bytes = 0;
        }
        if self.relisted {
            self.catalog.forget_job_file()?;
        }
        self.catalog.conn.execute_batch("COMMIT")?;
        Ok(self.tally)
    }

    /// The next row that is known in the directory, if it is one such. A page is read when the one before is used
    /// up, and so before anything that comes after it is inserted.
    fn next_known(
        &self,
        known: &mut Known,
        is_it: impl FnOnce(&Row) -> bool,
    ) -> Result<Option<Row>> {
        if known.more && known.rows.peek().is_none() {
            let page = self.known_page(known.dir, &known.last)?;
            known.more = page.len() == PAGE;
            if let Some(last) = page.last() {
                known.last.clone_from(&last.name);
            }
            known.rows = page.into_iter().peekable();
        }
        Ok(known.rows.next_if(is_it))
    }

    /// Known rows that come before `name` were not in the listing.
    fn gone_before(&mut self, known: &mut Known, name: &[u8], complete: bool) -> Result<()> {
        while let Some(row) = self.next_known(known, |k| k.name.as_slice() < name)? {
            if complete {
                self.gone(&row)?;
            }
        }
        Ok(())
    }

    fn found(
        &mut self,
        place: &Place,
        name: &[u8],
        meta: &Meta,
        known: Option<&Row>,
        child: Option<u64>,
    ) -> Result<()> {
        self.tally.entries += 1;
        if meta.kind == Kind::File {
            self.tally.files += 1;
            self.tally.bytes += meta.size;
        }
        if meta.kind == Kind::Dir {
            let mut inside = Place {
                dir: 0,
                fresh: false,
                devices: (meta.dev, meta.dev),
                unmounted: place.unmounted,
            };
            match known {
                Some(row) => {
                    let mut meta = *meta;
                    inside.devices.0 = row.meta.dev;
                    if place.lost_mount(&row.meta, &meta) {
                        inside.unmounted = true;
                        self.tally.unmounted += 1;
                        // Remembered until something is mounted here again.
                        meta.dev = row.meta.dev;
                    }
                    self.refresh(row, &meta)?;
                    inside.dir = row.child;
                }
                None => (inside.dir, inside.fresh) = self.upsert_dir(place.dir, name, meta)?,
            }
            if let Some(token) = child {
                self.pending.insert(token, inside);
            }
            return Ok(());
        }
        match known {
            Some(row) => self.refresh(row, meta),
            None => {
                self.count_new(meta);
                self.insert(place.dir, name, meta, 0)
            }
        }
    }

    pub(super) fn count_new(&mut self, meta: &Meta) {
        if meta.kind == Kind::File {
            self.tally.new_files += 1;
            self.tally.new_bytes += meta.size;
        }
    }

    /// Merges one entry that a list names, with the directories above it.
    ///
    /// `path` is below the source's root; `stat` gives what a directory above it is.
    ///
    /// # Errors
    /// What SQLite and `stat` answer.
    pub fn listed(
        &mut self,
        path: &[u8],
        meta: &Meta,
        stat: &mut dyn FnMut(&[u8]) -> Result<Meta>,
    ) -> Result<()> {
        let mut dir = self.root_dir;
        let mut at = 0;
        while let Some(n) = path[at..].iter().position(|b| *b == b'/') {
            let end = at + n + 1;
            let name = &path[at..end];
            dir = match self.catalog.entry(dir, name)? {
                Some(row) => {
                    if row.gone != 0 {
                        self.refresh(&row, &row.meta)?;
                    }
                    row.child
                }
                None => {
                    let meta = stat(&path[..end - 1])?;
                    self.upsert_dir(dir, name, &meta)?.0
                }
            };
            at = end;
        }
        let name = &path[at..];
        let known = self.catalog.entry(dir, name)?;
        self.found(&Place::alone(dir), name, meta, known.as_ref(), None)?;
        self.commit_sometimes()
    }

    fn commit_sometimes(&mut self) -> Result<()> {
        if self.since_commit >= BATCH {
            if self.relisted {
                self.catalog.forget_job_file()?;
            }
            self.catalog.conn.execute_batch("COMMIT; BEGIN")?;
            self.since_commit = 0;
        }
        Ok(())
    }
}

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        // A scan that is broken off keeps what it wrote: every row of it is true, and the next one
        // looks again. After `finish` there is no transaction and this does nothing.
        if !self.catalog.conn.is_autocommit() {
            if self.relisted {
                let _ = self.catalog.forget_job_file();
            }
            let _ = self.catalog.conn.execute_batch("COMMIT");
        }
    }
}
