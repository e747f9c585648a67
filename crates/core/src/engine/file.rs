//! Copying one entry of a source into the drive's `tmp/`: content, digest, holes, owner, mode, times.
//!
//! Nothing here gives a file its final name. A copy that fails leaves no temp file behind. The source is
//! looked at again after the copy: what changed meanwhile is copied once more, then given up as changing.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode};
use rustix::io::{Errno, retry_on_intr};

use super::drive::{join, split};
use super::hash::{BLOCK, HashThread, sha256};
use crate::cancel::CancelToken;
use crate::catalog::place::Key;
use crate::error::{Error, FileError, FileFault, IoContext, Result};
use crate::format::item::{Algorithm, Digest, Item};
use crate::meta::{Kind, Meta};
use crate::progress::Progress;
use crate::sys;

/// Files up to this size are read whole, hashed and written in one go.
const SMALL: u64 = 256 * 1024;

/// From this size on, space is claimed before the first byte.
const CLAIM_FROM: u64 = 1 << 20;

/// Files larger than this are dropped, not finished, when an orderly stop is asked for.
const FINISH_UP_TO: u64 = 8 << 20;

/// A source's root, held open for as long as a volume is written.
#[derive(Debug)]
pub struct SourceRoot {
    /// The directory; for a source that is a file, the one that it is in.
    pub fd: OwnedFd,
    /// That directory's path on this host.
    pub path: Vec<u8>,
    /// Where its content lies on the drives; for a file, empty.
    pub prefix: Vec<u8>,
    /// Whether holes that its file system tells of can be trusted.
    pub trust_holes: bool,
    /// Whether files may be copied on the server (network file systems).
    pub server_copy: bool,
}

impl SourceRoot {
    /// The path below the source's root of an entry that lies at `path` on the drives.
    pub fn below<'p>(&self, path: &'p [u8]) -> &'p [u8] {
        if self.prefix.is_empty() {
            return path;
        }
        path.get(self.prefix.len() + 1..).unwrap_or(b"")
    }

    /// The path on this host of an entry that lies at `path` on the drives.
    pub fn absolute(&self, path: &[u8]) -> Vec<u8> {
        join(&self.path, self.below(path))
    }
}

/// One `tmp/` sub-directory. A fresh one an epoch lets the file system spread the files.
#[derive(Debug)]
pub struct TempDir {
    /// The directory.
    pub fd: OwnedFd,
    /// Its name below `tmp/`.
    pub name: Vec<u8>,
}

/// How an entry gets its content.
#[derive(Debug, Clone)]
pub enum How {
    /// From the source.
    Copy,
    /// As another name of a file that the drive holds already.
    Link(Box<Item>),
}

/// One entry to be brought onto the drive.
#[derive(Debug)]
pub struct Work {
    /// The number of its temp file.
    pub id: u64,
    /// Where it is in the catalog.
    pub key: Key,
    /// Its path below the drive's root.
    pub path: Vec<u8>,
    /// What the walk saw.
    pub meta: Meta,
    /// Where it comes from.
    pub source: Arc<SourceRoot>,
    /// Where its temp file goes.
    pub temp: Arc<TempDir>,
    /// How it gets its content.
    pub how: How,
    /// Whether something of ours stands under its final name.
    pub replaces: bool,
}

impl Work {
    /// The name of its temp file in [`Work::temp`].
    pub fn temp_name(&self) -> Vec<u8> {
        format!("{:x}", self.id).into_bytes()
    }
}

/// What was made of one piece of work.
#[derive(Debug)]
pub enum Made {
    /// A temp file that is ready to get its final name: what it is, and what the source looked like.
    Ready(Box<Item>, Meta),
    /// An empty directory: made in place.
    Directory(Box<Item>, Meta),
    /// Recorded only: the drive's file system cannot hold it.
    Recorded(Box<Item>, Meta),
    /// This entry failed; the run goes on.
    Failed(FileError),
    /// The drive failed; the run cannot go on.
    DriveFailed(Error),
    /// The owner asked for an end.
    Cancelled,
}

/// Why one attempt ended.
enum Fail {
    Source(Error),
    Target(Error),
    Changed,
    Cancelled,
}

/// Copies entries, one after another, on one thread.
pub struct Copier<'a> {
    drive_root: Arc<OwnedFd>,
    drive_path: Vec<u8>,
    drive_device: u64,
    cancel: &'a CancelToken,
    progress: &'a Progress,
    digest: bool,
    buffer: Vec<u8>,
    hasher: Option<HashThread>,
    /// The source directory in hand: entries come in path order.
    dir: Option<(Arc<SourceRoot>, Vec<u8>, OwnedFd)>,
    euid: u32,
    egid: u32,
    /// What could not be kept, by kind, with how often.
    pub losses: HashMap<&'static str, u64>,
}

