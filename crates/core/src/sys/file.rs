//! System calls on single files: syncing, cloning, claiming space, holes, attributes, names.
//!
//! "Not supported here" and "failed" are different answers. Paths never appear: everything is relative
//! to a descriptor that the caller holds.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, SeekFrom, Timespec, Timestamps};
#[cfg(target_os = "linux")]
use rustix::fs::{FallocateFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::meta::{Meta, Time};

/// Flushes a whole file system, by a descriptor held open since before the writes (syncfs(2)).
///
/// # Errors
/// What the call answers. It must never be called again to learn whether the same writes reached the
/// device: the kernel tells of a lost write once.
pub fn sync_file_system(fd: BorrowedFd<'_>) -> io::Result<()> {
    #[cfg(all(target_os = "linux", not(feature = "portable")))]
    return Ok(rustix::fs::syncfs(fd)?);
    #[cfg(any(not(target_os = "linux"), feature = "portable"))]
    {
        // Without syncfs: files were flushed as they were closed (`close`), so what is left are directories.
        // sync(2) awaits them on Linux, and only starts to write them on macOS and FreeBSD; it answers nothing.
        rustix::fs::sync();
        sync_file(fd)
    }
}

/// Flushes one file (fsync(2)); not retried, for the same reason. On macOS fsync(2) leaves the drive's own cache
/// as it is, so there it is F_FULLFSYNC (fcntl(2)), where the file system has it.
///
/// # Errors
/// What the call answers.
pub fn sync_file(fd: BorrowedFd<'_>) -> io::Result<()> {
    #[cfg(target_vendor = "apple")]
    match rustix::fs::fcntl_fullfsync(fd) {
        Err(Errno::NOTTY | Errno::INVAL | Errno::NOTSUP) => {}
        other => return Ok(other?),
    }
    Ok(rustix::fs::fsync(fd)?)
}

/// Opens a file for reading without following a symlink and without waiting for a fifo's writer
/// (open(2), `O_NOFOLLOW | O_NONBLOCK`). The caller looks at what it got.
///
/// # Errors
/// What the call answers.
pub fn open_for_reading(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| {
        rustix::fs::openat(dir, name, flags, Mode::empty())
    })?)
}

/// What stands at a path on this host; a symlink is not followed.
///
/// # Errors
/// `Code::Io` with the path.
pub fn stat_path(path: &[u8]) -> crate::error::Result<Meta> {
    use crate::error::IoContext;
    let at = path.iter().rposition(|b| *b == b'/').unwrap_or(0);
    let dir = if at == 0 { &b"/"[..] } else { &path[..at] };
    let root = crate::sys::open_root(dir)?;
    crate::sys::stat_at(root.as_fd(), &path[at + 1..]).at("looking at", path)
}

/// Creates a new file for writing, readable by its owner alone (open(2), `O_CREAT | O_EXCL`).
///
/// # Errors
/// What the call answers.
pub fn create_new(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| {
        rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))
    })?)
}

/// Makes `to` share all blocks of `from` (ioctl_ficlone(2)). `false`: not supported here.
///
/// # Errors
/// What the call answers, where it is supported.
pub fn try_clone(to: BorrowedFd<'_>, from: BorrowedFd<'_>) -> io::Result<bool> {
    #[cfg(all(target_os = "linux", not(feature = "portable")))]
    return match rustix::fs::ioctl_ficlone(to, from) {
        Ok(()) => Ok(true),
        Err(e) if is_unsupported(e) => Ok(false),
        Err(e) => Err(e.into()),
    };
    #[cfg(any(not(target_os = "linux"), feature = "portable"))]
    {
        let _ = (to, from);
        Ok(false)
    }
}

/// Copies up to `len` bytes inside the kernel or on the server (copy_file_range(2)). `None`: not
/// supported here. The count may be short; 0 is the end of `from`, or a file system that lies, so the
/// caller checks the length.
///
/// # Errors
/// What the call answers, where it is supported.
pub fn try_copy_range(
    to: BorrowedFd<'_>,
    from: BorrowedFd<'_>,
    len: usize,
) -> io::Result<Option<usize>> {
    #[cfg(all(target_os = "linux", not(feature = "portable")))]
    return match retry_on_intr(|| rustix::fs::copy_file_range(from, None, to, None, len)) {
        Ok(n) => Ok(Some(n)),
        Err(e) if is_unsupported(e) => Ok(None),
        Err(e) => Err(e.into()),
    };
    #[cfg(any(not(target_os = "linux"), feature = "portable"))]
    {
        let _ = (to, from, len);
        Ok(None)
    }
}

