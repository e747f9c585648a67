//! The same answers with the calls that every UNIX has: openat per component, fstatat, readdir.
//!
//! What it gives up: speed on long paths, and mount ids (a bind mount of the same file system is not told
//! from its surroundings; the device number stands in).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
use rustix::fs::Dir;
use rustix::fs::{AtFlags, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::{Errno, Result};

use super::{Looked, READ_DIR, nanoseconds, retry};
use crate::meta::{Kind, Meta, Time};

/// How a directory on the way is opened: where the system can, without asking for leave to list it.
#[cfg(target_os = "linux")]
const PASS_DIR: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const PASS_DIR: OFlags = READ_DIR;

pub(super) fn open_beneath(
    root: BorrowedFd<'_>,
    rel: &[u8],
    stay_on_mount: bool,
) -> Result<OwnedFd> {
    let home = if stay_on_mount {
        Some(look_fd(root)?.mount)
    } else {
        None
    };
    let mut at: Option<OwnedFd> = None;
    let mut components = rel.split(|&b| b == b'/').peekable();
    while let Some(component) = components.next() {
        let flags = if components.peek().is_some() {
            PASS_DIR
        } else {
            READ_DIR
        };
        let base = at.as_ref().map_or(root, AsFd::as_fd);
        let opened = retry(|| openat(base, component, flags, Mode::empty()))?;
        if let Some(home) = home
            && look_fd(opened.as_fd())?.mount != home
        {
            return Err(Errno::XDEV);
        }
        at = Some(opened);
    }
    at.ok_or(Errno::INVAL)
}

pub(super) fn look_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<Looked> {
    looked(&retry(|| statat(dir, name, AtFlags::SYMLINK_NOFOLLOW))?)
}

pub(super) fn born_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<(Meta, Option<Time>)> {
    Ok((look_at(dir, name)?.meta, None))
}

pub(super) fn look_fd(fd: BorrowedFd<'_>) -> Result<Looked> {
    looked(&retry(|| fstat(fd))?)
}

// The fields of `struct stat` have other widths on other systems.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
fn looked(s: &Stat) -> Result<Looked> {
    let mode = s.st_mode as u32;
    let meta = Meta {
        kind: Kind::from_mode(mode).ok_or(Errno::INVAL)?,
        size: s.st_size as u64,
        allocated: (s.st_blocks as u64).saturating_mul(512),
        mtime: Time {
            sec: s.st_mtime as i64,
            nsec: s.st_mtime_nsec as u32,
        },
        mode: mode & 0o7777,
        uid: s.st_uid,
        gid: s.st_gid,
        dev: s.st_dev as u64,
        ino: s.st_ino as u64,
        nlink: s.st_nlink as u32,
        rdev: s.st_rdev as u64,
        changed: nanoseconds(s.st_ctime as i64, s.st_ctime_nsec as u32),
        // Asked for by a call of their own, which opens the file: not worth it here.
        flags: 0,
    };
    Ok(Looked {
        meta,
        mount: meta.dev,
    })
}

#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
pub(super) fn read_names(
    dir: BorrowedFd<'_>,
    _buffer: &mut Vec<u8>,
    each: &mut dyn FnMut(&CStr, u64, Option<Kind>) -> bool,
) -> Result<()> {
    // `Dir` takes a descriptor of its own. A duplicate, because opening `.` anew would need leave to search.
    let own = rustix::io::fcntl_dupfd_cloexec(dir, 0)?;
    let mut entries = Dir::new(own)?;
    while let Some(entry) = entries.read() {
        match entry {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
            Ok(entry) => {
                let kind = super::kind_hint(entry.file_type());
                if !each(entry.file_name(), entry.ino(), kind) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}
