//! Renaming on a drive what was renamed in the source.
//!
//! For each group, in this order: a `moving` record each in the journal; one barrier; the renames; *done*; another
//! barrier; only then the catalog has the new names. Nothing is replaced: where something else has the new name
//! the entry is copied like any other. What stands under the old name has to be what was recorded there, or it is
//! nobody's any more, and the entry is copied too. Old directories are left to the removals that follow.
//! A failed barrier ends the run: the next opening looks at which name each entry has.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use super::apply::{Applied, Stands, standing};
use super::dirs::open_or_make;
use super::drive::{Drive, join, split};
use super::epoch::push_id;
use super::file::target_fault;
use super::namer::{Namer, Old};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::moved::Move;
use crate::catalog::place::Key;
use crate::error::{Code, Error, FileError, FileFault, IoContext, Result};
use crate::format::item::Item;
use crate::format::journal::Record;
use crate::meta::Kind;
use crate::progress::Progress;
use crate::sys;

/// Entries that are renamed together.
const BATCH: usize = 4_096;

/// A rename that is under way: what it is, its old path, and the item under its new path.
struct Ready {
    one: Move,
    from: Vec<u8>,
    /// Where it stands on the drive until now.
    from_there: Vec<u8>,
    item: Item,
    id: u64,
}

/// Carries out the renames that wait for this drive.
///
/// # Errors
/// `Code::DriveFailed`, `Code::DriveChanged`; what SQLite answers.
pub(super) fn carry_out(
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
    let mut namer = Namer::new(drive);
    while !cancel.is_stopped() {
        let batch = catalog.moves_on(volume, &after, BATCH)?;
        let Some(last) = batch.last() else {
            break;
        };
        if after.dir == i64::MIN {
            // The journal must not take the room in which the lists are written at the end.
            drive.begin_ballast();
        }
        after = last.placed.key.clone();
        drive.check_mounted()?;
        if !carry_out_batch(drive, catalog, batch, &mut namer, applied, progress)? {
            break;
        }
    }
    Ok(())
}

