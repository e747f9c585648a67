//! Copying one entry of a source into the drive's `tmp/`: content, digest, holes, owner, mode, times.
//!
//! Nothing here gives a file its final name. A copy that fails leaves no temp file behind. The source is
//! looked at again after the copy: what changed meanwhile is copied once more, then given up as changing.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use rustix::io::Errno;

use super::content::SMALL;
use super::drive::{join, split};
use super::hash::HashThread;
pub use super::loss::Loss;
use super::names::Rules;
use super::work::{Fail, How, Made, SourceRoot, Work, item};
use crate::cancel::CancelToken;
use crate::error::{Error, FileError, FileFault, IoContext};
use crate::format::extra::Extra;
use crate::format::item::{Algorithm, Digest, Item};
use crate::format::part::Part;
use crate::meta::{Kind, Meta};
use crate::progress::Progress;
use crate::sys::{self, Lost, On};

/// Copies entries, one after another, on one thread.
pub struct Copier<'a> {
    pub(super) drive_root: Arc<OwnedFd>,
    pub(super) drive_path: Vec<u8>,
    pub(super) drive_device: u64,
    /// Whether the drive keeps fifos, sockets and devices.
    pub(super) nodes: bool,
    /// Which names it does not take.
    pub(super) rules: Rules,
    pub(super) cancel: &'a CancelToken,
    pub(super) progress: &'a Progress,
    pub(super) digest: Option<Algorithm>,
    pub(super) buffer: Vec<u8>,
    pub(super) hasher: Option<HashThread>,
    /// Held while a larger file is copied, where only one of them may be at a time.
    pub(super) large_turn: Option<Arc<Mutex<()>>>,
    /// The source directory in hand: entries come in path order.
    pub(super) dir: Option<(Arc<SourceRoot>, Vec<u8>, OwnedFd)>,
    pub(super) euid: u32,
    pub(super) egid: u32,
    /// What could not be kept, by kind, with how often.
    pub losses: HashMap<&'static str, u64>,
}

impl<'a> Copier<'a> {
    /// A copier onto one drive.
    pub fn new(
        drive: &super::drive::Shared,
        digest: Option<Algorithm>,
        cancel: &'a CancelToken,
        progress: &'a Progress,
    ) -> Self {
        Copier {
            drive_root: Arc::clone(&drive.root),
            drive_path: drive.path.clone(),
            drive_device: drive.device,
            nodes: drive.nodes,
            rules: drive.rules,
            cancel,
            progress,
            digest,
            buffer: vec![0; SMALL as usize + 1],
            hasher: None,
            large_turn: None,
            dir: None,
            euid: rustix::process::geteuid().as_raw(),
            egid: rustix::process::getegid().as_raw(),
            losses: HashMap::new(),
        }
    }

    /// Makes one entry ready; never panics, never leaves a temp file behind when it fails.
    pub fn make(&mut self, work: &Work) -> Made {
        if self.cancel.is_stopped() {
            return Made::Cancelled;
        }
        let absolute = || work.source.absolute(work.origin());
        for last in [false, true] {
            let fail = match self.attempt(work) {
                Ok(made) => return made,
                Err(fail) => fail,
            };
            let _ = sys::unlink(work.temp.fd.as_fd(), &work.temp_name(), false);
            match fail {
                Fail::Cancelled => return Made::Cancelled,
                Fail::Otherwise => return Made::Otherwise,
                Fail::Changed if !last => {}
                Fail::Changed => {
                    let message = match &work.range {
                        None => "it kept changing while it was read",
                        Some(_) => {
                            "it has changed since its first part was read: the next run copies it anew"
                        }
                    };
                    return Made::Failed(FileError {
                        fault: FileFault::Changing,
                        path: absolute(),
                        doing: "copying",
                        errno: None,
                        message: message.into(),
                    });
                }
                Fail::Source(e) => {
                    let gone = e.is_errno(Errno::NOENT) || e.is_errno(Errno::NOTDIR);
                    let fault = if gone {
                        FileFault::Vanished
                    } else {
                        FileFault::Failed
                    };
                    return Made::Failed(FileError::from_error(fault, &absolute(), &e));
                }
                Fail::Target(e) => {
                    let path = join(&self.drive_path, work.on_drive());
                    return match target_fault(&e) {
                        None => Made::DriveFailed(e.with_path(&path)),
                        Some(fault) => Made::Failed(FileError::from_error(fault, &path, &e)),
                    };
                }
            }
        }
        Made::Cancelled
    }

