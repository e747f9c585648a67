//! Names are bytes; this is the only place where they become anything else.
//!
//! Three forms exist besides the bytes: text that is safe to print ([`display`]), UTF-16 as JavaScript
//! and Python see it ([`to_utf16`], [`from_utf16`]), and JSON strings ([`write_json`], [`read_json`]).
//! UTF-16 and JSON follow Python's surrogate escapes (PEP 383): each byte that is no part of valid UTF-8
//! is the lone surrogate U+DC00 + byte. Bytes → form → bytes gives the same bytes for every name.
//!
//! The bytes are what counts: a text may spell a name in more than one way (`é`, or the two escapes of its
//! bytes), as in Python, and all spellings are that one name. An escape can only give a byte from 0x80 to
//! 0xFF, so none can smuggle in a `/`, a `.` or a NUL. Nothing here checks whether a name makes sense.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

use crate::error::{Code, Error, Result};

/// The surrogate that stands for the byte 0x80; the one for 0xFF is 0x7F further on.
const FIRST_ESCAPE: u16 = 0xDC80;
const LAST_ESCAPE: u16 = 0xDCFF;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Whether a terminal may act on this character, or show the text around it as other than it is: control
/// characters (C0, DEL, C1), the bidirectional controls, and the line and paragraph separators.
pub fn is_hazard(c: char) -> bool {
    c.is_control() || is_bidi_control(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The bidirectional formatting characters of UAX #9.
fn is_bidi_control(c: char) -> bool {
    matches!(
        c,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// The name as text that is safe on a terminal and stays on its line.
///
/// Hazards ([`is_hazard`]), undecodable bytes and `\` are written as in C or Rust: `\\`, `\n`, `\r`, `\t`,
/// `\x1b` (one byte: ASCII controls and undecodable bytes), `\u{202e}` (one character). No two names give
/// the same text. All other text is unchanged.
pub fn display(name: &[u8]) -> String {
    if name
        .iter()
        .all(|&b| (b' '..=b'~').contains(&b) && b != b'\\')
    {
        // Plain ASCII, the usual case: a copy.
        return String::from_utf8_lossy(name).into_owned();
    }
    let mut out = String::with_capacity(name.len() + 16);
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                // `\x80` and above would be the byte: those characters take the long form.
                c if c.is_ascii_control() => push_byte_escape(&mut out, c as u8),
                c if is_hazard(c) => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        for &b in chunk.invalid() {
            push_byte_escape(&mut out, b);
        }
    }
    out
}

fn push_byte_escape(out: &mut String, b: u8) {
    out.push_str("\\x");
    out.push(char::from(HEX[usize::from(b >> 4)]));
    out.push(char::from(HEX[usize::from(b & 15)]));
}

/// The name as UTF-16, with undecodable bytes as lone surrogates (PEP 383).
pub fn to_utf16(name: &[u8]) -> Vec<u16> {
    let mut out = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        out.extend(chunk.valid().encode_utf16());
        out.extend(chunk.invalid().iter().map(|&b| escape_of(b)));
    }
    out
}

/// The lone surrogate of an undecodable byte (always one of 0x80 to 0xFF).
fn escape_of(b: u8) -> u16 {
    0xDC00 | u16::from(b)
}

/// The bytes of a name that comes as UTF-16, the inverse of [`to_utf16`].
///
/// # Errors
/// `Code::BadInput` for a lone surrogate that stands for no byte (outside U+DC80 to U+DCFF).
pub fn from_utf16(text: &[u16]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    for unit in char::decode_utf16(text.iter().copied()) {
        match unit {
            Ok(c) => push_char(&mut out, c),
            Err(lone) => match lone.unpaired_surrogate() {
                s @ FIRST_ESCAPE..=LAST_ESCAPE => out.push((s & 0xFF) as u8),
                s => return Err(bad(no_byte(s))),
            },
        }
    }
    Ok(out)
}

fn push_char(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn bad(message: String) -> Error {
    Error::new(Code::BadInput, "reading a name", message)
}

fn no_byte(surrogate: u16) -> String {
    format!("the lone surrogate U+{surrogate:04X} stands for no byte")
}

/// How names look in a JSON string. Both are read back by [`read_json`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonStyle {
    /// As Python's `json.dumps(os.fsdecode(name))`: all but printable ASCII is escaped.
    Ascii,
    /// Raw UTF-8, so that `grep` finds it; only C0, DEL, C1, the bidirectional controls, `"` and `\` are
    /// escaped, and undecodable bytes (`\udcXX`).
    Utf8,
}

/// What one byte of valid UTF-8 asks of the JSON writer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Copied.
    Plain,
    /// Escaped.
    Escape,
    /// The first byte of some characters that are escaped and some that are not.
    Look,
}

const fn classes(style: JsonStyle) -> [Class; 256] {
    let mut table = [Class::Plain; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = match b as u8 {
            0..=0x1f | 0x7f | b'"' | b'\\' => Class::Escape,
            0x80.. if matches!(style, JsonStyle::Ascii) => Class::Escape,
            // U+0080…00BF, U+0600…063F, U+2000…2FFF: here live C1 and the bidirectional controls.
            0xc2 | 0xd8 | 0xe2 => Class::Look,
            _ => Class::Plain,
        };
        b += 1;
    }
    table
}

static ASCII_CLASSES: [Class; 256] = classes(JsonStyle::Ascii);
static UTF8_CLASSES: [Class; 256] = classes(JsonStyle::Utf8);

/// Appends the name as a JSON string, with its quotes.
pub fn write_json(out: &mut Vec<u8>, name: &[u8], style: JsonStyle) {
    out.push(b'"');
    write_json_part(out, name, style);
    out.push(b'"');
}

/// [`write_json`] without the quotes: a path may be written in parts that are cut beside a `/`.
pub fn write_json_part(out: &mut Vec<u8>, name: &[u8], style: JsonStyle) {
    // No early exit: so the compiler looks at many bytes at once.
    let plain = |b: u8| (b' '..=b'~').contains(&b) & (b != b'"') & (b != b'\\');
    if name.iter().fold(true, |all, &b| all & plain(b)) {
        out.extend_from_slice(name);
        return;
    }
    let table = match style {
        JsonStyle::Ascii => &ASCII_CLASSES,
        JsonStyle::Utf8 => &UTF8_CLASSES,
    };
    for chunk in name.utf8_chunks() {
        write_json_text(out, chunk.valid(), table);
        for &b in chunk.invalid() {
            push_unit(out, escape_of(b));
        }
    }
}

/// Copies runs of plain bytes and escapes what lies between them.
fn write_json_text(out: &mut Vec<u8>, text: &str, table: &[Class; 256]) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        let class = table[usize::from(bytes[at])];
        if class == Class::Plain {
            at += 1;
            continue;
        }
        let Some(c) = text[at..].chars().next() else {
            break;
        };
        let next = at + c.len_utf8();
        if class == Class::Escape || c.is_control() || is_bidi_control(c) {
            out.extend_from_slice(&bytes[copied..at]);
            push_json_escape(out, c);
            copied = next;
        }
        at = next;
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// The escapes that Python's encoder writes: the short ones where they exist, lower-case hex otherwise.
fn push_json_escape(out: &mut Vec<u8>, c: char) {
    let short = match c {
        '"' => b'"',
        '\\' => b'\\',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                push_unit(out, *unit);
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn push_unit(out: &mut Vec<u8>, unit: u16) {
    let digit = |shift: u16| HEX[usize::from(unit >> shift & 15)];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

/// The bytes of a name from one JSON string (with its quotes; white space around it is passed over).
///
/// # Errors
/// `Code::BadInput` for what is no JSON string, and for a lone surrogate that stands for no byte.
pub fn read_json(json: &[u8]) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(json).map_err(|_| bad("not UTF-8".to_owned()))?;
    // serde_json doesn't look for raw control characters where it is asked for bytes.
    if text.trim_ascii().bytes().any(|b| b < b' ') {
        return Err(bad("a control character in a JSON string".to_owned()));
    }
    serde_json::from_str::<Name>(text)
        .map(|name| name.0)
        .map_err(|e| bad(display(e.to_string().as_bytes())))
}

/// A name that serde reads from a JSON string, lone surrogates as the bytes that they stand for.
///
/// Who uses it checks beforehand that the text is UTF-8 and has no raw control characters in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(pub Vec<u8>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name (a string)")
            }

            fn visit_bytes<E: serde::de::Error>(self, wtf8: &[u8]) -> Result<Name, E> {
                from_wtf8(wtf8).map(Name).map_err(E::custom)
            }
        }
        // Asked for bytes, serde_json decodes the escapes and hands lone surrogates over as WTF-8.
        deserializer.deserialize_bytes(Bytes)
    }
}

/// The bytes of a name from WTF-8: UTF-8 in which a lone surrogate is the three bytes ED A0…BF 80…BF.
fn from_wtf8(wtf8: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(wtf8.len());
    let mut rest = wtf8;
    loop {
        let bad_at = match std::str::from_utf8(rest) {
            Ok(_) => {
                out.extend_from_slice(rest);
                return Ok(out);
            }
            Err(e) => e.valid_up_to(),
        };
        out.extend_from_slice(&rest[..bad_at]);
        match rest[bad_at..] {
            [0xED, b @ 0xA0..=0xBF, c @ 0x80..=0xBF, ..] => {
                let surrogate = 0xD000 | u16::from(b & 0x3F) << 6 | u16::from(c & 0x3F);
                if !(FIRST_ESCAPE..=LAST_ESCAPE).contains(&surrogate) {
                    return Err(no_byte(surrogate));
                }
                out.push((surrogate & 0xFF) as u8);
                rest = &rest[bad_at + 3..];
            }
            _ => return Err("a name that is not UTF-8".to_owned()),
        }
    }
}

#[cfg(test)]
#[path = "name_tests.rs"]
mod tests;
