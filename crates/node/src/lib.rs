//! The Node.js addon: mirror objects, `From` conversions, jobs and error mapping over the core.
//!
//! No logic lives here, nothing blocks the main thread, and nothing here may panic on data.

pub mod catalog;
pub mod drive;
pub mod error;
pub mod job;
pub mod mirror;
pub mod name;
pub mod plan;
pub mod seedverify;
pub mod selftest;
pub mod volume;
