//! Device numbers, and what is neither file nor directory, where systems differ.

use std::io;
use std::os::fd::BorrowedFd;

#[cfg(not(target_vendor = "apple"))]
use rustix::fs::FileType;
use rustix::fs::{AtFlags, Mode};
use rustix::io::{Errno, retry_on_intr};

use crate::meta::Kind;

/// The major number of a device, as `Meta::rdev` holds it (makedev(3)).
pub fn major(device: u64) -> u32 {
    rustix::fs::major(device as _)
}

/// The minor number of a device (makedev(3)).
pub fn minor(device: u64) -> u32 {
    rustix::fs::minor(device as _)
}

/// The device of two numbers, as `Meta::rdev` holds it (makedev(3)).
#[allow(clippy::unnecessary_cast)]
pub fn make_device(major: u32, minor: u32) -> u64 {
    rustix::fs::makedev(major, minor) as u64
}

/// Makes a fifo, a socket or a device that is its owner's alone (mknodat(2)). macOS has no such call by
/// descriptor before its version 13: ENOSYS there.
///
/// # Errors
/// What the call answers.
pub fn make_node(dir: BorrowedFd<'_>, name: &[u8], kind: Kind, device: u64) -> Result<(), Errno> {
    #[cfg(not(target_vendor = "apple"))]
    let kind = FileType::from_raw_mode(kind.type_bits() as _);
    #[cfg(not(target_vendor = "apple"))]
    return rustix::fs::mknodat(dir, name, kind, Mode::from_raw_mode(0o600), device as _);
    #[cfg(target_vendor = "apple")]
    {
        let _ = (dir, name, kind, device, Mode::empty());
        Err(Errno::NOSYS)
    }
}

/// Sets the mode of a name that is of this kind and no symlink; any other that took its place is left alone. Linux
/// has no call that does this (fchmodat(2) before 6.6), so it goes by a descriptor and `/proc` there.
///
/// # Errors
/// What the calls answer.
pub fn set_mode_at(dir: BorrowedFd<'_>, name: &[u8], kind: Kind, mode: u32) -> io::Result<()> {
    let mode = Mode::from_raw_mode(mode as _);
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::OFlags;
        use std::os::fd::{AsFd, AsRawFd};
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = retry_on_intr(|| rustix::fs::openat(dir, name, flags, Mode::empty()))?;
        if super::stat_fd(fd.as_fd())?.kind != kind {
            return Ok(());
        }
        Ok(rustix::fs::chmod(
            format!("/proc/self/fd/{}", fd.as_raw_fd()),
            mode,
        )?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        if super::stat_at(dir, name)?.kind != kind {
            return Ok(());
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(retry_on_intr(|| {
            rustix::fs::chmodat(dir, name, mode, flags)
        })?)
    }
}

/// Sets the mode of a name that was just made beside nobody else's (fchmodat(2)).
///
/// # Errors
/// What the call answers.
pub fn set_new_mode(dir: BorrowedFd<'_>, name: &[u8], mode: u32) -> Result<(), Errno> {
    rustix::fs::chmodat(dir, name, Mode::from_raw_mode(mode as _), AtFlags::empty())
}
