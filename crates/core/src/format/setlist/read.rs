//! Reading a list of the set: line by line in flat memory, and hostile until proved otherwise.

use std::collections::BTreeSet;
use std::io::BufRead;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    Header, KIND, Line, ListedCheck, ListedEntry, ListedSource, ListedVolume, TRAILER_START,
    VERSION,
};
use crate::error::{Code, IoContext, Result};
use crate::format::date;
use crate::format::item::Algorithm;
use crate::format::manifest::version_message;
use crate::format::part::WirePart;
use crate::format::text::{
    Line as Found, MAX_LINE, Sha256Hex, Text, bad_line, json_message, json_text, read_line, short,
};
use crate::format::volumejson::{check_number, first};
use crate::meta::{Kind, Time};
use crate::name::Name;

/// More sources than any set has: what a reader keeps of them stays small.
const MAX_SOURCES: usize = 65_535;

const SOURCE_START: &[u8] = b"{\"source\":";
const VOLUME_START: &[u8] = b"{\"volume\":";
const ENTRY_START: &[u8] = b"{\"path\":";
const PLANNED_START: &[u8] = b"{\"planned\":";

#[derive(Deserialize)]
struct WireVersion {
    multivolumecopy: String,
    version: u64,
}

#[derive(Deserialize)]
struct WireHeader {
    set: String,
    name: String,
    date: String,
    volume: u32,
    #[serde(default = "first")]
    copies: u32,
    digest: Option<String>,
}

#[derive(Deserialize)]
struct WireSource {
    source: Name,
    prefix: Name,
    file: bool,
}

#[derive(Deserialize)]
struct WireVolume {
    volume: u32,
    id: String,
    label: String,
    state: String,
    #[serde(default)]
    fate: String,
    #[serde(default = "first")]
    copy: u32,
    generation: u64,
    files: u64,
    bytes: u64,
    capacity: u64,
    available: u64,
    filesystem: String,
    created: String,
    written: String,
    verified: Option<String>,
    #[serde(default)]
    verified_kind: String,
    #[serde(default)]
    verified_bad: u64,
}

#[derive(Deserialize)]
struct WireEntry {
    #[serde(alias = "planned")]
    path: Name,
    volume: u32,
    kind: Option<Text<Kind>>,
    size: u64,
    mtime: Text<Time>,
    rdev: Option<(u32, u32)>,
    #[serde(rename = "as")]
    alias: Option<Name>,
    part: Option<WirePart>,
}

