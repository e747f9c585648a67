//! The largest directories of each volume, found while all entries come by in path order: what a drive holds, in
//! a few lines.
//!
//! Of the directories of the first three levels the largest are kept, so memory does not grow with the set. What is
//! shown is the first level on which a volume has something to tell apart.

use std::collections::BTreeMap;

use crate::format::setlist::ListedEntry;
use crate::meta::Kind;

/// Directories that are told of a volume.
pub const SHOWN: usize = 8;

const LEVELS: usize = 3;

/// A directory and what is in it and below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// Its path.
    pub path: Vec<u8>,
    /// Bytes of the regular files, each name counted.
    pub bytes: u64,
    /// Regular files.
    pub files: u64,
}

#[derive(Debug, Default)]
struct Level {
    /// By size, the largest first.
    largest: Vec<Directory>,
    open: Directory,
    seen: u64,
}

/// The largest directories, by volume.
#[derive(Debug, Default)]
pub struct Largest {
    volumes: BTreeMap<u32, [Level; LEVELS]>,
}

impl Largest {
    /// Counts an entry.
    pub fn count(&mut self, entry: &ListedEntry) {
        if entry.kind != Kind::File {
            return;
        }
        let levels = self.volumes.entry(entry.volume).or_default();
        let mut end = 0;
        for level in levels {
            let Some(length) = entry.path[end..].iter().position(|b| *b == b'/') else {
                break;
            };
            let path = &entry.path[..end + length];
            end += length + 1;
            if level.open.path != path {
                level.settle();
                level.seen += 1;
                level.open.path = path.to_vec();
            }
            level.open.bytes += entry.size;
            level.open.files += 1;
        }
    }

    /// All has come by.
    pub fn finish(&mut self) {
        for level in self.volumes.values_mut().flatten() {
            level.settle();
        }
    }

    /// Those of one volume, the largest first: of the first level that has three, else of the last that has any.
    pub fn of(&self, volume: u32) -> &[Directory] {
        let Some(levels) = self.volumes.get(&volume) else {
            return &[];
        };
        let deepest = levels.iter().rev().find(|level| level.seen > 0);
        levels
            .iter()
            .find(|level| level.seen >= 3)
            .or(deepest)
            .map_or(&[], |level| &level.largest)
    }
}

impl Level {
    fn settle(&mut self) {
        let dir = std::mem::take(&mut self.open);
        if dir.files == 0 {
            return;
        }
        let at = self.largest.partition_point(|one| one.bytes >= dir.bytes);
        if at < SHOWN {
            self.largest.insert(at, dir);
            self.largest.truncate(SHOWN);
        }
    }
}
