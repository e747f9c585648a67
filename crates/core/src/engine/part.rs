//! A part of a file: a range of the source, copied like a file of its own.
//!
//! All parts come from one version of the file. What it looked like when the first of them was read (size, times,
//! inode, and the time of the last change of any kind) is kept in the catalog, and looked at before and after each
//! part; a file that is something else gives no part any more, and what stands of it is never joined with anything.
//! The parts of a file are copied one after the other, in order, so that the digest of the whole is made on the
//! way; where a run goes on with a file, it reads what was copied before once more for that.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::retry_on_intr;

use super::content::{CLAIM_FROM, WRITE_BACK_EVERY, is_zero, write_all};
use super::copy::open_sources;
use super::drive::split;
use super::file::Copier;
use super::hash::BLOCK;
use super::work::{Fail, SourceRoot, Work};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::parts::{Version, Wanted};
use crate::digest::{Chain, Chains, Hasher};
use crate::error::{Error, IoContext, Result};
use crate::format::item::{Algorithm, Digest};
use crate::format::part::Part;
use crate::meta::{Meta, Time};
use crate::progress::Progress;
use crate::sys;

/// What has to be known to copy a part.
#[derive(Debug, Clone)]
pub struct Range {
    /// What is recorded of it.
    pub part: Part,
    /// Its bytes.
    pub len: u64,
    /// The split that it belongs to; 0 for a repair.
    pub split: i64,
    /// What the file has to be; `None` for a repair, where the digest decides.
    pub version: Option<Version>,
    /// The digest of the whole so far.
    pub chain: Option<Arc<Mutex<Chain>>>,
}

impl Range {
    /// Of a part that is to be copied for the first time.
    pub(super) fn new(
        wanted: &Wanted,
        len: u64,
        version: Version,
        digest: Option<Algorithm>,
        chains: &mut Chains,
    ) -> Range {
        let chain = digest.map(|algorithm| {
            let chain = chains
                .entry(wanted.split)
                .or_insert_with(|| Arc::new(Mutex::new(Chain::new(algorithm))));
            Arc::clone(chain)
        });
        Range {
            part: wanted.part,
            len,
            split: wanted.split,
            version: Some(version),
            chain,
        }
    }

    /// Of a part that is to be what it was.
    pub(super) fn again(part: Part, len: u64) -> Range {
        Range {
            part,
            len,
            split: 0,
            version: None,
            chain: None,
        }
    }
}

