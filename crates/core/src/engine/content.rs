//! The content of one file: read, hashed and written in one pass, holes kept.
//!
//! Small files go through one buffer; larger ones in blocks, with the digest made on a thread of its own.
//! What is written is what was hashed. It does not set metadata, and looks at no name.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::PoisonError;

use rustix::io::{Errno, retry_on_intr};

use super::file::Copier;
use super::hash::{BLOCK, HashThread};
use super::work::{Fail, Work};
use crate::cancel::CancelToken;
use crate::digest::Hasher;
use crate::error::{Error, IoContext, Result};
use crate::format::item::{Algorithm, Digest};
use crate::meta::Meta;
use crate::progress::Progress;
use crate::sys;

/// Files up to this size are read whole, hashed and written in one go.
pub(crate) const SMALL: u64 = 256 * 1024;

/// Fewer bytes allocated than there are mean a hole from here on; what is less may lie in its inode.
const BLOCK_OF_A_HOLE: u64 = 4096;

/// From this size on, space is claimed before the first byte.
pub(crate) const CLAIM_FROM: u64 = 1 << 20;

/// Bytes after which the kernel is told to begin writing. Left to itself it collects a tenth of the memory
/// first, and then the barrier does all of the device's work while nothing is copied.
pub(crate) const WRITE_BACK_EVERY: u64 = 16 << 20;

/// Files larger than this are dropped, not finished, when an orderly stop is asked for.
const FINISH_UP_TO: u64 = 8 << 20;

