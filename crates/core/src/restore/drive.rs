//! One drive of a restore: what is wanted of it, in path order, each entry made and put into place.
//!
//! The catalog has what the drive's manifest says (the caller has read it anew: [`crate::engine::learn`]), so
//! owners, modes and times come from there and not from a file system that may not keep them. The drive is
//! only read, beneath the descriptor of its root, and nothing on it is trusted: not its names, its sizes, nor
//! that a file is a file. What is wrong with one entry stops nothing.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::io::Errno;

use super::existing::{Way, in_the_way};
use super::put::Pending;
use super::target::Target;
use super::{Options, Outcome};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::order::{Ordered, Step};
use crate::catalog::place::{OnVolume, Placed};
use crate::catalog::restore::{DirMeta, Wanted};
use crate::engine::drive::{join, split};
use crate::engine::hash::HashThread;
use crate::error::{Code, Error, FileError, FileFault, IoContext, Result};
use crate::format::item::{Algorithm, Item, check_path};
use crate::meta::Kind;
use crate::progress::Progress;
use crate::sys::{self, On};

/// Failures of the destination one after the other, for lack of room or because it fails, that end the run.
const MOST_FAILURES: u32 = 16;

/// Why an entry was not brought back.
#[derive(Debug)]
pub(super) enum Fail {
    /// This copy is no good; another one may be.
    Copy(Error),
    /// It could not be made in the destination.
    Target(Error),
    /// An end was asked for.
    Cancelled,
}

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
    pub(super) cancel: &'a CancelToken,
    pub(super) progress: &'a Progress,
    pub(super) volume: u32,
    pub(super) outcome: Outcome,
    pub(super) pending: Vec<Pending>,
    /// Bytes of content, and of names, in `pending`.
    pub(super) pending_bytes: u64,
    pub(super) pending_names: usize,
    pub(super) pending_since: Instant,
    pub(super) hasher: Option<(Option<Algorithm>, HashThread)>,
    pub(super) buffer: Vec<u8>,
    pub(super) euid: u32,
    pub(super) egid: u32,
    path: &'a [u8],
    root: OwnedFd,
    mount: u64,
    /// The directory of the drive that was opened last.
    dir: Option<(Vec<u8>, OwnedFd)>,
    /// The directories of the drive that the entry in hand lies in.
    above: Vec<Item>,
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
    let mut restorer = Restorer {
        catalog,
        target,
        options,
        cancel,
        progress,
        volume: from.volume,
        outcome: Outcome::default(),
        pending: Vec::new(),
        pending_bytes: 0,
        pending_names: 0,
        pending_since: Instant::now(),
        hasher: None,
        buffer: Vec::new(),
        euid: rustix::process::geteuid().as_raw(),
        egid: rustix::process::getegid().as_raw(),
        path: from.path,
        root,
        mount,
        dir: None,
        above: Vec::new(),
        failures: 0,
    };
    let all = match restorer.all() {
        Err(e) if e.code == Code::Cancelled => {
            restorer.outcome.stopped = true;
            Ok(())
        }
        other => other,
    };
    match all {
        Ok(()) => {
            restorer.commit()?;
            // What was renamed since the flush before it is durable from here on.
            restorer.target.flush()?;
            Ok(restorer.outcome)
        }
        Err(e) => {
            // What is whole need not be read again; the first error is the one to tell.
            if e.code != Code::DriveFailed || e.doing != "flushing" {
                let _ = restorer.commit();
            }
            Err(e)
        }
    }
}

