//! What stands where an entry is to go: nothing, the same, or something else, and what that leads to.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use super::Existing;
use super::copier::Fail;
use super::drive::Restorer;
use crate::engine::drive::join;
use crate::error::{Code, Error, IoContext};
use crate::format::item::Item;
use crate::meta::{Kind, Meta, Time};
use crate::sys;

/// Names beside what stands in the way that are tried.
const MOST_BESIDE: u32 = 10_000;

/// What is to be done about one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// It goes under this name; `replace`: something stands there that is to go.
    Make {
        name: Vec<u8>,
        replace: bool,
        beside: bool,
    },
    /// It is there.
    Equal,
    /// Something newer is there, which was to stay.
    Newer,
    /// Something else is there, which stays.
    Blocked(&'static str),
}

impl Restorer<'_> {
    /// Looks at the place of an entry, in the directory that is to hold it.
    pub(super) fn way(
        &self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        item: &Item,
        delivered: Option<Time>,
    ) -> Result<Way, Fail> {
        let Some(meta) = self.look(dir, name)? else {
            return Ok(make(name, false, false));
        };
        if self.is_equal(dir, name, &meta, item)? {
            return Ok(Way::Equal);
        }
        // What this restore itself has put there gives way to a newer version that another drive told of.
        let own = delivered.is_some_and(|time| self.same_time(meta.mtime, time));
        let can_replace = meta.kind != Kind::Dir;
        match self.options.existing {
            _ if own && can_replace => Ok(make(name, true, false)),
            Existing::KeepBoth => self.beside(dir, name, item),
            _ if !can_replace => Ok(Way::Blocked("a directory stands in its place")),
            Existing::Overwrite => Ok(make(name, true, false)),
            Existing::Update if meta.mtime < item.mtime => Ok(make(name, true, false)),
            Existing::Update => Ok(Way::Newer),
            Existing::Keep => Ok(Way::Blocked(
                "something else stands in its place and is left alone",
            )),
        }
    }

    fn beside(&self, dir: BorrowedFd<'_>, name: &[u8], item: &Item) -> Result<Way, Fail> {
        for n in 1..MOST_BESIDE {
            let other = [name, format!(".restored-{n}").as_bytes()].concat();
            match self.look(dir, &other)? {
                None => return Ok(make(&other, false, true)),
                Some(meta) if self.is_equal(dir, &other, &meta, item)? => return Ok(Way::Equal),
                Some(_) => {}
            }
        }
        Ok(Way::Blocked("all names beside it are taken"))
    }

    fn look(&self, dir: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Meta>, Fail> {
        match sys::stat_at(dir, name) {
            Ok(meta) => Ok(Some(meta)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e)
                .at("looking at", &join(&self.target.path, name))
                .map_err(Fail::Target),
        }
    }

    /// Whether what stands there is the entry: kind, size and time; of a symlink its target, of a device its
    /// numbers.
    fn is_equal(
        &self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        meta: &Meta,
        item: &Item,
    ) -> Result<bool, Fail> {
        if meta.kind != item.kind {
            return Ok(false);
        }
        match item.kind {
            Kind::File => Ok(meta.size == item.size && self.same_time(meta.mtime, item.mtime)),
            Kind::Symlink => {
                let target = rustix::fs::readlinkat(dir, name, Vec::new())
                    .at("reading the symlink", &join(&self.target.path, name))
                    .map_err(Fail::Target)?;
                Ok(item.target.as_deref() == Some(target.as_bytes()))
            }
            Kind::CharDevice | Kind::BlockDevice => Ok(item
                .rdev
                .is_some_and(|(a, b)| sys::make_device(a, b) == meta.rdev)),
            Kind::Dir | Kind::Fifo | Kind::Socket => Ok(true),
        }
    }

    pub(super) fn same_time(&self, a: Time, b: Time) -> bool {
        match self.target.window {
            0 => a == b,
            // No overflow, whatever a drive says the time is.
            window => a.sec.abs_diff(b.sec) <= window as u64,
        }
    }

    /// A name for a copy that is no good, beside the place of the good one; `None` where one is there already.
    pub(super) fn corrupt_name(
        &self,
        dir: BorrowedFd<'_>,
        name: &[u8],
    ) -> Result<Option<Vec<u8>>, Fail> {
        let name = [name, b".mvcopy-corrupt"].concat();
        Ok(self.look(dir, &name)?.is_none().then_some(name))
    }
}

fn make(name: &[u8], replace: bool, beside: bool) -> Way {
    Way::Make {
        name: name.to_vec(),
        replace,
        beside,
    }
}

/// The failure that stands for something in the way.
pub(super) fn in_the_way(path: &[u8], why: &str) -> Error {
    Error {
        errno: Some(Errno::EXIST.raw_os_error()),
        ..Error::new(Code::Collision, "restoring", why).with_path(path)
    }
}