/// One group; `false` when the drive has no room for the records of more.
fn carry_out_batch(
    drive: &mut Drive,
    catalog: &Catalog,
    batch: Vec<Move>,
    namer: &mut Namer,
    applied: &mut Applied,
    progress: &Progress,
) -> Result<bool> {
    let volume = drive.identity.volume.number;
    let failed = |e: Error| e.with_code(Code::DriveFailed);
    let (mut ready, mut lost, mut records) = (Vec::new(), Vec::new(), Vec::new());
    for one in batch {
        let from = catalog.path_of(&one.placed.key)?;
        let here = Item {
            path: from.clone(),
            ..one.placed.item.clone()
        };
        match standing(drive, &here) {
            // A directory is made anew, wherever the old one is.
            Ok(Stands::AsRecorded(..)) => {}
            Ok(_) if here.kind == Kind::Dir || !here.stored => {}
            Ok(stands) => {
                if matches!(stands, Stands::Otherwise) {
                    tell(
                        progress,
                        FileFault::ForeignInTheWay,
                        &join(&drive.path, here.on_drive()),
                        "it is not what was written there; it was left alone, and is copied anew",
                    );
                }
                records.push(Record::Removed { path: from });
                lost.push(one.placed.key);
                continue;
            }
            Err(e) if target_fault(&e).is_none() => return Err(failed(e)),
            Err(e) => {
                postpone(applied, progress, &join(&drive.path, &from), &e);
                continue;
            }
        }
        let path = catalog.path_of(&one.to)?;
        let old = Old {
            path: &from,
            place: here.on_drive(),
        };
        let alias = match here.stored {
            true => namer.alias(drive, catalog, &path, &one.to, Some(&old))?,
            false => None,
        };
        let from_there = here.on_drive().to_vec();
        let item = Item {
            path,
            alias,
            ..here
        };
        let id = drive.journal.next_id;
        drive.journal.next_id += 1;
        records.push(Record::Moving {
            id,
            from: from.clone(),
            item: item.clone(),
        });
        ready.push(Ready {
            one,
            from,
            from_there,
            item,
            id,
        });
    }
    if let Err(e) = drive.append(&records) {
        let _ = drive.cut_journal();
        if target_fault(&e) != Some(FileFault::NoRoom) {
            return Err(failed(e));
        }
        postpone(applied, progress, &drive.path.clone(), &e);
        return Ok(false);
    }
    if let Err(e) = drive.barrier() {
        let _ = drive.cut_journal();
        return Err(failed(e));
    }
    let (mut ids, mut done, mut dropped) = (Vec::new(), Vec::new(), Vec::new());
    let through = ready.last().map(|r| r.id);
    let mut dirs = Dirs::default();
    for one in ready {
        match rename(drive, &one, &mut dirs) {
            Ok(()) => {
                push_id(&mut ids, one.id);
                done.push(one);
            }
            Err(e) => match target_fault(&e) {
                None => return Err(failed(e)),
                // The copy tells of it, should it stand there still.
                Some(FileFault::ForeignInTheWay) => dropped.push(one.one.placed.key),
                Some(_) => postpone(applied, progress, &join(&drive.path, &one.from), &e),
            },
        }
    }
    let flushed = drive
        .append(&[Record::Done { ids }])
        .and_then(|()| drive.barrier());
    if let Err(e) = flushed {
        let _ = drive.cut_journal();
        return Err(failed(e));
    }
    catalog.atomically(|| {
        for one in &done {
            catalog.moved(volume, &one.one, &one.item)?;
        }
        for key in &dropped {
            catalog.drop_move(volume, key)?;
        }
        lost.iter().try_for_each(|key| catalog.unplace(volume, key))
    })?;
    applied.given_up += (dropped.len() + lost.len()) as u64;
    for one in &done {
        applied.renamed += 1;
        if one.item.kind == Kind::File {
            applied.renamed_files += 1;
            Progress::add(&progress.files, 1);
        }
    }
    if let Some(through) = through {
        drive
            .append(&[Record::Durable { through }])
            .map_err(failed)?;
    }
    Ok(true)
}

/// Leaves a rename to the next run.
fn postpone(applied: &mut Applied, progress: &Progress, path: &[u8], e: &Error) {
    applied.left += 1;
    progress.fail(FileError::from_error(FileFault::Failed, path, e));
}

fn tell(progress: &Progress, fault: FileFault, path: &[u8], message: &str) {
    progress.fail(FileError {
        fault,
        path: path.to_vec(),
        doing: "renaming",
        errno: None,
        message: message.into(),
    });
}

/// The two directories in hand: entries come directory by directory.
#[derive(Default)]
struct Dirs {
    from: Option<(Vec<u8>, OwnedFd)>,
    to: Option<(Vec<u8>, OwnedFd)>,
}

fn rename(drive: &Drive, one: &Ready, dirs: &mut Dirs) -> Result<()> {
    if !one.item.stored {
        return Ok(());
    }
    let (from, to) = (&one.from_there[..], one.item.on_drive());
    let whole = join(&drive.path, to);
    if are_one(drive, from, to) {
        return respell(drive, from, to);
    }
    if one.item.kind == Kind::Dir {
        return open_or_make(drive, to).map(drop);
    }
    let ((from_dir, from_name), (to_dir, to_name)) = (split(from), split(to));
    let from_fd = match &mut dirs.from {
        Some((path, fd)) if path == from_dir => fd,
        slot => {
            let fd = sys::open_dir_beneath(drive.root.as_fd(), from_dir, true)
                .at("opening the directory of", &join(&drive.path, from))?;
            &mut slot.insert((from_dir.to_vec(), fd)).1
        }
    };
    let to_fd = match &mut dirs.to {
        Some((path, fd)) if path == to_dir => fd,
        slot => {
            let fd = open_or_make(drive, to_dir)?;
            &mut slot.insert((to_dir.to_vec(), fd)).1
        }
    };
    let mut result = sys::rename(from_fd.as_fd(), from_name, to_fd.as_fd(), to_name, false);
    if errno_of(&result) == Some(Errno::ACCESS) {
        // A directory that came from the source may forbid writing; it gets its mode again at the end.
        for fd in [&*from_fd, &*to_fd] {
            let _ = rustix::fs::fchmod(fd, rustix::fs::Mode::from_raw_mode(0o700));
        }
        result = sys::rename(from_fd.as_fd(), from_name, to_fd.as_fd(), to_name, false);
    }
    result.at("renaming", &whole)
}

