//! Which names a drive does not take: by the type of its file system where that is known, else by trying in `tmp/`.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::names::{Longest, Rules, is_windows};
use crate::sys;
use crate::volume::mounts;

/// Names that are tried, besides single characters.
const ODD: [&[u8]; 5] = [b"probe\x01", b"probe.", b"probe ", b"aux", b"com1.txt"];

/// The rules for the file system that `root` lies on; `tmp` is a directory there in which anything may be tried.
pub(super) fn rules(root: BorrowedFd<'_>, tmp: BorrowedFd<'_>, mount: u64) -> Rules {
    let table = mounts::mounts().unwrap_or_default();
    if let Some(found) = table.iter().find(|m| m.id == mount)
        && is_windows(&found.fs_type)
    {
        return Rules::WINDOWS;
    }
    let folds = one_of_two(tmp, b"probe-case", b"PROBE-CASE");
    if sys::file_system_kind(root).is_native() {
        // Only case may not count there, in directories that are made so.
        return Rules {
            folds,
            ..Rules::PLAIN
        };
    }
    let refused = |name: &[u8]| !keeps(tmp, name);
    Rules {
        windows: b"\"*:<>?\\|"
            .iter()
            .any(|c| refused(&[b"probe", &[*c][..]].concat()))
            || ODD.iter().any(|name| refused(name)),
        text: refused(b"probe\xff"),
        folds: folds || one_of_two(tmp, "probe-é".as_bytes(), "probe-e\u{301}".as_bytes()),
        longest: longest(tmp),
        tried: true,
    }
}

fn longest(tmp: BorrowedFd<'_>) -> Longest {
    if keeps(tmp, "é".repeat(255).as_bytes()) {
        return Longest::Utf16(255);
    }
    let fits = |n: &usize| keeps(tmp, &vec![b'p'; *n]);
    // The lengths that there are; the least of them is that of a name of our own.
    let lengths = [255, 254, 251, 243, 239, 207, 143, 127, 100, 63];
    Longest::Bytes(lengths.into_iter().find(fits).unwrap_or(48))
}

/// Whether a name can be had, and is then listed as it was given.
fn keeps(tmp: BorrowedFd<'_>, name: &[u8]) -> bool {
    // What a run that was killed here has left.
    let _ = sys::unlink(tmp, name, false);
    let Ok(made) = sys::create_new(tmp, name) else {
        return false;
    };
    drop(made);
    let mut listed = false;
    if let Ok(again) = sys::open_dir_beneath(tmp, b"", true) {
        use std::os::fd::AsFd;
        let again: OwnedFd = again;
        let _ = sys::read_names(again.as_fd(), &mut Vec::new(), &mut |each, _, _| {
            listed = each.to_bytes() == name;
            !listed
        });
    }
    let _ = sys::unlink(tmp, name, false);
    listed
}

/// Whether two names are one.
fn one_of_two(tmp: BorrowedFd<'_>, made: &[u8], other: &[u8]) -> bool {
    let _ = sys::unlink(tmp, made, false);
    let there = sys::create_new(tmp, made).is_ok() && sys::stat_at(tmp, other).is_ok();
    let _ = sys::unlink(tmp, made, false);
    there
}
