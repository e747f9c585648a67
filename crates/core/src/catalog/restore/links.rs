//! Which names of a restore are names of one file, and the files that further names can be given to.

use rusqlite::{OptionalExtension, params};

use super::super::Catalog;
use super::super::place::{COLUMNS, Placed, from_row};
use crate::error::Result;
use crate::format::item::Item;
use crate::format::samefile::SameFile;
use crate::meta::Kind;

/// Names of a group that are looked for in the destination.
const MOST_NAMES: usize = 256;

/// Device and inode of a file in its source.
pub type File = (u64, u64);

/// What is known of a name from the last walk of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InSource {
    /// Nothing, or what the drive holds is another version.
    Unknown,
    /// It is the only name of its file.
    Alone,
    /// It is one of several names of this file.
    Named(File),
}

/// By what names of one file are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// What a walk has seen.
    File(File),
    /// What the manifests say, of whatever drives, with the digest: there may be versions of it.
    Word(SameFile, Option<[u8; 32]>),
    /// The first name of the group on a volume.
    Link(u32, Vec<u8>),
}

impl Group {
    /// The key of `restore_link`: volumes have numbers from 1.
    fn key(&self) -> (i64, Vec<u8>) {
        match self {
            Group::File((dev, ino)) => (-1, [dev.to_be_bytes(), ino.to_be_bytes()].concat()),
            Group::Word(word, digest) => {
                let digest = digest.as_ref().map_or(&[][..], |d| d);
                (0, [&word.0.to_be_bytes()[..], digest].concat())
            }
            Group::Link(volume, link) => (i64::from(*volume), link.clone()),
        }
    }
}

/// All by which the other names of a file are found, the surest first.
#[derive(Debug, Clone, Default)]
pub struct NameOf {
    /// Which file of the source it is, where that is known.
    pub file: Option<File>,
    /// By what its names are found; nothing where it has no other.
    pub by: Vec<Group>,
}

impl NameOf {
    /// Whether it is recorded, or has been seen by a walk, that the file has other names. The first name of a group may
    /// say nothing of the others.
    pub(crate) fn tells_others(&self, item: &Item) -> bool {
        self.by.len() > 1 || item.link.is_some()
    }
}

/// A file that can have further names.
#[derive(Debug, Clone)]
pub struct LinkedTo {
    /// Where it is below the destination.
    pub dest: Vec<u8>,
    /// The number of its temp file while it has no name yet.
    pub temp: Option<u64>,
    /// Bytes.
    pub size: u64,
    /// What its content is, where that is known.
    pub digest: Option<Vec<u8>>,
    /// Which file of the source it is, where that is known.
    pub file: Option<File>,
}

impl Catalog {
    /// What the last walk of its source says of a name that a volume holds.
    pub(crate) fn restore_in_source(&self, placed: &Placed) -> Result<InSource> {
        let item = &placed.item;
        let Some(row) = self.entry(placed.key.dir, &placed.key.name)? else {
            return Ok(InSource::Unknown);
        };
        let meta = &row.meta;
        let same = meta.kind == Kind::File && (meta.size, meta.mtime) == (item.size, item.mtime);
        Ok(match meta.nlink {
            _ if !same || meta.ino == 0 || row.gone != 0 => InSource::Unknown,
            0 | 1 => InSource::Alone,
            _ => InSource::Named((meta.dev, meta.ino)),
        })
    }

    /// The file that further names of this group can be given to.
    pub(crate) fn restore_linked(&self, by: &Group) -> Result<Option<LinkedTo>> {
        let mut stmt = self.conn.prepare_cached(
            "SELECT dest, temp, size, digest, dev, ino FROM restore_link WHERE volume = ?1 AND link = ?2",
        )?;
        let (volume, link) = by.key();
        Ok(stmt
            .query_row(params![volume, link], |r| {
                let (dev, ino): (Option<i64>, Option<i64>) = (r.get(4)?, r.get(5)?);
                Ok(LinkedTo {
                    dest: r.get(0)?,
                    temp: r.get::<_, Option<i64>>(1)?.map(|n| n as u64),
                    size: r.get::<_, i64>(2)? as u64,
                    digest: r.get(3)?,
                    file: dev.zip(ino).map(|(dev, ino)| (dev as u64, ino as u64)),
                })
            })
            .optional()?)
    }

    /// The wanted names of the group of `of`, some of them: of each the path that it is to have, and what it is.
    pub(crate) fn restore_group(&self, by: &Group, of: &Placed) -> Result<Vec<(Vec<u8>, Placed)>> {
        let mut placed: Vec<(u32, Placed)> = Vec::new();
        let mut gather = |which: &str, params: &[&dyn rusqlite::ToSql]| -> Result<()> {
            let mut stmt = self.conn.prepare_cached(&format!(
                "SELECT {COLUMNS}, p.volume FROM placement p JOIN entry e ON e.dir = p.dir AND e.name = p.name \
                 WHERE {which} LIMIT {MOST_NAMES}"
            ))?;
            let rows = stmt.query_map(params, |r| Ok((r.get(20)?, from_row(r)?)))?;
            placed.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
            Ok(())
        };
        match by {
            Group::File((dev, ino)) => gather(
                "e.dev = ?1 AND e.ino = ?2 AND e.nlink > 1 AND e.kind = 0 AND e.gone = 0",
                &[&(*dev as i64), &(*ino as i64)],
            )?,
            Group::Word(word, _) => gather("p.same_file = ?1", &[&(word.0 as i64)])?,
            Group::Link(volume, link) => {
                gather("p.volume = ?1 AND p.link = ?2", &[volume, link])?;
                // The first name of a group asks for the others alone.
                if *link != of.item.path
                    && let Some(key) = self.find(link, false)?
                {
                    gather(
                        "p.dir = ?1 AND p.name = ?2 AND p.volume = ?3 AND p.part = 0",
                        &[&key.dir, &key.name, volume],
                    )?;
                }
            }
        }
        let mut group = Vec::new();
        for (volume, one) in placed {
            let path = self.path_of(&one.key)?;
            if let Some(wanted) = self.restore_wanted(volume, &path)? {
                group.push((wanted.path, one));
            }
        }
        Ok(group)
    }

    /// Notes the file of a group; `file`: which one of the source it is, where that is known.
    pub(crate) fn restore_note_link(
        &self,
        by: &Group,
        file: Option<File>,
        item: &Item,
        dest: &[u8],
        temp: Option<u64>,
    ) -> Result<()> {
        let (volume, link) = by.key();
        self.conn
            .prepare_cached(
                "INSERT OR REPLACE INTO restore_link VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                volume,
                link,
                dest,
                item.size as i64,
                item.digest.map(|d| d.bytes),
                temp.map(|n| n as i64),
                file.map(|(dev, _)| dev as i64),
                file.map(|(_, ino)| ino as i64)
            ])?;
        Ok(())
    }

    /// All files of groups have their names now.
    pub(crate) fn restore_links_named(&self) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE restore_link SET temp = NULL WHERE temp IS NOT NULL")?
            .execute([])?;
        Ok(())
    }

    /// Forgets a file of a group that did not get its name.
    pub(crate) fn restore_forget_link(&self, dest: &[u8]) -> Result<()> {
        self.conn
            .prepare_cached("DELETE FROM restore_link WHERE dest = ?1")?
            .execute([dest])?;
        Ok(())
    }
}
