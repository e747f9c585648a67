//! From paths below the drives' root to keys of the catalog, and back.
//!
//! A drive may know more than the catalog: what it tells of is added, without a source's word for it.

use rusqlite::{OptionalExtension, params};

use super::Catalog;
use super::place::{Key, walked_size};
use super::schema::{ROOT_DIR, ROOT_PARENT};
use crate::error::Result;
use crate::format::item::Item;
use crate::meta::{Kind, Meta, Time};

impl Catalog {
    /// The key of a path below the drives' root; the entry, and the directories above it, are added when
    /// the catalog does not know them (a drive may know more than the catalog).
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn key_of(&self, item: &Item) -> Result<Key> {
        if let Some(part) = &item.part {
            return self.learn_part(item, part);
        }
        let source = self.source_of(&item.path)?;
        let path = &item.path;
        let mut dir = ROOT_DIR;
        let mut at = 0;
        let bare = |kind: Kind| Meta {
            kind,
            size: 0,
            allocated: 0,
            mtime: Time::default(),
            mode: 0o755,
            uid: item.uid,
            gid: item.gid,
            dev: 0,
            ino: 0,
            nlink: 1,
            rdev: 0,
            changed: 0,
            flags: 0,
        };
        while let Some(n) = path[at..].iter().position(|b| *b == b'/') {
            let end = at + n + 1;
            dir = self.child_of(dir, &path[at..end], source, &bare(Kind::Dir))?;
            at = end;
        }
        let mut name = path[at..].to_vec();
        let meta = Meta {
            size: walked_size(item),
            allocated: item.size,
            mtime: item.mtime,
            mode: item.mode,
            rdev: item.rdev.map_or(0, |(a, b)| crate::sys::make_device(a, b)),
            ..bare(item.kind)
        };
        if item.kind == Kind::Dir {
            name.push(b'/');
            self.child_of(dir, &name, source, &meta)?;
        } else if self.entry(dir, &name)?.is_none() {
            self.insert_entry(dir, &name, source, &meta, 0, 0)?;
        }
        Ok(Key { dir, name })
    }

    fn child_of(&self, dir: i64, name: &[u8], source: i64, meta: &Meta) -> Result<i64> {
        if let Some(row) = self.entry(dir, name)? {
            return Ok(row.child);
        }
        self.conn
            .prepare_cached("INSERT INTO dir(parent, name) VALUES(?1, ?2)")?
            .execute(params![dir, name])?;
        let id = self.conn.last_insert_rowid();
        self.insert_entry(dir, name, source, meta, id, 0)?;
        Ok(id)
    }

    /// The source that a path below the drives' root belongs to, 0 when none does.
    fn source_of(&self, path: &[u8]) -> Result<i64> {
        let mut best = (0, 0usize, false);
        for s in self.sources()? {
            let below = s.prefix.is_empty()
                || path == s.prefix.as_slice()
                || (path.starts_with(&s.prefix) && path.get(s.prefix.len()) == Some(&b'/'));
            if below && (!best.2 || s.prefix.len() > best.1) {
                best = (s.id, s.prefix.len(), true);
            }
        }
        Ok(best.0)
    }

    /// The key of a path that the catalog knows.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn find(&self, path: &[u8], is_dir: bool) -> Result<Option<Key>> {
        let mut dir = ROOT_DIR;
        let mut at = 0;
        while let Some(n) = path[at..].iter().position(|b| *b == b'/') {
            let end = at + n + 1;
            match self.entry(dir, &path[at..end])? {
                Some(row) if row.child != 0 => dir = row.child,
                _ => return Ok(None),
            }
            at = end;
        }
        let mut name = path[at..].to_vec();
        if is_dir {
            name.push(b'/');
        }
        Ok(self.entry(dir, &name)?.map(|row| Key {
            dir,
            name: row.name,
        }))
    }

    pub(crate) fn dir_key(&self, dir: i64) -> Result<Option<(i64, Vec<u8>)>> {
        let mut stmt = self
            .conn
            .prepare_cached("SELECT parent, name FROM dir WHERE id = ?1")?;
        Ok(stmt
            .query_row([dir], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?)
    }

    /// The path of a directory below the drives' root; empty for the root.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn dir_path(&self, dir: i64) -> Result<Vec<u8>> {
        let mut names = Vec::new();
        let mut dir = dir;
        while dir != ROOT_DIR && dir != ROOT_PARENT && names.len() < 100_000 {
            let Some((parent, name)) = self.dir_key(dir)? else {
                break;
            };
            names.push(name);
            dir = parent;
        }
        let mut path: Vec<u8> = names.into_iter().rev().flatten().collect();
        if path.last() == Some(&b'/') {
            path.pop();
        }
        Ok(path)
    }

    /// The path of a key below the drives' root, without a slash at its end.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn path_of(&self, key: &Key) -> Result<Vec<u8>> {
        let mut path = self.dir_path(key.dir)?;
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(key.name.strip_suffix(b"/").unwrap_or(&key.name));
        Ok(path)
    }
}
