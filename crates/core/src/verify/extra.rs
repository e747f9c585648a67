//! What is on a drive and in no list of it: foreign files, for which nobody vouches.
//!
//! A directory that is not recorded is one finding, and what is in it is not gone through. What systems leave at
//! the top of a drive does not count, nor do our own files. Nothing on another mount is looked at.

use std::io;
use std::os::fd::AsFd;

use rustix::io::Errno;

use super::list::Tables;
use crate::cancel::CancelToken;
use crate::engine::drive::{OWN, join};
use crate::error::Result;
use crate::meta::Kind;
use crate::page;
use crate::sys;
use crate::volume::is_litter;

/// Hands over the sort keys of what is not recorded, and of directories that could not be listed, with the errno.
///
/// # Errors
/// `Code::Cancelled`; whatever `sink` and the tables answer.
pub(super) fn find(
    root: &std::os::fd::OwnedFd,
    tables: &Tables,
    cancel: &CancelToken,
    sink: &mut dyn FnMut(Vec<u8>, Option<i32>) -> Result<()>,
) -> Result<()> {
    let mut open: Vec<Vec<u8>> = vec![Vec::new()];
    while let Some(dir) = open.pop() {
        cancel.check()?;
        let names = match list(root, &dir) {
            Ok(names) => names,
            Err(e) => {
                // A recorded one that is not there was told of already.
                let errno = Errno::from_io_error(&e).unwrap_or(Errno::IO);
                if !matches!(
                    errno,
                    Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV
                ) {
                    sink([&dir, &b"/"[..]].concat(), Some(errno.raw_os_error()))?;
                }
                continue;
            }
        };
        for (name, is_dir) in names {
            if dir.is_empty() && (name == OWN || is_litter(&name)) {
                continue;
            }
            if dir.is_empty() && name == page::NAME && page::stands(root.as_fd()) {
                continue;
            }
            let path = join(&dir, &name);
            let as_dir = [&path, &b"/"[..]].concat();
            let key = if is_dir { &as_dir } else { &path };
            if is_dir && tables.state_at(&as_dir)?.is_some() {
                open.push(path);
            } else if tables.state_at(key)?.is_none()
                // Something else is recorded there: that is told as changed.
                && tables.state_at(if is_dir { &path } else { &as_dir })?.is_none()
            {
                sink(key.clone(), None)?;
            }
        }
    }
    Ok(())
}

fn list(root: &std::os::fd::OwnedFd, dir: &[u8]) -> io::Result<Vec<(Vec<u8>, bool)>> {
    let fd = sys::open_dir_beneath(root.as_fd(), dir, true)?;
    let mut names = Vec::new();
    let mut unknown = Vec::new();
    sys::read_names(fd.as_fd(), &mut Vec::new(), &mut |name, _, kind| {
        match kind {
            Some(kind) => names.push((name.to_bytes().to_vec(), kind == Kind::Dir)),
            None => unknown.push(name.to_bytes().to_vec()),
        }
        true
    })?;
    for name in unknown {
        let is_dir = sys::stat_at(fd.as_fd(), &name).is_ok_and(|m| m.kind == Kind::Dir);
        names.push((name, is_dir));
    }
    Ok(names)
}
