//! The loop that writes a volume: reads the plan, hands out work, commits what comes back.
//!
//! It decides what a failure means: for one entry, for the drive's room, or for the run.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::copy::{Options, Outcome};
use super::drive::Drive;
use super::epoch::{Committer, Flushed, Ready};
use super::file::Loss;
use super::namer::Namer;
use super::part::{self, Range};
use super::pool::Copiers;
use super::work::{How, Made, SourceRoot, TempDir, Work};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::order::Row;
use crate::catalog::parts::Version;
use crate::catalog::place::Key;
use crate::catalog::worklist::Worklist;
use crate::digest::Chains;
use crate::error::{Code, Error, FileError, FileFault, Result};
use crate::format::item::Item;
use crate::format::part::Part;
use crate::meta::{Kind, Meta};
use crate::progress::Progress;

/// How many entries a group may have: their records are kept in memory until they are promised.
const EPOCH_ENTRIES: usize = 8_192;

/// After so many files without room in spite of the plan, the drive counts as full.
const FULL_AFTER: u64 = 3;

/// Writes one volume: what is under way, and what became of the rest.
pub(super) struct Writer<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) run: i64,
    pub(super) options: &'a Options,
    pub(super) cancel: &'a CancelToken,
    pub(super) progress: &'a Progress,
    pub(super) sources: HashMap<i64, Arc<SourceRoot>>,
    pub(super) links: bool,
    pub(super) outcome: Outcome,
    pub(super) barrier_failures: u32,
    pub(super) full: bool,
    /// Copied once more after the next flush: condemned by a failed barrier, or without room before it.
    pub(super) retries: Vec<Work>,
    pub(super) tried: bool,
    /// Hard-linked files (device and inode) of which a first name is under way: neither promised nor failed.
    pub(super) in_hand: HashSet<(u64, u64)>,
    /// Of hard-linked files (device and inode) the first names of those copies on the drive that can have no more
    /// names.
    pub(super) full_groups: HashMap<(u64, u64), HashSet<Vec<u8>>>,
    /// The file that a name was given to last: the one that the next name is of, mostly.
    pub(super) linked_last: Option<((u64, u64), Item)>,
    /// What the drive cannot keep, by kind, with how often.
    pub(super) losses: HashMap<&'static str, u64>,
    /// Names that were put off to the next pass since this was last looked at.
    pub(super) put_off: u64,
    /// Files of which a part is under way, or was in this pass.
    pub(super) parts_in_hand: HashSet<i64>,
    /// The volume held nothing when this began.
    pub(super) blank: bool,
    /// Under which names entries stand on the drive.
    pub(super) namer: Namer,
    /// Digests of files of which parts are copied.
    pub(super) chains: Chains,
}

