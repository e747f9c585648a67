//! The content of one file: read from the drive, hashed and written in one pass, checked, and given its owner,
//! attributes, mode and times while it has no name yet.
//!
//! Holes stay holes: where the drive's file system tells them they are asked for; elsewhere long runs of zeros
//! are left out, because such a drive holds them in full whatever the source did.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::retry_on_intr;

use super::drive::{Fail, Restorer};
use super::put::Pending;
use crate::catalog::place::Placed;
use crate::engine::content::{CLAIM_FROM, SMALL, WRITE_BACK_EVERY, is_zero, write_all};
use crate::engine::drive::{join, split};
use crate::engine::hash::{BLOCK, HashThread};
use crate::error::{Code, Error, IoContext};
use crate::format::item::{Algorithm, Digest, Item};
use crate::meta::{Kind, Meta, Time};
use crate::progress::Progress;
use crate::sys::{self, Lost, On};

/// On a drive that does not tell holes: as many zeros in a row, on such a boundary, become one.
const ZERO_RUN: usize = 64 * 1024;

impl Restorer<'_> {
    /// Brings the content of a file into a temp file; gives its number, and whether further names of it may come.
    pub(super) fn file(&mut self, placed: &Placed, dest: &[u8]) -> Result<(u64, bool), Fail> {
        let item = &placed.item;
        let path = self.on_drive(item.on_drive());
        let from = self.open_file(item, &path)?;
        let meta = sys::stat_fd(from.as_fd())
            .at("looking at", &path)
            .map_err(Fail::Copy)?;
        if meta.kind != Kind::File {
            return Err(Fail::Copy(bad(&path, "it is no regular file")));
        }
        let wrong_size = meta.size != item.size;
        // One that is larger may be larger than any disk: nothing of it is worth keeping.
        if wrong_size && (!self.options.keep_bad || meta.size > item.size) {
            return Err(Fail::Copy(bad(&path, "it has another size than recorded")));
        }
        let (to, temp) = self.target.create().map_err(Fail::Target)?;
        let filled = self.fill(item, &from, &to, &meta, &path, wrong_size);
        let result = match filled {
            Ok(()) => self.dress(item, Some(&from), &to, &path),
            Err(e) => Err(e),
        };
        let closed = sys::close(to)
            .at("closing", &self.target.path)
            .map_err(Fail::Target);
        match result.and(closed) {
            Ok(()) => {
                // A file system without links says 1 of every file, whatever the manifest says.
                let native = sys::file_system_kind(from.as_fd()).trusts_holes();
                Ok((temp, meta.nlink > 1 || !native || item.link.is_some()))
            }
            Err(Fail::Copy(e)) if self.options.keep_bad => {
                self.keep_corrupt(temp, dest)?;
                Err(Fail::Copy(e))
            }
            Err(e) => {
                self.target.drop_temp(temp);
                Err(e)
            }
        }
    }

    pub(super) fn open_file(&mut self, item: &Item, path: &[u8]) -> Result<OwnedFd, Fail> {
        let (dir, name) = self.source(item.on_drive())?;
        // Looked at first: to open a device may do something, and a fifo has nothing to give.
        let meta = sys::stat_at(dir, name)
            .at("looking at", path)
            .map_err(Fail::Copy)?;
        if meta.kind != Kind::File {
            return Err(Fail::Copy(bad(path, "it is no regular file")));
        }
        sys::open_for_reading(dir, name)
            .at("opening", path)
            .map_err(Fail::Copy)
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
            self.small(from, to, path, algorithm)?
        } else {
            self.large(from, to, meta, path, algorithm)?
        };
        if wrong_size || len != item.size {
            return Err(Fail::Copy(bad(path, "it has another size than recorded")));
        }
        if item.digest.is_none() {
            self.outcome.unchecked += 1;
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
            if n == 0 {
                break;
            }
            len += n;
        }
        let bytes = &self.buffer[..len];
        write_all(to, bytes, 0)
            .at("writing in", &self.target.path)
            .map_err(Fail::Target)?;
        Progress::add(&self.progress.bytes, len as u64);
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
        let native = sys::file_system_kind(from.as_fd()).trusts_holes();
        let sparse = meta.allocated < meta.size || !native;
        if sparse {
            // First the size: writes that lengthen a file make XFS set space aside in what is to be a hole.
            self.size(to, meta.size)?;
        } else if meta.size >= CLAIM_FROM {
            sys::try_claim(to.as_fd(), meta.size)
                .at("claiming space in", &self.target.path)
                .map_err(Fail::Target)?;
        }
        let copied = self.blocks(&mut hasher, from, to, meta, path, sparse, native);
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
            .at("sizing a file in", &self.target.path)
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
        native: bool,
    ) -> Result<u64, Fail> {
        let dead = || Fail::Target(dead());
        let (mut pos, mut begun) = (0u64, 0u64);
        let mut data_end = if sparse && native { 0 } else { u64::MAX };
        let progress = self.progress;
        let part = progress.in_hand(path, meta.size);
        loop {
            part.at(pos);
            if self.cancel.is_stopped() {
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
                Progress::add(&self.progress.bytes, start - pos);
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
            .at("writing in", &self.target.path)
            .map_err(Fail::Target)?;
            pos += len as u64;
            Progress::add(&self.progress.bytes, len as u64);
            if pos - begun >= WRITE_BACK_EVERY {
                sys::begin_write_back(to.as_fd(), begun, pos - begun);
                begun = pos;
            }
        }
    }

    /// Owner, attributes, mode and times, in the order that loses none: giving a file away drops its
    /// capabilities, which are an attribute; the mode may forbid to write attributes; the times come last.
    pub(super) fn dress(
        &mut self,
        item: &Item,
        from: Option<&OwnedFd>,
        to: &OwnedFd,
        path: &[u8],
    ) -> Result<(), Fail> {
        let want = meta_of(item);
        let mut fresh = Meta {
            uid: self.euid,
            gid: self.egid,
            mode: 0o600,
            ..want
        };
        if (fresh.uid, fresh.gid) != (want.uid, want.gid) {
            let uid = rustix::fs::Uid::from_raw(want.uid);
            let gid = rustix::fs::Gid::from_raw(want.gid);
            if rustix::fs::fchown(to, Some(uid), Some(gid)).is_ok() {
                (fresh.uid, fresh.gid) = (want.uid, want.gid);
            }
        }
        // What the manifest has no word of may stand on the drive.
        let (xattrs, unread) = match (&item.extra, from) {
            (Some(extra), _) => (extra.xattrs.clone(), Lost::default()),
            (None, Some(from)) => sys::read_xattrs(On::Open(from.as_fd())),
            (None, None) => (Vec::new(), Lost::default()),
        };
        let unset = sys::write_xattrs(On::Open(to.as_fd()), &xattrs, true);
        self.outcome.attributes_lost += u64::from(!unread.is_none() || !unset.is_none());
        // An ACL has changed the mode, so it is set in any case.
        fresh.mode = u32::MAX;
        let owned = sys::set_metadata(to.as_fd(), Some(&fresh), &want)
            .at("setting owner, mode and times of", path)
            .map_err(Fail::Target)?;
        self.outcome.owners_lost += u64::from(!owned);
        Ok(())
    }

    /// Leaves a copy that is no good to be put beside the place of the good one, for its owner alone.
    fn keep_corrupt(&mut self, temp: u64, dest: &[u8]) -> Result<(), Fail> {
        let (parent, name) = split(dest);
        let dir = self.parent(parent)?;
        let Some(name) = self.corrupt_name(dir.as_fd(), name)? else {
            self.target.drop_temp(temp);
            return Ok(());
        };
        let dest = join(parent, &name);
        self.pending_names += dest.len();
        self.pending.push(Pending {
            id: 0,
            temp,
            dest,
            replace: false,
            beside: false,
            kind: Kind::File,
            size: 0,
            mtime: Time::default(),
            corrupt: true,
            part_of: None,
        });
        Ok(())
    }
}

/// What an entry is to look like.
pub(super) fn meta_of(item: &Item) -> Meta {
    Meta {
        kind: item.kind,
        size: item.size,
        allocated: 0,
        mtime: item.mtime,
        mode: item.mode,
        uid: item.uid,
        gid: item.gid,
        dev: 0,
        ino: 0,
        nlink: 1,
        rdev: 0,
        changed: 0,
        flags: 0,
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

fn bad(path: &[u8], message: &str) -> Error {
    Error::new(Code::BadFormat, "checking", message).with_path(path)
}

fn dead() -> Error {
    Error::new(Code::Internal, "hashing", "the thread has ended")
}
