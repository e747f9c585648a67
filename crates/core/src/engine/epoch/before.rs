//! What is settled about a group before its intents are written: room for its lines, and which file each name is of.

use std::collections::HashMap;

use super::{Committer, Ready};
use crate::engine::ballast;
use crate::error::{FileFault, Result};
use crate::format::samefile::SameFile;
use crate::meta::Time;

/// How many files of several names are remembered.
const MOST: usize = 4096;

/// Files of several names by device, inode, size and time, with the word for each: the catalog would have to look
/// through all names of one that has none yet.
pub(super) type SameFiles = HashMap<(u64, u64, u64, Time), Option<SameFile>>;

impl Committer<'_> {
    /// Records which file a name is of, where that has several. A repair goes by the record.
    pub(super) fn name_file(&mut self, ready: &mut Ready) -> Result<()> {
        let seen = &ready.seen;
        let item = &mut ready.item;
        if ready.work.expected.is_some() || item.part.is_some() || SameFile::new(seen).is_none() {
            return Ok(());
        }
        let file = (seen.dev, seen.ino, seen.size, seen.mtime);
        item.same_file = match self.same_files.get(&file) {
            Some(known) => *known,
            None => {
                if self.same_files.len() >= MOST {
                    self.same_files.clear();
                }
                let word = self.catalog.same_file(seen)?;
                self.same_files.insert(file, word);
                word
            }
        };
        Ok(())
    }

    /// Keeps room for the lines of the group in hand. Without room for its lines a file is not on the drive:
    /// what is too much, from the end, has failed for lack of room and is planned anew.
    ///
    /// # Errors
    /// A flush failed.
    pub(super) fn keep_room(&mut self) -> Result<()> {
        let lines: Vec<u64> = self.ready.iter().map(|r| ballast::lines(&r.item)).collect();
        if self.drive.grow_ballast(lines.iter().sum()).is_ok() {
            return Ok(());
        }
        // XFS keeps several blocks for each file that it has not given its place on the disk yet, and
        // fallocate(2), unlike write(2), doesn't wait for that: after a flush they are free.
        self.drive.barrier()?;
        let mut most = lines.len();
        while most > 0 {
            let Err(e) = self.drive.grow_ballast(lines[..most].iter().sum()) else {
                break;
            };
            most /= 2;
            for ready in self.ready.split_off(most) {
                self.fail(ready, &e, FileFault::NoRoom);
            }
        }
        Ok(())
    }
}
