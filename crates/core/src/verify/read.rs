//! Reading what is on the drive, past the page cache: looks and digests, on several threads or in disk order.
//!
//! A worker looks at entries and reads files; it decides nothing and touches no table. What a call answers is
//! data. Everything is opened beneath the drive's root, no link is followed, and no fifo waited for.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use rustix::io::{Errno, retry_on_intr};

use crate::cancel::CancelToken;
use crate::digest::Hasher;
use crate::error::{Code, Error, IoContext, Result};
use crate::format::item::{Algorithm, Digest};
use crate::meta::{Kind, Meta};
use crate::progress::Progress;
use crate::seedverify::tree::{Seen, Tree};
use crate::sys;

/// Bytes that are read at a time, and after which the cancel token is looked at. More would leave the processor's own
/// memory before it is hashed.
const BLOCK: usize = 256 << 10;

/// Bytes after which what was read leaves the page cache again.
const FORGET_EVERY: u64 = 8 << 20;

/// What stands at a path.
#[derive(Debug, Clone)]
pub(super) enum Look {
    /// Something, with where its content begins on the device where that matters.
    There(Box<Meta>, Option<Vec<u8>>, u64),
    /// Nothing.
    Nothing,
    /// A symbolic link stands in the place of a directory above it.
    BehindLink,
    /// This errno.
    Failed(i32),
}

/// What reading a file gave.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// All of it: its digest, and whether the file was still the same afterwards.
    Whole(Digest, bool),
    /// This errno.
    Failed(i32),
    /// It is no file any more.
    Gone,
}

/// A file that is to be read, for its digest by an algorithm; of a part of it, from where to where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub path: &'a [u8],
    pub by: Algorithm,
    pub range: Option<(u64, u64)>,
}

/// What a worker has to itself.
struct Hand {
    tree: Tree,
    /// What was read last; made when it is needed.
    block: Vec<u8>,
}

/// What all workers share.
pub(super) struct Reader<'a> {
    pub root: &'a OwnedFd,
    pub output: &'a [u8],
    pub threads: usize,
    /// Whether it matters where files lie on the device.
    pub seeks: bool,
    /// Whether what is mounted below the root does not count.
    pub one_mount: bool,
    pub cancel: &'a CancelToken,
    pub progress: &'a Progress,
    /// Bytes that were in the page cache when a file was opened, in spite of being asked out of it.
    pub cached: &'a AtomicU64,
}

