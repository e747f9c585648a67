//! Reading what a drive says of itself and of its set, without changing anything on it.
//!
//! For a host that does not know the drive, or knows it otherwise: its manifest and what its journal promised
//! are taken for what it holds, and its list of the set for the volumes that the host has not seen itself. It
//! works on a drive that is mounted read-only, and raises no generation. What a broken run only intended is
//! left to the next opening. All of it reaches the catalog, or nothing.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};

use super::drive::{OWN, join};
use super::own::{read_identity, regular};
use super::ownernames::note_names;
use super::recover::{Recovered, replay};
use super::setlist::NAME as LIST;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::learn::{Differences, Hearsay, ListHead};
use crate::catalog::volumes::{Fate, Volume};
use crate::error::{Code, Error, IoContext, Result};
use crate::format::setlist::{self, Line};
use crate::format::volumejson::VolumeJson;
use crate::format::{date, manifest};
use crate::progress::Progress;
use crate::sys;

/// A drive that is there, as far as its mount tells.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it is mounted.
    pub path: Vec<u8>,
    /// The mount that was looked at; `None` skips the check.
    pub mount_id: Option<u64>,
    /// The mount point to remember, empty for a plain folder.
    pub mount: Vec<u8>,
    /// The type of its file system.
    pub fs_type: String,
    /// Its UUID, empty when unknown.
    pub fs_uuid: String,
    /// Bytes that it holds in all.
    pub capacity: u64,
    /// Bytes that are free.
    pub available: u64,
    /// The unit in which space is given out.
    pub block_size: u32,
    /// Free inodes, 0 where they are not counted.
    pub inodes_free: u64,
    /// Whether its kind of file system keeps hard links.
    pub has_links: bool,
}

/// What became of the list of the set on a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListRead {
    /// There is none.
    None,
    /// It cannot be used, for this reason; what it says of other drives is unknown.
    Unusable(String),
    /// It was read; it is from this second since 1970.
    Read(i64, Hearsay),
}

/// What a drive told.
#[derive(Debug, Clone)]
pub struct Learned {
    /// What it is now in the catalog.
    pub volume: Volume,
    /// The catalog knew it before.
    pub known: bool,
    /// Before, it was known from the list on another drive only, of this second; 0: from itself, or not.
    pub heard_of: i64,
    /// It had been given up as lost.
    pub was_lost: bool,
    /// How it differs from what was known; `None` where it was not known, or was not closed.
    pub differences: Option<Differences>,
    /// It was not closed: a run on it was broken off.
    pub journal: bool,
    /// Entries of that run that are known to be on it.
    pub promised: u64,
    /// Entries of that run that the next copy looks at.
    pub unfinished: u64,
    /// Its list of the set.
    pub list: ListRead,
}

/// Reads the drive at `place` and brings the catalog into agreement with it.
///
/// # Errors
/// `Code::DriveChanged` for another mount than was looked at and for an old copy of a drive;
/// `Code::BadFormat` when its own files cannot be understood; `Code::BadInput` for a drive of another set, or
/// one whose number another drive has; `Code::Cancelled`; `Code::Io`. The catalog is then as before.
pub fn learn(
    place: &Place,
    catalog: &Catalog,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Learned> {
    let root = sys::open_root(&place.path)?;
    let mount = sys::mount_id(root.as_fd()).at("looking at", &place.path)?;
    if place.mount_id.is_some_and(|id| id != mount) {
        let message = "another file system is mounted there than a moment ago";
        return Err(Error::new(Code::DriveChanged, "reading", message).with_path(&place.path));
    }
    let own =
        sys::open_dir_beneath(root.as_fd(), OWN, true).at("opening", &join(&place.path, OWN))?;
    let identity = read_identity(own.as_fd(), &place.path)?.ok_or_else(|| {
        Error::new(Code::BadFormat, "reading", "it has no volume.json").with_path(&place.path)
    })?;
    let before = refuse_strange(&identity, catalog, &place.path)?;
    let drive = Reading {
        path: &place.path,
        own,
        identity: &identity,
        cancel,
        progress,
    };
    drive.expect()?;
    catalog.atomically(|| drive.learn(place, catalog, before))
}

/// Refuses a drive that is none of this set, or not itself; gives what is known of it.
fn refuse_strange(identity: &VolumeJson, catalog: &Catalog, path: &[u8]) -> Result<Option<Volume>> {
    let refuse = |code: Code, message: String| {
        Err(Error::new(code, "taking over the drive at", message).with_path(path))
    };
    if identity.set.id != catalog.set_info()?.id {
        return refuse(Code::BadInput, "it belongs to another set".to_owned());
    }
    let VolumeJson {
        volume, generation, ..
    } = identity;
    let known = catalog
        .volumes()?
        .into_iter()
        .find(|v| v.id == volume.id || v.number == volume.number);
    match known {
        Some(v) if v.id != volume.id || v.number != volume.number => {
            let n = volume.number;
            refuse(
                Code::BadInput,
                format!("the set has another drive of the number {n}"),
            )
        }
        Some(v) if *generation < v.generation => refuse(
            Code::DriveChanged,
            format!(
                "it is an old copy of drive {}: the drive itself has been written since",
                v.number
            ),
        ),
        known => Ok(known),
    }
}

/// A file of the drive's own whose bytes count as progress.
struct Counted<'a> {
    file: File,
    progress: &'a Progress,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(buffer)?;
        Progress::add(&self.progress.bytes, n as u64);
        Ok(n)
    }
}

