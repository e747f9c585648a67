//! `.mvcopy/catalog.jsonl`: the whole set on every drive, so that any one tells where everything is.
//!
//! One line says of which set it is, which drive carries it and from when; then comes a line a source, a
//! line a volume, a line for each entry and each volume that holds it, in path order; then what was on no volume
//! yet and for which one it was planned; the last line has the number of entries (those included) and the SHA-256 of every byte before it. Written and read as a stream: [`read`] hands
//! lines over before it has seen the last one, so who acts on them waits for its `Ok`. What a line says of
//! another volume is as old as the list: that volume's own manifest is the truth about it.

mod read;
mod write;

pub use read::{read, read_header};
pub use write::ListWriter;

use super::date;
use super::item::{Algorithm, MAX_PATH, alias_fault, check_path, relative_fault};
use super::part::Part;
use super::volumejson::{MAX_SAFE, check_copy, check_id, check_name, check_number};
use crate::meta::{Kind, Time};

/// The version of the format. Raised when a known field changes its meaning.
pub const VERSION: u64 = 1;

const KIND: &str = "catalog";
/// How the last line begins, and no other.
const TRAILER_START: &[u8] = b"{\"entries\":";

/// What a list is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The id of the set (volume.json).
    pub set: String,
    /// The name of the set: no control characters, 1 to 255 bytes.
    pub name: String,
    /// When it was written, in seconds since 1970.
    pub date: i64,
    /// The number of the volume that carries it.
    pub volume: u32,
    /// Copies of each entry that are wanted, each on volumes of its own.
    pub copies: u32,
    /// How the digests of what is copied are made; `None`: none are.
    pub digest: Option<Algorithm>,
}

/// One source of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSource {
    /// Where it lay on the host that wrote the list: absolute.
    pub path: Vec<u8>,
    /// Where it lies on the drives; empty is the root.
    pub prefix: Vec<u8>,
    /// Whether it is a single file.
    pub is_file: bool,
}

/// One volume of the set. Dates are seconds since 1970; all numbers are below 2^53.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListedVolume {
    /// Its number in the set, from 1.
    pub number: u32,
    /// Its id.
    pub id: String,
    /// What is written on its case.
    pub label: String,
    /// Whether all that was planned for it is there.
    pub complete: bool,
    /// `retired`, `lost`, or empty for a volume in use.
    pub fate: String,
    /// How often it had been opened for writing.
    pub generation: u64,
    /// Which copy of the set it belongs to.
    pub copy: u32,
    /// Regular files on it.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Bytes of its file system.
    pub capacity: u64,
    /// Bytes that were free when it was last in.
    pub available: u64,
    /// The type of its file system; empty when unknown.
    pub file_system: String,
    /// When it joined the set.
    pub created: i64,
    /// When it was last written.
    pub written: i64,
    /// What its last verification found, if there was one.
    pub verified: Option<ListedCheck>,
}

/// What the last verification of a volume found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedCheck {
    /// When, in seconds since 1970.
    pub date: i64,
    /// How, in the words of volume.json.
    pub kind: String,
    /// Entries that were not good.
    pub bad: u64,
}

/// One entry of the set on one of the volumes that hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEntry {
    /// Its path below the drive's root; [`check_path`] holds for it.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Bytes of content; for a symbolic link, of its target.
    pub size: u64,
    /// Last modification of the content.
    pub mtime: Time,
    /// Major and minor number: there for each device and for nothing else.
    pub rdev: Option<(u32, u32)>,
    /// The number of the volume that holds it.
    pub volume: u32,
    /// Its path on that volume, where that is another one.
    pub alias: Option<Vec<u8>>,
    /// Which part of a file it is, where it is one.
    pub part: Option<Part>,
}

impl ListedEntry {
    /// What entries are ordered by: the path, with a slash at its end for a directory; then the volume.
    fn sort_key(&self) -> (Vec<u8>, u32) {
        let mut key = self.path.clone();
        if self.kind == Kind::Dir {
            key.push(b'/');
        }
        (key, self.volume)
    }

    /// What planned entries are ordered by: the volume, then as others.
    fn plan_key(&self) -> (u32, Vec<u8>) {
        let (path, volume) = self.sort_key();
        (volume, path)
    }

    fn fault(&self) -> Option<String> {
        if let Err(e) = check_path(&self.path) {
            return Some(e.message);
        }
        let is_device = matches!(self.kind, Kind::CharDevice | Kind::BlockDevice);
        if self.rdev.is_some() != is_device {
            return Some("device numbers are there exactly for a device".to_owned());
        }
        if let Some(alias) = &self.alias
            && let Some(fault) = alias_fault(&self.path, alias)
        {
            return Some(format!("the path on the drive {fault}"));
        }
        if let Some(part) = &self.part
            && let Some(fault) = part.fault(&self.path, self.size)
        {
            return Some(fault.to_owned());
        }
        (self.mtime.nsec > 999_999_999).then(|| "more than 999,999,999 nanoseconds".to_owned())
    }
}

/// What a line of the list tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A source; all of them come first.
    Source(ListedSource),
    /// A volume; all of them come before the entries.
    Volume(ListedVolume),
    /// An entry on a volume.
    Entry(ListedEntry),
    /// An entry that was to be copied to a volume, which the list need not know otherwise, when it was written.
    Planned(ListedEntry),
}

impl Header {
    fn fault(&self) -> Result<(), String> {
        check_id("set", &self.set)?;
        check_name("set's name", &self.name)?;
        if self.name.is_empty() {
            return Err("the set's name is empty".to_owned());
        }
        check_number(self.volume)?;
        check_copy(self.copies)?;
        check_date(self.date)
    }
}

impl ListedSource {
    fn fault(&self) -> Result<(), String> {
        let absolute = self
            .path
            .strip_prefix(b"/")
            .ok_or("the source is not absolute")?;
        if !absolute.is_empty()
            && let Some(fault) = relative_fault(absolute)
        {
            return Err(format!("the source {fault}"));
        }
        if self.path.len() > MAX_PATH {
            return Err("the source is longer than 65,535 bytes".to_owned());
        }
        match check_path(&self.prefix) {
            Err(e) if !self.prefix.is_empty() => Err(e.message),
            _ => Ok(()),
        }
    }
}

impl ListedVolume {
    fn fault(&self) -> Result<(), String> {
        check_number(self.number)?;
        check_copy(self.copy)?;
        check_id("volume", &self.id)?;
        check_name("label", &self.label)?;
        check_name("file system", &self.file_system)?;
        if !matches!(self.fate.as_str(), "" | "retired" | "lost") {
            return Err("no fate that is known".to_owned());
        }
        let bad = self.verified.as_ref().map_or(0, |check| check.bad);
        let numbers = [
            self.generation,
            self.files,
            self.bytes,
            self.capacity,
            self.available,
            bad,
        ];
        if numbers.iter().any(|n| *n > MAX_SAFE) {
            return Err("a number of 2^53 or more".to_owned());
        }
        check_date(self.created)?;
        check_date(self.written)?;
        if let Some(check) = &self.verified {
            check_name("kind of verification", &check.kind)?;
            check_date(check.date)?;
        }
        Ok(())
    }
}

fn check_date(seconds: i64) -> Result<(), String> {
    if (0..=date::LAST).contains(&seconds) {
        Ok(())
    } else {
        Err("a date before 1970 or after 9999".to_owned())
    }
}

#[cfg(test)]
#[path = "setlist_tests.rs"]
mod tests;
