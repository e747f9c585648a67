//! What stands on a drive and is none of ours: found, and removed where the user said so (`--delete-foreign`).
//!
//! Ours is every path that the catalog places on the volume, in any spelling: a name that differs from one of
//! ours in case alone may be the same file, so it is left alone. What systems and vendors leave on drives is
//! never touched, nor what is mounted below the drive.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::os::fd::AsFd;

use super::drive::{Drive, join, split};
use super::names::fold;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::order::Ordered;
use crate::catalog::place::OnVolume;
use crate::error::{Code, FileError, FileFault, IoContext, Result};
use crate::filter::Filter;
use crate::meta::Kind;
use crate::page;
use crate::progress::Progress;
use crate::sys;
use crate::volume::top::is_litter;
use crate::walk::{self, What};

/// Paths that are kept to be named.
const NAMES: usize = 20;

/// What a drive holds that the set knows nothing about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreign {
    /// Everything but directories.
    pub files: u64,
    /// Bytes of regular files.
    pub bytes: u64,
    /// Directories.
    pub directories: u64,
    /// What could not be removed; always 0 from [`find`].
    pub left: u64,
    /// The first paths that were met, below the drive's root.
    pub names: Vec<Vec<u8>>,
}

/// Finds what is foreign on an open drive.
///
/// # Errors
/// As [`walk::walk`]; what SQLite answers.
pub fn find(
    drive: &Drive,
    catalog: &Catalog,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Foreign> {
    let mut found = Foreign::default();
    each(drive, catalog, cancel, progress, &mut |path, kind, size| {
        found.count(path, kind, size);
        Ok(())
    })?;
    Ok(found)
}

/// Removes what is foreign from an open drive, and tells what it removed. A file that cannot be removed is
/// reported, and its directories stay.
///
/// # Errors
/// `Code::DriveFailed` when the drive fails; `Code::Cancelled`; as [`find`].
pub fn remove(
    drive: &mut Drive,
    catalog: &Catalog,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Foreign> {
    drive.check_mounted()?;
    let mut removed = Foreign::default();
    // Directories go when what was in them is gone; what holds comes before what is held in this order.
    let mut directories = Vec::new();
    let drive_ref = &*drive;
    each(
        drive_ref,
        catalog,
        cancel,
        progress,
        &mut |path, kind, size| {
            if kind == Kind::Dir {
                directories.push(path.to_vec());
            } else if unlink(drive_ref, path, false, progress)? {
                removed.count(path, kind, size);
            } else {
                removed.left += 1;
            }
            Ok(())
        },
    )?;
    directories.sort_unstable();
    for path in directories.iter().rev() {
        cancel.check()?;
        if unlink(drive_ref, path, true, progress)? {
            removed.count(path, Kind::Dir, 0);
        } else {
            removed.left += 1;
        }
    }
    drive
        .barrier()
        .map_err(|e| e.with_code(Code::DriveFailed))?;
    Ok(removed)
}

impl Foreign {
    fn count(&mut self, path: &[u8], kind: Kind, size: u64) {
        if kind == Kind::Dir {
            self.directories += 1;
            return;
        }
        self.files += 1;
        self.bytes += if kind == Kind::File { size } else { 0 };
        if self.names.len() < NAMES {
            self.names.push(path.to_vec());
        }
    }
}

/// Takes a path below the drive's root, its kind, its size in bytes.
type Take<'a> = dyn FnMut(&[u8], Kind, u64) -> Result<()> + 'a;

/// Hands over everything foreign.
fn each(
    drive: &Drive,
    catalog: &Catalog,
    cancel: &CancelToken,
    progress: &Progress,
    take: &mut Take<'_>,
) -> Result<()> {
    let state = RandomState::new();
    let volume = drive.identity.volume.number;
    let mut ours = HashSet::new();
    let mut entries = Ordered::new(OnVolume { catalog, volume })?;
    while let Some(placed) = entries.next_entry()? {
        cancel.check()?;
        let path = placed.item.alias.as_deref().unwrap_or(entries.path());
        ours.insert(spelling(&state, path));
    }
    let filter = Filter::new(Vec::new())?;
    let options = walk::Options {
        one_file_system: true,
        skip_own: true,
        ..walk::Options::new(&filter)
    };
    walk::walk(
        drive.root.as_fd(),
        &drive.path,
        &options,
        cancel,
        progress,
        &mut |listing| {
            for found in listing.entries.iter() {
                // Of a directory on another file system it is known that it is there, and nothing below it is.
                let What::Known { meta, child } = found.what else {
                    continue;
                };
                let name = listing.name(&found);
                let path = join(&listing.path, name);
                let litter = is_litter(if listing.path.is_empty() {
                    name
                } else {
                    split_first(&listing.path)
                });
                let mounted = meta.kind == Kind::Dir && child.is_none();
                if path == page::NAME && page::stands(drive.root.as_fd()) {
                    continue;
                }
                if !litter && !mounted && !ours.contains(&spelling(&state, &path)) {
                    take(&path, meta.kind, meta.size)?;
                }
            }
            Ok(())
        },
    )?;
    Ok(())
}

/// The first component of a path.
fn split_first(path: &[u8]) -> &[u8] {
    path.split(|b| *b == b'/').next().unwrap_or(path)
}

/// A number that paths have in common which differ in case alone, and by chance others.
fn spelling(state: &RandomState, path: &[u8]) -> u64 {
    state.hash_one(fold(path))
}

/// Removes one name; `false` when it could not be, which is reported.
fn unlink(drive: &Drive, path: &[u8], directory: bool, progress: &Progress) -> Result<bool> {
    let whole = join(&drive.path, path);
    let (above, name) = split(path);
    let gone = sys::open_dir_beneath(drive.root.as_fd(), above, true)
        .and_then(|dir| sys::unlink(dir.as_fd(), name, directory));
    match gone {
        Ok(()) => return Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        // Something that could not be removed, and was reported, is in it.
        Err(e) if directory && e.kind() == std::io::ErrorKind::DirectoryNotEmpty => {
            return Ok(false);
        }
        Err(_) => {}
    }
    match gone.at("removing", &whole) {
        Ok(()) => Ok(true),
        Err(e) => {
            if super::file::target_fault(&e).is_none() {
                return Err(e.with_code(Code::DriveFailed));
            }
            progress.fail(FileError::from_error(FileFault::Failed, &whole, &e));
            Ok(false)
        }
    }
}
