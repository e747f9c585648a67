//! Good content of another drive, kept on the host until the drive that needs it is in again.
//!
//! For a computer with one place for drives: what a repair needs of another volume is copied into a directory of
//! the host, laid out as on the drive and readable by its owner alone, and the repair reads it from there. A file
//! counts only with the recorded digest, and is checked once more when it is read back. What the other volume turns
//! out not to have is a finding about it, and what finds no room is left for another round.

use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::io::{Errno, retry_on_intr};

use super::content::write_all;
use super::drive::{join, split};
use super::repair::{Origin, open_other};
use super::work::SourceRoot;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::findings::Found;
use crate::digest::Hasher;
use crate::error::{Error, IoContext, Result};
use crate::format::date;
use crate::format::item::{Algorithm, Item};
use crate::format::verify::Word;
use crate::meta::Kind;
use crate::progress::Progress;
use crate::sys;

/// Bytes that are read at a time.
const BLOCK: usize = 1 << 20;

/// What a file costs beside its bytes.
const EACH: u64 = 8192;

/// Findings that are read at once.
const PAGE: u32 = 512;

/// What was kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spooled {
    /// Files that are kept, and their bytes.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Files for which there was no room.
    pub left: u64,
    /// Bytes of these.
    pub left_bytes: u64,
    /// The owner asked for an end.
    pub stopped: bool,
}

/// Copies into `dir` what the findings on `volume` need and the volume at `from` has, at most `most` bytes. `dir` is
/// made anew; its parent exists. `aside`: also of what was changed on the drive.
///
/// # Errors
/// `Code::DriveChanged` where another volume stands at `from`; `Code::Io` where the host's disk fails; `Code::Cancelled`
/// for an immediate end.
pub fn spool(
    catalog: &Catalog,
    volume: u32,
    from: &Origin,
    dir: &[u8],
    (aside, most): (bool, u64),
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Spooled> {
    let mut done = Spooled::default();
    let Some((number, root)) = open_other(catalog, from)? else {
        return Ok(done);
    };
    clear(dir)?;
    fs::DirBuilder::new()
        .mode(0o700)
        .create(Path::new(std::ffi::OsStr::from_bytes(dir)))
        .at("making", dir)?;
    let mut spool = Spool {
        root: &root,
        dir,
        to: sys::open_root(dir)?,
        seen: HashMap::new(),
        cancel,
        progress,
    };
    let mut after = None;
    loop {
        let page = catalog.findings(volume, after.as_ref(), PAGE)?;
        let Some(last) = page.last() else {
            return Ok(done);
        };
        after = Some(last.key.clone());
        for finding in page {
            if cancel.is_stopped() {
                done.stopped = true;
                return Ok(done);
            }
            if finding.word == Word::Changed && !aside {
                continue;
            }
            let placed = catalog.placement(volume, &finding.key)?;
            let Some(placed) = placed.filter(|p| p.item.stored && p.item.kind == Kind::File) else {
                continue;
            };
            if !catalog.holders(volume, &finding.key)?.contains(&number) {
                continue;
            }
            let mut item = placed.item;
            item.path = catalog.path_of(&finding.key)?;
            if done.bytes + item.size + (done.files + 1) * EACH > most {
                done.left += 1;
                done.left_bytes += item.size;
                continue;
            }
            // It may stand there under another name, and the repair looks for it under that.
            let there = catalog.placement(number, &finding.key)?;
            let there = there.and_then(|placed| placed.item.alias);
            match spool.keep(&item, there.as_deref().unwrap_or(&item.path))? {
                Ok(()) => {
                    done.files += 1;
                    done.bytes += item.size;
                }
                Err((word, errno)) => catalog.record_finding(
                    number,
                    &Found {
                        word,
                        errno,
                        checked: date::now(),
                        ..finding
                    },
                )?,
            }
        }
    }
}

/// Removes a spool with all that is in it; nothing is done where there is none.
///
/// # Errors
/// `Code::Io`.
pub fn clear(dir: &[u8]) -> Result<()> {
    match fs::remove_dir_all(Path::new(std::ffi::OsStr::from_bytes(dir))) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).at("removing", dir),
        _ => Ok(()),
    }
}

/// What the other volume turned out not to have.
type Lacking = (Word, Option<i32>);

