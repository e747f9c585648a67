//! The two ways to have work done: on the calling thread, or by copiers of their own.
//!
//! Neither decides anything: work goes in, what was made of it comes out, in any order.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::file::Copier;
use super::work::{Made, Work};
use crate::error::{Code, Error, Result};

/// Work that is handed out and not yet back.
///
/// The copiers live on it while a group is committed, which takes about as long as copying as many small files.
pub(super) const IN_FLIGHT: usize = 8_192;

/// So much is handed out whatever its size; more only while it stays under [`IN_FLIGHT_BYTES`].
const IN_FLIGHT_OF_ANY_SIZE: usize = 1_024;

/// Bytes of content: what may be copied anew after a crash, beside the group in hand.
const IN_FLIGHT_BYTES: u64 = 256 << 20;

/// Where work goes and results come from.
pub(super) trait Copiers {
    /// Hands work out; `Some` when the result is there at once.
    fn submit(&mut self, work: Work) -> Result<Option<(Work, Made)>>;
    /// Whether more can be handed out without waiting.
    fn has_room(&self) -> bool;
    /// Waits for a result, up to `timeout`; `None` when none came or none is due.
    fn next(&mut self, timeout: Duration) -> Result<Option<(Work, Made)>>;
    /// How much is out.
    fn in_flight(&self) -> usize;
}

pub(super) struct Inline<'c, 'a>(pub(super) &'c mut Copier<'a>);

impl Copiers for Inline<'_, '_> {
    fn submit(&mut self, work: Work) -> Result<Option<(Work, Made)>> {
        let made = self.0.make(&work);
        Ok(Some((work, made)))
    }
    fn has_room(&self) -> bool {
        true
    }
    fn next(&mut self, _timeout: Duration) -> Result<Option<(Work, Made)>> {
        Ok(None)
    }
    fn in_flight(&self) -> usize {
        0
    }
}

pub(super) struct Pool {
    pub(super) work: Option<Sender<Work>>,
    pub(super) done: Receiver<(Work, Made)>,
    pub(super) in_flight: usize,
    /// Bytes of content of it.
    pub(super) bytes: u64,
}

impl Pool {
    /// What a file counts for; one with holes may claim more bytes than can be added up.
    fn counted(work: &Work) -> u64 {
        work.meta.size.min(IN_FLIGHT_BYTES)
    }
}

fn dead() -> Error {
    Error::new(Code::Internal, "copying", "the copiers have ended")
}

impl Copiers for Pool {
    fn submit(&mut self, work: Work) -> Result<Option<(Work, Made)>> {
        let bytes = Self::counted(&work);
        self.work
            .as_ref()
            .ok_or_else(dead)?
            .send(work)
            .map_err(|_| dead())?;
        self.in_flight += 1;
        self.bytes += bytes;
        Ok(None)
    }
    fn has_room(&self) -> bool {
        self.in_flight < IN_FLIGHT_OF_ANY_SIZE
            || (self.in_flight < IN_FLIGHT && self.bytes < IN_FLIGHT_BYTES)
    }
    fn next(&mut self, timeout: Duration) -> Result<Option<(Work, Made)>> {
        if self.in_flight == 0 {
            return Ok(None);
        }
        match self.done.recv_timeout(timeout) {
            Ok(done) => {
                self.in_flight -= 1;
                self.bytes -= Self::counted(&done.0);
                Ok(Some(done))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(dead()),
        }
    }
    fn in_flight(&self) -> usize {
        self.in_flight
    }
}
