//! Repair: bringing back on a drive, as it was recorded, what a check found not to be so.
//!
//! Each finding is looked at anew first: what is good after all is forgotten, what somebody changed is touched
//! only where that was agreed to, and then kept beside. Content comes from the sources or from another drive, and
//! counts only when it has the recorded digest. It goes the way of every copy (temp file, intent, barrier, rename),
//! is read back from the device, and only then the finding is cleared. It can be killed anywhere: what is
//! still a finding is repaired by the next run.

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::copy::open_sources;
use super::drive::{Drive, OWN, join};
use super::epoch::Committer;
use super::file::Copier;
use super::origin::Origins;
use super::own::read_identity;
use super::repairer::Repairer;
use super::work::SourceRoot;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::error::{Code, Error, IoContext, Result};
use crate::format::item::Item;
use crate::progress::Progress;
use crate::sys;

/// Names that are kept of each kind of result.
pub const NAMES: usize = 1_000;

/// Where content comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// The sources of the set.
    Sources,
    /// Another volume of the set, mounted at this path.
    Drive {
        /// Where it is mounted.
        path: Vec<u8>,
        /// Its number.
        volume: u32,
    },
    /// What was kept on the host of another volume ([`super::spool`]).
    Spool {
        /// The directory.
        path: Vec<u8>,
        /// The volume that it is from.
        volume: u32,
    },
}

/// So many entries, their bytes, and the first of their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Entries.
    pub count: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// The first [`NAMES`] paths.
    pub names: Vec<Vec<u8>>,
}

impl Named {
    /// Counts an entry.
    pub fn add(&mut self, item: &Item) {
        self.count += 1;
        self.bytes += item.size;
        if self.names.len() < NAMES {
            self.names.push(item.path.clone());
        }
    }
}

/// What one pass over the findings came to. What is in none of these is still a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Brought back, durable, and read back.
    pub repaired: Named,
    /// Good after all: as recorded, or no more than their time was different, which was put right.
    pub good: Named,
    /// Tried and failed; each was told.
    pub failed: u64,
    /// What was kept beside a repaired file: its path, and its new name.
    pub aside: Vec<(Vec<u8>, Vec<u8>)>,
    /// The owner asked for an end.
    pub stopped: bool,
}

/// Repairs what has a finding on the drive's volume, as far as `from` has it. `aside`: what was changed on the drive
/// is kept beside under another name; else it is left alone.
///
/// # Errors
/// `Code::DriveFailed` when the drive fails, or gives back other bytes than were written; `Code::DriveChanged`,
/// also when another volume than `from` says stands there; `Code::Cancelled` for an immediate end. What was
/// repaired until then is durable.
pub fn repair(
    drive: &mut Drive,
    catalog: &Catalog,
    from: &Origin,
    aside: bool,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Repaired> {
    let volume = drive.identity.volume.number;
    catalog.gather_links(volume)?;
    let shared = drive.share();
    let mut repairer = Repairer {
        catalog,
        volume,
        other: open_other(catalog, from)?,
        spooled: matches!(from, Origin::Spool { .. }),
        origins: Origins::new(catalog, volume, open_sources(catalog)?)?,
        aside,
        choice: catalog.digest()?,
        copier: Copier::new(&shared, None, cancel, progress),
        cancel,
        progress,
        pending: Vec::new(),
        handled: HashSet::new(),
        done: Repaired::default(),
    };

    let mut committer = Committer::new(drive, catalog, progress);
    let result = repairer.run(&mut committer);
    let done = repairer.done;
    if result.is_ok() {
        super::findings::forget_repaired(drive, catalog, volume)?;
        catalog.note_repaired(volume)?;
    }
    // What stands under a final name and is not promised is settled when the drive is closed, or opened next.
    drive.unsettled |= result.is_err();
    result.map(|()| done)
}

/// Another drive, which has to be that volume: its number and its root.
pub(super) fn open_other(
    catalog: &Catalog,
    from: &Origin,
) -> Result<Option<(u32, Arc<SourceRoot>)>> {
    let root = |fd, path: &[u8]| SourceRoot {
        fd,
        path: path.to_vec(),
        prefix: Vec::new(),
        server_copy: false,
    };
    let (path, volume) = match from {
        Origin::Sources => return Ok(None),
        Origin::Spool { path, volume } => {
            return Ok(Some((*volume, Arc::new(root(sys::open_root(path)?, path)))));
        }
        Origin::Drive { path, volume } => (path, volume),
    };
    let fd = sys::open_root(path)?;
    let own = sys::open_dir_beneath(fd.as_fd(), OWN, true).at("opening", &join(path, OWN))?;
    let known = catalog.volume(*volume)?;
    let found = read_identity(own.as_fd(), path)?;
    let same = known
        .zip(found)
        .is_some_and(|(known, found)| known.id == found.volume.id);
    if !same {
        let message = format!("it is not drive {volume} of the set");
        return Err(Error::new(Code::DriveChanged, "reading the drive", message).with_path(path));
    }
    Ok(Some((*volume, Arc::new(root(fd, path)))))
}
