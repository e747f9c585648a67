//! What is to be said of one entry in its source: what is recorded, what the source shows and what the drive has.

use super::list::Expected;
use super::read::{Content, Look};
use crate::error::strerror;
use crate::format::item::Digest;
use crate::format::verify::SourceWord;
use crate::meta::{Kind, Meta};
use crate::seedverify::words::kind_text;

/// What is to be said of one entry in the source: a word, the errno, and in words.
pub(super) type Said = (SourceWord, Option<i32>, String);

/// What comparing one entry with the source came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Compared {
    /// The source has what is recorded.
    Same,
    /// It has something else, or nothing.
    Said(Said),
    /// Nothing can be told: neither digest nor readable copy to compare with.
    Unknown,
}

/// What a source shows of an entry.
pub(super) struct Shown {
    pub look: Look,
    pub content: Option<Content>,
}

/// The size that the file in the source has to have.
pub(super) fn size_there(expected: &Expected) -> u64 {
    expected.part.map_or(expected.size, |(_, whole)| whole)
}

pub(super) fn said(word: SourceWord, why: impl Into<String>) -> Compared {
    Compared::Said((word, None, why.into()))
}

fn failed(doing: &str, errno: i32) -> Compared {
    let why = format!("{doing}: {}", strerror(errno));
    Compared::Said((SourceWord::Unreadable, Some(errno), why))
}

pub(super) fn judge(expected: &Expected, shown: &Shown, drive: Option<&Content>) -> Compared {
    let (meta, target) = match &shown.look {
        Look::Nothing => return said(SourceWord::Gone, "it is not in the source any more"),
        Look::BehindLink => {
            return said(SourceWord::Gone, "a symbolic link stands in its path there");
        }
        Look::Failed(errno) => return failed("looking at it in the source", *errno),
        Look::There(meta, target, _) => (meta, target),
    };
    if meta.kind != expected.kind {
        let there = kind_text(meta.kind);
        return said(SourceWord::Newer, format!("there is {there} in its place"));
    }
    match expected.kind {
        Kind::File => file(expected, meta, shown.content.as_ref(), drive),
        Kind::Symlink if *target != expected.target => {
            said(SourceWord::Newer, "it leads somewhere else now")
        }
        Kind::CharDevice | Kind::BlockDevice => {
            let found = (crate::sys::major(meta.rdev), crate::sys::minor(meta.rdev));
            match expected.rdev == Some(found) {
                true => Compared::Same,
                false => said(SourceWord::Newer, "it is another device now"),
            }
        }
        _ => Compared::Same,
    }
}

fn file(
    expected: &Expected,
    meta: &Meta,
    source: Option<&Content>,
    drive: Option<&Content>,
) -> Compared {
    if expected.timed && meta.size != size_there(expected) {
        let (now, was) = (meta.size, size_there(expected));
        let why = format!("it has {now} bytes now, {was} are recorded");
        return said(SourceWord::Newer, why);
    }
    let same_time = expected.timed && meta.mtime == expected.mtime;
    let found = match source {
        Some(Content::Failed(errno)) => return failed("reading it in the source", *errno),
        Some(Content::Gone) => return said(SourceWord::Gone, "it went while it was compared"),
        Some(Content::Whole(_, false)) => {
            return said(SourceWord::Newer, "it was written while it was compared");
        }
        Some(Content::Whole(digest, true)) => digest,
        None if !same_time => return said(SourceWord::Newer, "it has another time now"),
        None => return Compared::Unknown,
    };
    let copy = match drive {
        Some(Content::Whole(digest, true)) => Some(digest),
        _ => None,
    };
    match (&expected.digest, same_time) {
        (Some(recorded), true) if found == recorded => Compared::Same,
        (Some(recorded), true) => said(SourceWord::Differs, sides(recorded, found, copy)),
        (Some(recorded), false) if found == recorded && expected.timed => said(
            SourceWord::Newer,
            "it has another time now, and the same content",
        ),
        (Some(recorded), false) if found == recorded => Compared::Same,
        (_, false) => said(SourceWord::Newer, "its content is another one now"),
        (None, true) => match copy {
            Some(copy) if copy == found => Compared::Same,
            Some(_) => said(
                SourceWord::Differs,
                "size and time agree, the content does not; without a checksum nothing tells which of the two is right",
            ),
            None => Compared::Unknown,
        },
    }
}

/// On which side the damage is, where the source does not have what is recorded.
fn sides(recorded: &Digest, source: &Digest, drive: Option<&Digest>) -> &'static str {
    match drive {
        Some(copy) if copy == recorded => {
            "size and time agree, the content does not: the drive has what was backed up, the source does not"
        }
        Some(copy) if copy == source => {
            "both have the same content, under the recorded size and time, and it is not what is recorded"
        }
        Some(_) => {
            "size and time agree, the content does not: neither the source nor the drive has what was backed up"
        }
        None => "under the same size and time the source does not have what was backed up",
    }
}

/// What is said of a bad copy beside what is wrong with it: where it can be had.
pub(super) const SOURCE_HAS_IT: &str = "; the source has what was backed up";
