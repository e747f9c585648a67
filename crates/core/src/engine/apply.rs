//! What a volume needs besides new files: renames, removals that were agreed to, and mended owners, modes and times.
//!
//! Only what stands there as it was recorded is removed: a file that somebody changed on the drive is left
//! alone and named. Nothing foreign is ever touched.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::Mode;

use super::attributes::Attributes;
use super::drive::{Drive, join, split};
use super::times::is_kept;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::place::{Key, Placed};
use crate::error::{Code, FileError, FileFault, IoContext, Result};
use crate::format::item::Item;
use crate::format::journal::Record;
use crate::meta::{Kind, Meta};
use crate::progress::Progress;
use crate::sys::{self, On};

/// Entries that are removed between two looks at the catalog.
const BATCH: usize = 4_096;

/// What was renamed, removed and mended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Entries renamed.
    pub renamed: u64,
    /// Regular files among them.
    pub renamed_files: u64,
    /// Renames that were given up: these entries have to be copied, so the plan is none for them.
    pub given_up: u64,
    /// Regular files removed.
    pub removed_files: u64,
    /// Bytes that they had.
    pub removed_bytes: u64,
    /// Entries whose owner, mode or time was mended.
    pub mended: u64,
    /// Entries that were left because they are not what was recorded, or could not be renamed or removed.
    pub left: u64,
}

/// Renames on an open drive what was renamed in the source. Then removes what may go: older versions that have a
/// newer one elsewhere, and, when `gone` is true, what is gone from its source. Then mends owner, mode and time
/// where only these changed.
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
    super::starthere::make_way(drive, catalog)?;
    super::moves::carry_out(drive, catalog, &mut applied, cancel, progress)?;
    let mut before = None;
    while !cancel.is_stopped() {
        let batch = catalog.removable(volume, gone, before.as_ref(), BATCH)?;
        let Some(last) = batch.last() else {
            break;
        };
        before = Some(last.key.clone());
        drive.check_mounted()?;
        let flushed = catalog.atomically(|| {
            let removed = remove_batch(drive, catalog, batch, &mut applied, progress);
            // The drive forgets before the catalog does: a crash between the two only means looking again.
            removed.and_then(|()| drive.barrier())
        });
        if let Err(e) = flushed {
            // What was appended since the last good barrier may or may not be on the device.
            let _ = drive.cut_journal();
            return Err(e.with_code(Code::DriveFailed));
        }
    }
    if !cancel.is_stopped() {
        catalog.forget_left_dirs(volume)?;
    }
    mend(drive, catalog, &mut applied, cancel, progress)?;
    Ok(applied)
}

fn remove_batch(
    drive: &mut Drive,
    catalog: &Catalog,
    batch: Vec<Placed>,
    applied: &mut Applied,
    progress: &Progress,
) -> Result<()> {
    let volume = drive.identity.volume.number;
    let mut records = Vec::new();
    for mut placed in batch {
        placed.item.path = catalog.path_of(&placed.key)?;
        let whole = join(&drive.path, placed.item.on_drive());
        match remove(drive, &placed) {
            Ok(true) => {
                if placed.item.kind == Kind::File {
                    applied.removed_files += 1;
                    applied.removed_bytes += placed.item.size;
                }
            }
            Ok(false) => {
                // Somebody changed it: it is theirs from here on.
                applied.left += 1;
                progress.fail(FileError {
                    fault: FileFault::ForeignInTheWay,
                    path: whole,
                    doing: "removing",
                    errno: None,
                    message: "it is not what was written there; it was left alone".into(),
                });
            }
            Err(e) if super::file::target_fault(&e).is_none() => return Err(e),
            Err(e) => {
                // Still there and still ours: the next run tries again.
                applied.left += 1;
                progress.fail(FileError::from_error(FileFault::Failed, &whole, &e));
                continue;
            }
        }
        catalog.unplace(volume, &placed.key)?;
        records.push(Record::Removed {
            path: placed.item.path,
        });
    }
    drive.append(&records)
}

