//! When a file of a source counts as unchanged, and what a scan found, in numbers.
//!
//! Plain data; the scan fills it, guards and reports read it.

use crate::meta::{Kind, Meta};

/// What a scan of one source found, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Regular files that were known before and not gone.
    pub known_files: u64,
    /// Entries seen, of any kind.
    pub entries: u64,
    /// Regular files seen.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// New regular files, and those left over from a run that did not get to them.
    pub new_files: u64,
    /// Bytes of the new ones.
    pub new_bytes: u64,
    /// Regular files whose size or time differs.
    pub changed_files: u64,
    /// Bytes of the changed ones.
    pub changed_bytes: u64,
    /// Regular files that are gone from the source.
    pub gone_files: u64,
    /// Bytes that they had.
    pub gone_bytes: u64,
    /// Directories on which something was mounted before and nothing is now: what is missing below them does
    /// not count as gone.
    pub unmounted: u64,
    /// Whether the source's root held nothing at all.
    pub root_empty: bool,
    /// Something was new, and something gone: there may be renames.
    pub moves_likely: bool,
    /// The device that the source is on now, and the one that it was on when last looked at (0: never).
    pub devices: (u64, u64),
}

impl Tally {
    /// Adds the numbers of another scan.
    pub fn add(&mut self, other: &Tally) {
        self.known_files += other.known_files;
        self.entries += other.entries;
        self.files += other.files;
        self.bytes += other.bytes;
        self.new_files += other.new_files;
        self.new_bytes += other.new_bytes;
        self.changed_files += other.changed_files;
        self.changed_bytes += other.changed_bytes;
        self.gone_files += other.gone_files;
        self.gone_bytes += other.gone_bytes;
        self.unmounted += other.unmounted;
        self.root_empty |= other.root_empty;
    }
}

/// When a file of the source counts as what it was: by default its size and its time to the nanosecond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sameness {
    /// Its size is enough.
    pub size_only: bool,
    /// Times that differ by no more than so many seconds are equal.
    pub window: u32,
    /// Files that were known are noted, for their content to be compared: see [`super::content`].
    pub content: bool,
}

impl Sameness {
    /// Whether the times of what was known and what is found count as equal.
    pub(super) fn time(&self, old: &Meta, new: &Meta) -> bool {
        if old.mtime == new.mtime {
            return true;
        }
        let files = old.kind == Kind::File && new.kind == Kind::File;
        let nanos = |m: &Meta| i128::from(m.mtime.sec) * 1_000_000_000 + i128::from(m.mtime.nsec);
        let apart = (nanos(old) - nanos(new)).unsigned_abs();
        files && (self.size_only || apart <= u128::from(self.window) * 1_000_000_000)
    }
}