impl<'a> Copier<'a> {
    /// A copier onto one drive.
    pub fn new(
        drive: &super::drive::Shared,
        digest: bool,
        cancel: &'a CancelToken,
        progress: &'a Progress,
    ) -> Self {
        Copier {
            drive_root: Arc::clone(&drive.root),
            drive_path: drive.path.clone(),
            drive_device: drive.device,
            cancel,
            progress,
            digest,
            buffer: vec![0; SMALL as usize + 1],
            hasher: None,
            dir: None,
            euid: rustix::process::geteuid().as_raw(),
            egid: rustix::process::getegid().as_raw(),
            losses: HashMap::new(),
        }
    }

    /// Makes one entry ready; never panics, never leaves a temp file behind when it fails.
    pub fn make(&mut self, work: &Work) -> Made {
        if self.cancel.is_stopped() {
            return Made::Cancelled;
        }
        let absolute = || work.source.absolute(&work.path);
        for last in [false, true] {
            let fail = match self.attempt(work) {
                Ok(made) => return made,
                Err(fail) => fail,
            };
            let _ = sys::unlink(work.temp.fd.as_fd(), &work.temp_name(), false);
            match fail {
                Fail::Cancelled => return Made::Cancelled,
                Fail::Changed if !last => {}
                Fail::Changed => {
                    return Made::Failed(FileError {
                        fault: FileFault::Changing,
                        path: absolute(),
                        doing: "copying",
                        errno: None,
                        message: "it kept changing while it was read".into(),
                    });
                }
                Fail::Source(e) => {
                    let gone = e.is_errno(Errno::NOENT) || e.is_errno(Errno::NOTDIR);
                    let fault = if gone {
                        FileFault::Vanished
                    } else {
                        FileFault::Failed
                    };
                    return Made::Failed(FileError::from_error(fault, &absolute(), &e));
                }
                Fail::Target(e) => {
                    let path = join(&self.drive_path, &work.path);
                    return match target_fault(&e) {
                        None => Made::DriveFailed(e.with_path(&path)),
                        Some(fault) => Made::Failed(FileError::from_error(fault, &path, &e)),
                    };
                }
            }
        }
        Made::Cancelled
    }

    fn attempt(&mut self, work: &Work) -> std::result::Result<Made, Fail> {
        if let How::Link(to) = &work.how {
            return self.link(work, to);
        }
        match work.meta.kind {
            Kind::File => self.file(work),
            Kind::Dir => {
                let (dir, name) = self.source_dir(work)?;
                let meta = sys::stat_at(dir, name)
                    .at("looking at", &[])
                    .map_err(Fail::Source)?;
                if meta.kind != Kind::Dir {
                    return Err(Fail::Changed);
                }
                Ok(Made::Directory(Box::new(item(work, &meta)), meta))
            }
            Kind::Symlink => self.symlink(work),
            _ => self.node(work),
        }
    }

