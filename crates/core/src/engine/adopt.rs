//! Taking over files that stand on a drive already and are what the source has.
//!
//! Size and time must be equal; a file's digest is then read in from the drive, unless the set has none. What differs is left alone
//! here: it is replaced later, and only where that was asked for.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::content::digest_of;
use super::drive::{Drive, join, names_in, split};
use super::moves::is_spelt;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::order::{Entries, Ordered, Row};
use crate::catalog::place::Key;
use crate::error::{Code, Error, FileError, FileFault, IoContext, Result};
use crate::filter::Filter;
use crate::format::item::{Algorithm, Item};
use crate::format::journal::Record;
use crate::meta::{Kind, Meta};
use crate::progress::Progress;
use crate::sys;
use crate::walk::{self, What};

/// Entries that are made durable together.
const BATCH: usize = 1_024;

/// Names of what differs that are kept.
const NAMES: usize = 20;

/// What a look at a drive that somebody else filled came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Regular files that were taken over.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Entries of other kinds that were taken over.
    pub others: u64,
    /// Entries that stand there and are not what the source has.
    pub differing: u64,
    /// The first paths of these.
    pub differing_names: Vec<Vec<u8>>,
}

/// Looks at every entry that `run` still has to copy and records those that the drive holds already: equal in
/// size and time. `step_seconds` is the coarser time step of the two file systems (2 on FAT).
///
/// # Errors
/// `Code::DriveFailed` when the drive fails; `Code::Cancelled`.
pub fn adopt_equal(
    drive: &mut Drive,
    catalog: &Catalog,
    run: i64,
    step_seconds: i64,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Adopted> {
    let volume = drive.identity.volume.number;
    let algorithm = catalog.digest()?;
    let mut adopted = Adopted::default();
    let mut spelt = Spelt::default();
    let mut batch: Vec<(Key, Item)> = Vec::new();
    let mut entries = Ordered::new(Entries(&catalog.conn))?;
    while let Some(row) = entries.next_entry()? {
        cancel.check()?;
        // A directory is taken over with what it holds; one that holds nothing by itself.
        let is_frame = row.meta.kind == Kind::Dir && !entries.is_empty_dir();
        if row.need != run || is_frame {
            continue;
        }
        let path = entries.path().to_vec();
        // Nothing tells of which version a part is that somebody else has put there.
        if row.source < 0 {
            continue;
        }
        let (above, name) = split(&path);
        let Ok(dir) = sys::open_dir_beneath(drive.root.as_fd(), above, true) else {
            continue;
        };
        let Ok(found) = sys::stat_at(dir.as_fd(), name) else {
            continue;
        };
        if drive.rules.folds && !spelt.has(drive, &dir, above, name)? {
            // Another spelling of it: it is copied beside that.
            continue;
        }
        let equal = is_equal(&row.meta, &found, step_seconds)
            || is_same_link(catalog, &row, &path, dir.as_fd(), &found);
        if !equal {
            adopted.differing += 1;
            if adopted.differing_names.len() < NAMES {
                adopted.differing_names.push(path);
            }
            continue;
        }
        progress.set_current(&path);
        let item = match item_of(drive, dir.as_fd(), path, &row, &found, algorithm, cancel) {
            Ok(item) => item,
            Err(e) if e.code == Code::Cancelled => return Err(e),
            Err(e) => {
                let path = e.path.clone().unwrap_or_default();
                progress.fail(FileError::from_error(FileFault::Failed, &path, &e));
                continue;
            }
        };
        if item.kind == Kind::File {
            adopted.files += 1;
            adopted.bytes += item.size;
            Progress::add(&progress.files, 1);
            Progress::add(&progress.bytes, item.size);
        } else {
            adopted.others += 1;
        }
        let key = Key {
            dir: row.dir,
            name: row.name,
        };
        batch.push((key, item));
        if batch.len() >= BATCH {
            record(drive, catalog, volume, &mut batch)?;
        }
    }
    record(drive, catalog, volume, &mut batch)?;
    Ok(adopted)
}

/// The names in the directory in hand of a drive where several spellings are one.
#[derive(Default)]
struct Spelt {
    above: Option<Vec<u8>>,
    names: HashSet<Vec<u8>>,
}

impl Spelt {
    /// Whether a name stands there in just this spelling, and its directory, too.
    fn has(&mut self, drive: &Drive, dir: &OwnedFd, above: &[u8], name: &[u8]) -> Result<bool> {
        if self.above.as_deref() != Some(above) {
            self.names.clear();
            if above.is_empty() || is_spelt(drive, above)? {
                let listed = names_in(dir.as_fd()).at("listing", &join(&drive.path, above))?;
                self.names.extend(listed.into_iter().map(|(name, _)| name));
            }
            self.above = Some(above.to_vec());
        }
        Ok(self.names.contains(name))
    }
}

/// Whether what stands on the drive is, as far as a look can tell, what the source has.
fn is_equal(want: &Meta, found: &Meta, step_seconds: i64) -> bool {
    if want.kind != found.kind {
        return false;
    }
    let same_time = found.mtime == want.mtime
        || (step_seconds > 0 && (found.mtime.sec - want.mtime.sec).abs() <= step_seconds)
        || (found.mtime.sec == want.mtime.sec && found.mtime.nsec == 0);
    match want.kind {
        Kind::Dir => true,
        Kind::File | Kind::Symlink => same_time && found.size == want.size,
        _ => same_time && found.rdev == want.rdev,
    }
}

/// Whether both are symbolic links to the same target: not every copier gives a link its time.
fn is_same_link(
    catalog: &Catalog,
    row: &Row,
    path: &[u8],
    dir: BorrowedFd<'_>,
    found: &Meta,
) -> bool {
    if row.meta.kind != Kind::Symlink || found.kind != Kind::Symlink || found.size != row.meta.size
    {
        return false;
    }
    let target =
        |dir: BorrowedFd<'_>, name: &[u8]| rustix::fs::readlinkat(dir, name, Vec::new()).ok();
    let (_, name) = split(path);
    let of_source = || {
        let source = catalog
            .sources()
            .ok()?
            .into_iter()
            .find(|s| s.id == row.source)?;
        let below = path.strip_prefix(source.prefix.as_slice())?;
        let below = below.strip_prefix(b"/").unwrap_or(below);
        let (above, name) = split(below);
        let root = sys::open_root(&source.path).ok()?;
        let dir = sys::open_dir_beneath(root.as_fd(), above, false).ok()?;
        target(dir.as_fd(), name)
    };
    target(dir, name).is_some_and(|there| of_source() == Some(there))
}

/// The entry as it stands on the drive; a file's digest is read in, where one is made.
fn item_of(
    drive: &Drive,
    dir: BorrowedFd<'_>,
    path: Vec<u8>,
    row: &Row,
    found: &Meta,
    algorithm: Option<Algorithm>,
    cancel: &CancelToken,
) -> Result<Item> {
    let (_, name) = split(&path);
    let whole = join(&drive.path, &path);
    let kind = row.meta.kind;
    let (mut digest, mut target) = (None, None);
    if let (Kind::File, Some(algorithm)) = (kind, algorithm) {
        let fd = sys::open_for_reading(dir, name).at("opening", &whole)?;
        let read = digest_of(&fd, &whole, algorithm, cancel).map_err(|e| match e.path {
            Some(_) => e,
            None => e.with_path(&whole),
        });
        digest = Some(read?);
    } else if kind == Kind::Symlink {
        let read = rustix::fs::readlinkat(dir, name, Vec::new()).at("reading the link", &whole)?;
        target = Some(read.into_bytes());
        if found.mtime != row.meta.mtime {
            let time = rustix::fs::Timespec {
                tv_sec: row.meta.mtime.sec,
                tv_nsec: row.meta.mtime.nsec.into(),
            };
            let times = rustix::fs::Timestamps {
                last_access: time,
                last_modification: time,
            };
            // Best effort: a link is what its target says.
            let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
            let _ = rustix::fs::utimensat(dir, name, &times, flags);
        }
    }
    let is_device = matches!(kind, Kind::CharDevice | Kind::BlockDevice);
    let rdev = found.rdev;
    let item = Item {
        path,
        kind,
        size: if kind == Kind::File { row.meta.size } else { 0 },
        mtime: row.meta.mtime,
        // As they are there: what differs is mended like any other change.
        mode: found.mode,
        uid: found.uid,
        gid: found.gid,
        digest,
        target,
        link: None,
        rdev: is_device.then(|| (sys::major(rdev), sys::minor(rdev))),
        stored: true,
        extra: None,
        names: None,
        alias: None,
        part: None,
        same_file: None,
    };
    item.check()?;
    Ok(item)
}

/// What a drive that is no volume yet holds of what `run` has to copy, found without writing anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Surveyed {
    /// Regular files that are equal in size and time.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Entries of other kinds that are equal.
    pub others: u64,
    /// About how many bytes our own files on the drive would take.
    pub own_bytes: u64,
}

