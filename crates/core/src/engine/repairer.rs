//! The steps of a repair: a finding is looked at, becomes work, is made durable, and is read back.

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::drive::{join, split};
use super::epoch::{Committer, Flushed, Ready};
use super::file::{Copier, target_fault};
use super::look::{Now, free_bytes, look, read_back, touch};
use super::origin::{Origins, Source, meta_of};
use super::part::Range;
use super::repair::Repaired;
use super::work::{How, Made, SourceRoot, Work};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::findings::Found;
use crate::catalog::place::{Key, Placed};
use crate::error::{Code, Error, FileError, FileFault, IoContext, Result};
use crate::format::item::{Algorithm, Item};
use crate::format::verify::Word;
use crate::meta::{Kind, Meta};
use crate::progress::Progress;
use crate::sys;

/// Where content comes from, and its path there, if that is another one.
type Whence = (Arc<SourceRoot>, Option<Vec<u8>>);

/// Bytes after which it is made durable on the way: what is replaced gives its room back then.
const EPOCH_BYTES: u64 = 1 << 30;

/// Findings that are read at once, and after which all is made durable.
const PAGE: u32 = 512;

/// A file that is written and not read back yet.
pub(super) struct Pending {
    key: Key,
    item: Item,
}

/// One pass over the findings.
pub(super) struct Repairer<'a> {
    pub catalog: &'a Catalog,
    pub volume: u32,
    /// The other drive that content comes from; else it comes from the sources.
    pub other: Option<(u32, Arc<SourceRoot>)>,
    /// That is what was kept of it on the host: what is not there tells nothing of the drive.
    pub spooled: bool,
    pub origins: Origins<'a>,
    pub aside: bool,
    pub choice: Option<Algorithm>,
    pub copier: Copier<'a>,
    pub cancel: &'a CancelToken,
    pub progress: &'a Progress,
    pub pending: Vec<Pending>,
    /// Names of hard-linked files that came with another name of theirs.
    pub handled: HashSet<Key>,
    pub done: Repaired,
}

