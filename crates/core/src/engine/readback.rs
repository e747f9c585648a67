//! Reading back from the device what was written on a drive, before the drive is called complete
//! (`--verify-writes`).
//!
//! What counts is the journal: every file with an intent in it that is on the drive as recorded. What is not as it
//! was written becomes a finding, so that [`super::repair`] copies it once more. Through FUSE, and on a file
//! system in memory, what is read may not come from the device; whoever calls this says so.

use std::io::BufReader;

use super::drive::Drive;
use super::look::{Now, look};
use super::own::from_start;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::findings::Found;
use crate::error::Result;
use crate::format::date;
use crate::format::journal::{self, Record};
use crate::meta::Kind;
use crate::progress::Progress;

/// What reading back came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadBack {
    /// Regular files that were read.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Of these files: what is not as it was written. Each is a finding of the volume now.
    pub bad: u64,
}

/// Reads back what the journal of an open drive tells of. All of it has to be durable.
///
/// # Errors
/// `Code::Cancelled`; `Code::Io` where the journal cannot be read; what SQLite answers.
pub fn read_back(
    drive: &Drive,
    catalog: &Catalog,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<ReadBack> {
    let volume = drive.identity.volume.number;
    let mut done = ReadBack::default();
    let reader = BufReader::new(from_start(&drive.journal.file)?);
    journal::read(reader, &drive.journal_path(), &mut |record| {
        cancel.check()?;
        let Record::Intent { item, .. } = record else {
            return Ok(());
        };
        // Further names of a file are told of by the first.
        if item.kind != Kind::File || !item.stored || item.link.is_some() {
            return Ok(());
        }
        let Some(key) = catalog.find(&item.path, false)? else {
            return Ok(());
        };
        // What was replaced, renamed, mended or removed since is not what this record tells of.
        let is_current = catalog.placement(volume, &key)?.is_some_and(|placed| {
            let p = placed.item;
            (p.size, p.digest) == (item.size, item.digest)
        });
        if !is_current {
            return Ok(());
        }
        progress.set_current(&item.path);
        done.files += 1;
        done.bytes += item.size;
        let found = look(drive, &item, cancel)?;
        Progress::add(&progress.files, 1);
        Progress::add(&progress.bytes, item.size);
        if matches!(found, Now::Good | Now::Differs { touched: true }) {
            return Ok(());
        }
        done.bad += 1;
        catalog.record_finding(
            volume,
            &Found {
                key,
                word: found.word(),
                errno: None,
                checked: date::now(),
            },
        )
    })?;
    Ok(done)
}
