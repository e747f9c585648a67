//! What is ours on a drive: opening `.mvcopy`, the journal and volume.json, and replacing our small files.
//!
//! A drive may be hostile: nothing is opened through a symlink, and what is no regular file is refused.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags};

use super::drive::{OWN, join};
use crate::error::{Code, Error, IoContext, Result};
use crate::format::volumejson::{self, VolumeJson};
use crate::sys;

/// Replaces our own files as wholes: what stands under `.mvcopy/NAME` is the old one or the new one.
pub(crate) struct OwnFiles<'d> {
    /// Where the drive is mounted.
    pub path: &'d [u8],
    /// `.mvcopy`.
    pub own: BorrowedFd<'d>,
    /// `.mvcopy/tmp`.
    pub tmp: BorrowedFd<'d>,
}

impl OwnFiles<'_> {
    /// Writes one of our own small files durably: temp file, fsync, rename, fsync of the directory.
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn write(&self, name: &[u8], bytes: &[u8]) -> Result<()> {
        let mut new = self.begin(name)?;
        let path = join(&join(self.path, OWN), name);
        new.write_all(bytes).at("writing", &path)?;
        self.finish(new, name)
    }

    /// Creates `.mvcopy/tmp/NAME`, to be put into place by [`OwnFiles::finish`].
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn begin(&self, name: &[u8]) -> Result<File> {
        let path = join(&join(self.path, b".mvcopy/tmp"), name);
        match sys::unlink(self.tmp, name, false) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(e).at("removing", &path),
        }
        let fd = sys::create_new(self.tmp, name).at("creating", &path)?;
        // Our own files are for everybody who can read the drive at all.
        let _ = rustix::fs::fchmod(&fd, Mode::from_raw_mode(0o644));
        Ok(File::from(fd))
    }

    /// Flushes a file of [`OwnFiles::begin`] and renames it to `.mvcopy/NAME`, durably.
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn finish(&self, file: File, name: &[u8]) -> Result<()> {
        let path = join(&join(self.path, OWN), name);
        sys::sync_file(file.as_fd()).at("flushing", &path)?;
        sys::close(file.into()).at("closing", &path)?;
        sys::rename(self.tmp, name, self.own, name, true).at("renaming into place", &path)?;
        sys::sync_file(self.own).at("flushing", &path)
    }
}

pub(super) fn own_dir(root: BorrowedFd<'_>, drive: &[u8]) -> Result<OwnedFd> {
    let path = join(drive, OWN);
    match sys::make_dir(root, OWN) {
        Ok(()) => {
            let fd = sys::open_dir_beneath(root, OWN, true).at("opening", &path)?;
            let _ = rustix::fs::fchmod(&fd, Mode::from_raw_mode(0o755));
            Ok(fd)
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            sys::open_dir_beneath(root, OWN, true).at("opening", &path)
        }
        Err(e) => Err(e).at("making", &path),
    }
}

pub(super) fn open_journal(own: BorrowedFd<'_>, drive: &[u8]) -> Result<File> {
    let path = join(drive, b".mvcopy/journal.log");
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(own, &b"journal.log"[..], flags, Mode::from_raw_mode(0o644))
        .at("opening", &path)?;
    regular(&fd, &path)?;
    Ok(File::from(fd))
}

/// Refuses a drive without an identity that has a journal with something in it: it tells of another volume.
pub(super) fn refuse_strange_journal(own: BorrowedFd<'_>, drive: &[u8]) -> Result<()> {
    let path = join(drive, b".mvcopy/journal.log");
    let fd = match sys::open_for_reading(own, b"journal.log") {
        Ok(fd) => fd,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e).at("opening", &path),
    };
    if regular(&fd, &path)? == 0 {
        return Ok(());
    }
    let message = "it tells of a volume, but there is no volume.json beside it";
    Err(Error::new(Code::BadFormat, "reading", message).with_path(&path))
}

/// A reader of the journal from its first byte, beside the descriptor that appends.
pub(super) fn from_start(file: &File) -> Result<impl std::io::Read + use<>> {
    let file = file.try_clone().at("reading the journal", b"")?;
    Ok(AtOffset { file, offset: 0 })
}

/// Reads by pread(2), so that the shared file offset does not matter.
struct AtOffset {
    file: File,
    offset: u64,
}

impl std::io::Read for AtOffset {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read_at(buffer, self.offset)?;
        self.offset += n as u64;
        Ok(n)
    }
}

/// Refuses what is no regular file: a hostile drive may have put a fifo there.
pub(crate) fn regular(fd: &OwnedFd, path: &[u8]) -> Result<u64> {
    let meta = sys::stat_fd(fd.as_fd()).at("looking at", path)?;
    if meta.kind != crate::meta::Kind::File {
        return Err(
            Error::new(Code::BadFormat, "opening", "it is not a regular file").with_path(path),
        );
    }
    Ok(meta.size)
}

/// Reads `.mvcopy/volume.json` below an open `.mvcopy`; `None` when there is none.
pub(super) fn read_identity(own: BorrowedFd<'_>, drive: &[u8]) -> Result<Option<VolumeJson>> {
    let path = join(drive, b".mvcopy/volume.json");
    let fd = match sys::open_for_reading(own, b"volume.json") {
        Ok(fd) => fd,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).at("opening", &path),
    };
    let size = regular(&fd, &path)?;
    if size > volumejson::MAX_BYTES as u64 {
        return Err(Error::new(Code::BadFormat, "reading", "it is too large").with_path(&path));
    }
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(
        &mut std::io::Read::take(File::from(fd), volumejson::MAX_BYTES as u64 + 1),
        &mut bytes,
    )
    .at("reading", &path)?;
    volumejson::parse(&bytes)
        .map(Some)
        .map_err(|e| e.with_path(&path))
}
