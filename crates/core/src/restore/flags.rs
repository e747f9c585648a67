//! The flags that were recorded (immutable, append-only, no dump), set where they are asked for: after all else,
//! since nothing can be put into an immutable directory or renamed over an immutable file.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use super::target::Target;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::engine::drive::{join, split};
use crate::error::{FileError, FileFault, IoContext, Result};
use crate::format::item::check_path;
use crate::meta::Kind;
use crate::progress::Progress;
use crate::sys;

/// Entries that are fetched at once.
const PAGE: usize = 1024;

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flagged {
    /// Entries that have their flags.
    pub set: u64,
    /// Entries that could not get them.
    pub failed: u64,
}

/// Sets the flags of all that this restore brought back, or found to be there. To be called when it is finished.
///
/// # Errors
/// `Code::Cancelled`; `Code::DriveFailed` when the flush failed; what SQLite answers.
pub fn set(
    target: &mut Target,
    catalog: &Catalog,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Flagged> {
    let mut flagged = Flagged::default();
    let mut after = Vec::new();
    loop {
        let page = catalog.restore_flags(&after, PAGE)?;
        let Some((last, _)) = page.last() else {
            break;
        };
        after.clone_from(last);
        for (path, flags) in &page {
            cancel.check()?;
            match set_one(target, path, *flags) {
                Ok(()) => flagged.set += 1,
                Err(e) => {
                    flagged.failed += 1;
                    let path = join(&target.path, path);
                    progress.fail(FileError::from_error(FileFault::Failed, &path, &e));
                }
            }
        }
    }
    target.flush()?;
    Ok(flagged)
}

fn set_one(target: &mut Target, path: &[u8], flags: u8) -> Result<()> {
    check_path(path)?;
    let whole = join(&target.path, path);
    let (parent, name) = split(path);
    let Some(dir) = target.open_dir(parent)? else {
        return Err(std::io::Error::from(Errno::NOENT)).at("opening the directory of", &whole);
    };
    let fd = open(dir.as_fd(), name).at("opening", &whole)?;
    sys::set_flags(fd.as_fd(), flags).at("setting the flags of", &whole)
}

/// Opens a file or directory; all else has no flags, and to open it may do something.
fn open(dir: std::os::fd::BorrowedFd<'_>, name: &[u8]) -> std::io::Result<OwnedFd> {
    match sys::stat_at(dir, name)?.kind {
        Kind::File => sys::open_for_reading(dir, name),
        Kind::Dir => sys::open_dir_beneath(dir, name, true),
        _ => Err(Errno::OPNOTSUPP.into()),
    }
}
