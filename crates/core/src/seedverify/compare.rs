//! The comparing of one entry after another, and the report that grows from it.
//!
//! What can be told without reading is told first: an entry of another size is not read. Content is read
//! from the device as far as that can be asked for, source and drive at the same time where it is large.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::thread;

use rusqlite::OptionalExtension;
use rustix::io::Errno;

use super::records::{Recorded, Records};
use super::tree::{Seen, Tree, digest, is_nothing};
use super::words::{error_words, is_device_fault, kind_text, time_difference, words};
use super::{
    Elsewhere, Finding, FindingKind, KEPT_BYTES, KEPT_FINDINGS, KEPT_RANGES, Report, join,
};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::error::{Code, Error, Result};
use crate::format::Algorithm;
use crate::format::jobfile::JobEntry;
use crate::meta::Meta;
use crate::progress::Progress;
use crate::sys;

/// From this size on source and drive are read at the same time; below, a thread is not worth its start.
const PARALLEL: u64 = 8 << 20;

/// How many absent roots a report names.
const KEPT_ROOTS: usize = 16;

/// A source's root, open, or what opening it answered.
struct Source {
    path: Vec<u8>,
    tree: io::Result<Tree>,
}

/// A check under way.
pub(super) struct Check {
    checksum: bool,
    output: Vec<u8>,
    drive: Tree,
    records: Option<Records>,
    catalog: Option<Catalog>,
    source: Option<Source>,
    report: Report,
    kept_bytes: usize,
}

impl Check {
    /// Starts on a drive; `report` holds what is known of it.
    pub(super) fn new(
        checksum: bool,
        output: Vec<u8>,
        drive: Tree,
        records: Option<Records>,
        catalog: Option<Catalog>,
        report: Report,
    ) -> Self {
        Check {
            checksum,
            output,
            drive,
            records,
            catalog,
            source: None,
            report,
            kept_bytes: 0,
        }
    }

    pub(super) fn into_report(self) -> Report {
        self.report
    }

