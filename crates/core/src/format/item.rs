//! One entry of a drive, as manifest and journal record it: a JSON object.
//!
//! Every path is checked when it is read and when it is written, so that no line on a drive can name
//! anything outside the drive or inside `.mvcopy`. An item that passes [`Item::check`] fits in a line, and
//! reads back as the same item.

use serde::Deserialize;

use super::extra::{Extra, Flags, OwnerNames, Xattrs, extra_of, push_owner_names};
use super::part::{Part, WirePart};
pub use super::paths::check_path;
pub(super) use super::paths::{alias_fault, path_fault, relative_fault};
use super::samefile::SameFile;
use super::text::{
    FromText, Text, hex_digit, json_message, json_text, parse_hex32, push_hex, push_u64, short,
};
use crate::error::{Code, Error, Result};
use crate::meta::{Kind, Time};
use crate::name::{JsonStyle, Name, write_json};

/// The longest path, in bytes. Escaped six-fold, path and link together still fit in a line.
pub const MAX_PATH: usize = 0xFFFF;

/// The longest target of a symbolic link, in bytes (Linux has 4,095).
pub const MAX_TARGET: usize = 0x3FFF;

/// The name of our own directory at the drive's root.
pub const OWN_DIR: &[u8] = b".mvcopy";

/// How a digest was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// SHA-256 (FIPS 180-4), as `sha256sum` prints it.
    Sha256,
    /// BLAKE3 with 32 bytes of output, as `b3sum` prints it.
    Blake3,
}

impl Algorithm {
    /// The word for the algorithm in the formats on the drive.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Blake3 => "blake3",
        }
    }

    /// The algorithm of this word in the formats on the drive.
    pub fn from_word(word: &[u8]) -> Option<Algorithm> {
        [Algorithm::Sha256, Algorithm::Blake3]
            .into_iter()
            .find(|a| a.as_str().as_bytes() == word)
    }

    /// The word for a choice of algorithm, where none may be chosen too: `none`.
    pub fn choice_word(choice: Option<Algorithm>) -> &'static str {
        choice.map_or("none", Algorithm::as_str)
    }

    /// The choice that a word of [`Algorithm::choice_word`] stands for.
    ///
    /// # Errors
    /// A sentence, for any other word.
    pub fn choice_from_word(word: &str) -> Result<Option<Algorithm>, String> {
        match Algorithm::from_word(word.as_bytes()) {
            None if word != "none" => Err("no digest that is known".to_owned()),
            choice => Ok(choice),
        }
    }
}

/// The checksum of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest {
    /// How it was made.
    pub algorithm: Algorithm,
    /// Its bytes.
    pub bytes: [u8; 32],
}

impl Digest {
    /// Appends the 64 lower-case hex digits.
    pub fn push_hex(&self, out: &mut Vec<u8>) {
        push_hex(out, &self.bytes);
    }
}

/// One entry of a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its path below the drive's root; [`check_path`] holds for it.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Bytes of content; 0 for what has none.
    pub size: u64,
    /// Last modification of the content.
    pub mtime: Time,
    /// Permission bits with setuid, setgid and sticky (at most 0o7777).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The digest of its content; files only, `None` where none was made.
    pub digest: Option<Digest>,
    /// The target of a symbolic link: there for each of them and for nothing else.
    pub target: Option<Vec<u8>>,
    /// The first path of the hard-link group that it belongs to; never for a directory.
    pub link: Option<Vec<u8>>,
    /// Major and minor number: there for each device and for nothing else.
    pub rdev: Option<(u32, u32)>,
    /// False: recorded here only, because the drive's file system cannot hold it.
    pub stored: bool,
    /// Extended attributes, ACLs and flags: `None` for an entry that has none.
    pub extra: Option<Box<Extra>>,
    /// What owner and group were called; `None` where nobody looked.
    pub names: Option<Box<OwnerNames>>,
    /// Its path on the drive, where the file system could not take the true one ([`crate::engine::names`]): as
    /// many components as the path, and not the same.
    pub alias: Option<Vec<u8>>,
    /// Which part of a file it is, where it is one.
    pub part: Option<Part>,
    /// Which file it is a name of, where that has several: names of one file have the same, on all volumes.
    pub same_file: Option<SameFile>,
}

impl Item {
    /// Where it stands on the drive, below the drive's root: the one path by which a drive is opened.
    pub fn on_drive(&self) -> &[u8] {
        self.alias.as_deref().unwrap_or(&self.path)
    }

    /// What entries are ordered by on a drive: the path, with a slash at its end for a directory, so that
    /// what is in a directory follows it.
    pub fn sort_key(&self) -> Vec<u8> {
        let mut key = self.path.clone();
        if self.kind == Kind::Dir {
            key.push(b'/');
        }
        key
    }

    /// Checks all that [`Item::decode`] checks, before the item is written.
    ///
    /// # Errors
    /// `Code::BadInput`, with the item's path.
    pub fn check(&self) -> Result<()> {
        self.fault().map_or(Ok(()), |message| {
            Err(Error::new(Code::BadInput, "recording", message).with_path(&self.path))
        })
    }

