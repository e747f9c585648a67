//! Cooperative cancellation, in two steps.
//!
//! *Stop* asks the engine to finish or drop the file in hand, save and end. *Now* asks it to drop
//! whatever it does at the next block. Neither loses anything that was promised.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::error::{Error, Result};

/// A flag that the owner of a job raises and the job looks at once per block or entry.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicU8>);

impl CancelToken {
    /// A token that nobody has raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for an orderly end.
    pub fn stop(&self) {
        self.0.fetch_max(1, Ordering::SeqCst);
    }

    /// Asks for an end at the next block.
    pub fn now(&self) {
        self.0.fetch_max(2, Ordering::SeqCst);
    }

    /// Whether any end was asked for.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= 1
    }

    /// Whether an immediate end was asked for.
    pub fn is_now(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= 2
    }

    /// Fails when any end was asked for.
    ///
    /// # Errors
    /// `Code::Cancelled`.
    pub fn check(&self) -> Result<()> {
        if self.is_stopped() {
            Err(Error::cancelled())
        } else {
            Ok(())
        }
    }
}
