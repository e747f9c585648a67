//! The private place of the destination for what is in work: files and directories get their names from there by renames.
//!
//! What is in work has a number. So many of them lie in one directory: ext4 makes a file near its directory, and with
//! one directory for all it looks, for each file, through everything that the ones before it have filled.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;

use crate::engine::drive::join;
use crate::error::{IoContext, Result};
use crate::sys;

/// Numbers of one directory.
const FILES: u64 = 8192;

/// Directories for files in work, and directories in work in them.
const PLACE_DEPTH: u32 = 2;

/// Something in work, or about to be.
#[derive(Debug, Clone)]
pub(super) struct Temp {
    /// Its number.
    pub number: u64,
    /// The directory that it is in.
    pub dir: Arc<OwnedFd>,
    /// Its name there.
    pub name: Vec<u8>,
}

impl Temp {
    /// Removes it, if it is a file. That it can't be removed is no news: the whole place goes.
    pub fn remove(&self) {
        let _ = sys::unlink(self.dir.as_fd(), &self.name, false);
    }
}

/// The place, open.
#[derive(Debug)]
pub(super) struct Workplace {
    pub fd: OwnedFd,
    /// Where it is, for messages.
    path: Vec<u8>,
    /// The directories that something may be in.
    dirs: BTreeMap<u64, Arc<OwnedFd>>,
    next: u64,
}

impl Workplace {
    pub fn new(fd: OwnedFd, path: Vec<u8>) -> Self {
        Workplace {
            fd,
            path,
            dirs: BTreeMap::new(),
            next: 0,
        }
    }

    /// A number and name that nothing in work has.
    ///
    /// # Errors
    /// `Code::Io` where a new directory is due and cannot be made.
    pub fn temp(&mut self) -> Result<Temp> {
        let number = self.next;
        let in_dir = number / FILES;
        let dir = match self.dirs.get(&in_dir) {
            Some(dir) => Arc::clone(dir),
            None => {
                let name = in_dir.to_string().into_bytes();
                let path = join(&self.path, &name);
                sys::make_dir(self.fd.as_fd(), &name).at("making", &path)?;
                let dir =
                    sys::open_dir_beneath(self.fd.as_fd(), &name, true).at("opening", &path)?;
                let dir = Arc::new(dir);
                self.dirs.insert(in_dir, Arc::clone(&dir));
                dir
            }
        };
        self.next += 1;
        Ok(Temp {
            number,
            dir,
            name: name_of(number),
        })
    }

    /// What has this number, as long as its directory is there.
    pub fn find(&self, number: u64) -> Option<Temp> {
        let dir = self.dirs.get(&(number / FILES))?;
        Some(Temp {
            number,
            dir: Arc::clone(dir),
            name: name_of(number),
        })
    }

    /// Removes the directories that are full and empty again.
    pub fn tidy(&mut self) {
        let (fd, last) = (&self.fd, self.next / FILES);
        self.dirs.retain(|&number, _| {
            let name = number.to_string().into_bytes();
            // What is still in work keeps it.
            number >= last || sys::unlink(fd.as_fd(), &name, true).is_err()
        });
    }

    /// Removes all that is in it.
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn clear(&mut self) -> Result<()> {
        self.dirs.clear();
        clear(self.fd.as_fd(), &self.path)
    }
}

fn name_of(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// Removes all that is in a private place: files, and directories with what is in them.
pub(super) fn clear(dir: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
    clear_to(dir, path, PLACE_DEPTH)
}

fn clear_to(dir: BorrowedFd<'_>, path: &[u8], depth: u32) -> Result<()> {
    let mut before = Vec::new();
    loop {
        let mut names = Vec::new();
        let again = sys::open_dir_beneath(dir, b"", true).at("opening", path)?;
        sys::read_names(again.as_fd(), &mut Vec::new(), &mut |name, _, _| {
            names.push(name.to_bytes().to_vec());
            names.len() < 10_000
        })
        .at("reading", path)?;
        // What comes back when it is removed ends nothing but this.
        if names.is_empty() || names == before {
            return Ok(());
        }
        before.clone_from(&names);
        for name in names {
            let whole = join(path, &name);
            match sys::unlink(dir, &name, false) {
                Ok(()) => {}
                Err(e) if is_dir_error(&e) => {
                    if depth > 0 {
                        let below =
                            sys::open_dir_beneath(dir, &name, true).at("opening", &whole)?;
                        clear_to(below.as_fd(), &whole, depth - 1)?;
                    }
                    sys::unlink(dir, &name, true).at("removing", &whole)?;
                }
                Err(e) => return Err(e).at("removing", &whole),
            }
        }
    }
}

/// unlink(2) of a directory: EISDIR on Linux, EPERM by POSIX.
fn is_dir_error(e: &std::io::Error) -> bool {
    let errno = e.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::ISDIR | Errno::PERM))
}
