//! Going through a catalog in the byte order of whole paths, a page of one directory at a time.
//!
//! The traversal keeps one page of rows for each level of the path in hand, so its memory grows with the
//! depth and not with the number of entries. It sees what is committed on its connection while it goes;
//! callers that write behind it only touch rows that it has passed.

use rusqlite::{Connection, Row as SqlRow};

use crate::error::{Code, Error, Result};
use crate::meta::{Kind, Meta, Time};

use super::schema::ROOT_DIR;

/// Rows fetched at once from one directory.
const PAGE: i64 = 512;

/// One entry of the sources, as the catalog knows it.
#[derive(Debug, Clone)]
pub struct Row {
    /// The directory that it is in.
    pub dir: i64,
    /// Its name, with a slash at the end for a directory.
    pub name: Vec<u8>,
    /// The source that it belongs to.
    pub source: i64,
    /// What the last walk found out about it.
    pub meta: Meta,
    /// For a directory, its own number; else 0.
    pub child: i64,
    /// The run that last saw that it must be copied; 0 when it is backed up.
    pub need: i64,
    /// The run that found it gone; 0 when it is there.
    pub gone: i64,
}

pub(super) const ENTRY_COLUMNS: &str = "dir, name, source, kind, size, allocated, mtime, mtime_ns, mode, \
    uid, gid, dev, ino, nlink, rdev, child, need, gone, \
    changed, flags";

pub(super) fn entry_from_row(r: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        dir: r.get(0)?,
        name: r.get(1)?,
        source: r.get(2)?,
        meta: Meta {
            kind: kind_from(r.get(3)?),
            size: r.get::<_, i64>(4)? as u64,
            allocated: r.get::<_, i64>(5)? as u64,
            mtime: Time {
                sec: r.get(6)?,
                nsec: r.get(7)?,
            },
            mode: r.get(8)?,
            uid: r.get(9)?,
            gid: r.get(10)?,
            dev: r.get::<_, i64>(11)? as u64,
            ino: r.get::<_, i64>(12)? as u64,
            nlink: r.get(13)?,
            rdev: r.get::<_, i64>(14)? as u64,
            changed: r.get(18)?,
            flags: r.get(19)?,
        },
        child: r.get(15)?,
        need: r.get(16)?,
        gone: r.get(17)?,
    })
}

/// The kind stored under a number; a number that nobody wrote counts as a file, which every use checks again.
pub(super) fn kind_from(n: u8) -> Kind {
    Kind::from_u8(n).unwrap_or(Kind::File)
}

/// Where a traversal gets its rows from.
pub trait Pages {
    /// What it yields.
    type Row;

    /// Up to `limit` rows of directory `dir` whose names come after `after` (at `after` too when
    /// `inclusive`), by the bytes of their names.
    ///
    /// # Errors
    /// What SQLite answers.
    fn page(&self, dir: i64, after: &[u8], inclusive: bool, limit: i64) -> Result<Vec<Self::Row>>;

    /// The stored name of a row and the number of the directory that it is, 0 if it is none.
    fn key<'r>(&self, row: &'r Self::Row) -> (&'r [u8], i64);
}

/// The entries of the sources that are there.
pub struct Entries<'c>(pub &'c Connection);

impl Pages for Entries<'_> {
    type Row = Row;

    fn page(&self, dir: i64, after: &[u8], inclusive: bool, limit: i64) -> Result<Vec<Row>> {
        let compare = if inclusive { ">=" } else { ">" };
        let mut stmt = self.0.prepare_cached(&format!(
            "SELECT {ENTRY_COLUMNS} FROM entry WHERE dir = ?1 AND name {compare} ?2 AND gone = 0 \
             ORDER BY name LIMIT ?3"
        ))?;
        let rows = stmt.query_map(rusqlite::params![dir, after, limit], entry_from_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn key<'r>(&self, row: &'r Row) -> (&'r [u8], i64) {
        (&row.name, row.child)
    }
}

struct Frame<R> {
    dir: i64,
    /// Length of this directory's path, its slash included.
    path_len: usize,
    rows: std::vec::IntoIter<R>,
    /// The last name fetched.
    last: Vec<u8>,
    more: bool,
}

/// A traversal in path order.
pub struct Ordered<P: Pages> {
    pages: P,
    stack: Vec<Frame<P::Row>>,
    path: Vec<u8>,
    entered: bool,
}

/// What a traversal meets.
pub enum Step<R> {
    /// An entry; a directory comes before what it holds.
    Entry(R),
    /// The end of the directory whose path is [`Ordered::path`].
    Leave,
}