    fn fault(&self) -> Option<String> {
        path_fault(&self.path)
            .map(|fault| format!("the path {fault}"))
            .or_else(|| {
                let link = self.link.as_deref()?;
                path_fault(link).map(|fault| format!("the hard-linked path {fault}"))
            })
            .or_else(|| {
                let alias = self.alias.as_deref()?;
                alias_fault(&self.path, alias).map(|fault| format!("the path on the drive {fault}"))
            })
            .or_else(|| self.field_fault().map(str::to_owned))
            .or_else(|| {
                let fault = match self.kind {
                    Kind::File => self.part.as_ref()?.fault(&self.path, self.size),
                    _ => self.part.and(Some("only a file is a part of one")),
                };
                fault.map(str::to_owned)
            })
    }

    fn field_fault(&self) -> Option<&'static str> {
        let is_device = matches!(self.kind, Kind::CharDevice | Kind::BlockDevice);
        let is_symlink = self.kind == Kind::Symlink;
        let target_fits = |t: &Vec<u8>| !t.is_empty() && t.len() <= MAX_TARGET && !t.contains(&0);
        if self.target.is_some() != is_symlink {
            Some("a target is there exactly for a symbolic link")
        } else if !self.target.as_ref().is_none_or(target_fits) {
            Some("the target is empty, too long or has a NUL in it")
        } else if self.rdev.is_some() != is_device {
            Some("device numbers are there exactly for a device")
        } else if self.digest.is_some() && self.kind != Kind::File {
            Some("only a file has a digest")
        } else if self.link.is_some() && self.kind == Kind::Dir {
            Some("a directory has no hard links")
        } else if self.same_file.is_some() && self.kind != Kind::File {
            Some("only a file is one of several names")
        } else if self.mode > 0o7777 {
            Some("the mode has more than the permission bits")
        } else if self.mtime.nsec > 999_999_999 {
            Some("the time has more than 999,999,999 nanoseconds")
        } else {
            self.extra.as_ref().and_then(|extra| extra.fault())
        }
    }

    /// Appends the item as a JSON object, on one line, names in [`JsonStyle::Utf8`].
    ///
    /// Only an item that passes [`Item::check`] is read back.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"path\":");
        write_json(out, &self.path, JsonStyle::Utf8);
        out.extend_from_slice(b",\"kind\":\"");
        out.extend_from_slice(self.kind.as_str().as_bytes());
        out.extend_from_slice(b"\",\"size\":");
        push_u64(out, self.size);
        out.extend_from_slice(b",\"mtime\":\"");
        push_time(out, self.mtime);
        out.extend_from_slice(b"\",\"mode\":\"");
        out.extend_from_slice(&[9, 6, 3, 0].map(|shift| b'0' + (self.mode >> shift & 7) as u8));
        out.extend_from_slice(b"\",\"uid\":");
        push_u64(out, self.uid.into());
        out.extend_from_slice(b",\"gid\":");
        push_u64(out, self.gid.into());
        if let Some(digest) = &self.digest {
            out.extend_from_slice(b",\"digest\":\"");
            out.extend_from_slice(digest.algorithm.as_str().as_bytes());
            out.push(b':');
            digest.push_hex(out);
            out.push(b'"');
        }
        if let Some(target) = &self.target {
            out.extend_from_slice(b",\"target\":");
            write_json(out, target, JsonStyle::Utf8);
        }
        if let Some(link) = &self.link {
            out.extend_from_slice(b",\"link\":");
            write_json(out, link, JsonStyle::Utf8);
        }
        if let Some(same_file) = &self.same_file {
            same_file.push_field(out);
        }
        if let Some((major, minor)) = self.rdev {
            out.extend_from_slice(b",\"rdev\":[");
            push_u64(out, major.into());
            out.push(b',');
            push_u64(out, minor.into());
            out.push(b']');
        }
        if !self.stored {
            out.extend_from_slice(b",\"stored\":false");
        }
        if let Some(alias) = &self.alias {
            out.extend_from_slice(b",\"as\":");
            write_json(out, alias, JsonStyle::Utf8);
        }
        if let Some(part) = &self.part {
            out.extend_from_slice(b",\"part\":");
            part.encode(&self.path, out);
        }
        if let Some(extra) = &self.extra {
            extra.push_fields(out);
        }
        if let Some(names) = &self.names {
            push_owner_names(out, names);
        }
        out.push(b'}');
    }

    /// Reads an item from its JSON object. Fields that are not known are passed over.
    ///
    /// # Errors
    /// `Code::BadFormat` for everything that [`Item::encode`] doesn't write for a checked item.
    pub fn decode(json: &[u8]) -> Result<Item> {
        Item::parse(json).map_err(|m| Error::new(Code::BadFormat, "reading an entry", m))
    }

    /// [`Item::decode`] for a caller that says where the item stood.
    pub(super) fn parse(json: &[u8]) -> Result<Item, String> {
        serde_json::from_str::<WireItem>(json_text(json)?)
            .map_err(|e| json_message(&e))?
            .into_item()
    }
}

