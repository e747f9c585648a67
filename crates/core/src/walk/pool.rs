//! What the threads of one walk share: directories that wait, and listings on their way to the caller.
//!
//! Each worker keeps its own stack and gives some of it away when another has nothing to do; before that it
//! hands over its listings, so a directory's listing always comes before those of the directories in it.
//! Listings wait in a queue bounded by bytes. Any end (done, failed, stopped) wakes everybody.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

use super::Summary;
use super::listing::Listing;
use super::tree::Group;

/// How many bytes of listings wait at most, apart from one that is larger by itself.
const QUEUE_BYTES: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Pool {
    state: Mutex<State>,
    /// Directories were given away, or the walk ends.
    work: Condvar,
    /// Listings came, or the last worker left.
    filled: Condvar,
    /// Listings were taken, or the walk ends.
    emptied: Condvar,
    /// More workers wait for directories than groups wait for workers.
    hungry: AtomicBool,
    /// The walk ends: nothing more is to be begun.
    stopped: AtomicBool,
    tokens: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    groups: Vec<Group>,
    /// Workers that have directories of their own, and so may give some away.
    busy: usize,
    /// Workers that wait for directories.
    waiting: usize,
    /// Workers that have not left.
    workers: usize,
    queue: VecDeque<(usize, Vec<Listing>)>,
    queued: usize,
    summary: Summary,
    failure: Option<Error>,
}

/// The walk was stopped by somebody else; whoever did so has the reason.
#[derive(Debug)]
pub(super) struct Stopped;

impl Pool {
    pub(super) fn new(root: Group) -> Self {
        Pool {
            state: Mutex::new(State {
                groups: vec![root],
                ..State::default()
            }),
            work: Condvar::new(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            hungry: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            tokens: AtomicU64::new(1),
        }
    }

    /// The first of `count` tokens that nobody else has.
    pub(super) fn tokens(&self, count: usize) -> u64 {
        self.tokens.fetch_add(count as u64, Ordering::Relaxed)
    }

    /// Whether somebody waits for directories.
    pub(super) fn is_hungry(&self) -> bool {
        self.hungry.load(Ordering::Relaxed)
    }

    /// Whether the walk ends.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// A worker will start.
    pub(super) fn enter(&self) {
        self.lock().workers += 1;
    }

    /// A worker has ended, or could not be started.
    pub(super) fn leave(&self, summary: &Summary, outcome: Result<()>) {
        let mut state = self.lock();
        state.workers -= 1;
        state.summary.add(summary);
        let failed = outcome.is_err();
        if let Err(e) = outcome {
            state.failure.get_or_insert(e);
        }
        if state.workers == 0 {
            self.filled.notify_all();
        }
        drop(state);
        if failed {
            self.stop();
        }
    }

    /// Ends the walk.
    pub(super) fn stop(&self) {
        // Under the lock, so that nobody looks before this and sleeps after it.
        let _state = self.lock();
        self.stopped.store(true, Ordering::Relaxed);
        self.work.notify_all();
        self.emptied.notify_all();
    }

    /// Waits for directories. `begun` says whether the caller had some before and has none now. `None` when
    /// there are none and nobody is left who could find more.
    pub(super) fn take(&self, begun: bool) -> Option<Group> {
        let mut state = self.lock();
        if begun {
            state.busy -= 1;
        }
        loop {
            if self.is_stopped() {
                return None;
            }
            if let Some(group) = state.groups.pop() {
                state.busy += 1;
                return Some(group);
            }
            if state.busy == 0 {
                self.work.notify_all();
                return None;
            }
            state.waiting += 1;
            self.look_hungry(&state);
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
            self.look_hungry(&state);
        }
    }

    /// Gives directories to whoever has none. Their parents' listings must have been sent.
    pub(super) fn give(&self, group: Group) {
        let mut state = self.lock();
        state.groups.push(group);
        self.look_hungry(&state);
        self.work.notify_one();
    }

    fn look_hungry(&self, state: &State) {
        self.hungry
            .store(state.waiting > state.groups.len(), Ordering::Relaxed);
    }

    /// Hands listings to the caller, waiting while too much is under way.
    pub(super) fn send(&self, batch: Vec<Listing>, bytes: usize) -> Result<(), Stopped> {
        let mut state = self.lock();
        while state.queued > 0 && state.queued + bytes > QUEUE_BYTES && !self.is_stopped() {
            state = self
                .emptied
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if self.is_stopped() {
            return Err(Stopped);
        }
        state.queued += bytes;
        state.queue.push_back((bytes, batch));
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for listings; `None` when all have come and all workers have left.
    pub(super) fn receive(&self) -> Option<Vec<Listing>> {
        let mut state = self.lock();
        loop {
            if let Some((bytes, batch)) = state.queue.pop_front() {
                state.queued -= bytes;
                self.emptied.notify_all();
                return Some(batch);
            }
            if state.workers == 0 {
                return None;
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How it ended.
    pub(super) fn outcome(&self) -> Result<Summary> {
        let mut state = self.lock();
        match state.failure.take() {
            Some(e) => Err(e),
            None => Ok(state.summary),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