impl<P: Pages> Ordered<P> {
    /// Starts at the first entry below the drives' root.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn new(pages: P) -> Result<Self> {
        Self::below(pages, ROOT_DIR, b"")
    }

    /// Starts at the first entry of a directory whose path (below the drives' root) is `path`.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn below(pages: P, dir: i64, path: &[u8]) -> Result<Self> {
        let mut path = path.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        let mut this = Ordered {
            pages,
            stack: Vec::new(),
            path: Vec::new(),
            entered: false,
        };
        this.push(dir, path.len(), b"", false)?;
        this.path = path;
        Ok(this)
    }

    /// Starts at the entry with this sort key (a path, with a slash at its end for a directory), or at
    /// the first one after it.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn seek(pages: P, key: &[u8]) -> Result<Self> {
        let mut this = Ordered {
            pages,
            stack: Vec::new(),
            path: Vec::new(),
            entered: false,
        };
        let mut dir = ROOT_DIR;
        let mut at = 0;
        loop {
            let end = key[at..]
                .iter()
                .position(|b| *b == b'/')
                .map(|n| at + n + 1);
            match end {
                // A directory on the way: what comes after it here, and then into it.
                Some(end) if end < key.len() => {
                    let name = &key[at..end];
                    let found = this.pages.page(dir, name, true, 1)?;
                    match found.first().map(|r| this.pages.key(r)) {
                        Some((n, child)) if n == name && child != 0 => {
                            this.push(dir, at, name, false)?;
                            dir = child;
                            at = end;
                        }
                        _ => {
                            this.push(dir, at, name, true)?;
                            break;
                        }
                    }
                }
                _ => {
                    this.push(dir, at, &key[at..], true)?;
                    break;
                }
            }
        }
        this.path = key[..at].to_vec();
        Ok(this)
    }

    fn push(&mut self, dir: i64, path_len: usize, after: &[u8], inclusive: bool) -> Result<()> {
        let rows = self.pages.page(dir, after, inclusive, PAGE)?;
        let more = rows.len() as i64 == PAGE;
        let last = rows
            .last()
            .map(|r| self.pages.key(r).0.to_vec())
            .unwrap_or_default();
        self.stack.push(Frame {
            dir,
            path_len,
            rows: rows.into_iter(),
            last,
            more,
        });
        Ok(())
    }

    /// The path of the entry that was met last, below the drives' root, without a slash at its end.
    pub fn path(&self) -> &[u8] {
        self.path.strip_suffix(b"/").unwrap_or(&self.path)
    }

    /// The sort key of the entry that was met last: its path, with a slash at its end for a directory.
    pub fn key(&self) -> &[u8] {
        &self.path
    }

    /// How many directories stand above the entry that was met last.
    pub fn depth(&self) -> usize {
        // The frame of a directory just met is on the stack already, its parent's is below.
        self.stack
            .len()
            .saturating_sub(if self.entered { 2 } else { 1 })
    }

    /// Whether the entry that was met last is a directory that holds nothing.
    pub fn is_empty_dir(&self) -> bool {
        self.entered && self.stack.last().is_some_and(|f| f.rows.len() == 0)
    }

    /// Passes over what the directory that was met last holds.
    pub fn prune(&mut self) {
        if self.entered {
            self.stack.pop();
            self.entered = false;
        }
    }

    /// The next entry, or the end of a directory; `None` at the end.
    ///
    /// # Errors
    /// What SQLite answers; `Code::CatalogDamaged` when directories contain themselves.
    pub fn step(&mut self) -> Result<Option<Step<P::Row>>> {
        self.entered = false;
        loop {
            let Some(frame) = self.stack.last_mut() else {
                return Ok(None);
            };
            if let Some(row) = frame.rows.next() {
                let (name, child) = self.pages.key(&row);
                self.path.truncate(frame.path_len);
                self.path.extend_from_slice(name);
                if child != 0 {
                    if self.stack.len() > 100_000 || self.stack.iter().any(|f| f.dir == child) {
                        return Err(Error::new(
                            Code::CatalogDamaged,
                            "reading the catalog",
                            "a directory contains itself",
                        ));
                    }
                    let len = self.path.len();
                    self.push(child, len, b"", false)?;
                    self.entered = true;
                }
                return Ok(Some(Step::Entry(row)));
            }
            if frame.more {
                let rows = self.pages.page(frame.dir, &frame.last, false, PAGE)?;
                frame.more = rows.len() as i64 == PAGE;
                if let Some(last) = rows.last() {
                    frame.last = self.pages.key(last).0.to_vec();
                }
                frame.rows = rows.into_iter();
                continue;
            }
            let len = frame.path_len;
            self.stack.pop();
            if self.stack.is_empty() {
                return Ok(None);
            }
            self.path.truncate(len);
            return Ok(Some(Step::Leave));
        }
    }

    /// The next entry; ends of directories are passed over.
    ///
    /// # Errors
    /// As [`Ordered::step`].
    pub fn next_entry(&mut self) -> Result<Option<P::Row>> {
        loop {
            match self.step()? {
                None => return Ok(None),
                Some(Step::Entry(row)) => return Ok(Some(row)),
                Some(Step::Leave) => {}
            }
        }
    }
}
