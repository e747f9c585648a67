//! Files in parts: each part goes to its place in one file, which gets its name when all of them are there.
//!
//! Until then the file lies in `.mvcopy/whole-…` of the destination, also after a broken run: the next one reads
//! what is in it, and keeps each part whose digest is right. One part is always read from its drive, so that there
//! is somebody to finish the file. Where the digest of the whole is known, the file is read once more before it
//! gets its name.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use sha2::{Digest as _, Sha256};

use super::copier::{Fail, bad};
use super::drive::Restorer;
use super::existing::{Way, in_the_way};
use super::put::Pending;
use super::target::Target;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::place::Placed;
use crate::catalog::restore::Wanted;
use crate::digest::Hasher;
use crate::engine::content::{WRITE_BACK_EVERY, is_zero, write_all};
use crate::engine::drive::{join, split};
use crate::engine::hash::BLOCK;
use crate::engine::part::digest_of_range;
use crate::error::{Code, Error, IoContext, Result};
use crate::format::item::{Algorithm, Digest, Item, check_path};
use crate::format::part::Part;
use crate::meta::Kind;
use crate::progress::Progress;
use crate::sys::{self, On};

/// The file that a part belongs to, as the part's record tells.
fn whole_item(path: &[u8], item: &Item, part: &Part) -> Item {
    Item {
        path: path.to_vec(),
        size: part.size,
        digest: part.digest,
        part: None,
        alias: None,
        link: None,
        ..item.clone()
    }
}

/// The name of a file in work: the same for the same version of the same file.
fn work_name(path: &[u8], item: &Item, part: &Part) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(path);
    hash.update([0]);
    for n in [part.count.into(), part.size, item.mtime.sec as u64] {
        hash.update(n.to_le_bytes());
    }
    hash.update(item.mtime.nsec.to_le_bytes());
    let mut name = b"whole-".to_vec();
    for byte in &hash.finalize()[..12] {
        name.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    name
}

impl Target {
    fn open_whole(&self, name: &[u8], make: bool) -> std::io::Result<OwnedFd> {
        let mut flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        if make {
            flags |= OFlags::CREATE;
        }
        let fd = retry_on_intr(|| {
            rustix::fs::openat(self.own(), name, flags, Mode::from_raw_mode(0o600))
        })?;
        match sys::stat_fd(fd.as_fd())? {
            meta if meta.kind == Kind::File && meta.nlink == 1 => Ok(fd),
            _ => Err(Errno::EXIST.into()),
        }
    }

