//! The tables of mounts: `/proc/self/mountinfo` (proc(5)) for what is mounted, `/etc/fstab` (fstab(5)) for
//! what should be.
//!
//! Both escape blanks and backslashes in octal; here names are the bytes again. A line that cannot be
//! understood is passed over: the tables are advice, and nothing is deleted or written because of one.
//! Where there is no such table (other systems, a bare chroot) the lists are empty.

use std::fs;
use std::io;

use crate::error::{Error, Result};

/// One mount, as this process sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The mount's number, the one that statx(2) answers; reused after an unmount.
    pub id: u64,
    /// Major number of the file system's device (0 for one without a device).
    pub major: u32,
    /// Minor number of the file system's device.
    pub minor: u32,
    /// Which directory of the file system is mounted: `/`, or a part of it for bind mounts.
    pub root: Vec<u8>,
    /// Where it is mounted.
    pub mount_point: Vec<u8>,
    /// The file system's type: `ext4`, `fuseblk`, `nfs4`.
    pub fs_type: Vec<u8>,
    /// What is mounted: `/dev/sdb1`, `server:/export`, `tmpfs`.
    pub source: Vec<u8>,
    /// Whether the mount or its file system is read-only.
    pub read_only: bool,
}

impl Mount {
    /// Whether a user-space program serves it (its durability and cache behave differently).
    pub fn is_fuse(&self) -> bool {
        self.fs_type.starts_with(b"fuse.") || matches!(&self.fs_type[..], b"fuse" | b"fuseblk")
    }
}

/// Everything that is mounted now, in the order of mounting.
///
/// # Errors
/// `Code::Io` when the table is there and cannot be read.
pub fn mounts() -> Result<Vec<Mount>> {
    Ok(parse_mountinfo(&read_table("/proc/self/mountinfo")?))
}

/// The lines of `/etc/fstab` that name a mount point.
///
/// # Errors
/// `Code::Io` when the table is there and cannot be read.
pub fn fstab() -> Result<Vec<FstabLine>> {
    Ok(parse_fstab(&read_table("/etc/fstab")?))
}

fn read_table(path: &str) -> Result<Vec<u8>> {
    match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|e| Error::io("reading", path.as_bytes(), &e)),
    }
}

/// Reads the lines of a mountinfo table:
/// `36 35 98:0 /root /mount/point rw,noatime master:1 - ext4 /dev/root rw,errors=continue`.
pub fn parse_mountinfo(table: &[u8]) -> Vec<Mount> {
    table
        .split(|b| *b == b'\n')
        .filter_map(mount_line)
        .collect()
}

fn mount_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|b| *b == b' ');
    let id = number(fields.next()?)?;
    let _parent = fields.next()?;
    let mut device = fields.next()?.split(|b| *b == b':');
    let (major, minor) = (number(device.next()?)?, number(device.next()?)?);
    let (root, mount_point) = (unescape(fields.next()?), unescape(fields.next()?));
    let options = fields.next()?;
    // Any number of optional fields, then a dash.
    fields.by_ref().find(|f| *f == b"-")?;
    let (fs_type, source) = (unescape(fields.next()?), unescape(fields.next()?));
    let super_options = fields.next().unwrap_or_default();
    Some(Mount {
        id,
        major: u32::try_from(major).ok()?,
        minor: u32::try_from(minor).ok()?,
        root,
        mount_point,
        fs_type,
        source,
        read_only: has_option(options, b"ro") || has_option(super_options, b"ro"),
    })
}

/// What fstab says of one mount point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FstabLine {
    /// Where it would be mounted, without a trailing slash.
    pub mount_point: Vec<u8>,
    /// Whether it is left to somebody to mount it by hand (`noauto`).
    pub noauto: bool,
}

/// Reads the lines of an fstab that have an absolute mount point (swap has none).
pub fn parse_fstab(table: &[u8]) -> Vec<FstabLine> {
    table
        .split(|b| *b == b'\n')
        .filter_map(|line| {
            let mut fields = line
                .split(|b| matches!(b, b' ' | b'\t' | b'\r'))
                .filter(|f| !f.is_empty());
            if fields.next()?.starts_with(b"#") {
                return None;
            }
            let mut mount_point = unescape(fields.next()?);
            if !mount_point.starts_with(b"/") {
                return None;
            }
            while mount_point.len() > 1 && mount_point.ends_with(b"/") {
                mount_point.pop();
            }
            let options = fields.nth(1).unwrap_or_default();
            Some(FstabLine {
                mount_point,
                noauto: has_option(options, b"noauto"),
            })
        })
        .collect()
}

