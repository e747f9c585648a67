//! The Linux calls: openat2 (5.6), statx (4.11) and getdents64.
//!
//! Where a kernel or a sandbox refuses openat2 or statx, the portable way takes over; it gives the same
//! answers, only slower.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{
    AtFlags, Mode, OFlags, RawDir, ResolveFlags, Statx, StatxAttributes, StatxFlags, makedev,
    openat2, statx,
};
use rustix::io::{Errno, Result};

use super::{Looked, READ_DIR, kind_hint, nanoseconds, portable, retry};
use crate::format::extra;
use crate::meta::{Kind, Meta, Time};

/// The longest path that one call takes, without the closing NUL (PATH_MAX is 4096).
const MAX_PATH: usize = 4095;

/// Tries of an openat2 that answers EAGAIN, which it does when a rename runs beside it.
const TRIES: u32 = 64;

/// Room for raw directory entries: some 2,000 of them a call.
const DIR_BUFFER: usize = 64 * 1024;

/// What a walk wants to know; nothing that a network file system would have to ask its server for besides.
const WANTED: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::MODE)
    .union(StatxFlags::NLINK)
    .union(StatxFlags::UID)
    .union(StatxFlags::GID)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::CTIME)
    .union(StatxFlags::INO)
    .union(StatxFlags::SIZE)
    .union(StatxFlags::BLOCKS)
    .union(StatxFlags::MNT_ID);

/// Set once the kernel has said that it has no openat2.
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

/// Set once the kernel, or a sandbox, has refused statx itself.
static NO_STATX: AtomicBool = AtomicBool::new(false);

pub(super) fn open_beneath(
    root: BorrowedFd<'_>,
    rel: &[u8],
    stay_on_mount: bool,
) -> Result<OwnedFd> {
    if NO_OPENAT2.load(Ordering::Relaxed) {
        return portable::open_beneath(root, rel, stay_on_mount);
    }
    match open_in_chunks(root, rel, stay_on_mount) {
        // EPERM is what sandboxes answer, EINVAL what a kernel answers that lacks one of the flags. Either may
        // also be meant for this very path; then the portable way gets the same answer.
        Err(errno @ (Errno::NOSYS | Errno::PERM | Errno::INVAL)) => {
            if errno == Errno::NOSYS {
                NO_OPENAT2.store(true, Ordering::Relaxed);
            }
            portable::open_beneath(root, rel, stay_on_mount)
        }
        other => other,
    }
}

fn open_in_chunks(root: BorrowedFd<'_>, rel: &[u8], stay_on_mount: bool) -> Result<OwnedFd> {
    let mut resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    if stay_on_mount {
        resolve |= ResolveFlags::NO_XDEV;
    }
    let mut at: Option<OwnedFd> = None;
    let mut rest = rel;
    loop {
        let (chunk, after) = split_chunk(rest, MAX_PATH);
        let flags = if after.is_empty() {
            READ_DIR
        } else {
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC
        };
        let base = at.as_ref().map_or(root, AsFd::as_fd);
        let mut tries = 0;
        let opened = loop {
            match openat2(base, chunk, flags, Mode::empty(), resolve) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if tries < TRIES => tries += 1,
                other => break other?,
            }
        };
        if after.is_empty() {
            return Ok(opened);
        }
        at = Some(opened);
        rest = after;
    }
}

/// Splits off as many whole components as fit into `max` bytes. A single component that does not fit is
/// given as it is: the system refuses it with ENAMETOOLONG.
pub(super) fn split_chunk(rel: &[u8], max: usize) -> (&[u8], &[u8]) {
    if rel.len() <= max {
        return (rel, b"");
    }
    let cut = rel[..=max]
        .iter()
        .rposition(|&b| b == b'/')
        .or_else(|| rel.iter().position(|&b| b == b'/'));
    match cut {
        Some(cut) => (&rel[..cut], &rel[cut + 1..]),
        None => (rel, b""),
    }
}

