//! Taking over files that stand on a drive already and are what the source has.
//!
//! Size and time must be equal; the digest is then read in from the drive. What differs is left alone
//! here: it is replaced later, and only where that was asked for.

use std::os::fd::AsFd;

use super::content::digest_of;
use super::drive::{Drive, join, split};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::order::{Entries, Ordered};
use crate::catalog::place::Key;
use crate::error::{Code, Error, FileError, FileFault, Result};
use crate::format::item::{Algorithm, Digest, Item};
use crate::format::journal::Record;
use crate::meta::Kind;
use crate::progress::Progress;
use crate::sys;

/// Entries that are made durable together.
const BATCH: usize = 1_024;

/// Looks at every entry that `run` still has to copy and records those that the drive holds already;
/// gives their number and bytes. `step_seconds` is the coarser time step of the two file systems (2 on FAT).
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
) -> Result<(u64, u64)> {
    let volume = drive.identity.volume.number;
    let mut total = (0, 0);
    let mut batch: Vec<(Key, Item)> = Vec::new();
    let mut entries = Ordered::new(Entries(&catalog.conn))?;
    while let Some(row) = entries.next_entry()? {
        cancel.check()?;
        if row.need != run || row.meta.kind != Kind::File {
            continue;
        }
        let path = entries.path().to_vec();
        let (dir, name) = split(&path);
        let Ok(dir) = sys::open_dir_beneath(drive.root.as_fd(), dir, true) else {
            continue;
        };
        let Ok(found) = sys::stat_at(dir.as_fd(), name) else {
            continue;
        };
        let equal = found.kind == Kind::File
            && found.size == row.meta.size
            && (found.mtime == row.meta.mtime
                || (step_seconds > 0
                    && (found.mtime.sec - row.meta.mtime.sec).abs() <= step_seconds)
                || (found.mtime.sec == row.meta.mtime.sec && found.mtime.nsec == 0));
        if !equal {
            continue;
        }
        progress.set_current(&path);
        let digest = sys::open_for_reading(dir.as_fd(), name)
            .map_err(|e| Error::io("opening", &path, &e))
            .and_then(|fd| digest_of(&fd, &join(&drive.path, &path), cancel));
        let bytes = match digest {
            Ok(bytes) => bytes,
            Err(e) if e.code == Code::Cancelled => return Err(e),
            Err(e) => {
                let whole = join(&drive.path, &path);
                progress.fail(FileError::from_error(FileFault::Failed, &whole, &e));
                continue;
            }
        };
        total.0 += 1;
        total.1 += row.meta.size;
        Progress::add(&progress.files, 1);
        Progress::add(&progress.bytes, row.meta.size);
        let item = Item {
            path,
            kind: Kind::File,
            size: row.meta.size,
            mtime: row.meta.mtime,
            // As they are there: what differs is mended like any other change.
            mode: found.mode,
            uid: found.uid,
            gid: found.gid,
            digest: Some(Digest {
                algorithm: Algorithm::Sha256,
                bytes,
            }),
            target: None,
            link: None,
            rdev: None,
            stored: true,
        };
        batch.push((
            Key {
                dir: row.dir,
                name: row.name,
            },
            item,
        ));
        if batch.len() >= BATCH {
            record(drive, catalog, volume, &mut batch)?;
        }
    }
    record(drive, catalog, volume, &mut batch)?;
    Ok(total)
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
            catalog.place(volume, &key, &item, None)?;
        }
        Ok(())
    })
}
