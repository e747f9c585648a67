//! Looking at files beneath a root: what stands there, and the digest of its content.
//!
//! Everything goes by descriptor and beneath the root: no symlink below it is followed, nothing outside
//! is reached, and what is no regular file is never opened. Entries come sorted, so the directory of the
//! last one is kept open: usually a look is one system call.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};

use crate::cancel::CancelToken;
use crate::digest::Hasher;
use crate::error::{Error, IoContext, Result};
use crate::format::item::{Algorithm, Digest};
use crate::meta::{Kind, Meta};
use crate::sys;

/// Bytes that are read at a time, and after which the cancel token is looked at.
const BLOCK: usize = 1 << 20;

/// What stands at a path.
#[derive(Debug)]
pub(crate) enum Seen {
    /// A regular file.
    File(Meta),
    /// Something that is no regular file.
    Other(Meta),
    /// Nothing.
    Nothing,
    /// Unknown: a symbolic link stands in the place of a directory above it, and none is followed.
    BehindLink,
    /// Unknown: this is what the system answered.
    Failed(io::Error),
}

/// A root and the directory beneath it that was looked into last.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
    dir: Option<(Vec<u8>, OwnedFd)>,
    one_mount: bool,
}

impl Tree {
    pub(crate) fn new(root: OwnedFd) -> Self {
        Tree {
            root,
            dir: None,
            one_mount: false,
        }
    }

    /// A tree that ends where another file system is mounted.
    pub(crate) fn on_one_mount(root: OwnedFd) -> Self {
        Tree {
            one_mount: true,
            ..Tree::new(root)
        }
    }

    /// The root itself.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Whether nothing at all is in the root, as in a mount point without its mount.
    pub(crate) fn is_empty(&self) -> bool {
        let mut any = false;
        let read = sys::read_names(self.root(), &mut Vec::new(), &mut |_, _, _| {
            any = true;
            false
        });
        read.is_ok() && !any
    }

    /// Looks at `rel`.
    pub(crate) fn look(&mut self, rel: &[u8]) -> Seen {
        let looked = self
            .dir_of(rel)
            .and_then(|(dir, name)| sys::stat_at(dir, name));
        match looked {
            Ok(meta) if meta.kind == Kind::File => Seen::File(meta),
            Ok(meta) => Seen::Other(meta),
            Err(e) => match Errno::from_io_error(&e) {
                // A link is refused with either, depending on where it stands.
                Some(Errno::NOTDIR | Errno::LOOP) if self.is_behind_link(rel) => Seen::BehindLink,
                Some(Errno::NOENT | Errno::NOTDIR) => Seen::Nothing,
                _ => Seen::Failed(e),
            },
        }
    }

    /// Whether the first thing above `rel` that is no directory is a symbolic link.
    fn is_behind_link(&self, rel: &[u8]) -> bool {
        let mut dir = None;
        for name in rel.split(|&b| b == b'/') {
            let at = dir.as_ref().map_or(self.root(), AsFd::as_fd);
            match sys::stat_at(at, name).map(|meta| meta.kind) {
                Ok(Kind::Dir) => {}
                Ok(kind) => return kind == Kind::Symlink,
                Err(_) => return false,
            }
            match sys::open_dir_beneath(at, name, false) {
                Ok(below) => dir = Some(below),
                Err(_) => return false,
            }
        }
        false
    }

    /// Opens the regular file `rel` for reading, and looks at it.
    pub(crate) fn open(&mut self, rel: &[u8]) -> io::Result<(OwnedFd, Meta)> {
        let (dir, name) = self.dir_of(rel)?;
        let fd = sys::open_for_reading(dir, name)?;
        let meta = sys::stat_fd(fd.as_fd())?;
        if meta.kind == Kind::File {
            Ok((fd, meta))
        } else {
            // It was a file a moment ago.
            Err(Errno::STALE.into())
        }
    }

    /// The directory that holds `rel`, open, and the name in it.
    pub(crate) fn dir_of<'a>(&mut self, rel: &'a [u8]) -> io::Result<(BorrowedFd<'_>, &'a [u8])> {
        let (path, name) = match rel.iter().rposition(|&b| b == b'/') {
            Some(at) => (&rel[..at], &rel[at + 1..]),
            None => return Ok((self.root.as_fd(), rel)),
        };
        let kept = self.dir.take().filter(|(kept, _)| kept == path);
        let dir = match kept {
            Some(kept) => kept,
            None => (
                path.to_vec(),
                sys::open_dir_beneath(self.root.as_fd(), path, self.one_mount)?,
            ),
        };
        Ok((self.dir.insert(dir).1.as_fd(), name))
    }
}

/// Whether the answer means that there is no such path.
pub(crate) fn is_nothing(e: &io::Error) -> bool {
    matches!(Errno::from_io_error(e), Some(Errno::NOENT | Errno::NOTDIR))
}

/// The digest of a file's content and what it is after the reading. `count` gets the bytes of each block.
///
/// # Errors
/// `Code::Io` with `path`, `Code::Cancelled`.
pub(crate) fn digest(
    fd: &OwnedFd,
    path: &[u8],
    algorithm: Algorithm,
    cancel: &CancelToken,
    count: &(dyn Fn(u64) + Sync),
) -> Result<(Digest, Meta)> {
    let mut hash = Hasher::new(algorithm);
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    loop {
        if cancel.is_stopped() {
            return Err(Error::cancelled());
        }
        match retry_on_intr(|| rustix::io::pread(fd, &mut block[..], at)).at("reading", path)? {
            0 => break,
            n => {
                hash.update(&block[..n]);
                at += n as u64;
                count(n as u64);
            }
        }
    }
    let after = sys::stat_fd(fd.as_fd()).at("looking at", path)?;
    Ok((hash.finish(), after))
}
