//! Taking over into the catalog what drives say: a manifest in full, and a list of the set for the rest.
//!
//! A drive's own manifest is the truth about it and replaces what was known; what differed is counted. A list
//! on another drive is hearsay: it never replaces what the host knows from a drive itself, and a newer list
//! replaces an older one. Nothing here reads a drive: [`crate::engine::learn`] does.

use std::collections::BTreeSet;

use rusqlite::params;

use super::Catalog;
use super::order::{Ordered, Step};
use super::place::{OnVolume, Placed};
use super::schema::ROOT_PARENT;
use super::volumes::{Fate, Volume};
use crate::error::{Code, Error, Result};
use crate::format::item::Item;
use crate::format::setlist::{Header, ListedEntry, ListedSource, ListedVolume};
use crate::meta::Kind;

/// How many names of what differed are kept.
const NAMES: usize = 20;

/// How what a drive says differs from what was known of it. Directories don't count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// On the drive and not known.
    pub added: u64,
    /// Known as something else, or as another version.
    pub changed: u64,
    /// Known and not on the drive.
    pub missing: u64,
    /// The first paths of each kind, with which it is.
    pub names: Vec<(Difference, Vec<u8>)>,
}

/// In which way an entry of a drive differs from what was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// It was not known.
    Added,
    /// It was known otherwise.
    Changed,
    /// It was known and is not there.
    Missing,
}

impl Difference {
    /// The word for it, as it crosses the boundary.
    pub fn word(self) -> &'static str {
        match self {
            Difference::Added => "added",
            Difference::Changed => "changed",
            Difference::Missing => "missing",
        }
    }
}

impl Differences {
    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        self.added + self.changed + self.missing == 0
    }

    fn note(&mut self, what: Difference, path: &[u8]) {
        let count = match what {
            Difference::Added => &mut self.added,
            Difference::Changed => &mut self.changed,
            Difference::Missing => &mut self.missing,
        };
        *count += 1;
        if *count <= NAMES as u64 {
            self.names.push((what, path.to_vec()));
        }
    }
}

/// The merge of a manifest into what is known of its volume; both come in path order.
pub struct Merge<'c> {
    catalog: &'c Catalog,
    volume: u32,
    known: Ordered<OnVolume<'c>>,
    /// The next of what is known, with its sort key.
    next: Option<(Vec<u8>, Placed)>,
    /// Everything is recorded, even what is as it was known.
    all: bool,
    differences: Differences,
}

impl Catalog {
    /// Begins to replace what is known of a volume by what its manifest says. `all`: even what is known
    /// already is recorded anew, for a volume that did not count.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn merge_volume(&self, volume: u32, all: bool) -> Result<Merge<'_>> {
        let known = Ordered::new(OnVolume {
            catalog: self,
            volume,
        })?;
        let mut merge = Merge {
            catalog: self,
            volume,
            known,
            next: None,
            all,
            differences: Differences::default(),
        };
        merge.advance()?;
        Ok(merge)
    }

    /// Forgets entries that only drives told of and that no drive holds.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn forget_untold(&self) -> Result<()> {
        let mut stmt = self.conn.prepare(
            "DELETE FROM entry WHERE ino = 0 AND dir <> ?1 AND NOT EXISTS (SELECT 1 FROM split s \
             WHERE s.dir = entry.dir AND s.name = entry.name) AND NOT EXISTS (SELECT 1 FROM placement p \
             WHERE p.dir = entry.dir AND p.name = entry.name) AND (child = 0 OR NOT EXISTS \
             (SELECT 1 FROM entry c WHERE c.dir = entry.child))",
        )?;
        // A directory goes after what it held.
        while stmt.execute([ROOT_PARENT])? > 0 {}
        Ok(())
    }

    /// Notes that a source lies elsewhere on this host now.
    ///
    /// # Errors
    /// What SQLite answers, a path that another source has included.
    pub fn move_source(&self, id: i64, path: &[u8]) -> Result<()> {
        self.conn.execute(
            "UPDATE source SET path = ?2, fsid = '' WHERE id = ?1",
            params![id, path],
        )?;
        self.raise_revision()?;
        Ok(())
    }

    /// Forgets that what was on this volume was lost.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn not_lost(&self, volume: u32) -> Result<()> {
        self.conn
            .execute("DELETE FROM lost WHERE volume = ?1", [volume])?;
        Ok(())
    }

    /// Reads the file from end to end and checks that it hangs together.
    ///
    /// # Errors
    /// `Code::CatalogDamaged`, with what is wrong first.
    pub fn check_whole(&self) -> Result<()> {
        let found: String = self
            .conn
            .query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
        if found == "ok" {
            return Ok(());
        }
        Err(
            Error::new(Code::CatalogDamaged, "checking the catalog", found)
                .with_path(self.path_bytes()),
        )
    }
}

