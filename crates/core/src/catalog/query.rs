//! Searching a catalog: which drive holds what, for patterns over the paths.
//!
//! One pass through the set in the byte order of the paths, a page of names of one directory at a time;
//! only for what matches are the other columns and the placements read. Its memory grows with the depth of
//! the tree and the size of a page, never with the number of entries or of hits. It only reads.

mod level;

use rusqlite::{OptionalExtension, params};

use level::{Level, NAMES};

use super::Catalog;
use super::digests::digest_from;
use super::order::kind_from;
use super::place::Key;
use super::schema::ROOT_DIR;
use crate::cancel::CancelToken;
use crate::error::{Code, Error, Result};
use crate::filter::search::{Candidate, Patterns};
use crate::format::item::Digest;
use crate::format::part::{Part, part_name};
use crate::meta::{Kind, Time};

/// Names that are looked at between two looks at the cancel token.
const STRIDE: u32 = 4096;

/// How what a drive holds stands to what the source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is what the source had when it was last looked at, or nobody knows better.
    Current,
    /// The source has a newer version.
    Older,
    /// The source, or the drive that is thought to be right, has another version that is not newer.
    Other,
    /// It was removed from the source.
    Gone,
    /// It has another name in the source now; [`Hit::now`] says which.
    Renamed,
    /// It is in the source, and no copy of it as it is now has been made.
    NotBackedUp,
    /// It was on a drive that is lost, and nowhere else.
    Lost,
    /// It was to be copied to the volume when the list that tells of it was written.
    Planned,
}

impl Standing {
    /// The name under which it crosses the boundary.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Current => "current",
            Standing::Older => "older",
            Standing::Other => "other",
            Standing::Gone => "gone",
            Standing::Renamed => "renamed",
            Standing::NotBackedUp => "not-backed-up",
            Standing::Lost => "lost",
            Standing::Planned => "planned",
        }
    }
}

/// One copy of one entry that was found, or the lack of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The path below the drives' root, without a slash at its end. Where the entry was renamed: its path on
    /// the drive.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Bytes of its content there.
    pub size: u64,
    /// Its time of modification there.
    pub mtime: Time,
    /// Its digest, where one was made.
    pub digest: Option<Digest>,
    /// The volume that holds it, 0 = none.
    pub volume: u32,
    /// How it stands to the source.
    pub standing: Standing,
    /// Where it was renamed: its path in the source now.
    pub now: Option<Vec<u8>>,
    /// False: the drive's file system could not hold it, it is recorded only.
    pub stored: bool,
    /// Its path on the drive, where that is not its own.
    pub there: Option<Vec<u8>>,
    /// It is a part of the file that was searched for.
    pub part: Option<Part>,
}

/// A search that is going on.
pub struct Search<'c> {
    catalog: &'c Catalog,
    patterns: &'c Patterns,
    stack: Vec<Level>,
    /// Levels whose buffers are used again.
    spare: Vec<Level>,
    /// Path of the directory in hand with a slash at its end, and the name in hand behind it.
    path: Vec<u8>,
    /// The last of the entries of lost drives that was looked at.
    lost: (Vec<u8>, u32),
    in_lost: bool,
    over: bool,
    /// Some files are kept in parts.
    any_parts: bool,
}

impl Catalog {
    /// Starts a search. The catalog is seen as it is now until it is closed, whoever writes meanwhile.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn search<'c>(&'c self, patterns: &'c Patterns) -> Result<Search<'c>> {
        self.begin()?;
        let mut search = Search {
            catalog: self,
            patterns,
            stack: Vec::new(),
            spare: Vec::new(),
            path: Vec::new(),
            lost: (Vec::new(), 0),
            in_lost: false,
            over: false,
            any_parts: self.has_parts()?,
        };
        search.enter(ROOT_DIR, false)?;
        Ok(search)
    }
}