fn errno_of(result: &std::io::Result<()>) -> Option<Errno> {
    let e = result.as_ref().err()?;
    e.raw_os_error().map(Errno::from_raw_os_error)
}

/// Whether two paths are one on this drive: where case does not count. Such file systems (FAT, exFAT) have no hard
/// links either.
fn are_one(drive: &Drive, from: &[u8], to: &[u8]) -> bool {
    let (Ok(a), Ok(b)) = (std::str::from_utf8(from), std::str::from_utf8(to)) else {
        return false;
    };
    !drive.abilities.links && from != to && a.to_lowercase() == b.to_lowercase()
}

/// Gives every component of a path that is one with `from` the spelling that it has in `to`.
fn respell(drive: &Drive, from: &[u8], to: &[u8]) -> Result<()> {
    let whole = join(&drive.path, to);
    let mut dir = sys::open_dir_beneath(drive.root.as_fd(), b"", true).at("opening", &whole)?;
    let names: Vec<_> = from
        .split(|b| *b == b'/')
        .zip(to.split(|b| *b == b'/'))
        .collect();
    for (n, (old, new)) in names.iter().enumerate() {
        if old != new && listed(&dir, old).at("listing the directory of", &whole)? {
            sys::rename(dir.as_fd(), old, dir.as_fd(), new, true).at("renaming", &whole)?;
        }
        if n + 1 == names.len() {
            break;
        }
        dir = sys::open_dir_beneath(dir.as_fd(), new, true).at("opening", &whole)?;
    }
    Ok(())
}

/// Whether a directory holds a name in just this spelling.
pub(super) fn listed(dir: &OwnedFd, name: &[u8]) -> std::io::Result<bool> {
    let mut found = false;
    // A new description: the position of the one that is held is not ours.
    let dir = sys::open_dir_beneath(dir.as_fd(), b"", true)?;
    sys::read_names(dir.as_fd(), &mut Vec::new(), &mut |each, _, _| {
        found = each.to_bytes() == name;
        !found
    })?;
    Ok(found)
}

/// Whether every component of a path is there in just this spelling.
pub(super) fn is_spelt(drive: &Drive, path: &[u8]) -> Result<bool> {
    let whole = join(&drive.path, path);
    let mut at = 0;
    for name in path.split(|b| *b == b'/') {
        let above = path[..at].strip_suffix(b"/").unwrap_or(b"");
        let dir = sys::open_dir_beneath(drive.root.as_fd(), above, true).at("opening", &whole)?;
        if !listed(&dir, name).at("listing the directory of", &whole)? {
            return Ok(false);
        }
        at += name.len() + 1;
    }
    Ok(true)
}

/// After a run that was broken off: whether a rename that the journal intended has been carried out. The new name
/// stands there as recorded, and the old one does not. `from`: where it stood on the drive.
pub(super) fn was_carried_out(drive: &Drive, from: &[u8], item: &Item) -> Result<bool> {
    if !item.stored {
        return Ok(true);
    }
    if !matches!(standing(drive, item)?, Stands::AsRecorded(..)) {
        return Ok(false);
    }
    let to = item.on_drive();
    if item.kind == Kind::Dir && !are_one(drive, from, to) {
        return Ok(true);
    }
    let old = Item {
        path: from.to_vec(),
        alias: None,
        ..item.clone()
    };
    if are_one(drive, from, to) {
        return is_spelt(drive, to);
    }
    Ok(matches!(standing(drive, &old)?, Stands::Nothing))
}
