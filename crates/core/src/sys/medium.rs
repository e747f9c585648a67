//! What lies between a file and its device: where its content begins, and how much of it is in memory.
//!
//! All of it is advice for reading in a good order and for judging what a reading proves; where the system does
//! not tell, the answer is that it is not known.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::AtFlags;
#[cfg(target_os = "linux")]
use rustix::fs::StatxFlags;

use crate::meta::Time;

/// Where the first extent of a file begins on its device, in bytes (FS_IOC_FIEMAP, ioctl_fslist(2) and the
/// kernel's Documentation/filesystems/fiemap.rst). `None`: not told, or there is none (a hole, an inline file).
pub fn first_extent(fd: BorrowedFd<'_>) -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        /// struct fiemap with room for one struct fiemap_extent.
        #[repr(C)]
        #[derive(Default)]
        struct Fiemap {
            start: u64,
            length: u64,
            flags: u32,
            mapped_extents: u32,
            extent_count: u32,
            reserved: u32,
            logical: u64,
            physical: u64,
            extent_length: u64,
            reserved64: [u64; 2],
            extent_flags: u32,
            reserved32: [u32; 3],
        }
        /// _IOWR('f', 11, struct fiemap), the same on all architectures that Linux runs Node.js on.
        const FS_IOC_FIEMAP: u32 = 0xC020_660B;
        /// The place is not known yet, or means nothing.
        const UNKNOWN: u32 = 0x2 | 0x4 | 0x200;
        let mut map = Fiemap {
            length: u64::MAX,
            extent_count: 1,
            ..Fiemap::default()
        };
        // SAFETY: the request reads and writes a struct fiemap with room for `extent_count` extents; `map` is
        // one with room for one, and it outlives the call. The descriptor is open for the call.
        let answer = unsafe { libc::ioctl(fd.as_raw_fd(), FS_IOC_FIEMAP as _, &raw mut map) };
        let known = answer == 0 && map.mapped_extents == 1 && map.extent_flags & UNKNOWN == 0;
        known.then_some(map.physical)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (fd.as_raw_fd(), fd);
        None
    }
}

/// How many bytes of the first `len` of a file are in the page cache (cachestat(2), and where that is not there or
/// not allowed mmap(2) and mincore(2)); `None`: not told. Without the right to write the file, the kernel answers for
/// files of others that all of it is (Linux 5.2).
pub fn resident_bytes(fd: BorrowedFd<'_>, len: u64) -> Option<u64> {
    cache_stat(fd, len).or_else(|| mapped_bytes(fd, len))
}

/// [`resident_bytes`] by mmap(2) and mincore(2).
fn mapped_bytes(fd: BorrowedFd<'_>, len: u64) -> Option<u64> {
    /// As much address space as is taken at a time.
    const WINDOW: u64 = 1 << 30;
    let page = rustix::param::page_size() as u64;
    let mut resident = 0;
    let mut at = 0;
    let mut pages = Vec::new();
    while at < len {
        let n = (len - at).min(WINDOW);
        pages.clear();
        pages.resize(n.div_ceil(page) as usize, 0u8);
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours; it is never
        // read, so it does not matter if the file becomes shorter, and it is unmapped below.
        let map = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                n as usize,
                libc::PROT_READ,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                libc::off_t::try_from(at).ok()?,
            )
        };
        if map == libc::MAP_FAILED {
            return None;
        }
        // SAFETY: `map` is a mapping of `n` bytes, and `pages` has a byte for each of its pages.
        let told = unsafe { libc::mincore(map, n as usize, pages.as_mut_ptr().cast()) };
        // SAFETY: this very mapping was made above, and nothing points into it.
        unsafe { libc::munmap(map, n as usize) };
        if told != 0 {
            return None;
        }
        resident += pages.iter().filter(|p| **p & 1 != 0).count() as u64 * page;
        at += n;
    }
    Some(resident.min(len))
}

/// How many bytes of the first `len` of a file are in the page cache, by cachestat(2) (Linux 6.5): one call, that holds
/// nothing up, where a mapping holds up all threads of a process. `None`: it is not there, or says nothing.
fn cache_stat(fd: BorrowedFd<'_>, len: u64) -> Option<u64> {
    #[cfg(all(
        target_os = "linux",
        not(feature = "portable"),
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    {
        /// The same on all architectures that Linux has had numbers for since 5.0.
        const CACHESTAT: libc::c_long = 451;
        let page = rustix::param::page_size() as u64;
        // `struct cachestat_range`: from where, and how many bytes; 0 would mean all that follow.
        let range = [0u64, len.max(1)];
        // `struct cachestat`: pages in the cache, dirty, being written, evicted, and evicted of late.
        let mut told = [0u64; 5];
        // SAFETY: both are arrays of as many numbers of 64 bits as the structures have, and outlive the call.
        let answer = unsafe {
            libc::syscall(
                CACHESTAT,
                fd.as_raw_fd(),
                range.as_ptr(),
                told.as_mut_ptr(),
                0u32,
            )
        };
        (answer == 0).then(|| told[0].saturating_mul(page).min(len))
    }
    #[cfg(not(all(
        target_os = "linux",
        not(feature = "portable"),
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    {
        let _ = (fd, len);
        None
    }
}

/// When the entry `name` of `dir` was last changed in any way, renamed included (st_ctime, statat(2)).
///
/// # Errors
/// What the call answers.
pub fn changed_at(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Time> {
    let s = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(Time {
        sec: s.st_ctime as i64,
        nsec: s.st_ctime_nsec as u32,
    })
}

/// The id of the mount that a descriptor is on, one that is not given twice before the system is started anew
/// (statx(2), STATX_MNT_ID_UNIQUE, Linux 6.8); where there is none, the id that is used again.
///
/// # Errors
/// What the system answers.
pub fn unique_mount_id(fd: BorrowedFd<'_>) -> io::Result<u64> {
    #[cfg(target_os = "linux")]
    {
        const MNT_ID_UNIQUE: u32 = 0x4000;
        let want = StatxFlags::from_bits_retain(MNT_ID_UNIQUE);
        if let Ok(s) = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, want)
            && s.stx_mask & MNT_ID_UNIQUE != 0
            && s.stx_mnt_id != 0
        {
            return Ok(s.stx_mnt_id);
        }
    }
    super::mount_id(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn both_ways_tell_how_much_of_a_file_is_in_memory() {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &[7; 100_000]).unwrap();
        let mapped = mapped_bytes(file.as_fd(), 100_000);
        assert_eq!(mapped, Some(100_000));
        // An older kernel does not have the call.
        if let Some(told) = cache_stat(file.as_fd(), 100_000) {
            assert_eq!(told, 100_000);
            assert_eq!(cache_stat(file.as_fd(), 5000), Some(5000));
        }
        assert_eq!(resident_bytes(file.as_fd(), 0), Some(0));
    }
}
