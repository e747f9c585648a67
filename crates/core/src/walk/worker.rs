//! One thread of a walk: which directory comes next, how it is opened, and what is handed over when.
//!
//! It goes down first, so that little waits and the descriptors of the last few directories, which it keeps,
//! serve most of the opens. What it found in one directory is the business of `read.rs`.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use super::listing::Listing;
use super::pool::{Pool, Stopped};
use super::read::RawName;
use super::tree::{Dir, Group, Job, Next};
use super::{Options, Summary};
use crate::cancel::CancelToken;
use crate::error::{Error, FileError, FileFault, Result};
use crate::progress::Progress;
use crate::sys;

/// Listings are handed over when this many bytes of them have come together: often enough for the eye, seldom
/// enough that small directories don't cost a wake-up each.
const BATCH_BYTES: usize = 64 * 1024;

/// Directories whose descriptors are kept for opening what is in them. With 4 threads that is no more than
/// 20 descriptors, which leaves room where the limit is 64.
const KEPT_DESCRIPTORS: usize = 4;

/// Why a worker ends before the walk is done.
pub(super) enum End {
    /// Somebody else stopped the walk.
    Stopped,
    /// This worker did.
    Failed(Error),
}

impl From<Stopped> for End {
    fn from(_: Stopped) -> Self {
        End::Stopped
    }
}

pub(super) struct Worker<'w> {
    pub(super) root: BorrowedFd<'w>,
    pub(super) source_path: &'w [u8],
    pub(super) options: &'w Options<'w>,
    pub(super) cancel: &'w CancelToken,
    pub(super) progress: &'w Progress,
    pub(super) pool: &'w Pool,
    pub(super) summary: Summary,
    /// What waits here; no group in it is empty. Worked on from the back, given away from the front.
    pub(super) stack: VecDeque<Group>,
    batch: Vec<Listing>,
    batch_bytes: usize,
    /// Tokens and descriptors of directories, the one used last at the end.
    recent: Vec<(u64, OwnedFd)>,
    /// Room for raw directory entries.
    pub(super) buffer: Vec<u8>,
    /// The names of the directory in hand.
    pub(super) raw: Vec<RawName>,
    /// The path that rules are asked about.
    pub(super) path: Vec<u8>,
}

impl<'w> Worker<'w> {
    pub(super) fn new(
        root: BorrowedFd<'w>,
        source_path: &'w [u8],
        options: &'w Options<'w>,
        cancel: &'w CancelToken,
        progress: &'w Progress,
        pool: &'w Pool,
    ) -> Self {
        Worker {
            root,
            source_path,
            options,
            cancel,
            progress,
            pool,
            summary: Summary::default(),
            stack: VecDeque::new(),
            batch: Vec::new(),
            batch_bytes: 0,
            recent: Vec::new(),
            buffer: Vec::new(),
            raw: Vec::new(),
            path: Vec::new(),
        }
    }

    /// Works until nothing is left.
    pub(super) fn run(&mut self) -> Result<()> {
        match self.work() {
            Ok(()) | Err(End::Stopped) => Ok(()),
            Err(End::Failed(e)) => Err(e),
        }
    }

    fn work(&mut self) -> Result<(), End> {
        let mut begun = false;
        while let Some(group) = self.pool.take(begun) {
            begun = true;
            self.stack.push_back(group);
            while let Some(next) = self.next() {
                self.check()?;
                self.look_into(&next.job())?;
                if self.batch_bytes >= BATCH_BYTES {
                    self.flush()?;
                }
                if self.pool.is_hungry() {
                    self.share()?;
                }
            }
            self.flush()?;
        }
        Ok(())
    }

    /// Fails when the walk is to end.
    pub(super) fn check(&self) -> Result<(), End> {
        if self.pool.is_stopped() {
            return Err(End::Stopped);
        }
        self.cancel.check().map_err(End::Failed)
    }

    fn next(&mut self) -> Option<Next> {
        let group = self.stack.back_mut()?;
        let next = group.next();
        if group.len() == 0 {
            self.stack.pop_back();
        }
        next
    }