impl Search<'_> {
    /// The next hits in path order, `limit` or a few more; empty at the end. What was only on lost drives
    /// comes last.
    ///
    /// # Errors
    /// What SQLite answers; `Code::Cancelled`; `Code::CatalogDamaged` when directories contain themselves.
    pub fn page(&mut self, limit: usize, cancel: &CancelToken) -> Result<Vec<Hit>> {
        let mut hits = Vec::new();
        let mut seen = 0u32;
        while hits.len() < limit && !self.in_lost {
            seen += 1;
            if seen.is_multiple_of(STRIDE) {
                cancel.check()?;
            }
            self.step(&mut hits)?;
        }
        while hits.len() < limit && !self.over {
            cancel.check()?;
            self.lost_page(&mut hits)?;
        }
        Ok(hits)
    }

    /// One name.
    fn step(&mut self, hits: &mut Vec<Hit>) -> Result<()> {
        let Some(level) = self.stack.last_mut() else {
            self.in_lost = true;
            return Ok(());
        };
        let (dir, below, name_at) = (level.dir, level.below, level.path_len);
        let Some((name, child)) = level.next_name() else {
            if level.more {
                return level.turn(self.catalog);
            }
            self.spare.extend(self.stack.pop());
            return Ok(());
        };
        self.path.truncate(name_at);
        self.path.extend_from_slice(name);
        let candidate = Candidate {
            key: &self.path,
            name_at,
            below,
        };
        if self.patterns.matches(candidate) {
            let told = self.any_parts && self.is_told_with_its_file(dir, name_at, below)?;
            if !told {
                self.hits_of(dir, name_at, hits)?;
            }
        }
        if child != 0 {
            let below = below || self.patterns.found_above(&self.path);
            self.enter(child, below)?;
        }
        Ok(())
    }

    /// Goes into a directory whose path, with its slash, is in hand.
    fn enter(&mut self, dir: i64, below: bool) -> Result<()> {
        if self.stack.len() > 100_000 || self.stack.iter().any(|l| l.dir == dir) {
            let message = "a directory contains itself";
            return Err(Error::new(
                Code::CatalogDamaged,
                "reading the catalog",
                message,
            ));
        }
        let mut level = self.spare.pop().unwrap_or_default();
        level.dir = dir;
        level.path_len = self.path.len();
        level.below = below;
        level.fill(self.catalog, b"")?;
        self.stack.push(level);
        Ok(())
    }

    /// What there is of the entry whose path is in hand.
    fn hits_of(&self, dir: i64, name_at: usize, hits: &mut Vec<Hit>) -> Result<()> {
        let name = &self.path[name_at..];
        let path = self.path.strip_suffix(b"/").unwrap_or(&self.path);
        let mut stmt = self.catalog.conn.prepare_cached(
            "SELECT kind, size, mtime, mtime_ns, need, gone, ino FROM entry WHERE dir = ?1 AND name = ?2",
        )?;
        let entry = stmt
            .query_row(params![dir, name], |r| {
                Ok(Entry {
                    content: Content::from_columns(r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?),
                    need: r.get(4)?,
                    gone: r.get(5)?,
                    ino: r.get(6)?,
                })
            })
            .optional()?;
        let Some(entry) = entry else {
            return Ok(());
        };
        let before = hits.len();
        let mut stmt = self.catalog.conn.prepare_cached(
            "SELECT volume, kind, size, mtime, mtime_ns, algorithm, digest, stored, alias FROM placement \
             WHERE dir = ?1 AND name = ?2 AND part = 0 ORDER BY volume",
        )?;
        let mut rows = stmt.query(params![dir, name])?;
        while let Some(r) = rows.next()? {
            let content = Content::from_columns(r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?);
            hits.push(Hit {
                path: path.to_vec(),
                kind: content.kind,
                size: content.size,
                mtime: content.mtime,
                digest: digest_from(r.get(5)?, r.get(6)?),
                volume: r.get(0)?,
                standing: entry.standing(&content),
                now: None,
                stored: r.get(7)?,
                there: r.get(8)?,
                part: None,
            });
        }
        if entry.gone != 0 {
            self.renamed(dir, name, &mut hits[before..])?;
        }
        let none = hits.len() == before;
        if entry.gone == 0 && entry.ino != 0 && none {
            self.under_old_name(dir, name, path, hits)?;
        }
        if self.any_parts && entry.content.kind == Kind::File {
            self.parts_of(dir, name, path, &entry, hits)?;
        }
        if entry.gone == 0 && entry.ino != 0 && entry.need != 0 {
            hits.push(Hit {
                path: path.to_vec(),
                kind: entry.content.kind,
                size: entry.content.size,
                mtime: entry.content.mtime,
                digest: None,
                volume: 0,
                standing: Standing::NotBackedUp,
                now: None,
                stored: true,
                part: None,
                there: None,
            });
        }
        Ok(())
    }

    /// Whether the entry in hand is a part of a file that matches, too.
    fn is_told_with_its_file(&self, dir: i64, name_at: usize, below: bool) -> Result<bool> {
        let name = &self.path[name_at..];
        let part = Part::whole(name).len();
        let is_part: bool = self
            .catalog
            .conn
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM part WHERE dir = ?1 AND name = ?2)")?
            .query_row(params![dir, name], |r| r.get(0))?;
        Ok(is_part
            && self.patterns.matches(Candidate {
                key: &self.path[..name_at + part],
                name_at,
                below,
            }))
    }

    /// The parts of a file, on the volumes that hold them.
    fn parts_of(
        &self,
        dir: i64,
        name: &[u8],
        path: &[u8],
        entry: &Entry,
        hits: &mut Vec<Hit>,
    ) -> Result<()> {
        let mut stmt = self.catalog.conn.prepare_cached(
            "SELECT x.number, s.count, x.offset, s.size, s.mtime, s.mtime_ns, p.volume, p.size, p.algorithm, p.digest, \
             p.stored, p.alias FROM split s JOIN part x ON x.split = s.id JOIN placement p ON p.dir = x.dir AND p.name = x.name \
             AND p.mtime = s.mtime AND p.mtime_ns = s.mtime_ns WHERE s.dir = ?1 AND s.name = ?2 \
             ORDER BY s.count, x.number, p.volume",
        )?;
        let mut rows = stmt.query(params![dir, name])?;
        while let Some(r) = rows.next()? {
            let part = Part {
                number: r.get(0)?,
                count: r.get(1)?,
                offset: r.get::<_, i64>(2)? as u64,
                size: r.get::<_, i64>(3)? as u64,
                digest: None,
            };
            let whole = Content::from_columns(Kind::File as u8, r.get(3)?, r.get(4)?, r.get(5)?);
            hits.push(Hit {
                path: part_name(path, part.number, part.count),
                kind: Kind::File,
                size: r.get::<_, i64>(7)? as u64,
                mtime: whole.mtime,
                digest: digest_from(r.get(8)?, r.get(9)?),
                volume: r.get(6)?,
                standing: entry.standing(&whole),
                now: None,
                stored: r.get(10)?,
                part: Some(part),
                there: r.get(11)?,
            });
        }
        Ok(())
    }

    /// Marks what has only got another name in the source, which its drive does not know yet.
    fn renamed(&self, dir: i64, name: &[u8], hits: &mut [Hit]) -> Result<()> {
        let mut stmt = self.catalog.conn.prepare_cached(
            "SELECT dir, name FROM moved WHERE volume = ?1 AND from_dir = ?2 AND from_name = ?3",
        )?;
        for hit in hits {
            let to = stmt
                .query_row(params![hit.volume, dir, name], |r| {
                    Ok((r.get::<_, i64>(0)?, r.get::<_, Vec<u8>>(1)?))
                })
                .optional()?;
            if let Some((dir, name)) = to {
                hit.standing = Standing::Renamed;
                hit.now = Some(self.catalog.path_of(&Key { dir, name })?);
            }
        }
        Ok(())
    }

    /// An entry that lies on its drive under the name that it had before.
    fn under_old_name(
        &self,
        dir: i64,
        name: &[u8],
        path: &[u8],
        hits: &mut Vec<Hit>,
    ) -> Result<()> {
        let mut stmt = self.catalog.conn.prepare_cached(
            "SELECT m.from_dir, m.from_name, m.volume, p.kind, p.size, p.mtime, p.mtime_ns, p.algorithm, \
             p.digest, p.stored, p.alias FROM moved m JOIN placement p ON p.dir = m.from_dir AND p.name = m.from_name \
             AND p.volume = m.volume AND p.part = 0 WHERE m.dir = ?1 AND m.name = ?2 ORDER BY m.volume",
        )?;
        let mut rows = stmt.query(params![dir, name])?;
        while let Some(r) = rows.next()? {
            let key = Key {
                dir: r.get(0)?,
                name: r.get(1)?,
            };
            let old = self.catalog.path_of(&key)?;
            if self.patterns.matches_alone(&old) {
                // It is told under the old name.
                continue;
            }
            let content = Content::from_columns(r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?);
            hits.push(Hit {
                path: old,
                kind: content.kind,
                size: content.size,
                mtime: content.mtime,
                digest: digest_from(r.get(7)?, r.get(8)?),
                volume: r.get(2)?,
                standing: Standing::Renamed,
                now: Some(path.to_vec()),
                stored: r.get(9)?,
                there: r.get(10)?,
                part: None,
            });
        }
        Ok(())
    }

    /// A page of what was only on lost drives.
    fn lost_page(&mut self, hits: &mut Vec<Hit>) -> Result<()> {
        let page =
            self.catalog
                .lost_page(None, Some((&self.lost.0, self.lost.1)), NAMES as usize)?;
        match page.last() {
            Some(last) => self.lost = (last.path.clone(), last.volume),
            None => self.over = true,
        }
        for one in page {
            if !self.patterns.matches_alone(&one.path) {
                continue;
            }
            hits.push(Hit {
                path: one.path,
                kind: one.kind,
                size: one.size,
                mtime: one.mtime,
                digest: one.digest,
                volume: one.volume,
                standing: Standing::Lost,
                now: None,
                stored: true,
                there: None,
                part: None,
            });
        }
        Ok(())
    }
}

/// What tells two versions of an entry apart.
struct Content {
    kind: Kind,
    size: u64,
    mtime: Time,
}

impl Content {
    fn from_columns(kind: u8, size: i64, sec: i64, nsec: u32) -> Content {
        Content {
            kind: kind_from(kind),
            size: size as u64,
            mtime: Time { sec, nsec },
        }
    }
}

struct Entry {
    content: Content,
    need: i64,
    gone: i64,
    ino: i64,
}

impl Entry {
    /// How a copy stands to the entry; the same rule as the SQL of `place.rs`.
    fn standing(&self, copy: &Content) -> Standing {
        let own = &self.content;
        let same = copy.kind == own.kind
            && (own.kind == Kind::Dir
                || (copy.mtime == own.mtime && (own.kind != Kind::File || copy.size == own.size)));
        if self.gone != 0 {
            Standing::Gone
        } else if same {
            Standing::Current
        } else if copy.mtime < own.mtime {
            Standing::Older
        } else {
            Standing::Other
        }
    }
}