    /// Looks what broken runs have brought back of files in parts: what is right of it is not read again.
    pub(super) fn resume_parts(
        &self,
        catalog: &Catalog,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<()> {
        let mut after = 0;
        loop {
            let page = catalog.restore_parts(after, 256)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.0;
            for (id, path, item) in page {
                let (Some(part), Some(want)) = (&item.part, &item.digest) else {
                    continue;
                };
                let whole = Part::whole(&path);
                let Ok(fd) = self.open_whole(&work_name(whole, &item, part), false) else {
                    continue;
                };
                let left = catalog.restore_parts_left(whole)?;
                if left <= 1 {
                    continue;
                }
                let hand = progress.in_hand(&path, item.size);
                let range = (part.offset, item.size);
                // A part may take hours: an orderly stop does not wait for it either.
                let found = digest_of_range(&fd, &path, range, want.algorithm, cancel, &mut |n| {
                    hand.at(n);
                    cancel.check()
                });
                match found {
                    Ok(Some(found)) if found == *want => {
                        catalog.restore_settle(id, Some(item.mtime))?;
                        Progress::add(&progress.bytes, item.size);
                    }
                    Err(e) if e.code == Code::Cancelled => return Err(e),
                    // It is brought back again.
                    _ => {}
                }
            }
        }
    }
}

impl Restorer<'_> {
    /// Brings one part to its place in the file.
    pub(super) fn part(
        &mut self,
        placed: &Placed,
        wanted: &Wanted,
        path: &[u8],
    ) -> Result<(), Fail> {
        let item = &placed.item;
        let Some(part) = &item.part else {
            let message = "it is no part of a file any more";
            return Err(Fail::Copy(
                Error::new(Code::BadFormat, "restoring", message).with_path(&item.path),
            ));
        };
        check_path(path).map_err(Fail::Target)?;
        let whole = whole_item(path, item, part);
        let (parent, name) = split(path);
        let dir = self.parent(parent)?;
        let first = part.number == 1;
        match self.way(dir.as_fd(), name, &whole, wanted.delivered)? {
            Way::Make { .. } => {}
            Way::Equal => {
                self.outcome.equal += u64::from(first);
                return self.settle(wanted, None);
            }
            Way::Newer => {
                self.outcome.newer += u64::from(first);
                return self.settle(wanted, None);
            }
            Way::Blocked(why) => {
                if first {
                    self.outcome.kept += 1;
                    self.tell(path, &in_the_way(path, why));
                }
                return self.settle(wanted, None);
            }
        }
        let own_name = work_name(path, item, part);
        let to = self
            .target
            .open_whole(&own_name, true)
            .at("making a file in", &self.target.path)
            .map_err(Fail::Target)?;
        let meta = sys::stat_fd(to.as_fd())
            .at("looking at", &self.target.path)
            .map_err(Fail::Target)?;
        if meta.size != part.size {
            retry_on_intr(|| rustix::fs::ftruncate(&to, part.size))
                .at("sizing a file in", &self.target.path)
                .map_err(Fail::Target)?;
        }
        let on_drive = self.ends.on_drive(item.on_drive());
        let from = self.copier.open_file(item, &on_drive)?;
        self.copy_part(item, part, &from, &to, &on_drive)?;
        // Those that the manifest has are set when the file is whole.
        if item.extra.is_none() {
            let (xattrs, unread) = sys::read_xattrs(On::Open(from.as_fd()));
            let unset = sys::write_xattrs(On::Open(to.as_fd()), &xattrs, true);
            let lost = !unread.is_none() || !unset.is_none();
            self.outcome.attributes_lost += u64::from(lost && first);
        }
        self.pending_bytes = self.pending_bytes.saturating_add(item.size);
        self.pending_names += 2 * path.len();
        self.pending.push(Pending {
            id: wanted.id,
            temp: None,
            dest: path.to_vec(),
            replace: false,
            beside: false,
            kind: Kind::File,
            size: item.size,
            mtime: item.mtime,
            corrupt: false,
            part_of: Some(Box::new((whole, own_name, *part))),
        });
        Ok(())
    }

    fn copy_part(
        &mut self,
        item: &Item,
        part: &Part,
        from: &OwnedFd,
        to: &OwnedFd,
        path: &[u8],
    ) -> Result<(), Fail> {
        let bad = |message: &str| Fail::Copy(bad(path, message));
        let meta = sys::stat_fd(from.as_fd())
            .at("looking at", path)
            .map_err(Fail::Copy)?;
        if meta.size != item.size {
            return Err(bad("it has another size than recorded"));
        }
        let mut hash = item.digest.map(|digest| Hasher::new(digest.algorithm));
        self.copier.buffer.resize(BLOCK, 0);
        let (mut pos, mut begun) = (0u64, 0u64);
        while pos < item.size {
            if self.ends.cancel.is_stopped() {
                return Err(Fail::Cancelled);
            }
            let want = usize::try_from((item.size - pos).min(BLOCK as u64)).unwrap_or(BLOCK);
            let buffer = &mut self.copier.buffer[..want];
            let n = retry_on_intr(|| rustix::io::pread(from, &mut *buffer, pos))
                .at("reading", path)
                .map_err(Fail::Copy)?;
            if n == 0 {
                return Err(bad("it has another size than recorded"));
            }
            let bytes = &self.copier.buffer[..n];
            if let Some(hash) = &mut hash {
                hash.update(bytes);
            }
            let at = part.offset + pos;
            // A hole stays one, but for what an earlier attempt has written there.
            if is_zero(bytes) {
                let (range, by) = ((at, n as u64), Algorithm::Sha256);
                let old = digest_of_range(
                    to,
                    &self.target.path,
                    range,
                    by,
                    self.ends.cancel,
                    &mut |_| Ok(()),
                )
                .map_err(Fail::Target)?;
                if old != Some(Digest::of(Algorithm::Sha256, bytes)) {
                    self.write(to, bytes, at)?;
                }
            } else {
                self.write(to, bytes, at)?;
            }
            pos += n as u64;
            Progress::add(&self.ends.progress.bytes, n as u64);
            if pos - begun >= WRITE_BACK_EVERY {
                sys::begin_write_back(to.as_fd(), part.offset + begun, pos - begun);
                begun = pos;
            }
        }
        if item.digest.is_none() {
            self.outcome.unchecked += 1;
        } else if item.digest != hash.map(Hasher::finish) {
            return Err(bad(
                "its content is not what was recorded: the digest is another",
            ));
        }
        Ok(())
    }