impl<'a> Restorer<'a> {
    fn all(&mut self) -> Result<()> {
        let catalog: &'a Catalog = self.catalog;
        let mut entries = Ordered::new(OnVolume {
            catalog,
            volume: self.volume,
        })?;
        while let Some(step) = entries.step()? {
            self.cancel.check()?;
            match step {
                Step::Leave => {
                    self.above.pop();
                }
                Step::Entry(mut placed) => {
                    placed.item.path = entries.path().to_vec();
                    let wanted = self.catalog.restore_wanted(self.volume, entries.key())?;
                    let is_dir = placed.item.kind == Kind::Dir;
                    if let Some(wanted) = wanted {
                        self.entry(&placed, entries.key(), &wanted)?;
                    }
                    if is_dir && placed.child != 0 {
                        self.above.push(placed.item);
                    }
                    self.commit_if_due()?;
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, placed: &Placed, key: &[u8], wanted: &Wanted) -> Result<()> {
        let item = &placed.item;
        if item.kind == Kind::Dir {
            return self.directory(item, wanted);
        }
        if wanted.settled || !wanted.best {
            return Ok(());
        }
        self.progress.set_current(&wanted.path);
        // The catalog is a private copy of what drives and hosts have said: its paths are data, too.
        let made = check_path(&wanted.path)
            .and_then(|()| check_path(&item.path))
            .and_then(|()| check_path(item.on_drive()))
            .map_err(Fail::Target)
            .and_then(|()| match &wanted.whole {
                None => self.make(placed, wanted),
                Some(path) => self.part(placed, wanted, path),
            });
        match made {
            Ok(()) => {
                self.failures = 0;
                Progress::add(&self.progress.entries, 1);
                Ok(())
            }
            Err(Fail::Cancelled) => Err(Error::cancelled()),
            Err(Fail::Copy(e)) => {
                self.check_drive(&e)?;
                self.outcome.bad += 1;
                self.catalog.restore_strike(self.volume, key)?;
                let path = join(self.path, item.on_drive());
                self.progress
                    .fail(FileError::from_error(FileFault::Failed, &path, &e));
                Ok(())
            }
            Err(Fail::Target(e)) => {
                self.outcome.failed += 1;
                self.catalog.restore_settle(wanted.id, None)?;
                self.tell(&wanted.path, &e);
                self.check_target(e)
            }
        }
    }

    /// What is not brought back, because of what stands there, is done with as well.
    fn pass_over(&self, item: &Item) {
        if item.kind == Kind::File {
            Progress::add(&self.progress.files, 1);
            Progress::add(&self.progress.bytes, item.size);
        }
    }

    /// Makes one entry and leaves it to be put into place.
    fn make(&mut self, placed: &Placed, wanted: &Wanted) -> Result<(), Fail> {
        let item = &placed.item;
        let (parent, name) = split(&wanted.path);
        let dir = self.parent(parent)?;
        let way = self.way(dir.as_fd(), name, item, wanted.delivered)?;
        let (name, replace, beside) = match way {
            Way::Make {
                name,
                replace,
                beside,
            } => (name, replace, beside),
            Way::Equal => {
                self.outcome.equal += 1;
                self.pass_over(item);
                let group = self.name_of(placed)?;
                self.note_group(&group, placed, &wanted.path, None, true)?;
                self.note_flags(item, &wanted.path).map_err(Fail::Target)?;
                return self.settle(wanted, Some(item.mtime));
            }
            Way::Newer => {
                self.outcome.newer += 1;
                self.pass_over(item);
                return self.settle(wanted, None);
            }
            Way::Blocked(why) => {
                self.outcome.kept += 1;
                self.pass_over(item);
                self.tell(&wanted.path, &in_the_way(&wanted.path, why));
                return self.settle(wanted, None);
            }
        };
        let dest = join(parent, &name);
        let temp = match item.kind {
            Kind::File => self.linked_or_copied(placed, &wanted.path, &dest)?,
            Kind::Symlink => self.symlink(item)?,
            _ => match self.node(item)? {
                Some(temp) => temp,
                None => {
                    self.outcome.not_made += 1;
                    return self.settle(wanted, None);
                }
            },
        };
        self.note_flags(item, &dest).map_err(Fail::Target)?;
        if item.kind == Kind::File {
            self.pending_bytes = self.pending_bytes.saturating_add(item.size);
        }
        self.pending_names += dest.len() + wanted.path.len();
        self.pending.push(Pending {
            id: wanted.id,
            temp,
            dest,
            replace,
            beside,
            kind: item.kind,
            size: item.size,
            mtime: item.mtime,
            corrupt: false,
            part_of: None,
        });
        Ok(())
    }

    /// Notes the flags that an entry is to get when all is done.
    pub(super) fn note_flags(&self, item: &Item, dest: &[u8]) -> Result<()> {
        match item.extra.as_ref().map_or(0, |extra| extra.flags) {
            flags if flags != 0 && matches!(item.kind, Kind::File | Kind::Dir) => {
                self.catalog.restore_note_flags(dest, flags)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn settle(
        &self,
        wanted: &Wanted,
        delivered: Option<crate::meta::Time>,
    ) -> Result<(), Fail> {
        self.catalog
            .restore_settle(wanted.id, delivered)
            .map_err(Fail::Target)
    }

    /// The directory of the destination that an entry goes into.
    pub(super) fn parent(&mut self, parent: &[u8]) -> Result<std::sync::Arc<OwnedFd>, Fail> {
        self.parent_or(parent, None)
    }

    /// As [`Restorer::parent`]; `itself`: the record of that directory, where it is wanted.
    fn parent_or(
        &mut self,
        parent: &[u8],
        itself: Option<&Item>,
    ) -> Result<std::sync::Arc<OwnedFd>, Fail> {
        if let Some(fd) = self.target.open_dir(parent).map_err(Fail::Target)? {
            return Ok(fd);
        }
        // Those that are made on the way get their owners, modes and times like those that are asked for.
        let mut made: Vec<Vec<u8>> = Vec::new();
        let root = self.root.as_fd();
        let above = &self.above;
        let mut lost = 0;
        let fd = self
            .target
            .make_dirs(parent, self.catalog, &mut |rel, fd| {
                made.push(rel.to_vec());
                let known = above.iter().chain(itself).find(|item| item.path == rel);
                let there = known.map_or(rel, Item::on_drive);
                // Those that the manifest has are set at the end, with the mode.
                let told = known.is_some_and(|item| item.extra.is_some());
                lost += u64::from(!told && !copy_dir_attributes(root, there, fd));
            })
            .map_err(Fail::Target)?;
        self.outcome.attributes_lost += lost;
        for rel in made {
            let meta = self
                .above
                .iter()
                .find(|item| item.path == rel)
                .map(dir_meta);
            self.catalog
                .restore_note_dir(&rel, meta.as_ref())
                .map_err(Fail::Target)?;
        }
        Ok(fd)
    }

    /// A directory that is wanted: made, or found, and noted for the end.
    fn directory(&mut self, item: &Item, wanted: &Wanted) -> Result<()> {
        let mut there = false;
        let made = check_path(&wanted.path)
            .and_then(|()| self.target.open_dir(&wanted.path))
            .map_err(Fail::Target)
            .and_then(|found| {
                there = found.is_some();
                self.parent_or(&wanted.path, Some(item))
            });
        match made {
            Ok(_) => {
                if wanted.leaf && !wanted.settled {
                    let count = match there {
                        true => &mut self.outcome.equal,
                        false => &mut self.outcome.others,
                    };
                    *count += 1;
                }
                self.catalog
                    .restore_note_dir(&wanted.path, Some(&dir_meta(item)))?;
                self.note_flags(item, &wanted.path)?;
                self.catalog.restore_settle(wanted.id, None)
            }
            Err(Fail::Cancelled) => Err(Error::cancelled()),
            Err(Fail::Copy(e) | Fail::Target(e)) => {
                // Told once: what is in it fails for the same reason and is told then.
                if !wanted.settled {
                    self.outcome.failed += 1;
                    self.tell(&wanted.path, &e);
                    self.catalog.restore_settle(wanted.id, None)?;
                }
                self.check_target(e)
            }
        }
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
        self.progress.fail(told);
    }

    /// Ends the run where the destination takes nothing any more.
    fn check_target(&mut self, e: Error) -> Result<()> {
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
        let there = sys::open_root(self.path)
            .ok()
            .and_then(|root| sys::mount_id(root.as_fd()).ok());
        if there == Some(self.mount) {
            return Ok(());
        }
        let message = "the drive is not there any more";
        let mut gone = Error::new(Code::DriveFailed, "reading", message).with_path(self.path);
        gone.errno = e.errno;
        Err(gone)
    }

    /// The directory of the drive that holds an entry, and the entry's name in it.
    pub(super) fn source<'p>(
        &mut self,
        path: &'p [u8],
    ) -> Result<(BorrowedFd<'_>, &'p [u8]), Fail> {
        let (parent, name) = split(path);
        if self.dir.as_ref().is_none_or(|(path, _)| path != parent) {
            let fd = sys::open_dir_beneath(self.root.as_fd(), parent, true)
                .at("opening the directory of", &join(self.path, path))
                .map_err(Fail::Copy)?;
            self.dir = Some((parent.to_vec(), fd));
        }
        match &self.dir {
            Some((_, fd)) => Ok((fd.as_fd(), name)),
            None => Err(Fail::Cancelled),
        }
    }

    /// A path on the drive in full, for messages.
    pub(super) fn on_drive(&self, path: &[u8]) -> Vec<u8> {
        join(self.path, path)
    }
}

fn dir_meta(item: &Item) -> DirMeta {
    DirMeta {
        mode: item.mode,
        uid: item.uid,
        gid: item.gid,
        mtime: item.mtime,
        extra: item.extra.clone(),
    }
}

/// Gives a new directory the attributes and ACLs of the drive's; whether all were kept. One that the drive has
/// under another name, or not at all, has none to give.
fn copy_dir_attributes(root: BorrowedFd<'_>, rel: &[u8], to: BorrowedFd<'_>) -> bool {
    match sys::open_dir_beneath(root, rel, true) {
        Ok(from) => {
            let (xattrs, unread) = sys::read_xattrs(On::Open(from.as_fd()));
            unread.is_none() && sys::write_xattrs(On::Open(to), &xattrs, true).is_none()
        }
        Err(_) => true,
    }
}
