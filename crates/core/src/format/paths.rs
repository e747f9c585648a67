//! Which paths may stand in a file on a drive: none that leads outside the drive or into `.mvcopy`.
//!
//! A path is checked when it is read and when it is written; one that breaks the rule is never repaired.

use super::item::{MAX_PATH, OWN_DIR};
use crate::error::{Code, Error, Result};

/// Checks a path below the drive's root: relative, no empty, `.` or `..` component, no NUL, not longer
/// than [`MAX_PATH`], and not in our own `.mvcopy` at the root.
///
/// `.MVCOPY` passes: where the drive folds case, that is for whoever knows the drive to refuse.
///
/// # Errors
/// `Code::BadInput`, with the path.
pub fn check_path(path: &[u8]) -> Result<()> {
    path_fault(path).map_or(Ok(()), |fault| {
        Err(Error::new(Code::BadInput, "checking", format!("the path {fault}")).with_path(path))
    })
}

/// What is wrong with the path under which an entry stands on a drive.
pub(super) fn alias_fault(path: &[u8], alias: &[u8]) -> Option<&'static str> {
    let depth = |path: &[u8]| path.iter().filter(|b| **b == b'/').count();
    path_fault(alias)
        .or_else(|| (depth(alias) != depth(path)).then_some("has another depth than the path"))
        .or_else(|| (alias == path).then_some("is the path itself"))
}

pub(super) fn path_fault(path: &[u8]) -> Option<&'static str> {
    relative_fault(path).or_else(|| {
        let own = path.strip_prefix(OWN_DIR)?;
        (own.is_empty() || own[0] == b'/').then_some("is in .mvcopy")
    })
}

/// What is wrong with a path that should lie below a directory; the words go after "the path".
pub(super) fn relative_fault(path: &[u8]) -> Option<&'static str> {
    if path.is_empty() {
        return Some("is empty");
    }
    if path.len() > MAX_PATH {
        return Some("is longer than 65,535 bytes");
    }
    if path[0] == b'/' {
        return Some("is absolute");
    }
    if path.contains(&0) {
        return Some("has a NUL in it");
    }
    path.split(|&b| b == b'/').find_map(|part| match part {
        b"" => Some("has an empty component"),
        b"." => Some("has a component '.'"),
        b".." => Some("has a component '..'"),
        _ => None,
    })
}
