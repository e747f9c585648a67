//! What is to be said of one entry: what is recorded held against what was seen and read.

use super::list::Expected;
use super::read::{Content, Look};
use crate::engine::times::is_kept;
use crate::error::strerror;
use crate::format::verify::Word;
use crate::meta::{Kind, Meta};
use crate::seedverify::words::kind_text;
use crate::seedverify::{FAT_STEP, NTFS_STEP};

/// A word, the errno, and in words.
pub(super) type Wrong = (Word, Option<i32>, String);

/// What looking at it told.
#[derive(Debug)]
pub(super) enum Judged {
    /// It is as recorded; there is nothing to be read.
    Good,
    /// Its content has to be read; what is wrong already, if anything is.
    Read(Option<Wrong>),
    /// It is a file without a digest, of the recorded size and time.
    SizeOnly,
    /// It is not as recorded.
    Bad(Wrong),
}

/// Judges by the look alone. `window`: nanoseconds within which times count as equal.
pub(super) fn by_look(expected: &Expected, look: &Look, window: u64) -> Judged {
    let (meta, target) = match look {
        Look::Nothing => {
            return bad(Word::Missing, "it is not on the drive");
        }
        Look::BehindLink => {
            return bad(Word::Missing, "a symbolic link stands in its path");
        }
        Look::Failed(errno) => {
            let why = format!("looking at it: {}", strerror(*errno));
            return Judged::Bad((Word::Unreadable, Some(*errno), why));
        }
        Look::There(meta, target, _) => (meta, target),
    };
    if meta.kind != expected.kind {
        return bad(
            Word::Changed,
            format!("there is {} in its place", kind_text(meta.kind)),
        );
    }
    match expected.kind {
        Kind::File => file(expected, meta, window),
        Kind::Symlink if *target != expected.target => {
            bad(Word::Changed, "it leads somewhere else")
        }
        Kind::CharDevice | Kind::BlockDevice => {
            let found = (crate::sys::major(meta.rdev), crate::sys::minor(meta.rdev));
            match expected.rdev == Some(found) {
                true => Judged::Good,
                false => bad(Word::Changed, "it is another device"),
            }
        }
        _ => Judged::Good,
    }
}

fn file(expected: &Expected, meta: &Meta, window: u64) -> Judged {
    if expected.timed && meta.size != expected.size {
        // Nothing of it is read: it may be as large as somebody likes, and cannot be what is recorded.
        let (is, was) = (meta.size, expected.size);
        return bad(
            Word::Changed,
            format!("it has {is} bytes, {was} are recorded"),
        );
    }
    let changed = if !expected.timed {
        None
    } else if apart(expected, meta) > u128::from(window)
        && !is_kept(
            meta.mtime,
            expected.mtime,
            window == FAT_STEP || window == NTFS_STEP,
        )
    {
        Some("it has another time than recorded".to_owned())
    } else {
        None
    };
    let changed = changed.map(|why| (Word::Changed, None, why));
    match (expected.digest, changed) {
        (Some(_), changed) => Judged::Read(changed),
        (None, Some(changed)) => Judged::Bad(changed),
        // It is read all the same: that it can be is worth knowing.
        (None, None) => Judged::SizeOnly,
    }
}

fn apart(expected: &Expected, meta: &Meta) -> u128 {
    let ns = |t: crate::meta::Time| i128::from(t.sec) * 1_000_000_000 + i128::from(t.nsec);
    (ns(expected.mtime) - ns(meta.mtime)).unsigned_abs()
}

/// Judges what reading gave, on top of what the look told.
pub(super) fn by_content(
    expected: &Expected,
    changed: Option<Wrong>,
    content: &Content,
) -> Option<Wrong> {
    match content {
        Content::Failed(errno) => {
            let why = format!("reading it: {}", strerror(*errno));
            Some((Word::Unreadable, Some(*errno), why))
        }
        Content::Gone => Some((
            Word::Missing,
            None,
            "it went while it was checked".to_owned(),
        )),
        Content::Whole(_, false) => {
            let why = "it was written while it was read".to_owned();
            Some((Word::Changed, None, why))
        }
        Content::Whole(digest, true) => {
            let same = match expected.digest {
                Some(d) if d.algorithm == digest.algorithm => d == *digest,
                _ => return changed,
            };
            match (changed, same) {
                (None, true) => None,
                (None, false) => {
                    let why = "its content is not what was written".to_owned();
                    Some((Word::Corrupt, None, why))
                }
                (Some((word, errno, why)), true) => {
                    Some((word, errno, format!("{why}; the content is as recorded")))
                }
                (Some((word, errno, why)), false) => Some((
                    word,
                    errno,
                    format!("{why}; nor is the content as recorded"),
                )),
            }
        }
    }
}

fn bad(word: Word, why: impl Into<String>) -> Judged {
    Judged::Bad((word, None, why.into()))
}
