//! Under which names the entries of a volume stand there, where those are not their own.
//!
//! `placement.alias` is the whole path on the drive, so that every row can be read by itself. Of a directory it is
//! the beginning of that of everything in it.

use rusqlite::{OptionalExtension, params};

use super::Catalog;
use super::place::Key;
use super::schema::{ROOT_DIR, ROOT_PARENT};
use crate::engine::drive::split;
use crate::error::Result;

impl Catalog {
    /// Records under which names the directory `dir` of a volume and those above it stand there, by the path on
    /// the drive of something in it. They have to be placed already.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn alias_dirs(&self, volume: u32, dir: i64, child: Option<&[u8]>) -> Result<()> {
        let Some(child) = child else {
            return Ok(());
        };
        let (mut dir, mut alias) = (dir, split(child).0);
        while dir != ROOT_DIR && dir != ROOT_PARENT {
            let Some((parent, name)) = self.dir_key(dir)? else {
                return Ok(());
            };
            let key = Key { dir: parent, name };
            if self.path_of(&key)? == alias {
                // All above it have their own names, too.
                return Ok(());
            }
            let changed = self
                .conn
                .prepare_cached(
                    "UPDATE placement SET alias = ?4 WHERE dir = ?1 AND name = ?2 AND volume = ?3 \
                     AND alias IS NOT ?4",
                )?
                .execute(params![key.dir, key.name, volume, alias])?;
            if changed == 0 {
                return Ok(());
            }
            (dir, alias) = (parent, split(alias).0);
        }
        Ok(())
    }

    /// The name under which an entry stands on a volume, without the directory; `None` where it does not.
    pub(crate) fn name_on(&self, volume: u32, key: &Key) -> Result<Option<Vec<u8>>> {
        let alias: Option<Option<Vec<u8>>> = self
            .conn
            .prepare_cached(
                "SELECT alias FROM placement WHERE dir = ?1 AND name = ?2 AND volume = ?3 AND stored = 1",
            )?
            .query_row(params![key.dir, key.name, volume], |r| r.get(0))
            .optional()?;
        Ok(alias.map(|alias| last_of(alias.as_deref(), &key.name)))
    }

    /// Hands over the true name and the name on the drive of all that a volume holds directly in a directory.
    pub(crate) fn names_in(
        &self,
        volume: u32,
        dir: i64,
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        let mut stmt = self.conn.prepare_cached(
            "SELECT name, alias FROM placement WHERE dir = ?1 AND volume = ?2 AND stored = 1",
        )?;
        let mut rows = stmt.query(params![dir, volume])?;
        while let Some(r) = rows.next()? {
            let (name, alias): (Vec<u8>, Option<Vec<u8>>) = (r.get(0)?, r.get(1)?);
            each(bare(&name), &last_of(alias.as_deref(), &name));
        }
        Ok(())
    }

    /// How many entries of a volume stand there under names that are not their own.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn count_aliases(&self, volume: u32) -> Result<u64> {
        let n: i64 = self.conn.query_row(
            "SELECT count(*) FROM placement WHERE volume = ?1 AND alias IS NOT NULL",
            [volume],
            |r| r.get(0),
        )?;
        Ok(n as u64)
    }
}

fn bare(name: &[u8]) -> &[u8] {
    name.strip_suffix(b"/").unwrap_or(name)
}

fn last_of(alias: Option<&[u8]>, name: &[u8]) -> Vec<u8> {
    alias
        .map_or_else(|| bare(name), |alias| split(alias).1)
        .to_vec()
}
