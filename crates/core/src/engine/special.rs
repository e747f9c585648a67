//! Entries without content: symlinks, fifos, sockets, devices, and further names of a file.
//!
//! What the drive's file system cannot hold is recorded and counted, not failed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::drive::split;
use super::file::{Copier, Loss};
use super::times::is_kept;
use super::work::{Fail, Made, Work, item};
use crate::error::IoContext;
use crate::format::extra::{Extra, Xattr};
use crate::format::item::Item;
use crate::meta::{Kind, Meta};
use crate::progress::Progress;
use crate::sys::{self, Lost, On};

impl Copier<'_> {
    pub(super) fn symlink(&mut self, work: &Work) -> std::result::Result<Made, Fail> {
        let (dir, name) = self.source_dir(work)?;
        let target = rustix::fs::readlinkat(dir, name, Vec::new())
            .at("reading the symlink", &work.path)
            .map_err(|e| {
                if e.is_errno(Errno::INVAL) {
                    Fail::Changed
                } else {
                    Fail::Source(e)
                }
            })?
            .into_bytes();
        let meta = sys::stat_at(dir, name)
            .at("looking at", &work.path)
            .map_err(Fail::Source)?;
        let (xattrs, unread) = sys::read_xattrs(On::Name(dir, name));
        self.note_lost(unread, Lost::default(), true);
        let mut item = item(work, &meta);
        item.size = 0;
        item.target = Some(target.clone());
        item.extra = Extra::of(xattrs, 0);
        self.make_symlink(work, item, meta, &target)
    }

    /// Makes an entry without content as its record has it.
    pub(super) fn as_recorded(
        &mut self,
        work: &Work,
        item: &Item,
    ) -> std::result::Result<Made, Fail> {
        let meta = work.meta;
        match (item.kind, &item.target) {
            (Kind::Dir, _) => Ok(Made::Directory(Box::new(item.clone()), meta)),
            (_, Some(target)) => self.make_symlink(work, item.clone(), meta, target),
            _ => self.make_node(work, item.clone(), meta),
        }
    }

    fn make_symlink(
        &mut self,
        work: &Work,
        item: Item,
        meta: Meta,
        target: &[u8],
    ) -> std::result::Result<Made, Fail> {
        let temp = work.temp.fd.as_fd();
        let temp_name = work.temp_name();
        match rustix::fs::symlinkat(target, temp, temp_name.as_slice()) {
            Ok(()) => {}
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {
                return Ok(self.recorded(item, meta));
            }
            Err(e) => {
                return Err(e)
                    .at("making the symlink", &work.path)
                    .map_err(Fail::Target);
            }
        }
        self.nofollow_metadata(temp, &temp_name, &meta, &item, false)
            .at("setting owner and times of", &work.path)
            .map_err(Fail::Target)?;
        Ok(Made::Ready(Box::new(item), meta))
    }

    pub(super) fn node(&mut self, work: &Work) -> std::result::Result<Made, Fail> {
        let (dir, name) = self.source_dir(work)?;
        let meta = sys::stat_at(dir, name)
            .at("looking at", &work.path)
            .map_err(Fail::Source)?;
        if meta.kind != work.meta.kind {
            return Err(Fail::Changed);
        }
        let (xattrs, unread) = sys::read_xattrs(On::Name(dir, name));
        self.note_lost(unread, Lost::default(), true);
        let mut item = item(work, &meta);
        item.size = 0;
        item.extra = Extra::of(xattrs, meta.flags);
        let device = matches!(meta.kind, Kind::CharDevice | Kind::BlockDevice);
        let rdev = if device { meta.rdev } else { 0 };
        if device {
            item.rdev = Some((sys::major(rdev), sys::minor(rdev)));
        }
        self.make_node(work, item, meta)
    }

    fn make_node(
        &mut self,
        work: &Work,
        item: Item,
        meta: Meta,
    ) -> std::result::Result<Made, Fail> {
        if !self.nodes {
            return Ok(self.recorded(item, meta));
        }
        let rdev = item
            .rdev
            .map_or(0, |(major, minor)| sys::make_device(major, minor));
        let temp = work.temp.fd.as_fd();
        let temp_name = work.temp_name();
        match sys::make_node(temp, &temp_name, meta.kind, rdev) {
            Ok(()) => {}
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                return Ok(self.recorded(item, meta));
            }
            Err(e) => return Err(e).at("making", &work.path).map_err(Fail::Target),
        }
        self.nofollow_metadata(temp, &temp_name, &meta, &item, true)
            .at("setting owner, mode and times of", &work.path)
            .map_err(Fail::Target)?;
        Ok(Made::Ready(Box::new(item), meta))
    }

    fn recorded(&mut self, mut item: Item, meta: Meta) -> Made {
        *self.losses.entry(Loss::SPECIAL).or_default() += 1;
        item.stored = false;
        item.alias = None;
        Made::Recorded(Box::new(item), meta)
    }

    fn nofollow_metadata(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        meta: &Meta,
        item: &Item,
        mode: bool,
    ) -> io::Result<()> {
        let mut owned = true;
        if meta.uid != self.euid || meta.gid != self.egid {
            let uid = rustix::fs::Uid::from_raw(meta.uid);
            let gid = rustix::fs::Gid::from_raw(meta.gid);
            match rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(()) => {}
                Err(Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP) => {
                    *self.losses.entry(Loss::OWNERS).or_default() += 1;
                    owned = false;
                }
                Err(e) => return Err(e.into()),
            }
        }
        if let Some(extra) = &item.extra {
            let lost = sys::write_xattrs(On::Name(dir, name), &extra.xattrs, true);
            self.note_lost(Lost::default(), lost, true);
        }
        if mode {
            // A temp file of our own in a directory that nobody else can enter: it is no symlink.
            let mode = if owned { meta.mode } else { meta.mode & 0o1777 };
            sys::set_new_mode(dir, name, mode)?;
        }
        let times = sys::timestamps(meta.mtime);
        rustix::fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }

    /// Another name for a file that the drive holds; `None` where it has to be copied all the same: the file
    /// is not there as it was recorded. One that can have no more names is for the writer to decide about.
    pub(super) fn link(
        &mut self,
        work: &Work,
        to: &Item,
    ) -> std::result::Result<Option<Made>, Fail> {
        let (dir, name) = split(to.on_drive());
        let dir = match sys::open_dir_beneath(self.drive_root.as_fd(), dir, true)
            .at("opening the directory of", &to.path)
        {
            Ok(dir) => dir,
            // Somebody moved it away: the content is copied instead. Any other failure is one.
            Err(e)
                if [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::XDEV]
                    .into_iter()
                    .any(|errno| e.is_errno(errno)) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(Fail::Target(e)),
        };
        let temp = work.temp.fd.as_fd();
        let temp_name = work.temp_name();
        match rustix::fs::linkat(&dir, name, temp, temp_name.as_slice(), AtFlags::empty()) {
            Ok(()) => {}
            // A repair has to say itself where content comes from.
            Err(Errno::MLINK) if work.expected.is_none() => {
                let first = to.link.clone().unwrap_or_else(|| to.path.clone());
                return Ok(Some(Made::NoMoreNames(first)));
            }
            Err(
                Errno::MLINK
                | Errno::NOENT
                | Errno::PERM
                | Errno::OPNOTSUPP
                | Errno::NOSYS
                | Errno::XDEV,
            ) => return Ok(None),
            Err(e) => return Err(e).at("linking", &work.path).map_err(Fail::Target),
        }
        let found = sys::stat_at(temp, &temp_name)
            .at("looking at", &work.path)
            .map_err(Fail::Target)?;
        let same = found.kind == Kind::File
            && found.size == to.size
            && (found.mtime.sec.abs_diff(to.mtime.sec) <= 2
                || is_kept(found.mtime, to.mtime, self.rules.windows));
        if !same {
            sys::unlink(temp, &temp_name, false)
                .at("removing", &work.path)
                .map_err(Fail::Target)?;
            return Ok(None);
        }
        let item = Item {
            path: work.path.clone(),
            link: Some(to.link.clone().unwrap_or_else(|| to.path.clone())),
            alias: work.alias.clone(),
            ..to.clone()
        };
        Progress::add(&self.progress.bytes, work.meta.size);
        Ok(Some(Made::Ready(Box::new(item), work.meta)))
    }
}

