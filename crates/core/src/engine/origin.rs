//! Where the content of a placement can be had: in a source, on another drive, or nowhere any more.
//!
//! Only looks. What cannot be looked at is unknown, and nothing is called lost because of it.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::io::Errno;

use super::content::digest_of;
use super::copy::open_sources;
use super::drive::{names_in, split};
use super::part::digest_of_range;
use super::repair::Named;
use super::work::SourceRoot;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::findings::Found;
use crate::catalog::place::Key;
use crate::error::{Code, Error, IoContext, Result};
use crate::format::item::Item;
use crate::format::part::Part;
use crate::format::verify::Word;
use crate::meta::{Kind, Meta};
use crate::sys;

/// What a source has of a placement.
pub(super) enum Source {
    /// A file of its size, and where no digest can tell, of its time.
    There {
        root: Arc<SourceRoot>,
        /// Its path below the drives' root, which is another one where it was renamed.
        path: Vec<u8>,
        /// Its time is as recorded.
        same_time: bool,
    },
    /// Something else.
    Other,
    /// Nothing.
    Gone,
    /// It cannot be looked at.
    Unseen,
}

/// The sources of a set, as far as they are there.
pub(super) struct Origins<'c> {
    catalog: &'c Catalog,
    volume: u32,
    sources: HashMap<i64, Arc<SourceRoot>>,
    /// Sources in which there is nothing at all: not mounted, as far as anybody can tell.
    empty: Vec<i64>,
    nowhere: Arc<SourceRoot>,
}

impl<'c> Origins<'c> {
    /// Of what a volume should hold.
    pub fn new(
        catalog: &'c Catalog,
        volume: u32,
        sources: HashMap<i64, Arc<SourceRoot>>,
    ) -> Result<Self> {
        let empty = sources
            .iter()
            .filter(|(_, root)| names_in(root.fd.as_fd()).is_ok_and(|names| names.is_empty()))
            .map(|(id, _)| *id)
            .collect();
        let nowhere = Arc::new(SourceRoot {
            fd: sys::open_root(b"/")?,
            path: b"/".to_vec(),
            prefix: Vec::new(),
            server_copy: false,
        });
        Ok(Origins {
            catalog,
            volume,
            sources,
            empty,
            nowhere,
        })
    }

    /// What entries without content come from.
    pub fn nowhere(&self) -> Arc<SourceRoot> {
        Arc::clone(&self.nowhere)
    }

    /// Looks for a placement in its source.
    pub fn source_of(&self, key: &Key, item: &Item) -> Result<Source> {
        let Some(row) = self.catalog.in_source(self.volume, key)? else {
            return Ok(Source::Gone);
        };
        let Some(root) = self.sources.get(&row.source.abs()) else {
            return Ok(Source::Unseen);
        };
        let mut path = self.catalog.path_of(&Key {
            dir: row.dir,
            name: row.name,
        })?;
        let mut size = item.size;
        if let Some(part) = &item.part {
            path.truncate(Part::whole(&path).len());
            size = part.size;
        }
        let (dir, name) = split(root.below(&path));
        let found = sys::open_dir_beneath(root.fd.as_fd(), dir, false)
            .and_then(|dir| sys::stat_at(dir.as_fd(), name));
        Ok(match found {
            Ok(found) if found.kind == item.kind && found.size == size => {
                let same_time = found.mtime == item.mtime;
                if item.digest.is_none() && !same_time {
                    Source::Other
                } else {
                    Source::There {
                        root: Arc::clone(root),
                        path,
                        same_time,
                    }
                }
            }
            Ok(_) => Source::Other,
            Err(e) if is_absent(&e) && !self.empty.contains(&row.source.abs()) => Source::Gone,
            Err(_) => Source::Unseen,
        })
    }

    /// Whether what stands at a path of the drives below `root` has the content of the item.
    pub fn has_content(
        &self,
        root: &SourceRoot,
        path: &[u8],
        item: &Item,
        cancel: &CancelToken,
    ) -> Result<bool> {
        let Some(want) = &item.digest else {
            return Ok(true);
        };
        let (dir, name) = split(root.below(path));
        let read = sys::open_dir_beneath(root.fd.as_fd(), dir, false)
            .and_then(|dir| sys::open_for_reading(dir.as_fd(), name))
            .at("opening", path)
            .and_then(|fd| {
                let (named, by) = (root.absolute(path), want.algorithm);
                match &item.part {
                    // A part that stands on another drive is a file of its own there.
                    Some(part) if path != item.path => {
                        let range = (part.offset, item.size);
                        digest_of_range(&fd, &named, range, by, cancel, &mut |_| Ok(()))
                    }
                    _ => digest_of(&fd, &named, by, cancel).map(Some),
                }
            });
        match read {
            Err(e) if e.code == Code::Cancelled => Err(e),
            read => Ok(read.is_ok_and(|found| found.as_ref() == Some(want))),
        }
    }
}

