//! Finding out what was renamed in the sources since the last run.
//!
//! The catalog knows what is new under one name and gone under another with the same device, inode, size and time.
//! That an inode number was merely used again is told from when the file was made, where the file system says so,
//! and of a symbolic link from where it leads. Nothing is read, and nothing is written but the catalog.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::copy::open_sources;
use super::drive::split;
use super::work::SourceRoot;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::order::Row;
use crate::catalog::renamed::Found;
use crate::catalog::scan::{Sameness, Tally};
use crate::error::Result;
use crate::meta::{Kind, Time};
use crate::sys;

/// Brings the renames that wait for their drives up to what `run` has found, and finds the new ones. `tallies` are
/// those of the sources that were scanned: where nothing is gone or nothing is new, nothing is looked for. Then looks
/// at the attributes of what the scan has noted.
///
/// # Errors
/// What SQLite answers; `Code::Cancelled`.
pub fn find(
    catalog: &Catalog,
    run: i64,
    same: &Sameness,
    tallies: &[&Tally],
    cancel: &CancelToken,
) -> Result<Found> {
    let found = find_moves(catalog, run, same, tallies, cancel)?;
    super::attributes::look(catalog, cancel)?;
    Ok(found)
}

fn find_moves(
    catalog: &Catalog,
    run: i64,
    same: &Sameness,
    tallies: &[&Tally],
    cancel: &CancelToken,
) -> Result<Found> {
    catalog.settle_moves()?;
    let until = catalog.seen_until(run)?;
    catalog.note_looked(now())?;
    if !tallies.iter().any(|t| t.moves_likely) {
        return Ok(Found::default());
    }
    let devices: Vec<(u64, u64)> = tallies
        .iter()
        .map(|t| t.devices)
        .filter(|(now, before)| now != before && *before != 0)
        .collect();
    let mut look = Look {
        catalog,
        sources: open_sources(catalog)?,
        dir: None,
        until,
    };
    catalog.find_moves(run, same, &devices, &mut |path, old, new| {
        cancel.check()?;
        look.is_the_same(path, old, new)
    })
}

/// The clock, in nanoseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

fn nanoseconds(time: Time) -> i64 {
    time.sec
        .saturating_mul(1_000_000_000)
        .saturating_add(time.nsec.into())
}

/// Looks at new entries in their sources.
struct Look<'c> {
    catalog: &'c Catalog,
    sources: HashMap<i64, Arc<SourceRoot>>,
    /// The directory in hand: entries come directory by directory.
    dir: Option<(i64, Vec<u8>, OwnedFd)>,
    /// Nanoseconds since 1970.
    until: i64,
}

impl Look<'_> {
    fn is_the_same(&mut self, path: &[u8], old: &Row, new: &Row) -> Result<bool> {
        let Some(source) = self.sources.get(&new.source) else {
            return Ok(false);
        };
        let (dir, name) = split(source.below(path));
        let fd = match &mut self.dir {
            Some((id, at, fd)) if *id == new.source && at == dir => fd,
            slot => {
                let Ok(fd) = sys::open_dir_beneath(source.fd.as_fd(), dir, false) else {
                    return Ok(false);
                };
                &mut slot.insert((new.source, dir.to_vec(), fd)).2
            }
        };
        let Ok((found, born)) = sys::born_at(fd.as_fd(), name) else {
            return Ok(false);
        };
        // Whatever is not as the walk saw it is copied, or found to have changed, later.
        if (found.dev, found.ino, found.kind) != (new.meta.dev, new.meta.ino, new.meta.kind) {
            return Ok(false);
        }
        if born.is_some_and(|born| nanoseconds(born) > self.until) {
            return Ok(false);
        }
        if new.meta.kind != Kind::Symlink {
            return Ok(true);
        }
        let leads_to = rustix::fs::readlinkat(&*fd, name, Vec::new());
        let recorded = self.catalog.target_of(old)?;
        Ok(leads_to.is_ok_and(|t| t.as_bytes() == recorded))
    }
}
