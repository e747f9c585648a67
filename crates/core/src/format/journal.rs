//! `.mvcopy/journal.log`: what is being written to a drive, one checked record a line.
//!
//! A line is `LENGTH CRC32C JSON`: the bytes of the JSON in decimal, its CRC-32C as 8 hex digits. The file
//! is only ever appended to. Whatever a power cut or a bad block leaves of it, [`read`] gives the records up
//! to the first one that is not whole, and says what it found there. Who appends after that first cuts the
//! file to [`Good::bytes`]. What the records mean for the files on the drive is the engine's business.

use std::borrow::Cow;
use std::io::BufRead;

use serde::Deserialize;

use super::item::{Item, WireItem, relative_fault};
use super::manifest::version_message;
use super::text::{
    Line, MAX_LINE, bad_line, hex_digit, json_message, json_text, push_hex, push_u64, read_line,
    short,
};
use crate::error::{Code, Error, IoContext, Result};
use crate::name::{JsonStyle, Name, write_json};

/// The version of the format. Raised when a known record changes its meaning or a new one is added: version 2
/// brought `moving`. Older ones are read.
pub const VERSION: u64 = 2;

/// How many ranges a `done` line holds at most; a record with more becomes several lines.
const RANGES_A_LINE: usize = 8_192;

/// The longest temporary path, in bytes.
const MAX_TEMP: usize = 255;

/// The longest header, `1048576 xxxxxxxx `.
const MAX_HEADER: usize = 17;

/// One thing that happened, or is about to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A run began to write to the drive. The first record of every journal, and of every run in it.
    Start {
        /// A word for the run, unique among the runs on this drive (hex digits).
        session: String,
        /// The drive's generation from here on (volume.json).
        generation: u64,
        /// The version of the format that this run writes: [`VERSION`].
        version: u64,
    },
    /// `item` is about to get its final name. From here on that name is ours.
    Intent {
        /// The number of the intent, rising in the journal.
        id: u64,
        /// Where its content lies, below `.mvcopy/tmp`; `None` for what is made in place.
        temp: Option<Vec<u8>>,
        /// What it will be.
        item: Item,
        /// Whether something of ours stands under that name already.
        replaces: bool,
    },
    /// What stands under `from` is about to be renamed. Carried out and durable like an intent, by its number.
    Moving {
        /// The number of the intent, rising in the journal.
        id: u64,
        /// The path that it has until now.
        from: Vec<u8>,
        /// What it is, under its new path.
        item: Item,
    },
    /// These intents were carried out; not yet durable.
    Done {
        /// Ranges of ids, both ends included.
        ids: Vec<(u64, u64)>,
    },
    /// A barrier succeeded: all done intents up to this id survive a power cut.
    Durable {
        /// The last id that is promised.
        through: u64,
    },
    /// An entry of ours was removed.
    Removed {
        /// Its path.
        path: Vec<u8>,
    },
    /// Owner, mode or times of an entry were mended; its content is as it was.
    Mended {
        /// What it is now.
        item: Item,
    },
}

/// How far a journal is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Good {
    /// Where the last good record ends; whatever follows is to be cut off.
    pub bytes: u64,
    /// How many records were handed over.
    pub records: u64,
    /// Something follows that is no whole record: a torn tail, or damage.
    pub torn: bool,
    /// A whole record follows further on. Either the blocks of the last, unflushed appends reached the
    /// drive out of order, or the file was damaged.
    pub corrupt: bool,
    /// Among the whole records further on is one that is only written behind a barrier (`start` or
    /// `durable`): what was lost had reached the drive, so the drive is losing data.
    pub behind_barrier: bool,
}

/// Appends the record as a line (a `done` with very many ranges as several).
///
/// # Errors
/// `Code::BadInput` for a record that [`read`] would refuse.
pub fn encode(record: &Record, out: &mut Vec<u8>) -> Result<()> {
    match record {
        Record::Done { ids } if ids.len() > RANGES_A_LINE => ids
            .chunks(RANGES_A_LINE)
            .try_for_each(|ids| encode_line(out, |json| push_done(json, ids))),
        _ => {
            if let Some(fault) = fault(record)? {
                return Err(Error::new(Code::BadInput, "recording", fault));
            }
            encode_line(out, |json| push_record(json, record))
        }
    }
}

/// What [`read`] would have against the record.
fn fault(record: &Record) -> Result<Option<String>> {
    Ok(match record {
        Record::Start {
            session, version, ..
        } => (!readable(*version))
            .then_some("a start of another version")
            .or_else(|| session_fault(session))
            .map(str::to_owned),
        Record::Intent { temp, item, .. } => {
            item.check()?;
            temp.as_deref()
                .and_then(temp_fault)
                .map(|fault| format!("the temporary path {fault}"))
        }
        Record::Moving { from, item, .. } => {
            super::check_path(from)?;
            item.check()?;
            None
        }
        Record::Done { ids } => ranges_fault(ids).map(str::to_owned),
        Record::Durable { .. } => None,
        Record::Removed { path } => {
            super::check_path(path)?;
            None
        }
        Record::Mended { item } => {
            item.check()?;
            None
        }
    })
}