    fn write(&self, to: &OwnedFd, bytes: &[u8], at: u64) -> Result<(), Fail> {
        write_all(to, bytes, at)
            .at("writing in", &self.target.path)
            .map_err(Fail::Target)
    }

    /// A part is durable; when it was the last one, the file gets its name.
    pub(super) fn part_done(&mut self, one: &Pending) -> Result<()> {
        let Some(of) = &one.part_of else {
            return Ok(());
        };
        let (whole, own_name, part) = &**of;
        self.catalog.restore_settle(one.id, Some(one.mtime))?;
        if self.catalog.restore_parts_done(&whole.path)? < u64::from(part.count) {
            return Ok(());
        }
        match self.name_whole(whole, own_name) {
            Ok(beside) => {
                self.outcome.beside += u64::from(beside);
                self.outcome.files += 1;
                self.outcome.bytes += whole.size;
                Progress::add(&self.ends.progress.files, 1);
                Ok(())
            }
            Err(Fail::Cancelled) => Err(Error::cancelled()),
            Err(fail) => {
                let e = fail.into_error();
                match e.code {
                    Code::Collision => self.outcome.kept += 1,
                    _ => self.outcome.failed += 1,
                }
                self.catalog.restore_parts_failed(&whole.path)?;
                self.tell(&whole.path, &e);
                Ok(())
            }
        }
    }

    fn name_whole(&mut self, whole: &Item, own_name: &[u8]) -> Result<bool, Fail> {
        let fd = self
            .target
            .open_whole(own_name, false)
            .at("opening a file in", &self.target.path)
            .map_err(Fail::Target)?;
        if let Some(want) = &whole.digest {
            let (range, by) = ((0, whole.size), want.algorithm);
            let hand = self.ends.progress.in_hand(&whole.path, whole.size);
            let found = digest_of_range(
                &fd,
                &self.target.path,
                range,
                by,
                self.ends.cancel,
                &mut |n| {
                    hand.at(n);
                    Ok(())
                },
            )
            .map_err(|e| match e.code {
                Code::Cancelled => Fail::Cancelled,
                _ => Fail::Target(e),
            })?;
            if found.as_ref() != Some(want) {
                self.drop_whole(own_name);
                let message =
                    "the digest of the whole is not what was recorded, though each part was right";
                return Err(Fail::Target(Error::new(
                    Code::BadFormat,
                    "checking",
                    message,
                )));
            }
        }
        let (parent, name) = split(&whole.path);
        let dir = self.parent(parent)?;
        let (name, replace, beside) = match self.way(dir.as_fd(), name, whole, None)? {
            Way::Make {
                name,
                replace,
                beside,
            } => (name, replace, beside),
            Way::Equal => {
                self.drop_whole(own_name);
                return Ok(false);
            }
            Way::Newer => {
                self.drop_whole(own_name);
                return Err(Fail::Target(in_the_way(
                    &whole.path,
                    "something newer stands in its place",
                )));
            }
            Way::Blocked(why) => {
                self.drop_whole(own_name);
                return Err(Fail::Target(in_the_way(&whole.path, why)));
            }
        };
        let path = join(&self.target.path, &whole.path);
        self.copier.dress(whole, None, &fd, &path)?;
        // Owner and times have to be durable with the name.
        sys::close(fd).at("closing", &path).map_err(Fail::Target)?;
        let own = self.target.own();
        self.target
            .with_access(self.catalog, dir.as_fd(), parent, &mut || {
                sys::rename(own, own_name, dir.as_fd(), &name, replace)
            })
            .at("giving its name to", &path)
            .map_err(Fail::Target)?;
        self.note_flags(whole, &join(parent, &name))
            .map_err(Fail::Target)?;
        Ok(beside)
    }

    fn drop_whole(&self, own_name: &[u8]) {
        let _ = sys::unlink(self.target.own(), own_name, false);
    }
}

/// So that the descriptor of our own directory can be used beside other borrows of the target.
impl Target {
    fn own(&self) -> BorrowedFd<'_> {
        self.own_dir().as_fd()
    }
}
