//! Under which name an entry stands on a file system that cannot take every name: the rule (docs/names.md).
//!
//! Pure: rules and a name in, a name out. A name that the file system can hold stays as it is. In any other the
//! quote character `‛` (U+201B) stands before what replaces a character, so the true name can be read back; of
//! what is too long, or is taken by another spelling, a digest of the true name is left. The true name is in the
//! manifest in any case. What names are taken already is the business of [`super::namer`].

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

/// What stands before a replacement: SINGLE HIGH-REVERSED-9 QUOTATION MARK.
pub const QUOTE: char = '\u{201b}';

/// What comes after the quote before the digest of a true name.
const MARK: char = '~';

/// Printable ASCII that Windows refuses in names.
const REFUSED: &str = "\"*:<>?\\|";

/// From these characters to their full-width forms.
const FULL_WIDTH: u32 = 0xfee0;

/// Hex digits of the digest for a name that is too long, and at first for one that clashes.
const LONG_DIGITS: usize = 32;
const SHORT_DIGITS: usize = 8;

/// The longest extension, in characters, that a shortened name keeps.
const MOST_EXTENSION: usize = 12;

/// The types of file systems that hold what Windows can name, whatever more their driver on Linux may take. `fuseblk`
/// is FUSE without a word about which: exFAT and NTFS.
const WINDOWS: [&[u8]; 11] = [
    b"vfat",
    b"msdos",
    b"exfat",
    b"ntfs",
    b"ntfs3",
    b"fuseblk",
    b"fuse.exfat",
    b"fuse.ntfs",
    b"fuse.ntfs-3g",
    b"fuse.lowntfs-3g",
    b"fuse.exfat-fuse",
];

/// In what the length of a name is counted, and the most of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Longest {
    /// Bytes.
    Bytes(usize),
    /// UTF-16 units: a character above U+FFFF is two.
    Utf16(usize),
}

/// What a file system does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The names that Windows refuses: some characters, dots and blanks at the end, the names of devices.
    pub windows: bool,
    /// Bytes that are not UTF-8.
    pub text: bool,
    /// Two names that differ only in case, or in how accents are written.
    pub folds: bool,
    /// Longer names.
    pub longest: Longest,
    /// Nobody knows what else: what is not plain ASCII is tried before it is taken.
    pub tried: bool,
}

/// Whether file systems of this type hold what Windows can name and nothing else, as drives are written here.
pub fn is_windows(fs_type: &[u8]) -> bool {
    WINDOWS.contains(&fs_type)
}

impl Rules {
    /// Takes every name that Linux has.
    pub const PLAIN: Rules = Rules {
        windows: false,
        text: false,
        folds: false,
        longest: Longest::Bytes(255),
        tried: false,
    };

    /// FAT, exFAT and NTFS, whichever driver serves them: what is on them can be used on every system.
    pub const WINDOWS: Rules = Rules {
        windows: true,
        text: true,
        folds: true,
        longest: Longest::Utf16(255),
        tried: false,
    };

    /// Whether every name stays as it is.
    pub fn is_plain(&self) -> bool {
        !self.windows
            && !self.text
            && !self.folds
            && !self.tried
            && matches!(self.longest, Longest::Bytes(255..) | Longest::Utf16(255..))
    }
}

impl Longest {
    fn fits(self, name: &[u8]) -> bool {
        self.length(name) <= self.most()
    }

    fn most(self) -> usize {
        match self {
            Longest::Bytes(n) | Longest::Utf16(n) => n,
        }
    }

    fn length(self, name: &[u8]) -> usize {
        match self {
            Longest::Bytes(_) => name.len(),
            Longest::Utf16(_) if name.is_ascii() => name.len(),
            Longest::Utf16(_) => String::from_utf8_lossy(name).encode_utf16().count(),
        }
    }
}

/// The name under which `name` stands where nothing else has it: itself wherever that is possible.
pub fn encode<'n>(name: &'n [u8], rules: &Rules) -> Cow<'n, [u8]> {
    if rules.is_plain() {
        return Cow::Borrowed(name);
    }
    let quoted = quote(name, rules);
    if rules.longest.fits(&quoted) {
        return quoted;
    }
    Cow::Owned(with_digest(name, &quoted, LONG_DIGITS, rules))
}

/// The name under which `name` stands where another spelling of it has the name of [`encode`]. With a higher `attempt`
/// (from 0) more of the digest is in it.
pub fn distinct(name: &[u8], rules: &Rules, attempt: usize) -> Vec<u8> {
    let digits = (SHORT_DIGITS << attempt.min(3)).min(64);
    with_digest(name, &quote(name, rules), digits, rules)
}

/// A name of plain ASCII that stands for `name` where nothing better is taken.
pub fn plainest(name: &[u8]) -> Vec<u8> {
    format!("_{MARK}{}", hex(name, LONG_DIGITS)).into_bytes()
}

/// Bytes of which every file system takes those that stand within a name: printable ASCII but for what Windows refuses.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = true;
        byte += 1;
    }
    let mut at = 0;
    while at < REFUSED.len() {
        plain[REFUSED.as_bytes()[at] as usize] = false;
        at += 1;
    }
    plain
};