    /// The open source directory of an entry, and its name there.
    fn source_dir<'w>(
        &mut self,
        work: &'w Work,
    ) -> std::result::Result<(BorrowedFd<'_>, &'w [u8]), Fail> {
        let (dir, name) = split(work.source.below(&work.path));
        let same = self
            .dir
            .as_ref()
            .is_some_and(|(source, path, _)| Arc::ptr_eq(source, &work.source) && path == dir);
        if !same {
            self.dir = None;
            let fd = sys::open_dir_beneath(work.source.fd.as_fd(), dir, false)
                .at("opening the directory of", &work.path)
                .map_err(Fail::Source)?;
            self.dir = Some((Arc::clone(&work.source), dir.to_vec(), fd));
        }
        match &self.dir {
            Some((_, _, fd)) => Ok((fd.as_fd(), name)),
            None => Err(Fail::Changed),
        }
    }

    fn file(&mut self, work: &Work) -> std::result::Result<Made, Fail> {
        let (dir, name) = self.source_dir(work)?;
        let from = sys::open_for_reading(dir, name)
            .at("opening", &work.path)
            .map_err(|e| {
                // A symlink or socket took the place of the file: it is another entry now.
                if e.is_errno(Errno::LOOP) || e.is_errno(Errno::NXIO) {
                    Fail::Changed
                } else {
                    Fail::Source(e)
                }
            })?;
        let before = sys::stat_fd(from.as_fd())
            .at("looking at", &work.path)
            .map_err(Fail::Source)?;
        if before.kind != Kind::File {
            return Err(Fail::Changed);
        }
        let temp_name = work.temp_name();
        let to = sys::create_new(work.temp.fd.as_fd(), &temp_name)
            .at("creating", &work.path)
            .map_err(Fail::Target)?;
        let (written, digest) = self.content(work, &from, &to, &before)?;
        let after = sys::stat_fd(from.as_fd())
            .at("looking at", &work.path)
            .map_err(Fail::Source)?;
        // Files such as those of /proc say 0 and hold more; they count as unchanged when they still do.
        let whole = written == after.size || (before.size == 0 && before.allocated == 0);
        if after.size != before.size || after.mtime != before.mtime || !whole {
            return Err(Fail::Changed);
        }
        if !sys::copy_xattrs(from.as_fd(), to.as_fd()) {
            *self.losses.entry("extended attributes").or_default() += 1;
        }
        let fresh = Meta {
            uid: self.euid,
            gid: self.egid,
            mode: 0o600,
            ..after
        };
        let owned = sys::set_metadata(to.as_fd(), Some(&fresh), &after)
            .at("setting owner, mode and times of", &work.path)
            .map_err(Fail::Target)?;
        if !owned {
            *self.losses.entry("owners").or_default() += 1;
        }
        sys::close(to)
            .at("closing", &work.path)
            .map_err(Fail::Target)?;
        let mut item = item(work, &after);
        item.size = written;
        item.digest = digest;
        Ok(Made::Ready(Box::new(item), after))
    }

    /// Copies the content; gives the number of bytes and their digest.
    fn content(
        &mut self,
        work: &Work,
        from: &OwnedFd,
        to: &OwnedFd,
        before: &Meta,
    ) -> std::result::Result<(u64, Option<Digest>), Fail> {
        if before.size <= SMALL {
            return self.small(work, from, to, before.size);
        }
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
        size: u64,
    ) -> std::result::Result<(u64, Option<Digest>), Fail> {
        let mut len = 0;
        loop {
            if len == self.buffer.len() {
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
        let digest = self.digest.then(|| Digest {
            algorithm: Algorithm::Sha256,
            bytes: sha256(bytes),
        });
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
            let started = HashThread::start().at("starting a thread for", &work.path);
            self.hasher = Some(started.map_err(Fail::Source)?);
        }
        let sparse = before.allocated < before.size;
        let mut pos = 0u64;
        // The end of the stretch of data in hand; without holes, of the file.
        let mut data_end = if sparse && work.source.trust_holes {
            0
        } else {
            u64::MAX
        };
        let mut result = Ok(());
        loop {
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
                Ok(n) => pos += n,
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
            Some(bytes) => Ok((
                pos,
                self.digest.then_some(Digest {
                    algorithm: Algorithm::Sha256,
                    bytes,
                }),
            )),
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

    fn symlink(&mut self, work: &Work) -> std::result::Result<Made, Fail> {
        let (dir, name) = self.source_dir(work)?;
        let target = rustix::fs::readlinkat(dir, name, Vec::new())
            .at("reading the symlink", &work.path)
            .map_err(|e| {
                if e.is_errno(Errno::INVAL) {
                    Fail::Changed
                } else {
                    Fail::Source(e)
                }
            })?
            .into_bytes();
        let meta = sys::stat_at(dir, name)
            .at("looking at", &work.path)
            .map_err(Fail::Source)?;
        let mut item = item(work, &meta);
        item.size = 0;
        item.target = Some(target.clone());
        let temp = work.temp.fd.as_fd();
        let temp_name = work.temp_name();
        match rustix::fs::symlinkat(target.as_slice(), temp, temp_name.as_slice()) {
            Ok(()) => {}
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {
                return Ok(self.recorded(item, meta));
            }
            Err(e) => {
                return Err(e)
                    .at("making the symlink", &work.path)
                    .map_err(Fail::Target);
            }
        }
        self.nofollow_metadata(temp, &temp_name, &meta, false)
            .at("setting owner and times of", &work.path)
            .map_err(Fail::Target)?;
        Ok(Made::Ready(Box::new(item), meta))
    }

    fn node(&mut self, work: &Work) -> std::result::Result<Made, Fail> {
        let (dir, name) = self.source_dir(work)?;
        let meta = sys::stat_at(dir, name)
            .at("looking at", &work.path)
            .map_err(Fail::Source)?;
        if meta.kind != work.meta.kind {
            return Err(Fail::Changed);
        }
        let mut item = item(work, &meta);
        item.size = 0;
        let device = matches!(meta.kind, Kind::CharDevice | Kind::BlockDevice);
        let rdev = if device { meta.rdev } else { 0 };
        if device {
            item.rdev = Some((rustix::fs::major(rdev), rustix::fs::minor(rdev)));
        }
        let temp = work.temp.fd.as_fd();
        let temp_name = work.temp_name();
        let kind = FileType::from_raw_mode(meta.kind.type_bits());
        match rustix::fs::mknodat(
            temp,
            temp_name.as_slice(),
            kind,
            Mode::from_raw_mode(0o600),
            rdev,
        ) {
            Ok(()) => {}
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                return Ok(self.recorded(item, meta));
            }
            Err(e) => return Err(e).at("making", &work.path).map_err(Fail::Target),
        }
        self.nofollow_metadata(temp, &temp_name, &meta, true)
            .at("setting owner, mode and times of", &work.path)
            .map_err(Fail::Target)?;
        Ok(Made::Ready(Box::new(item), meta))
    }

    fn recorded(&mut self, mut item: Item, meta: Meta) -> Made {
        *self
            .losses
            .entry("links, fifos, sockets or devices")
            .or_default() += 1;
        item.stored = false;
        Made::Recorded(Box::new(item), meta)
    }

    fn nofollow_metadata(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        meta: &Meta,
        mode: bool,
    ) -> io::Result<()> {
        if meta.uid != self.euid || meta.gid != self.egid {
            let uid = rustix::fs::Uid::from_raw(meta.uid);
            let gid = rustix::fs::Gid::from_raw(meta.gid);
            match rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(()) => {}
                Err(Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP) => {
                    *self.losses.entry("owners").or_default() += 1;
                }
                Err(e) => return Err(e.into()),
            }
        }
        if mode {
            // A temp file of our own in a directory that nobody else can enter: it is no symlink.
            rustix::fs::chmodat(dir, name, Mode::from_raw_mode(meta.mode), AtFlags::empty())?;
        }
        let times = sys::timestamps(meta.mtime);
        rustix::fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }

    /// Another name for a file that the drive holds.
    fn link(&mut self, work: &Work, to: &Item) -> std::result::Result<Made, Fail> {
        let (dir, name) = split(&to.path);
        let dir = sys::open_dir_beneath(self.drive_root.as_fd(), dir, true)
            .at("opening the directory of", &to.path)
            .map_err(Fail::Target)?;
        let temp_name = work.temp_name();
        rustix::fs::linkat(
            &dir,
            name,
            &work.temp.fd,
            temp_name.as_slice(),
            AtFlags::empty(),
        )
        .at("linking", &work.path)
        .map_err(Fail::Target)?;
        let item = Item {
            path: work.path.clone(),
            link: Some(to.link.clone().unwrap_or_else(|| to.path.clone())),
            ..to.clone()
        };
        Progress::add(&self.progress.bytes, work.meta.size);
        Ok(Made::Ready(Box::new(item), work.meta))
    }
}

