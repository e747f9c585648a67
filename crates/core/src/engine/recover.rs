//! Finishing what a broken run left on a drive, and telling the catalog what the drive holds.
//!
//! The journal says what was promised; what it only intended is looked at: a temp file with the right
//! digest is renamed into place, a final name with the right digest is done, the rest is copied again by
//! the next plan. Nothing is believed of the page cache: a barrier comes first, and what is checked is read
//! from the device. Recovery can be killed and started again at any point.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;

use super::content::digest_of;
use super::dirs::open_or_make;
use super::drive::{Drive, join, split};
use super::epoch::push_id;
use super::file::target_fault;
use super::own::regular;
use super::times::is_kept;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::volumes::Fate;
use crate::error::{Code, Error, IoContext, Result};
use crate::format::item::Item;
use crate::format::journal::{self, Good, Record};
use crate::format::manifest;
use crate::meta::Kind;
use crate::sys;

/// What recovery found and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Entries that the journal promised.
    pub promised: u64,
    /// Entries that were finished now.
    pub finished: u64,
    /// Entries that have to be copied again.
    pub dropped: u64,
    /// Whether the manifest was read anew.
    pub manifest_read: bool,
}

pub(super) struct Intent {
    temp: Option<Vec<u8>>,
    /// It has another name until now.
    from: Option<Vec<u8>>,
    /// Where it stands on the drive under that name.
    from_there: Option<Vec<u8>>,
    item: Item,
    replaces: bool,
}

/// Brings drive and catalog into agreement after [`Drive::open`].
///
/// With `reread` the catalog's placements for this volume are replaced by what the drive's manifest says;
/// the journal is applied on top in any case.
///
/// # Errors
/// `Code::BadFormat` for a manifest or journal that cannot be understood (nothing was changed then);
/// `Code::DriveFailed` when the barrier or a rename fails; `Code::Io`.
pub fn recover(
    drive: &mut Drive,
    catalog: &Catalog,
    reread: bool,
    cancel: &CancelToken,
) -> Result<Recovered> {
    let volume = drive.identity.volume.number;
    let mut done = Recovered::default();
    let open = catalog.atomically(|| {
        if reread {
            done.manifest_read = read_manifest(drive, catalog, volume)?;
        }
        let path = drive.journal_path();
        let journal = BufReader::new(super::own::from_start(&drive.journal.file)?);
        Ok(replay(journal, &path, catalog, volume, &mut done)?.0)
    })?;
    if !open.is_empty() {
        finish(drive, catalog, volume, open, cancel, &mut done)?;
    }
    if reread {
        // The drive may hold less, or something older, than the catalog thought.
        catalog.settle_moves()?;
        catalog.need_what_is_nowhere()?;
        catalog.raise_revision()?;
    } else if catalog
        .volume(volume)?
        .is_some_and(|v| v.fate != Fate::None)
    {
        // What was finished now counts as backed up no more than the rest of it does.
        catalog.need_what_is_nowhere()?;
    }
    drive.clear_tmp(&|_| false)?;
    drive.unsettled = false;
    Ok(done)
}

fn read_manifest(drive: &Drive, catalog: &Catalog, volume: u32) -> Result<bool> {
    let path = join(&drive.path, b".mvcopy/manifest.jsonl");
    let fd = match sys::open_for_reading(drive.own.as_fd(), b"manifest.jsonl") {
        Ok(fd) => fd,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            catalog.clear_volume(volume)?;
            return Ok(false);
        }
        Err(e) => return Err(e).at("opening", &path),
    };
    regular(&fd, &path)?;
    catalog.clear_volume(volume)?;
    let reader = BufReader::with_capacity(1 << 16, std::fs::File::from(fd));
    let header = manifest::read(reader, &path, &mut |item| {
        let key = catalog.key_of(&item)?;
        catalog.place(volume, &key, &item, None)
    })?;
    let identity = &drive.identity;
    if header.set != identity.set.id || header.volume != identity.volume.id {
        let message = "it is the manifest of another volume";
        return Err(Error::new(Code::BadFormat, "reading", message).with_path(&path));
    }
    Ok(true)
}