/// A temporary path is a short one of our own making.
fn temp_fault(temp: &[u8]) -> Option<&'static str> {
    relative_fault(temp).or_else(|| (temp.len() > MAX_TEMP).then_some("is longer than 255 bytes"))
}

fn session_fault(session: &str) -> Option<&'static str> {
    let fits = (1..=64).contains(&session.len())
        && session.bytes().all(|b| hex_digit(b).is_some() || b == b'-');
    (!fits).then_some("a session is 1 to 64 lower-case hex digits or dashes")
}

fn ranges_fault(ids: &[(u64, u64)]) -> Option<&'static str> {
    ids.iter()
        .any(|(first, last)| first > last)
        .then_some("a range of ids ends before it begins")
}

/// Writes the JSON behind room for its header, then the header, so that nothing is copied twice.
fn encode_line(out: &mut Vec<u8>, push_json: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
    let start = out.len();
    out.extend_from_slice(&[b' '; MAX_HEADER]);
    push_json(out);
    let length = out.len() - start - MAX_HEADER;
    if length > MAX_LINE {
        out.truncate(start);
        return Err(Error::new(
            Code::BadInput,
            "recording",
            "a record of more than 1 MiB",
        ));
    }
    let crc = crc32c::crc32c(&out[start + MAX_HEADER..]);
    let mut header = Vec::with_capacity(MAX_HEADER);
    push_u64(&mut header, length as u64);
    header.push(b' ');
    push_hex(&mut header, &crc.to_be_bytes());
    header.push(b' ');
    let spare = MAX_HEADER - header.len();
    out[start..start + header.len()].copy_from_slice(&header);
    out.copy_within(start + MAX_HEADER.., start + MAX_HEADER - spare);
    out.truncate(out.len() - spare);
    out.push(b'\n');
    Ok(())
}

fn push_record(out: &mut Vec<u8>, record: &Record) {
    match record {
        Record::Start {
            session,
            generation,
            version,
        } => {
            out.extend_from_slice(b"{\"record\":\"start\",\"version\":");
            push_u64(out, *version);
            out.extend_from_slice(b",\"session\":\"");
            out.extend_from_slice(session.as_bytes());
            out.extend_from_slice(b"\",\"generation\":");
            push_u64(out, *generation);
        }
        Record::Intent {
            id,
            temp,
            item,
            replaces,
        } => {
            out.extend_from_slice(b"{\"record\":\"intent\",\"id\":");
            push_u64(out, *id);
            if let Some(temp) = temp {
                out.extend_from_slice(b",\"temp\":");
                write_json(out, temp, JsonStyle::Utf8);
            }
            if *replaces {
                out.extend_from_slice(b",\"replaces\":true");
            }
            out.extend_from_slice(b",\"item\":");
            item.encode(out);
        }
        Record::Moving { id, from, item } => {
            out.extend_from_slice(b"{\"record\":\"moving\",\"id\":");
            push_u64(out, *id);
            out.extend_from_slice(b",\"from\":");
            write_json(out, from, JsonStyle::Utf8);
            out.extend_from_slice(b",\"item\":");
            item.encode(out);
        }
        Record::Done { ids } => return push_done(out, ids),
        Record::Durable { through } => {
            out.extend_from_slice(b"{\"record\":\"durable\",\"through\":");
            push_u64(out, *through);
        }
        Record::Removed { path } => {
            out.extend_from_slice(b"{\"record\":\"removed\",\"path\":");
            write_json(out, path, JsonStyle::Utf8);
        }
        Record::Mended { item } => {
            out.extend_from_slice(b"{\"record\":\"mended\",\"item\":");
            item.encode(out);
        }
    }
    out.push(b'}');
}

fn push_done(out: &mut Vec<u8>, ids: &[(u64, u64)]) {
    out.extend_from_slice(b"{\"record\":\"done\",\"ids\":[");
    for (at, (first, last)) in ids.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"[" } else { b",[" });
        push_u64(out, *first);
        out.push(b',');
        push_u64(out, *last);
        out.push(b']');
    }
    out.extend_from_slice(b"]}");
}