fn is_absent(e: &std::io::Error) -> bool {
    let errno = e.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::NOENT | Errno::NOTDIR))
}

/// The metadata that an item records.
pub(crate) fn meta_of(item: &Item) -> Meta {
    Meta {
        kind: item.kind,
        size: item.size,
        allocated: item.size,
        mtime: item.mtime,
        mode: item.mode,
        uid: item.uid,
        gid: item.gid,
        dev: 0,
        ino: 0,
        nlink: 1,
        rdev: item
            .rdev
            .map_or(0, |(major, minor)| sys::make_device(major, minor)),
        changed: 0,
        flags: item.extra.as_ref().map_or(0, |extra| extra.flags),
    }
}

/// What can be done about the findings on a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Comes back from a source, or needs no content.
    pub from_source: Named,
    /// Somebody changed it on the drive.
    pub changed: Named,
    /// Comes back from other volumes.
    pub elsewhere: Named,
    /// How many of these each volume has, and their bytes.
    pub volumes: BTreeMap<u32, (u64, u64)>,
    /// The source has another version now.
    pub newer: Named,
    /// The source has other content under the same size and time.
    pub silent: Named,
    /// Its source cannot be looked at.
    pub unseen: Named,
    /// In no source and on no other volume.
    pub lost: Named,
}

/// Finds out what can be done about the findings on a volume. The drive is not looked at. `thorough`: files in the
/// sources are read, and what is lost is put on the list of what is.
///
/// # Errors
/// What SQLite answers; `Code::Cancelled`.
pub fn outlook(
    catalog: &Catalog,
    volume: u32,
    thorough: bool,
    cancel: &CancelToken,
) -> Result<Outlook> {
    let origins = Origins::new(catalog, volume, open_sources(catalog)?)?;
    let mut outlook = Outlook::default();
    let mut after = None;
    loop {
        let page = catalog.findings(volume, after.as_ref(), 512)?;
        let Some(last) = page.last() else {
            return Ok(outlook);
        };
        after = Some(last.key.clone());
        for finding in page {
            if cancel.is_stopped() {
                return Err(Error::cancelled());
            }
            outlook.add(&origins, &finding, thorough, cancel)?;
        }
    }
}

impl Outlook {
    fn add(
        &mut self,
        origins: &Origins<'_>,
        finding: &Found,
        thorough: bool,
        cancel: &CancelToken,
    ) -> Result<()> {
        let Origins {
            catalog, volume, ..
        } = *origins;
        let Some(placed) = catalog.placement(volume, &finding.key)? else {
            return Ok(());
        };
        let mut item = placed.item;
        item.path = catalog.path_of(&finding.key)?;
        if finding.word == Word::Changed {
            self.changed.add(&item);
            return Ok(());
        }
        if item.kind != Kind::File {
            self.from_source.add(&item);
            return Ok(());
        }
        let source = origins.source_of(&finding.key, &item)?;
        let mut silent = false;
        if let Source::There {
            root,
            path,
            same_time,
        } = &source
        {
            if !thorough || origins.has_content(root, path, &item, cancel)? {
                self.from_source.add(&item);
                return Ok(());
            }
            silent = *same_time;
        }
        let holders = catalog.holders(volume, &finding.key)?;
        if !holders.is_empty() {
            self.elsewhere.add(&item);
            for holder in holders {
                let (files, bytes) = self.volumes.entry(holder).or_default();
                *files += 1;
                *bytes += item.size;
            }
            return Ok(());
        }
        match source {
            Source::There { .. } if silent => self.silent.add(&item),
            Source::There { .. } | Source::Other => self.newer.add(&item),
            Source::Unseen => self.unseen.add(&item),
            Source::Gone => {
                self.lost.add(&item);
                if thorough {
                    catalog.list_as_lost(volume, &item)?;
                }
            }
        }
        Ok(())
    }
}
