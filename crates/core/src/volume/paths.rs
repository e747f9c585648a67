//! Absolute paths as bytes: by their writing alone, and by what they lead to.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::error::{IoContext, Result};

/// The path above, as written; `/` above itself.
pub(super) fn parent_of(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|b| *b == b'/') {
        None | Some(0) => b"/",
        Some(at) => &path[..at],
    }
}

/// The path made absolute, without doubled, trailing or dot components. `..` stays: symlinks matter to it.
pub(super) fn absolute(path: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    if !path.starts_with(b"/") {
        let cwd = std::env::current_dir().at("finding the working directory of", path)?;
        out = cwd.into_os_string().into_vec();
        if out == b"/" {
            out.clear();
        }
    }
    for part in path
        .split(|b| *b == b'/')
        .filter(|p| !p.is_empty() && *p != b".")
    {
        out.push(b'/');
        out.extend_from_slice(part);
    }
    if out.is_empty() {
        out.push(b'/');
    }
    Ok(out)
}

/// The path without symlinks, as far as it exists.
pub(super) fn real_path(path: &[u8], anchor: Option<&[u8]>) -> Vec<u8> {
    let resolve = |p: &[u8]| fs::canonicalize(PathBuf::from(OsStr::from_bytes(p))).ok();
    if let Some(real) = resolve(path) {
        return real.into_os_string().into_vec();
    }
    let Some((anchor, real)) = anchor.and_then(|a| Some((a, resolve(a)?))) else {
        return path.to_vec();
    };
    let mut out = real.into_os_string().into_vec();
    let rest = path.strip_prefix(anchor).unwrap_or_default();
    if out == b"/" || anchor == b"/" {
        if out != b"/" {
            out.push(b'/');
        }
        out.extend_from_slice(rest.strip_prefix(b"/").unwrap_or(rest));
    } else {
        out.extend_from_slice(rest);
    }
    out
}
