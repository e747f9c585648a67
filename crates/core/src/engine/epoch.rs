//! Epochs: groups of files that become durable together.
//!
//! For each group, in this order: the intents are appended to the journal; one barrier; the temp files are
//! renamed into place; *done* is appended. The next group's barrier makes that durable too, and only then
//! are the files promised: recorded in the catalog. So a steady run costs one barrier a group and no
//! fsync a file.
//!
//! A failed barrier condemns everything that was not promised. It is copied once more, from the source; a
//! second failure in the same session means that the drive fails. The same writes are never flushed again
//! to see whether the error has gone: the kernel tells of a lost write once.

mod before;

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;

use before::SameFiles;

use super::dirs::open_or_make;
use super::drive::{Drive, join, split};
use super::file::target_fault;
use super::work::{TempDir, Work};
use crate::catalog::Catalog;
use crate::catalog::place::Key;
use crate::error::{Code, Error, FileError, FileFault, IoContext, Result};
use crate::format::item::Item;
use crate::format::journal::{Record, encode};
use crate::meta::Meta;
use crate::progress::Progress;
use crate::sys;

/// An entry whose temp file (if it has one) is written.
#[derive(Debug)]
pub struct Ready {
    /// The work that it came from.
    pub work: Work,
    /// What it is.
    pub item: Item,
    /// What the source looked like.
    pub seen: Meta,
    /// Whether there is a temp file to rename; otherwise a directory is made, or nothing at all.
    pub in_temp: bool,
    /// The number of its intent; given when it is committed, so that numbers rise with the journal.
    pub intent: u64,
}

/// What a flush came to.
#[derive(Debug)]
pub enum Flushed {
    /// All is well.
    Good,
    /// The barrier failed: these are condemned and may be copied once more.
    Condemned(Vec<Ready>, Error),
}

/// Gathers what is ready, commits it, promises it.
pub struct Committer<'a> {
    drive: &'a mut Drive,
    catalog: &'a Catalog,
    progress: &'a Progress,
    volume: u32,
    /// Written, not yet committed.
    ready: Vec<Ready>,
    /// Committed (renamed), not yet promised.
    committed: Vec<Ready>,
    /// Directories on the drive that were opened last, by path.
    parents: HashMap<Vec<u8>, Arc<OwnedFd>>,
    /// Files of several names that were met last: which file each is.
    same_files: SameFiles,
    epochs: u64,
    temps: u64,
    temp: Option<Arc<TempDir>>,
    /// Bytes in `ready`.
    pub ready_bytes: u64,
    /// Files, links and other entries promised so far.
    pub promised_entries: u64,
    /// Regular files promised so far.
    pub promised_files: u64,
    /// Bytes of their content.
    pub promised_bytes: u64,
    /// Device and inode of the hard-linked files promised since these were last taken.
    pub promised_links: Vec<(u64, u64)>,
    /// The failures of single files in the commit itself.
    pub failures: Vec<(Work, FileError)>,
    /// What was kept beside the file that took its name: that file's key, and the new name.
    pub set_aside: Vec<(Key, Vec<u8>)>,
}

/// How many directories of the drive are held open.
const PARENTS: usize = 16;

impl<'a> Committer<'a> {
    /// A committer for an open drive.
    pub fn new(drive: &'a mut Drive, catalog: &'a Catalog, progress: &'a Progress) -> Self {
        let volume = drive.identity.volume.number;
        Committer {
            drive,
            catalog,
            progress,
            volume,
            ready: Vec::new(),
            committed: Vec::new(),
            parents: HashMap::new(),
            same_files: SameFiles::default(),
            epochs: 0,
            temps: 0,
            temp: None,
            ready_bytes: 0,
            promised_entries: 0,
            promised_files: 0,
            promised_bytes: 0,
            promised_links: Vec::new(),
            failures: Vec::new(),
            set_aside: Vec::new(),
        }
    }

    /// The drive.
    pub fn drive(&self) -> &Drive {
        self.drive
    }

    /// The number for the next temp file.
    pub fn next_temp(&mut self) -> u64 {
        self.temps += 1;
        self.temps
    }

