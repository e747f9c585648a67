//! The content of one file: read from the drive, hashed and written in one pass, checked, and given its owner,
//! attributes, mode and times while it has no name yet.
//!
//! Holes stay holes: where the drive's file system tells them they are asked for; elsewhere long runs of zeros
//! are left out, because such a drive holds them in full whatever the source did.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::PoisonError;

use rustix::io::retry_on_intr;

use super::copier::{Copier, Fail, bad};
use super::pool::Job;
use crate::engine::content::{CLAIM_FROM, SMALL, WRITE_BACK_EVERY, is_zero, write_all};
use crate::engine::hash::{BLOCK, HashThread};
use crate::error::{Code, Error, IoContext};
use crate::format::item::{Algorithm, Digest, Item};
use crate::meta::{Kind, Meta};
use crate::progress::Progress;
use crate::sys;

/// On a drive that does not tell holes: as many zeros in a row, on such a boundary, become one.
const ZERO_RUN: usize = 64 * 1024;

impl Copier<'_> {
    /// Brings the content of a file into its temp file; answers whether further names of it may come. Where it fails
    /// there is no temp file, but for [`Fail::Kept`].
    pub(super) fn file(&mut self, job: &Job) -> Result<bool, Fail> {
        let item = &job.placed.item;
        self.ends.progress.set_current(&job.wanted.path);
        let path = self.ends.on_drive(item.on_drive());
        let from = self.open_file(item, &path)?;
        let meta = sys::stat_fd(from.as_fd())
            .at("looking at", &path)
            .map_err(Fail::Copy)?;
        if meta.kind != Kind::File {
            return Err(Fail::Copy(bad(&path, "it is no regular file")));
        }
        let wrong_size = meta.size != item.size;
        // One that is larger may be larger than any disk: nothing of it is worth keeping.
        if wrong_size && (!self.ends.keep_bad || meta.size > item.size) {
            return Err(Fail::Copy(bad(&path, "it has another size than recorded")));
        }
        let to = sys::create_new(job.temp.dir.as_fd(), &job.temp.name)
            .at("creating a file in", &self.ends.target)
            .map_err(Fail::Target)?;
        let result = self
            .fill(item, &from, &to, &meta, &path, wrong_size)
            .and_then(|()| self.dress(item, Some(&from), &to, &path));
        let closed = sys::close(to)
            .at("closing", &self.ends.target)
            .map_err(Fail::Target);
        match result.and(closed) {
            // A file system without links says 1 of every file, whatever the manifest says.
            Ok(()) => Ok(meta.nlink > 1 || !self.ends.tells_holes || item.link.is_some()),
            Err(Fail::Copy(e)) if self.ends.keep_bad => Err(Fail::Kept(e)),
            Err(e) => {
                job.temp.remove();
                Err(e)
            }
        }
    }

    /// Copies and checks the content.
    fn fill(
        &mut self,
        item: &Item,
        from: &OwnedFd,
        to: &OwnedFd,
        meta: &Meta,
        path: &[u8],
        wrong_size: bool,
    ) -> Result<(), Fail> {
        let algorithm = item.digest.map(|digest| digest.algorithm);
        let (len, digest) = if meta.size <= SMALL && meta.allocated >= meta.size {
            self.small(from, to, meta.size, path, algorithm)?
        } else {
            // A drive that has to seek gives one long stream at a time.
            let turn = self.ends.large_turn.as_ref();
            let _turn = turn.map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
            self.large(from, to, meta, path, algorithm)?
        };
        if wrong_size || len != item.size {
            return Err(Fail::Copy(bad(path, "it has another size than recorded")));
        }
        if item.digest.is_none() {
            self.lost.unchecked += 1;
        } else if item.digest != digest {
            let message = "its content is not what was recorded: the digest is another";
            return Err(Fail::Copy(bad(path, message)));
        }
        Ok(())
    }

    fn small(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        size: u64,
        path: &[u8],
        algorithm: Option<Algorithm>,
    ) -> Result<(u64, Option<Digest>), Fail> {
        // One byte more than a small file has: one that grows is noticed.
        self.buffer.resize(SMALL as usize + 1, 0);
        let mut len = 0;
        while len < self.buffer.len() {
            let rest = &mut self.buffer[len..];
            let n = retry_on_intr(|| rustix::io::pread(from, &mut *rest, len as u64))
                .at("reading", path)
                .map_err(Fail::Copy)?;
            len += n;
            // Less than there was room for, and all that is to be there: the end has been met.
            if n == 0 || (len < self.buffer.len() && len as u64 >= size) {
                break;
            }
        }
        let bytes = &self.buffer[..len];
        write_all(to, bytes, 0)
            .at("writing in", &self.ends.target)
            .map_err(Fail::Target)?;
        Progress::add(&self.ends.progress.bytes, len as u64);
        let digest = algorithm.map(|algorithm| Digest::of(algorithm, bytes));
        Ok((len as u64, digest))
    }

    fn large(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        meta: &Meta,
        path: &[u8],
        algorithm: Option<Algorithm>,
    ) -> Result<(u64, Option<Digest>), Fail> {
        // A drive may have digests of both kinds; most have one.
        let mut hasher = match self.hasher.take() {
            Some((of, hasher)) if of == algorithm => hasher,
            _ => HashThread::start(algorithm)
                .at("starting a thread for", path)
                .map_err(Fail::Target)?,
        };
        let sparse = meta.allocated < meta.size || !self.ends.tells_holes;
        if sparse {
            // First the size: writes that lengthen a file make XFS set space aside in what is to be a hole.
            self.size(to, meta.size)?;
        } else if meta.size >= CLAIM_FROM {
            sys::try_claim(to.as_fd(), meta.size)
                .at("claiming space in", &self.ends.target)
                .map_err(Fail::Target)?;
        }
        let copied = self.blocks(&mut hasher, from, to, meta, path, sparse);
        let digest = hasher.finish();
        let len = copied?;
        let digest = digest.ok_or_else(|| Fail::Target(dead()))?;
        self.hasher = Some((algorithm, hasher));
        if sparse && len != meta.size {
            self.size(to, len)?;
        }
        Ok((len, digest))
    }

    fn size(&self, to: &OwnedFd, size: u64) -> Result<(), Fail> {
        retry_on_intr(|| rustix::fs::ftruncate(to, size))
            .at("sizing a file in", &self.ends.target)
            .map_err(Fail::Target)
    }

    #[allow(clippy::too_many_arguments)]
    fn blocks(
        &mut self,
        hasher: &mut HashThread,
        from: &OwnedFd,
        to: &OwnedFd,
        meta: &Meta,
        path: &[u8],
        sparse: bool,
    ) -> Result<u64, Fail> {
        let dead = || Fail::Target(dead());
        let native = self.ends.tells_holes;
        let (mut pos, mut begun) = (0u64, 0u64);
        let mut data_end = if sparse && native { 0 } else { u64::MAX };
        let progress = self.ends.progress;
        let part = progress.in_hand(path, meta.size);
        loop {
            part.at(pos);
            if self.ends.cancel.is_stopped() {
                return Err(Fail::Cancelled);
            }
            // More than it said a moment ago: it is not what was recorded, however long it goes on.
            if pos > meta.size {
                return Ok(pos);
            }
            if pos >= data_end {
                let next = sys::next_data(from.as_fd(), pos)
                    .at("reading", path)
                    .map_err(Fail::Copy)?;
                let (start, end) = next.unwrap_or((meta.size.max(pos), u64::MAX));
                hasher.zeros(start - pos).ok_or_else(dead)?;
                Progress::add(&self.ends.progress.bytes, start - pos);
                pos = start;
                data_end = end;
                if next.is_none() {
                    return Ok(pos);
                }
            }
            let want = usize::try_from((data_end - pos).min(BLOCK as u64)).unwrap_or(BLOCK);
            let block = hasher.block().ok_or_else(dead)?;
            let mut len = 0;
            while len < want {
                let rest = &mut block[len..want];
                let n = retry_on_intr(|| rustix::io::pread(from, &mut *rest, pos + len as u64))
                    .at("reading", path)
                    .map_err(Fail::Copy)?;
                if n == 0 {
                    break;
                }
                len += n;
            }
            if len == 0 {
                return Ok(pos);
            }
            hasher.send(len).ok_or_else(dead)?;
            let bytes = &hasher.sent()[..len];
            match (sparse, native) {
                (true, true) if is_zero(bytes) => Ok(()),
                (true, false) => write_without_zeros(to, bytes, pos),
                _ => write_all(to, bytes, pos),
            }
            .at("writing in", &self.ends.target)
            .map_err(Fail::Target)?;
            pos += len as u64;
            Progress::add(&self.ends.progress.bytes, len as u64);
            if pos - begun >= WRITE_BACK_EVERY {
                sys::begin_write_back(to.as_fd(), begun, pos - begun);
                begun = pos;
            }
        }
    }
}

/// Writes what is no long run of zeros; the rest is a hole in a file that has its size already.
fn write_without_zeros(to: &OwnedFd, bytes: &[u8], pos: u64) -> std::io::Result<()> {
    for (n, run) in bytes.chunks(ZERO_RUN).enumerate() {
        if !is_zero(run) {
            write_all(to, run, pos + (n * ZERO_RUN) as u64)?;
        }
    }
    Ok(())
}

fn dead() -> Error {
    Error::new(Code::Internal, "hashing", "the thread has ended")
}