/// The item as it stands in JSON.
#[derive(Deserialize)]
pub(super) struct WireItem {
    path: Name,
    kind: Text<Kind>,
    size: u64,
    mtime: Text<Time>,
    mode: Text<Mode>,
    uid: u32,
    gid: u32,
    digest: Option<Text<Digest>>,
    target: Option<Name>,
    link: Option<Name>,
    same_file: Option<Text<SameFile>>,
    rdev: Option<(u32, u32)>,
    #[serde(default = "yes")]
    stored: bool,
    xattrs: Option<Xattrs>,
    flags: Option<Text<Flags>>,
    user: Option<Name>,
    group: Option<Name>,
    #[serde(rename = "as")]
    alias: Option<Name>,
    part: Option<WirePart>,
}

fn yes() -> bool {
    true
}

impl WireItem {
    /// The item, checked.
    pub(super) fn into_item(self) -> Result<Item, String> {
        let part = match self.part {
            Some(part) => Some(part.into_part(&self.path.0)?),
            None => None,
        };
        let names = OwnerNames {
            user: self.user.map(|name| name.0),
            group: self.group.map(|name| name.0),
        };
        let item = Item {
            path: self.path.0,
            kind: self.kind.0,
            size: self.size,
            mtime: self.mtime.0,
            mode: self.mode.0.0,
            uid: self.uid,
            gid: self.gid,
            digest: self.digest.map(|d| d.0),
            target: self.target.map(|t| t.0),
            link: self.link.map(|l| l.0),
            rdev: self.rdev,
            stored: self.stored,
            extra: extra_of(self.xattrs, self.flags),
            names: (names != OwnerNames::default()).then(|| Box::new(names)),
            alias: self.alias.map(|a| a.0),
            part,
            same_file: self.same_file.map(|f| f.0),
        };
        match item.fault() {
            None => Ok(item),
            Some(fault) => Err(format!("{fault}: {}", short(&item.path))),
        }
    }
}

struct Mode(u32);

impl FromText for Mode {
    fn from_text(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            bits @ [b'0'..=b'7', b'0'..=b'7', b'0'..=b'7', b'0'..=b'7'] => Ok(Mode(
                bits.iter().fold(0, |n, b| n << 3 | u32::from(b - b'0')),
            )),
            _ => Err("a mode is four octal digits".to_owned()),
        }
    }
}

impl FromText for Kind {
    fn from_text(text: &str) -> Result<Self, String> {
        Kind::from_word(text.as_bytes()).ok_or_else(|| "no kind of entry that is known".to_owned())
    }
}

impl FromText for Digest {
    fn from_text(text: &str) -> Result<Self, String> {
        text.split_once(':')
            .and_then(|(word, hex)| {
                Some(Digest {
                    algorithm: Algorithm::from_word(word.as_bytes())?,
                    bytes: parse_hex32(hex.as_bytes())?,
                })
            })
            .ok_or_else(|| "no digest that is known (sha256:… or blake3:…)".to_owned())
    }
}

/// Appends a time as decimal seconds with exactly nine digits.
///
/// The text is the number itself, as `stat -c %.9Y` prints it: one and a half seconds before 1970 (in
/// [`Time`]: second -2, nanosecond 500,000,000) is `-1.500000000`.
pub fn push_time(out: &mut Vec<u8>, time: Time) {
    let nsec = u64::from(time.nsec);
    let (whole, fraction) = if time.sec >= 0 {
        (time.sec.unsigned_abs(), nsec)
    } else {
        out.push(b'-');
        if nsec == 0 {
            (time.sec.unsigned_abs(), 0)
        } else {
            (time.sec.unsigned_abs() - 1, 1_000_000_000 - nsec)
        }
    };
    push_u64(out, whole);
    out.push(b'.');
    let mut digits = [b'0'; 9];
    let mut rest = fraction;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits);
}

/// The time of [`push_time`]'s text; `None` for any other text (one time has one spelling).
pub fn parse_time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let dot = text.len().checked_sub(10)?;
    let (whole, fraction) = (&text[..dot], text[dot..].strip_prefix(b".")?);
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0u64, |n, b| {
            let digit = hex_digit(*b).filter(|d| *d < 10)?;
            n.checked_mul(10)?.checked_add(digit.into())
        })
    };
    if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
        return None;
    }
    let (whole, fraction) = (number(whole)?, number(fraction)?);
    match (negative, whole, fraction) {
        (false, _, _) => Some((i64::try_from(whole).ok()?, fraction)),
        (true, 0, 0) => None,
        (true, _, 0) => Some((0i64.checked_sub_unsigned(whole)?, 0)),
        (true, _, _) => Some((
            (-1i64).checked_sub_unsigned(whole)?,
            1_000_000_000 - fraction,
        )),
    }
    .map(|(sec, nsec)| Time {
        sec,
        nsec: nsec as u32,
    })
}

impl FromText for Time {
    fn from_text(text: &str) -> Result<Self, String> {
        parse_time(text.as_bytes())
            .ok_or_else(|| "a time is decimal seconds with nine digits".to_owned())
    }
}

#[cfg(test)]
#[path = "item_tests.rs"]
mod tests;