    /// The `tmp/` sub-directory of the group in hand.
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn temp_dir(&mut self) -> Result<Arc<TempDir>> {
        if let Some(temp) = &self.temp {
            return Ok(Arc::clone(temp));
        }
        loop {
            self.epochs += 1;
            let name = format!("{:x}", self.epochs).into_bytes();
            let path = join(&join(&self.drive.path, b".mvcopy/tmp"), &name);
            match sys::make_dir(self.drive.tmp.as_fd(), &name) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(e).at("making", &path),
            }
            let fd =
                sys::open_dir_beneath(self.drive.tmp.as_fd(), &name, true).at("opening", &path)?;
            let tmp = Arc::clone(&self.drive.tmp);
            let temp = Arc::new(TempDir { fd, name, tmp });
            self.temp = Some(Arc::clone(&temp));
            return Ok(temp);
        }
    }

    /// Takes an entry that is written.
    pub fn push(&mut self, ready: Ready) {
        self.ready_bytes += ready.item.size;
        if ready.item.kind == crate::meta::Kind::File {
            Progress::add(&self.progress.written, 1);
        }
        self.ready.push(ready);
    }

    /// How many entries wait for the next commit.
    pub fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// Commits the group in hand: intents, barrier, renames, done. The group before it is promised by
    /// the same barrier.
    ///
    /// # Errors
    /// What stops the run: the drive is no longer mounted, or its directories cannot be written.
    pub fn commit(&mut self) -> Result<Flushed> {
        if self.ready.is_empty() {
            return Ok(Flushed::Good);
        }
        self.progress
            .phase
            .store(2, std::sync::atomic::Ordering::Relaxed);
        let flushed = self.commit_group();
        self.progress
            .phase
            .store(1, std::sync::atomic::Ordering::Relaxed);
        flushed
    }

    fn commit_group(&mut self) -> Result<Flushed> {
        self.drive.check_mounted()?;
        if let Err(e) = self.keep_room() {
            return self.condemn(e);
        }
        let mut bytes = Vec::new();
        let mut kept = Vec::with_capacity(self.ready.len());
        for mut ready in std::mem::take(&mut self.ready) {
            self.name_file(&mut ready)?;
            ready.intent = self.drive.journal.next_id;
            let record = Record::Intent {
                id: ready.intent,
                temp: ready
                    .in_temp
                    .then(|| join(&ready.work.temp.name, &ready.work.temp_name())),
                item: ready.item.clone(),
                replaces: ready.work.replaces,
            };
            match encode(&record, &mut bytes) {
                Ok(()) => {
                    self.drive.journal.next_id += 1;
                    kept.push(ready);
                }
                Err(e) => self.fail(ready, &e, FileFault::Failed),
            }
        }
        self.ready = kept;
        self.ready_bytes = 0;
        if self.ready.is_empty() {
            return Ok(Flushed::Good);
        }
        // Files that are written from here on belong to the next group.
        self.temp = None;
        let barrier = self
            .drive
            .append_bytes(&bytes)
            .and_then(|()| self.drive.barrier());
        if let Err(e) = barrier {
            return self.condemn(e);
        }
        self.promise()?;
        let mut ids = Vec::new();
        for ready in std::mem::take(&mut self.ready) {
            match self.put_in_place(&ready) {
                Ok(()) => {
                    push_id(&mut ids, ready.intent);
                    self.committed.push(ready);
                }
                Err(e) => match target_fault(&e) {
                    Some(fault) => self.fail(ready, &e, fault),
                    None => {
                        return Err(e.with_code(Code::DriveFailed));
                    }
                },
            }
        }
        if let Err(e) = self.drive.append(&[Record::Done { ids }]) {
            return self.condemn(e);
        }
        Ok(Flushed::Good)
    }

    /// Commits what is left and promises everything.
    ///
    /// # Errors
    /// As [`Committer::commit`].
    pub fn flush(&mut self) -> Result<Flushed> {
        if let Flushed::Condemned(work, e) = self.commit()? {
            return Ok(Flushed::Condemned(work, e));
        }
        if self.committed.is_empty() {
            return Ok(Flushed::Good);
        }
        self.progress
            .phase
            .store(2, std::sync::atomic::Ordering::Relaxed);
        let barrier = self.drive.barrier();
        self.progress
            .phase
            .store(1, std::sync::atomic::Ordering::Relaxed);
        match barrier {
            Err(e) => self.condemn(e),
            Ok(()) => {
                self.promise()?;
                Ok(Flushed::Good)
            }
        }
    }

    /// Records as placed what the last barrier made durable.
    fn promise(&mut self) -> Result<()> {
        let Some(through) = self.committed.iter().map(|r| r.intent).max() else {
            return Ok(());
        };
        self.catalog.atomically(|| {
            let mut last_dir = 0;
            for ready in &self.committed {
                let key = &ready.work.key;
                if key.dir != last_dir {
                    self.catalog.place_dirs(self.volume, key.dir)?;
                    // The record of what is only recorded has none, its directory may have one.
                    let alias = ready.work.alias.as_deref();
                    self.catalog.alias_dirs(self.volume, key.dir, alias)?;
                    last_dir = key.dir;
                }
                // A repair says nothing about what the source has.
                let seen = ready.work.expected.is_none().then_some(&ready.seen);
                self.catalog.place(self.volume, key, &ready.item, seen)?;
            }
            Ok(())
        })?;
        for ready in &self.committed {
            self.promised_entries += 1;
            // The content of a hard link was counted with its first name.
            let content = if ready.item.link.is_none() {
                ready.item.size
            } else {
                0
            };
            if ready.item.kind == crate::meta::Kind::File {
                self.promised_files += 1;
                self.promised_bytes += content;
                let meta = &ready.work.meta;
                if meta.nlink > 1 {
                    self.promised_links.push((meta.dev, meta.ino));
                }
                Progress::add(&self.progress.files, 1);
            }
            Progress::add(&self.progress.entries, 1);
            Progress::add(&self.progress.durable_bytes, content);
        }
        self.committed.clear();
        // Tells a later recovery what it need not look at. Should this write fail, the next one does too.
        self.drive.append(&[Record::Durable { through }])
    }

    /// Gives up everything that was not promised, after a failed barrier.
    fn condemn(&mut self, e: Error) -> Result<Flushed> {
        let mut condemned = std::mem::take(&mut self.committed);
        // What was renamed already stands under its final name and is ours: the next copy replaces it.
        for ready in &mut condemned {
            ready.work.replaces |= ready.in_temp;
        }
        for ready in std::mem::take(&mut self.ready) {
            if ready.in_temp {
                let _ = sys::unlink(ready.work.temp.fd.as_fd(), &ready.work.temp_name(), false);
            }
            condemned.push(ready);
        }
        self.temp = None;
        // The records since then may or may not be on the device: they are written anew.
        self.drive
            .cut_journal()
            .map_err(|cut| cut.with_code(Code::DriveFailed))?;
        Ok(Flushed::Condemned(condemned, e))
    }

    fn fail(&mut self, ready: Ready, e: &Error, fault: FileFault) {
        if ready.in_temp {
            let _ = sys::unlink(ready.work.temp.fd.as_fd(), &ready.work.temp_name(), false);
        }
        let path = join(&self.drive.path, ready.item.on_drive());
        let mut error = FileError::from_error(fault, &path, e);
        if fault == FileFault::ForeignInTheWay {
            error.message = "something that is not ours stands there".into();
        }
        self.failures.push((ready.work, error));
    }

    fn put_in_place(&mut self, ready: &Ready) -> Result<()> {
        let path = ready.item.on_drive();
        if !ready.item.stored {
            // The directory that is recorded with it is there all the same.
            self.parent(split(ready.work.on_drive()).0)?;
            return Ok(());
        }
        let whole = join(&self.drive.path, path);
        if !ready.in_temp {
            // An empty directory.
            self.parent(path)?;
            return Ok(());
        }
        let (dir, name) = split(path);
        let parent = self.parent(dir)?;
        let temp = ready.work.temp.fd.as_fd();
        if let Some(item) = &ready.work.expected
            && ready.work.replaces
            && !super::look::may_replace(parent.as_fd(), name, item, self.drive.rules.windows)
        {
            return Err(Error::io("repairing", &whole, &Errno::EXIST.into()));
        }
        if ready.work.aside
            && let Some(kept) = super::aside::set_aside(parent.as_fd(), name, &whole)?
        {
            self.set_aside.push((ready.work.key.clone(), kept));
        }
        sys::rename(
            temp,
            &ready.work.temp_name(),
            parent.as_fd(),
            name,
            ready.work.replaces,
        )
        .at("renaming into place", &whole)?;
        if ready.item.link.is_some() {
            // Renaming onto another name of the same file does nothing and leaves the old one (rename(2)).
            let _ = sys::unlink(temp, &ready.work.temp_name(), false);
        }
        Ok(())
    }

    /// The directory of this path on the drive; it and those above it are made where they are missing.
    fn parent(&mut self, dir: &[u8]) -> Result<Arc<OwnedFd>> {
        if dir.is_empty() {
            return Ok(Arc::clone(&self.drive.root));
        }
        if let Some(fd) = self.parents.get(dir) {
            return Ok(Arc::clone(fd));
        }
        let fd = Arc::new(open_or_make(self.drive, dir)?);
        if self.parents.len() >= PARENTS {
            self.parents.clear();
        }
        self.parents.insert(dir.to_vec(), Arc::clone(&fd));
        Ok(fd)
    }
}

/// Adds an id to a list of inclusive ranges; ids come in any order, mostly rising.
pub(super) fn push_id(ranges: &mut Vec<(u64, u64)>, id: u64) {
    match ranges.last_mut() {
        Some((_, last)) if last.checked_add(1) == Some(id) => *last = id,
        _ => ranges.push((id, id)),
    }
}
