//! The destination of a restore: its held descriptor, its directories, and the private place for files in work.
//!
//! Everything is opened beneath the descriptor of the destination, with no symlink followed and no other mount
//! entered. Files and directories are made in `.mvcopy/restore-SESSION`, a name that no entry of a set can
//! have, and get their names by renames that replace nothing unasked. That place is locked while it is in use,
//! so what a broken run left can be told from what another one is working with. Directories that a broken run
//! made are known from its notes, and get their owners, modes and times from the next one.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FlockOperation, Mode, flock};
use rustix::io::Errno;

use super::workplace::{Temp, Workplace, clear};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::engine::drive::{OWN, join, split};
use crate::error::{Code, Error, IoContext, Result};
use crate::format::item::check_path;
use crate::meta::Time;
use crate::progress::Progress;
use crate::sys;

/// How the names of our private places begin.
const PLACE: &[u8] = b"restore-";

/// The notes of which directories were made: paths, each with a NUL behind it.
const NOTES: &[u8] = b"dirs";

/// Notes of more bytes than this are not ours.
const MOST_NOTES: u64 = 1 << 30;

/// File systems of the FAT family keep times in steps of up to this many seconds.
const COARSE: i64 = 2;

/// An open destination.
#[derive(Debug)]
pub struct Target {
    /// Where it is.
    pub path: Vec<u8>,
    /// Held open from before the first write, so that its flush sees every failed one.
    pub(super) root: OwnedFd,
    own: OwnedFd,
    made_own: bool,
    place: Vec<u8>,
    /// Where files are in work; locked.
    work: Workplace,
    /// `None` once the place is cleared away.
    notes: Option<File>,
    /// Seconds by which equal times may differ: its file system keeps no better ones.
    pub(super) window: i64,
    /// The directory that was opened last, by its path.
    last: Option<(Vec<u8>, Arc<OwnedFd>)>,
    /// Directories that were made while the drive in hand is read, each in the one before it.
    fresh: Vec<Vec<u8>>,
}

impl Target {
    /// Opens a destination and clears away what broken runs have left there. `session`: 16 hexadecimal digits
    /// that nobody else has.
    ///
    /// # Errors
    /// `Code::BadInput` for a drive of a set, `Code::Io`.
    pub fn open(path: &[u8], session: &str) -> Result<Target> {
        let own_path = join(path, OWN);
        let root = sys::open_root(path)?;
        let made_own = match sys::make_dir(root.as_fd(), OWN) {
            Ok(()) => true,
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => false,
            Err(e) => return Err(e).at("making", &own_path),
        };
        let own = sys::open_dir_beneath(root.as_fd(), OWN, true).at("opening", &own_path)?;
        if sys::stat_at(own.as_fd(), b"volume.json").is_ok() {
            let message = "it is a drive of a set, whose lists would not be true any more";
            return Err(Error::new(Code::BadInput, "restoring to", message).with_path(path));
        }
        let place = [PLACE, session.as_bytes()].concat();
        let place_path = join(&own_path, &place);
        sys::make_dir(own.as_fd(), &place).at("making", &place_path)?;
        let tmp = sys::open_dir_beneath(own.as_fd(), &place, true).at("opening", &place_path)?;
        // What is made in it is to have no other ACL than its own.
        sys::drop_default_acl(tmp.as_fd());
        // A file system without locks has nobody else to tell from.
        let _ = flock(&tmp, FlockOperation::NonBlockingLockExclusive);
        let notes = sys::create_new(tmp.as_fd(), NOTES).at("creating", &place_path)?;
        let mut target = Target {
            path: path.to_vec(),
            root,
            own,
            made_own,
            place,
            work: Workplace::new(tmp, place_path),
            notes: Some(File::from(notes)),
            window: 0,
            last: None,
            fresh: Vec::new(),
        };
        target.window = target.time_step()?;
        Ok(target)
    }