impl Copier<'_> {
    /// Copies the content; gives the number of bytes and their digest.
    pub(super) fn content(
        &mut self,
        work: &Work,
        from: &OwnedFd,
        to: &OwnedFd,
        before: &Meta,
    ) -> std::result::Result<(u64, Option<Digest>), Fail> {
        // A small file with a hole of a block or more keeps it: that is the long way's business.
        if before.size <= SMALL && before.allocated + BLOCK_OF_A_HOLE > before.size {
            return self.small(work, from, to, before);
        }
        // A drive that has to seek gets one long stream at a time.
        let turn = self.large_turn.clone();
        let _turn = turn
            .as_ref()
            .map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        if before.dev == self.drive_device {
            if sys::try_clone(to.as_fd(), from.as_fd())
                .at("cloning", &work.path)
                .map_err(Fail::Target)?
            {
                // The digest is that of what stands on the drive.
                return self.large(work, to, None, before);
            }
            if work.source.server_copy && self.server_copy(work, from, to, before.size)? {
                return self.large(work, to, None, before);
            }
        }
        let sparse = before.allocated < before.size;
        if !sparse && before.size >= CLAIM_FROM {
            sys::try_claim(to.as_fd(), before.size)
                .at("claiming space for", &work.path)
                .map_err(Fail::Target)?;
        }
        self.large(work, from, Some(to), before)
    }

    fn small(
        &mut self,
        work: &Work,
        from: &OwnedFd,
        to: &OwnedFd,
        before: &Meta,
    ) -> std::result::Result<(u64, Option<Digest>), Fail> {
        let size = before.size;
        let mut len = 0;
        loop {
            if len == self.buffer.len() {
                if size == 0 {
                    // /proc and the like say 0 whatever they hold.
                    return self.large(work, from, Some(to), before);
                }
                // It grew beyond what it was a moment ago.
                return Err(Fail::Changed);
            }
            let n = retry_on_intr(|| rustix::io::read(from, &mut self.buffer[len..]))
                .at("reading", &work.path)
                .map_err(Fail::Source)?;
            len += n;
            // A read that leaves room and gives what the size promised has met the end. Where the size
            // says 0 (/proc) only an empty read does; a file that lies is found out afterwards.
            if n == 0 || (len < self.buffer.len() && size > 0 && len as u64 >= size) {
                break;
            }
        }
        let bytes = &self.buffer[..len];
        write_all(to, bytes, 0)
            .at("writing", &work.path)
            .map_err(Fail::Target)?;
        Progress::add(&self.progress.bytes, len as u64);
        let digest = self.digest.map(|algorithm| Digest::of(algorithm, bytes));
        Ok((len as u64, digest))
    }

    /// Server-side copy (copy_file_range(2)); `false`: not supported, nothing was written.
    fn server_copy(
        &mut self,
        work: &Work,
        from: &OwnedFd,
        to: &OwnedFd,
        size: u64,
    ) -> std::result::Result<bool, Fail> {
        let mut done = 0u64;
        while done < size {
            self.check_cancel(size)?;
            let step = usize::try_from((size - done).min(64 << 20)).unwrap_or(BLOCK);
            match sys::try_copy_range(to.as_fd(), from.as_fd(), step)
                .at("copying", &work.path)
                .map_err(Fail::Target)?
            {
                None if done == 0 => return Ok(false),
                None | Some(0) => return Err(Fail::Changed),
                Some(n) => done += n as u64,
            }
        }
        Ok(true)
    }

    /// Reads `from` block by block, hashes on the other thread and, if there is a `to`, writes what is
    /// no hole.
    fn large(
        &mut self,
        work: &Work,
        from: &OwnedFd,
        to: Option<&OwnedFd>,
        before: &Meta,
    ) -> std::result::Result<(u64, Option<Digest>), Fail> {
        if self.hasher.is_none() {
            let started = HashThread::start(self.digest).at("starting a thread for", &work.path);
            self.hasher = Some(started.map_err(Fail::Source)?);
        }
        let sparse = before.allocated < before.size;
        if let (Some(to), true) = (to, sparse) {
            // Writes that lengthen a file make XFS set space aside behind them, in what is to be a hole.
            retry_on_intr(|| rustix::fs::ftruncate(to, before.size))
                .at("sizing", &work.path)
                .map_err(Fail::Target)?;
        }
        let mut pos = 0u64;
        // The end of the stretch of data in hand; without holes, of the file.
        // Asked of the file: below a source's root other file systems may be mounted.
        let told = sparse && sys::file_system_kind(from.as_fd()).trusts_holes();
        let mut data_end = if told { 0 } else { u64::MAX };
        let mut begun = 0;
        let mut result = Ok(());
        let progress = self.progress;
        let part = progress.in_hand(&work.path, before.size);
        loop {
            part.at(pos);
            if let Err(e) = self.check_cancel(before.size) {
                result = Err(e);
                break;
            }
            if pos >= data_end {
                match sys::next_data(from.as_fd(), pos).at("reading", &work.path) {
                    Err(e) => {
                        result = Err(Fail::Source(e));
                        break;
                    }
                    Ok(None) => {
                        let end = before.size.max(pos);
                        self.hash_zeros(end - pos)?;
                        Progress::add(&self.progress.bytes, end - pos);
                        pos = end;
                        break;
                    }
                    Ok(Some((start, end))) => {
                        self.hash_zeros(start - pos)?;
                        Progress::add(&self.progress.bytes, start - pos);
                        pos = start;
                        data_end = end;
                    }
                }
            }
            let want = usize::try_from((data_end - pos).min(BLOCK as u64)).unwrap_or(BLOCK);
            match self.block(work, from, to, pos, want, sparse) {
                Ok(0) if data_end == u64::MAX => break,
                Ok(0) => {
                    result = Err(Fail::Changed);
                    break;
                }
                Ok(n) => {
                    pos += n;
                    if let (Some(to), true) = (to, pos - begun >= WRITE_BACK_EVERY) {
                        sys::begin_write_back(to.as_fd(), begun, pos - begun);
                        begun = pos;
                    }
                }
                Err(e) => {
                    result = Err(e);
                    break;
                }
            }
        }
        let digest = self.hasher.as_mut().and_then(HashThread::finish);
        if digest.is_none() {
            self.hasher = None;
        }
        result?;
        if let (Some(to), true) = (to, sparse) {
            // A hole at the end has no write behind it.
            retry_on_intr(|| rustix::fs::ftruncate(to, pos))
                .at("sizing", &work.path)
                .map_err(Fail::Target)?;
        }
        match digest {
            None => Err(Fail::Changed),
            Some(digest) => Ok((pos, digest)),
        }
    }

    fn hash_zeros(&mut self, n: u64) -> std::result::Result<(), Fail> {
        if n == 0 {
            return Ok(());
        }
        self.hasher
            .as_mut()
            .and_then(|h| h.zeros(n))
            .ok_or(Fail::Changed)
    }

    fn block(
        &mut self,
        work: &Work,
        from: &OwnedFd,
        to: Option<&OwnedFd>,
        pos: u64,
        want: usize,
        sparse: bool,
    ) -> std::result::Result<u64, Fail> {
        let Some(hasher) = &mut self.hasher else {
            return Err(Fail::Changed);
        };
        let Some(block) = hasher.block() else {
            return Err(Fail::Changed);
        };
        let mut len = 0;
        while len < want {
            let n =
                retry_on_intr(|| rustix::io::pread(from, &mut block[len..want], pos + len as u64))
                    .at("reading", &work.path)
                    .map_err(Fail::Source)?;
            if n == 0 {
                break;
            }
            len += n;
        }
        if len == 0 {
            return Ok(0);
        }
        hasher.send(len).ok_or(Fail::Changed)?;
        // `send` moved on to the next block; the one just read is the one before it.
        if let Some(to) = to {
            let bytes = &hasher.sent()[..len];
            if !(sparse && is_zero(bytes)) {
                write_all(to, bytes, pos)
                    .at("writing", &work.path)
                    .map_err(Fail::Target)?;
            }
        }
        Progress::add(&self.progress.bytes, len as u64);
        Ok(len as u64)
    }

    fn check_cancel(&self, size: u64) -> std::result::Result<(), Fail> {
        let stop = self.cancel.is_now() || (self.cancel.is_stopped() && size > FINISH_UP_TO);
        if stop { Err(Fail::Cancelled) } else { Ok(()) }
    }
}

pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| *b == 0)
}

/// Writes all bytes at an offset (pwrite(2)); short writes go on, a write of nothing is ENOSPC.
pub(crate) fn write_all(to: &OwnedFd, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        let n = retry_on_intr(|| rustix::io::pwrite(to, &bytes[done..], offset + done as u64))?;
        if n == 0 {
            return Err(Errno::NOSPC.into());
        }
        done += n;
    }
    Ok(())
}

/// The digest of a file on the drive, read from the device as far as the kernel lets us.
///
/// # Errors
/// `Code::Io`.
pub fn digest_of(
    fd: &OwnedFd,
    path: &[u8],
    algorithm: Algorithm,
    cancel: &CancelToken,
) -> Result<Digest> {
    sys::drop_cache(fd);
    let mut hash = Hasher::new(algorithm);
    let mut buffer = vec![0u8; BLOCK];
    let mut pos = 0;
    loop {
        if cancel.is_now() {
            return Err(Error::cancelled());
        }
        let n =
            retry_on_intr(|| rustix::io::pread(fd, &mut buffer[..], pos)).at("reading", path)?;
        if n == 0 {
            return Ok(hash.finish());
        }
        hash.update(&buffer[..n]);
        pos += n as u64;
    }
}