impl WireEntry {
    fn checked(self) -> Result<ListedEntry, String> {
        let part = match self.part {
            Some(part) => Some(part.into_part(&self.path.0)?),
            None => None,
        };
        let entry = ListedEntry {
            path: self.path.0,
            kind: self.kind.map_or(Kind::File, |kind| kind.0),
            size: self.size,
            mtime: self.mtime.0,
            rdev: self.rdev,
            alias: self.alias.map(|a| a.0),
            volume: self.volume,
            part,
        };
        match entry.fault() {
            Some(fault) => Err(format!("{fault}: {}", short(&entry.path))),
            None => Ok(entry),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trailer {
    entries: u64,
    sha256: Text<Sha256Hex>,
}

/// What [`read`] keeps while it goes: the numbers of the volumes, and where it is.
#[derive(Default)]
struct State {
    sources: usize,
    volumes: BTreeSet<u32>,
    last: Option<(Vec<u8>, u32)>,
    last_planned: Option<(u32, Vec<u8>)>,
    entries: u64,
}

/// Reads a list in flat memory: hands over every line, in order, then checks the last one.
///
/// `path` is what errors are about.
///
/// # Errors
/// `Code::BadFormat`, naming the line, for what is no whole list of this version; `Code::Io`; whatever
/// `sink` answers. After an error the lines handed over prove nothing.
pub fn read(
    mut reader: impl BufRead,
    path: &[u8],
    sink: &mut dyn FnMut(Line) -> Result<()>,
) -> Result<Header> {
    let mut line = Vec::new();
    let header = next_header(&mut reader, path, &mut line)?;
    let mut hash = Sha256::new();
    let mut state = State::default();
    let mut number = 1;
    loop {
        hash.update(&line);
        hash.update(b"\n");
        number += 1;
        let bad = |message: String| bad_line(Code::BadFormat, "reading", path, number, message);
        next_line(&mut reader, path, &mut line)?.map_err(bad)?;
        if line.starts_with(TRAILER_START) {
            let trailer: Trailer = parse(&line).map_err(bad)?;
            if trailer.entries != state.entries {
                let (said, found) = (trailer.entries, state.entries);
                return Err(bad(format!("{said} entries expected, {found} found")));
            }
            if trailer.sha256.0.0 != *hash.finalize() {
                return Err(bad("the checksum does not match: damaged".to_owned()));
            }
            let (after, _) = read_line(&mut reader, &mut line, 0).at("reading", path)?;
            return match after {
                Found::End => Ok(header),
                _ => Err(bad("something follows the last line".to_owned())),
            };
        }
        let told = state.understand(&line).map_err(bad)?;
        sink(told)?;
    }
}

/// Reads only the first line: of which set and from when a list is. The rest may still be damaged.
///
/// # Errors
/// `Code::BadFormat` for what does not begin as a list of this version; `Code::Io`.
pub fn read_header(mut reader: impl BufRead, path: &[u8]) -> Result<Header> {
    next_header(&mut reader, path, &mut Vec::new())
}

fn next_header(reader: &mut impl BufRead, path: &[u8], line: &mut Vec<u8>) -> Result<Header> {
    next_line(reader, path, line)?
        .and_then(|()| parse_header(line))
        .map_err(|message| bad_line(Code::BadFormat, "reading", path, 1, message))
}

/// The next line, or what is wrong with it.
fn next_line(
    reader: &mut impl BufRead,
    path: &[u8],
    line: &mut Vec<u8>,
) -> Result<Result<(), String>> {
    let (found, _) = read_line(reader, line, MAX_LINE).at("reading", path)?;
    Ok(match found {
        Found::Whole => Ok(()),
        Found::TooLong => Err("longer than 1 MiB".to_owned()),
        Found::Unended | Found::End => Err("the list is cut off".to_owned()),
    })
}

fn parse<'de, T: Deserialize<'de>>(line: &'de [u8]) -> Result<T, String> {
    serde_json::from_str(json_text(line)?).map_err(|e| json_message(&e))
}

fn parse_header(line: &[u8]) -> Result<Header, String> {
    let version: WireVersion = parse(line)?;
    if version.multivolumecopy != KIND {
        return Err("this is no list of a set".to_owned());
    }
    if version.version != VERSION {
        return Err(version_message(KIND, version.version, VERSION));
    }
    let wire: WireHeader = parse(line)?;
    let header = Header {
        set: wire.set,
        name: wire.name,
        date: parse_date(&wire.date)?,
        volume: wire.volume,
        copies: wire.copies,
        digest: match wire.digest.as_deref() {
            None => Some(Algorithm::Sha256),
            // What a later program has chosen is not known here: what is copied here gets what all know.
            Some(word) => Algorithm::choice_from_word(word).unwrap_or(Some(Algorithm::Sha256)),
        },
    };
    header.fault()?;
    Ok(header)
}

fn parse_date(text: &str) -> Result<i64, String> {
    date::to_seconds(text).ok_or_else(|| "no date in UTC (RFC 3339)".to_owned())
}

impl State {
    fn understand(&mut self, line: &[u8]) -> Result<Line, String> {
        if line.starts_with(ENTRY_START) {
            self.entry(parse(line)?).map(Line::Entry)
        } else if line.starts_with(PLANNED_START) {
            self.planned(parse(line)?).map(Line::Planned)
        } else if line.starts_with(VOLUME_START) {
            self.volume(parse(line)?).map(Line::Volume)
        } else if line.starts_with(SOURCE_START) {
            self.source(parse(line)?).map(Line::Source)
        } else {
            // A broken line says what is broken; a good one of another kind is none of ours.
            json_text(line)?;
            Err("neither a source, a volume nor an entry".to_owned())
        }
    }

    fn source(&mut self, wire: WireSource) -> Result<ListedSource, String> {
        let source = ListedSource {
            path: wire.source.0,
            prefix: wire.prefix.0,
            is_file: wire.file,
        };
        source.fault()?;
        self.sources += 1;
        if self.sources > MAX_SOURCES {
            return Err("more sources than a set can have".to_owned());
        }
        if !self.volumes.is_empty() {
            return Err("a source after the volumes".to_owned());
        }
        Ok(source)
    }

    fn volume(&mut self, wire: WireVolume) -> Result<ListedVolume, String> {
        let volume = ListedVolume {
            number: wire.volume,
            id: wire.id,
            label: wire.label,
            complete: match wire.state.as_str() {
                "complete" => true,
                "open" => false,
                _ => return Err("no state that is known".to_owned()),
            },
            fate: wire.fate,
            copy: wire.copy,
            generation: wire.generation,
            files: wire.files,
            bytes: wire.bytes,
            capacity: wire.capacity,
            available: wire.available,
            file_system: wire.filesystem,
            created: parse_date(&wire.created)?,
            written: parse_date(&wire.written)?,
            verified: match wire.verified {
                None => None,
                Some(date) => Some(ListedCheck {
                    date: parse_date(&date)?,
                    kind: wire.verified_kind,
                    bad: wire.verified_bad,
                }),
            },
        };
        volume.fault()?;
        let above = |number: &u32| *number >= volume.number;
        if self.volumes.last().is_some_and(above) || self.entries > 0 {
            return Err(format!("out of order: volume {}", volume.number));
        }
        self.volumes.insert(volume.number);
        Ok(volume)
    }

    fn planned(&mut self, wire: WireEntry) -> Result<ListedEntry, String> {
        let entry = wire.checked()?;
        check_number(entry.volume)?;
        let key = entry.plan_key();
        if self.last_planned.as_ref() >= Some(&key) {
            return Err(format!("out of order: {}", short(&entry.path)));
        }
        self.last_planned = Some(key);
        self.entries += 1;
        Ok(entry)
    }

    fn entry(&mut self, wire: WireEntry) -> Result<ListedEntry, String> {
        let entry = wire.checked()?;
        if !self.volumes.contains(&entry.volume) {
            return Err(format!("there is no volume {} in the list", entry.volume));
        }
        let key = entry.sort_key();
        if self.last.as_ref() >= Some(&key) || self.last_planned.is_some() {
            return Err(format!("out of order: {}", short(&entry.path)));
        }
        self.last = Some(key);
        self.entries += 1;
        Ok(entry)
    }
}
