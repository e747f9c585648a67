//! What few entries have beside owner, mode and times: extended attributes, ACLs among them, and file flags.
//!
//! It stands in the manifest whether or not the drive's file system could keep it, so that a restore brings it
//! back from any drive. Values are base64 (RFC 4648, padded); names are in rising order, so that one state has
//! one spelling. The names of owner and group are told beside the numbers and decide nothing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::text::{FromText, Text, json_message, json_text};
use crate::name::{JsonStyle, Name, write_json};

/// More bytes than this, as they stand in a line, are not recorded: with the longest paths a line has to fit
/// into its limit.
pub const MAX_EXTRA: usize = 128 * 1024;

/// Files with this flag can't be changed, renamed or removed (`chattr +i`).
pub const IMMUTABLE: u8 = 1;
/// Files with this flag can only grow (`chattr +a`).
pub const APPEND_ONLY: u8 = 2;
/// dump(8) leaves files with this flag out (`chattr +d`).
pub const NO_DUMP: u8 = 4;

/// The letters of chattr(1), in the order in which they are written.
const LETTERS: [(u8, u8); 3] = [(APPEND_ONLY, b'a'), (NO_DUMP, b'd'), (IMMUTABLE, b'i')];

/// An extended attribute: its name with the namespace in front, and its value.
pub type Xattr = (Vec<u8>, Vec<u8>);

/// What an entry has besides. An entry that has nothing has no `Extra`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extra {
    /// Extended attributes by rising names; ACLs are among them.
    pub xattrs: Vec<Xattr>,
    /// [`IMMUTABLE`], [`APPEND_ONLY`] and [`NO_DUMP`].
    pub flags: u8,
}

/// The names that owner and group had where the entry was backed up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnerNames {
    /// The name of the owner.
    pub user: Option<Vec<u8>>,
    /// The name of the group.
    pub group: Option<Vec<u8>>,
}

impl Extra {
    /// An entry's, boxed as items have it; `None` when there is nothing, or too much for a line.
    pub fn of(mut xattrs: Vec<Xattr>, flags: u8) -> Option<Box<Extra>> {
        xattrs.sort();
        let extra = Extra { xattrs, flags };
        let is_none = extra.xattrs.is_empty() && flags == 0;
        (!is_none && extra.length() <= MAX_EXTRA).then(|| Box::new(extra))
    }

    /// At least as many bytes as it takes in a line.
    pub fn length(&self) -> usize {
        let one = |(name, value): &Xattr| 8 + 6 * name.len() + value.len().div_ceil(3) * 4;
        32 + self.xattrs.iter().map(one).sum::<usize>()
    }

    /// What is wrong with it, if anything.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let rising = self.xattrs.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let named = self
            .xattrs
            .iter()
            .all(|(name, _)| !name.is_empty() && name.len() <= 255 && !name.contains(&0));
        if !rising {
            Some("the extended attributes are out of order")
        } else if !named {
            Some("an extended attribute has no name that can be")
        } else if self.flags & !(IMMUTABLE | APPEND_ONLY | NO_DUMP) != 0 {
            Some("there are flags that nobody knows")
        } else if self.length() > MAX_EXTRA {
            Some("the extended attributes are too long")
        } else {
            None
        }
    }

    /// Appends its fields, each with a comma in front.
    pub(super) fn push_fields(&self, out: &mut Vec<u8>) {
        if !self.xattrs.is_empty() {
            out.extend_from_slice(b",\"xattrs\":{");
            for (n, (name, value)) in self.xattrs.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_json(out, name, JsonStyle::Utf8);
                out.extend_from_slice(b":\"");
                out.extend_from_slice(BASE64.encode(value).as_bytes());
                out.push(b'"');
            }
            out.push(b'}');
        }
        if self.flags != 0 {
            out.extend_from_slice(b",\"flags\":\"");
            let set = LETTERS.iter().filter(|(bit, _)| self.flags & bit != 0);
            out.extend(set.map(|(_, letter)| *letter));
            out.push(b'"');
        }
    }

    /// It as a JSON object of its own, as the catalog keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.push_fields(&mut out);
        match out.first_mut() {
            Some(comma) => *comma = b'{',
            None => out.push(b'{'),
        }
        out.push(b'}');
        out
    }

    /// It from [`Extra::to_bytes`]; `None` for what that doesn't write.
    pub fn from_bytes(json: &[u8]) -> Option<Box<Extra>> {
        let wire: WireExtra = json_text(json)
            .and_then(|text| serde_json::from_str(text).map_err(|e| json_message(&e)))
            .ok()?;
        let extra = extra_of(wire.xattrs, wire.flags)?;
        extra.fault().is_none().then_some(extra)
    }
}

/// The fields of an item put together; `None` where both are missing.
pub(super) fn extra_of(xattrs: Option<Xattrs>, flags: Option<Text<Flags>>) -> Option<Box<Extra>> {
    if xattrs.is_none() && flags.is_none() {
        return None;
    }
    Some(Box::new(Extra {
        xattrs: xattrs.map_or_else(Vec::new, |x| x.0),
        flags: flags.map_or(0, |f| f.0.0),
    }))
}

#[derive(Deserialize)]
struct WireExtra {
    xattrs: Option<Xattrs>,
    flags: Option<Text<Flags>>,
}

/// The flags of an item, as letters of chattr(1) in the order of the alphabet.
pub(super) struct Flags(u8);

impl FromText for Flags {
    fn from_text(text: &str) -> Result<Self, String> {
        let mut rest = text.as_bytes();
        let mut flags = 0;
        for (bit, letter) in LETTERS {
            if let Some(after) = rest.strip_prefix(&[letter]) {
                flags |= bit;
                rest = after;
            }
        }
        match rest.is_empty() && flags != 0 {
            true => Ok(Flags(flags)),
            false => Err("flags are letters of a, d and i".to_owned()),
        }
    }
}

/// The extended attributes of an item: an object whose values are base64.
pub(super) struct Xattrs(Vec<Xattr>);

/// A value in base64.
struct Value(Vec<u8>);

impl FromText for Value {
    fn from_text(text: &str) -> Result<Self, String> {
        BASE64
            .decode(text)
            .map(Value)
            .map_err(|_| "the value of an extended attribute is no base64".to_owned())
    }
}

impl<'de> Deserialize<'de> for Xattrs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Xattrs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of extended attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Xattrs, A::Error> {
                let mut all = Vec::new();
                while let Some((name, value)) = map.next_entry::<Name, Text<Value>>()? {
                    all.push((name.0, value.0.0));
                }
                Ok(Xattrs(all))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Appends the names of owner and group, each with a comma in front.
pub(super) fn push_owner_names(out: &mut Vec<u8>, names: &OwnerNames) {
    for (field, name) in [("user", &names.user), ("group", &names.group)] {
        if let Some(name) = name {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(field.as_bytes());
            out.extend_from_slice(b"\":");
            write_json(out, name, JsonStyle::Utf8);
        }
    }
}

#[cfg(test)]
#[path = "extra_tests.rs"]
mod tests;
