//! One drive of a restore: what is wanted of it, in path order, each entry made and put into place.
//!
//! The catalog has what the drive's manifest says (the caller has read it anew: [`crate::engine::learn`]), so
//! owners, modes and times come from there and not from a file system that may not keep them. The drive is
//! only read, beneath the descriptor of its root, and nothing on it is trusted: not its names, its sizes, nor
//! that a file is a file. What is wrong with one entry stops nothing.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::copier::{Copier, Ends, Fail};
use super::pool::{Done, Job, Pool};
use super::put::Pending;
use super::target::Target;
use super::{Options, Outcome};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::order::{Ordered, Step};
use crate::catalog::place::{OnVolume, Placed};
use crate::catalog::restore::Wanted;
use crate::engine::drive::join;
use crate::error::{Code, Error, FileError, FileFault, IoContext, Result};
use crate::format::item::{Item, check_path};
use crate::meta::Kind;
use crate::progress::Progress;
use crate::sys;

/// Failures of the destination one after the other, for lack of room or because it fails, that end the run.
const MOST_FAILURES: u32 = 16;

/// How long to wait for a copier before looking whether anything else is due.
const WAIT: Duration = Duration::from_millis(100);

/// A drive that is there.
#[derive(Debug, Clone)]
pub struct From<'p> {
    /// Where it is mounted.
    pub path: &'p [u8],
    /// The mount that was looked at; `None` skips the check.
    pub mount_id: Option<u64>,
    /// Its number in the set.
    pub volume: u32,
}

/// What is in hand while one drive is read.
pub(super) struct Restorer<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) target: &'a mut Target,
    pub(super) options: &'a Options,
    pub(super) ends: &'a Ends<'a>,
    pub(super) volume: u32,
    pub(super) outcome: Outcome,
    /// Those that copy on threads of their own.
    pool: Pool,
    /// Copies what must not wait for them.
    pub(super) copier: Copier<'a>,
    pub(super) pending: Vec<Pending>,
    /// Bytes of content, and of names, in `pending`.
    pub(super) pending_bytes: u64,
    pub(super) pending_names: usize,
    pub(super) pending_since: Instant,
    mount: u64,
    /// The directories of the drive that the entry in hand lies in.
    pub(super) above: Vec<Item>,
    failures: u32,
}

