//! One entry that is to be brought onto a drive, where it comes from, and what was made of it.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::drive::join;
use super::part::Range;
use crate::catalog::place::Key;
use crate::error::{Error, FileError};
use crate::format::extra::Extra;
use crate::format::item::Item;
use crate::meta::{Kind, Meta};
use crate::sys;

/// A source's root, held open for as long as a volume is written.
#[derive(Debug)]
pub struct SourceRoot {
    /// The directory; for a source that is a file, the one that it is in.
    pub fd: OwnedFd,
    /// That directory's path on this host.
    pub path: Vec<u8>,
    /// Where its content lies on the drives; for a file, empty.
    pub prefix: Vec<u8>,
    /// Whether files may be copied on the server (network file systems).
    pub server_copy: bool,
}

impl SourceRoot {
    /// The path below the source's root of an entry that lies at `path` on the drives.
    pub fn below<'p>(&self, path: &'p [u8]) -> &'p [u8] {
        if self.prefix.is_empty() {
            return path;
        }
        path.get(self.prefix.len() + 1..).unwrap_or(b"")
    }

    /// The path on this host of an entry that lies at `path` on the drives.
    pub fn absolute(&self, path: &[u8]) -> Vec<u8> {
        match self.below(path) {
            b"" => self.path.clone(),
            below => join(&self.path, below),
        }
    }
}

/// One `tmp/` sub-directory. A fresh one an epoch lets the file system spread the files.
#[derive(Debug)]
pub struct TempDir {
    /// The directory.
    pub fd: OwnedFd,
    /// Its name below `tmp/`.
    pub name: Vec<u8>,
    /// `tmp/` itself.
    pub tmp: Arc<OwnedFd>,
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // Nobody writes into it any more; where something is left in it, it stays for the recovery.
        let _ = sys::unlink(self.tmp.as_fd(), &self.name, true);
    }
}

/// How an entry gets its content.
#[derive(Debug, Clone)]
pub enum How {
    /// From the source.
    Copy,
    /// As another name of a file that the drive holds already.
    Link(Box<Item>),
}

/// One entry to be brought onto the drive.
#[derive(Debug)]
pub struct Work {
    /// The number of its temp file.
    pub id: u64,
    /// Where it is in the catalog.
    pub key: Key,
    /// Its path below the drive's root.
    pub path: Vec<u8>,
    /// Its path on the drive, where that is another one.
    pub alias: Option<Vec<u8>>,
    /// What the walk saw.
    pub meta: Meta,
    /// Where it comes from.
    pub source: Arc<SourceRoot>,
    /// Where its temp file goes.
    pub temp: Arc<TempDir>,
    /// How it gets its content.
    pub how: How,
    /// What it has to be, whatever the walk saw: a repair. Its metadata comes from here.
    pub expected: Option<Box<Item>>,
    /// Its path where it comes from, below the drives' root, if it has another one there.
    pub from: Option<Vec<u8>>,
    /// Whether what stands under its final name is kept beside it ([`super::aside`]).
    pub aside: bool,
    /// Whether something of ours stands under its final name.
    pub replaces: bool,
    /// It found no room before, and what was written until then has been flushed since.
    pub again: bool,
    /// Which part of a file it is, where it is one.
    pub range: Option<Box<Range>>,
}

impl Work {
    /// Its path where it comes from, below the drives' root.
    pub fn origin(&self) -> &[u8] {
        self.from.as_deref().unwrap_or(&self.path)
    }

    /// Its path on the drive.
    pub fn on_drive(&self) -> &[u8] {
        self.alias.as_deref().unwrap_or(&self.path)
    }

    /// The name of its temp file in [`Work::temp`].
    pub fn temp_name(&self) -> Vec<u8> {
        format!("{:x}", self.id).into_bytes()
    }
}

/// What was made of one piece of work.
#[derive(Debug)]
pub enum Made {
    /// A temp file that is ready to get its final name: what it is, and what the source looked like.
    Ready(Box<Item>, Meta),
    /// An empty directory: made in place.
    Directory(Box<Item>, Meta),
    /// Recorded only: the drive's file system cannot hold it.
    Recorded(Box<Item>, Meta),
    /// What it comes from is not what is expected; nothing is left of the copy.
    Otherwise,
    /// The file that it was to be another name of has as many as it can have. With the path of its first name.
    NoMoreNames(Vec<u8>),
    /// This entry failed; the run goes on.
    Failed(FileError),
    /// The drive failed; the run cannot go on.
    DriveFailed(Error),
    /// The owner asked for an end.
    Cancelled,
}

/// Why one attempt ended.
pub(super) enum Fail {
    Source(Error),
    Target(Error),
    Changed,
    Otherwise,
    Cancelled,
}

/// The record of an entry: all but digest, target and device numbers.
pub(super) fn item(work: &Work, meta: &Meta) -> Item {
    Item {
        path: work.path.clone(),
        kind: meta.kind,
        size: if meta.kind == Kind::File {
            meta.size
        } else {
            0
        },
        mtime: meta.mtime,
        mode: meta.mode,
        uid: meta.uid,
        gid: meta.gid,
        digest: None,
        target: None,
        link: None,
        rdev: None,
        stored: true,
        extra: Extra::of(Vec::new(), meta.flags),
        names: None,
        alias: work.alias.clone(),
        part: None,
        same_file: None,
    }
}
