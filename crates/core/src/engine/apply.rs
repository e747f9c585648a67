//! What a volume needs besides new files: removals that were agreed to, and mended owners and modes.
//!
//! Only what stands there as it was recorded is removed: a file that somebody changed on the drive is left
//! alone and named. Nothing foreign is ever touched.

use std::os::fd::AsFd;

use super::drive::{Drive, join, split};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::place::Placed;
use crate::error::{Code, FileError, FileFault, IoContext, Result};
use crate::format::journal::Record;
use crate::meta::{Kind, Meta};
use crate::progress::Progress;
use crate::sys;

/// Entries that are removed between two looks at the catalog.
const BATCH: usize = 4_096;

/// What was removed and mended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Regular files removed.
    pub removed_files: u64,
    /// Bytes that they had.
    pub removed_bytes: u64,
    /// Entries whose owner or mode was mended.
    pub mended: u64,
    /// Entries that were left because they are not what was recorded.
    pub left: u64,
}

/// Removes from an open drive what may go: older versions that have a newer one elsewhere, and, when
/// `gone` is true, what is gone from its source. Then mends owner and mode where only these changed.
///
/// # Errors
/// `Code::DriveFailed` when the drive fails; `Code::Cancelled` for an immediate end.
pub fn apply(
    drive: &mut Drive,
    catalog: &Catalog,
    gone: bool,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Applied> {
    let volume = drive.identity.volume.number;
    let mut applied = Applied::default();
    loop {
        let batch = catalog.removable(volume, gone, BATCH)?;
        if batch.is_empty() || cancel.is_stopped() {
            break;
        }
        drive.check_mounted()?;
        let mut records = Vec::new();
        let mut any = false;
        catalog.begin()?;
        for mut placed in batch {
            let mut path = catalog.dir_path(placed.key.dir)?;
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(
                placed
                    .key
                    .name
                    .strip_suffix(b"/")
                    .unwrap_or(&placed.key.name),
            );
            placed.item.path = path;
            match remove(drive, &placed) {
                Ok(true) => {
                    if placed.item.kind == Kind::File {
                        applied.removed_files += 1;
                        applied.removed_bytes += placed.item.size;
                    }
                }
                Ok(false) => {
                    applied.left += 1;
                    progress.fail(FileError {
                        fault: FileFault::ForeignInTheWay,
                        path: join(&drive.path, &placed.item.path),
                        doing: "removing",
                        errno: None,
                        message: "it is not what was written there; it was left alone".into(),
                    });
                }
                Err(e) if super::file::target_fault(&e).is_none() => {
                    catalog.commit()?;
                    return Err(e.with_code(Code::DriveFailed));
                }
                Err(e) => {
                    applied.left += 1;
                    progress.fail(FileError::from_error(
                        FileFault::Failed,
                        &join(&drive.path, &placed.item.path),
                        &e,
                    ));
                }
            }
            // In any case it is no longer ours: removed, or changed by somebody else.
            catalog.unplace(volume, &placed.key)?;
            records.push(Record::Removed {
                path: placed.item.path,
            });
            any = true;
        }
        drive
            .append(&records)
            .map_err(|e| e.with_code(Code::DriveFailed))?;
        // The drive forgets before the catalog does: a crash between the two only means looking again.
        let flushed = drive.barrier().map_err(|e| e.with_code(Code::DriveFailed));
        catalog.commit()?;
        flushed?;
        if !any {
            break;
        }
    }
    mend(drive, catalog, &mut applied, cancel)?;
    Ok(applied)
}

/// Removes one entry; `false` when something else stands there. What is not there any more counts as
/// removed, and a directory that is not empty stays.
fn remove(drive: &Drive, placed: &Placed) -> Result<bool> {
    let item = &placed.item;
    let path = join(&drive.path, &item.path);
    if !item.stored {
        return Ok(true);
    }
    let (dir, name) = split(&item.path);
    let not_found = |e: &std::io::Error| e.kind() == std::io::ErrorKind::NotFound;
    let dir = match sys::open_dir_beneath(drive.root.as_fd(), dir, true) {
        Ok(dir) => dir,
        Err(e) if not_found(&e) => return Ok(true),
        Err(e) => return Err(e).at("opening the directory of", &path),
    };
    let found = match sys::stat_at(dir.as_fd(), name) {
        Ok(meta) => meta,
        Err(e) if not_found(&e) => return Ok(true),
        Err(e) => return Err(e).at("looking at", &path),
    };
    if found.kind != item.kind {
        return Ok(false);
    }
    if item.kind == Kind::Dir {
        return match sys::unlink(dir.as_fd(), name, true) {
            Ok(()) => Ok(true),
            // Something foreign is in it: the directory stays and is no longer ours.
            Err(_) => Ok(true),
        };
    }
    // Two seconds: the step in which FAT keeps times.
    let same_time = (found.mtime.sec - item.mtime.sec).abs() <= 2;
    if item.kind == Kind::File && (found.size != item.size || !same_time) {
        return Ok(false);
    }
    sys::unlink(dir.as_fd(), name, false).at("removing", &path)?;
    Ok(true)
}

/// Gives entries whose content is as it was the owner and mode that the source has now.
fn mend(
    drive: &mut Drive,
    catalog: &Catalog,
    applied: &mut Applied,
    cancel: &CancelToken,
) -> Result<()> {
    let volume = drive.identity.volume.number;
    for (key, mut item, want) in catalog.mendable(volume, BATCH)? {
        if cancel.is_stopped() {
            break;
        }
        let mut path = catalog.dir_path(key.dir)?;
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&key.name);
        item.path = path;
        if set(drive, &item.path, &want).is_err() {
            continue;
        }
        (item.mode, item.uid, item.gid) = (want.mode, want.uid, want.gid);
        drive.append(&[Record::Mended { item: item.clone() }])?;
        catalog.place(volume, &key, &item, None)?;
        applied.mended += 1;
    }
    Ok(())
}

fn set(drive: &Drive, path: &[u8], want: &Meta) -> Result<()> {
    let (dir, name) = split(path);
    let dir = sys::open_dir_beneath(drive.root.as_fd(), dir, true).at("opening", path)?;
    let fd = sys::open_for_reading(dir.as_fd(), name).at("opening", path)?;
    let now = sys::stat_fd(fd.as_fd()).at("looking at", path)?;
    if now.kind != Kind::File || now.size != want.size {
        return Ok(());
    }
    sys::set_metadata(fd.as_fd(), Some(&now), want).at("setting owner and mode of", path)?;
    Ok(())
}