impl Merge<'_> {
    fn advance(&mut self) -> Result<()> {
        self.next = loop {
            match self.known.step()? {
                None => break None,
                Some(Step::Leave) => {}
                Some(Step::Entry(mut placed)) => {
                    placed.item.path = self.known.path().to_vec();
                    break Some((self.known.key().to_vec(), placed));
                }
            }
        };
        Ok(())
    }

    /// The next item of the manifest, in its order.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn item(&mut self, item: &Item) -> Result<()> {
        let key = item.sort_key();
        self.missing_before(Some(&key))?;
        let same_name = self.next.as_ref().is_some_and(|(next, _)| *next == key);
        let known = if same_name { self.next.take() } else { None };
        if same_name {
            self.advance()?;
        }
        if let Some((_, placed)) = &known {
            if placed.item == *item && !self.all {
                return Ok(());
            }
            if is_other_version(&placed.item, item) {
                self.differences.note(Difference::Changed, &item.path);
            }
        } else if item.kind != Kind::Dir {
            self.differences.note(Difference::Added, &item.path);
        }
        let key = self.catalog.key_of(item)?;
        self.catalog.place(self.volume, &key, item, None)
    }

    fn missing_before(&mut self, key: Option<&[u8]>) -> Result<()> {
        while let Some((next, placed)) = &self.next {
            if key.is_some_and(|key| next.as_slice() >= key) {
                return Ok(());
            }
            if placed.item.kind != Kind::Dir {
                self.differences
                    .note(Difference::Missing, &placed.item.path);
            }
            self.catalog
                .conn
                .prepare_cached(
                    "DELETE FROM placement WHERE dir = ?1 AND name = ?2 AND volume = ?3",
                )?
                .execute(params![placed.key.dir, placed.key.name, self.volume])?;
            self.advance()?;
        }
        Ok(())
    }

    /// Ends the merge: what is left of what was known is missing.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn finish(mut self) -> Result<Differences> {
        self.missing_before(None)?;
        Ok(self.differences)
    }
}

/// Whether the content is another, as far as both sides know it. What a list told has no digest and no target.
fn is_other_version(known: &Item, told: &Item) -> bool {
    if told.kind == Kind::Dir {
        return false;
    }
    // Of two algorithms nothing follows.
    let digests = matches!((&known.digest, &told.digest), (Some(a), Some(b)) if a.algorithm == b.algorithm && a != b);
    let targets = known.target.is_some() && known.target != told.target;
    let sizes = told.kind == Kind::File && known.size != told.size;
    digests || targets || sizes || known.mtime != told.mtime
}

/// What a list changed, and where it could not be believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hearsay {
    /// Volumes that are now known from this list.
    pub volumes: Vec<u32>,
    /// Numbers under which the list has another drive than the catalog.
    pub clashes: Vec<u32>,
    /// Sources that joined.
    pub sources: u64,
    /// Sources that the list has at another place on the drives than the catalog.
    pub misplaced: Vec<Vec<u8>>,
}

/// What a list says beside its entries.
#[derive(Debug)]
pub struct ListHead {
    /// Its first line.
    pub header: Header,
    /// Its sources.
    pub sources: Vec<ListedSource>,
    /// Its volumes.
    pub volumes: Vec<ListedVolume>,
}

