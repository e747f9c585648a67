//! Which file an entry is a name of: a word that all names of one file have in common, on all volumes of a set.
//!
//! It says what the source had. So names that had to become files of their own, because a file system has no
//! hard links, gives a file only so many names, or because they lie on several drives, are one file again after a
//! restore. The word is given once, to the first name that is written, and means nothing by itself.

use sha2::{Digest as _, Sha256};

use super::text::{FromText, parse_hex, push_hex};
use crate::meta::{Kind, Meta};

/// The word: 64 bits, written as 16 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SameFile(pub u64);

impl SameFile {
    /// The word for a file that has none yet, by what it is in its source; `None` for a file of one name, and for
    /// what is no file.
    pub fn new(meta: &Meta) -> Option<SameFile> {
        if meta.kind != Kind::File || meta.nlink < 2 {
            return None;
        }
        let mut hash = Sha256::new();
        for number in [meta.dev, meta.ino, meta.size, meta.mtime.sec as u64] {
            hash.update(number.to_le_bytes());
        }
        hash.update(meta.mtime.nsec.to_le_bytes());
        let mut word = [0; 8];
        word.copy_from_slice(&hash.finalize()[..8]);
        Some(SameFile(u64::from_be_bytes(word)))
    }

    /// Appends the field of a record on a drive.
    pub(super) fn push_field(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"same_file\":\"");
        push_hex(out, &self.0.to_be_bytes());
        out.push(b'"');
    }
}

impl FromText for SameFile {
    fn from_text(text: &str) -> Result<Self, String> {
        parse_hex(text.as_bytes())
            .map(|word| SameFile(u64::from_be_bytes(word)))
            .ok_or_else(|| "which file it is a name of is told by 16 hex digits".to_owned())
    }
}
