//! The data plane of multivolumecopy: walking, comparing, copying, hashing, syncing and the catalog.
//!
//! What this crate promises: names are bytes everywhere; no I/O error leaves a function without the path
//! it was about and what was being done; one bad file is data in a result, never the end of a run.
//! What it does not do: decide policy, print, read the environment, or know that Node.js exists.

pub mod cancel;
pub mod catalog;
pub mod digest;
pub mod engine;
pub mod error;
pub mod filter;
pub mod format;
pub mod meta;
pub mod name;
pub mod page;
pub mod progress;
pub mod restore;
pub mod seedverify;
pub mod sys;
pub mod verify;
pub mod volume;
pub mod walk;

pub use cancel::CancelToken;
pub use error::{Code, Error, IoContext, Result};
pub use meta::{Kind, Meta, Time};
