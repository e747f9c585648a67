//! Files that are handed out to copiers and come back in any order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::Outcome;
use super::copier::{Copier, Ends, Fail};
use super::workplace::Temp;
use crate::catalog::place::Placed;
use crate::catalog::restore::{NameOf, Wanted};
use crate::error::{Code, Error, Result};

/// Files that are handed out and not yet back. The copiers live on them while a group gets its names.
const MOST: usize = 4_096;

/// Bytes of names and attributes of them, about.
const MOST_BYTES: usize = 8 << 20;

/// What a file takes beside its names.
const FIXED: usize = 512;

/// A file that is to be brought into a temp file.
pub(super) struct Job {
    pub placed: Placed,
    /// Its path on the drive as the work list has it.
    pub key: Vec<u8>,
    pub wanted: Wanted,
    /// The path that it gets.
    pub dest: Vec<u8>,
    /// Something stands there that is to go.
    pub replace: bool,
    /// It is not the entry's own path.
    pub beside: bool,
    /// By what other names of it are found.
    pub group: NameOf,
    /// Its temp file.
    pub temp: Temp,
}

impl Job {
    fn weight(&self) -> usize {
        let item = &self.placed.item;
        let extra = item.extra.as_ref().map_or(0, |extra| {
            let size = |(name, value): &(Vec<u8>, Vec<u8>)| name.len() + value.len();
            extra.xattrs.iter().map(size).sum()
        });
        FIXED + 2 * item.path.len() + self.wanted.path.len() + self.dest.len() + extra
    }
}

/// What came of a file: whether it may have further names on its drive, of which the manifest has no word.
pub(super) type Done = (Box<Job>, Result<bool, Fail>);

/// Where files go and results come from.
pub(super) struct Pool {
    work: Option<Sender<Box<Job>>>,
    done: Receiver<Done>,
    in_flight: usize,
    weight: usize,
}

impl Pool {
    /// Starts copiers, each of which answers in the end what could not be kept.
    ///
    /// # Errors
    /// `Code::Io` where not one of them can be started.
    pub fn start<'s, 'e>(
        scope: &'s Scope<'s, 'e>,
        ends: &'e Ends<'e>,
        copiers: usize,
    ) -> Result<(Pool, Vec<ScopedJoinHandle<'s, Outcome>>)> {
        let (to, work) = bounded::<Box<Job>>(MOST);
        let (done_to, done) = bounded::<Done>(MOST);
        let mut threads = Vec::new();
        for n in 0..copiers.max(1) {
            let (work, done_to) = (work.clone(), done_to.clone());
            let thread =
                Builder::new()
                    .name(format!("restore-{n}"))
                    .spawn_scoped(scope, move || {
                        let mut copier = Copier::new(ends);
                        for job in work {
                            if ends.ended.load(Ordering::Relaxed) {
                                break;
                            }
                            let made = file_or_panic(&mut copier, &job);
                            if done_to.send((job, made)).is_err() {
                                break;
                            }
                        }
                        copier.lost
                    });
            match thread {
                Ok(thread) => threads.push(thread),
                Err(e) if threads.is_empty() => {
                    return Err(Error::io("starting a thread for", &ends.target, &e));
                }
                Err(_) => break,
            }
        }
        let pool = Pool {
            work: Some(to),
            done,
            in_flight: 0,
            weight: 0,
        };
        Ok((pool, threads))
    }

    pub fn submit(&mut self, job: Box<Job>) -> Result<()> {
        let weight = job.weight();
        self.work
            .as_ref()
            .ok_or_else(dead)?
            .send(job)
            .map_err(|_| dead())?;
        self.in_flight += 1;
        self.weight += weight;
        Ok(())
    }

    /// Whether no more can be handed out before something comes back.
    pub fn is_full(&self) -> bool {
        self.in_flight >= MOST || self.weight >= MOST_BYTES
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// A result that is there; `None` when none is.
    pub fn ready(&mut self) -> Option<Done> {
        let done = self.done.try_recv().ok()?;
        Some(self.back(done))
    }

    /// Waits for a result, up to `timeout`; `None` when none came or none is due.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Done>> {
        if self.in_flight == 0 {
            return Ok(None);
        }
        match self.done.recv_timeout(timeout) {
            Ok(done) => Ok(Some(self.back(done))),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(dead()),
        }
    }

    fn back(&mut self, done: Done) -> Done {
        self.in_flight -= 1;
        self.weight -= done.0.weight();
        done
    }

    /// Nothing more is handed out: the copiers end when they have done what they have. What is yielded is what
    /// still comes.
    pub fn end(&mut self) -> impl Iterator<Item = Done> + use<> {
        self.work = None;
        (self.in_flight, self.weight) = (0, 0);
        self.done.clone().into_iter()
    }
}

/// A copier that panics must not leave the restore waiting for its result.
fn file_or_panic(copier: &mut Copier<'_>, job: &Job) -> Result<bool, Fail> {
    catch_unwind(AssertUnwindSafe(|| copier.file(job))).unwrap_or_else(|_| {
        let e = Error::new(Code::Internal, "restoring", "a copier panicked");
        Err(Fail::Target(e.with_path(&job.wanted.path)))
    })
}

fn dead() -> Error {
    Error::new(Code::Internal, "restoring", "the copiers have ended")
}
