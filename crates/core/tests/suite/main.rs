//! All tests of the library from outside, in one program: linked once, and side by side on all processors.
//!
//! `cargo test -p multivolumecopy-core --test suite verify_flips::` runs those of one file.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

mod catalog_fate;
mod catalog_findings;
mod catalog_query;
mod catalog_versions;
mod copies;
mod digests;
mod engine_again;
mod engine_copy;
mod engine_crash;
mod engine_failures;
mod engine_hostile;
mod engine_learn;
mod engine_unknown;
mod planner;
mod renames;
mod repair;
mod restore_copiers;
mod restore_hostile;
mod verify;
mod verify_against;
mod verify_flips;
