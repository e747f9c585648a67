//! Giving names to what is whole, in groups: first a flush, then the renames.
//!
//! So a name never stands for content that a power cut could still take away. What was renamed is durable by
//! the next flush, and only then told as done.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::copier::Fail;
use super::drive::Restorer;
use super::existing::in_the_way;
use super::workplace::Temp;
use crate::engine::drive::{join, split};
use crate::error::{Code, Error, Result};
use crate::format::item::Item;
use crate::format::part::Part;
use crate::meta::{Kind, Time};
use crate::progress::Progress;
use crate::sys;

/// A group is put into place after so long, or with so many bytes of content, entries, or bytes of names.
const EVERY: Duration = Duration::from_secs(5);
const MOST_BYTES: u64 = 4 << 30;
const MOST_ENTRIES: usize = 16_384;
const MOST_NAMES: usize = 8 << 20;

/// Something that is whole and has no name yet.
#[derive(Debug)]
pub(super) struct Pending {
    /// Which wanted entry it is.
    pub id: i64,
    /// Where it is until then; a part is in its place already.
    pub temp: Option<Temp>,
    /// The path that it gets.
    pub dest: Vec<u8>,
    /// Something stands there that is to go.
    pub replace: bool,
    /// It is not the entry's own path.
    pub beside: bool,
    /// What it is.
    pub kind: Kind,
    /// Bytes of content.
    pub size: u64,
    /// Its time.
    pub mtime: Time,
    /// It is a copy that is no good, under a name that says so.
    pub corrupt: bool,
    /// It is a part: of this file, which is in work under this name.
    pub part_of: Option<Box<(Item, Vec<u8>, Part)>>,
}

impl Restorer<'_> {
    /// Puts the group into place when it is time.
    pub(super) fn commit_if_due(&mut self) -> Result<()> {
        let due = self.pending_bytes >= MOST_BYTES
            || self.pending.len() >= MOST_ENTRIES
            || self.pending_names >= MOST_NAMES
            || (!self.pending.is_empty() && self.pending_since.elapsed() >= EVERY);
        if due { self.commit() } else { Ok(()) }
    }

    /// Flushes, then gives everything its name.
    pub(super) fn commit(&mut self) -> Result<()> {
        self.pending_since = Instant::now();
        if self.pending.is_empty() {
            return Ok(());
        }
        let group = std::mem::take(&mut self.pending);
        (self.pending_bytes, self.pending_names) = (0, 0);
        self.target.flush()?;
        for one in group {
            if one.part_of.is_some() {
                self.part_done(&one)?;
                continue;
            }
            match self.put(&one) {
                Ok(()) => self.count(&one)?,
                Err(e) => {
                    one.temp.iter().for_each(Temp::remove);
                    self.catalog.restore_forget_link(&one.dest)?;
                    self.catalog.restore_forget_flags(&one.dest)?;
                    if one.id != 0 {
                        self.catalog.restore_settle(one.id, None)?;
                    }
                    match e.is_errno(Errno::EXIST) {
                        true => self.outcome.kept += 1,
                        false => self.outcome.failed += 1,
                    }
                    self.tell(&one.dest, &e);
                }
            }
        }
        self.target.tidy();
        self.catalog.restore_links_named()?;
        self.catalog.commit()?;
        self.catalog.begin()
    }

    fn put(&mut self, one: &Pending) -> Result<()> {
        let (parent, name) = split(&one.dest);
        let path = join(&self.target.path, &one.dest);
        let dir = self.parent(parent).map_err(Fail::into_error)?;
        let Some(temp) = &one.temp else {
            return Ok(());
        };
        let renamed = self
            .target
            .with_access(self.catalog, dir.as_fd(), parent, &mut || {
                sys::rename(temp.dir.as_fd(), &temp.name, dir.as_fd(), name, one.replace)
            });
        renamed.map_err(|e| {
            let errno = e.raw_os_error().map(Errno::from_raw_os_error);
            match errno {
                Some(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY) => in_the_way(
                    &path,
                    "something else stands in its place and is left alone",
                ),
                _ => Error::io("giving its name to", &path, &e).with_code(Code::Io),
            }
        })?;
        // Two names of one file: rename(2) does nothing then and leaves both.
        if one.replace {
            temp.remove();
        }
        Ok(())
    }

    fn count(&mut self, one: &Pending) -> Result<()> {
        if one.corrupt {
            return Ok(());
        }
        self.catalog.restore_settle(one.id, Some(one.mtime))?;
        self.outcome.beside += u64::from(one.beside);
        if one.kind == Kind::File {
            self.outcome.files += 1;
            self.outcome.bytes += one.size;
            Progress::add(&self.ends.progress.files, 1);
        } else {
            self.outcome.others += 1;
        }
        Ok(())
    }
}
