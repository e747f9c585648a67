//! `.mvcopy/volume.json`: which volume of which set a drive is.
//!
//! Whoever plugs a drive in can have written it, so nothing in it is believed beyond its form: at most
//! 64 KiB, ids and dates of one spelling, no control characters in names. Fields that are not known (of a
//! later program of the same version) are kept and written again.
//!
//! `seal` is for whoever verifies a drive ([`seal`]). A reader does not insist on it: a label that was mended by
//! hand makes no drive unusable.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::manifest::version_message;
use super::text::{hex_digit, json_message, push_hex};
use super::verify::CheckKind;
use crate::error::{Code, Error, Result};
use crate::name::is_hazard;

/// The version of the format. Raised when a known field changes its meaning.
pub const VERSION: u64 = 1;

/// The longest file, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;

/// The largest number of a copy of the set.
pub const MOST_COPIES: u32 = 255;

/// The longest name or label, in bytes.
pub const MAX_NAME: usize = 255;

/// The largest number in the file: JSON readers of other languages take it exactly.
pub(super) const MAX_SAFE: u64 = (1 << 53) - 1;

/// The field with the SHA-256 of the file, made while its own 64 digits are zeros.
const SEAL: &str = "seal";

/// What stands before the digits of the seal.
const SEAL_START: &[u8] = b"\"seal\": \"";

/// The set that a volume belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetRef {
    /// 32 lower-case hex digits, or a lower-case UUID.
    pub id: String,
    /// The user's name for it: no control characters, 1 to 255 bytes.
    pub name: String,
}

/// The volume itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeRef {
    /// Its number in the set, 1 to 65,535.
    pub number: u32,
    /// 32 lower-case hex digits, or a lower-case UUID.
    pub id: String,
    /// The user's label for it: no control characters, at most 255 bytes.
    pub label: String,
}

/// The content of volume.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeJson {
    /// The version of the format: [`VERSION`].
    pub version: u64,
    /// The set.
    pub set: SetRef,
    /// The volume.
    pub volume: VolumeRef,
    /// Raised at each open of the volume for writing, so that a clone is found.
    pub generation: u64,
    /// When the volume was begun: RFC 3339, UTC, `2026-11-22T19:00:00Z`.
    pub created: String,
    /// When it was last closed as complete; `None` while it is being written.
    pub closed: Option<String>,
    /// Bytes of the file system when it was last opened.
    pub capacity: u64,
    /// The program and version that wrote this.
    pub tool: String,
    /// Which copy of the set the volume belongs to; left out for the first.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub copy: u32,
    /// What the last verification found; kept as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Value>,
    /// Fields that this version doesn't know; kept as they stand.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

pub(super) fn first() -> u32 {
    1
}

fn is_first(copy: &u32) -> bool {
    *copy == 1
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

/// Reads volume.json.
///
/// # Errors
/// `Code::BadFormat`: too long, no JSON, a newer version, a missing field, or a value out of its form.
pub fn parse(bytes: &[u8]) -> Result<VolumeJson> {
    parse_text(bytes).map_err(|m| Error::new(Code::BadFormat, "reading volume.json", m))
}

fn parse_text(bytes: &[u8]) -> Result<VolumeJson, String> {
    if bytes.len() > MAX_BYTES {
        return Err("longer than 64 KiB".to_owned());
    }
    let version: Version = serde_json::from_slice(bytes).map_err(|e| message(&e))?;
    if version.version != VERSION {
        return Err(version_message("volume.json", version.version, VERSION));
    }
    let mut volume: VolumeJson = serde_json::from_slice(bytes).map_err(|e| message(&e))?;
    // It is about these bytes; whoever writes makes a new one.
    volume.other.remove(SEAL);
    volume.fault()?;
    Ok(volume)
}

fn message(e: &serde_json::Error) -> String {
    format!("line {}: {}", e.line(), json_message(e))
}

impl VolumeJson {
    /// The file: JSON for people, with a newline at its end.
    ///
    /// # Errors
    /// `Code::BadInput` for what [`parse`] would refuse.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let fail = |m: String| Error::new(Code::BadInput, "writing volume.json", m);
        self.fault().map_err(fail)?;
        let mut sealed = self.clone();
        sealed.other.insert(SEAL.to_owned(), "0".repeat(64).into());
        let mut bytes = serde_json::to_vec_pretty(&sealed).map_err(|e| fail(e.to_string()))?;
        bytes.push(b'\n');
        if let Some((at, digits)) = seal_of(&bytes) {
            bytes[at..at + 64].copy_from_slice(&digits);
        }
        if bytes.len() > MAX_BYTES {
            return Err(fail("longer than 64 KiB".to_owned()));
        }
        Ok(bytes)
    }

    fn fault(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(version_message("volume.json", self.version, VERSION));
        }
        check_id("set", &self.set.id)?;
        check_id("volume", &self.volume.id)?;
        check_number(self.volume.number)?;
        check_copy(self.copy)?;
        check_name("set's name", &self.set.name)?;
        if self.set.name.is_empty() {
            return Err("the set's name is empty".to_owned());
        }
        check_name("label", &self.volume.label)?;
        check_name("tool", &self.tool)?;
        check_date("created", &self.created)?;
        if let Some(closed) = &self.closed {
            check_date("closed", closed)?;
        }
        if self.generation > MAX_SAFE || self.capacity > MAX_SAFE {
            return Err("a number of 2^53 or more".to_owned());
        }
        Ok(())
    }
}

