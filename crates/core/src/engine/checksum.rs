//! Comparing by content: reading files in the sources and telling the catalog what digests each has.
//!
//! Several threads read, one talks to the catalog; memory is a bounded number of files in flight. A file that
//! changes while it is read tells nothing and is named; so is one that can't be read. Cancelling takes effect
//! within a block, and what was compared until then stays known. Nothing on any drive is touched.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::io::{Errno, retry_on_intr};

use super::copy::open_sources;
use super::drive::split;
use super::hash::BLOCK;
use super::work::SourceRoot;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::content::Means;
use crate::catalog::order::Row;
use crate::catalog::place::Key;
use crate::catalog::renamed::Found;
use crate::digest::Hasher;
use crate::error::{Code, Error, FileError, FileFault, IoContext, Result};
use crate::format::item::{Algorithm, Digest};
use crate::meta::Kind;
use crate::progress::Progress;
use crate::sys;

/// Files that are asked for at once, and between two commits.
const PAGE: usize = 512;

/// Files in flight.
const IN_FLIGHT: usize = 64;

/// Hard-linked files whose digests are remembered, so that each is read once.
const LINKS: usize = 65_536;

/// What came of comparing.
#[derive(Debug, Clone, Default)]
pub struct Compared {
    /// Files that were read.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Files that need no copy although their time differs.
    pub spared_files: u64,
    /// Bytes of these.
    pub spared_bytes: u64,
    /// Files that need one although their size and time are as they were.
    pub changed_files: u64,
    /// Bytes of these.
    pub changed_bytes: u64,
    /// New files whose content a volume holds under a name that is gone.
    pub renamed: Found,
    /// Files that could not be read.
    pub failed: u64,
    /// Files that vanished, or changed while they were read.
    pub vanished: u64,
}

/// Reads what the scan of `run` noted, and new files that may be renamed ones, on `threads` threads.
///
/// # Errors
/// What SQLite answers; `Code::Cancelled`, also for an orderly end.
pub fn compare(
    catalog: &Catalog,
    run: i64,
    threads: usize,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Compared> {
    let job = Job {
        catalog,
        sources: open_sources(catalog)?,
        threads,
        cancel,
        progress,
    };
    let mut done = Compared::default();
    // New names first: they end what would be asked about as gone.
    let mut found = Found::default();
    let by = catalog.digests_of_gone(run)?;
    if !by.is_empty() {
        job.each(
            &|after, limit| {
                let rows = catalog.maybe_moved(run, after, limit)?;
                Ok(rows.into_iter().map(|row| (row, by.clone())).collect())
            },
            &mut done,
            &mut |_, row, digests| {
                catalog.moved_by_content(run, row, digests, &mut found)?;
                Ok(())
            },
        )?;
    }
    job.each(
        &|after, limit| catalog.to_compare(after, limit),
        &mut done,
        &mut |done, row, digests| {
            match catalog.content_is(run, row, digests)? {
                Means::Held | Means::Needed => {}
                Means::HeldAfterAll => {
                    done.spared_files += 1;
                    done.spared_bytes += row.meta.size;
                }
                Means::NeededAfterAll => {
                    done.changed_files += 1;
                    done.changed_bytes += row.meta.size;
                }
            }
            Ok(())
        },
    )?;
    catalog.forget_to_compare()?;
    super::attributes::look(catalog, cancel)?;
    done.renamed = found;
    Ok(done)
}

/// One file to be read.
struct Task {
    row: Row,
    /// The digests that are to be made of it.
    by: Vec<Algorithm>,
    source: Arc<SourceRoot>,
    path: Vec<u8>,
}

/// What reading a file came to.
enum Read {
    Digests(Vec<Digest>),
    Failed(FileError),
    Cancelled,
    Panicked,
}

struct Job<'a> {
    catalog: &'a Catalog,
    sources: HashMap<i64, Arc<SourceRoot>>,
    threads: usize,
    cancel: &'a CancelToken,
    progress: &'a Progress,
}