    /// Takes over from broken runs: the directories that they made are noted, what they had in work goes.
    ///
    /// What is right of files in parts counts as brought back; looking for that is what `progress` tells of.
    ///
    /// # Errors
    /// `Code::Io`, `Code::Cancelled`, what SQLite answers.
    pub fn take_over(
        &mut self,
        catalog: &Catalog,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<()> {
        let own_path = join(&self.path, OWN);
        let mut places = Vec::new();
        let own = sys::open_dir_beneath(self.root.as_fd(), OWN, true).at("opening", &own_path)?;
        sys::read_names(own.as_fd(), &mut Vec::new(), &mut |name, _, _| {
            let name = name.to_bytes();
            let session = name.strip_prefix(PLACE).unwrap_or_default();
            let ours = session.len() == 16 && session.iter().all(u8::is_ascii_hexdigit);
            if ours && name != self.place {
                places.push(name.to_vec());
            }
            places.len() < 1000
        })
        .at("reading", &own_path)?;
        for place in places {
            let path = join(&own_path, &place);
            let Ok(dir) = sys::open_dir_beneath(own.as_fd(), &place, true) else {
                continue;
            };
            // Somebody works with it.
            if flock(&dir, FlockOperation::NonBlockingLockExclusive).is_err() {
                continue;
            }
            self.read_notes(dir.as_fd(), catalog, &path)?;
            clear(dir.as_fd(), &path)?;
            sys::unlink(own.as_fd(), &place, true).at("removing", &path)?;
        }
        self.resume_parts(catalog, cancel, progress)
    }

    fn read_notes(&mut self, dir: BorrowedFd<'_>, catalog: &Catalog, path: &[u8]) -> Result<()> {
        let path = join(path, NOTES);
        let regular = |fd: &OwnedFd| {
            sys::stat_fd(fd.as_fd()).is_ok_and(|m| m.kind == crate::meta::Kind::File)
        };
        let Some(fd) = sys::open_for_reading(dir, NOTES).ok().filter(regular) else {
            return Ok(());
        };
        let mut text = Vec::new();
        File::from(fd)
            .take(MOST_NOTES)
            .read_to_end(&mut text)
            .at("reading", &path)?;
        // What a power cut has torn is passed over.
        for dir in text.split(|b| *b == 0) {
            if check_path(dir).is_ok()
                && sys::open_dir_beneath(self.root.as_fd(), dir, true).is_ok()
            {
                self.note(catalog, dir)?;
            }
        }
        Ok(())
    }

    /// Notes a directory that was made, or is about to be.
    fn note(&mut self, catalog: &Catalog, path: &[u8]) -> Result<()> {
        if let Some(notes) = &mut self.notes {
            notes
                .write_all(&[path, b"\0"].concat())
                .at("noting the directories made in", &self.path)?;
        }
        catalog.restore_note_dir(path, None)
    }

    /// What the file system makes of a time: the seconds by which equal ones may differ.
    fn time_step(&mut self) -> Result<i64> {
        let temp = self.temp()?;
        let fd =
            sys::create_new(temp.dir.as_fd(), &temp.name).at("creating a file in", &self.path)?;
        let odd = Time {
            sec: 1_700_000_001,
            nsec: 123_456_789,
        };
        let kept = rustix::fs::futimens(&fd, &sys::timestamps(odd))
            .map_err(std::io::Error::from)
            .and_then(|()| sys::stat_fd(fd.as_fd()))
            .is_ok_and(|meta| meta.mtime == odd);
        drop(fd);
        temp.remove();
        Ok(if kept { 0 } else { COARSE })
    }

    /// A place for something in work.
    ///
    /// # Errors
    /// `Code::Io`.
    pub(super) fn temp(&mut self) -> Result<Temp> {
        self.work.temp()
    }

    /// What is in work under a number.
    pub(super) fn find_temp(&self, number: u64) -> Option<Temp> {
        self.work.find(number)
    }

    /// Clears away what the private place does not need any more.
    pub(super) fn tidy(&mut self) {
        self.work.tidy();
    }

    /// Opens a directory of the destination, if it is there.
    ///
    /// # Errors
    /// `Code::Io`; `Code::Collision` where something that is no directory stands there, or another file system
    /// is mounted.
    pub(super) fn open_dir(&mut self, rel: &[u8]) -> Result<Option<Arc<OwnedFd>>> {
        if let Some((path, fd)) = &self.last
            && path == rel
        {
            return Ok(Some(Arc::clone(fd)));
        }
        match sys::open_dir_beneath(self.root.as_fd(), rel, true) {
            Ok(fd) => {
                let fd = Arc::new(fd);
                self.last = Some((rel.to_vec(), Arc::clone(&fd)));
                Ok(Some(fd))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(blocked(e, &join(&self.path, rel))),
        }
    }

    /// Opens a directory of the destination; makes it, and those above it, where they are missing. `attributes`
    /// is called for each that is new, before it has its name.
    ///
    /// # Errors
    /// As [`Target::open_dir`].
    pub(super) fn make_dirs(
        &mut self,
        rel: &[u8],
        catalog: &Catalog,
        attributes: &mut dyn FnMut(&[u8], BorrowedFd<'_>),
    ) -> Result<Arc<OwnedFd>> {
        if let Some(fd) = self.open_dir(rel)? {
            return Ok(fd);
        }
        // Down from what is there, one by one: thousands of levels must need neither stack nor descriptors.
        let mut at = self.open_root()?;
        let mut end = 0;
        while end < rel.len() {
            let start = if end == 0 { 0 } else { end + 1 };
            end = rel[start..]
                .iter()
                .position(|b| *b == b'/')
                .map_or(rel.len(), |n| start + n);
            let path = join(&self.path, &rel[..end]);
            at = match sys::open_dir_beneath(at.as_fd(), &rel[start..end], true) {
                Ok(fd) => fd,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    self.make_dir(at.as_fd(), &rel[..end], catalog, attributes)?
                }
                Err(e) => return Err(blocked(e, &path)),
            };
        }
        let fd = Arc::new(at);
        self.last = Some((rel.to_vec(), Arc::clone(&fd)));
        Ok(fd)
    }

    fn open_root(&self) -> Result<OwnedFd> {
        sys::open_dir_beneath(self.root.as_fd(), b"", true).at("opening", &self.path)
    }

    /// Makes a directory, in the private place first: one that is made where it belongs would inherit the ACLs
    /// and the group of the directory above.
    fn make_dir(
        &mut self,
        above: BorrowedFd<'_>,
        rel: &[u8],
        catalog: &Catalog,
        attributes: &mut dyn FnMut(&[u8], BorrowedFd<'_>),
    ) -> Result<OwnedFd> {
        let path = join(&self.path, rel);
        self.note(catalog, rel)?;
        let Temp {
            dir, name: temp, ..
        } = self.temp()?;
        sys::make_dir(dir.as_fd(), &temp).at("making", &path)?;
        let fd = sys::open_dir_beneath(dir.as_fd(), &temp, true).at("opening", &path)?;
        attributes(rel, fd.as_fd());
        let name = split(rel).1;
        let renamed = self.with_access(catalog, above, split(rel).0, &mut || {
            sys::rename(dir.as_fd(), &temp, above, name, false)
        });
        if let Err(e) = renamed {
            let _ = sys::unlink(dir.as_fd(), &temp, true);
            return Err(blocked(e, &path));
        }
        self.leave_fresh(rel);
        self.fresh.push(rel.to_vec());
        Ok(fd)
    }

    /// Whether a directory was made while the drive in hand is read: nothing is in it but what came from there. It may
    /// answer no though it was.
    pub(super) fn is_fresh(&mut self, rel: &[u8]) -> bool {
        self.leave_fresh(rel);
        self.fresh.last().is_some_and(|path| path == rel)
    }

    /// Forgets the fresh directories that `rel` is neither nor lies in.
    fn leave_fresh(&mut self, rel: &[u8]) {
        let holds = |dir: &Vec<u8>| {
            let below = rel.strip_prefix(dir.as_slice());
            below.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        while self.fresh.last().is_some_and(|dir| !holds(dir)) {
            self.fresh.pop();
        }
    }

    /// What is there from now on counts, whoever has put it there.
    pub(super) fn begin_drive(&mut self) {
        self.fresh.clear();
    }

    /// Does something in a directory; where that is forbidden and the directory is one that this restore is to
    /// set right in the end (a broken run may have done so already), it is opened for writing and tried again.
    pub(super) fn with_access(
        &self,
        catalog: &Catalog,
        dir: BorrowedFd<'_>,
        rel: &[u8],
        act: &mut dyn FnMut() -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let first = act();
        let Err(e) = &first else {
            return first;
        };
        let forbidden = e.kind() == std::io::ErrorKind::PermissionDenied;
        if forbidden && catalog.restore_knows_dir(rel).unwrap_or(false) {
            rustix::fs::fchmod(dir, Mode::from_raw_mode(0o700))?;
            return act();
        }
        first
    }

    /// Flushes all that was written so far (syncfs(2)).
    ///
    /// # Errors
    /// `Code::DriveFailed`: what was written since the last flush may be lost. Never tried again.
    pub(super) fn flush(&self) -> Result<()> {
        sys::sync_file_system(self.root.as_fd())
            .at("flushing", &self.path)
            .map_err(|e| e.with_code(Code::DriveFailed))
    }

    /// The directory `.mvcopy` of the destination.
    pub(super) fn own_dir(&self) -> &OwnedFd {
        &self.own
    }

    /// Removes the private place; the destination is as the user expects it then.
    ///
    /// # Errors
    /// `Code::Io`.
    pub(super) fn clear(&mut self) -> Result<()> {
        // FUSE keeps a file that is removed while it is open under another name, beside it.
        self.notes = None;
        let path = join(&join(&self.path, OWN), &self.place);
        self.work.clear()?;
        sys::unlink(self.own.as_fd(), &self.place, true).at("removing", &path)?;
        if self.made_own || self.is_empty_own() {
            // Another restore may have its place there.
            let _ = sys::unlink(self.root.as_fd(), OWN, true);
        }
        Ok(())
    }

    fn is_empty_own(&self) -> bool {
        let mut any = false;
        let read = sys::open_dir_beneath(self.root.as_fd(), OWN, true).and_then(|own| {
            sys::read_names(own.as_fd(), &mut Vec::new(), &mut |_, _, _| {
                any = true;
                false
            })
        });
        read.is_ok() && !any
    }
}

/// An error at a directory of the destination, in words that say what stands in the way.
fn blocked(e: std::io::Error, path: &[u8]) -> Error {
    let message = match e.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOTDIR | Errno::LOOP | Errno::EXIST) => {
            "something that is no directory stands there"
        }
        Some(Errno::XDEV) => {
            "another file system is mounted there: restore to that place by itself"
        }
        _ => return Error::io("making the directory", path, &e),
    };
    Error::new(Code::Collision, "making the directory", message).with_path(path)
}
