//! What kind of file system a descriptor is on, as far as it decides how to copy.

use std::os::fd::BorrowedFd;

/// The kinds that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystemKind {
    /// ext2, ext3, ext4, xfs, btrfs, tmpfs: tell holes truly.
    Native,
    /// NFS, SMB and the like: the server can copy by itself.
    Network,
    /// Anything else.
    Other,
}

impl FileSystemKind {
    /// Whether `SEEK_DATA` and `SEEK_HOLE` can be believed. ZFS and virtiofs have lied.
    pub fn trusts_holes(self) -> bool {
        self == FileSystemKind::Native
    }

    /// Whether it is one of Linux's own, whose abilities are known.
    pub fn is_native(self) -> bool {
        self == FileSystemKind::Native
    }

    /// Whether it is a network's.
    pub fn is_network(self) -> bool {
        self == FileSystemKind::Network
    }
}

/// The kind by the file system's magic number (statfs(2)).
pub fn file_system_kind(fd: BorrowedFd<'_>) -> FileSystemKind {
    #[cfg(target_os = "linux")]
    if let Ok(s) = rustix::fs::fstatfs(fd) {
        return match s.f_type as u64 & 0xffff_ffff {
            0xef53 | 0x5846_5342 | 0x9123_683e | 0x0102_1994 => FileSystemKind::Native,
            0x6969 | 0xff53_4d42 | 0xfe53_4d42 | 0x517b | 0x0102_1997 => FileSystemKind::Network,
            _ => FileSystemKind::Other,
        };
    }
    let _ = fd;
    FileSystemKind::Other
}
