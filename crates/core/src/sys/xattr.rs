//! Extended attributes and file flags of open files, and of names that must not be opened.
//!
//! POSIX ACLs are attributes, too (`system.posix_acl_access`, acl(5)). What is refused is told, never failed:
//! whoever copies decides what a loss means.

use std::os::fd::BorrowedFd;

#[cfg(target_os = "linux")]
use rustix::fs::XattrFlags;
use rustix::io::{Errno, Result};

use crate::format::extra::{APPEND_ONLY, IMMUTABLE, NO_DUMP, Xattr};

/// The most that a list of names (XATTR_LIST_MAX), or a value (XATTR_SIZE_MAX), can have.
const MOST: usize = 65_536;

/// The ACL that what is made in a directory inherits.
const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

/// Whose attributes are meant.
#[derive(Debug, Clone, Copy)]
pub enum On<'a> {
    /// An open file or directory.
    Open(BorrowedFd<'a>),
    /// A name in a directory; a symlink is not followed. Needs `/proc`.
    Name(BorrowedFd<'a>, &'a [u8]),
}

/// Which attributes could not be read, or not be set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lost {
    /// ACLs.
    pub acls: bool,
    /// Others.
    pub others: bool,
    /// Which there are: nothing is known of any.
    pub all: bool,
}

impl Lost {
    /// Whether none are.
    pub fn is_none(self) -> bool {
        !self.acls && !self.others && !self.all
    }

    fn note(&mut self, name: &[u8]) {
        match is_acl(name) {
            true => self.acls = true,
            false => self.others = true,
        }
    }
}

fn is_acl(name: &[u8]) -> bool {
    name.starts_with(b"system.posix_acl_")
}

/// What XFS shows root of its ACLs beside `system.posix_acl_access`, in a form of its own: one is the other, so to
/// remove it would take the ACL away.
fn is_double(name: &[u8]) -> bool {
    name == b"trusted.SGI_ACL_FILE" || name == b"trusted.SGI_ACL_DEFAULT"
}

/// Attributes that are as the source has them: one that it has not is removed. All others belong to the system.
fn is_ours(name: &[u8]) -> bool {
    let spaces: [&[u8]; 2] = [b"user.", b"trusted."];
    spaces.iter().any(|space| name.starts_with(space))
        || is_acl(name)
        || name == b"security.capability"
}

#[cfg(target_os = "linux")]
impl On<'_> {
    fn list(&self, to: &mut [u8]) -> Result<usize> {
        match *self {
            On::Open(fd) => rustix::fs::flistxattr(fd, &mut *to),
            On::Name(dir, name) => rustix::fs::llistxattr(path_of(dir, name), &mut *to),
        }
    }

    fn get(&self, attribute: &[u8], to: &mut [u8]) -> Result<usize> {
        match *self {
            On::Open(fd) => rustix::fs::fgetxattr(fd, attribute, &mut *to),
            On::Name(dir, name) => rustix::fs::lgetxattr(path_of(dir, name), attribute, &mut *to),
        }
    }

    fn set(&self, attribute: &[u8], value: &[u8]) -> Result<()> {
        let flags = XattrFlags::empty();
        match *self {
            On::Open(fd) => rustix::fs::fsetxattr(fd, attribute, value, flags),
            On::Name(dir, name) => {
                rustix::fs::lsetxattr(path_of(dir, name), attribute, value, flags)
            }
        }
    }

    fn remove(&self, attribute: &[u8]) -> Result<()> {
        match *self {
            On::Open(fd) => rustix::fs::fremovexattr(fd, attribute),
            On::Name(dir, name) => rustix::fs::lremovexattr(path_of(dir, name), attribute),
        }
    }
}

/// The path of a name in an open directory. `lgetxattr` and its kin take nothing but paths.
#[cfg(target_os = "linux")]
fn path_of(dir: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    use std::os::fd::AsRawFd;
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    path
}

/// Attributes of other systems have other names and rules: none is read or written there, and each call says so,
/// which is told as "not kept" where there is anything to keep.
#[cfg(not(target_os = "linux"))]
impl On<'_> {
    fn list(&self, _to: &mut [u8]) -> Result<usize> {
        Err(Errno::INVAL)
    }

    fn get(&self, _attribute: &[u8], _to: &mut [u8]) -> Result<usize> {
        Err(Errno::INVAL)
    }

    fn set(&self, _attribute: &[u8], _value: &[u8]) -> Result<()> {
        Err(Errno::INVAL)
    }

    fn remove(&self, _attribute: &[u8]) -> Result<()> {
        Err(Errno::INVAL)
    }
}