fn item(work: &Work, meta: &Meta) -> Item {
    Item {
        path: work.path.clone(),
        kind: meta.kind,
        size: if meta.kind == Kind::File {
            meta.size
        } else {
            0
        },
        mtime: meta.mtime,
        mode: meta.mode,
        uid: meta.uid,
        gid: meta.gid,
        digest: None,
        target: None,
        link: None,
        rdev: None,
        stored: true,
    }
}

/// Whether the failure of a call on the drive is about one file, and how; `None`: the drive itself fails.
pub fn target_fault(e: &Error) -> Option<FileFault> {
    let errno = e.errno.map(Errno::from_raw_os_error);
    match errno {
        Some(Errno::NOSPC | Errno::DQUOT) => Some(FileFault::NoRoom),
        Some(
            Errno::IO
            | Errno::ROFS
            | Errno::NXIO
            | Errno::NODEV
            | Errno::SHUTDOWN
            | Errno::UCLEAN
            | Errno::NOTCONN
            | Errno::STALE
            | Errno::NOTBLK
            | Errno::REMOTEIO,
        ) => None,
        Some(Errno::EXIST) => Some(FileFault::ForeignInTheWay),
        _ => Some(FileFault::Failed),
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| *b == 0)
}

/// Writes all bytes at an offset (pwrite(2)); short writes go on, a write of nothing is ENOSPC.
fn write_all(to: &OwnedFd, bytes: &[u8], offset: u64) -> io::Result<()> {
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
pub fn digest_of(fd: &OwnedFd, path: &[u8], cancel: &CancelToken) -> Result<[u8; 32]> {
    use sha2::Digest as _;
    sys::drop_cache(fd);
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0u8; BLOCK];
    let mut pos = 0;
    loop {
        if cancel.is_now() {
            return Err(Error::cancelled());
        }
        let n =
            retry_on_intr(|| rustix::io::pread(fd, &mut buffer[..], pos)).at("reading", path)?;
        if n == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(&buffer[..n]);
        pos += n as u64;
    }
}