/// What stands under the path of an entry.
pub(super) enum Stands {
    /// What was recorded, in this directory.
    AsRecorded(OwnedFd),
    /// Something else.
    Otherwise,
    /// Nothing.
    Nothing,
}

/// Looks at what stands on the drive where `item` was written: kind, size, time and target are compared, and of
/// a directory nothing else.
pub(super) fn standing(drive: &Drive, item: &Item) -> Result<Stands> {
    let path = join(&drive.path, item.on_drive());
    let (dir, name) = split(item.on_drive());
    let not_found = |e: &std::io::Error| e.kind() == std::io::ErrorKind::NotFound;
    let dir = match sys::open_dir_beneath(drive.root.as_fd(), dir, true) {
        Ok(dir) => dir,
        Err(e) if not_found(&e) => return Ok(Stands::Nothing),
        Err(e) => return Err(e).at("opening the directory of", &path),
    };
    let found = match sys::stat_at(dir.as_fd(), name) {
        Ok(meta) => meta,
        Err(e) if not_found(&e) => return Ok(Stands::Nothing),
        Err(e) => return Err(e).at("looking at", &path),
    };
    if found.kind != item.kind {
        return Ok(Stands::Otherwise);
    }
    // Two seconds: the step in which FAT keeps times.
    let same_time = found.mtime.sec.abs_diff(item.mtime.sec) <= 2
        || is_kept(found.mtime, item.mtime, drive.rules.windows);
    if item.kind == Kind::File && (found.size != item.size || !same_time) {
        return Ok(Stands::Otherwise);
    }
    if let Some(target) = &item.target {
        let found = rustix::fs::readlinkat(&dir, name, Vec::new()).at("reading", &path)?;
        if found.as_bytes() != target.as_slice() {
            return Ok(Stands::Otherwise);
        }
    }
    Ok(Stands::AsRecorded(dir))
}

/// Removes one entry; `false` when something else stands there. What is not there any more counts as
/// removed, and a directory that is not empty stays.
fn remove(drive: &Drive, placed: &Placed) -> Result<bool> {
    let item = &placed.item;
    if !item.stored {
        return Ok(true);
    }
    let dir = match standing(drive, item)? {
        Stands::Nothing => return Ok(true),
        Stands::Otherwise => return Ok(false),
        Stands::AsRecorded(dir) => dir,
    };
    let path = join(&drive.path, item.on_drive());
    let (_, name) = split(item.on_drive());
    if item.kind == Kind::Dir {
        // Where case does not count this may be another spelling of a directory that stays.
        let spelt = drive.abilities.links
            || super::moves::listed(&dir, name).at("listing the directory of", &path)?;
        if !spelt {
            return Ok(true);
        }
        return match sys::unlink(dir.as_fd(), name, true) {
            Ok(()) => Ok(true),
            // Something is in it: the directory stays, and stays ours only for what is ours in it.
            Err(e) if e.kind() == std::io::ErrorKind::DirectoryNotEmpty => Ok(true),
            Err(e) => Err(e).at("removing", &path),
        };
    }
    sys::unlink(dir.as_fd(), name, false).at("removing", &path)?;
    Ok(true)
}