impl Catalog {
    /// Takes over what a list says of sources and volumes. The entries of the volumes in the answer have been
    /// forgotten and are to be given to [`Catalog::heard_entry`]. `itself`: the volume that carries the list.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn hear(&self, list: &ListHead, itself: u32) -> Result<Hearsay> {
        let mut hearsay = Hearsay::default();
        let known = self.sources()?;
        for told in &list.sources {
            match known.iter().find(|source| source.path == told.path) {
                None => {
                    self.add_source(&told.path, &told.prefix, told.is_file, "")?;
                    hearsay.sources += 1;
                }
                Some(source) if source.prefix != told.prefix || source.is_file != told.is_file => {
                    hearsay.misplaced.push(told.path.clone());
                }
                Some(_) => {}
            }
        }
        let volumes = self.volumes()?;
        let date = list.header.date.max(1);
        for told in &list.volumes {
            if told.number == itself {
                continue;
            }
            let same = |v: &&Volume| v.number == told.number || v.id == told.id;
            let before = volumes.iter().find(same);
            if before.is_some_and(|v| v.number != told.number || v.id != told.id) {
                hearsay.clashes.push(told.number);
                continue;
            }
            // What the host knows from the drive itself, or from a list that is as new, stays.
            if before.is_some_and(|v| v.as_of == 0 || v.as_of >= date) {
                continue;
            }
            self.clear_volume(told.number)?;
            self.put_volume(&heard(told, before, date))?;
            hearsay.volumes.push(told.number);
        }
        self.hear_copies(list.header.copies, date)?;
        self.hear_digest(list.header.digest, date)?;
        Ok(hearsay)
    }

    /// Takes over one entry of a list, on a volume that [`Catalog::hear`] named.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn heard_entry(&self, entry: &ListedEntry) -> Result<()> {
        // What a list does not tell is read from the drive when it is in.
        let item = Item {
            path: entry.path.clone(),
            kind: entry.kind,
            size: entry.size,
            mtime: entry.mtime,
            mode: if entry.kind == Kind::Dir {
                0o755
            } else {
                0o644
            },
            uid: 0,
            gid: 0,
            digest: None,
            target: None,
            link: None,
            rdev: entry.rdev,
            stored: true,
            extra: None,
            names: None,
            alias: entry.alias.clone(),
            part: entry.part,
            same_file: None,
        };
        let key = self.key_of(&item)?;
        self.place_dirs(entry.volume, key.dir)?;
        self.alias_dirs(entry.volume, key.dir, item.alias.as_deref())?;
        self.place(entry.volume, &key, &item, None)
    }

    /// The numbers of volumes that no list and no drive has told of, below the highest that is known.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn unknown_volumes(&self) -> Result<Vec<u32>> {
        let known: BTreeSet<u32> = self.volumes()?.into_iter().map(|v| v.number).collect();
        let last = known.last().copied().unwrap_or(0);
        Ok((1..last).filter(|n| !known.contains(n)).collect())
    }
}

fn heard(told: &ListedVolume, before: Option<&Volume>, as_of: i64) -> Volume {
    let check = told.verified.as_ref();
    Volume {
        number: told.number,
        id: told.id.clone(),
        label: told.label.clone(),
        state: if told.complete { "complete" } else { "open" }.to_owned(),
        generation: told.generation.max(before.map_or(0, |v| v.generation)),
        fs_type: told.file_system.clone(),
        fs_uuid: before.map_or_else(String::new, |v| v.fs_uuid.clone()),
        capacity: told.capacity,
        available: told.available,
        block_size: before.map_or(4096, |v| v.block_size),
        inodes_free: before.map_or(0, |v| v.inodes_free),
        has_links: before.is_none_or(|v| v.has_links),
        mount: before.map_or_else(Vec::new, |v| v.mount.clone()),
        created: told.created,
        written: told.written,
        files: told.files,
        bytes: told.bytes,
        fate: Fate::from_word(&told.fate),
        verified: check.map_or(0, |c| c.date),
        verified_kind: check.map_or_else(String::new, |c| c.kind.clone()),
        verified_bad: check.map_or(0, |c| c.bad),
        listed: 0,
        as_of,
        copy: told.copy,
    }
}