pub(super) fn look_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<Looked> {
    // Without NO_AUTOMOUNT a mere look would mount what an automounter keeps ready.
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    if !NO_STATX.load(Ordering::Relaxed) {
        match retry(|| statx(dir, name, flags, WANTED)) {
            Err(Errno::NOSYS) => NO_STATX.store(true, Ordering::Relaxed),
            other => return looked(&other?),
        }
    }
    portable::look_at(dir, name)
}

pub(super) fn born_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<(Meta, Option<Time>)> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    if !NO_STATX.load(Ordering::Relaxed) {
        match retry(|| statx(dir, name, flags, WANTED | StatxFlags::BTIME)) {
            Err(Errno::NOSYS) => NO_STATX.store(true, Ordering::Relaxed),
            other => {
                let x = other?;
                let told = x.stx_mask & StatxFlags::BTIME.bits() != 0;
                let born = Time {
                    sec: x.stx_btime.tv_sec,
                    nsec: x.stx_btime.tv_nsec,
                };
                return Ok((looked(&x)?.meta, told.then_some(born)));
            }
        }
    }
    portable::born_at(dir, name)
}

pub(super) fn look_fd(fd: BorrowedFd<'_>) -> Result<Looked> {
    if !NO_STATX.load(Ordering::Relaxed) {
        match retry(|| statx(fd, c"", AtFlags::EMPTY_PATH, WANTED)) {
            Err(Errno::NOSYS) => NO_STATX.store(true, Ordering::Relaxed),
            other => return looked(&other?),
        }
    }
    portable::look_fd(fd)
}

/// The flags that are kept, out of those that statx(2) tells.
fn flags_of(attributes: StatxAttributes) -> u8 {
    [
        (StatxAttributes::IMMUTABLE, extra::IMMUTABLE),
        (StatxAttributes::APPEND, extra::APPEND_ONLY),
        (StatxAttributes::NODUMP, extra::NO_DUMP),
    ]
    .into_iter()
    .filter(|(told, _)| attributes.contains(*told))
    .fold(0, |flags, (_, bit)| flags | bit)
}

fn looked(x: &Statx) -> Result<Looked> {
    let mode = u32::from(x.stx_mode);
    if x.stx_mask & StatxFlags::TYPE.bits() == 0 {
        return Err(Errno::INVAL);
    }
    let kind = Kind::from_mode(mode).ok_or(Errno::INVAL)?;
    let dev = makedev(x.stx_dev_major, x.stx_dev_minor);
    let meta = Meta {
        kind,
        size: x.stx_size,
        allocated: x.stx_blocks.saturating_mul(512),
        mtime: Time {
            sec: x.stx_mtime.tv_sec,
            nsec: x.stx_mtime.tv_nsec,
        },
        mode: mode & 0o7777,
        uid: x.stx_uid,
        gid: x.stx_gid,
        dev,
        ino: x.stx_ino,
        nlink: x.stx_nlink,
        rdev: makedev(x.stx_rdev_major, x.stx_rdev_minor),
        changed: nanoseconds(x.stx_ctime.tv_sec, x.stx_ctime.tv_nsec),
        flags: flags_of(x.stx_attributes),
    };
    // No mount that anybody sees has the number 0: an emulator handed the answer on without it.
    let told = x.stx_mask & StatxFlags::MNT_ID.bits() != 0 && x.stx_mnt_id != 0;
    Ok(Looked {
        meta,
        mount: if told { x.stx_mnt_id } else { dev },
    })
}

pub(super) fn read_names(
    dir: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
    each: &mut dyn FnMut(&CStr, u64, Option<Kind>) -> bool,
) -> Result<()> {
    buffer.clear();
    buffer.reserve(DIR_BUFFER);
    let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        match entry {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
            Ok(entry) => {
                if !each(entry.file_name(), entry.ino(), kind_hint(entry.file_type())) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}