/// Applies what a journal promised to the catalog; gives back what it only intended, and how far it is good.
pub(super) fn replay(
    journal: impl BufRead,
    path: &[u8],
    catalog: &Catalog,
    volume: u32,
    done: &mut Recovered,
) -> Result<(BTreeMap<u64, Intent>, Good)> {
    let mut open: BTreeMap<u64, Intent> = BTreeMap::new();
    let mut carried_out: Vec<(u64, u64)> = Vec::new();
    let good = journal::read(journal, path, &mut |record| {
        match record {
            Record::Start { .. } => {}
            Record::Intent {
                id,
                temp,
                item,
                replaces,
            } => {
                open.insert(
                    id,
                    Intent {
                        temp,
                        from: None,
                        from_there: None,
                        item,
                        replaces,
                    },
                );
            }
            Record::Moving { id, from, item } => {
                let intent = Intent {
                    temp: None,
                    from_there: on_volume(catalog, volume, &from, item.kind)?,
                    from: Some(from),
                    item,
                    replaces: false,
                };
                open.insert(id, intent);
            }
            Record::Done { ids } => carried_out.extend(ids),
            Record::Durable { through } => {
                for &(first, last) in carried_out.iter().filter(|(first, _)| *first <= through) {
                    // By what is open, not by the range: that may say anything.
                    for (_, intent) in open.range(first..=last.min(through)) {
                        tell(catalog, volume, intent)?;
                        done.promised += 1;
                    }
                }
                carried_out.retain(|(_, last)| *last > through);
                // What was intended up to here and not carried out failed then and there.
                open.retain(|id, _| *id > through);
            }
            Record::Removed { path } => {
                for kind in [Kind::File, Kind::Dir] {
                    if let Some(key) = catalog.find(&path, kind == Kind::Dir)? {
                        catalog.unplace(volume, &key)?;
                    }
                }
            }
            Record::Mended { item } => {
                let key = catalog.key_of(&item)?;
                catalog.place_dirs(volume, key.dir)?;
                catalog.alias_dirs(volume, key.dir, item.alias.as_deref())?;
                catalog.place(volume, &key, &item, None)?;
            }
        }
        Ok(())
    })?;
    Ok((open, good))
}

/// Where what a volume holds under a path stands on the drive, where that is another path.
fn on_volume(catalog: &Catalog, volume: u32, path: &[u8], kind: Kind) -> Result<Option<Vec<u8>>> {
    let placed = match catalog.find(path, kind == Kind::Dir)? {
        Some(key) => catalog.placement(volume, &key)?,
        None => None,
    };
    Ok(placed.and_then(|placed| placed.item.alias))
}

/// Tells the catalog that what was intended stands on the volume.
fn tell(catalog: &Catalog, volume: u32, intent: &Intent) -> Result<()> {
    let key = catalog.key_of(&intent.item)?;
    catalog.place_dirs(volume, key.dir)?;
    catalog.alias_dirs(volume, key.dir, intent.item.alias.as_deref())?;
    catalog.place(volume, &key, &intent.item, None)?;
    let Some(from) = &intent.from else {
        return Ok(());
    };
    // An old directory goes when it is empty.
    if intent.item.kind != Kind::Dir
        && let Some(old) = catalog.find(from, false)?
        && old != key
    {
        catalog.unplace(volume, &old)?;
    }
    Ok(())
}

/// Looks at what was intended and not promised, from the device, and finishes what can be finished.
fn finish(
    drive: &mut Drive,
    catalog: &Catalog,
    volume: u32,
    open: BTreeMap<u64, Intent>,
    cancel: &CancelToken,
    done: &mut Recovered,
) -> Result<()> {
    let failed = |e: Error| e.with_code(Code::DriveFailed);
    drive.barrier().map_err(failed)?;
    let mut ids = Vec::new();
    let mut finished = Vec::new();
    // Of two intents for one name only the later one counts.
    let latest: HashMap<Vec<u8>, u64> = open
        .iter()
        .map(|(id, intent)| (intent.item.path.clone(), *id))
        .collect();
    for (id, intent) in open {
        if cancel.is_now() {
            return Err(Error::cancelled());
        }
        if latest.get(&intent.item.path) != Some(&id) {
            continue;
        }
        if settle(drive, &intent, cancel)? {
            push_id(&mut ids, id);
            finished.push(intent);
        } else {
            done.dropped += 1;
        }
    }
    let Some((_, through)) = ids.last().copied() else {
        return Ok(());
    };
    drive.append(&[Record::Done { ids }]).map_err(failed)?;
    drive.barrier().map_err(failed)?;
    catalog.atomically(|| {
        finished
            .iter()
            .try_for_each(|intent| tell(catalog, volume, intent))
    })?;
    done.finished += finished.len() as u64;
    drive.append(&[Record::Durable { through }]).map_err(failed)
}