/// Gives the files after a key, each with the algorithms of the digests that are to be made of it.
type Pages<'p> = dyn Fn(&Key, usize) -> Result<Vec<(Row, Vec<Algorithm>)>> + 'p;

/// Takes in the digests of one file.
type Sink<'s> = dyn FnMut(&mut Compared, &Row, &[Digest]) -> Result<()> + 's;

impl Job<'_> {
    /// Reads every file of the pages.
    fn each(&self, pages: &Pages<'_>, done: &mut Compared, sink: &mut Sink<'_>) -> Result<()> {
        std::thread::scope(|scope| {
            let (tasks_to, tasks) = bounded::<Task>(IN_FLIGHT);
            let (read_to, read) = bounded::<(Task, Read)>(IN_FLIGHT);
            // The catalog stays on this thread.
            let (cancel, progress) = (self.cancel, self.progress);
            for n in 0..self.threads.max(1) {
                let (tasks, read_to) = (tasks.clone(), read_to.clone());
                let thread = std::thread::Builder::new()
                    .name(format!("compare-{n}"))
                    .spawn_scoped(scope, move || reader(&tasks, &read_to, cancel, progress));
                if let Err(e) = thread
                    && n == 0
                {
                    return Err(Error::io("starting a thread for", b"comparing", &e));
                }
            }
            drop((tasks, read_to));
            self.feed(pages, tasks_to, &read, done, sink)
            // On every way out both ends that the threads talk to are dropped: they end, and the scope waits.
        })
    }

    fn feed(
        &self,
        pages: &Pages<'_>,
        tasks: Sender<Task>,
        read: &Receiver<(Task, Read)>,
        done: &mut Compared,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let mut after = Key {
            dir: i64::MIN,
            name: Vec::new(),
        };
        let mut links: HashMap<(u64, u64), Vec<Digest>> = HashMap::new();
        loop {
            self.cancel.check()?;
            let page = pages(&after, PAGE)?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = Key {
                dir: last.dir,
                name: last.name.clone(),
            };
            let mut rows = page.into_iter().peekable();
            let mut in_flight = 0;
            while in_flight > 0 || rows.peek().is_some() {
                if in_flight < IN_FLIGHT
                    && let Some((row, by)) = rows.next()
                {
                    let known = links.get(&(row.meta.dev, row.meta.ino));
                    let has = |known: &[Digest], one| known.iter().any(|d| d.algorithm == one);
                    if let Some(digests) = known.filter(|d| by.iter().all(|one| has(d, *one))) {
                        self.catalog.atomically(|| sink(done, &row, digests))?;
                    } else if let Some(task) = self.task(row, by)? {
                        tasks.send(task).map_err(|_| lost())?;
                        in_flight += 1;
                    }
                    continue;
                }
                let (task, result) = read.recv().map_err(|_| lost())?;
                in_flight -= 1;
                match result {
                    Read::Digests(digests) => {
                        let meta = &task.row.meta;
                        done.files += 1;
                        done.bytes += meta.size;
                        Progress::add(&self.progress.files, 1);
                        if meta.nlink > 1 {
                            if links.len() >= LINKS {
                                links.clear();
                            }
                            links.insert((meta.dev, meta.ino), digests.clone());
                        }
                        // One by one: reading may take hours, and what is known then is to stay known.
                        self.catalog
                            .atomically(|| sink(done, &task.row, &digests))?;
                    }
                    Read::Failed(error) => {
                        match error.fault {
                            FileFault::Vanished | FileFault::Changing => done.vanished += 1,
                            _ => done.failed += 1,
                        }
                        self.progress.fail(error);
                    }
                    Read::Cancelled => rows = Vec::new().into_iter().peekable(),
                    Read::Panicked => return Err(lost()),
                }
            }
        }
    }

    /// The work that a row is; `None` when its source is not there now, which the walk has said already.
    fn task(&self, row: Row, by: Vec<Algorithm>) -> Result<Option<Task>> {
        let Some(source) = self.sources.get(&row.source).cloned() else {
            return Ok(None);
        };
        let key = Key {
            dir: row.dir,
            name: row.name.clone(),
        };
        let path = self.catalog.path_of(&key)?;
        Ok(Some(Task {
            row,
            by,
            source,
            path,
        }))
    }
}