/// Gives an entry without content on a drive owner, mode and time anew, and its attributes where there is a word of
/// them. What may not be set is left: it stands in the manifest.
pub(super) fn dress_again(
    dir: BorrowedFd<'_>,
    name: &[u8],
    found: &Meta,
    want: &Meta,
    xattrs: Option<&[Xattr]>,
) -> io::Result<()> {
    let mut owned = true;
    if (found.uid, found.gid) != (want.uid, want.gid) {
        let uid = rustix::fs::Uid::from_raw(want.uid);
        let gid = rustix::fs::Gid::from_raw(want.gid);
        owned =
            match rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(()) => true,
                Err(Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP) => false,
                Err(e) => return Err(e.into()),
            };
    }
    if let Some(xattrs) = xattrs {
        let _ = sys::write_xattrs(On::Name(dir, name), xattrs, false);
    }
    if want.kind != Kind::Symlink {
        let mode = if owned { want.mode } else { want.mode & 0o1777 };
        let passed = [Errno::PERM, Errno::OPNOTSUPP, Errno::NOENT].map(Errno::raw_os_error);
        match sys::set_mode_at(dir, name, want.kind, mode) {
            Err(e) if !e.raw_os_error().is_some_and(|n| passed.contains(&n)) => return Err(e),
            _ => {}
        }
    }
    let times = sys::timestamps(want.mtime);
    rustix::fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}
