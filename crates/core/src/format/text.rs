//! What the formats share: lines of limited length in, numbers and hex digits out.
//!
//! Reading takes no more memory than the limit, whatever the file holds. Nothing here knows a format.

use std::io::{self, BufRead, Read};

use serde::de::{Deserialize, Deserializer, Visitor};

use crate::error::{Code, Error};
use crate::name;

/// The longest line (or job file entry) that is written or read, in bytes.
pub const MAX_LINE: usize = 1 << 20;

/// What [`read_line`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// A line with its newline (the newline is not in the buffer).
    Whole,
    /// The end of the file came before a newline.
    Unended,
    /// A line longer than the limit; it was read to its end and not kept.
    TooLong,
    /// Nothing: the end of the file.
    End,
}

/// Reads the next line into `line`, at most `max` bytes of it; gives also the bytes consumed.
pub(super) fn read_line(
    reader: &mut impl BufRead,
    line: &mut Vec<u8>,
    max: usize,
) -> io::Result<(Line, u64)> {
    line.clear();
    let limit = max as u64 + 1;
    let mut consumed = reader.by_ref().take(limit).read_until(b'\n', line)? as u64;
    let found = if line.pop_if(|last| *last == b'\n').is_some() {
        Line::Whole
    } else if consumed == limit {
        consumed += reader.skip_until(b'\n')? as u64;
        Line::TooLong
    } else if consumed > 0 {
        Line::Unended
    } else {
        Line::End
    };
    Ok((found, consumed))
}

/// The line as text for serde_json: UTF-8, and without raw control characters, for which serde_json
/// doesn't look where it is asked for bytes.
pub(super) fn json_text(line: &[u8]) -> Result<&str, String> {
    if let Some(b) = line.iter().find(|&&b| b < b' ') {
        return Err(format!("a raw control character (0x{b:02x})"));
    }
    std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())
}

/// What serde_json has to say, without its own line number, safe to print and not too long: it quotes.
pub(super) fn json_message(e: &serde_json::Error) -> String {
    let text = e.to_string();
    let text = text.rfind(" at line ").map_or(&text[..], |at| &text[..at]);
    short(text.as_bytes())
}

/// A name from a file of unknown origin for an error message: safe to print, and cut where it is long.
pub(super) fn short(name: &[u8]) -> String {
    const SHOWN: usize = 256;
    match name.get(..SHOWN) {
        Some(start) if name.len() > SHOWN => format!("{}...", name::display(start)),
        _ => name::display(name),
    }
}

/// An error in the file `path` at this line (from 1).
pub(super) fn bad_line(
    code: Code,
    doing: &'static str,
    path: &[u8],
    line: u64,
    message: impl std::fmt::Display,
) -> Error {
    Error::new(code, doing, format!("line {line}: {message}")).with_path(path)
}

/// Appends a number in decimal.
pub(super) fn push_u64(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends bytes as lower-case hex digits.
pub(super) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for part in bytes.chunks(32) {
        let mut digits = [0; 64];
        for (pair, b) in digits.chunks_exact_mut(2).zip(part) {
            pair[0] = HEX[usize::from(b >> 4)];
            pair[1] = HEX[usize::from(b & 15)];
        }
        out.extend_from_slice(&digits[..2 * part.len()]);
    }
}

/// The 32 bytes of 64 lower-case hex digits.
pub(super) fn parse_hex32(text: &[u8]) -> Option<[u8; 32]> {
    parse_hex(text)
}

/// The bytes of twice as many lower-case hex digits.
pub(super) fn parse_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Some(bytes)
}

/// The value of a lower-case hex digit. Upper case is refused: it may be the flipped bit of a lower one.
pub(super) fn hex_digit(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    }
}

/// A value that has a form of its own inside a JSON string.
pub(super) trait FromText: Sized {
    /// What the text means, or what is wrong with it.
    fn from_text(text: &str) -> Result<Self, String>;
}

/// Reads a [`FromText`] value from a JSON string without a copy of the string.
pub(super) struct Text<T>(pub T);

impl<'de, T: FromText> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of<T>(std::marker::PhantomData<T>);
        impl<T: FromText> Visitor<'_> for Of<T> {
            type Value = Text<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text<T>, E> {
                T::from_text(text).map(Text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Of(std::marker::PhantomData))
    }
}

/// A SHA-256 as 64 hex digits in a JSON string.
pub(super) struct Sha256Hex(pub [u8; 32]);

impl FromText for Sha256Hex {
    fn from_text(text: &str) -> Result<Self, String> {
        parse_hex32(text.as_bytes())
            .map(Sha256Hex)
            .ok_or_else(|| "no SHA-256".to_owned())
    }
}