#[cfg(all(target_os = "linux", not(feature = "portable")))]
fn is_unsupported(e: Errno) -> bool {
    matches!(
        e,
        Errno::OPNOTSUPP | Errno::NOSYS | Errno::XDEV | Errno::INVAL | Errno::NOTTY | Errno::PERM
    )
}

/// Claims space beyond the end of a file without changing its size (fallocate(2)). `false`: not
/// supported here.
///
/// # Errors
/// What the call answers, where it is supported: ENOSPC above all.
pub fn try_claim(fd: BorrowedFd<'_>, len: u64) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    return match retry_on_intr(|| rustix::fs::fallocate(fd, FallocateFlags::KEEP_SIZE, 0, len)) {
        Ok(()) => Ok(true),
        Err(e @ (Errno::NOSPC | Errno::DQUOT)) => Err(e.into()),
        Err(_) => Ok(false),
    };
    // Elsewhere the call would change the size.
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (fd, len);
        Ok(false)
    }
}

/// How far before a stretch pages are forgotten with it: what is only now on its way to the drive stays in memory.
const FORGET_BEHIND: u64 = 128 << 20;

/// Has the kernel begin to write a stretch of a file that was just written, and forget pages before it that are
/// clean meanwhile, so that a backup does not push everything else out of memory (posix_fadvise(2), whose
/// `DONTNEED` starts the writing on Linux). Advice only: nothing is durable by it, and an error of the device shows
/// at the next flush, as ever.
pub fn begin_write_back(fd: BorrowedFd<'_>, offset: u64, len: u64) {
    // Advice that is not taken changes nothing.
    let behind = FORGET_BEHIND.min(offset);
    let (offset, len) = (offset - behind, std::num::NonZeroU64::new(len + behind));
    #[cfg(not(target_vendor = "apple"))]
    let _ = rustix::fs::fadvise(fd, offset, len, rustix::fs::Advice::DontNeed);
    #[cfg(target_vendor = "apple")]
    let _ = (fd, offset, len);
}

/// Says that a file is read from its beginning to its end (posix_fadvise(2)). Advice only.
pub fn read_ahead(fd: BorrowedFd<'_>) {
    #[cfg(not(target_vendor = "apple"))]
    let _ = rustix::fs::fadvise(fd, 0, None, rustix::fs::Advice::Sequential);
    #[cfg(target_vendor = "apple")]
    let _ = fd;
}

/// Whether an errno means that the device or its file system is broken, where Linux alone has a word for it:
/// EUCLEAN, EREMOTEIO.
pub fn is_broken_device(errno: Errno) -> bool {
    #[cfg(target_os = "linux")]
    return matches!(errno, Errno::UCLEAN | Errno::REMOTEIO);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = errno;
        false
    }
}

