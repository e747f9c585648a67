//! What stands on a drive in the place of an entry, read from the device; and the proof after it was written.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::content::digest_of;
use super::drive::{Drive, join, split};
use super::times::is_kept;
use crate::cancel::CancelToken;
use crate::error::{Code, Error, IoContext, Result};
use crate::format::item::{Algorithm, Item};
use crate::format::verify::Word;
use crate::meta::{Kind, Meta};
use crate::sys;

/// What stands there.
#[derive(Debug)]
pub(super) enum Now {
    /// What was recorded.
    Good,
    /// Nothing.
    Missing,
    /// A file of the recorded size and time, and of other content, or one that cannot be read.
    Bad {
        /// Bytes that it takes on the drive.
        allocated: u64,
        /// Whether it cannot be read.
        unreadable: bool,
    },
    /// Something of another kind, size or time: somebody changed it.
    Differs {
        /// Only its time differs.
        touched: bool,
    },
}

impl Now {
    /// The word of a finding that says so; of what is good there is none to be.
    pub fn word(&self) -> Word {
        match self {
            Now::Missing => Word::Missing,
            Now::Bad {
                unreadable: false, ..
            } => Word::Corrupt,
            Now::Bad {
                unreadable: true, ..
            } => Word::Unreadable,
            Now::Good | Now::Differs { .. } => Word::Changed,
        }
    }
}

/// Looks at the place of an entry. What the drive answers with an error counts as unreadable.
///
/// # Errors
/// `Code::Cancelled`.
pub(super) fn look(drive: &Drive, item: &Item, cancel: &CancelToken) -> Result<Now> {
    let (dir, name) = split(item.on_drive());
    let unreadable = Now::Bad {
        allocated: 0,
        unreadable: true,
    };
    let dir = match sys::open_dir_beneath(drive.root.as_fd(), dir, true) {
        Ok(dir) => dir,
        Err(e) if is_absent(&e) => return Ok(Now::Missing),
        Err(_) => return Ok(unreadable),
    };
    let found = match sys::stat_at(dir.as_fd(), name) {
        Ok(found) => found,
        Err(e) if is_absent(&e) => return Ok(Now::Missing),
        Err(_) => return Ok(unreadable),
    };
    let differs = Now::Differs { touched: false };
    if found.kind != item.kind {
        return Ok(differs);
    }
    let good = match item.kind {
        Kind::File => return file(drive, item, &dir, &found, cancel),
        Kind::Symlink => {
            let target = rustix::fs::readlinkat(&dir, name, Vec::new());
            target.is_ok_and(|t| Some(t.as_bytes()) == item.target.as_deref())
        }
        Kind::CharDevice | Kind::BlockDevice => {
            let rdev = (sys::major(found.rdev), sys::minor(found.rdev));
            Some(rdev) == item.rdev
        }
        _ => true,
    };
    Ok(if good { Now::Good } else { differs })
}

fn is_absent(e: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let errno = e.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::NOENT | Errno::NOTDIR))
}

fn file(
    drive: &Drive,
    item: &Item,
    dir: &OwnedFd,
    found: &Meta,
    cancel: &CancelToken,
) -> Result<Now> {
    let same_time = is_kept(found.mtime, item.mtime, drive.rules.windows);
    if found.size != item.size {
        return Ok(Now::Differs { touched: false });
    }
    let (_, name) = split(item.on_drive());
    let read = sys::open_for_reading(dir.as_fd(), name)
        .at("opening", &item.path)
        .and_then(|fd| {
            let by = item.digest.map_or(Algorithm::Sha256, |d| d.algorithm);
            digest_of(&fd, &join(&drive.path, item.on_drive()), by, cancel)
        });
    let read = match read {
        Err(e) if e.code == Code::Cancelled => return Err(e),
        read => read.ok(),
    };
    let same_content = match (&read, &item.digest) {
        (Some(_), None) => same_time,
        (Some(read), Some(want)) => read == want,
        (None, _) => false,
    };
    Ok(match (same_content, same_time) {
        (true, true) => Now::Good,
        (true, false) => Now::Differs { touched: true },
        (false, true) => Now::Bad {
            allocated: found.allocated,
            unreadable: read.is_none(),
        },
        (false, false) => Now::Differs { touched: false },
    })
}

/// Whether what stands there still is the bad file that was looked at, and not what somebody made of it since.
pub(super) fn may_replace(dir: BorrowedFd<'_>, name: &[u8], item: &Item, windows: bool) -> bool {
    match sys::stat_at(dir, name) {
        Ok(found) => {
            found.kind == item.kind
                && found.size == item.size
                && is_kept(found.mtime, item.mtime, windows)
        }
        // Nothing to lose, or nothing that could be read.
        Err(_) => true,
    }
}

/// Puts back owner, mode and time of a file whose content is as recorded.
///
/// # Errors
/// `Code::Io` with the path.
pub(super) fn touch(drive: &Drive, item: &Item) -> Result<()> {
    let (dir, name) = split(item.on_drive());
    let whole = join(&drive.path, item.on_drive());
    let dir = sys::open_dir_beneath(drive.root.as_fd(), dir, true).at("opening", &whole)?;
    let fd = sys::open_for_reading(dir.as_fd(), name).at("opening", &whole)?;
    sys::set_metadata(fd.as_fd(), None, &super::origin::meta_of(item))
        .at("setting owner, mode and times of", &whole)
        .map(|_| ())
}

/// Reads an entry that was just made durable back from the device.
///
/// # Errors
/// `Code::DriveFailed` where it is not what was written; `Code::Cancelled`.
pub(super) fn read_back(drive: &Drive, item: &Item, cancel: &CancelToken) -> Result<()> {
    match look(drive, item, cancel)? {
        Now::Good => Ok(()),
        now => {
            let message = format!(
                "what was just written there reads back otherwise ({}): the drive is faulty",
                now.word().as_str()
            );
            let path = join(&drive.path, item.on_drive());
            Err(Error::new(Code::DriveFailed, "reading back", message).with_path(&path))
        }
    }
}

/// Bytes that are free on the drive; 0 where it doesn't say.
pub(super) fn free_bytes(drive: &Drive) -> u64 {
    rustix::fs::fstatvfs(&*drive.root).map_or(0, |s| s.f_bavail.saturating_mul(s.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::testing;

    #[test]
    fn what_was_changed_since_the_look_is_not_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let fd = std::fs::File::open(dir.path()).expect("open");
        let may = |item: &Item| may_replace(fd.as_fd(), b"f", item, false);
        let mut item = testing::file(b"f");
        item.size = 3;
        assert!(may(&item), "nothing is there");
        let path = dir.path().join("f");
        std::fs::write(&path, b"bad").expect("a file");
        assert!(!may(&item), "another time");
        let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_700_000_000, 123_456_789);
        let file = std::fs::File::options().write(true).open(&path);
        file.and_then(|f| f.set_modified(time)).expect("a time");
        assert!(may(&item));
        item.size = 4;
        assert!(!may(&item), "another size");
        std::fs::remove_file(&path).expect("gone");
        std::fs::create_dir(&path).expect("a directory");
        assert!(!may(&item), "another kind");
    }
}