/// What the file looks like from which the part at `path` comes.
///
/// # Errors
/// `Code::Io`.
pub(super) fn look(source: &SourceRoot, path: &[u8]) -> Result<Version> {
    let below = source.below(Part::whole(path));
    let (dir, name) = split(below);
    sys::open_dir_beneath(source.fd.as_fd(), dir, false)
        .and_then(|dir| {
            rustix::fs::statat(&dir, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
                .map_err(std::io::Error::from)
        })
        .map(|stat| version_of(&stat))
        .at("looking at", &source.absolute(Part::whole(path)))
}

fn version_of(stat: &rustix::fs::Stat) -> Version {
    let time = |sec: i64, nsec: u64| Time {
        sec,
        nsec: u32::try_from(nsec).unwrap_or(0),
    };
    #[allow(clippy::unnecessary_cast)]
    Version {
        size: stat.st_size as u64,
        mtime: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
        ino: stat.st_ino as u64,
        ctime: time(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
    }
}

/// Cuts the files that the plan in force places nowhere into parts of `size` bytes; gives how many were cut.
///
/// # Errors
/// What SQLite answers.
pub fn split_unplaced(catalog: &Catalog, run: i64, size: u64) -> Result<u64> {
    let n = catalog.split_unplaced(run, size)?;
    let files = catalog.parts_with_holes(run)?;
    if files.is_empty() {
        return Ok(n);
    }
    // What is a hole costs nothing on a drive. A file that cannot be looked at now is planned in full.
    let sources = open_sources(catalog)?;
    catalog.atomically(|| {
        for file in &files {
            let path = catalog.path_of(&file.whole)?;
            let Some(source) = sources.get(&file.source) else {
                continue;
            };
            let (dir, name) = split(source.below(&path));
            let opened = sys::open_dir_beneath(source.fd.as_fd(), dir, false)
                .and_then(|dir| sys::open_for_reading(dir.as_fd(), name));
            let Some(fd) = opened
                .ok()
                .filter(|fd| sys::file_system_kind(fd.as_fd()).trusts_holes())
            else {
                continue;
            };
            for (name, offset, len) in &file.parts {
                let Ok(bytes) = data_in(&fd, *offset, *len) else {
                    break;
                };
                catalog.note_allocated(file.whole.dir, name, bytes)?;
            }
        }
        Ok(())
    })?;
    Ok(n)
}

/// How many bytes of a range are no hole.
fn data_in(fd: &OwnedFd, offset: u64, len: u64) -> std::io::Result<u64> {
    let (mut pos, end) = (offset, offset + len);
    let mut bytes = 0;
    while pos < end {
        let Some((start, until)) = sys::next_data(fd.as_fd(), pos)? else {
            break;
        };
        bytes += until.min(end).saturating_sub(start.min(end));
        pos = until.max(pos + 1);
    }
    Ok(bytes)
}

impl Copier<'_> {
    /// Whether an open file is what the parts of it come from.
    pub(super) fn check_version(
        &self,
        work: &Work,
        range: &Range,
        from: BorrowedFd<'_>,
    ) -> std::result::Result<(), Fail> {
        let Some(version) = &range.version else {
            return Ok(());
        };
        let stat = rustix::fs::fstat(from)
            .map_err(std::io::Error::from)
            .at("looking at", &work.path)
            .map_err(Fail::Source)?;
        match version_of(&stat) == *version {
            true => Ok(()),
            false => Err(Fail::Changed),
        }
    }

    /// Copies the content of a part; gives the number of bytes, and their digest. The digest of the whole is in
    /// `whole` when this was the last part of it.
    pub(super) fn range(
        &mut self,
        work: &Work,
        range: &Range,
        from: &OwnedFd,
        to: &OwnedFd,
        before: &Meta,
        whole: &mut Option<Digest>,
    ) -> std::result::Result<(u64, Option<Digest>), Fail> {
        let Range { part, len, .. } = *range;
        let sparse = before.allocated < before.size;
        if sparse {
            retry_on_intr(|| rustix::fs::ftruncate(to, len))
                .at("sizing", &work.path)
                .map_err(Fail::Target)?;
        } else if len >= CLAIM_FROM {
            sys::try_claim(to.as_fd(), len)
                .at("claiming space for", &work.path)
                .map_err(Fail::Target)?;
        }
        let chain = range.chain.clone();
        let mut chain = chain
            .as_ref()
            .map(|chain| chain.lock().unwrap_or_else(PoisonError::into_inner));
        // What was read goes into the digest of the whole only when all of it was.
        let mut so_far = match chain.as_deref() {
            Some(chain) if chain.through <= part.offset => {
                let mut hash = chain.hash.clone();
                if chain.through < part.offset {
                    let mut reader = Reader::new(self.cancel, from, work, before);
                    reader.read(chain.through, part.offset, &mut |bytes, _| {
                        hash.update(bytes);
                        Ok(())
                    })?;
                }
                Some(hash)
            }
            _ => None,
        };
        let mut own = self.digest.map(Hasher::new);
        let mut begun = part.offset;
        let progress = self.progress;
        let mut reader = Reader::new(self.cancel, from, work, before);
        reader.read(part.offset, part.offset + len, &mut |bytes, pos| {
            if let Some(own) = &mut own {
                own.update(bytes);
            }
            if let Some(hash) = &mut so_far {
                hash.update(bytes);
            }
            let at = pos - part.offset;
            if !(sparse && is_zero(bytes)) {
                write_all(to, bytes, at)
                    .at("writing", &work.path)
                    .map_err(Fail::Target)?;
            }
            let end = pos + bytes.len() as u64;
            if end - begun >= WRITE_BACK_EVERY {
                sys::begin_write_back(to.as_fd(), begun - part.offset, end - begun);
                begun = end;
            }
            Progress::add(&progress.bytes, bytes.len() as u64);
            Ok(())
        })?;
        if let (Some(chain), Some(hash)) = (chain.as_deref_mut(), so_far) {
            chain.hash = hash;
            chain.through = part.offset + len;
            if chain.through == part.size && Some(chain.algorithm) == self.digest {
                *whole = Some(chain.hash.clone().finish());
            }
        }
        Ok((len, own.map(Hasher::finish)))
    }
}

/// What takes the bytes that were read, with their position.
type Sink<'s> = dyn FnMut(&[u8], u64) -> std::result::Result<(), Fail> + 's;

/// Reads ranges of a file; holes are not read but given as zeros.
struct Reader<'a> {
    cancel: &'a CancelToken,
    from: &'a OwnedFd,
    work: &'a Work,
    told: bool,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(cancel: &'a CancelToken, from: &'a OwnedFd, work: &'a Work, before: &Meta) -> Self {
        let sparse = before.allocated < before.size;
        Reader {
            cancel,
            from,
            work,
            told: sparse && sys::file_system_kind(from.as_fd()).trusts_holes(),
            buffer: vec![0; BLOCK],
        }
    }

    /// All bytes from `start` to before `end`; a file that is shorter has changed.
    fn read(&mut self, start: u64, end: u64, sink: &mut Sink<'_>) -> std::result::Result<(), Fail> {
        let mut pos = start;
        let mut data = if self.told { (0, 0) } else { (start, end) };
        while pos < end {
            // A part may take hours: an orderly stop does not wait for it either.
            if self.cancel.is_stopped() {
                return Err(Fail::Cancelled);
            }
            if pos >= data.1 {
                let next = sys::next_data(self.from.as_fd(), pos)
                    .at("reading", &self.work.path)
                    .map_err(Fail::Source)?;
                data = next.unwrap_or((end, end));
            }
            let hole = pos < data.0;
            let until = if hole {
                data.0.min(end)
            } else {
                data.1.min(end)
            };
            let want = usize::try_from((until - pos).min(BLOCK as u64)).unwrap_or(BLOCK);
            if hole {
                self.buffer[..want].fill(0);
            } else {
                let mut len = 0;
                while len < want {
                    let rest = &mut self.buffer[len..want];
                    let n = retry_on_intr(|| {
                        rustix::io::pread(self.from, &mut *rest, pos + len as u64)
                    })
                    .at("reading", &self.work.path)
                    .map_err(Fail::Source)?;
                    if n == 0 {
                        return Err(Fail::Changed);
                    }
                    len += n;
                }
            }
            sink(&self.buffer[..want], pos)?;
            pos += want as u64;
        }
        Ok(())
    }
}

/// The digest of a range of a file; `None` where the file is shorter. `read` is told after each block how many bytes
/// have been read, and may end it.
///
/// # Errors
/// `Code::Io`, `Code::Cancelled`, what `read` answers.
pub(crate) fn digest_of_range(
    fd: &OwnedFd,
    path: &[u8],
    (offset, len): (u64, u64),
    algorithm: Algorithm,
    cancel: &CancelToken,
    read: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Option<Digest>> {
    let mut hash = Hasher::new(algorithm);
    let mut buffer = vec![0u8; usize::try_from(len.min(BLOCK as u64)).unwrap_or(BLOCK)];
    let mut done = 0;
    while done < len {
        if cancel.is_now() {
            return Err(Error::cancelled());
        }
        let want = usize::try_from((len - done).min(BLOCK as u64)).unwrap_or(BLOCK);
        let n = retry_on_intr(|| rustix::io::pread(fd, &mut buffer[..want], offset + done))
            .at("reading", path)?;
        if n == 0 {
            return Ok(None);
        }
        hash.update(&buffer[..n]);
        done += n as u64;
        read(done)?;
    }
    Ok(Some(hash.finish()))
}