/// A drive that is being read.
struct Reading<'a> {
    path: &'a [u8],
    own: OwnedFd,
    identity: &'a VolumeJson,
    cancel: &'a CancelToken,
    progress: &'a Progress,
}

impl Reading<'_> {
    fn learn(&self, place: &Place, catalog: &Catalog, before: Option<Volume>) -> Result<Learned> {
        let number = self.identity.volume.number;
        let was_lost = before.as_ref().is_some_and(|v| v.fate == Fate::Lost);
        // The list first: the sources say to which of them an entry belongs.
        let list = self.read_list(catalog)?;
        let differences = self.read_manifest(catalog, was_lost)?;
        let mut recovered = Recovered::default();
        let journal = self.journal()?;
        let unfinished = match &journal {
            None => 0,
            Some((file, path)) => {
                let file = BufReader::new(file);
                let (open, good) = replay(file, path, catalog, number, &mut recovered)?;
                if good.behind_barrier {
                    let message =
                        "it is damaged in the middle: the drive has lost what it had confirmed";
                    return Err(Error::new(Code::BadFormat, "reading", message).with_path(path));
                }
                open.len() as u64
            }
        };
        let mut replaced = !differences.is_none() || before.is_none() || was_lost;
        if let ListRead::Read(_, hearsay) = &list {
            replaced |= !hearsay.volumes.is_empty();
        }
        let known = before.is_some();
        let heard_of = before.as_ref().map_or(0, |v| v.as_of);
        let volume = self.volume(place, catalog, before)?;
        if was_lost {
            catalog.not_lost(number)?;
        }
        catalog.put_volume(&volume)?;
        if replaced || recovered.promised > 0 {
            catalog.forget_untold()?;
            catalog.need_what_is_nowhere()?;
            catalog.raise_revision()?;
        }
        Ok(Learned {
            volume,
            known,
            heard_of,
            was_lost,
            // What an open journal has is neither in the manifest nor a difference.
            differences: (known && journal.is_none()).then_some(differences),
            journal: journal.is_some(),
            promised: recovered.promised,
            unfinished,
            list,
        })
    }

    /// One of our files on the drive; `None` when there is none.
    fn open(&self, name: &[u8]) -> Result<Option<(File, Vec<u8>)>> {
        let path = join(&join(self.path, OWN), name);
        let fd = match sys::open_for_reading(self.own.as_fd(), name) {
            Ok(fd) => fd,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).at("opening", &path),
        };
        regular(&fd, &path)?;
        Ok(Some((File::from(fd), path)))
    }

    /// The journal, unless there is nothing in it.
    fn journal(&self) -> Result<Option<(File, Vec<u8>)>> {
        let Some((file, path)) = self.open(b"journal.log")? else {
            return Ok(None);
        };
        let length = file.metadata().at("looking at", &path)?.len();
        Ok((length > 0).then_some((file, path)))
    }

    /// Says how much is to be read: the manifest once, the list of the set twice.
    fn expect(&self) -> Result<()> {
        let size = |name: &[u8]| -> Result<u64> {
            let Some((file, path)) = self.open(name)? else {
                return Ok(0);
            };
            Ok(file.metadata().at("looking at", &path)?.len())
        };
        self.progress
            .expect(0, size(b"manifest.jsonl")? + 2 * size(LIST)?);
        Ok(())
    }

    fn counted(&self, file: File) -> BufReader<Counted<'_>> {
        let progress = self.progress;
        BufReader::with_capacity(1 << 16, Counted { file, progress })
    }

    fn step(&self) -> Result<()> {
        Progress::add(&self.progress.entries, 1);
        self.cancel.check()
    }

    fn read_manifest(&self, catalog: &Catalog, all: bool) -> Result<Differences> {
        let mut merge = catalog.merge_volume(self.identity.volume.number, all)?;
        let Some((file, path)) = self.open(b"manifest.jsonl")? else {
            return merge.finish();
        };
        let reader = self.counted(file);
        let mut told = HashSet::new();
        let header = manifest::read_beside(reader, &path, &mut |mut item| {
            self.step()?;
            if let Some(names) = item.names.take() {
                note_names(catalog, &item, *names, &mut told)?;
            }
            merge.item(&item)
        })?;
        if header.set != self.identity.set.id || header.volume != self.identity.volume.id {
            let message = "it is the manifest of another volume";
            return Err(Error::new(Code::BadFormat, "reading", message).with_path(&path));
        }
        merge.finish()
    }

    /// Reads the list twice: to its last line before anything of it is believed, and for its entries. One
    /// that cannot be used takes nothing from what the drive says of itself.
    fn read_list(&self, catalog: &Catalog) -> Result<ListRead> {
        let Some((file, path)) = self.open(LIST)? else {
            return Ok(ListRead::None);
        };
        let size = file.metadata().at("looking at", &path)?.len();
        let head = match self.list_head(file, &path) {
            Ok(head) => head,
            Err(e) if e.code == Code::Cancelled => return Err(e),
            Err(e) => return Ok(ListRead::Unusable(e.to_string())),
        };
        let hearsay = catalog.hear(&head, self.identity.volume.number)?;
        if hearsay.volumes.is_empty() {
            Progress::add(&self.progress.bytes, size);
        } else {
            let Some((file, path)) = self.open(LIST)? else {
                return Ok(ListRead::None);
            };
            let reader = self.counted(file);
            setlist::read(reader, &path, &mut |line| match line {
                Line::Entry(entry) if hearsay.volumes.binary_search(&entry.volume).is_ok() => {
                    self.step()?;
                    catalog.heard_entry(&entry)
                }
                _ => Ok(()),
            })?;
        }
        Ok(ListRead::Read(head.header.date, hearsay))
    }

    fn list_head(&self, file: File, path: &[u8]) -> Result<ListHead> {
        let (mut sources, mut volumes) = (Vec::new(), Vec::new());
        let header = setlist::read(self.counted(file), path, &mut |line| {
            match line {
                Line::Source(source) => sources.push(source),
                Line::Volume(volume) => volumes.push(volume),
                Line::Entry(_) | Line::Planned(_) => self.cancel.check()?,
            }
            Ok(())
        })?;
        if header.set != self.identity.set.id {
            let message = "it is the list of another set";
            return Err(Error::new(Code::BadFormat, "reading", message).with_path(path));
        }
        Ok(ListHead {
            header,
            sources,
            volumes,
        })
    }

    /// What the volume is in the catalog from here on.
    fn volume(&self, place: &Place, catalog: &Catalog, before: Option<Volume>) -> Result<Volume> {
        let identity = self.identity;
        let number = identity.volume.number;
        let (files, bytes) = catalog.count_volume(number)?;
        let created = date::to_seconds(&identity.created).unwrap_or(0);
        let closed = identity.closed.as_deref().and_then(date::to_seconds);
        let heard = before.as_ref().is_some_and(|v| v.as_of != 0);
        let before = before.unwrap_or(Volume {
            number,
            id: identity.volume.id.clone(),
            label: identity.volume.label.clone(),
            state: String::new(),
            generation: 0,
            fs_type: String::new(),
            fs_uuid: String::new(),
            capacity: 0,
            available: 0,
            block_size: 0,
            inodes_free: 0,
            has_links: place.has_links,
            mount: Vec::new(),
            created,
            written: closed.unwrap_or(created),
            files: 0,
            bytes: 0,
            fate: Fate::None,
            verified: 0,
            verified_kind: String::new(),
            verified_bad: 0,
            listed: 0,
            as_of: 0,
            copy: identity.copy,
        });
        let before = checked(before, identity);
        Ok(Volume {
            // Whoever relabels a drive that is away does so in the catalog.
            label: if heard {
                identity.volume.label.clone()
            } else {
                before.label
            },
            state: if closed.is_some() { "complete" } else { "open" }.to_owned(),
            generation: identity.generation,
            fs_type: place.fs_type.clone(),
            fs_uuid: place.fs_uuid.clone(),
            capacity: place.capacity,
            available: place.available,
            block_size: place.block_size,
            inodes_free: place.inodes_free,
            mount: place.mount.clone(),
            written: before.written.max(closed.unwrap_or(0)),
            files,
            bytes,
            fate: match before.fate {
                Fate::Lost => Fate::None,
                fate => fate,
            },
            as_of: 0,
            // What a list said of it may be wrong; the drive knows.
            copy: identity.copy,
            ..before
        })
    }
}

/// With the last verification that the drive tells of, where that is later than the one that is known.
fn checked(before: Volume, identity: &VolumeJson) -> Volume {
    match identity.check() {
        Some(check) if check.date > before.verified => Volume {
            verified: check.date,
            verified_kind: check.kind.as_str().to_owned(),
            verified_bad: check.bad,
            ..before
        },
        _ => before,
    }
}
