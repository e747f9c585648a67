//! Room that is kept on a drive for our own files, so that a drive that turns out to be full can still be
//! closed: its lists are only written at the end.
//!
//! The room is claimed in a file in `tmp/` (fallocate(2)) and grows with what is committed; it is given back
//! before the lists are written. Where a file system cannot claim space there is none, and the plan's own
//! margin has to do.

use std::os::fd::{AsFd, OwnedFd};

use super::drive::Drive;
use crate::error::{IoContext, Result};
use crate::format::item::Item;
use crate::sys;

const NAME: &[u8] = b"ballast";

/// Bytes of the field that says which file it is a name of, in the journal and in the manifest.
const SAME_FILE: u64 = 2 * 32;

/// Files that are kept for their inodes alone: as many as closing a drive creates, and a few.
const PLACEHOLDERS: usize = 7;

fn placeholder(n: usize) -> Vec<u8> {
    format!("ballast-{n}").into_bytes()
}

/// For volume.json, README.txt, directory blocks, and rounding.
const FIXED: u64 = 64 * 1024;

/// About what a line of the manifest and one of the sums take, but for the path in each.
const LINES: u64 = 360;

/// Claimed at least this much at once: one call for many small groups.
const STEP: u64 = 64 * 1024;

/// The claimed room.
#[derive(Debug)]
pub(super) struct Ballast {
    file: OwnedFd,
    claimed: u64,
    /// What is wanted besides [`Drive::lists`].
    fixed: u64,
}

/// What an entry will take in the lists.
pub(super) fn lines(item: &Item) -> u64 {
    let link = item.link.as_ref().or(item.target.as_ref());
    let extra = item.extra.as_ref().map_or(0, |e| e.length() as u64);
    let same_file = item.same_file.map_or(0, |_| SAME_FILE);
    LINES
        + same_file
        + (item.path.len() + item.on_drive().len()) as u64
        + item.alias.as_ref().map_or(0, |a| a.len() as u64)
        + link.map_or(0, |l| l.len() as u64)
        + extra
}

impl Drive {
    /// Begins to keep room: for what does not depend on the entries, and for writing anew the lists that are
    /// there beside the old ones. A drive without even that much room keeps none.
    pub(super) fn begin_ballast(&mut self) {
        self.release_ballast();
        let Ok(file) = sys::create_new(self.tmp.as_fd(), NAME) else {
            return;
        };
        for n in 0..PLACEHOLDERS {
            let _ = sys::create_new(self.tmp.as_fd(), &placeholder(n));
        }
        let mut fixed = FIXED;
        for name in [&b"manifest.jsonl"[..], b"SHA256SUMS", b"B3SUMS"] {
            fixed += sys::stat_at(self.own.as_fd(), name).map_or(0, |m| m.size);
        }
        let claimed = fixed + self.lists;
        match sys::try_claim(file.as_fd(), claimed) {
            Ok(true) => {
                self.ballast = Some(Ballast {
                    file,
                    claimed,
                    fixed,
                });
            }
            Ok(false) => {}
            Err(_) => self.release_ballast(),
        }
    }

    /// Keeps room for `more` bytes of lists.
    ///
    /// # Errors
    /// `Code::Io` with ENOSPC when there is none.
    pub(super) fn grow_ballast(&mut self, more: u64) -> Result<()> {
        let Some(ballast) = &mut self.ballast else {
            self.lists += more;
            return Ok(());
        };
        let wanted = ballast.fixed + self.lists + more;
        if wanted > ballast.claimed {
            let claim = wanted.div_ceil(STEP) * STEP;
            let claimed = match sys::try_claim(ballast.file.as_fd(), claim) {
                // The last few bytes of a drive.
                Err(_) => sys::try_claim(ballast.file.as_fd(), wanted).map(|_| wanted),
                Ok(_) => Ok(claim),
            };
            ballast.claimed = claimed.at("keeping room for our own files on", &self.path)?;
        }
        self.lists += more;
        Ok(())
    }

    /// Gives the room back.
    pub(super) fn release_ballast(&mut self) {
        self.ballast = None;
        // Best effort: what stays is removed with all of tmp/.
        let _ = sys::unlink(self.tmp.as_fd(), NAME, false);
        for n in 0..PLACEHOLDERS {
            let _ = sys::unlink(self.tmp.as_fd(), &placeholder(n), false);
        }
    }
}