/// The next stretch of data at or after `offset` (lseek(2), `SEEK_DATA` and `SEEK_HOLE`): start and end.
/// `None`: nothing but a hole up to the end.
///
/// # Errors
/// What the call answers; EINVAL where holes are not told.
pub fn next_data(fd: BorrowedFd<'_>, offset: u64) -> io::Result<Option<(u64, u64)>> {
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    {
        let start = match rustix::fs::seek(fd, SeekFrom::Data(offset)) {
            Ok(n) => n,
            Err(Errno::NXIO) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let end = rustix::fs::seek(fd, SeekFrom::Hole(start))?;
        Ok(Some((start, end)))
    }
    #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
    {
        let _ = (fd, offset, SeekFrom::Start(0));
        Err(Errno::INVAL.into())
    }
}

/// Renames within the drive (renameat2(2)); with `replace` false an existing name is left alone and the
/// answer is EEXIST. Where the flag is not known (FUSE answers EINVAL) the name is looked at first.
///
/// # Errors
/// What the call answers.
pub fn rename(
    from_dir: BorrowedFd<'_>,
    from: &[u8],
    to_dir: BorrowedFd<'_>,
    to: &[u8],
    replace: bool,
) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let flags = if replace {
            RenameFlags::empty()
        } else {
            RenameFlags::NOREPLACE
        };
        match retry_on_intr(|| rustix::fs::renameat_with(from_dir, from, to_dir, to, flags)) {
            Ok(()) => return Ok(()),
            Err(Errno::INVAL | Errno::NOSYS) if !replace => {}
            Err(e) => return Err(e.into()),
        }
    }
    if !replace {
        match crate::sys::stat_at(to_dir, to) {
            Ok(_) => return Err(Errno::EXIST.into()),
            Err(e) if e.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(retry_on_intr(|| {
        rustix::fs::renameat(from_dir, from, to_dir, to)
    })?)
}

/// Removes a name; a directory only with `dir` (unlinkat(2)).
///
/// # Errors
/// What the call answers.
pub fn unlink(at: BorrowedFd<'_>, name: &[u8], dir: bool) -> io::Result<()> {
    let flags = if dir {
        AtFlags::REMOVEDIR
    } else {
        AtFlags::empty()
    };
    Ok(retry_on_intr(|| rustix::fs::unlinkat(at, name, flags))?)
}

/// Makes a directory that only its owner can enter (mkdirat(2)).
///
/// # Errors
/// What the call answers.
pub fn make_dir(at: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    Ok(retry_on_intr(|| {
        rustix::fs::mkdirat(at, name, Mode::from_raw_mode(0o700))
    })?)
}

/// A time as the kernel takes it.
pub fn timestamps(mtime: Time) -> Timestamps {
    let at = Timespec {
        tv_sec: mtime.sec,
        tv_nsec: mtime.nsec.into(),
    };
    Timestamps {
        last_access: at,
        last_modification: at,
    }
}

/// Sets the owner of an open file or directory; whether it could be given away. What it has in the way of
/// capabilities goes with the old owner (chown(2)), so attributes are written after it.
///
/// # Errors
/// What fchown(2) answers, but for what means that it may not, or cannot be kept here.
pub fn set_owner(fd: BorrowedFd<'_>, want: &Meta) -> io::Result<bool> {
    let uid = rustix::fs::Uid::from_raw(want.uid);
    let gid = rustix::fs::Gid::from_raw(want.gid);
    match rustix::fs::fchown(fd, Some(uid), Some(gid)) {
        Ok(()) => Ok(true),
        Err(Errno::PERM | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Sets owner, mode and modification time on an open file or directory, in the order that opens no
/// window: the owner first, since changing it clears setuid. Returns whether the owner was kept.
///
/// # Errors
/// What fchmod(2) or futimens(2) answer. An owner that may not be given away is not an error.
pub fn set_metadata(fd: BorrowedFd<'_>, now: Option<&Meta>, want: &Meta) -> io::Result<bool> {
    let mut owned = true;
    if now.is_none_or(|n| n.uid != want.uid || n.gid != want.gid) {
        owned = set_owner(fd, want)?;
    }
    // Without the right owner setuid and setgid would mean something else.
    let mode = if owned { want.mode } else { want.mode & 0o1777 };
    if now.is_none_or(|n| n.mode != mode || n.uid != want.uid || n.gid != want.gid) {
        match rustix::fs::fchmod(fd, Mode::from_raw_mode(mode as _)) {
            Ok(()) | Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(e) => return Err(e.into()),
        }
    }
    rustix::fs::futimens(fd, &timestamps(want.mtime))?;
    Ok(owned)
}

/// Closes a file that was written and gives what close(2) says, which is where some file systems first tell of a
/// failed write. Where a whole file system cannot be flushed (`sync_file_system`) this file is, before.
///
/// # Errors
/// What the call answers, but for EINTR: the descriptor is closed all the same on Linux.
pub fn close(fd: OwnedFd) -> io::Result<()> {
    #[cfg(any(not(target_os = "linux"), feature = "portable"))]
    sync_file(fd.as_fd())?;
    // SAFETY: the descriptor was owned by `fd`, which is given up here, so nobody uses it afterwards.
    match unsafe { rustix::io::try_close(fd.into_raw_fd()) } {
        Ok(()) | Err(Errno::INTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Asks the kernel to forget the cached pages of a file, so that reading it asks the device
/// (posix_fadvise(2)). On FUSE this proves nothing.
pub fn drop_cache(fd: impl AsFd) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(fd, 0, None, rustix::fs::Advice::DontNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = fd;
}
