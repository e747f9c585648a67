//! Closing a drive: directory times, manifest, sums, README, the word that it is complete, the list of the set.
//!
//! The order is the promise: everything flushed, then the manifest durable, then volume.json, then the list of
//! the set and START-HERE.html, which may find no room, then `tmp/` removed, and last of all the journal. Whatever is cut off in between, the next opening finds either the journal or the
//! manifest that replaces it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::AsFd;

use super::attributes::{Attributes, of_directory};
use super::drive::{Drive, join};
use super::ownernames::OwnerNamesOf;
use super::setlist::{self, List};
use super::starthere::{self, Page};
use super::sumsfile::SumsFile;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::order::{Ordered, Step};
use crate::catalog::place::OnVolume;
use crate::catalog::{ROOT_DIR, ROOT_PARENT};
use crate::error::{Code, Error, FileError, FileFault, IoContext, Result};
use crate::format::extra::Xattr;
use crate::format::item::{Algorithm, Item};
use crate::format::manifest::{Header, ManifestWriter};
use crate::format::readme::{self, Checks};
use crate::meta::{Kind, Meta};
use crate::progress::Progress;
use crate::sys::{self, On};

/// What stands on a drive that was closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Closed {
    /// Entries in the manifest.
    pub entries: u64,
    /// Regular files.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// What of the files can be checked, and with what.
    pub checks: Checks,
    /// What became of the list of the whole set.
    pub list: List,
    /// What became of START-HERE.html.
    pub page: Page,
}

