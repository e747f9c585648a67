//! The check of one drive by itself: everything that its manifest names is looked at and read back.
//!
//! Promises: no source and no state of the host is needed; every byte of every recorded file is read, past the
//! page cache as far as that can be asked for; one bad file never stops the check and never goes unmentioned;
//! nothing on the drive is written but the check's own `verify.jsonl` and the date in volume.json, and no digest
//! is ever replaced; a check of a part never counts as one of the whole; memory stays flat; a check that was
//! broken off goes on where it was. It decides no exit code, and mends nothing.

mod against;
mod chunk;
mod extra;
mod judge;
mod keep;
mod list;
pub mod lists;
mod own;
mod pick;
mod read;
mod run;
pub mod session;

use std::path::PathBuf;

use crate::filter::search::Patterns;
use crate::format::verify::{CheckKind, Word};

pub use against::{InSourceCounts, ToldInSource};
pub use list::{Tables, Told};
pub use run::verify;

/// What to check, and how.
#[derive(Debug, Default)]
pub struct Options {
    /// Only what one of these matches.
    pub patterns: Option<Patterns>,
    /// Only what was not checked for so many days.
    pub since: Option<i64>,
    /// Only so many percent of the bytes, the least recently checked first.
    pub sample: Option<f64>,
    /// The part that is asked for in the words of the command line; `all` for everything.
    pub scope: Vec<u8>,
    /// Threads that read; 0: as many as suit the drive.
    pub threads: usize,
    /// Whether the drive has to seek; `None`: what the system says.
    pub seeks: Option<bool>,
    /// A check that was broken off is not gone on with.
    pub restart: bool,
    /// What is on the drive and not recorded is not looked for.
    pub one_way: bool,
    /// Where a check is kept while it goes on, where the drive can't be written.
    pub state: Option<PathBuf>,
    /// The host's catalog of the set, where there is one.
    pub catalog: Option<PathBuf>,
    /// The lists to be written.
    pub lists: lists::Wanted,
    /// The drive is compared with the sources that the catalog knows, too.
    pub against_source: bool,
}

impl Options {
    /// Whether everything on the drive is asked for.
    pub fn is_whole(&self) -> bool {
        self.patterns.is_none() && self.since.is_none() && self.sample.is_none()
    }
}

/// How many findings there are of each word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([u64; Word::ALL.len()]);

impl Counts {
    /// Those of one word.
    pub fn of(&self, word: Word) -> u64 {
        self.0[word as usize]
    }

    /// All that are about what the volume should hold.
    pub fn bad(&self) -> u64 {
        Word::ALL
            .into_iter()
            .filter(|w| w.is_bad())
            .map(|w| self.of(w))
            .sum()
    }
}

/// What became of the result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Kept {
    /// It is kept.
    Yes,
    /// There is nowhere to keep it.
    #[default]
    No,
    /// It could not be kept, for this reason.
    Failed(String),
}

/// What a check found. Sizes are in bytes, times in seconds since 1970.
#[derive(Debug)]
pub struct Report {
    /// The set's id and name; the name is empty when volume.json cannot be used.
    pub set: (String, String),
    /// The volume's id, number and label.
    pub volume: (String, u32, String),
    /// How much it proves.
    pub kind: CheckKind,
    /// Whether a user-space program serves the drive.
    pub fuse: bool,
    /// Bytes that were in memory when they were read, in spite of being asked out of it.
    pub cached: u64,
    /// When the check began.
    pub begun: i64,
    /// It was gone on with: files that an earlier start of it had looked at.
    pub resumed: Option<u64>,
    /// An earlier one was broken off, and could not be gone on with because the drive was written since.
    pub stale: bool,
    /// Everything was asked for.
    pub whole: bool,
    /// It was stopped; the same command goes on.
    pub stopped: bool,
    /// Entries that were asked for.
    pub entries: u64,
    /// Files that were looked at, and the bytes that were read of them, earlier starts included.
    pub files: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Files that have no digest: only size and time were compared.
    pub size_only: u64,
    /// Entries that the drive's file system cannot hold: they are only recorded.
    pub recorded_only: u64,
    /// What was found.
    pub counts: Counts,
    /// A run on the drive was broken off, or goes on.
    pub journal: bool,
    /// The manifest could not be used: what was expected is taken from the sums.
    pub no_manifest: bool,
    /// What became of the result on the drive.
    pub on_drive: Kept,
    /// What became of it in the catalog.
    pub in_catalog: Kept,
    /// The findings, page by page.
    pub tables: Tables,
    /// How it compares with the source, where that was asked for, and the paths of sources that are not there.
    pub in_source: Option<(InSourceCounts, Vec<Vec<u8>>)>,
}