/// Whether `path` is `top` or lies below it. Both absolute, without `.` and `..`.
pub fn is_within(path: &[u8], top: &[u8]) -> bool {
    if top == b"/" {
        return path.starts_with(b"/");
    }
    match path.strip_prefix(top) {
        Some(rest) => rest.is_empty() || rest.starts_with(b"/"),
        None => false,
    }
}

fn has_option(options: &[u8], name: &[u8]) -> bool {
    options.split(|b| *b == b',').any(|o| o == name)
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Turns `\040` and the like into the byte; a backslash that starts no such escape stays.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        match tail {
            [
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                after @ ..,
            ] if *first == b'\\' => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_lines_are_read_with_their_escapes_and_optional_fields() {
        let table = b"22 27 0:21 / /proc rw,relatime - proc proc rw\n\
            36 35 98:1 /sub /mnt/my\\040drive\\134x rw,noatime master:1 propagate_from:2 - ext4 /dev/sdb1 rw\n\
            40 35 0:50 / /m/\xff\\012 rw - fuse.sshfs u@h:/ ro,user_id=0\n\
            41 35 8:17 / /m/ntfs ro,nosuid - fuseblk /dev/sdb1 rw\n";
        let all = parse_mountinfo(table);
        assert_eq!(all.len(), 4);
        assert_eq!(all[1].mount_point, b"/mnt/my drive\\x");
        assert_eq!((all[1].id, all[1].major, all[1].minor), (36, 98, 1));
        assert_eq!(
            (&all[1].root[..], &all[1].source[..]),
            (&b"/sub"[..], &b"/dev/sdb1"[..])
        );
        assert!(!all[1].read_only && !all[1].is_fuse());
        assert_eq!(all[2].mount_point, b"/m/\xff\n");
        assert!(
            all[2].read_only && all[2].is_fuse(),
            "read-only by the file system's own options"
        );
        assert!(
            all[3].read_only && all[3].is_fuse(),
            "read-only by the mount's options"
        );
    }

    #[test]
    fn broken_mountinfo_lines_are_passed_over() {
        for line in [
            &b""[..],
            b"x",
            b"1 2 3",
            b"1 2 3:4 / /m rw",
            b"1 2 3:4 / /m rw master:1",
            b"1 2 3:4 / /m rw -",
            b"1 2 3:4 / /m rw - ext4",
            b"1 2 34 / /m rw - ext4 x rw",
            b"1 2 99999999999:4 / /m rw - ext4 x rw",
            b"-1 2 3:4 / /m rw - ext4 x rw",
        ] {
            assert_eq!(
                parse_mountinfo(line),
                [],
                "{}",
                String::from_utf8_lossy(line)
            );
        }
    }

    #[test]
    fn fstab_names_mount_points() {
        let table = b"# UUID=1 /commented ext4 defaults 0 0\n\
            UUID=2\t/\text4\terrors=remount-ro 0 1\n\
            \x20 LABEL=usb  /mnt/my\\040usb/  auto  rw,noauto,user 0 0\n\
            /swap none swap sw 0 0\n\
            server:/x /srv/x\n\
            lonely\n\
            /dev/sr0 /cd udf noautomatic\n";
        let line = |p: &[u8], noauto| FstabLine {
            mount_point: p.to_vec(),
            noauto,
        };
        assert_eq!(
            parse_fstab(table),
            [
                line(b"/", false),
                line(b"/mnt/my usb", true),
                line(b"/srv/x", false),
                line(b"/cd", false)
            ]
        );
    }

    #[test]
    fn escapes_that_are_none_stay() {
        assert_eq!(unescape(b"a\\"), b"a\\");
        assert_eq!(unescape(b"a\\04"), b"a\\04");
        assert_eq!(unescape(b"\\499\\777\\377"), b"\\499\\777\xff");
    }

    #[test]
    fn within_is_by_whole_components() {
        assert!(is_within(b"/mnt/a", b"/mnt/a") && is_within(b"/mnt/a/b", b"/mnt/a"));
        assert!(is_within(b"/x", b"/") && is_within(b"/", b"/"));
        assert!(!is_within(b"/mnt/ab", b"/mnt/a") && !is_within(b"/mnt", b"/mnt/a"));
    }

    #[test]
    fn this_machine_has_a_root_mount() {
        let all = mounts().expect("mountinfo is readable");
        assert!(all.iter().any(|m| m.mount_point == b"/"));
    }
}