/// Closes an open drive. `date` is now, RFC 3339 in UTC, when all that was planned for the drive is there;
/// `None` when something is still to come.
///
/// # Errors
/// `Code::DriveFailed` when anything of it cannot be made durable: the drive is then not complete, its
/// journal still stands, and the next opening finishes it. Never retried here.
pub fn close(
    mut drive: Drive,
    catalog: &Catalog,
    date: Option<&str>,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Closed> {
    progress
        .phase
        .store(3, std::sync::atomic::Ordering::Relaxed);
    let failed = |e: Error| {
        if e.code == Code::Cancelled || e.code == Code::DriveChanged {
            e
        } else {
            e.with_code(Code::DriveFailed)
        }
    };
    drive.check_mounted()?;
    if drive.unsettled {
        // The journal goes: what it alone knows of is settled first.
        super::recover::recover(&mut drive, catalog, false, cancel)?;
    }
    drive.release_ballast();
    catalog.refresh_dirs(drive.identity.volume.number)?;
    catalog.atomically(|| catalog.name_files(drive.identity.volume.number))?;
    drive.barrier().map_err(failed)?;
    // One transaction: what directories are given is noted for each of them.
    let mut closed = catalog
        .atomically(|| write_lists(&drive, catalog, cancel, progress))
        .map_err(failed)?;
    drive.identity.closed = date.map(str::to_owned);
    let page_at_root =
        catalog.has_start_here()? && starthere::is_for_root(&drive, catalog).map_err(failed)?;
    drive
        .own_files()
        .write(
            b"README.txt",
            readme::text(&drive.identity, &closed.checks, page_at_root).as_bytes(),
        )
        .map_err(failed)?;
    drive.barrier().map_err(failed)?;
    drive
        .own_files()
        .write(b"volume.json", &drive.identity.to_bytes()?)
        .map_err(failed)?;
    let complete = date.is_some();
    let changed = drive.has_changed(complete);
    let (list, draft) =
        setlist::refresh(&drive, catalog, &closed, changed, complete, cancel).map_err(failed)?;
    closed.list = list;
    let (page, touched) =
        starthere::refresh(&drive, catalog, &closed, complete, draft, cancel).map_err(failed)?;
    closed.page = page;
    if touched {
        set_root(&drive, catalog, progress).map_err(failed)?;
    }
    drive.clear_tmp(&|_| false).map_err(failed)?;
    let tmp = join(&drive.path, b".mvcopy/tmp");
    sys::unlink(drive.own.as_fd(), b"tmp", true)
        .at("removing", &tmp)
        .map_err(failed)?;
    // Last: as long as it stands, whatever is left of this is finished by the next opening.
    let journal = drive.journal_path();
    sys::unlink(drive.own.as_fd(), b"journal.log", false)
        .at("removing", &journal)
        .map_err(failed)?;
    drive.barrier().map_err(failed)?;
    Ok(closed)
}

/// Writes manifest.jsonl, SHA256SUMS and B3SUMS in one pass over the catalog, and sets the directories' metadata
/// on the way: children before their parents.
fn write_lists(
    drive: &Drive,
    catalog: &Catalog,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Closed> {
    let manifest_path = join(&drive.path, b".mvcopy/manifest.jsonl");
    let identity = &drive.identity;
    let header = Header {
        set: identity.set.id.clone(),
        volume: identity.volume.id.clone(),
        number: identity.volume.number,
    };
    let own = drive.own_files();
    let mut manifest = ManifestWriter::new(own.begin(b"manifest.jsonl")?, &manifest_path, &header)?;
    let mut sums = [Algorithm::Sha256, Algorithm::Blake3].map(|by| SumsFile::new(drive, by));
    let mut closed = Closed::default();
    // With whether their attributes are to be looked at.
    let mut dirs: Vec<(Item, bool)> = Vec::new();
    let mut leaders = HashMap::new();
    let volume = identity.volume.number;
    let mut names = OwnerNamesOf::new(catalog);
    let mut sources = Attributes::new(catalog)?;
    let mut entries = Ordered::new(OnVolume { catalog, volume })?;
    while let Some(step) = entries.step()? {
        if cancel.is_now() {
            return Err(Error::cancelled());
        }
        let mut placed = match step {
            Step::Leave => {
                if let Some((dir, attributes)) = dirs.pop() {
                    set_dir(drive, &dir, attributes, progress)?;
                }
                continue;
            }
            Step::Entry(placed) => placed,
        };
        placed.item.path = entries.path().to_vec();
        relink(catalog, volume, &mut placed.item, &mut leaders)?;
        let mut attributes = false;
        if placed.item.kind == Kind::Dir {
            let (path, recorded) = (&placed.item.path, placed.item.extra.take());
            (placed.item.extra, attributes) =
                of_directory(catalog, volume, &placed.key, path, recorded, &mut sources)?;
        }
        placed.item.names = names.of(&placed.item)?;
        manifest.push(&placed.item)?;
        closed.entries += 1;
        closed.checks.aliases += u64::from(placed.item.alias.is_some());
        if placed.item.kind == Kind::File {
            closed.files += 1;
            closed.bytes += placed.item.size;
            let listed = match &placed.item.digest {
                Some(digest) if placed.item.stored => {
                    let file = sums.iter_mut().find(|one| one.by == digest.algorithm);
                    file.map_or(Ok(false), |one| {
                        one.push(&own, digest, placed.item.on_drive())
                    })?
                }
                _ => false,
            };
            closed.checks.count(&placed.item, listed);
        }
        if placed.item.kind == Kind::Dir {
            dirs.push((placed.item, attributes));
        }
    }
    set_root(drive, catalog, progress)?;
    let (_, file) = manifest.finish()?;
    own.finish(file, b"manifest.jsonl")?;
    if closed.files == 0
        && let Some(by) = catalog.digest()?
        && let Some(one) = sums.iter_mut().find(|one| one.by == by)
    {
        // A drive without files is checked like any other: nothing of it is wrong.
        one.begin(&own)?;
    }
    for one in sums {
        one.finish(&own)?;
    }
    Ok(closed)
}

/// Sets owner, mode and times of the drive's root to those of the source that lies there.
fn set_root(drive: &Drive, catalog: &Catalog, progress: &Progress) -> Result<()> {
    if let Some(root) = catalog.entry(ROOT_PARENT, b"/")?
        && root.child == ROOT_DIR
    {
        set_dir_meta(drive, b"", &root.meta, None, progress)?;
    }
    Ok(())
}

/// Gives a hard-link group whose first name is not there any more, or is another file now, a new one: the
/// first of its names that comes by. `leaders` keeps these by the name that went.
fn relink(
    catalog: &Catalog,
    volume: u32,
    item: &mut Item,
    leaders: &mut HashMap<Vec<u8>, Vec<u8>>,
) -> Result<()> {
    let Some(link) = &item.link else {
        return Ok(());
    };
    let first = match catalog.find(link, false)? {
        Some(key) => catalog.placement(volume, &key)?,
        None => None,
    };
    let same = first.is_some_and(|first| {
        let first = first.item;
        (first.kind, first.size, first.mtime, first.digest)
            == (item.kind, item.size, item.mtime, item.digest)
    });
    if same && *link != item.path {
        return Ok(());
    }
    item.link = match leaders.entry(link.clone()) {
        Entry::Occupied(leader) => Some(leader.get().clone()),
        Entry::Vacant(slot) => {
            slot.insert(item.path.clone());
            None
        }
    };
    Ok(())
}

fn set_dir(drive: &Drive, item: &Item, attributes: bool, progress: &Progress) -> Result<()> {
    let meta = Meta {
        kind: Kind::Dir,
        size: 0,
        allocated: 0,
        mtime: item.mtime,
        mode: item.mode,
        uid: item.uid,
        gid: item.gid,
        dev: 0,
        ino: 0,
        nlink: 0,
        rdev: 0,
        changed: 0,
        flags: 0,
    };
    let xattrs = attributes.then(|| item.extra.as_ref().map_or(&[][..], |e| &e.xattrs));
    set_dir_meta(drive, item.on_drive(), &meta, xattrs, progress)
}

/// Sets attributes (where there is a word of them), owner, mode and times, in this order: an ACL changes the mode.
fn set_dir_meta(
    drive: &Drive,
    path: &[u8],
    want: &Meta,
    xattrs: Option<&[Xattr]>,
    progress: &Progress,
) -> Result<()> {
    let whole = join(&drive.path, path);
    let result = sys::open_dir_beneath(drive.root.as_fd(), path, true)
        .at("opening", &whole)
        .and_then(|fd| {
            if let Some(xattrs) = xattrs {
                // What the file system can't keep stands in the manifest.
                let _ = sys::write_xattrs(On::Open(fd.as_fd()), xattrs, false);
            }
            let now = sys::stat_fd(fd.as_fd()).at("looking at", &whole)?;
            if now.mode == want.mode
                && now.uid == want.uid
                && now.gid == want.gid
                && now.mtime == want.mtime
            {
                return Ok(());
            }
            sys::set_metadata(fd.as_fd(), Some(&now), want)
                .at("setting owner, mode and times of", &whole)
                .map(|_| ())
        });
    match result {
        Ok(()) => Ok(()),
        Err(e) if super::file::target_fault(&e).is_none() => Err(e),
        Err(e) => {
            progress.fail(FileError::from_error(FileFault::Failed, &whole, &e));
            Ok(())
        }
    }
}
