//! Entries without content, made from what the manifest says: symlinks, fifos, sockets, devices, and further
//! names of a file that is there.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::drive::{Fail, Restorer};
use super::existing::Way;
use super::target::temp_name;
use crate::catalog::place::Placed;
use crate::catalog::restore::LinkedTo;
use crate::engine::drive::split;
use crate::error::{Code, Error, IoContext};
use crate::format::item::{Item, check_path};
use crate::meta::Kind;
use crate::sys::{self, On};

impl Restorer<'_> {
    pub(super) fn symlink(&mut self, item: &Item) -> Result<u64, Fail> {
        let path = self.on_drive(item.on_drive());
        let Some(target) = &item.target else {
            let message = "nothing is recorded of where it leads";
            return Err(Fail::Copy(
                Error::new(Code::BadFormat, "restoring", message).with_path(&path),
            ));
        };
        let temp = self.target.number();
        rustix::fs::symlinkat(
            target.as_slice(),
            &self.target.tmp,
            temp_name(temp).as_slice(),
        )
        .at("making the symlink in", &self.target.path)
        .map_err(Fail::Target)?;
        self.dress_name(item, temp, false)?;
        Ok(temp)
    }

    /// A fifo, socket or device; `None`: whoever runs this may not make it.
    pub(super) fn node(&mut self, item: &Item) -> Result<Option<u64>, Fail> {
        let temp = self.target.number();
        let rdev = item
            .rdev
            .map_or(0, |(major, minor)| sys::make_device(major, minor));
        let made = sys::make_node(self.target.tmp.as_fd(), &temp_name(temp), item.kind, rdev);
        if item.rdev.is_some() && made == Err(Errno::PERM) {
            return Ok(None);
        }
        made.at("making", &self.target.path).map_err(Fail::Target)?;
        self.dress_name(item, temp, true)?;
        Ok(Some(temp))
    }

    /// Owner, mode and times of something that must not be opened.
    fn dress_name(&mut self, item: &Item, temp: u64, mode: bool) -> Result<(), Fail> {
        let name = temp_name(temp);
        let mut kept = true;
        let mut set = || -> io::Result<bool> {
            let dir = &self.target.tmp;
            let mut owned = true;
            if (item.uid, item.gid) != (self.euid, self.egid) {
                let uid = rustix::fs::Uid::from_raw(item.uid);
                let gid = rustix::fs::Gid::from_raw(item.gid);
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                owned = match rustix::fs::chownat(dir, name.as_slice(), Some(uid), Some(gid), flags)
                {
                    Ok(()) => true,
                    Err(Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP) => false,
                    Err(e) => return Err(e.into()),
                };
            }
            if let Some(extra) = &item.extra {
                let on = On::Name(dir.as_fd(), &name);
                kept = sys::write_xattrs(on, &extra.xattrs, true).is_none();
            }
            if mode {
                // Made by us in a directory that nobody else can enter: it is no symlink.
                let mode = if owned { item.mode } else { item.mode & 0o1777 };
                sys::set_new_mode(dir.as_fd(), &name, mode)?;
            }
            let times = sys::timestamps(item.mtime);
            rustix::fs::utimensat(dir, name.as_slice(), &times, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(owned)
        };
        match set().at("setting owner, mode and times in", &self.target.path) {
            Ok(owned) => {
                self.outcome.owners_lost += u64::from(!owned);
                self.outcome.attributes_lost += u64::from(!kept);
                Ok(())
            }
            Err(e) => {
                self.target.drop_temp(temp);
                Err(Fail::Target(e))
            }
        }
    }

    /// Another name for a file that is in the destination, or about to be. `None`: there is none, or it is not
    /// the same by what was recorded, or can have no more names; then it is a file by itself.
    pub(super) fn link(&mut self, placed: &Placed) -> Result<Option<u64>, Fail> {
        let item = &placed.item;
        // The first name of a group has no word of it in the manifest.
        let link = item.link.as_ref().unwrap_or(&item.path);
        let known = self
            .catalog
            .restore_linked(self.volume, link)
            .map_err(Fail::Target)?;
        // A manifest may say anything: only what has the same content is the same file.
        let digest = item.digest.map(|d| d.bytes);
        let same = |to: &LinkedTo| {
            to.size == item.size
                && digest.is_some()
                && to.digest.as_deref() == digest.as_ref().map(|d| &d[..])
        };
        let to = match known {
            Some(to) if same(&to) => to,
            Some(_) => return Ok(None),
            // A run that was broken off may have brought some of the names.
            None => match self.brought_before(item, link)? {
                Some(dest) => LinkedTo {
                    dest,
                    temp: None,
                    size: item.size,
                    digest: None,
                },
                None => return Ok(None),
            },
        };
        let temp = self.target.number();
        let name = temp_name(temp);
        let linked = match to.temp {
            Some(first) => rustix::fs::linkat(
                &self.target.tmp,
                temp_name(first).as_slice(),
                &self.target.tmp,
                name.as_slice(),
                AtFlags::empty(),
            ),
            None => {
                let (parent, first) = split(&to.dest);
                let Some(dir) = self.target.open_dir(parent).map_err(Fail::Target)? else {
                    return Ok(None);
                };
                rustix::fs::linkat(
                    &dir,
                    first,
                    &self.target.tmp,
                    name.as_slice(),
                    AtFlags::empty(),
                )
            }
        };
        match linked {
            Ok(()) => {}
            Err(
                Errno::MLINK
                | Errno::NOENT
                | Errno::PERM
                | Errno::OPNOTSUPP
                | Errno::NOSYS
                | Errno::XDEV,
            ) => return Ok(None),
            Err(e) => {
                return Err(e)
                    .at("linking in", &self.target.path)
                    .map_err(Fail::Target);
            }
        }
        let found = sys::stat_at(self.target.tmp.as_fd(), &name)
            .at("looking at", &self.target.path)
            .map_err(Fail::Target)?;
        if found.kind == Kind::File
            && found.size == item.size
            && self.same_time(found.mtime, item.mtime)
        {
            return Ok(Some(temp));
        }
        // Somebody changed it meanwhile.
        self.target.drop_temp(temp);
        Ok(None)
    }

    /// A name of the same file that stands in the destination, by what is recorded of it.
    fn brought_before(&mut self, item: &Item, link: &[u8]) -> Result<Option<Vec<u8>>, Fail> {
        let group = self
            .catalog
            .restore_group(self.volume, link)
            .map_err(Fail::Target)?;
        for (dest, other) in group {
            let same = other.path != item.path
                && other.size == item.size
                && other.digest.is_some()
                && other.digest == item.digest;
            let (parent, name) = split(&dest);
            if !same || check_path(&dest).is_err() {
                continue;
            }
            let Ok(Some(dir)) = self.target.open_dir(parent) else {
                continue;
            };
            if self.way(dir.as_fd(), name, item, None)? == Way::Equal {
                return Ok(Some(dest));
            }
        }
        Ok(None)
    }

    /// Notes a file of a group of hard links, so that it can be given further names.
    pub(super) fn note_group(
        &self,
        placed: &Placed,
        dest: &[u8],
        temp: Option<u64>,
    ) -> Result<(), Fail> {
        let item = &placed.item;
        if item.kind != Kind::File {
            return Ok(());
        }
        // The first name of a group has no word of it in the manifest.
        let link = item.link.as_ref().unwrap_or(&item.path);
        self.catalog
            .restore_note_link(self.volume, placed, link, dest, temp)
            .map_err(Fail::Target)
    }
}
