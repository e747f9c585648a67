//! One directory of a search: a page of its names at a time.
//!
//! Of a file only the name is read. The columns that tell of an entry stand behind it, and SQLite would step over
//! fifteen of them for every file to get at the one that says which directory an entry is.

use rusqlite::params;

use crate::catalog::Catalog;
use crate::error::Result;

/// Names fetched at once from one directory.
pub(super) const NAMES: i64 = 1024;

/// One directory on the way to the entry in hand. Its buffers can be used again for another one.
#[derive(Default)]
pub(super) struct Level {
    /// The directory's number.
    pub dir: i64,
    /// Length of its path in bytes, its slash included.
    pub path_len: usize,
    /// All that is in it matches.
    pub below: bool,
    /// There may be another page.
    pub more: bool,
    /// Names of the page, end to end, and for each where it ends and the directory that it is, else 0.
    names: Vec<u8>,
    rows: Vec<(usize, i64)>,
    at: usize,
}

impl Level {
    /// The next name of the page (with a slash at its end for a directory) and the directory that it is, else 0.
    pub fn next_name(&mut self) -> Option<(&[u8], i64)> {
        let child = self.rows.get(self.at)?.1;
        self.at += 1;
        Some((self.name(self.at - 1), child))
    }

    /// Goes on to the next page.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn turn(&mut self, catalog: &Catalog) -> Result<()> {
        let last = match self.rows.len() {
            0 => Vec::new(),
            n => self.name(n - 1).to_vec(),
        };
        self.fill(catalog, &last)
    }

    /// Reads the page of names after `last`.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn fill(&mut self, catalog: &Catalog, last: &[u8]) -> Result<()> {
        self.names.clear();
        self.rows.clear();
        self.at = 0;
        let mut stmt = catalog.conn.prepare_cached(
            "SELECT name FROM entry WHERE dir = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
        )?;
        let mut rows = stmt.query(params![self.dir, last, NAMES])?;
        let mut dirs = Vec::new();
        while let Some(row) = rows.next()? {
            let name = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            if name.ends_with(b"/") {
                dirs.push(self.rows.len());
            }
            self.names.extend_from_slice(name);
            self.rows.push((self.names.len(), 0));
        }
        self.more = self.rows.len() as i64 == NAMES;
        let mut stmt = catalog
            .conn
            .prepare_cached("SELECT child FROM entry WHERE dir = ?1 AND name = ?2")?;
        for at in dirs {
            let child = stmt.query_row(params![self.dir, self.name(at)], |r| r.get(0))?;
            self.rows[at].1 = child;
        }
        Ok(())
    }

    fn name(&self, at: usize) -> &[u8] {
        let start = match at {
            0 => 0,
            n => self.rows[n - 1].0,
        };
        &self.names[start..self.rows[at].0]
    }
}
