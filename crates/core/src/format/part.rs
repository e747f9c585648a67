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

/// Parts begin on such a boundary, so that holes stay what they are.
const BLOCK: u64 = 4096;

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

/// The size of all parts but the last of a file of `size` bytes in `count` parts: even shares, in whole blocks where
/// they are not small.
pub(crate) fn even_size(size: u64, count: u32) -> u64 {
    let each = size.div_ceil(u64::from(count.max(1)));
    if each < 65_536 {
        return each;
    }
    each.div_ceil(BLOCK).saturating_mul(BLOCK)
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
        } else if end.is_none_or(|end| end > self.size) || self.size > i64::MAX as u64 {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::format::item::{Algorithm, Item};
    use crate::meta::{Kind, Time};

    fn item(path: &[u8], size: u64, part: Part) -> Item {
        Item {
            path: path.to_vec(),
            kind: Kind::File,
            size,
            mtime: Time::default(),
            mode: 0o644,
            uid: 0,
            gid: 0,
            digest: None,
            target: None,
            link: None,
            rdev: None,
            stored: true,
            alias: None,
            part: Some(part),
            same_file: None,
            extra: None,
            names: None,
        }
    }

    const PART: Part = Part {
        number: 2,
        count: 7,
        offset: 100,
        size: 650,
        digest: None,
    };

    #[test]
    fn names_sort_in_the_order_of_the_parts() {
        assert_eq!(part_name(b"a", 1, 7), b"a.mvpart-0001-of-0007");
        assert_eq!(Part::whole(b"d/a.mvpart-0001-of-0007"), b"d/a");
        let names: Vec<_> = (1..=MOST_PARTS)
            .map(|n| part_name(b"a", n, MOST_PARTS))
            .collect();
        assert!(names.is_sorted());
        assert!(names.iter().all(|name| name.len() == 1 + SUFFIX));
    }

    #[test]
    fn a_part_reads_back_as_it_was_written() {
        for digest in [
            None,
            Some(Digest {
                algorithm: Algorithm::Blake3,
                bytes: [7; 32],
            }),
        ] {
            let one = item(b"d/\xff.mvpart-0002-of-0007", 100, Part { digest, ..PART });
            one.check().unwrap();
            let mut json = Vec::new();
            one.encode(&mut json);
            assert_eq!(Item::decode(&json).unwrap(), one);
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let path = b"a.mvpart-0002-of-0007";
        item(path, 550, PART).check().unwrap();
        for (path, size, part) in [
            (&path[..], 551, PART),
            (path, u64::MAX, PART),
            (path, 1, Part { number: 3, ..PART }),
            (path, 1, Part { count: 6, ..PART }),
            (b"a.mvpart-0000-of-0007", 1, Part { number: 0, ..PART }),
            (b"a.mvpart-0008-of-0007", 1, Part { number: 8, ..PART }),
            (b".mvpart-0002-of-0007", 1, PART),
            (b"d/.mvpart-0002-of-0007", 1, PART),
            (b"short", 1, PART),
        ] {
            item(path, size, part).check().unwrap_err();
        }
        let mut json = Vec::new();
        item(path, 1, PART).encode(&mut json);
        let text = String::from_utf8(json).unwrap();
        let other = text.replace("\"of\":\"a\"", "\"of\":\"b\"");
        assert_ne!(other, text);
        Item::decode(other.as_bytes()).unwrap_err();
    }
}
