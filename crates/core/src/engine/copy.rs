//! Writing what the plan gives to one volume.
//!
//! The calling thread reads the plan, hands work to the copiers and commits what they made; each copier
//! is a thread of its own. With no copier threads at all everything happens on the calling thread, in one
//! order: that is what the tests that kill it at every system call use.

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use super::drive::Drive;
use super::epoch::{Committer, Flushed, Ready};
use super::file::{Copier, How, Made, SourceRoot, TempDir, Work};
use super::pool::{Copiers, IN_FLIGHT, Inline, Pool};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::order::Row;
use crate::catalog::place::Key;
use crate::catalog::plan::Worklist;
use crate::error::{Code, Error, FileError, FileFault, Result};
use crate::meta::Kind;
use crate::progress::Progress;
use crate::sys;

/// How to write a volume.
#[derive(Debug, Clone)]
pub struct Options {
    /// Copier threads; 0 does everything on the calling thread.
    pub workers: usize,
    /// Whether digests are made.
    pub digest: bool,
    /// Whether a foreign file under one of our names is replaced.
    pub adopt: bool,
    /// How long a group of files may grow before it is made durable.
    pub epoch: Duration,
    /// How many bytes a group may have.
    pub epoch_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            workers: 2,
            digest: true,
            adopt: false,
            epoch: Duration::from_secs(5),
            epoch_bytes: 4 << 30,
        }
    }
}

/// How many entries a group may have: their records are kept in memory until they are promised.
const EPOCH_ENTRIES: usize = 16_384;

/// After so many files without room in spite of the plan, the drive counts as full.
const FULL_AFTER: u64 = 3;

/// What came of writing one volume.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Entries that are on the drive now, durably.
    pub entries: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Files that failed.
    pub failed: u64,
    /// Files that vanished.
    pub vanished: u64,
    /// Files that kept changing.
    pub changing: u64,
    /// Foreign files that stand in the way.
    pub foreign: u64,
    /// Files that found no room: they are to be planned anew.
    pub no_room: u64,
    /// The owner asked for an end; the rest is still to do.
    pub stopped: bool,
    /// What could not be kept on this file system, with how often.
    pub losses: Vec<(String, u64)>,
}

/// Writes what the stored plan gives to the drive's volume; returns when all of it is promised, failed,
/// or the owner asked for an end.
///
/// # Errors
/// `Code::DriveFailed` and `Code::DriveChanged`: what was promised until then is in the catalog and on the
/// drive, and nothing else is claimed. `Code::Cancelled` for an immediate end.
pub fn copy_volume(
    drive: &mut Drive,
    catalog: &Catalog,
    run: i64,
    options: &Options,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Outcome> {
    let sources = open_sources(catalog)?;
    let mut writer = Writer {
        catalog,
        run,
        options,
        cancel,
        progress,
        sources,
        links: drive.abilities.links,
        outcome: Outcome::default(),
        barrier_failures: 0,
        full: false,
        retries: Vec::new(),
        tried: false,
        in_hand: HashSet::new(),
        blank: catalog.holds_nothing(drive.identity.volume.number)?,
    };
    progress
        .phase
        .store(1, std::sync::atomic::Ordering::Relaxed);
    drive.begin_ballast();
    let shared = drive.share();
    let mut losses: HashMap<&'static str, u64> = HashMap::new();
    let result = if options.workers == 0 {
        let mut copier = Copier::new(&shared, options.digest, cancel, progress);
        let result = writer.run_all(drive, &mut Inline(&mut copier));
        losses = std::mem::take(&mut copier.losses);
        result
    } else {
        // Raised at the end: what is still queued then is wanted by nobody.
        let ended = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (work_to, work) = bounded::<Work>(IN_FLIGHT);
            let (done_to, done) = bounded::<(Work, Made)>(IN_FLIGHT);
            let mut threads = Vec::new();
            for n in 0..options.workers {
                let (work, done_to, shared) = (work.clone(), done_to.clone(), &shared);
                let thread = std::thread::Builder::new()
                    .name(format!("copy-{n}"))
                    .spawn_scoped(scope, move || {
                        let mut copier = Copier::new(shared, options.digest, cancel, progress);
                        for work in work {
                            if ended.load(Ordering::Relaxed) {
                                break;
                            }
                            let made = make_or_panic(&mut copier, &work);
                            if done_to.send((work, made)).is_err() {
                                break;
                            }
                        }
                        copier.losses
                    })
                    .map_err(|e| Error::io("starting a thread for", &shared.path, &e));
                match thread {
                    Ok(thread) => threads.push(thread),
                    Err(e) if threads.is_empty() => return Err(e),
                    Err(_) => break,
                }
            }
            drop((work, done_to));
            let mut pool = Pool {
                work: Some(work_to),
                done,
                in_flight: 0,
            };
            let mut result = writer.run_all(drive, &mut pool);
            pool.work = None;
            ended.store(true, Ordering::Relaxed);
            // Copiers that still have something to hand over must not wait for us.
            while pool.done.recv().is_ok() {}
            for thread in threads {
                match thread.join() {
                    Ok(lost) => lost
                        .into_iter()
                        .for_each(|(k, n)| *losses.entry(k).or_default() += n),
                    Err(_) => {
                        result = Err(Error::new(Code::Internal, "copying", "a copier panicked"));
                    }
                }
            }
            result
        })
    };
    let mut outcome = std::mem::take(&mut writer.outcome);
    let tried = writer.tried;
    // Until it is settled below, or by the next opening, more may stand under final names than is recorded.
    drive.unsettled |= result.is_err() || tried;
    if writer.full {
        // Nothing more comes onto it: the room is for what finishes it.
        drive.release_ballast();
    }
    if result.is_ok() && tried {
        // The flush that found no room came after renames that an earlier one had covered: what of them is
        // whole stays, as after a crash, read from the device.
        super::recover::recover(drive, catalog, false, cancel)?;
    }
    outcome.losses = losses.into_iter().map(|(k, n)| (k.to_owned(), n)).collect();
    outcome.losses.sort();
    result.map(|()| outcome)
}