    fn attempt(&mut self, work: &Work) -> std::result::Result<Made, Fail> {
        if let How::Link(to) = &work.how {
            match self.link(work, to)? {
                Some(made) => return Ok(made),
                // A repair has to say itself where content comes from.
                None if work.expected.is_some() => return Err(Fail::Otherwise),
                None => {}
            }
        }
        match (&work.expected, work.meta.kind) {
            (Some(item), kind) if kind != Kind::File => return self.as_recorded(work, item),
            _ => {}
        }
        match work.meta.kind {
            Kind::File => self.file(work),
            Kind::Dir => {
                let (dir, name) = self.source_dir(work)?;
                // A source that is empty and lies under its name is an entry itself.
                let meta = if name.is_empty() {
                    sys::stat_fd(dir)
                } else {
                    sys::stat_at(dir, name)
                }
                .at("looking at", &work.path)
                .map_err(Fail::Source)?;
                if meta.kind != Kind::Dir {
                    return Err(Fail::Changed);
                }
                Ok(Made::Directory(Box::new(item(work, &meta)), meta))
            }
            Kind::Symlink => self.symlink(work),
            _ => self.node(work),
        }
    }

    /// The open source directory of an entry, and its name there.
    pub(super) fn source_dir<'w>(
        &mut self,
        work: &'w Work,
    ) -> std::result::Result<(BorrowedFd<'_>, &'w [u8]), Fail> {
        let (dir, name) = split(work.source.below(work.origin()));
        let same = self
            .dir
            .as_ref()
            .is_some_and(|(source, path, _)| Arc::ptr_eq(source, &work.source) && path == dir);
        if !same {
            self.dir = None;
            let fd = sys::open_dir_beneath(work.source.fd.as_fd(), dir, false)
                .at("opening the directory of", &work.path)
                .map_err(Fail::Source)?;
            self.dir = Some((Arc::clone(&work.source), dir.to_vec(), fd));
        }
        match &self.dir {
            Some((_, _, fd)) => Ok((fd.as_fd(), name)),
            None => Err(Fail::Changed),
        }
    }

    fn file(&mut self, work: &Work) -> std::result::Result<Made, Fail> {
        let (dir, name) = self.source_dir(work)?;
        let from = sys::open_for_reading(dir, name)
            .at("opening", &work.path)
            .map_err(|e| {
                // A symlink or socket took the place of the file: it is another entry now.
                if e.is_errno(Errno::LOOP) || e.is_errno(Errno::NXIO) {
                    Fail::Changed
                } else {
                    Fail::Source(e)
                }
            })?;
        let before = sys::stat_fd(from.as_fd())
            .at("looking at", &work.path)
            .map_err(Fail::Source)?;
        if before.kind != Kind::File {
            return Err(Fail::Changed);
        }
        if let Some(item) = &work.expected
            && before.size != work.range.as_ref().map_or(item.size, |r| r.part.size)
        {
            return Err(Fail::Otherwise);
        }
        let temp_name = work.temp_name();
        let to = sys::create_new(work.temp.fd.as_fd(), &temp_name)
            .at("creating", &work.path)
            .map_err(Fail::Target)?;
        let mut whole = None;
        let (written, digest) = match &work.range {
            None => self.content(work, &from, &to, &before)?,
            Some(range) => {
                self.check_version(work, range, from.as_fd())?;
                let copied = self.range(work, range, &from, &to, &before, &mut whole)?;
                self.check_version(work, range, from.as_fd())?;
                copied
            }
        };
        let after = sys::stat_fd(from.as_fd())
            .at("looking at", &work.path)
            .map_err(Fail::Source)?;
        // Files such as those of /proc say 0 and hold more; they count as unchanged when they still do.
        let all = written == after.size
            || work.range.is_some()
            || (before.size == 0 && before.allocated == 0);
        if after.size != before.size || after.mtime != before.mtime || !all {
            return Err(Fail::Changed);
        }
        let after = match &work.range {
            None => after,
            // What is recorded, and compared later, is the part.
            Some(_) => Meta {
                size: written,
                ..after
            },
        };
        let after = match &work.expected {
            None => after,
            Some(item) if is_expected(item, &after, digest.as_ref()) => Meta {
                mode: item.mode,
                uid: item.uid,
                gid: item.gid,
                mtime: item.mtime,
                ..after
            },
            Some(_) => return Err(Fail::Otherwise),
        };
        let mut fresh = Meta {
            uid: self.euid,
            gid: self.egid,
            mode: 0o600,
            ..after
        };
        // The owner first: giving a file away drops its capabilities, which are an attribute. The mode last:
        // it may forbid writing attributes.
        if (fresh.uid, fresh.gid) != (after.uid, after.gid) {
            let uid = rustix::fs::Uid::from_raw(after.uid);
            let gid = rustix::fs::Gid::from_raw(after.gid);
            if rustix::fs::fchown(&to, Some(uid), Some(gid)).is_ok() {
                (fresh.uid, fresh.gid) = (after.uid, after.gid);
            }
        }
        let (xattrs, unread) = match work.expected.as_ref().and_then(|i| i.extra.as_ref()) {
            Some(extra) => (extra.xattrs.clone(), Lost::default()),
            None => sys::read_xattrs(On::Open(from.as_fd())),
        };
        let lost = sys::write_xattrs(On::Open(to.as_fd()), &xattrs, true);
        let owned = sys::set_metadata(to.as_fd(), Some(&fresh), &after)
            .at("setting owner, mode and times of", &work.path)
            .map_err(Fail::Target)?;
        if !owned {
            *self.losses.entry(Loss::OWNERS).or_default() += 1;
        }
        sys::close(to)
            .at("closing", &work.path)
            .map_err(Fail::Target)?;
        let mut made = item(work, &after);
        made.size = written;
        made.digest = digest;
        made.extra = Extra::of(xattrs, after.flags);
        self.note_lost(unread, lost, made.extra.is_some());
        made.part = work.range.as_ref().map(|range| Part {
            digest: whole.or(range.part.digest),
            ..range.part
        });
        if let Some(item) = &work.expected {
            // By its record it may belong to a group of names.
            made.link = item.link.clone();
            made.same_file = item.same_file;
            if item.extra.is_some() {
                made.extra = item.extra.clone();
            }
        }
        Ok(Made::Ready(Box::new(made), after))
    }
}