impl Writer<'_> {
    /// Brings everything that the plan gives to the volume onto it.
    pub(super) fn run_all(&mut self, drive: &mut Drive, copiers: &mut dyn Copiers) -> Result<()> {
        let mut committer = Committer::new(drive, self.catalog, self.progress);
        let result = self.passes(&mut committer, copiers);
        self.outcome.entries = committer.promised_entries;
        self.outcome.files = committer.promised_files;
        self.outcome.bytes = committer.promised_bytes;
        result
    }

    /// First everything but further names of hard-linked files, then these: the file that they name has
    /// to be on the drive first. A group whose first name failed gets another chance by its next name.
    fn passes(&mut self, committer: &mut Committer<'_>, copiers: &mut dyn Copiers) -> Result<()> {
        loop {
            let settled = |this: &Self, committer: &Committer<'_>| {
                let o = &this.outcome;
                let full: usize = this.full_groups.values().map(HashSet::len).sum();
                committer.promised_entries
                    + (o.failed + o.vanished + o.changing + o.foreign + full as u64)
            };
            let before = settled(self, committer);
            let left = self.pass(committer, copiers)?;
            let stuck = settled(self, committer) == before;
            if left == 0 || self.outcome.stopped || self.full || stuck {
                return Ok(());
            }
        }
    }

    fn pass(&mut self, committer: &mut Committer<'_>, copiers: &mut dyn Copiers) -> Result<u64> {
        let volume = committer.drive().identity.volume.number;
        let mut list = Worklist::new(&self.catalog.conn, self.run, volume)?;
        self.in_hand.clear();
        self.parts_in_hand.clear();
        let mut left = 0;
        let mut epoch_start = Instant::now();
        let mut feeding = true;
        loop {
            while feeding && copiers.has_room() {
                if self.cancel.is_stopped() || self.full {
                    self.outcome.stopped |= self.cancel.is_stopped();
                    feeding = false;
                    break;
                }
                let Some((path, row)) = list.next_row()? else {
                    feeding = false;
                    break;
                };
                let Some(work) = self.work(committer, path, row, &mut left)? else {
                    continue;
                };
                if let Some((work, made)) = copiers.submit(work)? {
                    self.take(committer, copiers.in_flight(), work, made)?;
                    break;
                }
            }
            self.take_next(committer, copiers)?;
            if self.cancel.is_now() {
                return Err(Error::cancelled());
            }
            let ended = !feeding && copiers.in_flight() == 0;
            let due = !self.retries.is_empty()
                || epoch_start.elapsed() >= self.options.epoch
                || committer.waiting() >= EPOCH_ENTRIES
                || committer.ready_bytes >= self.options.epoch_bytes;
            left += std::mem::take(&mut self.put_off);
            if ended || (due && committer.waiting() > 0) {
                let flushed = if ended {
                    committer.flush()
                } else {
                    committer.commit()
                }?;
                epoch_start = Instant::now();
                self.after_flush(committer, flushed)?;
                if ended && self.retries.is_empty() {
                    return Ok(left);
                }
                self.retry(committer, copiers)?;
            }
        }
    }

    fn work(
        &mut self,
        committer: &mut Committer<'_>,
        path: Vec<u8>,
        row: Row,
        left: &mut u64,
    ) -> Result<Option<Work>> {
        let key = Key {
            dir: row.dir,
            name: row.name,
        };
        // A part has the negative number of the source that its file is in.
        let Some(source) = self.sources.get(&row.source.abs()).cloned() else {
            let message = "its source cannot be opened";
            self.failed(
                &key,
                FileError {
                    fault: FileFault::Vanished,
                    path,
                    doing: "copying",
                    errno: None,
                    message: message.into(),
                },
            )?;
            return Ok(None);
        };
        let range = match row.source {
            ..0 => match self.range(&key, &path, row.meta.size, &source, left)? {
                Some(range) => Some(Box::new(range)),
                None => return Ok(None),
            },
            _ => None,
        };
        let volume = committer.drive().identity.volume.number;
        let mut how = How::Copy;
        if row.meta.kind == Kind::File && row.meta.nlink > 1 {
            let identity = (row.meta.dev, row.meta.ino);
            if !self.links {
                *self.losses.entry(Loss::LINKS).or_default() += 1;
            } else if self.in_hand.contains(&identity) {
                *left += 1;
                return Ok(None);
            } else if let Some(to) = self.linked_on(volume, &key, &row.meta)? {
                how = How::Link(Box::new(to));
            } else {
                self.in_hand.insert(identity);
                if self.full_groups.contains_key(&identity) {
                    *self.losses.entry(Loss::NAMES).or_default() += 1;
                }
            }
        }
        // On a drive that held nothing of ours when this began no name is ours yet.
        let ours = if self.blank {
            None
        } else {
            self.catalog.placement(volume, &key)?
        };
        let replaces = self.options.adopt || ours.is_some_and(|p| p.item.stored);
        let Some(temp) = self.temp_dir(committer)? else {
            return Ok(None);
        };
        self.progress.set_current(&path);
        let alias = self
            .namer
            .alias(committer.drive(), self.catalog, &path, &key, None)?;
        let id = committer.next_temp();
        let from = path.clone();
        Ok(Some(Work {
            id,
            key,
            path,
            alias,
            meta: row.meta,
            source,
            temp,
            how,
            expected: None,
            from: range.as_ref().map(|_| Part::whole(&from).to_vec()),
            aside: false,
            replaces,
            again: false,
            range,
        }))
    }

    /// A file on the drive that a name more can be given to, as its record says.
    fn linked_on(&mut self, volume: u32, key: &Key, meta: &Meta) -> Result<Option<Item>> {
        let identity = (meta.dev, meta.ino);
        if let Some((last, item)) = &self.linked_last
            && *last == identity
            && (item.size, item.mtime) == (meta.size, meta.mtime)
        {
            return Ok(Some(item.clone()));
        }
        let full = self.full_groups.get(&identity);
        let placed = match full {
            None => self
                .catalog
                .linked_on(volume, key, meta)?
                .into_iter()
                .collect(),
            // One of the other copies, by its first name: there are few of these, and very many names.
            Some(_) => self.catalog.first_names_on(volume, key, meta)?,
        };
        for mut placed in placed {
            placed.item.path = self.catalog.path_of(&placed.key)?;
            if !full.is_some_and(|full| full.contains(&placed.item.path)) {
                self.linked_last = Some((identity, placed.item.clone()));
                return Ok(Some(placed.item));
            }
        }
        Ok(None)
    }

    /// What a part is a range of; `None` where it is not to be copied now.
    fn range(
        &mut self,
        key: &Key,
        path: &[u8],
        len: u64,
        source: &SourceRoot,
        left: &mut u64,
    ) -> Result<Option<Range>> {
        let Some(wanted) = self.catalog.wanted_part(key)? else {
            // Its file has changed since it was planned, which was told at the first part that met it.
            self.catalog.give_up(key, self.run)?;
            return Ok(None);
        };
        // One after the other, in order: so the digest of the whole is made on the way.
        if !self.parts_in_hand.insert(wanted.split) {
            *left += 1;
            return Ok(None);
        }
        let version = match (wanted.version, part::look(source, path)) {
            (Some(version), _) => version,
            (None, Ok(seen)) if (seen.size, seen.mtime) == (wanted.size, wanted.mtime) => {
                self.catalog.note_version(wanted.split, &seen)?;
                seen
            }
            // Whoever opens it says what is wrong.
            (None, _) => Version {
                size: wanted.size,
                mtime: wanted.mtime,
                ino: 0,
                ctime: wanted.mtime,
            },
        };
        let digest = self.options.digest;
        let chains = &mut self.chains;
        Ok(Some(Range::new(&wanted, len, version, digest, chains)))
    }

    /// Where the next temp file goes; `None` when there is no room for a directory even: the drive is full.
    fn temp_dir(&mut self, committer: &mut Committer<'_>) -> Result<Option<Arc<TempDir>>> {
        match committer.temp_dir() {
            Ok(temp) => Ok(Some(temp)),
            Err(e) if super::file::target_fault(&e) == Some(FileFault::NoRoom) => {
                self.outcome.no_room += 1;
                self.full = true;
                Ok(None)
            }
            Err(e) => Err(e.with_code(Code::DriveFailed)),
        }
    }

    /// Waits a moment for a result, and takes it.
    fn take_next(
        &mut self,
        committer: &mut Committer<'_>,
        copiers: &mut dyn Copiers,
    ) -> Result<()> {
        match copiers.next(Duration::from_millis(100))? {
            Some((work, made)) => self.take(committer, copiers.in_flight(), work, made),
            None => Ok(()),
        }
    }

    /// Takes a result; `beside`: so many others are being copied.
    fn take(
        &mut self,
        committer: &mut Committer<'_>,
        beside: usize,
        work: Work,
        made: Made,
    ) -> Result<()> {
        let ready = |work, item: Box<_>, seen, in_temp| Ready {
            work,
            item: *item,
            seen,
            in_temp,
            intent: 0,
        };
        match made {
            Made::Ready(item, seen) => committer.push(ready(work, item, seen, true)),
            Made::Directory(item, seen) | Made::Recorded(item, seen) => {
                committer.push(ready(work, item, seen, false));
            }
            // What is written and not flushed may take more than it will in the end (see `keep_room`), and
            // of several that are written at once each may take the room that another one lacks.
            Made::Failed(error)
                if error.fault == FileFault::NoRoom
                    && !work.again
                    && (committer.waiting() > 0 || beside > 0 || !self.retries.is_empty()) =>
            {
                self.retries.push(Work {
                    again: true,
                    ..work
                });
            }
            Made::Failed(error) => self.work_failed(&work, error)?,
            // The next pass gives it to another copy of the file, of which it may be the first name.
            Made::NoMoreNames(first) => {
                let identity = (work.meta.dev, work.meta.ino);
                self.full_groups.entry(identity).or_default().insert(first);
                self.linked_last = None;
                self.put_off += 1;
            }
            Made::Otherwise | Made::Cancelled => self.outcome.stopped = true,
            Made::DriveFailed(e) => {
                // What is written already and whole gets its chance; the failure stands in any case.
                if let Ok(flushed) = committer.flush() {
                    drop(flushed);
                }
                return Err(if e.code == Code::Internal {
                    e
                } else {
                    e.with_code(Code::DriveFailed)
                });
            }
        }
        Ok(())
    }

    fn work_failed(&mut self, work: &Work, error: FileError) -> Result<()> {
        if let (Some(range), FileFault::Changing) = (&work.range, error.fault) {
            self.catalog.give_up_split(range.split)?;
        }
        if error.fault != FileFault::NoRoom {
            // The next name of the same file may do better.
            self.in_hand.remove(&(work.meta.dev, work.meta.ino));
        }
        self.failed(&work.key, error)
    }

    fn failed(&mut self, key: &Key, error: FileError) -> Result<()> {
        match error.fault {
            FileFault::Failed => self.outcome.failed += 1,
            FileFault::Vanished => self.outcome.vanished += 1,
            FileFault::Changing => self.outcome.changing += 1,
            FileFault::ForeignInTheWay => self.outcome.foreign += 1,
            FileFault::NoRoom => {
                // Planned anew for another drive: neither done nor failed, and not reported as such.
                self.outcome.no_room += 1;
                self.full |= self.outcome.no_room >= FULL_AFTER;
                return Ok(());
            }
        }
        self.catalog.give_up(key, self.run)?;
        self.progress.fail(error);
        Ok(())
    }

    fn after_flush(&mut self, committer: &mut Committer<'_>, flushed: Flushed) -> Result<()> {
        for (work, error) in std::mem::take(&mut committer.failures) {
            self.work_failed(&work, error)?;
        }
        for identity in committer.promised_links.drain(..) {
            self.in_hand.remove(&identity);
        }
        let Flushed::Condemned(condemned, e) = flushed else {
            return Ok(());
        };
        self.barrier_failures += 1;
        let no_room = super::file::target_fault(&e) == Some(FileFault::NoRoom);
        if no_room && !self.tried {
            // The space was promised at the write and refused at the flush: the drive is full. What was
            // condemned is planned anew, for another drive.
            self.tried = true;
            self.full = true;
            self.outcome.no_room += condemned.len() as u64;
            return Ok(());
        }
        if self.barrier_failures > 1 {
            return Err(e.with_code(Code::DriveFailed));
        }
        self.progress.fail(FileError {
            fault: FileFault::Failed,
            path: committer.drive().path.clone(),
            doing: e.doing,
            errno: e.errno,
            message: format!(
                "a flush failed; the last {} entries are copied once more",
                condemned.len()
            ),
        });
        self.retries
            .extend(condemned.into_iter().map(|ready| ready.work));
        Ok(())
    }

    /// Copies once more what waits for that; each by itself where it was room that was missing.
    fn retry(&mut self, committer: &mut Committer<'_>, copiers: &mut dyn Copiers) -> Result<()> {
        for work in std::mem::take(&mut self.retries) {
            let alone = work.again;
            while !copiers.has_room() || (alone && copiers.in_flight() > 0) {
                self.take_next(committer, copiers)?;
            }
            if alone && self.full {
                self.outcome.no_room += 1;
                continue;
            }
            let Some(temp) = self.temp_dir(committer)? else {
                continue;
            };
            let id = committer.next_temp();
            let work = Work { id, temp, ..work };
            if let Some((work, made)) = copiers.submit(work)? {
                self.take(committer, copiers.in_flight(), work, made)?;
            }
            while alone && copiers.in_flight() > 0 {
                self.take_next(committer, copiers)?;
            }
        }
        Ok(())
    }
}
