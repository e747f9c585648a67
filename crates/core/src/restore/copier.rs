//! One who reads files of the drive and writes temp files of them; several work at once, each on a thread of its own.
//!
//! A copier asks no table and gives nothing a name: it is told what to bring ([`super::pool::Job`]) and answers how
//! it went. The drive is only read, beneath the descriptor of its root, and nothing on it is trusted.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use rustix::fs::{Gid, Uid};

use super::target::Target;
use super::{Options, Outcome};
use crate::cancel::CancelToken;
use crate::engine::drive::{join, split};
use crate::engine::hash::HashThread;
use crate::engine::origin::meta_of;
use crate::error::{Code, Error, IoContext, Result};
use crate::format::item::{Algorithm, Item};
use crate::meta::{Kind, Meta};
use crate::progress::Progress;
use crate::sys::{self, Lost, On};

/// Why an entry was not brought back.
#[derive(Debug)]
pub(super) enum Fail {
    /// This copy is no good; another one may be.
    Copy(Error),
    /// As that; what there is of it was to be kept, and is in the temp file.
    Kept(Error),
    /// It could not be made in the destination.
    Target(Error),
    /// An end was asked for.
    Cancelled,
}

impl Fail {
    pub fn into_error(self) -> Error {
        match self {
            Fail::Copy(e) | Fail::Kept(e) | Fail::Target(e) => e,
            Fail::Cancelled => Error::cancelled(),
        }
    }
}

/// The two ends of a restore from one drive, as all copiers share them.
pub(super) struct Ends<'a> {
    /// Where the drive is mounted.
    pub drive: &'a [u8],
    pub root: OwnedFd,
    /// Whether the drive's file system tells where holes are.
    pub tells_holes: bool,
    /// Where the destination is.
    pub target: Vec<u8>,
    /// What is bad of a copy stays in its temp file.
    pub keep_bad: bool,
    /// Held while a larger file is read, where only one of them may be at a time.
    pub large_turn: Option<Mutex<()>>,
    /// Nobody waits for what has not been begun.
    pub ended: AtomicBool,
    pub euid: u32,
    pub egid: u32,
    pub cancel: &'a CancelToken,
    pub progress: &'a Progress,
}

impl<'a> Ends<'a> {
    pub fn new(
        drive: &'a [u8],
        root: OwnedFd,
        target: &Target,
        options: &Options,
        cancel: &'a CancelToken,
        progress: &'a Progress,
    ) -> Self {
        Ends {
            drive,
            tells_holes: sys::file_system_kind(root.as_fd()).trusts_holes(),
            root,
            target: target.path.clone(),
            keep_bad: options.keep_bad,
            large_turn: options.one_large.then(Mutex::default),
            ended: AtomicBool::new(false),
            euid: rustix::process::geteuid().as_raw(),
            egid: rustix::process::getegid().as_raw(),
            cancel,
            progress,
        }
    }

    /// A path on the drive in full, for messages.
    pub fn on_drive(&self, path: &[u8]) -> Vec<u8> {
        join(self.drive, path)
    }
}

pub(super) struct Copier<'a> {
    pub ends: &'a Ends<'a>,
    /// The directory of the drive that was opened last.
    dir: Option<(Vec<u8>, OwnedFd)>,
    pub(super) hasher: Option<(Option<Algorithm>, HashThread)>,
    pub(super) buffer: Vec<u8>,
    /// What could not be kept or checked of what it has made; nothing else is counted in it.
    pub lost: Outcome,
}

impl<'a> Copier<'a> {
    pub fn new(ends: &'a Ends<'a>) -> Self {
        Copier {
            ends,
            dir: None,
            hasher: None,
            buffer: Vec::new(),
            lost: Outcome::default(),
        }
    }

    /// The directory of the drive that holds an entry, and the entry's name in it.
    fn source<'p>(&mut self, path: &'p [u8]) -> Result<(BorrowedFd<'_>, &'p [u8]), Fail> {
        let (parent, name) = split(path);
        if self.dir.as_ref().is_none_or(|(path, _)| path != parent) {
            let fd = sys::open_dir_beneath(self.ends.root.as_fd(), parent, true)
                .at("opening the directory of", &self.ends.on_drive(path))
                .map_err(Fail::Copy)?;
            self.dir = Some((parent.to_vec(), fd));
        }
        match &self.dir {
            Some((_, fd)) => Ok((fd.as_fd(), name)),
            None => Err(Fail::Cancelled),
        }
    }

    /// Opens what the drive has of a file; `path`: where that is in full, for messages.
    pub fn open_file(&mut self, item: &Item, path: &[u8]) -> Result<OwnedFd, Fail> {
        let (dir, name) = self.source(item.on_drive())?;
        // Looked at first: to open a device may do something, and a fifo has nothing to give.
        let meta = sys::stat_at(dir, name)
            .at("looking at", path)
            .map_err(Fail::Copy)?;
        if meta.kind != Kind::File {
            return Err(Fail::Copy(bad(path, "it is no regular file")));
        }
        sys::open_for_reading(dir, name)
            .at("opening", path)
            .map_err(Fail::Copy)
    }

    /// Owner, attributes, mode and times, in the order that loses none: giving a file away drops its
    /// capabilities, which are an attribute; the mode may forbid to write attributes; the times come last.
    pub fn dress(
        &mut self,
        item: &Item,
        from: Option<&OwnedFd>,
        to: &OwnedFd,
        path: &[u8],
    ) -> Result<(), Fail> {
        let want = meta_of(item);
        let mut fresh = Meta {
            uid: self.ends.euid,
            gid: self.ends.egid,
            mode: 0o600,
            ..want
        };
        if (fresh.uid, fresh.gid) != (want.uid, want.gid) {
            let (uid, gid) = (Uid::from_raw(want.uid), Gid::from_raw(want.gid));
            if rustix::fs::fchown(to, Some(uid), Some(gid)).is_ok() {
                (fresh.uid, fresh.gid) = (want.uid, want.gid);
            }
        }
        // What the manifest has no word of may stand on the drive.
        let (xattrs, unread) = match (&item.extra, from) {
            (Some(extra), _) => (extra.xattrs.clone(), Lost::default()),
            (None, Some(from)) => sys::read_xattrs(On::Open(from.as_fd())),
            (None, None) => (Vec::new(), Lost::default()),
        };
        let unset = sys::write_xattrs(On::Open(to.as_fd()), &xattrs, true);
        self.lost.attributes_lost += u64::from(!unread.is_none() || !unset.is_none());
        // An ACL has changed the mode, so it is set in any case.
        fresh.mode = u32::MAX;
        let owned = sys::set_metadata(to.as_fd(), Some(&fresh), &want)
            .at("setting owner, mode and times of", path)
            .map_err(Fail::Target)?;
        self.lost.owners_lost += u64::from(!owned);
        Ok(())
    }
}

/// A copy on the drive that is not what was recorded.
pub(super) fn bad(path: &[u8], message: &str) -> Error {
    Error::new(Code::BadFormat, "checking", message).with_path(path)
}
