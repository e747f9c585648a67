//! What one directory holds, in as little memory as a million entries allow.

use std::cmp::Ordering;

use super::packed::Entries;
use crate::meta::{Kind, Meta};

/// What was found in one directory. Entries are sorted by the bytes of their names, a directory's name
/// standing for itself and a `/`, so that going down into each directory as it comes gives all paths in
/// the order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Which directory this is: 0 for the root, else the `child` of the entry that stands for it.
    pub token: u64,
    /// The directory's path below the source's root, without slashes at its ends; empty for the root.
    pub path: Vec<u8>,
    /// The names of all entries, each closed by a NUL; see [`Listing::name`].
    pub names: Vec<u8>,
    /// The entries.
    pub entries: Entries,
    /// Whether every name in the directory is here. If not, because reading failed on the way or because a list
    /// says what to look at, names that are not here are unknown, not gone.
    pub complete: bool,
}

/// One entry of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Where the name lies in [`Listing::names`]: offset and length.
    pub name: (u32, u32),
    /// Whether it has its place in the order as a directory. For a known entry just whether it is one; for an
    /// unknown one as far as could be told.
    pub dir: bool,
    /// What is known of it.
    pub what: What,
}

/// What is known of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It was looked at.
    Known {
        /// What was seen.
        meta: Meta,
        /// For a directory that is looked into: the token of the listing that will follow.
        child: Option<u64>,
    },
    /// It is there, but a rule leaves it out or it could not be looked at. That is not gone.
    Unknown,
}

impl Listing {
    /// A listing without entries.
    pub fn new(token: u64, path: Vec<u8>, complete: bool) -> Self {
        Listing {
            token,
            path,
            names: Vec::new(),
            entries: Entries::default(),
            complete,
        }
    }

    /// The name of one of this listing's entries.
    pub fn name(&self, e: &Found) -> &[u8] {
        name_in(&self.names, e.name)
    }

    /// Adds an entry behind the others; the caller keeps the order. `dir` counts where `what` is unknown.
    pub fn push(&mut self, name: &[u8], dir: bool, what: What) {
        let dir = match what {
            What::Known { meta, .. } => meta.kind == Kind::Dir,
            What::Unknown => dir,
        };
        let name = push_name(&mut self.names, name).expect("a listing made by hand is below 4 GiB");
        self.entries.push(&Found { name, dir, what });
    }

    /// About how many bytes this takes while it waits.
    pub(super) fn weight(&self) -> usize {
        size_of::<Listing>() + self.path.capacity() + self.names.capacity() + self.entries.weight()
    }

    /// Puts the entries in order; of two with the same name, which a file system that is being changed may give,
    /// the one that comes first in the order stays.
    pub(super) fn sort(&mut self) {
        let Listing { names, entries, .. } = self;
        let entries = entries.packed();
        entries.sort_unstable_by(|a, b| {
            order(
                name_in(names, a.name()),
                a.dir(),
                name_in(names, b.name()),
                b.dir(),
            )
        });
        let mut kept = 0;
        for i in 0..entries.len() {
            let name = name_in(names, entries[i].name());
            // A file of this name stands before all names that begin with it and a byte below the slash.
            let twice = entries[..kept]
                .iter()
                .rev()
                .map(|e| name_in(names, e.name()))
                .take_while(|earlier| earlier.starts_with(name))
                .any(|earlier| earlier == name);
            if !twice {
                entries[kept] = entries[i];
                kept += 1;
            }
        }
        entries.truncate(kept);
    }
}

/// Appends a name and its NUL; `None` where the names of one directory have outgrown 4 GiB.
pub(super) fn push_name(names: &mut Vec<u8>, name: &[u8]) -> Option<(u32, u32)> {
    let at = u32::try_from(names.len()).ok()?;
    let len = u32::try_from(name.len()).ok()?;
    at.checked_add(len)?.checked_add(1)?;
    names.extend_from_slice(name);
    names.push(0);
    Some((at, len))
}

/// A name in an arena.
pub(super) fn name_in(names: &[u8], (at, len): (u32, u32)) -> &[u8] {
    &names[at as usize..at as usize + len as usize]
}

/// Compares two names as if those of directories ended in a slash.
fn order(a: &[u8], a_dir: bool, b: &[u8], b_dir: bool) -> Ordering {
    let n = a.len().min(b.len());
    // What stands behind the common part: the end comes first, then bytes by their value.
    let behind = |name: &[u8], dir: bool| match name.get(n) {
        Some(&byte) => Some(byte),
        None => dir.then_some(b'/'),
    };
    a[..n]
        .cmp(&b[..n])
        .then_with(|| behind(a, a_dir).cmp(&behind(b, b_dir)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn listing(names: &[(&[u8], bool)]) -> Listing {
        let mut l = Listing::new(0, Vec::new(), true);
        for (name, dir) in names {
            l.push(name, *dir, What::Unknown);
        }
        l.sort();
        l
    }

    fn show(l: &Listing) -> Vec<String> {
        l.entries
            .iter()
            .map(|e| {
                String::from_utf8_lossy(l.name(&e)).into_owned() + if e.dir { "/" } else { "" }
            })
            .collect()
    }

    #[test]
    fn directories_sort_as_their_contents_do() {
        let l = listing(&[
            (b"a0", false),
            (b"a", true),
            (b"a-b", false),
            (b"a.x", true),
            (b"b", false),
        ]);
        assert_eq!(show(&l), ["a-b", "a.x/", "a/", "a0", "b"]);
    }

    #[test]
    fn a_name_stays_once() {
        let l = listing(&[
            (b"a", true),
            (b"a-b", false),
            (b"a", false),
            (b"b", false),
            (b"b", false),
        ]);
        assert_eq!(show(&l), ["a", "a-b", "b"]);
        let l = listing(&[(b"a", true), (b"a-", true), (b"a", true)]);
        assert_eq!(show(&l), ["a-/", "a/"]);
    }
}