struct Spool<'a> {
    root: &'a SourceRoot,
    dir: &'a [u8],
    to: OwnedFd,
    /// Files with several names that are kept already, by inode and digest: under which path.
    seen: HashMap<(u64, Option<[u8; 32]>), Vec<u8>>,
    cancel: &'a CancelToken,
    progress: &'a Progress,
}

impl Spool<'_> {
    /// Keeps the file that stands there; the inner error is about the other volume.
    fn keep(&mut self, item: &Item, there: &[u8]) -> Result<Result<(), Lacking>> {
        self.progress.set_current(&item.path);
        let (dir, name) = split(there);
        let opened = sys::open_dir_beneath(self.root.fd.as_fd(), dir, true)
            .and_then(|dir| sys::open_for_reading(dir.as_fd(), name));
        let from = match opened {
            Ok(from) => from,
            Err(e) => return Ok(Err(lacking(&e))),
        };
        let meta = match sys::stat_fd(from.as_fd()) {
            Ok(meta) if meta.kind == Kind::File && meta.size == item.size => meta,
            Ok(_) => return Ok(Err((Word::Changed, None))),
            Err(e) => return Ok(Err(lacking(&e))),
        };
        let whole = join(self.dir, there);
        let parent = self.parent(dir)?;
        let id = (meta.ino, item.digest.map(|d| d.bytes));
        if meta.nlink > 1
            && let Some(first) = self.seen.get(&id)
            && rustix::fs::linkat(
                &self.to,
                &first[..],
                &parent,
                name,
                rustix::fs::AtFlags::empty(),
            )
            .is_ok()
        {
            return Ok(Ok(()));
        }
        let to = sys::create_new(parent.as_fd(), name).at("creating", &whole)?;
        let copied = self.copy(item, from.as_fd(), &to, &whole)?;
        if copied.is_ok() {
            // Attributes and ACLs are in the record, and come from there.
            rustix::fs::futimens(&to, &sys::timestamps(meta.mtime))
                .map_err(std::io::Error::from)
                .at("setting the time of", &whole)?;
            if meta.nlink > 1 {
                self.seen.insert(id, there.to_vec());
            }
        } else {
            sys::unlink(parent.as_fd(), name, false).at("removing", &whole)?;
        }
        sys::close(to).at("closing", &whole)?;
        Progress::add(&self.progress.files, 1);
        Ok(copied)
    }

    fn copy(
        &self,
        item: &Item,
        from: BorrowedFd<'_>,
        to: &OwnedFd,
        whole: &[u8],
    ) -> Result<Result<(), Lacking>> {
        sys::drop_cache(from);
        let by = item.digest.map_or(Algorithm::Sha256, |d| d.algorithm);
        let mut hash = Hasher::new(by);
        let mut block = vec![0; BLOCK.min(item.size as usize + 1)];
        let mut at = 0;
        loop {
            if self.cancel.is_now() {
                return Err(Error::cancelled());
            }
            let n = match retry_on_intr(|| rustix::io::pread(from, &mut block[..], at)) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) => return Ok(Err((Word::Unreadable, Some(e.raw_os_error())))),
            };
            at += n as u64;
            if at > item.size {
                return Ok(Err((Word::Changed, None)));
            }
            hash.update(&block[..n]);
            write_all(to, &block[..n], at - n as u64).at("writing", whole)?;
            Progress::add(&self.progress.bytes, n as u64);
        }
        Ok(match &item.digest {
            _ if at != item.size => Err((Word::Changed, None)),
            Some(want) if hash.finish() != *want => Err((Word::Corrupt, None)),
            _ => Ok(()),
        })
    }

    /// The directory of a path in the spool, made where it is not there.
    fn parent(&self, dir: &[u8]) -> Result<OwnedFd> {
        let mut path = self.dir.to_vec();
        let mut at = sys::open_root(self.dir)?;
        for name in dir.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            path = join(&path, name);
            match sys::make_dir(at.as_fd(), name) {
                Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(e).at("making", &path);
                }
                _ => {}
            }
            at = sys::open_dir_beneath(at.as_fd(), name, true).at("opening", &path)?;
        }
        Ok(at)
    }
}

fn lacking(e: &std::io::Error) -> Lacking {
    match Errno::from_io_error(e) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => (Word::Missing, None),
        errno => (
            Word::Unreadable,
            Some(errno.unwrap_or(Errno::IO).raw_os_error()),
        ),
    }
}
