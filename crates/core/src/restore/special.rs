//! Entries without content, made from what the manifest says: symlinks, fifos, sockets, devices.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::copier::Fail;
use super::drive::Restorer;
use super::workplace::Temp;
use crate::error::{Code, Error, IoContext};
use crate::format::item::Item;
use crate::sys::{self, On};

impl Restorer<'_> {
    pub(super) fn symlink(&mut self, item: &Item) -> Result<Temp, Fail> {
        let path = self.ends.on_drive(item.on_drive());
        let Some(target) = &item.target else {
            let message = "nothing is recorded of where it leads";
            return Err(Fail::Copy(
                Error::new(Code::BadFormat, "restoring", message).with_path(&path),
            ));
        };
        let temp = self.target.temp().map_err(Fail::Target)?;
        rustix::fs::symlinkat(target.as_slice(), &temp.dir, temp.name.as_slice())
            .at("making the symlink in", &self.target.path)
            .map_err(Fail::Target)?;
        self.dress_name(item, &temp, false)?;
        Ok(temp)
    }

    /// A fifo, socket or device; `None`: whoever runs this may not make it.
    pub(super) fn node(&mut self, item: &Item) -> Result<Option<Temp>, Fail> {
        let temp = self.target.temp().map_err(Fail::Target)?;
        let rdev = item
            .rdev
            .map_or(0, |(major, minor)| sys::make_device(major, minor));
        let made = sys::make_node(temp.dir.as_fd(), &temp.name, item.kind, rdev);
        if item.rdev.is_some() && made == Err(Errno::PERM) {
            return Ok(None);
        }
        made.at("making", &self.target.path).map_err(Fail::Target)?;
        self.dress_name(item, &temp, true)?;
        Ok(Some(temp))
    }

    /// Owner, mode and times of something that must not be opened.
    fn dress_name(&mut self, item: &Item, temp: &Temp, mode: bool) -> Result<(), Fail> {
        let (dir, name) = (&temp.dir, &temp.name);
        let mut kept = true;
        let mut set = || -> io::Result<bool> {
            let mut owned = true;
            if (item.uid, item.gid) != (self.ends.euid, self.ends.egid) {
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
                let on = On::Name(dir.as_fd(), name);
                kept = sys::write_xattrs(on, &extra.xattrs, true).is_none();
            }
            if mode {
                // Made by us in a directory that nobody else can enter: it is no symlink.
                let mode = if owned { item.mode } else { item.mode & 0o1777 };
                sys::set_new_mode(dir.as_fd(), name, mode)?;
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
                temp.remove();
                Err(Fail::Target(e))
            }
        }
    }
}
