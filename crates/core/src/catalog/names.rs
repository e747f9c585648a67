//! Names that some file systems refuse: what a plan tells before anything is copied.
//!
//! A path is judged as a whole, because what lies below a directory that cannot be made cannot be made
//! either. Which file system refuses what is the planner's business; placement does not depend on it.

use super::Catalog;
use super::worklist::Worklist;
use crate::engine::names::{Rules, encode};
use crate::error::Result;

/// The path holds one of `"*:<>?\|` or a control character: FAT and exFAT refuse it.
pub const ODD_CHARACTER: u8 = 8;
/// A component of the path ends in a dot or a blank: FAT drops or refuses it.
pub const ODD_END: u8 = 16;
/// The path is not UTF-8: file systems that keep names as UTF-16 refuse it.
pub const NOT_TEXT: u8 = 32;

/// What is odd about a path: any of [`ODD_CHARACTER`], [`ODD_END`], [`NOT_TEXT`].
pub fn odd_path(path: &[u8]) -> u8 {
    let mut flags = 0;
    let mut before = 0;
    for &byte in path {
        match byte {
            b'"' | b'*' | b':' | b'<' | b'>' | b'?' | b'\\' | b'|' | 0..=31 | 127 => {
                flags |= ODD_CHARACTER;
            }
            b'/' if before == b'.' || before == b' ' => flags |= ODD_END,
            _ => {}
        }
        before = byte;
    }
    if before == b'.' || before == b' ' {
        flags |= ODD_END;
    }
    if !path.is_ascii() && std::str::from_utf8(path).is_err() {
        flags |= NOT_TEXT;
    }
    if flags == 0 && path.split(|b| *b == b'/').any(is_changed) {
        flags |= ODD_CHARACTER;
    }
    flags
}

/// Whether a name that nothing else is wrong with is kept as another one on such a file system: that of a device, or
/// one that is too long.
fn is_changed(name: &[u8]) -> bool {
    matches!(encode(name, &Rules::WINDOWS), std::borrow::Cow::Owned(_))
}

impl Catalog {
    /// The first `limit` paths that the stored plan gives to a volume and of which [`odd_path`] says any of
    /// `odd`, with their sizes in bytes.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn planned_odd(
        &self,
        run: i64,
        volume: u32,
        odd: u8,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, u64)>> {
        let mut list = Worklist::new(&self.conn, run, volume)?;
        let mut out = Vec::new();
        while out.len() < limit {
            let Some((path, row)) = list.next_row()? else {
                break;
            };
            if odd_path(&path) & odd != 0 {
                out.push((path, row.meta.size));
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_odd_path_is_told_apart() {
        for (path, flags) in [
            (&b"plain/name.txt"[..], 0),
            (b"", 0),
            (b".hidden/..x/ y", 0),
            ("f\u{fc}r/\u{65e5}".as_bytes(), 0),
            (b"a/what?", ODD_CHARACTER),
            (b"12:30/x", ODD_CHARACTER),
            (b"a\\b", ODD_CHARACTER),
            (b"a\nb", ODD_CHARACTER),
            (b"a\x7f", ODD_CHARACTER),
            (b"end./x", ODD_END),
            (b"end ", ODD_END),
            (b"caf\xe9", NOT_TEXT),
            (b"<caf\xe9. ", ODD_CHARACTER | ODD_END | NOT_TEXT),
        ] {
            assert_eq!(odd_path(path), flags, "{path:?}");
        }
    }
}