impl Copier<'_> {
    /// Counts what attributes could not be read, or not be set; `recorded`: the manifest has those that were read.
    pub(super) fn note_lost(&mut self, unread: Lost, unset: Lost, recorded: bool) {
        let mut note = |what| *self.losses.entry(what).or_default() += 1;
        if !unread.is_none() {
            note(Loss::UNREAD);
        }
        match recorded {
            _ if unset.is_none() => {}
            false => note(Loss::TOO_MUCH),
            true => {
                if unset.acls {
                    note(Loss::ACLS);
                }
                if unset.others {
                    note(Loss::ATTRIBUTES);
                }
            }
        }
    }
}

/// Whether a file that was read is what a record says: by the digest, where there is one by this algorithm, else
/// by its time.
fn is_expected(item: &Item, found: &Meta, digest: Option<&Digest>) -> bool {
    match (&item.digest, digest) {
        (Some(want), Some(read)) if want.algorithm == read.algorithm => want == read,
        _ => found.mtime == item.mtime,
    }
}

/// Whether the failure of a call on the drive is about one file, and how; `None`: the drive itself fails.
pub fn target_fault(e: &Error) -> Option<FileFault> {
    let errno = e.errno.map(Errno::from_raw_os_error);
    match errno {
        Some(Errno::NOSPC | Errno::DQUOT) => Some(FileFault::NoRoom),
        Some(
            Errno::IO
            | Errno::ROFS
            | Errno::NXIO
            | Errno::NODEV
            | Errno::SHUTDOWN
            | Errno::NOTCONN
            | Errno::STALE
            | Errno::NOTBLK,
        ) => None,
        Some(errno) if sys::is_broken_device(errno) => None,
        Some(Errno::EXIST) => Some(FileFault::ForeignInTheWay),
        _ => Some(FileFault::Failed),
    }
}
