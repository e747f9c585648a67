//! Directories of the destination: made on the way to what is in them, or because they are wanted.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::copier::Fail;
use super::drive::Restorer;
use crate::catalog::restore::{DirMeta, Wanted};
use crate::error::{Error, Result};
use crate::format::item::{Item, check_path};
use crate::sys::{self, On};

impl Restorer<'_> {
    /// The directory of the destination that an entry goes into.
    pub(super) fn parent(&mut self, parent: &[u8]) -> Result<Arc<OwnedFd>, Fail> {
        self.parent_or(parent, None)
    }

    /// As [`Restorer::parent`]; `itself`: the record of that directory, where it is wanted.
    fn parent_or(&mut self, parent: &[u8], itself: Option<&Item>) -> Result<Arc<OwnedFd>, Fail> {
        if let Some(fd) = self.target.open_dir(parent).map_err(Fail::Target)? {
            return Ok(fd);
        }
        // Those that are made on the way get their owners, modes and times like those that are asked for.
        let mut made: Vec<Vec<u8>> = Vec::new();
        let root = self.ends.root.as_fd();
        let above = &self.above;
        let mut lost = 0;
        let fd = self
            .target
            .make_dirs(parent, self.catalog, &mut |rel, fd| {
                made.push(rel.to_vec());
                let known = above.iter().chain(itself).find(|item| item.path == rel);
                let there = known.map_or(rel, Item::on_drive);
                // Those that the manifest has are set at the end, with the mode.
                let told = known.is_some_and(|item| item.extra.is_some());
                lost += u64::from(!told && !copy_dir_attributes(root, there, fd));
            })
            .map_err(Fail::Target)?;
        self.outcome.attributes_lost += lost;
        for rel in made {
            let meta = self
                .above
                .iter()
                .find(|item| item.path == rel)
                .map(dir_meta);
            self.catalog
                .restore_note_dir(&rel, meta.as_ref())
                .map_err(Fail::Target)?;
        }
        Ok(fd)
    }

    /// A directory that is wanted: made, or found, and noted for the end.
    pub(super) fn directory(&mut self, item: &Item, wanted: &Wanted) -> Result<()> {
        let mut there = false;
        let made = check_path(&wanted.path)
            .and_then(|()| self.target.open_dir(&wanted.path))
            .map_err(Fail::Target)
            .and_then(|found| {
                there = found.is_some();
                self.parent_or(&wanted.path, Some(item))
            });
        match made {
            Ok(_) => {
                if wanted.leaf && !wanted.settled {
                    let count = match there {
                        true => &mut self.outcome.equal,
                        false => &mut self.outcome.others,
                    };
                    *count += 1;
                }
                self.catalog
                    .restore_note_dir(&wanted.path, Some(&dir_meta(item)))?;
                self.note_flags(item, &wanted.path)?;
                self.catalog.restore_settle(wanted.id, None)
            }
            Err(Fail::Cancelled) => Err(Error::cancelled()),
            Err(fail) => {
                let e = fail.into_error();
                // Told once: what is in it fails for the same reason and is told then.
                if !wanted.settled {
                    self.outcome.failed += 1;
                    self.tell(&wanted.path, &e);
                    self.catalog.restore_settle(wanted.id, None)?;
                }
                self.check_target(e)
            }
        }
    }
}

fn dir_meta(item: &Item) -> DirMeta {
    DirMeta {
        mode: item.mode,
        uid: item.uid,
        gid: item.gid,
        mtime: item.mtime,
        extra: item.extra.clone(),
    }
}

/// Gives a new directory the attributes and ACLs of the drive's; whether all were kept. One that the drive has
/// under another name, or not at all, has none to give.
fn copy_dir_attributes(root: BorrowedFd<'_>, rel: &[u8], to: BorrowedFd<'_>) -> bool {
    match sys::open_dir_beneath(root, rel, true) {
        Ok(from) => {
            let (xattrs, unread) = sys::read_xattrs(On::Open(from.as_fd()));
            unread.is_none() && sys::write_xattrs(On::Open(to), &xattrs, true).is_none()
        }
        Err(_) => true,
    }
}
