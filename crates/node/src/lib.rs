//! The Node.js addon: mirror objects, `From` conversions, jobs and error mapping over the core.
//!
//! No logic lives here, nothing blocks the main thread, and nothing here may panic on data.

pub mod adopt;
pub mod catalog;
pub mod changes;
pub mod copies;
pub mod digests;
pub mod drive;
pub mod error;
pub mod fate;
pub mod inspection;
pub mod job;
pub mod mirror;
pub mod name;
pub mod plan;
pub mod preview;
pub mod query;
pub mod repair;
pub mod restore;
pub mod rules;
pub mod seedverify;
pub mod selftest;
pub mod verify;
pub mod volume;
pub mod volumejob;
