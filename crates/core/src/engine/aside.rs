//! Keeping what stands under a name, under a name beside it: what somebody changed on a drive is theirs.
//!
//! `NAME.mvcopy-changed`, and with a number where that is taken. Nothing is ever replaced.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use crate::error::{Error, IoContext, Result};
use crate::sys;

/// What is appended to the name.
const SUFFIX: &[u8] = b".mvcopy-changed";

/// The longest name on the file systems that there are.
const NAME_MAX: usize = 255;

/// Names that are tried.
const TRIES: u32 = 1000;

/// Gives what stands under `name` another name in the same directory, and says which; `None` where nothing
/// stands there. `whole`: the path, for errors.
///
/// # Errors
/// `Code::Io`; EEXIST when all names are taken.
pub(super) fn set_aside(dir: BorrowedFd<'_>, name: &[u8], whole: &[u8]) -> Result<Option<Vec<u8>>> {
    for n in 1..=TRIES {
        let new = beside(name, n);
        match sys::rename(dir, name, dir, &new, false) {
            Ok(()) => return Ok(Some(new)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) if e.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => {}
            Err(e) => return Err(e).at("keeping the changed version of", whole),
        }
    }
    Err(Error::io(
        "keeping the changed version of",
        whole,
        &Errno::EXIST.into(),
    ))
}

/// The `n`-th name beside this one; what is too long is cut before the suffix, not within a character.
fn beside(name: &[u8], n: u32) -> Vec<u8> {
    let mut suffix = SUFFIX.to_vec();
    if n > 1 {
        suffix.extend_from_slice(format!("-{n}").as_bytes());
    }
    let mut end = name.len().min(NAME_MAX - suffix.len());
    while end < name.len() && end > 0 && name[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    [&name[..end], &suffix].concat()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_name_is_found_whatever_stands_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let fd = std::fs::File::open(dir.path()).expect("open");
        let long = format!("{}é", "x".repeat(253));
        for name in ["a", &long] {
            for n in 1..4 {
                std::fs::write(dir.path().join(name), format!("{name}{n}")).expect("a file");
                let kept = set_aside(fd.as_fd(), name.as_bytes(), b"a").expect("a name");
                let kept = String::from_utf8(kept.expect("something stands there")).expect("UTF-8");
                assert!(kept.len() <= NAME_MAX && kept.contains(".mvcopy-changed"));
                let held = std::fs::read_to_string(dir.path().join(kept)).expect("it is there");
                assert_eq!(held, format!("{name}{n}"));
            }
            let gone = set_aside(fd.as_fd(), name.as_bytes(), b"a").expect("no error");
            assert_eq!(gone, None);
        }
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 6);
    }
}