impl Repairer<'_> {
    /// Goes through all findings.
    pub fn run(&mut self, committer: &mut Committer<'_>) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.catalog.findings(self.volume, after.as_ref(), PAGE)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.key.clone());
            for finding in page {
                if self.cancel.is_now() {
                    return Err(Error::cancelled());
                }
                if self.cancel.is_stopped() {
                    self.done.stopped = true;
                    return self.flush(committer);
                }
                self.finding(committer, finding)?;
                if committer.ready_bytes >= EPOCH_BYTES {
                    self.flush(committer)?;
                }
            }
            self.flush(committer)?;
        }
    }

    fn finding(&mut self, committer: &mut Committer<'_>, finding: Found) -> Result<()> {
        if self.handled.remove(&finding.key) {
            return Ok(());
        }
        let placed = self.catalog.placement(self.volume, &finding.key)?;
        let Some(Placed { key, mut item, .. }) = placed.filter(|p| p.item.stored) else {
            // It is not on this drive any more, or never was more than recorded.
            return self.catalog.clear_finding(self.volume, &finding.key);
        };
        item.path = self.catalog.path_of(&key)?;
        self.progress.set_current(&item.path);
        let now = look(committer.drive(), &item, self.cancel)?;
        if self.settled(committer, &key, &item, &now)? {
            return Ok(());
        }
        if now.word() != finding.word {
            let word = now.word();
            self.catalog
                .record_finding(self.volume, &Found { word, ..finding })?;
        }
        if matches!(now, Now::Differs { .. }) && !self.aside {
            return Ok(());
        }
        let mut names = Vec::new();
        for other in self.names_of(&key, &item)? {
            let there = look(committer.drive(), &other.item, self.cancel)?;
            match there {
                Now::Good => return self.put(committer, key, item, &now, Some(&other.item)),
                // Noted before anything is written: once this name is right nothing else would tell of that one.
                Now::Bad { .. } | Now::Missing => {
                    self.note(self.volume, &other.key, there.word(), None)?
                }
                Now::Differs { .. } if self.aside => {}
                Now::Differs { .. } => continue,
            }
            names.push(other);
        }
        self.put(committer, key.clone(), item.clone(), &now, None)?;
        if names.is_empty() || !self.pending.iter().any(|p| p.key == key) {
            return Ok(());
        }
        // The others are names of the same bad file: they become names of the new one.
        self.flush(committer)?;
        for other in names {
            let there = look(committer.drive(), &other.item, self.cancel)?;
            self.handled.insert(other.key.clone());
            self.put(committer, other.key, other.item, &there, Some(&item))?;
        }
        Ok(())
    }

    fn note(&self, volume: u32, key: &Key, word: Word, errno: Option<i32>) -> Result<()> {
        let found = Found {
            key: key.clone(),
            word,
            errno,
            checked: crate::format::date::now(),
        };
        self.catalog.record_finding(volume, &found)
    }

    /// Forgets the finding where the entry is good; puts back its time where it was only touched.
    fn settled(
        &mut self,
        committer: &Committer<'_>,
        key: &Key,
        item: &Item,
        now: &Now,
    ) -> Result<bool> {
        match now {
            Now::Good => {}
            Now::Differs { touched: true } => touch(committer.drive(), item)?,
            _ => return Ok(false),
        }
        self.catalog.clear_finding(self.volume, key)?;
        self.catalog.list_as_found(self.volume, &item.path)?;
        self.done.good.add(item);
        Ok(true)
    }

    /// The other names of a file on the volume.
    fn names_of(&self, key: &Key, item: &Item) -> Result<Vec<Placed>> {
        if item.kind != Kind::File {
            return Ok(Vec::new());
        }
        let first = item.link.as_deref().unwrap_or(&item.path);
        let mut names = self.catalog.linked_to(self.volume, first)?;
        if item.link.is_some()
            && let Some(key) = self.catalog.find(first, false)?
            && let Some(mut placed) = self.catalog.placement(self.volume, &key)?
        {
            placed.item.path = first.to_vec();
            names.push(placed);
        }
        names.retain(|one| one.key != *key && one.item.kind == Kind::File && one.item.stored);
        Ok(names)
    }

    /// Writes one entry, as another name of a good file or from where it comes from; nothing is done where that does
    /// not have it.
    fn put(
        &mut self,
        committer: &mut Committer<'_>,
        key: Key,
        item: Item,
        now: &Now,
        link: Option<&Item>,
    ) -> Result<()> {
        let is_file = item.kind == Kind::File;
        let Some((source, from)) = self.origin(&key, &item, is_file && link.is_none())? else {
            return Ok(());
        };
        let by = item.digest.map(|d| d.algorithm).or(self.choice);
        if by != self.copier.digest {
            self.copier.digest = by;
            self.copier.hasher = None;
        }
        let temp = match committer.temp_dir() {
            Ok(temp) => temp,
            Err(e) if target_fault(&e).is_some() => return self.fail(&item, &e),
            Err(e) => return Err(e.with_code(Code::DriveFailed)),
        };
        // Only a source has the file as a whole.
        let range = match &item.part {
            Some(part) if self.other.is_none() => Some(Box::new(Range::again(*part, item.size))),
            _ => None,
        };
        let work = Work {
            id: committer.next_temp(),
            path: item.path.clone(),
            alias: item.alias.clone(),
            meta: meta_of(&item),
            source,
            temp,
            how: link.map_or(How::Copy, |to| How::Link(Box::new(to.clone()))),
            aside: matches!(now, Now::Differs { .. }),
            // What is proven bad is ours, and goes; what is missing has nothing to be replaced.
            replaces: matches!(now, Now::Bad { .. }),
            expected: Some(Box::new(item)),
            from,
            key,
            again: false,
            range,
        };
        self.make(committer, work, now)
    }

    /// Where the content of an entry comes from, and under which path; of what has none nothing has to be there.
    fn origin(&self, key: &Key, item: &Item, content: bool) -> Result<Option<Whence>> {
        if !content {
            return Ok(Some((self.origins.nowhere(), None)));
        }
        if let Some((volume, root)) = &self.other {
            let holds = self.catalog.holders(self.volume, key)?.contains(volume);
            // It may stand there under another name.
            let there = match holds {
                true => self.catalog.placement(*volume, key)?,
                false => None,
            };
            let alias = there.and_then(|placed| placed.item.alias);
            return Ok(holds.then(|| (Arc::clone(root), alias)));
        }
        Ok(match self.origins.source_of(key, item)? {
            Source::There { root, path, .. } => Some((root, Some(path))),
            _ => None,
        })
    }

    fn make(&mut self, committer: &mut Committer<'_>, work: Work, now: &Now) -> Result<()> {
        let Some(expected) = work.expected.clone() else {
            return Ok(());
        };
        match self.copier.make(&work) {
            Made::Ready(mut made, seen) => {
                made.link.clone_from(&expected.link);
                made.part = expected.part;
                self.push(committer, work, *made, seen, true);
            }
            Made::Directory(made, seen) => self.push(committer, work, *made, seen, false),
            Made::Recorded(..) => {
                let message = "the drive's file system cannot hold it";
                return self.fail(&expected, &Error::new(Code::Io, "repairing", message));
            }
            Made::Otherwise if matches!(work.how, How::Link(_)) => {
                // It can have no more names: it becomes a file of its own.
                return self.put(committer, work.key, *expected, now, None);
            }
            Made::Otherwise | Made::NoMoreNames(_) => {
                return self.otherwise(&work, Word::Corrupt, None);
            }
            Made::Failed(e) if e.fault == FileFault::NoRoom && !work.again => {
                return self.without_room(committer, work, now, e);
            }
            Made::Failed(e) => {
                let vanished = e.fault == FileFault::Vanished;
                if vanished || e.path.starts_with(&work.source.path) {
                    let word = if vanished {
                        Word::Missing
                    } else {
                        Word::Unreadable
                    };
                    self.otherwise(&work, word, e.errno)?;
                }
                if !vanished {
                    self.done.failed += 1;
                    self.progress.fail(e);
                }
            }
            Made::DriveFailed(e) => return Err(e.with_code(Code::DriveFailed)),
            Made::Cancelled => self.done.stopped = true,
        }
        Ok(())
    }

    fn push(
        &mut self,
        committer: &mut Committer<'_>,
        work: Work,
        item: Item,
        seen: Meta,
        in_temp: bool,
    ) {
        self.pending.push(Pending {
            key: work.key.clone(),
            item: item.clone(),
        });
        committer.push(Ready {
            work,
            item,
            seen,
            in_temp,
            intent: 0,
        });
    }

    /// Another drive does not have what it should: that is a finding about that one.
    fn otherwise(&mut self, work: &Work, word: Word, errno: Option<i32>) -> Result<()> {
        let Some((volume, _)) = &self.other else {
            return Ok(());
        };
        if self.spooled || !matches!(work.how, How::Copy) {
            return Ok(());
        }
        self.note(*volume, &work.key, word, errno)
    }

    /// On a full drive the bad file is all the room that there is. It goes first, where its room is enough and
    /// what is to take its place has been read and is good.
    fn without_room(
        &mut self,
        committer: &mut Committer<'_>,
        work: Work,
        now: &Now,
        e: FileError,
    ) -> Result<()> {
        self.flush(committer)?;
        let drive = committer.drive();
        let Some(item) = work.expected.clone() else {
            return Ok(());
        };
        let enough = matches!(now, Now::Bad { allocated, .. }
            if free_bytes(drive).saturating_add(*allocated) > item.size);
        if !enough
            || !self
                .origins
                .has_content(&work.source, work.origin(), &item, self.cancel)?
        {
            self.done.failed += 1;
            self.progress.fail(e);
            return Ok(());
        }
        let (dir, name) = split(item.on_drive());
        let whole = join(&drive.path, item.on_drive());
        sys::open_dir_beneath(drive.root.as_fd(), dir, true)
            .and_then(|dir| sys::unlink(dir.as_fd(), name, false))
            .at("removing the bad version of", &whole)?;
        // Some file systems give room back only when that is durable.
        sys::sync_file_system(drive.root.as_fd())
            .at("flushing the drive at", &drive.path)
            .map_err(|e| e.with_code(Code::DriveFailed))?;
        let temp = committer
            .temp_dir()
            .map_err(|e| e.with_code(Code::DriveFailed))?;
        let work = Work {
            id: committer.next_temp(),
            temp,
            replaces: false,
            again: true,
            ..work
        };
        self.make(committer, work, &Now::Missing)
    }

    fn fail(&mut self, item: &Item, e: &Error) -> Result<()> {
        self.done.failed += 1;
        self.progress
            .fail(FileError::from_error(FileFault::Failed, &item.path, e));
        Ok(())
    }

    /// Makes all that was written durable, reads it back, and clears its findings.
    fn flush(&mut self, committer: &mut Committer<'_>) -> Result<()> {
        let flushed = committer.flush()?;
        for (work, error) in std::mem::take(&mut committer.failures) {
            self.pending.retain(|p| p.key != work.key);
            self.done.failed += 1;
            self.progress.fail(error);
        }
        if let Flushed::Condemned(_, e) = flushed {
            return Err(e.with_code(Code::DriveFailed));
        }
        for (key, name) in committer.set_aside.drain(..) {
            self.done.aside.push((self.catalog.path_of(&key)?, name));
        }
        for Pending { key, item } in std::mem::take(&mut self.pending) {
            read_back(committer.drive(), &item, self.cancel)?;
            self.catalog.atomically(|| {
                self.catalog.clear_finding(self.volume, &key)?;
                self.catalog.list_as_found(self.volume, &item.path)
            })?;
            self.done.repaired.add(&item);
        }
        Ok(())
    }
}