    /// Gives the part away that is furthest from being reached here.
    fn share(&mut self) -> Result<(), End> {
        let alone = self.stack.len() == 1;
        let given = match self.stack.front_mut() {
            Some(group) if group.len() > 1 => group.split(),
            Some(_) if !alone => match self.stack.pop_front() {
                Some(group) => group,
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        // The listings first: whoever takes these directories may be faster.
        self.flush()?;
        self.pool.give(given);
        Ok(())
    }

    /// Puts a listing on its way.
    pub(super) fn hand_over(&mut self, listing: Listing) {
        self.batch_bytes += listing.weight();
        self.batch.push(listing);
    }

    fn flush(&mut self) -> Result<(), End> {
        if let Some(last) = self.batch.last() {
            self.progress.set_current(&self.full_path(&last.path, b""));
            let bytes = std::mem::take(&mut self.batch_bytes);
            self.pool.send(std::mem::take(&mut self.batch), bytes)?;
        }
        Ok(())
    }

    /// Opens the directory of a job.
    pub(super) fn open(&mut self, job: &Job<'_>) -> io::Result<OwnedFd> {
        let Some(parent) = job.parent else {
            return sys::open_dir_beneath(self.root, b"", false);
        };
        match self.open_in(parent, job.name) {
            Err(e) if is_out_of_descriptors(&e) && self.drop_descriptors() => {
                self.open_in(parent, job.name)
            }
            other => other,
        }
    }

    fn open_in(&mut self, parent: &Dir, name: &[u8]) -> io::Result<OwnedFd> {
        match self
            .recent
            .iter()
            .position(|(token, _)| *token == parent.token)
        {
            Some(at) => self.recent[at..].rotate_left(1),
            None => {
                let fd = sys::open_dir_beneath(self.root, &parent.path(), false)?;
                self.keep(parent.token, fd);
            }
        }
        let (_, fd) = self.recent.last().ok_or(Errno::BADF)?;
        sys::open_child(fd.as_fd(), name)
    }

    /// Closes what is only kept for speed; says whether there was anything.
    pub(super) fn drop_descriptors(&mut self) -> bool {
        let any = !self.recent.is_empty();
        self.recent.clear();
        any
    }

    /// Keeps the descriptor of a directory that has directories in it.
    pub(super) fn keep(&mut self, token: u64, fd: OwnedFd) {
        if self.recent.len() >= KEPT_DESCRIPTORS {
            self.recent.remove(0);
        }
        self.recent.push((token, fd));
    }

    /// Reports that a directory could not be opened; `path` is the one below the root.
    pub(super) fn not_opened(&mut self, path: &[u8], e: &io::Error) {
        let path = self.full_path(path, b"");
        match Errno::from_io_error(e) {
            Some(Errno::NOENT) => self.vanished(path, "opening", ""),
            Some(Errno::NOTDIR | Errno::LOOP) => {
                self.summary.unreadable += 1;
                let message = "a directory was replaced while it was walked";
                self.fault(
                    FileFault::Changing,
                    path,
                    "opening",
                    e.raw_os_error(),
                    message,
                );
            }
            _ => self.unreadable(path, "opening", e),
        }
    }

    /// Reports that an entry could not be read or looked at.
    pub(super) fn unreadable(&mut self, path: Vec<u8>, doing: &'static str, e: &io::Error) {
        self.summary.unreadable += 1;
        self.fault(FileFault::Failed, path, doing, e.raw_os_error(), "");
    }

    /// Reports that an entry is not there any more.
    pub(super) fn vanished(&mut self, path: Vec<u8>, doing: &'static str, message: &str) {
        self.summary.vanished += 1;
        self.fault(
            FileFault::Vanished,
            path,
            doing,
            Some(Errno::NOENT.raw_os_error()),
            message,
        );
    }

    /// Reports a failure of one entry.
    pub(super) fn fault(
        &self,
        fault: FileFault,
        path: Vec<u8>,
        doing: &'static str,
        errno: Option<i32>,
        message: &str,
    ) {
        self.progress.fail(FileError {
            fault,
            path,
            doing,
            errno,
            message: message.to_owned(),
        });
    }

    /// The path as the user knows it of `name` in the directory at `dir`; of the directory itself for `b""`.
    pub(super) fn full_path(&self, dir: &[u8], name: &[u8]) -> Vec<u8> {
        let mut path = self.source_path.to_vec();
        for part in [dir, name].into_iter().filter(|part| !part.is_empty()) {
            if !path.ends_with(b"/") {
                path.push(b'/');
            }
            path.extend_from_slice(part);
        }
        path
    }
}

/// Whether the process, or the system, can't open anything more.
pub(super) fn is_out_of_descriptors(e: &io::Error) -> bool {
    matches!(Errno::from_io_error(e), Some(Errno::MFILE | Errno::NFILE))
}
