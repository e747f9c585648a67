//! The parallel walk of one source directory.
//!
//! Promises: works by directory descriptor, so renames elsewhere, long paths and deep trees do no harm;
//! follows no symlink and opens nothing but directories; passes over what can't be read, and says so;
//! memory is bounded by the largest single directory plus a few MB, descriptors by a handful a thread.
//! What can't be looked at is handed over as unknown, never left out as if it were gone.
//! It does not: read file content, decide what changed, or see one moment of a tree that others change.

mod listing;
mod packed;
mod pool;
mod read;
mod tree;
mod worker;

use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

pub use listing::{Found, Listing, What};
pub use packed::Entries;

use crate::cancel::CancelToken;
use crate::error::{Code, Error, IoContext, Result};
use crate::filter::{FileList, Filter};
use crate::progress::Progress;
use pool::Pool;
use tree::Group;
use worker::Worker;

/// More threads than this bring nothing on any drive that was measured.
const MAX_AUTO_THREADS: usize = 4;

/// What to walk, and how.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Threads that read directories; 0 (default) is as many as there are processors, but no more than 4.
    pub threads: usize,
    /// List directories where another mount begins, but don't look into them. Default false.
    pub one_file_system: bool,
    /// Take a directory `.mvcopy` at the root for a drive's own bookkeeping, and a page of ours for one: they are
    /// unknown, and not looked into. Default false.
    pub skip_own: bool,
    /// Which entries to leave out.
    pub filter: &'a Filter,
    /// Which paths to take; `None` (default) takes all.
    pub list: Option<&'a FileList>,
}

impl<'a> Options<'a> {
    /// The defaults, with this filter.
    pub fn new(filter: &'a Filter) -> Self {
        Options {
            threads: 0,
            one_file_system: false,
            skip_own: false,
            filter,
            list: None,
        }
    }
}

/// What a walk came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Directories that were looked into.
    pub directories: u64,
    /// Entries that were listed as known.
    pub entries: u64,
    /// Entries that were listed as unknown because a rule, or `skip_own`, left them out.
    pub left_out: u64,
    /// Directories and entries that could not be read or looked at, or that were replaced meanwhile. If this is
    /// not 0, nothing of this source counts as removed.
    pub unreadable: u64,
    /// Entries that were gone when they were looked at, among them those that a list names and nobody has.
    pub vanished: u64,
}

impl Summary {
    fn add(&mut self, other: &Summary) {
        self.directories += other.directories;
        self.entries += other.entries;
        self.left_out += other.left_out;
        self.unreadable += other.unreadable;
        self.vanished += other.vanished;
    }
}

/// Walks everything below `root` and hands each directory's listing to `sink`.
///
/// `source_path` is the path of `root` as the user knows it; it only stands before paths in messages.
/// `sink` is called on this thread. A directory's listing always comes before those of the directories in it;
/// beyond that the order is any. For every token that was handed out, and for 0, just one listing comes, with
/// `complete: false` and no entries where the directory could not be opened.
/// Failures of single entries go to `progress` and raise [`Summary::unreadable`] or [`Summary::vanished`];
/// `progress.entries` is raised as entries are found.
///
/// # Errors
/// `Code::Cancelled`; what `sink` answered; `Code::Internal` if a thread panicked; `Code::Io` if no thread
/// can be started. All threads have ended when this returns.
pub fn walk(
    root: BorrowedFd<'_>,
    source_path: &[u8],
    options: &Options<'_>,
    cancel: &CancelToken,
    progress: &Progress,
    sink: &mut dyn FnMut(Listing) -> Result<()>,
) -> Result<Summary> {
    cancel.check()?;
    let pool = Pool::new(Group::root(options.list.map(FileList::root)));
    let threads = match options.threads {
        0 => thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MAX_AUTO_THREADS),
        n => n,
    };
    let walked: Result<()> = thread::scope(|scope| {
        // However this closure is left, the workers are told; the scope then waits for them.
        let _stop = StopOnDrop(&pool);
        for n in 0..threads {
            pool.enter();
            let started = thread::Builder::new()
                .name(format!("walk-{n}"))
                .spawn_scoped(scope, || {
                    let mut worker =
                        Worker::new(root, source_path, options, cancel, progress, &pool);
                    let outcome = guarded(|| worker.run());
                    pool.leave(&worker.summary, outcome);
                });
            if let Err(e) = started {
                let outcome = if n == 0 {
                    Err(e).at("starting a thread for", source_path)
                } else {
                    Ok(())
                };
                pool.leave(&Summary::default(), outcome);
                break;
            }
        }
        while let Some(batch) = pool.receive() {
            for listing in batch {
                cancel.check()?;
                sink(listing)?;
            }
        }
        Ok(())
    });
    walked?;
    pool.outcome()
}

/// Stops the workers when the caller's part ends, by an error or a panic of the sink too.
struct StopOnDrop<'p>(&'p Pool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Runs a thread's work; a panic in it becomes an error that the caller of the walk gets.
fn guarded(work: impl FnOnce() -> Result<()>) -> Result<()> {
    // What was being worked on is thrown away with the walk, so nothing half-done is looked at again.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Err(Error::new(
            Code::Internal,
            "walking",
            format!("a thread panicked: {text}"),
        ))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
