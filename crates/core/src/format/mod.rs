//! The files that we write: on the drive (`.mvcopy/…`) and beside the user (the job file).
//!
//! One file a format; the grammar of each is in `docs/formats.md`. All readers take untrusted bytes: they
//! limit every length before memory is taken, check every path before anybody uses it, name the line in
//! errors, and never panic. All writers refuse what the readers would refuse. Nothing here opens a file:
//! a reader or writer is handed in, with the path that errors are about.
//!
//! Every format has a version. A reader passes over fields that it doesn't know; what changes the meaning
//! of a known field raises the version, and a newer version is refused in words.

pub mod date;
pub mod extra;
pub mod item;
pub mod jobfile;
pub mod journal;
pub mod manifest;
pub mod part;
mod paths;
pub mod readme;
pub mod samefile;
pub mod setlist;
pub mod sums;
#[cfg(test)]
pub(crate) mod testing;
mod text;
pub mod verify;
pub mod volumejson;
mod words;

pub use item::{Algorithm, Digest, Item, check_path};
pub use text::MAX_LINE;
