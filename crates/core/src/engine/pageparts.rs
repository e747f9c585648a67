//! The parts of START-HERE.html: made while the entries of the set go by, for its list or for themselves.
//!
//! They get names that no part on the drive has, so an older page and its parts stay as they are. Those that no page
//! names in the end are taken away again; what a crash leaves of them is when the next page is written.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::Mode;

use super::drive::{Drive, OWN, join, names_in};
use super::setlist::{Claiming, Rows};
use crate::error::{Error, IoContext, Result};
use crate::format::setlist::ListedEntry;
use crate::page::data::{DataWriter, Take, part_file};
use crate::page::largest::Largest;
use crate::page::{self, Parts};
use crate::sys;

/// The rows of the set, as a page takes them.
pub(crate) struct PageRows<T: Take> {
    data: DataWriter<T>,
    largest: Largest,
}

impl<T: Take> PageRows<T> {
    /// Parts go to `to`.
    pub fn new(to: T) -> Self {
        PageRows {
            data: DataWriter::new(to),
            largest: Largest::default(),
        }
    }

    /// How many entries came by, and the largest directories.
    ///
    /// # Errors
    /// Whatever takes the parts answers.
    pub fn finish(&mut self) -> Result<(u64, Largest)> {
        let mut largest = std::mem::take(&mut self.largest);
        largest.finish();
        Ok((self.data.finish()?, largest))
    }
}

impl<T: Take> Rows for PageRows<T> {
    fn entry(&mut self, entry: &ListedEntry) -> Result<()> {
        self.largest.count(entry);
        self.data.push(entry, false)
    }

    fn planned(&mut self, entry: &ListedEntry) -> Result<()> {
        self.data.push(entry, true)
    }
}

/// Rows that become the parts of a page on the drive. Whoever hands them over is not held up by what goes wrong
/// here: [`Draft::finish`] tells.
pub(super) struct Draft<'d> {
    rows: PageRows<Putting<'d>>,
    fault: Option<Error>,
}

/// A draft that is whole.
pub(super) struct Drafted<'d> {
    /// Where its parts are.
    pub parts: Parts,
    /// The largest directories.
    pub largest: Largest,
    /// How many entries it tells of.
    pub entries: u64,
    putting: Putting<'d>,
}

impl<'d> Draft<'d> {
    /// Nothing yet.
    ///
    /// # Errors
    /// What the drive answers.
    pub fn new(drive: &'d Drive) -> Result<Self> {
        let putting = Putting {
            drive,
            kept: Vec::new(),
            names: Vec::new(),
            session: next_session(drive)?,
            is_named: false,
        };
        Ok(Draft {
            rows: PageRows::new(putting),
            fault: None,
        })
    }

    /// Whether it has put anything on the drive.
    pub fn takes_room(&self) -> bool {
        !self.rows.data.to.names.is_empty()
    }

    /// All rows have come by: what is left is put on the drive, durably.
    ///
    /// # Errors
    /// What the drive answered, at any time.
    pub fn finish(self) -> Result<Drafted<'d>> {
        let Draft { mut rows, fault } = self;
        fault.map_or(Ok(()), Err)?;
        let (entries, largest) = rows.finish()?;
        let mut putting = rows.data.to;
        let parts = if putting.names.is_empty() {
            Parts::Inside(std::mem::take(&mut putting.kept))
        } else {
            let path = parts_path(putting.drive);
            sys::sync_file(parts_dir(putting.drive)?.as_fd()).at("flushing", &path)?;
            Parts::Files(putting.names.clone())
        };
        Ok(Drafted {
            parts,
            largest,
            entries,
            putting,
        })
    }
}

impl Rows for Draft<'_> {
    fn entry(&mut self, entry: &ListedEntry) -> Result<()> {
        if self.fault.is_none() {
            self.fault = self.rows.entry(entry).err();
        }
        Ok(())
    }

    fn planned(&mut self, entry: &ListedEntry) -> Result<()> {
        if self.fault.is_none() {
            self.fault = self.rows.planned(entry).err();
        }
        Ok(())
    }
}

impl Drafted<'_> {
    /// The page that names its parts is on the drive, durably: those of older pages go.
    ///
    /// # Errors
    /// What the drive answers.
    pub fn keep(mut self) -> Result<()> {
        self.putting.is_named = true;
        let Putting { drive, session, .. } = self.putting;
        let has_parts = !self.putting.names.is_empty();
        remove_parts(drive, has_parts.then_some(session))
    }
}

