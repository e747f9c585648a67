//! The names and records of files in parts: `NAME.mvpart-0001-of-0007`.
//!
//! The names sort in the order in which the parts are joined, so `cat NAME.mvpart-*-of-0007` gives the file.

use serde::Deserialize;

use super::item::Digest;
use super::text::{Text, parse_hex32, push_u64};
use crate::name::{JsonStyle, Name, write_json};

/// The most parts that a file can have: four digits.
pub const MOST_PARTS: u32 = 9999;

/// Bytes that a part's name has behind the file's.
pub const SUFFIX: usize = ".mvpart-0001-of-0007".len();

/// What is recorded of an entry that is part of a file. The file's path is the part's without its suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Which part it is, from 1.
    pub number: u32,
    /// How many there are.
    pub count: u32,
    /// Where it begins in the file.
    pub offset: u64,
    /// Bytes of the file.
    pub size: u64,
    /// The digest of the file, once it is known.
    pub digest: Option<Digest>,
}

/// The name (or path) of a part of the file of this name (or path).
pub fn part_name(whole: &[u8], number: u32, count: u32) -> Vec<u8> {
    let mut name = whole.to_vec();
    name.extend_from_slice(format!(".mvpart-{number:04}-of-{count:04}").as_bytes());
    name
}

/// The bytes of a digest that SQLite wrote in hexadecimal digits.
pub(crate) fn bytes_of_hex(text: &str) -> Option<[u8; 32]> {
    parse_hex32(text.to_ascii_lowercase().as_bytes())
}

impl Part {
    /// The path of the file that the part at `path` belongs to.
    pub fn whole(path: &[u8]) -> &[u8] {
        &path[..path.len().saturating_sub(SUFFIX)]
    }

    /// What is wrong with the record of a part of `len` bytes at `path`.
    pub(super) fn fault(&self, path: &[u8], len: u64) -> Option<&'static str> {
        let whole = Part::whole(path);
        let end = self.offset.checked_add(len);
        if whole.is_empty() || whole.ends_with(b"/") {
            Some("its path has no room for the file's name")
        } else if self.number == 0 || self.number > self.count || self.count > MOST_PARTS {
            Some("there is no such part")
        } else if path != part_name(whole, self.number, self.count) {
            Some("its path is not that of this part")
        } else if end.is_none_or(|end| end > self.size) {
            Some("it reaches behind the end of its file")
        } else {
            None
        }
    }

    /// Appends the record of the part at `path` as a JSON object.
    pub(super) fn encode(&self, path: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"of\":");
        write_json(out, Part::whole(path), JsonStyle::Utf8);
        for (key, value) in [
            ("number", self.number.into()),
            ("count", self.count.into()),
            ("offset", self.offset),
            ("size", self.size),
        ] {
            out.extend_from_slice(format!(",\"{key}\":").as_bytes());
            push_u64(out, value);
        }
        if let Some(digest) = &self.digest {
            out.extend_from_slice(b",\"digest\":\"");
            out.extend_from_slice(digest.algorithm.as_str().as_bytes());
            out.push(b':');
            digest.push_hex(out);
            out.push(b'"');
        }
        out.push(b'}');
    }
}

/// The record as it stands in JSON.
#[derive(Deserialize)]
pub(in crate::format) struct WirePart {
    of: Name,
    number: u32,
    count: u32,
    offset: u64,
    size: u64,
    digest: Option<Text<Digest>>,
}

impl WirePart {
    /// The record of the part at `path`.
    pub(super) fn into_part(self, path: &[u8]) -> Result<Part, String> {
        if self.of.0 != Part::whole(path) {
            return Err("a part of another file than its path says".to_owned());
        }
        Ok(Part {
            number: self.number,
            count: self.count,
            offset: self.offset,
            size: self.size,
            digest: self.digest.map(|d| d.0),
        })
    }
}
