//! Directories by descriptor: opening beneath a root, listing names, looking at one entry.
//!
//! Promises: no symlink is followed below the root, nothing outside the root is reached, paths may be
//! longer than PATH_MAX, and fifos, sockets and devices are never opened.
//! Linux uses openat2, statx and getdents64 (`linux.rs`). Other systems, the `portable` feature, and a
//! Linux that refuses those calls go component by component (`portable.rs`).

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use crate::error::{IoContext, Result};
use crate::meta::{Kind, Meta, Time};

#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod linux;
mod portable;

#[cfg(all(target_os = "linux", not(feature = "portable")))]
use linux as backend;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
use portable as backend;

/// How a directory is opened to be read. O_DIRECTORY comes before any effect of an open, so a fifo or a
/// device of that name is refused, not opened (open(2)).
const READ_DIR: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// What one look at an entry tells: its metadata, and the mount that it is on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looked {
    /// The metadata.
    pub meta: Meta,
    /// The mount's id; where the system does not tell it, the device number.
    pub mount: u64,
}

/// Opens the directory that the user named, following a symlink there (open(2)).
///
/// # Errors
/// `Code::Io` with path and errno.
pub fn open_root(path: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    retry(|| rustix::fs::open(path, flags, Mode::empty())).at("opening", path)
}

/// Opens the directory `rel` below `root` for reading, without following any symlink (openat2(2)).
///
/// `rel` may be longer than PATH_MAX. `b""` gives `root` itself, as a new open file description, so that
/// reading it moves no one else's position. With `stay_on_mount` a component on another mount is an error.
///
/// # Errors
/// EINVAL for a `rel` that is absolute, has an empty, `.` or `..` component or a NUL; ELOOP or ENOTDIR for
/// a symlink; EXDEV for another mount; otherwise what the system answers.
pub fn open_dir_beneath(
    root: BorrowedFd<'_>,
    rel: &[u8],
    stay_on_mount: bool,
) -> io::Result<OwnedFd> {
    if rel.is_empty() {
        return Ok(retry(|| openat(root, c".", READ_DIR, Mode::empty()))?);
    }
    for component in rel.split(|&b| b == b'/') {
        check_component(component)?;
    }
    Ok(backend::open_beneath(root, rel, stay_on_mount)?)
}

/// Opens the directory `name` in `dir` for reading; `name` is one component (openat(2)).
pub(crate) fn open_child(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    check_component(name)?;
    Ok(retry(|| openat(dir, name, READ_DIR, Mode::empty()))?)
}

/// Looks at the entry `name` of `dir`, not following a symlink (statx(2)).
///
/// # Errors
/// EINVAL for a name that is no single component or for a type of file that nobody knows; otherwise what
/// the system answers.
pub fn stat_at(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Meta> {
    check_component(name)?;
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    Ok(backend::look_at(dir, &name)?.meta)
}

/// As [`stat_at`], and when the file was made (STATX_BTIME), where the file system tells it.
///
/// # Errors
/// As [`stat_at`].
pub fn born_at(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<(Meta, Option<Time>)> {
    check_component(name)?;
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    Ok(backend::born_at(dir, &name)?)
}

/// Looks at what a descriptor stands for (statx(2) with AT_EMPTY_PATH).
///
/// # Errors
/// What the system answers.
pub fn stat_fd(fd: BorrowedFd<'_>) -> io::Result<Meta> {
    Ok(backend::look_fd(fd)?.meta)
}

/// The id of the mount that a descriptor is on (statx(2), STATX_MNT_ID); where the system does not tell it,
/// the device number. Only good for comparing with another id taken in the same way while both are mounted.
///
/// # Errors
/// What the system answers.
pub fn mount_id(fd: BorrowedFd<'_>) -> io::Result<u64> {
    let looked = backend::look_fd(fd)?;
    if looked.mount != looked.meta.dev {
        return Ok(looked.mount);
    }
    Ok(mount_id_of_open(fd).unwrap_or(looked.mount))
}

/// The id of the mount that an open file is on, by `/proc/self/fdinfo` (proc(5), Linux 3.15): for kernels before
/// 5.8, whose statx(2) does not tell it, and for emulators that leave it out.
pub fn mount_id_of_open(fd: BorrowedFd<'_>) -> Option<u64> {
    use std::os::fd::AsRawFd;
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()?;
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    id.trim().parse().ok()
}

/// As [`stat_at`], for a name that came from the system, with the mount.
pub(crate) fn look_at(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Looked> {
    Ok(backend::look_at(dir, name)?)
}

/// As [`stat_fd`], with the mount.
pub(crate) fn look_fd(fd: BorrowedFd<'_>) -> io::Result<Looked> {
    Ok(backend::look_fd(fd)?)
}

/// Hands every name in `dir` but `.` and `..` to `each`, with its inode number (a hint for ordering) and
/// its kind where the system tells it (getdents64(2)). `each` ends the reading early with `false`.
///
/// `buffer` is room for raw entries, kept by the caller so that it can be used again.
pub(crate) fn read_names(
    dir: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
    each: &mut dyn FnMut(&CStr, u64, Option<Kind>) -> bool,
) -> io::Result<()> {
    Ok(backend::read_names(dir, buffer, &mut |name, ino, kind| {
        matches!(name.to_bytes(), b"." | b"..") || each(name, ino, kind)
    })?)
}

/// Refuses what is not one plain name: empty, `.`, `..`, or with a slash or NUL in it.
fn check_component(name: &[u8]) -> std::result::Result<(), Errno> {
    if matches!(name, b"" | b"." | b"..") || name.iter().any(|b| matches!(b, b'/' | 0)) {
        return Err(Errno::INVAL);
    }
    Ok(())
}

/// The kind that a directory entry claims; `None` where the file system does not say.
fn kind_hint(file_type: rustix::fs::FileType) -> Option<Kind> {
    use rustix::fs::FileType as T;
    Some(match file_type {
        T::RegularFile => Kind::File,
        T::Directory => Kind::Dir,
        T::Symlink => Kind::Symlink,
        T::Fifo => Kind::Fifo,
        T::Socket => Kind::Socket,
        T::CharacterDevice => Kind::CharDevice,
        T::BlockDevice => Kind::BlockDevice,
        T::Unknown => return None,
    })
}

/// A time in nanoseconds since 1970; what is out of the range (years 1677 to 2262) stays at its end.
fn nanoseconds(sec: i64, nsec: u32) -> i64 {
    sec.saturating_mul(1_000_000_000)
        .saturating_add(nsec.into())
}

/// Calls again when a signal came in between.
fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