    /// Compares one entry.
    ///
    /// # Errors
    /// `Code::Cancelled`, and what keeps the check from going on at all; never the entry's own fault.
    pub(super) fn entry(
        &mut self,
        entry: &JobEntry,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<()> {
        progress.set_current(&entry.relpath);
        self.report.selected += 1;
        let before = progress.bytes.load(Ordering::Relaxed);
        self.compare(entry, cancel, progress)?;
        // What was not read is done with as well.
        let read = progress.bytes.load(Ordering::Relaxed) - before;
        Progress::add(&progress.bytes, entry.bytes.saturating_sub(read));
        Progress::add(&progress.entries, 1);
        Progress::add(&progress.files, 1);
        Ok(())
    }

    fn compare(
        &mut self,
        entry: &JobEntry,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<()> {
        let recorded = match &self.records {
            None => None,
            Some(records) => match records.find(&entry.relpath)? {
                None => return self.elsewhere(entry),
                found => found,
            },
        };
        let source = self.look_at_source(entry);
        if let Seen::Nothing = source {
            self.report.gone += 1;
            return Ok(());
        }
        self.report.compared += 1;
        self.report.expected_bytes += match &source {
            Seen::File(meta) => meta.size,
            _ => entry.bytes,
        };
        let at = recorded
            .as_ref()
            .and_then(|r| r.lies_at.clone())
            .unwrap_or_else(|| entry.relpath.clone());
        let copy = self.drive.look(&at);
        if let Seen::File(meta) = &copy {
            self.report.backup_bytes += meta.size;
        }
        let (kind, why) = match (&source, &copy) {
            // It was passed over above.
            (Seen::Nothing, _) => return Ok(()),
            (Seen::BehindLink, _) => (
                FindingKind::Unreadable,
                "source: a symbolic link is in its path, which is not followed".to_owned(),
            ),
            (Seen::Failed(e), _) => (FindingKind::Unreadable, format!("source: {}", words(e))),
            (_, Seen::Failed(e)) => {
                self.report.drive_failed |= is_device_fault(Errno::from_io_error(e));
                (FindingKind::Unreadable, format!("drive: {}", words(e)))
            }
            (_, Seen::BehindLink) => (
                FindingKind::Different,
                "a symbolic link is in its path on the drive".to_owned(),
            ),
            (_, Seen::Nothing) => (FindingKind::Missing, "not on the drive".to_owned()),
            (_, Seen::Other(other)) => (
                FindingKind::Different,
                format!("there is {} on the drive", kind_text(other.kind)),
            ),
            (Seen::Other(other), _) => (
                FindingKind::Different,
                format!("the source is {} now", kind_text(other.kind)),
            ),
            (Seen::File(source), Seen::File(copy)) => {
                match self.differences(entry, &at, source, copy, recorded, cancel, progress)? {
                    Some(finding) => finding,
                    None => return Ok(()),
                }
            }
        };
        self.find(entry, kind, why, progress);
        Ok(())
    }

    /// What is different between two regular files; `None` when nothing is.
    #[expect(clippy::too_many_arguments, reason = "one comparison needs both sides")]
    fn differences(
        &mut self,
        entry: &JobEntry,
        at: &[u8],
        source: &Meta,
        copy: &Meta,
        recorded: Option<Recorded>,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Option<(FindingKind, String)>> {
        if source.size != copy.size {
            let why = format!(
                "size: {} bytes on the drive, {} in the source",
                copy.size, source.size
            );
            return Ok(Some((FindingKind::Different, why)));
        }
        let time = time_difference(source.mtime, copy.mtime, self.report.window_ns);
        if !self.checksum {
            return Ok(time.map(|why| (FindingKind::Different, why)));
        }
        let content = match self.content(entry, at, source, recorded, cancel, progress) {
            Ok(content) => content,
            Err(Side::Stopped(e)) => return Err(e),
            Err(Side::Source(e)) => {
                return Ok(Some((
                    FindingKind::Unreadable,
                    format!("source: {}", error_words(&e)),
                )));
            }
            Err(Side::Drive(e)) => {
                self.report.drive_failed |= is_device_fault(e.errno.map(Errno::from_raw_os_error));
                return Ok(Some((
                    FindingKind::Unreadable,
                    format!("drive: {}", error_words(&e)),
                )));
            }
        };
        let why = match (time, content) {
            (None, None) => return Ok(None),
            (Some(time), None) => format!("{time}; the content is the same"),
            (None, Some(content)) => content.to_owned(),
            (Some(time), Some(content)) => format!("{content}; {time}"),
        };
        Ok(Some((FindingKind::Different, why)))
    }

    /// Reads both; says in words what is different.
    fn content(
        &mut self,
        entry: &JobEntry,
        at: &[u8],
        source: &Meta,
        recorded: Option<Recorded>,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> std::result::Result<Option<&'static str>, Side> {
        let dst = join(&self.output, at);
        let (ours, _) = self
            .drive
            .open(at)
            .map_err(|e| Side::Drive(Error::io("opening", &dst, &e)))?;
        sys::drop_cache(&ours);
        let theirs = self
            .open_source(entry)
            .map_err(|e| Side::Source(Error::io("opening", &entry.src, &e)))?;
        let recorded = recorded.and_then(|r| r.digest);
        let by = recorded.map_or(Algorithm::Sha256, |d| d.algorithm);
        let count = |n| Progress::add(&progress.bytes, n);
        let read_source = || digest(&theirs, &entry.src, by, cancel, &|_| ());
        let read_drive = || digest(&ours, &dst, by, cancel, &count);
        let (from_source, from_drive) = if source.size < PARALLEL {
            (read_source(), read_drive())
        } else {
            thread::scope(|scope| {
                let reader = scope.spawn(read_source);
                let from_drive = read_drive();
                let from_source = reader.join().unwrap_or_else(|_| {
                    let lost = Error::new(Code::Internal, "reading", "the reader panicked");
                    Err(lost.with_path(&entry.src))
                });
                (from_source, from_drive)
            })
        };
        let (on_drive, _) = from_drive.map_err(|e| Side::of(e, Side::Drive))?;
        let (in_source, after) = from_source.map_err(|e| Side::of(e, Side::Source))?;

        self.report.digests += u64::from(recorded.is_some());
        Ok(match recorded {
            Some(recorded) if recorded != on_drive => {
                Some("content: not what the drive's own record says was written")
            }
            _ if on_drive == in_source => None,
            _ if after.mtime != source.mtime || after.size != source.size => {
                Some("content: the source changed while it was read")
            }
            Some(_) => Some("content: as it was written, the source has changed since"),
            None => Some("content: not the same as in the source"),
        })
    }

    fn look_at_source(&mut self, entry: &JobEntry) -> Seen {
        match &mut self.source(entry).tree {
            Ok(tree) => tree.look(&entry.relpath),
            Err(e) if is_nothing(e) => Seen::Nothing,
            Err(e) => Seen::Failed(copy_of(e)),
        }
    }

    fn open_source(&mut self, entry: &JobEntry) -> io::Result<OwnedFd> {
        match &mut self.source(entry).tree {
            Ok(tree) => tree.open(&entry.relpath).map(|(fd, _)| fd),
            Err(e) => Err(copy_of(e)),
        }
    }

    /// The root of the entry's source, opened if it is not the one of the entry before.
    fn source(&mut self, entry: &JobEntry) -> &mut Source {
        let path = entry.src_root();
        let kept = self.source.take().filter(|kept| kept.path == path);
        let source = kept.unwrap_or_else(|| {
            let tree = open_root(path);
            let absent = match &tree {
                Ok(tree) => tree.is_empty(),
                Err(e) => is_nothing(e),
            };
            let roots = &mut self.report.absent_roots;
            if absent && roots.len() < KEPT_ROOTS && !roots.iter().any(|r| r == path) {
                roots.push(path.to_vec());
            }
            Source {
                path: path.to_vec(),
                tree,
            }
        });
        self.source.insert(source)
    }

    fn elsewhere(&mut self, entry: &JobEntry) -> Result<()> {
        let volume = match &self.catalog {
            Some(catalog) => volume_of(catalog, &entry.relpath, self.report.volume)?,
            None => None,
        };
        let report = &mut self.report;
        report.elsewhere += 1;
        let range = Elsewhere {
            first: entry.index,
            last: entry.index,
            volume,
        };
        let full = report.ranges.len() >= KEPT_RANGES;
        match report.ranges.last_mut() {
            Some(last) if last.volume == volume && last.last + 1 == entry.index => {
                last.last = entry.index;
            }
            _ if full => {}
            _ => report.ranges.push(range),
        }
        Ok(())
    }

    fn find(&mut self, entry: &JobEntry, kind: FindingKind, why: String, progress: &Progress) {
        let report = &mut self.report;
        match kind {
            FindingKind::Different => report.different += 1,
            FindingKind::Missing => report.missing += 1,
            FindingKind::Unreadable => report.unreadable += 1,
        }
        Progress::add(&progress.errors, 1);
        let dst = join(&self.output, &entry.relpath);
        self.kept_bytes += entry.src.len() + dst.len();
        if report.findings.len() >= KEPT_FINDINGS || self.kept_bytes > KEPT_BYTES {
            report.more += 1;
            return;
        }
        report.findings.push(Finding {
            kind,
            index: entry.index,
            src: entry.src.clone(),
            dst,
            why,
        });
    }
}

/// Whose fault it is that two contents were not compared.
enum Side {
    Source(Error),
    Drive(Error),
    /// The check itself ends.
    Stopped(Error),
}

impl Side {
    fn of(e: Error, side: fn(Error) -> Side) -> Side {
        match e.code {
            Code::Io => side(e),
            _ => Side::Stopped(e),
        }
    }
}

/// The root of a source; here, and here only, a symlink is followed.
fn open_root(path: &[u8]) -> io::Result<Tree> {
    match sys::open_root(path) {
        Ok(fd) => Ok(Tree::new(fd)),
        Err(e) => Err(match e.errno {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::other(e.message),
        }),
    }
}

/// The drive that the catalog says holds the file, other than the drive in hand.
fn volume_of(catalog: &Catalog, path: &[u8], this: Option<u32>) -> Result<Option<u32>> {
    let Some(key) = catalog.find(path, false)? else {
        return Ok(None);
    };
    let sql = "SELECT min(volume) FROM placement WHERE dir = ?1 AND name = ?2 AND volume <> ?3";
    let found = catalog
        .conn
        .prepare_cached(sql)?
        .query_row((key.dir, key.name, this.unwrap_or(0)), |row| row.get(0))
        .optional()?;
    Ok(found.flatten())
}

fn copy_of(e: &io::Error) -> io::Error {
    match e.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => io::Error::new(e.kind(), e.to_string()),
    }
}