fn quote<'n>(name: &'n [u8], rules: &Rules) -> Cow<'n, [u8]> {
    // Most names, and a plan asks it of every name of the sources.
    let is_plain = name.iter().all(|b| PLAIN[usize::from(*b)]);
    if is_plain && !matches!(name, [.., b'.' | b' ']) && !is_device(name) {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len() + 8);
    let mut changed = false;
    let mut hex_of = |out: &mut String, byte: u8| {
        changed = true;
        out.push(QUOTE);
        out.push_str(&format!("{byte:02X}"));
    };
    let reserved = rules.windows && is_device(name);
    let last = name.len().saturating_sub(1);
    let mut at = 0;
    let mut quoted = false;
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            let is_end = at == last && matches!(c, '.' | ' ');
            match c {
                QUOTE => {
                    quoted = true;
                    out.extend([QUOTE, QUOTE]);
                }
                c if rules.windows && REFUSED.contains(c) => {
                    quoted = true;
                    out.push(QUOTE);
                    out.extend(char::from_u32(u32::from(c) + FULL_WIDTH));
                }
                c if rules.windows && (c.is_ascii_control() || is_end || (reserved && at == 0)) => {
                    hex_of(&mut out, name[at]);
                }
                c => out.push(c),
            }
            at += c.len_utf8();
        }
        for byte in chunk.invalid() {
            if !rules.text {
                // Bytes are taken as they are, and the rest of the name, too.
                return Cow::Borrowed(name);
            }
            hex_of(&mut out, *byte);
            at += 1;
        }
    }
    if changed || quoted {
        Cow::Owned(out.into_bytes())
    } else {
        Cow::Borrowed(name)
    }
}

/// Whether Windows takes the name for that of a device: `CON`, `aux.txt`, `Com1 .log`.
fn is_device(name: &[u8]) -> bool {
    let stem = name.split(|b| *b == b'.').next().unwrap_or(name);
    let stem = stem.trim_ascii_end();
    if let [a, b, c] = stem {
        let upper = [a, b, c].map(u8::to_ascii_uppercase);
        return [b"CON", b"PRN", b"AUX", b"NUL"].contains(&&upper);
    }
    let (Some(port), Some(number)) = (stem.get(..3), stem.get(3..)) else {
        return false;
    };
    let port = port.to_ascii_uppercase();
    (port == b"COM" || port == b"LPT")
        && (matches!(number, [b'0'..=b'9'])
            || ["¹", "²", "³"].iter().any(|n| n.as_bytes() == number))
}

/// As much of the quoted name as fits, the quote, the mark, digits of the digest of the true name, and the
/// extension where it is a plain short one.
fn with_digest(name: &[u8], quoted: &[u8], digits: usize, rules: &Rules) -> Vec<u8> {
    let text = String::from_utf8_lossy(quoted);
    let (stem, extension) = match text.rfind('.') {
        Some(dot) if dot > 0 && is_plain_extension(&text[dot + 1..]) => text.split_at(dot),
        _ => (&*text, ""),
    };
    let tail = format!("{QUOTE}{MARK}{}{extension}", hex(name, digits));
    let room = rules
        .longest
        .most()
        .saturating_sub(rules.longest.length(tail.as_bytes()));
    let mut used = 0;
    let mut kept = String::new();
    for c in stem.chars() {
        used += match rules.longest {
            Longest::Bytes(_) => c.len_utf8(),
            Longest::Utf16(_) => c.len_utf16(),
        };
        if used > room {
            break;
        }
        kept.push(c);
    }
    // A quote at the end would stand before the one of the mark.
    let kept = kept.trim_end_matches(QUOTE);
    format!("{kept}{tail}").into_bytes()
}

fn is_plain_extension(text: &str) -> bool {
    (1..=MOST_EXTENSION).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn hex(name: &[u8], digits: usize) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(name) {
        text.push_str(&format!("{byte:02x}"));
    }
    text.truncate(digits);
    text
}

/// The true name of what [`encode`] gave; `None` for one that has a digest in it, or that it never gives.
pub fn decode(name: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(name).ok()?;
    let mut out = Vec::with_capacity(name.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != QUOTE {
            out.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        let next = chars.next()?;
        if next == QUOTE {
            out.extend("\u{201b}".bytes());
        } else if let Some(high) = next.to_digit(16) {
            out.push((high << 4 | chars.next()?.to_digit(16)?) as u8);
        } else {
            let plain = char::from_u32(u32::from(next).checked_sub(FULL_WIDTH)?)?;
            out.push(REFUSED.contains(plain).then_some(plain as u8)?);
        }
    }
    Some(out)
}

/// What names have in common that a file system may take for one: case, and how accents are written, do not
/// count. It finds more names to be one than any file system does; that costs a digest in a name, never a file.
pub fn fold(name: &[u8]) -> Vec<u8> {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    match std::str::from_utf8(name) {
        Ok(text) => {
            let lower = text.nfd().flat_map(char::to_lowercase);
            let upper: String = lower.flat_map(char::to_uppercase).collect();
            let lower = upper.nfd().flat_map(char::to_lowercase);
            lower.collect::<String>().into_bytes()
        }
        Err(_) => name.to_ascii_lowercase(),
    }
}

/// Whether every file system takes the name: letters, digits, and a few signs between them.
pub(super) fn is_safe(name: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    name.len() <= 100 && name.iter().all(plain) && name.last() != Some(&b'.') && !is_device(name)
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