fn lost() -> Error {
    Error::new(Code::Internal, "comparing", "a reader panicked")
}

/// One thread: reads until there is nothing more to read.
fn reader(
    tasks: &Receiver<Task>,
    read: &Sender<(Task, Read)>,
    cancel: &CancelToken,
    progress: &Progress,
) {
    let mut buffer = vec![0; BLOCK];
    let mut dir = None;
    for task in tasks {
        let result = catch_unwind(AssertUnwindSafe(|| {
            digests(&task, &mut dir, &mut buffer, cancel, progress)
        }))
        .unwrap_or(Read::Panicked);
        if read.send((task, result)).is_err() {
            return;
        }
    }
}

/// The source directory that a thread has open.
type OpenDir = Option<(Arc<SourceRoot>, Vec<u8>, OwnedFd)>;

fn digests(
    task: &Task,
    dir: &mut OpenDir,
    buffer: &mut [u8],
    cancel: &CancelToken,
    progress: &Progress,
) -> Read {
    let path = task.source.absolute(&task.path);
    let changing = |message: &str| {
        Read::Failed(FileError {
            fault: FileFault::Changing,
            path: path.clone(),
            doing: "comparing",
            errno: None,
            message: message.into(),
        })
    };
    match content(task, &path, dir, buffer, cancel, progress) {
        Ok(Some(digests)) => Read::Digests(digests),
        Ok(None) => changing("it changed while it was compared"),
        Err(e) if e.code == Code::Cancelled => Read::Cancelled,
        Err(e) => {
            let gone = e.is_errno(Errno::NOENT) || e.is_errno(Errno::NOTDIR);
            let fault = if gone {
                FileFault::Vanished
            } else {
                FileFault::Failed
            };
            Read::Failed(FileError::from_error(fault, &path, &e))
        }
    }
}

/// The digests of a file's content; `None` when it is not the file that the walk saw, or changes.
fn content(
    task: &Task,
    path: &[u8],
    dir: &mut OpenDir,
    buffer: &mut [u8],
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Option<Vec<Digest>>> {
    if cancel.is_stopped() {
        return Err(Error::cancelled());
    }
    let (parent, name) = split(task.source.below(&task.path));
    let fd = match dir {
        Some((source, at, fd)) if Arc::ptr_eq(source, &task.source) && at == parent => fd,
        slot => {
            let fd = sys::open_dir_beneath(task.source.fd.as_fd(), parent, false)
                .at("opening the directory of", path)?;
            &mut slot
                .insert((Arc::clone(&task.source), parent.to_vec(), fd))
                .2
        }
    };
    progress.set_current(&task.path);
    let file = match sys::open_for_reading(fd.as_fd(), name).at("opening", path) {
        // A symlink or socket took its place.
        Err(e) if e.is_errno(Errno::LOOP) || e.is_errno(Errno::NXIO) => return Ok(None),
        opened => opened?,
    };
    let before = sys::stat_fd(file.as_fd()).at("looking at", path)?;
    if before.kind != Kind::File || before.size != task.row.meta.size {
        return Ok(None);
    }
    let mut hashers: Vec<Hasher> = task.by.iter().map(|by| Hasher::new(*by)).collect();
    let mut pos = 0;
    loop {
        if cancel.is_stopped() {
            return Err(Error::cancelled());
        }
        let n =
            retry_on_intr(|| rustix::io::pread(&file, &mut *buffer, pos)).at("reading", path)?;
        if n == 0 {
            break;
        }
        hashers.iter_mut().for_each(|h| h.update(&buffer[..n]));
        pos += n as u64;
        Progress::add(&progress.bytes, n as u64);
    }
    let after = sys::stat_fd(file.as_fd()).at("looking at", path)?;
    let same = pos == before.size && after.size == before.size && after.mtime == before.mtime;
    Ok(same.then(|| hashers.into_iter().map(Hasher::finish).collect()))
}