/// Whether the entry stands under its final name now, with the content that was intended.
fn settle(drive: &Drive, intent: &Intent, cancel: &CancelToken) -> Result<bool> {
    let item = &intent.item;
    if let Some(from) = &intent.from {
        return match super::moves::was_carried_out(
            drive,
            intent.from_there.as_deref().unwrap_or(from),
            item,
        ) {
            // Not to be looked at: the old name stays until the next rename finds out.
            Err(e) if target_fault(&e).is_some() => Ok(false),
            looked => looked.map_err(|e| e.with_code(Code::DriveFailed)),
        };
    }
    if !item.stored {
        return Ok(true);
    }
    if item.kind == Kind::Dir {
        return Ok(sys::open_dir_beneath(drive.root.as_fd(), item.on_drive(), true).is_ok());
    }
    if let Some(temp) = &intent.temp
        && matches(drive, drive.tmp.as_fd(), temp, item, false, cancel)?
    {
        let (temp_dir, temp_name) = split(temp);
        let path = join(&drive.path, item.on_drive());
        let from = sys::open_dir_beneath(drive.tmp.as_fd(), temp_dir, true).at("opening", &path)?;
        let (dir, name) = split(item.on_drive());
        let to = match open_or_make(drive, dir) {
            Ok(to) => to,
            // About this entry only, such as a foreign file in the way: the next copy tells of it.
            Err(e) if target_fault(&e).is_some() => return Ok(false),
            Err(e) => return Err(e.with_code(Code::DriveFailed)),
        };
        match sys::rename(from.as_fd(), temp_name, to.as_fd(), name, intent.replaces) {
            Ok(()) => {
                // Two names of one file: rename(2) does nothing then.
                let _ = sys::unlink(from.as_fd(), temp_name, false);
                return Ok(true);
            }
            Err(e) => {
                let e = Error::io("renaming into place", &path, &e);
                if target_fault(&e).is_none() {
                    return Err(e.with_code(Code::DriveFailed));
                }
            }
        }
    }
    matches(
        drive,
        drive.root.as_fd(),
        item.on_drive(),
        item,
        true,
        cancel,
    )
}

/// Whether what stands at `path` below `root` is what the item says; content is read from the device. Where
/// there is no digest a file under its final name is told by size and time: nothing is renamed before its
/// content is durable. Of a temp file that proves nothing.
fn matches(
    drive: &Drive,
    root: std::os::fd::BorrowedFd<'_>,
    path: &[u8],
    item: &Item,
    is_final: bool,
    cancel: &CancelToken,
) -> Result<bool> {
    let (dir, name) = split(path);
    let Ok(dir) = sys::open_dir_beneath(root, dir, true) else {
        return Ok(false);
    };
    let Ok(meta) = sys::stat_at(dir.as_fd(), name) else {
        return Ok(false);
    };
    if meta.kind != item.kind {
        return Ok(false);
    }
    match item.kind {
        Kind::File => {}
        Kind::Symlink => {
            let target = rustix::fs::readlinkat(&dir, name, Vec::new());
            return Ok(target.is_ok_and(|t| Some(t.as_bytes()) == item.target.as_deref()));
        }
        _ => return Ok(true),
    }
    if meta.size != item.size {
        return Ok(false);
    }
    let Some(digest) = &item.digest else {
        let same_time = meta.mtime.sec.abs_diff(item.mtime.sec) <= 2
            || is_kept(meta.mtime, item.mtime, drive.rules.windows);
        return Ok(is_final && same_time);
    };
    let Ok(fd) = sys::open_for_reading(dir.as_fd(), name) else {
        return Ok(false);
    };
    match digest_of(&fd, &join(&drive.path, path), digest.algorithm, cancel) {
        Ok(found) => Ok(found == *digest),
        Err(e) if e.code == Code::Cancelled => Err(e),
        // It cannot be read back, so it is not good: it is copied again.
        Err(_) => Ok(false),
    }
}