/// Looks for every entry that `run` still has to copy on the drive mounted at `path`.
///
/// # Errors
/// `Code::Io` when the drive cannot be opened; `Code::Cancelled`; what SQLite answers.
pub fn survey(
    path: &[u8],
    catalog: &Catalog,
    run: i64,
    step_seconds: i64,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Surveyed> {
    let root = sys::open_root(path)?;
    let mut surveyed = Surveyed::default();
    let mut entries = Ordered::new(Entries(&catalog.conn))?;
    while let Some(row) = entries.next_entry()? {
        cancel.check()?;
        if row.need != run || row.meta.kind == Kind::Dir {
            continue;
        }
        Progress::add(&progress.entries, 1);
        let (dir, name) = split(entries.path());
        let Ok(dir) = sys::open_dir_beneath(root.as_fd(), dir, true) else {
            continue;
        };
        let Ok(found) = sys::stat_at(dir.as_fd(), name) else {
            continue;
        };
        let path = entries.path();
        let equal = is_equal(&row.meta, &found, step_seconds)
            || is_same_link(catalog, &row, path, dir.as_fd(), &found);
        if !equal {
            continue;
        }
        if row.meta.kind == Kind::File {
            surveyed.files += 1;
            surveyed.bytes += row.meta.size;
        } else {
            surveyed.others += 1;
        }
        // A line each in manifest, sums, list and journal.
        surveyed.own_bytes += 900 + 4 * entries.path().len() as u64;
    }
    Ok(surveyed)
}

/// The regular files that stand on a drive, whoever they belong to; ours in `.mvcopy` don't count.
///
/// # Errors
/// As [`walk::walk`].
pub fn count_files(drive: &Drive, cancel: &CancelToken, progress: &Progress) -> Result<u64> {
    let filter = Filter::new(Vec::new())?;
    let options = walk::Options {
        one_file_system: true,
        skip_own: true,
        ..walk::Options::new(&filter)
    };
    let mut files = 0;
    walk::walk(
        drive.root.as_fd(),
        &drive.path,
        &options,
        cancel,
        progress,
        &mut |listing| {
            let is_file =
                |what: &What| matches!(what, What::Known { meta, .. } if meta.kind == Kind::File);
            files += listing.entries.iter().filter(|e| is_file(&e.what)).count() as u64;
            Ok(())
        },
    )?;
    // A page of ours, where its set is not known any more.
    let page = crate::page::stands(drive.root.as_fd());
    Ok(files - u64::from(page && files > 0))
}

fn record(
    drive: &mut Drive,
    catalog: &Catalog,
    volume: u32,
    batch: &mut Vec<(Key, Item)>,
) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let failed = |e: Error| e.with_code(Code::DriveFailed);
    let records: Vec<Record> = batch
        .iter()
        .map(|(_, item)| Record::Mended { item: item.clone() })
        .collect();
    drive.append(&records).map_err(failed)?;
    drive.barrier().map_err(failed)?;
    catalog.atomically(|| {
        for (key, item) in batch.drain(..) {
            catalog.place_dirs(volume, key.dir)?;
            catalog.alias_dirs(volume, key.dir, item.alias.as_deref())?;
            catalog.place(volume, &key, &item, None)?;
        }
        Ok(())
    })
}
