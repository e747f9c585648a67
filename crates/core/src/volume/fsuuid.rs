//! The UUID of a file system, as udev and blkid(8) write it, without opening its device.
//!
//! Asks the kernel (`FS_IOC_GETFSUUID`, Linux 6.9 and later), then udev's links in `/dev/disk/by-uuid`.
//! Neither needs root. What neither knows (tmpfs, network file systems, most of FUSE without udev) has none.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use rustix::fd::BorrowedFd;

/// The UUID of the file system that `fd` lies on; `device` is its block device (st_rdev), where known.
pub(super) fn uuid(fd: BorrowedFd<'_>, device: Option<u64>) -> Option<String> {
    kernel::ask(fd).or_else(|| by_link(device?))
}

/// The name of the link in `/dev/disk/by-uuid` that leads to this device.
fn by_link(device: u64) -> Option<String> {
    fs::read_dir("/dev/disk/by-uuid")
        .ok()?
        .filter_map(Result::ok)
        .find(|link| fs::metadata(link.path()).is_ok_and(|m| m.rdev() == device))
        .and_then(|link| String::from_utf8(link.file_name().as_bytes().to_vec()).ok())
}

/// Writes the bytes as blkid does: 16 in the usual groups, the 4 of a FAT volume as `1A2B-3C4D`.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn write(bytes: &[u8]) -> Option<String> {
    if bytes.iter().all(|b| *b == 0) {
        return None;
    }
    match *bytes {
        [a, b, c, d] => Some(format!("{d:02X}{c:02X}-{b:02X}{a:02X}")),
        _ if bytes.len() == 16 => {
            let mut text = String::with_capacity(36);
            for (n, byte) in bytes.iter().enumerate() {
                if matches!(n, 4 | 6 | 8 | 10) {
                    text.push('-');
                }
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02x}");
            }
            Some(text)
        }
        _ => None,
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use rustix::fd::BorrowedFd;
    use rustix::ioctl::{Getter, ioctl, opcode};

    /// `struct fsuuid2` of linux/fs.h.
    #[repr(C)]
    struct FsUuid2 {
        len: u8,
        uuid: [u8; 16],
    }

    const FS_IOC_GETFSUUID: u32 = opcode::read::<FsUuid2>(0x15, 0) as u32;

    /// The UUID, if this kernel and file system tell it.
    pub(super) fn ask(fd: BorrowedFd<'_>) -> Option<String> {
        // SAFETY: the opcode reads a `struct fsuuid2`, which is what `FsUuid2` lays out (17 bytes, no
        // padding); a kernel or file system that does not know it answers an error and writes nothing.
        let answer = unsafe {
            ioctl(
                fd,
                Getter::<{ FS_IOC_GETFSUUID as rustix::ioctl::Opcode }, FsUuid2>::new(),
            )
        }
        .ok()?;
        super::write(answer.uuid.get(..usize::from(answer.len))?)
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use rustix::fd::BorrowedFd;

    /// Other systems have no such call.
    pub(super) fn ask(_fd: BorrowedFd<'_>) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_written_as_blkid_writes_them() {
        let bytes: Vec<u8> = (0..16).collect();
        assert_eq!(
            write(&bytes).as_deref(),
            Some("00010203-0405-0607-0809-0a0b0c0d0e0f")
        );
        assert_eq!(
            write(&[0x4d, 0x3c, 0x2b, 0x1a]).as_deref(),
            Some("1A2B-3C4D")
        );
        assert_eq!(write(&[0; 16]), None);
        assert_eq!(write(&[1, 2, 3]), None);
    }
}
