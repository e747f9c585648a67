//! `.mvcopy/SHA256SUMS` and `.mvcopy/B3SUMS`: a drive is checked with coreutils or b3sum alone.
//!
//! One line a file, in the format and with the escapes of coreutils 9 (`sha256sum`), so that
//! `cd OUTPUT && sha256sum -c --quiet .mvcopy/SHA256SUMS` reads every name, whatever its bytes are.
//! These files are for people and their tools; we read the manifest.

use super::item::{Algorithm, Digest};

/// The name of the file, below `.mvcopy`.
pub fn file_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Sha256 => "SHA256SUMS",
        Algorithm::Blake3 => "B3SUMS",
    }
}

/// Appends the line of one file; `path` is its path below the drive's root.
///
/// A name with `\`, a newline or a carriage return has these escaped and a `\` before the digest. The name
/// `-` alone is written `./-`: for the tools it would be standard input.
pub fn push_line(out: &mut Vec<u8>, digest: &Digest, path: &[u8]) {
    let escape = path.iter().any(|b| matches!(b, b'\\' | b'\n' | b'\r'));
    if escape {
        out.push(b'\\');
    }
    digest.push_hex(out);
    // The second blank is the place of the `*` of binary mode; a name may begin with anything after it.
    out.extend_from_slice(b"  ");
    if path == b"-" {
        out.extend_from_slice(b"./");
    }
    if escape {
        for &b in path {
            match b {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b => out.push(b),
            }
        }
    } else {
        out.extend_from_slice(path);
    }
    out.push(b'\n');
}

#[cfg(test)]
#[path = "sums_tests.rs"]
mod tests;