/// Brings back what is wanted and best had of this drive. Whatever the answer is, what was put into place is
/// whole; when it is `Ok`, all of it is durable, too.
///
/// # Errors
/// `Code::DriveChanged` for another mount than was looked at; `Code::DriveFailed` where the drive has gone, or
/// a flush of the destination failed; `Code::Io` where the destination takes nothing any more; what SQLite
/// answers. That an end was asked for is no error: the answer says so.
pub fn restore_drive(
    from: &From<'_>,
    target: &mut Target,
    catalog: &Catalog,
    options: &Options,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Outcome> {
    let root = sys::open_root(from.path)?;
    let mount = sys::mount_id(root.as_fd()).at("looking at", from.path)?;
    if from.mount_id.is_some_and(|id| id != mount) {
        let message = "another file system is mounted there than a moment ago";
        return Err(Error::new(Code::DriveChanged, "reading", message).with_path(from.path));
    }
    target.begin_drive();
    let ends = Ends::new(from.path, root, target, options, cancel, progress);
    std::thread::scope(|scope| {
        let (pool, threads) = Pool::start(scope, &ends, options.copiers)?;
        let mut restorer = Restorer {
            catalog,
            target,
            options,
            ends: &ends,
            volume: from.volume,
            outcome: Outcome::default(),
            pool,
            copier: Copier::new(&ends),
            pending: Vec::new(),
            pending_bytes: 0,
            pending_names: 0,
            pending_since: Instant::now(),
            mount,
            above: Vec::new(),
            failures: 0,
        };
        let result = restorer.run();
        let mut outcome = restorer.outcome;
        outcome.lose(&restorer.copier.lost);
        for thread in threads {
            match thread.join() {
                Ok(lost) => outcome.lose(&lost),
                Err(_) => {
                    let message = "a copier panicked";
                    return Err(Error::new(Code::Internal, "restoring", message));
                }
            }
        }
        result.map(|()| outcome)
    })
}

impl<'a> Restorer<'a> {
    /// All of it; the copiers have ended when it answers.
    fn run(&mut self) -> Result<()> {
        // Notes are many and small; of their own each would be a transaction.
        self.catalog.begin()?;
        let all = match self.all() {
            Err(e) if e.code == Code::Cancelled => {
                self.outcome.stopped = true;
                Ok(())
            }
            other => other,
        };
        let rest = self.collect();
        let result = match all.and(rest) {
            // What was renamed since the flush before it is durable from here on.
            Ok(()) => self.commit().and_then(|()| self.target.flush()),
            Err(e) => {
                // What is whole need not be read again; the first error is the one to tell.
                if e.code != Code::DriveFailed || e.doing != "flushing" {
                    let _ = self.commit();
                }
                Err(e)
            }
        };
        let noted = self.catalog.commit();
        result.and(noted)
    }

    fn all(&mut self) -> Result<()> {
        let catalog: &'a Catalog = self.catalog;
        let mut entries = Ordered::new(OnVolume {
            catalog,
            volume: self.volume,
        })?;
        while let Some(step) = entries.step()? {
            self.ends.cancel.check()?;
            match step {
                Step::Leave => {
                    self.above.pop();
                }
                Step::Entry(mut placed) => {
                    placed.item.path = entries.path().to_vec();
                    let key = entries.key();
                    let wanted = self.catalog.restore_wanted(self.volume, key)?;
                    let is_dir = placed.item.kind == Kind::Dir;
                    let above = (is_dir && placed.child != 0).then(|| placed.item.clone());
                    if let Some(wanted) = wanted {
                        self.entry(placed, key, wanted)?;
                    }
                    self.above.extend(above);
                    while let Some(done) = self.pool.ready() {
                        self.take(done)?;
                    }
                    self.commit_if_due()?;
                }
            }
        }
        self.wait_for_all()
    }

    fn entry(&mut self, placed: Placed, key: &[u8], wanted: Wanted) -> Result<()> {
        if placed.item.kind == Kind::Dir {
            return self.directory(&placed.item, &wanted);
        }
        if wanted.settled || !wanted.best {
            return Ok(());
        }
        let on_drive = self.ends.on_drive(placed.item.on_drive());
        let (path, id) = (wanted.path.clone(), wanted.id);
        self.ends.progress.set_current(&path);
        match self.begin(placed, key, wanted)? {
            Ok(None) => self.well(),
            // The next of its names is linked to it.
            Ok(Some(job)) if job.group.tells_others(&job.placed.item) => {
                let made = self.copier.file(&job);
                self.take((job, made))
            }
            Ok(Some(job)) => {
                while self.pool.is_full() {
                    self.wait()?;
                }
                self.pool.submit(job)
            }
            Err(fail) => self.ill(fail, key, &on_drive, id, &path),
        }
    }

    /// Begins with an entry; the outer error ends the run.
    fn begin(
        &mut self,
        placed: Placed,
        key: &[u8],
        wanted: Wanted,
    ) -> Result<Result<Option<Box<Job>>, Fail>> {
        let group = match self.name_of(&placed) {
            Ok(group) => group,
            Err(fail) => return Ok(Err(fail)),
        };
        // The file that it is another name of may be with the copiers.
        if group.tells_others(&placed.item) {
            self.wait_for_all()?;
        }
        // The catalog is a private copy of what drives and hosts have said: its paths are data, too.
        let item = &placed.item;
        let checked = check_path(&wanted.path)
            .and_then(|()| check_path(&item.path))
            .and_then(|()| check_path(item.on_drive()));
        if let Err(e) = checked {
            return Ok(Err(Fail::Target(e)));
        }
        Ok(match &wanted.whole {
            None => self.make(placed, key, wanted, group),
            Some(path) => self.part(&placed, &wanted, path).map(|()| None),
        })
    }

    /// An entry is done, or ready to get its name.
    fn well(&mut self) -> Result<()> {
        self.failures = 0;
        Progress::add(&self.ends.progress.entries, 1);
        Ok(())
    }

    /// An entry failed: `on_drive` is where it was read, `path` what it was to be.
    fn ill(&mut self, fail: Fail, key: &[u8], on_drive: &[u8], id: i64, path: &[u8]) -> Result<()> {
        match fail {
            Fail::Cancelled => Err(Error::cancelled()),
            Fail::Copy(e) | Fail::Kept(e) => {
                self.check_drive(&e)?;
                self.outcome.bad += 1;
                self.catalog.restore_strike(self.volume, key)?;
                let told = FileError::from_error(FileFault::Failed, on_drive, &e);
                self.ends.progress.fail(told);
                Ok(())
            }
            Fail::Target(e) => {
                self.outcome.failed += 1;
                self.catalog.restore_settle(id, None)?;
                self.tell(path, &e);
                self.check_target(e)
            }
        }
    }

    /// Takes what a copier has made.
    fn take(&mut self, (job, made): Done) -> Result<()> {
        let on_drive = self.ends.on_drive(job.placed.item.on_drive());
        let (key, path, id) = (&job.key, &job.wanted.path, job.wanted.id);
        let made = match made {
            Ok(linked) => self.made(&job, linked),
            Err(Fail::Kept(e)) => match self.keep_corrupt(&job.temp, path) {
                Ok(()) => Err(Fail::Kept(e)),
                Err(fail) => Err(fail),
            },
            Err(fail) => Err(fail),
        };
        match made {
            Ok(()) => self.well(),
            Err(fail) => self.ill(fail, key, &on_drive, id, path),
        }
    }

    fn made(&mut self, job: &Job, linked: bool) -> Result<(), Fail> {
        self.note_group(&job.group, &job.placed, &job.dest, Some(&job.temp), linked)?;
        self.pend(job)
    }

    /// Waits for one of the files that the copiers have, and no longer than other work can.
    fn wait(&mut self) -> Result<()> {
        if let Some(done) = self.pool.next(WAIT)? {
            self.take(done)?;
        }
        self.commit_if_due()
    }

    fn wait_for_all(&mut self) -> Result<()> {
        while self.pool.in_flight() > 0 {
            self.wait()?;
        }
        Ok(())
    }

    /// Ends the copiers; what they have made whole is to get its name.
    fn collect(&mut self) -> Result<()> {
        self.ends.ended.store(true, Ordering::Relaxed);
        for (job, made) in self.pool.end() {
            if let Ok(linked) = made {
                self.made(&job, linked).map_err(Fail::into_error)?;
            }
        }
        Ok(())
    }

    pub(super) fn tell(&self, dest: &[u8], e: &Error) {
        let path = join(&self.target.path, dest);
        let in_the_way = e.code == Code::Collision;
        let fault = match in_the_way {
            true => FileFault::ForeignInTheWay,
            false => FileFault::Failed,
        };
        let mut told = FileError::from_error(fault, &path, e);
        if in_the_way {
            // The words say it better.
            told.errno = None;
        }
        self.ends.progress.fail(told);
    }

    /// Ends the run where the destination takes nothing any more.
    pub(super) fn check_target(&mut self, e: Error) -> Result<()> {
        let hopeless = [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::IO]
            .into_iter()
            .any(|errno| e.is_errno(errno));
        self.failures = if hopeless { self.failures + 1 } else { 0 };
        match self.failures {
            MOST_FAILURES.. => Err(e.with_path(&self.target.path)),
            _ => Ok(()),
        }
    }

    /// After a file could not be read: is the drive still there?
    fn check_drive(&self, e: &Error) -> Result<()> {
        let there = sys::open_root(self.ends.drive)
            .ok()
            .and_then(|root| sys::mount_id(root.as_fd()).ok());
        if there == Some(self.mount) {
            return Ok(());
        }
        let message = "the drive is not there any more";
        let mut gone = Error::new(Code::DriveFailed, "reading", message).with_path(self.ends.drive);
        gone.errno = e.errno;
        Err(gone)
    }
}
