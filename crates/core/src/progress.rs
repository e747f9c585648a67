//! Counters that a running job raises and its owner reads.
//!
//! They are for the eye: lossy in time, never wrong at the end. Totals that anything depends on are in
//! the job's result. Errors of single files are handed over through a bounded queue, so that they can be
//! printed while the job runs; what overflows the queue is counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::FileError;

/// How many undelivered file errors are kept; more are only counted.
const KEPT_ERRORS: usize = 10_000;

/// What a job has done so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// Entries seen (walk) or finished (copy, verify).
    pub entries: AtomicU64,
    /// Regular files finished.
    pub files: AtomicU64,
    /// Regular files whose content is written, durable or not (copy).
    pub written: AtomicU64,
    /// Bytes of content finished or under way.
    pub bytes: AtomicU64,
    /// Bytes that survive a power cut (copy).
    pub durable_bytes: AtomicU64,
    /// Failures of single files so far.
    pub errors: AtomicU64,
    /// 0 idle, 1 working, 2 flushing to the drive, 3 closing the drive.
    pub phase: AtomicU64,
    queue: Mutex<VecDeque<FileError>>,
    current: Mutex<Vec<u8>>,
    part: Mutex<Option<Part>>,
    expected: Mutex<Option<Expected>>,
}

/// How much there is to be done in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Regular files.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
}

/// How far a file is that takes long enough to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The path, as `set_current` would have it.
    pub path: Vec<u8>,
    /// Bytes of it that are done.
    pub done: u64,
    /// Its size when it was opened.
    pub size: u64,
}

/// A file in hand; dropped when it is done or has failed.
pub struct InHand<'a> {
    progress: &'a Progress,
    path: &'a [u8],
    size: u64,
}

impl InHand<'_> {
    /// So many of its bytes are done.
    pub fn at(&self, done: u64) {
        let mut part = self.progress.lock_part();
        match part.as_mut() {
            Some(part) if part.path == self.path => part.done = done,
            // Of several files at a time the one is told that began first, until it is done.
            Some(_) => {}
            None => {
                *part = Some(Part {
                    path: self.path.to_vec(),
                    done,
                    size: self.size,
                });
            }
        }
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        let mut part = self.progress.lock_part();
        if part.as_ref().is_some_and(|part| part.path == self.path) {
            *part = None;
        }
    }
}

impl Progress {
    /// Counters at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    /// Says how much there is to be done in all, as soon as that is known.
    pub fn expect(&self, files: u64, bytes: u64) {
        *self.lock_expected() = Some(Expected { files, bytes });
    }

    /// How much there is to be done in all; `None` where nobody knows.
    pub fn expected(&self) -> Option<Expected> {
        *self.lock_expected()
    }

    fn lock_expected(&self) -> std::sync::MutexGuard<'_, Option<Expected>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the failure of one file.
    pub fn fail(&self, error: FileError) {
        Self::add(&self.errors, 1);
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() < KEPT_ERRORS {
            queue.push_back(error);
        }
    }

    /// Takes the failures that were not yet taken.
    pub fn take_errors(&self) -> Vec<FileError> {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
            .collect()
    }

    /// Says which path is in hand.
    pub fn set_current(&self, path: &[u8]) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.clear();
        current.extend_from_slice(path);
    }

    /// A file of `size` bytes whose progress is to be told by itself, for as long as the answer lives.
    pub fn in_hand<'a>(&'a self, path: &'a [u8], size: u64) -> InHand<'a> {
        InHand {
            progress: self,
            path,
            size,
        }
    }

    /// How far the file in hand is; `None` where there is none that takes long.
    pub fn part(&self) -> Option<Part> {
        self.lock_part().clone()
    }

    fn lock_part(&self) -> std::sync::MutexGuard<'_, Option<Part>> {
        self.part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path in hand, empty if none.
    pub fn current(&self) -> Vec<u8> {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_began_first_is_told_until_it_is_done() {
        let progress = Progress::new();
        assert_eq!(progress.part(), None);
        let first = progress.in_hand(b"first", 10);
        let second = progress.in_hand(b"second", 20);
        first.at(0);
        second.at(5);
        first.at(3);
        let part = progress.part().expect("a file is in hand");
        assert_eq!(
            (part.path.as_slice(), part.done, part.size),
            (&b"first"[..], 3, 10)
        );
        drop(first);
        assert_eq!(progress.part(), None);
        second.at(6);
        assert_eq!(progress.part().map(|part| part.done), Some(6));
        drop(second);
        assert_eq!(progress.part(), None);
    }
}
