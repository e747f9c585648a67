//! `.mvcopy/SHA256SUMS` and `.mvcopy/B3SUMS`: a drive is checked with coreutils or b3sum alone.
//!
//! One line a file, in the format and with the escapes of coreutils 9 (`sha256sum`), so that
//! `cd OUTPUT && sha256sum -c --quiet .mvcopy/SHA256SUMS` reads every name, whatever its bytes are.
//! These files are for people and their tools; we read the manifest, and these where it is damaged.

use std::io::BufRead;

use super::item::{Algorithm, Digest, MAX_PATH, check_path};
use super::text::{Line, parse_hex32, read_line};
use crate::error::{IoContext, Result};

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

/// Hands over the lines that can be understood, with a path that is one of a drive; gives how many cannot.
/// There is no seal: whatever is taken from here has to prove itself.
///
/// # Errors
/// `Code::Io` with `path`; whatever `sink` answers.
pub fn read_readable(
    mut reader: impl BufRead,
    path: &[u8],
    algorithm: Algorithm,
    sink: &mut dyn FnMut(&Digest, &[u8]) -> Result<()>,
) -> Result<u64> {
    let mut line = Vec::new();
    let mut bad = 0;
    loop {
        let (found, _) =
            read_line(&mut reader, &mut line, 2 * MAX_PATH + 128).at("reading", path)?;
        match found {
            Line::End => return Ok(bad),
            Line::Whole => match parse_line(&line, algorithm) {
                Some((digest, name)) if check_path(&name).is_ok() => sink(&digest, &name)?,
                _ => bad += 1,
            },
            Line::TooLong | Line::Unended => bad += 1,
        }
    }
}

fn parse_line(line: &[u8], algorithm: Algorithm) -> Option<(Digest, Vec<u8>)> {
    let escaped = line.strip_prefix(b"\\");
    let rest = escaped.unwrap_or(line);
    let bytes = parse_hex32(rest.get(..64)?)?;
    let mut name = rest[64..].strip_prefix(b"  ")?.to_vec();
    if escaped.is_some() {
        let mut plain = Vec::with_capacity(name.len());
        let mut from = name.into_iter();
        while let Some(b) = from.next() {
            plain.push(match b {
                b'\\' => match from.next()? {
                    b'\\' => b'\\',
                    b'n' => b'\n',
                    b'r' => b'\r',
                    _ => return None,
                },
                b => b,
            });
        }
        name = plain;
    }
    if name == b"./-" {
        name = b"-".to_vec();
    }
    Some((Digest { algorithm, bytes }, name))
}

#[cfg(test)]
#[path = "sums_tests.rs"]
mod tests;
