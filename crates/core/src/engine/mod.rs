//! The copy engine: from a stored plan to files on a drive that survive a power cut.
//!
//! One drive at a time: [`drive::Drive::open`], [`recover::recover`] what a broken run left,
//! [`apply`] removals and mended metadata, [`copy::copy_volume`], [`close::close`]. Between these calls nothing
//! but the drive's descriptors is held.
//!
//! What is promised: a file under its final name is whole; what the catalog calls placed survives a power
//! cut; a failed flush is never taken back by a later one. What is not: one point in time for all of a
//! source, or a drive that lies about its flushes.

pub mod adopt;
pub mod apply;
mod aside;
pub mod attributes;
mod ballast;
pub mod checksum;
pub mod close;
pub mod content;
pub mod copy;
mod dirs;
pub mod drive;
pub mod epoch;
pub mod file;
pub mod findings;
pub mod foreign;
pub mod hash;
pub mod learn;
pub mod listcheck;
mod look;
mod loss;
mod moves;
mod namer;
pub mod names;
pub mod origin;
pub(crate) mod own;
mod ownernames;
mod pageparts;
pub mod part;
mod pool;
mod probe;
pub mod readback;
pub mod recover;
pub mod renames;
pub mod repair;
mod repairer;
pub mod report;
pub mod setlist;
mod special;
pub mod spool;
pub mod starthere;
mod sumsfile;
pub(crate) mod times;
pub mod work;
mod writer;
