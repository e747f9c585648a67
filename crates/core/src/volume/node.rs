//! Directories by descriptor: which one it is, on which mount, and which ones are above it.
//!
//! Going up is by `..` on the descriptor and not by name, so it meets what is really above, whatever is
//! renamed meanwhile, and a bind mount of a source is known for what it is.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open, openat};

use super::inspect::Found;
use super::paths::parent_of;

/// Deeper than any directory that a path can name.
const MAX_DEPTH: usize = 4096;

/// Which file on this machine, as long as nothing is unmounted. Not for keeping: `st_dev` is reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The device, as statx(2) tells it.
    pub dev: (u32, u32),
    /// The inode number there.
    pub ino: u64,
}

/// Opens a directory for telling about it; where it can, without needing a right on the directory itself.
pub(super) fn open_as_path(path: &[u8]) -> Option<OwnedFd> {
    #[cfg(target_os = "linux")]
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open(path, flags, Mode::empty()).ok()
}

/// What identifies a directory and its mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    pub id: FileId,
    /// None on other systems.
    pub mount_id: Option<u64>,
}

/// Which directory a descriptor stands for.
#[cfg(target_os = "linux")]
pub(super) fn node(fd: BorrowedFd<'_>) -> Option<Node> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let want = StatxFlags::INO | StatxFlags::MNT_ID;
    let s = statx(fd, "", AtFlags::EMPTY_PATH, want).ok()?;
    Some(Node {
        id: FileId {
            dev: (s.stx_dev_major, s.stx_dev_minor),
            ino: s.stx_ino,
        },
        mount_id: (s.stx_mask & StatxFlags::MNT_ID.bits() != 0 && s.stx_mnt_id != 0)
            .then_some(s.stx_mnt_id)
            .or_else(|| crate::sys::mount_id_of_open(fd)),
    })
}

/// Which directory a descriptor stands for.
#[cfg(not(target_os = "linux"))]
pub(super) fn node(fd: BorrowedFd<'_>) -> Option<Node> {
    let s = rustix::fs::fstat(fd).ok()?;
    Some(Node {
        id: file_id(s.st_dev as u64, s.st_ino as u64),
        mount_id: None,
    })
}

/// The id of a file from what stat(2) told.
pub(super) fn file_id(dev: u64, ino: u64) -> FileId {
    FileId {
        dev: (rustix::fs::major(dev as _), rustix::fs::minor(dev as _)),
        ino,
    }
}

/// The directory above, which may be on another mount.
pub(super) fn above(dir: BorrowedFd<'_>) -> Option<Node> {
    node(open_above(dir)?.as_fd())
}

pub(super) fn open_above(dir: BorrowedFd<'_>) -> Option<OwnedFd> {
    #[cfg(target_os = "linux")]
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(dir, "..", flags, Mode::empty()).ok()
}

/// Whether two directories lie on different mounts; where mounts have no numbers, on different devices.
pub(super) fn is_other_mount(here: Option<Node>, above: Option<Node>) -> bool {
    match (here, above) {
        (Some(here), Some(above)) => match (here.mount_id, above.mount_id) {
            (Some(a), Some(b)) => a != b,
            _ => here.id.dev != above.id.dev,
        },
        _ => false,
    }
}

/// The file at `path` (when it is not the directory itself), then `dir` and all above it.
pub(super) fn chain(path: &[u8], found: Found, dir: BorrowedFd<'_>) -> Vec<FileId> {
    let mut chain = Vec::new();
    let mut top = None;
    if let Found::Other(_) = found {
        let path = Path::new(OsStr::from_bytes(path));
        if let Ok(m) = fs::metadata(path).or_else(|_| fs::symlink_metadata(path)) {
            chain.push(file_id(m.dev(), m.ino()));
        }
        // The directory that really holds it: the path may have led over a symlink.
        top = fs::canonicalize(path)
            .ok()
            .and_then(|real| open_as_path(parent_of(real.as_os_str().as_bytes())));
    }
    let mut at = top.as_ref().map_or(dir, AsFd::as_fd);
    let mut held;
    let mut last = None;
    while chain.len() < MAX_DEPTH {
        let Some(here) = node(at) else { break };
        // Above the root is the root.
        if last == Some(here) {
            break;
        }
        chain.push(here.id);
        last = Some(here);
        match open_above(at) {
            Some(fd) => held = fd,
            None => break,
        }
        at = held.as_fd();
    }
    chain
}
