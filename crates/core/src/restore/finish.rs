//! The end of a restore: directories get owner, attributes, mode and time, the deepest first, and all of it is flushed.
//!
//! They come last because every name that is put into a directory changes its time, and because a mode may
//! forbid to put anything there.

use std::os::fd::AsFd;

use rustix::fs::{Gid, Uid};

use super::target::Target;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::restore::DirMeta;
use crate::engine::drive::join;
use crate::error::{Error, FileError, FileFault, IoContext, Result};
use crate::meta::Meta;
use crate::progress::Progress;
use crate::sys::{self, On};

/// Directories that are fetched at once.
const PAGE: usize = 1024;

/// Mode of a directory of which nothing is known: made on the way to an entry that has another name now.
const PLAIN: u32 = 0o755;

/// What came of the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    /// Directories that were set right.
    pub directories: u64,
    /// Directories that could not be.
    pub failed: u64,
    /// Directories whose owner could not be set.
    pub owners_lost: u64,
    /// Directories of which some attribute or ACL could not be set.
    pub attributes_lost: u64,
}

/// Sets directories right, flushes, and clears the private place away. When it answers, all is durable.
///
/// # Errors
/// `Code::DriveFailed` when a flush failed; `Code::Cancelled`; `Code::Io`; what SQLite answers. The private
/// place stays then: the next run learns from it which directories were made.
pub fn finish(
    target: &mut Target,
    catalog: &Catalog,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Finished> {
    let mut finished = Finished::default();
    let mut before: Option<Vec<u8>> = None;
    loop {
        let page = catalog.restore_dirs(before.as_deref(), PAGE)?;
        let Some((last, _)) = page.last() else {
            break;
        };
        before = Some(last.clone());
        for (path, meta) in &page {
            if cancel.is_now() {
                return Err(Error::cancelled());
            }
            match set(target, catalog, path, meta.as_ref()) {
                Ok(Some((owned, kept))) => {
                    finished.directories += 1;
                    finished.owners_lost += u64::from(!owned);
                    finished.attributes_lost += u64::from(!kept);
                }
                Ok(None) => {}
                Err(e) => {
                    finished.failed += 1;
                    let path = join(&target.path, path);
                    progress.fail(FileError::from_error(FileFault::Failed, &path, &e));
                }
            }
        }
    }
    target.flush()?;
    target.clear()?;
    target.flush()?;
    Ok(finished)
}

/// Sets one right; whether its owner was kept, and its attributes. `None`: it is not there.
fn set(
    target: &mut Target,
    catalog: &Catalog,
    path: &[u8],
    meta: Option<&DirMeta>,
) -> Result<Option<(bool, bool)>> {
    let Some(fd) = target.open_dir(path)? else {
        return Ok(None);
    };
    let whole = join(&target.path, path);
    let now = sys::stat_fd(fd.as_fd()).at("looking at", &whole)?;
    let known = match meta {
        Some(meta) => Some(meta.clone()),
        None => catalog.restore_dir_in_source(path)?,
    };
    let want = match &known {
        Some(m) => Meta {
            mode: m.mode,
            uid: m.uid,
            gid: m.gid,
            mtime: m.mtime,
            ..now
        },
        None => Meta { mode: PLAIN, ..now },
    };
    let mut now = now;
    let mut kept = true;
    if let Some(extra) = known.as_ref().and_then(|m| m.extra.as_ref()) {
        // The owner first: nobody else is to be let in by an ACL before it is theirs. The mode after it: an ACL
        // changes it.
        let (uid, gid) = (Uid::from_raw(want.uid), Gid::from_raw(want.gid));
        if rustix::fs::fchown(&fd, Some(uid), Some(gid)).is_ok() {
            (now.uid, now.gid) = (want.uid, want.gid);
        }
        kept = sys::write_xattrs(On::Open(fd.as_fd()), &extra.xattrs, false).is_none();
        now.mode = u32::MAX;
    }
    sys::set_metadata(fd.as_fd(), Some(&now), &want)
        .at("setting owner, mode and times of", &whole)
        .map(|owned| Some((owned, kept)))
}