/// Whether the file agrees with the seal that is in it; `None` when there is none.
pub fn seal(bytes: &[u8]) -> Option<bool> {
    let (at, digits) = seal_of(bytes)?;
    Some(bytes[at..at + 64] == digits)
}

/// Where the digits of the seal are, and what they should be.
fn seal_of(bytes: &[u8]) -> Option<(usize, [u8; 64])> {
    let at = memchr::memmem::find(bytes, SEAL_START)? + SEAL_START.len();
    let mut zeroed = bytes.to_vec();
    zeroed.get_mut(at..at + 64)?.fill(b'0');
    let mut digits = Vec::with_capacity(64);
    push_hex(&mut digits, &Sha256::digest(&zeroed));
    Some((at, digits.try_into().ok()?))
}

/// What the last verification of the whole volume found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// When it ended, seconds since 1970.
    pub date: i64,
    /// How much it proves.
    pub kind: CheckKind,
    /// Entries that were not good.
    pub bad: u64,
    /// Files that were read.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
}

impl VolumeJson {
    /// The last verification; `None` where there was none, or where it is not understood.
    pub fn check(&self) -> Option<Check> {
        let said = self.verified.as_ref()?;
        let number = |key: &str| said.get(key)?.as_u64();
        Some(Check {
            date: super::date::to_seconds(said.get("date")?.as_str()?)?,
            kind: CheckKind::from_word(said.get("kind")?.as_str()?)?,
            bad: number("bad")?,
            files: number("files").unwrap_or(0),
            bytes: number("bytes").unwrap_or(0),
        })
    }

    /// Notes the last verification.
    pub fn set_check(&mut self, check: &Check) {
        self.verified = Some(serde_json::json!({
            "date": super::date::from_seconds(check.date),
            "kind": check.kind.as_str(),
            "bad": check.bad,
            "files": check.files,
            "bytes": check.bytes,
        }));
    }
}

/// An id is 32 lower-case hex digits, or the same with the dashes of a UUID.
pub(super) fn check_id(what: &str, id: &str) -> Result<(), String> {
    let is_dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let fits = match id.len() {
        32 => id.bytes().all(|b| hex_digit(b).is_some()),
        36 => id.bytes().enumerate().all(|(at, b)| {
            if is_dash(at) {
                b == b'-'
            } else {
                hex_digit(b).is_some()
            }
        }),
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(format!("the {what} id is not 32 lower-case hex digits"))
    }
}

pub(super) fn check_number(number: u32) -> Result<(), String> {
    if (1..=65_535).contains(&number) {
        Ok(())
    } else {
        Err("the volume's number is not 1 to 65,535".to_owned())
    }
}

pub(super) fn check_copy(copy: u32) -> Result<(), String> {
    if (1..=MOST_COPIES).contains(&copy) {
        Ok(())
    } else {
        Err("the copy of the set is not 1 to 255".to_owned())
    }
}

pub(super) fn check_name(what: &str, text: &str) -> Result<(), String> {
    if text.len() > MAX_NAME {
        Err(format!("the {what} is longer than 255 bytes"))
    } else if text.chars().any(is_hazard) {
        Err(format!("the {what} has a control character in it"))
    } else {
        Ok(())
    }
}

/// RFC 3339 in UTC with `T` and `Z`, fractions of a second allowed.
fn check_date(what: &str, date: &str) -> Result<(), String> {
    let fits = || {
        let (date, fraction) = date.strip_suffix('Z')?.split_at_checked(19)?;
        let digits = |from: usize, to: usize| date.get(from..to)?.parse::<u32>().ok();
        let form = date.bytes().enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            10 => b == b'T',
            13 | 16 => b == b':',
            _ => b.is_ascii_digit(),
        });
        let fraction_form = fraction.is_empty()
            || fraction.strip_prefix('.').is_some_and(|digits| {
                (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
            });
        let in_range = (1..=12).contains(&digits(5, 7)?)
            && (1..=31).contains(&digits(8, 10)?)
            && digits(11, 13)? < 24
            && digits(14, 16)? < 60
            && digits(17, 19)? <= 60;
        Some(form && fraction_form && in_range)
    };
    if fits() == Some(true) {
        Ok(())
    } else {
        Err(format!("'{what}' is no date in UTC (RFC 3339)"))
    }
}

#[cfg(test)]
#[path = "volumejson_tests.rs"]
mod tests;