/// Hands over every record up to the first that is not whole, in order, in flat memory.
///
/// A torn or damaged journal is no error: the answer says so. `path` is what errors are about.
///
/// # Errors
/// `Code::BadFormat` for a whole record that cannot be understood (a newer version, a journal without its
/// start, a path that points elsewhere); `Code::Io`; whatever `sink` answers.
pub fn read(
    mut reader: impl BufRead,
    path: &[u8],
    sink: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<Good> {
    let mut good = Good::default();
    let mut line = Vec::new();
    let mut next = |line: &mut Vec<u8>| {
        read_line(&mut reader, line, MAX_LINE + MAX_HEADER).at("reading", path)
    };
    loop {
        let (found, consumed) = next(&mut line)?;
        if found == Line::End {
            return Ok(good);
        }
        let Some(json) = whole(found, &line) else {
            break;
        };
        let record = parse(json, good.records == 0)
            .map_err(|m| bad_line(Code::BadFormat, "reading", path, good.records + 1, m))?;
        sink(record)?;
        good.bytes += consumed;
        good.records += 1;
    }
    good.torn = true;
    // What follows is only looked at, to tell a torn tail from damage.
    while !good.behind_barrier {
        let (found, _) = next(&mut line)?;
        if found == Line::End {
            break;
        }
        if let Some(json) = whole(found, &line) {
            good.corrupt = true;
            good.behind_barrier = matches!(
                parse(json, false),
                Ok(Record::Start { .. } | Record::Durable { .. })
            );
        }
    }
    Ok(good)
}

/// The JSON of a line whose length and checksum are right.
fn whole(found: Line, line: &[u8]) -> Option<&[u8]> {
    if found != Line::Whole {
        return None;
    }
    let space = line.iter().take(8).position(|&b| b == b' ')?;
    let (length, rest) = (&line[..space], &line[space + 1..]);
    let (crc, json) = (rest.get(..8)?, rest.get(8..)?.strip_prefix(b" ")?);
    let mut expected = Vec::with_capacity(16);
    push_u64(&mut expected, json.len() as u64);
    if expected != length {
        return None;
    }
    expected.clear();
    push_hex(&mut expected, &crc32c::crc32c(json).to_be_bytes());
    (expected == crc).then_some(json)
}

/// A record as it stands in JSON: the fields of all kinds, of which each kind has some.
#[derive(Deserialize)]
struct WireRecord<'a> {
    #[serde(borrow)]
    record: Cow<'a, str>,
    version: Option<u64>,
    session: Option<String>,
    generation: Option<u64>,
    id: Option<u64>,
    temp: Option<Name>,
    from: Option<Name>,
    #[serde(default)]
    replaces: bool,
    item: Option<WireItem>,
    ids: Option<Vec<(u64, u64)>>,
    through: Option<u64>,
    path: Option<Name>,
}

/// The part of a `start` that every later version keeps.
#[derive(Deserialize)]
struct Version {
    record: String,
    version: u64,
}

fn parse(json: &[u8], first: bool) -> Result<Record, String> {
    let text = json_text(json)?;
    let record = serde_json::from_str::<WireRecord>(text)
        .map_err(|e| json_message(&e))
        .and_then(WireRecord::into_record);
    // Ask for the version before anything is found wrong: a later start may have any other form.
    let version = match &record {
        Ok(Record::Start { version, .. }) => *version,
        Ok(_) => VERSION,
        Err(_) => version_of(text).unwrap_or(VERSION),
    };
    if !readable(version) {
        return Err(version_message("journal", version, VERSION));
    }
    let record = record?;
    if first && !matches!(record, Record::Start { .. }) {
        return Err("a journal that does not begin with its start".to_owned());
    }
    match fault(&record) {
        Ok(None) => Ok(record),
        Ok(Some(fault)) => Err(fault),
        Err(e) => Err(e.to_string()),
    }
}

/// Whether this program knows a version of the format.
fn readable(version: u64) -> bool {
    (1..=VERSION).contains(&version)
}

/// The version in a `start` of whatever version; the one part of the journal that never changes.
fn version_of(text: &str) -> Option<u64> {
    let start: Version = serde_json::from_str(text).ok()?;
    (start.record == "start").then_some(start.version)
}

impl WireRecord<'_> {
    fn into_record(self) -> Result<Record, String> {
        let lacks = |field: &str| format!("the record lacks {field}");
        let item = |item: Option<WireItem>| item.ok_or_else(|| lacks("item"))?.into_item();
        Ok(match &*self.record {
            "start" => Record::Start {
                session: self.session.ok_or_else(|| lacks("session"))?,
                generation: self.generation.ok_or_else(|| lacks("generation"))?,
                version: self.version.ok_or_else(|| lacks("version"))?,
            },
            "intent" => Record::Intent {
                id: self.id.ok_or_else(|| lacks("id"))?,
                temp: self.temp.map(|t| t.0),
                item: item(self.item)?,
                replaces: self.replaces,
            },
            "moving" => Record::Moving {
                id: self.id.ok_or_else(|| lacks("id"))?,
                from: self.from.ok_or_else(|| lacks("from"))?.0,
                item: item(self.item)?,
            },
            "done" => Record::Done {
                ids: self.ids.ok_or_else(|| lacks("ids"))?,
            },
            "durable" => Record::Durable {
                through: self.through.ok_or_else(|| lacks("through"))?,
            },
            "removed" => Record::Removed {
                path: self.path.ok_or_else(|| lacks("path"))?.0,
            },
            "mended" => Record::Mended {
                item: item(self.item)?,
            },
            other => {
                return Err(format!(
                    "no record that is known: {}",
                    short(other.as_bytes())
                ));
            }
        })
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
