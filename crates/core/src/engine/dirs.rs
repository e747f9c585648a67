//! Directories on the drive: opened beneath its root, made where they are missing.
//!
//! Something else under the name of a directory is left alone and counts as in the way.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use super::drive::{Drive, join, split};
use crate::error::{Code, Error, IoContext, Result};
use crate::sys;

/// Opens a directory of the drive beneath its root; makes it, and those above it, where they are missing.
pub(super) fn open_or_make(drive: &Drive, dir: &[u8]) -> Result<OwnedFd> {
    let whole = || join(&drive.path, dir);
    let open = |rel: &[u8]| match sys::open_dir_beneath(drive.root.as_fd(), rel, true) {
        Ok(fd) => Ok(Some(fd)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) if is_in_the_way(&e) => Err(in_the_way(&whole())),
        Err(e) => Err(e).at("opening", &whole()),
    };
    if let Some(fd) = open(dir)? {
        return Ok(fd);
    }
    // Mostly only the last one is missing; else down from the root, one by one: thousands of levels must
    // need neither stack nor descriptors.
    let (above, name) = split(dir);
    if let Some(parent) = open(above)? {
        return make_in(&parent, name, &whole);
    }
    let mut parent =
        sys::open_dir_beneath(drive.root.as_fd(), b"", true).at("opening", &whole())?;
    for name in dir.split(|b| *b == b'/') {
        parent = match sys::open_dir_beneath(parent.as_fd(), name, true) {
            Ok(fd) => fd,
            Err(_) => make_in(&parent, name, &whole)?,
        };
    }
    Ok(parent)
}

/// Makes the directory `name` in `parent` and opens it.
fn make_in(parent: &OwnedFd, name: &[u8], whole: &dyn Fn() -> Vec<u8>) -> Result<OwnedFd> {
    match sys::make_dir(parent.as_fd(), name) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        // A directory that came from the source may forbid writing; it is ours to open while we write.
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            rustix::fs::fchmod(parent, rustix::fs::Mode::from_raw_mode(0o700))
                .at("opening for writing", &whole())?;
            sys::make_dir(parent.as_fd(), name).at("making", &whole())?;
        }
        Err(e) => return Err(e).at("making", &whole()),
    }
    match sys::open_dir_beneath(parent.as_fd(), name, true) {
        Ok(fd) => Ok(fd),
        Err(e) if is_in_the_way(&e) => Err(in_the_way(&whole())),
        Err(e) => Err(e).at("opening", &whole()),
    }
}

fn is_in_the_way(e: &std::io::Error) -> bool {
    let errno = e.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::NOTDIR | Errno::LOOP | Errno::XDEV))
}

fn in_the_way(path: &[u8]) -> Error {
    Error {
        errno: Some(Errno::EXIST.raw_os_error()),
        ..Error::new(
            Code::Io,
            "making",
            "something that is no directory stands there",
        )
        .with_path(path)
    }
}