/// What is answered where an attribute is not there.
#[cfg(target_os = "linux")]
const NO_ATTRIBUTE: Errno = Errno::NODATA;
#[cfg(not(target_os = "linux"))]
const NO_ATTRIBUTE: Errno = Errno::NOENT;

impl On<'_> {
    /// The names of all attributes, each with a NUL behind it (listxattr(2)).
    fn names(&self) -> Result<Vec<u8>> {
        let mut few = [0u8; 1024];
        match self.list(&mut few) {
            Ok(len) => Ok(few[..len].to_vec()),
            // None here, and not supported, are the same.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Vec::new()),
            Err(Errno::RANGE) => {
                let mut many = vec![0u8; MOST];
                let len = self.list(&mut many)?;
                many.truncate(len);
                Ok(many)
            }
            Err(e) => Err(e),
        }
    }
}

fn each(names: &[u8]) -> impl Iterator<Item = &[u8]> {
    names
        .split(|b| *b == 0)
        .filter(|name| !name.is_empty() && !is_double(name))
}

/// All attributes that can be read, by rising names, and which cannot (xattr(7)). Those in `trusted` are shown to
/// root alone.
pub fn read_xattrs(on: On<'_>) -> (Vec<Xattr>, Lost) {
    let mut lost = Lost::default();
    let names = match on.names() {
        Ok(names) => names,
        Err(_) => {
            lost.all = true;
            return (Vec::new(), lost);
        }
    };
    if names.is_empty() {
        return (Vec::new(), lost);
    }
    let mut all = Vec::new();
    let mut value = vec![0u8; MOST];
    for name in each(&names) {
        match on.get(name, &mut value) {
            Ok(len) => all.push((name.to_vec(), value[..len].to_vec())),
            // Removed since the names were read.
            Err(NO_ATTRIBUTE) => {}
            Err(_) => lost.note(name),
        }
    }
    all.sort();
    (all, lost)
}

/// Sets attributes; tells which could not be. `fresh`: there are none yet; else what is there and not wanted is
/// removed, and what is as it should be is not written.
pub fn write_xattrs(on: On<'_>, want: &[Xattr], fresh: bool) -> Lost {
    let mut lost = Lost::default();
    let mut there = Vec::new();
    if !fresh {
        there = read_xattrs(on).0;
        let unwanted = |(name, _): &&Xattr| is_ours(name) && !want.iter().any(|w| w.0 == *name);
        for (name, _) in there.iter().filter(unwanted) {
            if !matches!(on.remove(name), Ok(()) | Err(NO_ATTRIBUTE)) {
                lost.note(name);
            }
        }
    }
    for one in want {
        if !there.contains(one) && on.set(&one.0, &one.1).is_err() {
            lost.note(&one.0);
        }
    }
    lost
}

/// Takes from a directory the ACL that what is made in it would inherit. Where there are no ACLs there is nothing
/// to take.
pub fn drop_default_acl(dir: BorrowedFd<'_>) {
    let _ = On::Open(dir).remove(DEFAULT_ACL);
}

/// Sets flags on an open file or directory, beside those that it has (FS_IOC_SETFLAGS, ioctl_iflags(2)).
///
/// # Errors
/// What the calls answer: EPERM without root, ENOTTY where the file system has no flags.
pub fn set_flags(fd: BorrowedFd<'_>, flags: u8) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::IFlags;
        let now = rustix::fs::ioctl_getflags(fd)?;
        let want = [
            (IMMUTABLE, IFlags::IMMUTABLE),
            (APPEND_ONLY, IFlags::APPEND),
            (NO_DUMP, IFlags::NODUMP),
        ]
        .into_iter()
        .filter(|(bit, _)| flags & bit != 0)
        .fold(now, |all, (_, flag)| all | flag);
        if want != now {
            rustix::fs::ioctl_setflags(fd, want)?;
        }
        Ok(())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (fd, flags, IMMUTABLE, APPEND_ONLY, NO_DUMP);
        Err(Errno::NOTTY.into())
    }
}
