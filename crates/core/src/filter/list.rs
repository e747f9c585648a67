//! The list of `--files-from`: which paths of a source are wanted.
//!
//! A listed directory is wanted with everything below it; the directories above a listed path are only
//! walked through. The list is kept in memory, sorted so that all that lies below one directory is one
//! range; a walk carries such a range with each directory and never searches the whole list.

use std::ops::Range;

use crate::error::{Code, Error, Result};

/// The paths that are wanted, below the source's root.
#[derive(Debug, Clone, Default)]
pub struct FileList {
    /// All paths behind each other, without leading slash and without `.` components.
    bytes: Vec<u8>,
    /// Where each path lies in `bytes`, sorted by components, each once.
    items: Vec<(usize, usize)>,
}

/// What a list wants of one directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Scope {
    /// Everything in it is wanted.
    pub whole: bool,
    /// The first listed path below it.
    pub from: usize,
    /// The end of the listed paths below it.
    pub to: usize,
}

/// One name in a directory that the list speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named<'l> {
    /// The name.
    pub name: &'l [u8],
    /// It is listed itself.
    pub exact: bool,
    /// The listed paths that are it or lie below it.
    pub items: Range<usize>,
    /// The listed paths that lie below it.
    pub below: Range<usize>,
}

impl FileList {
    /// Reads a list. With `nul` paths end with NUL and every other byte is part of a name; otherwise they end
    /// with LF or CR, and lines that start with `#` or `;` are comments (write `./#name` for such a name).
    /// Leading slashes, `.` components and empty components say nothing; an empty path is passed over.
    ///
    /// # Errors
    /// `Code::BadInput` for a `..` component, or a NUL where paths end with newlines; it says which path.
    pub fn parse(content: &[u8], nul: bool) -> Result<FileList> {
        let mut list = FileList::default();
        let ends = |b: &u8| {
            if nul {
                *b == 0
            } else {
                matches!(*b, b'\n' | b'\r')
            }
        };
        for (number, path) in content.split(ends).enumerate() {
            if path.is_empty() || (!nul && matches!(path[0], b'#' | b';')) {
                continue;
            }
            list.add(path).map_err(|why| {
                let message = format!("path {}: {why}: {}", number + 1, crate::name::display(path));
                Error::new(Code::BadInput, "reading the list of files", message)
            })?;
        }
        let bytes = &list.bytes;
        let path = |&(at, len): &(usize, usize)| &bytes[at..at + len];
        list.items
            .sort_unstable_by(|a, b| components(path(a)).cmp(components(path(b))));
        list.items.dedup_by(|a, b| path(a) == path(b));
        Ok(list)
    }

    fn add(&mut self, path: &[u8]) -> std::result::Result<(), &'static str> {
        let start = self.bytes.len();
        for part in path.split(|&b| b == b'/') {
            match part {
                b"" | b"." => continue,
                b".." => return Err("`..` leads out of the source"),
                part if part.contains(&0) => return Err("a NUL in a path (use -0?)"),
                part => {
                    if self.bytes.len() > start {
                        self.bytes.push(b'/');
                    }
                    self.bytes.extend_from_slice(part);
                }
            }
        }
        self.items.push((start, self.bytes.len() - start));
        Ok(())
    }

    /// How many different paths are listed.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing is listed, so that nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The listed path of this number.
    pub(crate) fn path(&self, item: usize) -> &[u8] {
        let (at, len) = self.items[item];
        &self.bytes[at..at + len]
    }

    /// What is wanted of the source's root.
    pub(crate) fn root(&self) -> Scope {
        // The root itself, written as `/` or `.`, is the empty path and sorts first.
        let whole = !self.is_empty() && self.path(0).is_empty();
        Scope {
            whole,
            from: usize::from(whole),
            to: self.len(),
        }
    }

    /// The names that the list speaks of in the directory of this scope, sorted by bytes; `depth` is the length
    /// of that directory's path with its closing slash (0 for the root).
    pub(crate) fn names(&self, scope: Scope, depth: usize) -> impl Iterator<Item = Named<'_>> {
        let mut next = scope.from;
        std::iter::from_fn(move || {
            if next >= scope.to {
                return None;
            }
            let first = next;
            let name = self.name_at(first, depth);
            while next < scope.to && self.name_at(next, depth) == name {
                next += 1;
            }
            let exact = self.path(first).len() == depth + name.len();
            let below = first + usize::from(exact)..next;
            Some(Named {
                name,
                exact,
                items: first..next,
                below,
            })
        })
    }

    fn name_at(&self, item: usize, depth: usize) -> &[u8] {
        let tail = self.path(item).get(depth..).unwrap_or_default();
        components(tail).next().unwrap_or_default()
    }
}

/// The parts of a path between its slashes. Compared part by part, a directory's contents come right after it.
fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&b| b == b'/')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(list: &FileList, scope: Scope, depth: usize) -> Vec<(String, bool, Range<usize>)> {
        list.names(scope, depth)
            .map(|n| {
                (
                    String::from_utf8(n.name.to_vec()).unwrap(),
                    n.exact,
                    n.below,
                )
            })
            .collect()
    }

    #[test]
    fn cleans_and_sorts_by_component() {
        let list = FileList::parse(
            b"./b//c\n# no\n;no\n\n/a\r\nb/./c\nb\nb-x\nb/d/\n./#yes\n",
            false,
        );
        let list = list.unwrap();
        let paths: Vec<_> = (0..list.len()).map(|i| list.path(i)).collect();
        assert_eq!(paths, [&b"#yes"[..], b"a", b"b", b"b/c", b"b/d", b"b-x"]);
        let root = list.root();
        assert_eq!(
            root,
            Scope {
                whole: false,
                from: 0,
                to: 6
            }
        );
        assert_eq!(
            names(&list, root, 0),
            [
                ("#yes".into(), true, 1..1),
                ("a".into(), true, 2..2),
                ("b".into(), true, 3..5),
                ("b-x".into(), true, 6..6)
            ]
        );
        let b = Scope {
            whole: true,
            from: 3,
            to: 5,
        };
        assert_eq!(
            names(&list, b, 2),
            [("c".into(), true, 4..4), ("d".into(), true, 5..5)]
        );
    }

    #[test]
    fn nul_takes_every_other_byte() {
        let list = FileList::parse(b"#a\nb\0\0;c\xff\0", true).unwrap();
        let paths: Vec<_> = (0..list.len()).map(|i| list.path(i)).collect();
        assert_eq!(paths, [&b"#a\nb"[..], b";c\xff"]);
    }

    #[test]
    fn the_root_may_be_listed() {
        for text in [&b"/\n"[..], b".\n", b"./\n"] {
            assert!(FileList::parse(text, false).unwrap().root().whole);
        }
        let nothing = FileList::parse(b"\n\n", false).unwrap();
        assert_eq!(
            (nothing.is_empty(), nothing.root()),
            (true, Scope::default())
        );
    }

    #[test]
    fn refuses_the_way_out() {
        for text in [&b"ok\n..\n"[..], b"ok\na/../b\n", b"ok\na/..\n"] {
            let e = FileList::parse(text, false).unwrap_err();
            assert_eq!(e.code, Code::BadInput);
            assert!(e.message.starts_with("path 2: "), "{}", e.message);
        }
        assert!(FileList::parse(b"a\0b\n", false).is_err());
        assert!(FileList::parse(b"..a\n...\n", false).is_ok());
    }
}