/// Puts parts where they belong: the first one is kept while it is short, and a directory is made only when it is not.
struct Putting<'d> {
    drive: &'d Drive,
    kept: Vec<String>,
    names: Vec<String>,
    session: u64,
    /// A page names them: they stay.
    is_named: bool,
}

impl Take for Putting<'_> {
    fn take(&mut self, text: String) -> Result<()> {
        if self.names.is_empty() && self.kept.is_empty() && text.len() <= page::INLINE {
            self.kept.push(text);
            return Ok(());
        }
        for text in std::mem::take(&mut self.kept) {
            self.put(&text)?;
        }
        self.put(&text)
    }
}

impl Putting<'_> {
    fn put(&mut self, text: &str) -> Result<()> {
        let number = self.names.len();
        let name = format!("{}-{number:04}.js", self.session);
        let path = join(&parts_path(self.drive), name.as_bytes());
        let dir = parts_dir(self.drive)?;
        let fd = sys::create_new(dir.as_fd(), name.as_bytes()).at("creating", &path)?;
        self.names.push(name);
        write_whole(fd.into(), &part_file(number, text), &path)
    }
}

impl Drop for Putting<'_> {
    fn drop(&mut self) {
        if self.is_named || self.names.is_empty() {
            return;
        }
        // What is not removed now is when the next page is written.
        if let Ok(dir) = parts_dir(self.drive) {
            for name in &self.names {
                let _ = sys::unlink(dir.as_fd(), name.as_bytes(), false);
            }
        }
        let _ = sys::unlink(self.drive.own.as_fd(), page::PARTS, true);
    }
}

/// The path of the directory of parts.
fn parts_path(drive: &Drive) -> Vec<u8> {
    join(&join(&drive.path, OWN), page::PARTS)
}

/// Opens the directory of parts, made where there is none.
fn parts_dir(drive: &Drive) -> Result<OwnedFd> {
    let path = parts_path(drive);
    match sys::make_dir(drive.own.as_fd(), page::PARTS) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(e).at("making", &path);
        }
        _ => {}
    }
    let fd = sys::open_dir_beneath(drive.own.as_fd(), page::PARTS, true).at("opening", &path)?;
    let _ = rustix::fs::fchmod(&fd, Mode::from_raw_mode(0o755));
    Ok(fd)
}

/// Writes a file that was just created, and flushes it.
pub(super) fn write_whole(file: File, bytes: &[u8], path: &[u8]) -> Result<()> {
    let _ = rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644));
    let mut to = Claiming {
        file,
        written: 0,
        claimed: 0,
    };
    to.write_all(bytes).at("writing", path)?;
    to.flush().at("writing", path)?;
    sys::sync_file(to.file.as_fd()).at("flushing", path)?;
    sys::close(to.file.into()).at("closing", path)
}

/// Removes the parts of all sessions but one.
pub(super) fn remove_parts(drive: &Drive, but: Option<u64>) -> Result<()> {
    let path = parts_path(drive);
    let dir = match sys::open_dir_beneath(drive.own.as_fd(), page::PARTS, true) {
        Ok(dir) => dir,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e).at("opening", &path),
    };
    for (name, is_dir) in names_in(dir.as_fd()).at("listing", &path)? {
        if !is_dir && session_of(&name).is_some_and(|one| Some(one) != but) {
            sys::unlink(dir.as_fd(), &name, false).at("removing", &join(&path, &name))?;
        }
    }
    if but.is_none() {
        match sys::unlink(drive.own.as_fd(), page::PARTS, true) {
            // Something that is not ours is in it.
            Err(e) if e.kind() != std::io::ErrorKind::DirectoryNotEmpty => {
                return Err(e).at("removing", &path);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The number that the name of a part begins with.
fn session_of(name: &[u8]) -> Option<u64> {
    let (number, rest) = std::str::from_utf8(name).ok()?.split_once('-')?;
    rest.ends_with(".js").then(|| number.parse().ok())?
}

/// A number that no part on the drive has.
fn next_session(drive: &Drive) -> Result<u64> {
    let path = parts_path(drive);
    let dir = match sys::open_dir_beneath(drive.own.as_fd(), page::PARTS, true) {
        Ok(dir) => dir,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(1),
        Err(e) => return Err(e).at("opening", &path),
    };
    let names = names_in(dir.as_fd()).at("listing", &path)?;
    let last = names.iter().filter_map(|(name, _)| session_of(name)).max();
    Ok(last.map_or(1, |last| last.saturating_add(1)))
}
