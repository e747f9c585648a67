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

    /// The path in hand, empty if none.
    pub fn current(&self) -> Vec<u8> {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