/// Gives entries whose content is as it was the owner, mode and time that the source has now.
fn mend(
    drive: &mut Drive,
    catalog: &Catalog,
    applied: &mut Applied,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<()> {
    let volume = drive.identity.volume.number;
    let mut after = Key {
        dir: i64::MIN,
        name: Vec::new(),
    };
    let mut sources: Option<Attributes> = None;
    while !cancel.is_stopped() {
        let batch = catalog.mendable(volume, &after, BATCH)?;
        let Some((last, _, _)) = batch.last() else {
            break;
        };
        after = last.clone();
        let mut mended = Vec::new();
        let mut records = Vec::new();
        for (key, mut item, want) in batch {
            item.path = catalog.path_of(&key)?;
            let mut fresh = false;
            if catalog.wants_attributes(volume, &key)?
                && let Some(row) = catalog.entry(key.dir, &key.name)?
            {
                let sources = match &mut sources {
                    Some(open) => open,
                    none => none.insert(Attributes::new(catalog)?),
                };
                if let Some(extra) = sources.of(&row, &item.path) {
                    item.extra = extra;
                    fresh = true;
                } else if !differs(&item, &want) {
                    // Its source can't be read now: another run will.
                    continue;
                }
            }
            match set(drive, &item, &want, fresh) {
                Ok(true) => {}
                // Not what was written there: that is for a verification to tell.
                Ok(false) => continue,
                Err(e) if super::file::target_fault(&e).is_none() => {
                    return Err(e.with_code(Code::DriveFailed));
                }
                Err(e) => {
                    let whole = join(&drive.path, item.on_drive());
                    progress.fail(FileError::from_error(FileFault::Failed, &whole, &e));
                    continue;
                }
            }
            (item.mode, item.uid, item.gid, item.mtime) =
                (want.mode, want.uid, want.gid, want.mtime);
            records.push(Record::Mended { item: item.clone() });
            mended.push((key, item, fresh));
        }
        // Durable on the drive before the catalog says so: else a crash would leave it unmended for ever.
        if let Err(e) = drive.append(&records).and_then(|()| drive.barrier()) {
            let _ = drive.cut_journal();
            return Err(e.with_code(Code::DriveFailed));
        }
        applied.mended += mended.len() as u64;
        catalog.atomically(|| {
            mended.iter().try_for_each(|(key, item, fresh)| {
                catalog.place(volume, key, item, None)?;
                match fresh {
                    true => catalog.attributes_set(volume, key, item.extra.as_deref()),
                    false => Ok(()),
                }
            })
        })?;
    }
    Ok(())
}

fn differs(item: &Item, want: &Meta) -> bool {
    (item.mode, item.uid, item.gid, item.mtime) != (want.mode, want.uid, want.gid, want.mtime)
}

/// Sets owner, mode and time, and the item's attributes where they are news; `false` when what stands there is not
/// what was recorded.
fn set(drive: &Drive, item: &Item, want: &Meta, attributes: bool) -> Result<bool> {
    if !item.stored {
        return Ok(true);
    }
    let path = item.on_drive();
    let (dir, name) = split(path);
    let dir = sys::open_dir_beneath(drive.root.as_fd(), dir, true).at("opening", path)?;
    let found = sys::stat_at(dir.as_fd(), name).at("looking at", path)?;
    if found.kind != item.kind || (found.kind == Kind::File && found.size != item.size) {
        return Ok(false);
    }
    let xattrs = attributes.then(|| item.extra.as_ref().map_or(&[][..], |e| &e.xattrs));
    if found.kind != Kind::File {
        super::special::dress_again(dir.as_fd(), name, &found, want, xattrs)
            .at("setting owner, mode and time of", path)?;
        return Ok(true);
    }
    let fd = sys::open_for_reading(dir.as_fd(), name).at("opening", path)?;
    let mut now = sys::stat_fd(fd.as_fd()).at("looking at", path)?;
    if now.kind != Kind::File || now.size != item.size {
        return Ok(false);
    }
    let mut xattrs = xattrs;
    if (now.uid, now.gid) != (want.uid, want.gid)
        && sys::set_owner(fd.as_fd(), want).at("setting the owner of", path)?
    {
        // Capabilities went with the old owner.
        xattrs = xattrs.or_else(|| item.extra.as_ref().map(|e| &e.xattrs[..]));
        now = sys::stat_fd(fd.as_fd()).at("looking at", path)?;
    }
    if let Some(xattrs) = xattrs {
        // Only root may write attributes of a file that can't be written.
        let writable = Mode::from_raw_mode((now.mode | 0o200) as _);
        let opened = now.mode & 0o200 == 0 && rustix::fs::fchmod(&fd, writable).is_ok();
        let _ = sys::write_xattrs(On::Open(fd.as_fd()), xattrs, false);
        if opened || !xattrs.is_empty() {
            // An ACL changes the mode.
            now.mode = u32::MAX;
        } else {
            now = sys::stat_fd(fd.as_fd()).at("looking at", path)?;
        }
    }
    sys::set_metadata(fd.as_fd(), Some(&now), want).at("setting owner, mode and time of", path)?;
    Ok(true)
}