/// A copier that panics must not leave the run waiting for its result.
fn make_or_panic(copier: &mut Copier<'_>, work: &Work) -> Made {
    catch_unwind(AssertUnwindSafe(|| copier.make(work))).unwrap_or_else(|_| {
        let e = Error::new(Code::Internal, "copying", "a copier panicked");
        Made::DriveFailed(e.with_path(&work.path))
    })
}

struct Writer<'a> {
    catalog: &'a Catalog,
    run: i64,
    options: &'a Options,
    cancel: &'a CancelToken,
    progress: &'a Progress,
    sources: HashMap<i64, Arc<SourceRoot>>,
    links: bool,
    outcome: Outcome,
    barrier_failures: u32,
    full: bool,
    /// Condemned by a failed barrier: copied once more.
    retries: Vec<Ready>,
    tried: bool,
    /// Hard-linked files (device and inode) of which a first name is under way: neither promised nor failed.
    in_hand: HashSet<(u64, u64)>,
    /// The volume held nothing when this began.
    blank: bool,
}

impl Writer<'_> {
    fn run_all(&mut self, drive: &mut Drive, copiers: &mut dyn Copiers) -> Result<()> {
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
                committer.promised_entries + o.failed + o.vanished + o.changing + o.foreign
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
                    self.take(committer, work, made)?;
                    break;
                }
            }
            if let Some((work, made)) = copiers.next(Duration::from_millis(100))? {
                self.take(committer, work, made)?;
            }
            if self.cancel.is_now() {
                return Err(Error::cancelled());
            }
            let ended = !feeding && copiers.in_flight() == 0;
            let due = epoch_start.elapsed() >= self.options.epoch
                || committer.waiting() >= EPOCH_ENTRIES
                || committer.ready_bytes >= self.options.epoch_bytes;
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
        let Some(source) = self.sources.get(&row.source).cloned() else {
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
        let volume = committer.drive().identity.volume.number;
        let mut how = How::Copy;
        if self.links && row.meta.kind == Kind::File && row.meta.nlink > 1 {
            if let Some(mut placed) = self.catalog.linked_on(volume, &key, &row.meta)? {
                placed.item.path = self.catalog.path_of(&placed.key)?;
                how = How::Link(Box::new(placed.item));
            } else if !self.in_hand.insert((row.meta.dev, row.meta.ino)) {
                *left += 1;
                return Ok(None);
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
        let id = committer.next_temp();
        Ok(Some(Work {
            id,
            key,
            path,
            meta: row.meta,
            source,
            temp,
            how,
            replaces,
        }))
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

    fn take(&mut self, committer: &mut Committer<'_>, work: Work, made: Made) -> Result<()> {
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
            Made::Failed(error) => self.work_failed(&work, error)?,
            Made::Cancelled => self.outcome.stopped = true,
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
        self.retries = condemned;
        Ok(())
    }

    /// Copies once more what a failed barrier condemned.
    fn retry(&mut self, committer: &mut Committer<'_>, copiers: &mut dyn Copiers) -> Result<()> {
        for condemned in std::mem::take(&mut self.retries) {
            let Some(temp) = self.temp_dir(committer)? else {
                continue;
            };
            let id = committer.next_temp();
            let work = Work {
                id,
                temp,
                ..condemned.work
            };
            while !copiers.has_room() {
                if let Some((work, made)) = copiers.next(Duration::from_millis(100))? {
                    self.take(committer, work, made)?;
                }
            }
            if let Some((work, made)) = copiers.submit(work)? {
                self.take(committer, work, made)?;
            }
        }
        Ok(())
    }
}

/// Opens the roots of all sources that are there; one that is not fails later, entry by entry.
fn open_sources(catalog: &Catalog) -> Result<HashMap<i64, Arc<SourceRoot>>> {
    let mut roots = HashMap::new();
    for source in catalog.sources()? {
        let path = if source.is_file {
            let dir = super::drive::split(&source.path).0;
            if dir.is_empty() {
                b"/".to_vec()
            } else {
                dir.to_vec()
            }
        } else {
            source.path.clone()
        };
        let Ok(fd) = sys::open_root(&path) else {
            continue;
        };
        let kind = sys::file_system_kind(fd.as_fd());
        let prefix = if source.is_file {
            Vec::new()
        } else {
            source.prefix
        };
        let root = SourceRoot {
            fd,
            path,
            prefix,
            server_copy: kind.is_network(),
        };
        roots.insert(source.id, Arc::new(root));
    }
    Ok(roots)
}
