//! Further names of files: what was one file in the source is one again, where the destination takes that.
//!
//! Which names belong together is told by what a walk of the source has seen, where this host has one; by the word
//! that the manifests have for it ([`crate::format::samefile`]), on whatever drives the names lie; and by the links
//! on one drive. None of them is believed alone: only what has the same size and digest is the same file.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, linkat};
use rustix::io::Errno;

use super::copier::Fail;
use super::drive::Restorer;
use super::existing::Way;
use super::workplace::Temp;
use crate::catalog::place::Placed;
use crate::catalog::restore::{InSource, LinkedTo, NameGroup as Group, NameOf};
use crate::engine::drive::split;
use crate::error::IoContext;
use crate::format::item::check_path;
use crate::meta::Kind;
use crate::sys;

impl Restorer<'_> {
    /// Another name for a file that is in the destination, or about to be. `None`: there is none, or it is not
    /// the same by what was recorded, or can have no more names; then it is a file by itself.
    pub(super) fn link(&mut self, group: &NameOf, placed: &Placed) -> Result<Option<Temp>, Fail> {
        let item = &placed.item;
        // A record may say anything: only what has the same content is the same file.
        let Some(digest) = item.digest.map(|d| d.bytes) else {
            return Ok(None);
        };
        let same = |to: &LinkedTo| {
            let other_file = matches!((group.file, to.file), (Some(a), Some(b)) if a != b);
            to.size == item.size && to.digest.as_deref() == Some(&digest[..]) && !other_file
        };
        let mut to = None;
        for by in &group.by {
            let known = self.catalog.restore_linked(by).map_err(Fail::Target)?;
            to = to.or(known.filter(same));
        }
        // A run that was broken off may have brought some of the names.
        let to = match to {
            Some(to) => to,
            None => match self.brought_before(group, placed)? {
                Some(dest) => LinkedTo {
                    dest,
                    temp: None,
                    size: item.size,
                    digest: None,
                    file: None,
                },
                None => return Ok(None),
            },
        };
        let temp = self.target.temp().map_err(Fail::Target)?;
        let as_name = |dir: &OwnedFd, name: &[u8]| {
            linkat(dir, name, &temp.dir, &*temp.name, AtFlags::empty())
        };
        let linked = match to.temp {
            Some(first) => match self.target.find_temp(first) {
                Some(first) => as_name(&first.dir, &first.name),
                None => return Ok(None),
            },
            None => {
                let (parent, first) = split(&to.dest);
                let Some(dir) = self.target.open_dir(parent).map_err(Fail::Target)? else {
                    return Ok(None);
                };
                as_name(&dir, first)
            }
        };
        match linked {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::XDEV) => {
                self.outcome.links_lost += 1;
                return Ok(None);
            }
            Err(e) => {
                return Err(e)
                    .at("linking in", &self.target.path)
                    .map_err(Fail::Target);
            }
        }
        let found = sys::stat_at(temp.dir.as_fd(), &temp.name)
            .at("looking at", &self.target.path)
            .map_err(Fail::Target)?;
        if found.kind == Kind::File
            && found.size == item.size
            && self.same_time(found.mtime, item.mtime)
        {
            return Ok(Some(temp));
        }
        // Somebody changed it meanwhile.
        temp.remove();
        Ok(None)
    }

    /// A name of the same file that stands in the destination, by what is recorded of it.
    fn brought_before(&mut self, group: &NameOf, placed: &Placed) -> Result<Option<Vec<u8>>, Fail> {
        let item = &placed.item;
        for by in &group.by {
            let names = self
                .catalog
                .restore_group(by, placed)
                .map_err(Fail::Target)?;
            for (dest, other) in names {
                let same = other.key != placed.key
                    && other.item.size == item.size
                    && other.item.digest.is_some()
                    && other.item.digest == item.digest;
                let (parent, name) = split(&dest);
                if !same || check_path(&dest).is_err() {
                    continue;
                }
                let other_file = match self
                    .catalog
                    .restore_in_source(&other)
                    .map_err(Fail::Target)?
                {
                    InSource::Alone => true,
                    InSource::Named(file) => group.file.is_some_and(|ours| ours != file),
                    InSource::Unknown => false,
                };
                if other_file {
                    continue;
                }
                let Ok(Some(dir)) = self.target.open_dir(parent) else {
                    continue;
                };
                if self.way(dir.as_fd(), name, item, None)? == Way::Equal {
                    return Ok(Some(dest));
                }
            }
        }
        Ok(None)
    }

    /// By what other names of a file are found.
    pub(super) fn name_of(&self, placed: &Placed) -> Result<NameOf, Fail> {
        let item = &placed.item;
        let mut group = NameOf::default();
        if item.kind != Kind::File {
            return Ok(group);
        }
        match self
            .catalog
            .restore_in_source(placed)
            .map_err(Fail::Target)?
        {
            // Whatever a drive still says of it.
            InSource::Alone => return Ok(group),
            InSource::Named(file) => {
                group.file = Some(file);
                group.by.push(Group::File(file));
            }
            InSource::Unknown => {}
        }
        let digest = item.digest.map(|d| d.bytes);
        group
            .by
            .extend(item.same_file.map(|word| Group::Word(word, digest)));
        // The first name of a group has no word of it in the manifest.
        let link = item.link.as_ref().unwrap_or(&item.path).clone();
        group.by.push(Group::Link(self.volume, link));
        Ok(group)
    }

    /// Notes a file of a group of names, so that it can be given further ones. `linked`: it may have other names on
    /// its drive, of which the manifest has no word.
    pub(super) fn note_group(
        &self,
        group: &NameOf,
        placed: &Placed,
        dest: &[u8],
        temp: Option<&Temp>,
        linked: bool,
    ) -> Result<(), Fail> {
        if !linked && !group.tells_others(&placed.item) {
            return Ok(());
        }
        for by in &group.by {
            self.catalog
                .restore_note_link(
                    by,
                    group.file,
                    &placed.item,
                    dest,
                    temp.map(|temp| temp.number),
                )
                .map_err(Fail::Target)?;
        }
        Ok(())
    }
}