impl Reader<'_> {
    /// Looks at all of `paths`; the answers are in their order.
    ///
    /// # Errors
    /// `Code::Cancelled`, `Code::Io` when the root cannot be opened once more.
    pub fn look(&self, paths: &[&[u8]]) -> Result<Vec<Look>> {
        let answers = self.each(paths.len(), true, |hand, n| {
            self.look_at(&mut hand.tree, paths[n])
        })?;
        answers
            .into_iter()
            .map(|one| one.ok_or_else(Error::cancelled))
            .collect()
    }

    /// Reads files for their digests, in that order on a drive that seeks; `None` for what a stop came before.
    ///
    /// # Errors
    /// `Code::Io` when the root cannot be opened once more.
    pub fn read(&self, files: &[Wanted<'_>]) -> Result<Vec<Option<Content>>> {
        let answers = self.each(files.len(), !self.seeks, |hand, n| {
            self.content(hand, &files[n])
        })?;
        Ok(answers.into_iter().map(Option::flatten).collect())
    }

    fn each<T: Send>(
        &self,
        count: usize,
        parallel: bool,
        work: impl Fn(&mut Hand, usize) -> T + Sync,
    ) -> Result<Vec<Option<T>>> {
        let next = AtomicUsize::new(0);
        let worker = || -> Result<Vec<(usize, T)>> {
            let root =
                sys::open_dir_beneath(self.root.as_fd(), b"", true).at("opening", self.output)?;
            let mut hand = Hand {
                tree: match self.one_mount {
                    true => Tree::on_one_mount(root),
                    false => Tree::new(root),
                },
                block: Vec::new(),
            };
            let mut done = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count || self.cancel.is_stopped() {
                    return Ok(done);
                }
                done.push((n, work(&mut hand, n)));
            }
        };
        let threads = if parallel {
            self.threads.clamp(1, count.max(1))
        } else {
            1
        };
        let parts = if threads == 1 {
            vec![worker()]
        } else {
            thread::scope(|scope| {
                let started: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
                started
                    .into_iter()
                    .map(|one| {
                        one.join().unwrap_or_else(|_| {
                            Err(Error::new(Code::Internal, "reading", "a reader panicked"))
                        })
                    })
                    .collect()
            })
        };
        let mut all: Vec<Option<T>> = (0..count).map(|_| None).collect();
        for part in parts {
            for (n, one) in part? {
                all[n] = Some(one);
            }
        }
        Ok(all)
    }

    fn look_at(&self, tree: &mut Tree, path: &[u8]) -> Look {
        let meta = match tree.look(path) {
            Seen::File(meta) | Seen::Other(meta) => meta,
            Seen::Nothing => return Look::Nothing,
            Seen::BehindLink => return Look::BehindLink,
            Seen::Failed(e) => return Look::Failed(errno_of(&e)),
        };
        let target = match meta.kind {
            Kind::Symlink => match read_link(tree, path) {
                Ok(target) => Some(target),
                Err(e) => return Look::Failed(errno_of(&e)),
            },
            _ => None,
        };
        let place = match meta.kind {
            Kind::File if self.seeks => self.place(tree, path).unwrap_or(meta.ino),
            _ => 0,
        };
        Look::There(Box::new(meta), target, place)
    }

    fn place(&self, tree: &mut Tree, path: &[u8]) -> Option<u64> {
        let (fd, _) = tree.open(path).ok()?;
        sys::first_extent(fd.as_fd())
    }

    /// `None`: a stop came before the end.
    fn content(&self, hand: &mut Hand, wanted: &Wanted<'_>) -> Option<Content> {
        self.progress.set_current(wanted.path);
        let content = match self.digest(hand, wanted) {
            Ok(None) => return None,
            Ok(Some((digest, same))) => Content::Whole(digest, same),
            Err(e) => match Errno::from_io_error(&e) {
                Some(Errno::STALE | Errno::NOENT) => Content::Gone,
                _ => Content::Failed(errno_of(&e)),
            },
        };
        Progress::add(&self.progress.files, 1);
        Some(content)
    }

    fn digest(
        &self,
        hand: &mut Hand,
        &Wanted { path, by, range }: &Wanted<'_>,
    ) -> io::Result<Option<(Digest, bool)>> {
        let (fd, before) = hand.tree.open(path)?;
        sys::drop_cache(&fd);
        match sys::resident_bytes(fd.as_fd(), before.size) {
            Some(0) => {}
            Some(n) => Progress::add(self.cached, n),
            None => Progress::add(self.cached, before.size),
        }
        let is_small = before.size < BLOCK as u64;
        if !is_small {
            // Twice as much is read ahead. Advice: whether it is taken changes nothing.
            sys::read_ahead(fd.as_fd());
        }
        let mut hash = Hasher::new(by);
        hand.block.resize(BLOCK, 0);
        let block = &mut hand.block;
        let (first, end) = range.unwrap_or((0, u64::MAX));
        let (mut at, mut forgotten) = (first, first);
        // A file of one block is done before anybody could read of it.
        let part = (!is_small).then(|| self.progress.in_hand(path, before.size));
        loop {
            if let Some(part) = &part {
                part.at(at);
            }
            if self.cancel.is_stopped() {
                return Ok(None);
            }
            let most = usize::try_from(end - at)
                .unwrap_or(block.len())
                .min(block.len());
            let n = retry_on_intr(|| rustix::io::pread(&fd, &mut block[..most], at))?;
            if n == 0 {
                break;
            }
            hash.update(&block[..n]);
            at += n as u64;
            Progress::add(&self.progress.bytes, n as u64);
            // Less than was asked for is the end (read(2)); what is written meanwhile shows in its size.
            let is_end = is_small && n < most && at == before.size;
            // Somebody writes it; it may never end.
            if is_end || at > before.size {
                break;
            }
            if at - forgotten >= FORGET_EVERY {
                sys::begin_write_back(fd.as_fd(), forgotten, at - forgotten);
                forgotten = at;
            }
        }
        sys::drop_cache(&fd);
        let after = sys::stat_fd(fd.as_fd())?;
        let same =
            (before.size, before.mtime) == (after.size, after.mtime) && at == after.size.min(end);
        Ok(Some((hash.finish(), same)))
    }
}

fn read_link(tree: &mut Tree, path: &[u8]) -> io::Result<Vec<u8>> {
    let (dir, name) = tree.dir_of(path)?;
    Ok(rustix::fs::readlinkat(dir, name, Vec::new())?.into_bytes())
}

fn errno_of(e: &io::Error) -> i32 {
    e.raw_os_error().unwrap_or(Errno::IO.raw_os_error())
}
