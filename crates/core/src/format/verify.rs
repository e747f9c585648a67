//! `.mvcopy/verify.jsonl`: what is known to be wrong with a volume, and which parts of it were checked when.
//!
//! The first line says which check wrote it, the last one seals it as in a manifest. While a check is under
//! way `ended` is null and `through` tells how far it got, so the same command goes on from there. Written as a
//! whole each time. [`read`] hands lines over before it has seen the seal: who acts on them waits for its `Ok`.

use std::io::{BufRead, Write};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::date;
use super::item::MAX_PATH;
use super::manifest::version_message;
use super::text::{
    Line as Found, MAX_LINE, Sha256Hex, Text, bad_line, json_message, json_text, push_hex,
    push_u64, read_line,
};
use super::volumejson::{check_id, check_number};
use crate::error::{Code, Error, IoContext, Result};
use crate::name::{JsonStyle, Name, write_json};

/// The version of the format. Raised when a known field changes its meaning.
pub const VERSION: u64 = 1;

const KIND: &str = "verify";
const TRAILER_START: &[u8] = b"{\"lines\":";
const FLUSH_AT: usize = 64 * 1024;

/// What is wrong with one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Word {
    /// Size and time are as recorded, the content is not.
    Corrupt,
    /// Size, time, kind or target are not as recorded.
    Changed,
    /// It is recorded and not there.
    Missing,
    /// It is there and not recorded.
    Extra,
    /// It could not be read or looked at.
    Unreadable,
    /// One of our own files does not agree with its own seal, or with the others.
    Damaged,
}

impl Word {
    /// All of them.
    pub const ALL: [Word; 6] = [
        Word::Corrupt,
        Word::Changed,
        Word::Missing,
        Word::Extra,
        Word::Unreadable,
        Word::Damaged,
    ];

    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Word::Corrupt => "corrupt",
            Word::Changed => "changed",
            Word::Missing => "missing",
            Word::Extra => "extra",
            Word::Unreadable => "unreadable",
            Word::Damaged => "damaged",
        }
    }

    /// The word that is written so.
    pub fn from_word(text: &str) -> Option<Word> {
        Word::ALL.into_iter().find(|w| w.as_str() == text)
    }

    /// Whether something that the volume should hold is not as it should be.
    pub fn is_bad(self) -> bool {
        self != Word::Extra
    }
}

/// What is to be said of an entry of a volume in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceWord {
    /// The source has another version now.
    Newer,
    /// It is not in the source any more.
    Gone,
    /// Size and time agree with the record, the content does not.
    Differs,
    /// It could not be read or looked at in the source.
    Unreadable,
    /// Its source is not there.
    Unseen,
}

impl SourceWord {
    /// All of them.
    pub const ALL: [SourceWord; 5] = [
        SourceWord::Newer,
        SourceWord::Gone,
        SourceWord::Differs,
        SourceWord::Unreadable,
        SourceWord::Unseen,
    ];

    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            SourceWord::Newer => "newer",
            SourceWord::Gone => "gone",
            SourceWord::Differs => "differs",
            SourceWord::Unreadable => "source-unreadable",
            SourceWord::Unseen => "unseen",
        }
    }

    /// The word that is written so.
    pub fn from_word(text: &str) -> Option<SourceWord> {
        SourceWord::ALL.into_iter().find(|w| w.as_str() == text)
    }

    /// Whether something is wrong, or unknown; a source that moved on is neither.
    pub fn is_bad(self) -> bool {
        !matches!(self, SourceWord::Newer | SourceWord::Gone)
    }
}

/// How much a check proves, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckKind {
    /// The file system may still be mounted as it was when it was written.
    SameSession,
    /// It was unmounted in between.
    Remounted,
    /// The device was away from this computer in between.
    Reinserted,
}

impl CheckKind {
    /// The word for it in volume.json, in the catalog and here.
    pub fn as_str(self) -> &'static str {
        match self {
            CheckKind::SameSession => "same-session",
            CheckKind::Remounted => "remounted",
            CheckKind::Reinserted => "re-inserted",
        }
    }

    /// The kind of this word.
    pub fn from_word(text: &str) -> Option<CheckKind> {
        [
            CheckKind::SameSession,
            CheckKind::Remounted,
            CheckKind::Reinserted,
        ]
        .into_iter()
        .find(|k| k.as_str() == text)
    }
}

/// What the first line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The id of the set.
    pub set: String,
    /// The id of the volume.
    pub volume: String,
    /// The number of the volume.
    pub number: u32,
    /// The generation that the volume had.
    pub generation: u64,
    /// How much the check proves.
    pub kind: CheckKind,
    /// When it began, seconds since 1970.
    pub begun: i64,
    /// When it ended; `None` while it is under way, and when it was broken off.
    pub ended: Option<i64>,
    /// `all`, or which part was asked for, in the words of the command line.
    pub scope: Vec<u8>,
    /// Files that it looked at.
    pub files: u64,
    /// Bytes that it read.
    pub bytes: u64,
    /// The sort key of the last entry that it is done with; `None` before the first and after the end.
    pub through: Option<Vec<u8>>,
}

/// Entries that follow each other and were checked last at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The sort key of the first one.
    pub from: Vec<u8>,
    /// The sort key of the last one.
    pub through: Vec<u8>,
    /// When the check began, seconds since 1970.
    pub at: i64,
    /// The generation that the volume had.
    pub generation: u64,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its sort key below the drive's root (a directory's with a slash at its end); of our own files with
    /// `.mvcopy/` before it.
    pub path: Vec<u8>,
    /// What.
    pub word: Word,
    /// The errno of what could not be read.
    pub errno: Option<i32>,
    /// When it was found, seconds since 1970.
    pub at: i64,
}

/// What was found of an entry in its source, by a check that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InSource {
    /// Its sort key below the drive's root.
    pub path: Vec<u8>,
    /// What.
    pub word: SourceWord,
    /// The errno of what could not be read.
    pub errno: Option<i32>,
}

/// A line that is neither the first nor the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A part that was checked.
    Part(Part),
    /// A finding.
    Finding(Finding),
    /// What was found in the source; only while a check is under way.
    InSource(InSource),
}

/// Writes the file to `W`; buffers by itself.
pub struct VerifyWriter<W: Write> {
    to: W,
    path: Vec<u8>,
    buffer: Vec<u8>,
    hash: Sha256,
    lines: u64,
}

fn push_text(out: &mut Vec<u8>, key: &str, text: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":\"");
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn push_number(out: &mut Vec<u8>, key: &str, n: u64) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    push_u64(out, n);
}

impl<W: Write> VerifyWriter<W> {
    /// Begins the file; `path` is what errors are about.
    ///
    /// # Errors
    /// `Code::BadInput` for what [`read`] would refuse.
    pub fn new(to: W, path: &[u8], head: &Head) -> Result<Self> {
        check_id("set", &head.set)
            .and_then(|()| check_id("volume", &head.volume))
            .and_then(|()| check_number(head.number))
            .map_err(|m| Error::new(Code::BadInput, "writing", m).with_path(path))?;
        let mut out = Vec::with_capacity(FLUSH_AT + 4096);
        out.extend_from_slice(b"{\"multivolumecopy\":\"verify\",\"version\":");
        push_u64(&mut out, VERSION);
        push_text(&mut out, "set", &head.set);
        push_text(&mut out, "volume", &head.volume);
        push_number(&mut out, "number", head.number.into());
        push_number(&mut out, "generation", head.generation);
        push_text(&mut out, "kind", head.kind.as_str());
        push_text(&mut out, "begun", &date::from_seconds(head.begun));
        match head.ended {
            Some(ended) => push_text(&mut out, "ended", &date::from_seconds(ended)),
            None => out.extend_from_slice(b",\"ended\":null"),
        }
        out.extend_from_slice(b",\"scope\":");
        write_json(&mut out, &head.scope, JsonStyle::Utf8);
        push_number(&mut out, "files", head.files);
        push_number(&mut out, "bytes", head.bytes);
        if let Some(through) = &head.through {
            out.extend_from_slice(b",\"through\":");
            write_json(&mut out, through, JsonStyle::Utf8);
        }
        out.extend_from_slice(b"}\n");
        Ok(VerifyWriter {
            to,
            path: path.to_vec(),
            buffer: out,
            hash: Sha256::new(),
            lines: 0,
        })
    }

    /// Adds a line: all parts, in order, before the first finding.
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn push(&mut self, line: &Line) -> Result<()> {
        let out = &mut self.buffer;
        match line {
            Line::Part(part) => {
                out.extend_from_slice(b"{\"from\":");
                write_json(out, &part.from, JsonStyle::Utf8);
                out.extend_from_slice(b",\"through\":");
                write_json(out, &part.through, JsonStyle::Utf8);
                push_text(out, "at", &date::from_seconds(part.at));
                push_number(out, "generation", part.generation);
            }
            Line::Finding(finding) => {
                out.extend_from_slice(b"{\"path\":");
                write_json(out, &finding.path, JsonStyle::Utf8);
                push_text(out, "word", finding.word.as_str());
                if let Some(errno) = finding.errno {
                    push_number(out, "errno", errno.unsigned_abs().into());
                }
                push_text(out, "at", &date::from_seconds(finding.at));
            }
            Line::InSource(found) => {
                out.extend_from_slice(b"{\"source\":\"");
                out.extend_from_slice(found.word.as_str().as_bytes());
                out.extend_from_slice(b"\",\"path\":");
                write_json(out, &found.path, JsonStyle::Utf8);
                if let Some(errno) = found.errno {
                    push_number(out, "errno", errno.unsigned_abs().into());
                }
            }
        }
        out.extend_from_slice(b"}\n");
        self.lines += 1;
        if self.buffer.len() >= FLUSH_AT {
            self.flush_hashed()?;
        }
        Ok(())
    }

    fn flush_hashed(&mut self) -> Result<()> {
        self.hash.update(&self.buffer);
        self.to.write_all(&self.buffer).at("writing", &self.path)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the last line and gives the writer back (for its fsync).
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn finish(mut self) -> Result<W> {
        self.flush_hashed()?;
        self.buffer.extend_from_slice(TRAILER_START);
        push_u64(&mut self.buffer, self.lines);
        self.buffer.extend_from_slice(b",\"sha256\":\"");
        push_hex(&mut self.buffer, &self.hash.finalize());
        self.buffer.extend_from_slice(b"\"}\n");
        self.to
            .write_all(&self.buffer)
            .and_then(|()| self.to.flush())
            .at("writing", &self.path)?;
        Ok(self.to)
    }
}

#[derive(Deserialize)]
struct WireVersion {
    multivolumecopy: String,
    version: u64,
}

#[derive(Deserialize)]
struct WireHead {
    set: String,
    volume: String,
    number: u32,
    generation: u64,
    kind: String,
    begun: String,
    ended: Option<String>,
    scope: Name,
    files: u64,
    bytes: u64,
    through: Option<Name>,
}

#[derive(Deserialize)]
struct WirePart {
    from: Name,
    through: Name,
    at: String,
    generation: u64,
}

#[derive(Deserialize)]
struct WireInSource {
    source: String,
    path: Name,
    errno: Option<i32>,
}

#[derive(Deserialize)]
struct WireFinding {
    path: Name,
    word: String,
    errno: Option<i32>,
    at: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trailer {
    lines: u64,
    sha256: Text<Sha256Hex>,
}

/// Reads the file in flat memory: hands over every line between the first and the last.
///
/// `path` is what errors are about.
///
/// # Errors
/// `Code::BadFormat`, naming the line, for what is no whole file of this version; `Code::Io`; whatever `sink`
/// answers. After an error the lines handed over prove nothing.
pub fn read(
    mut reader: impl BufRead,
    path: &[u8],
    sink: &mut dyn FnMut(Line) -> Result<()>,
) -> Result<Head> {
    let mut line = Vec::new();
    let mut number = 0;
    let mut hash = Sha256::new();
    let mut head = None;
    let mut lines = 0;
    loop {
        number += 1;
        let bad = |message: String| bad_line(Code::BadFormat, "reading", path, number, message);
        match read_line(&mut reader, &mut line, MAX_LINE)
            .at("reading", path)?
            .0
        {
            Found::Whole => {}
            Found::TooLong => return Err(bad("longer than 1 MiB".to_owned())),
            Found::Unended | Found::End => return Err(bad("the file is cut off".to_owned())),
        }
        let Some(read) = head.take() else {
            head = Some(parse_head(&line).map_err(bad)?);
            hash.update(&line);
            hash.update(b"\n");
            continue;
        };
        if line.starts_with(TRAILER_START) {
            let trailer: Trailer = parse(&line).map_err(bad)?;
            if trailer.lines != lines || trailer.sha256.0.0 != *hash.finalize() {
                return Err(bad("the checksum does not match: damaged".to_owned()));
            }
            let (after, _) = read_line(&mut reader, &mut line, 0).at("reading", path)?;
            return match after {
                Found::End => Ok(read),
                _ => Err(bad("something follows the last line".to_owned())),
            };
        }
        head = Some(read);
        lines += 1;
        sink(parse_line(&line).map_err(bad)?)?;
        hash.update(&line);
        hash.update(b"\n");
    }
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    json_text(line).and_then(|text| serde_json::from_str(text).map_err(|e| json_message(&e)))
}

fn seconds(text: &str) -> Result<i64, String> {
    date::to_seconds(text).ok_or_else(|| "no date in UTC (RFC 3339)".to_owned())
}

fn parse_head(line: &[u8]) -> Result<Head, String> {
    let version: WireVersion = parse(line)?;
    if version.multivolumecopy != KIND {
        return Err("this tells of no verification".to_owned());
    }
    if version.version != VERSION {
        return Err(version_message("verify.jsonl", version.version, VERSION));
    }
    let wire: WireHead = parse(line)?;
    check_id("set", &wire.set)?;
    check_id("volume", &wire.volume)?;
    check_number(wire.number)?;
    Ok(Head {
        set: wire.set,
        volume: wire.volume,
        number: wire.number,
        generation: wire.generation,
        kind: CheckKind::from_word(&wire.kind)
            .ok_or_else(|| "no kind of verification that is known".to_owned())?,
        begun: seconds(&wire.begun)?,
        ended: wire.ended.as_deref().map(seconds).transpose()?,
        scope: wire.scope.0,
        files: wire.files,
        bytes: wire.bytes,
        through: wire.through.map(|name| key(name.0)).transpose()?,
    })
}

fn parse_line(line: &[u8]) -> Result<Line, String> {
    if line.starts_with(b"{\"from\":") {
        let wire: WirePart = parse(line)?;
        return Ok(Line::Part(Part {
            from: key(wire.from.0)?,
            through: key(wire.through.0)?,
            at: seconds(&wire.at)?,
            generation: wire.generation,
        }));
    }
    if line.starts_with(b"{\"source\":") {
        let wire: WireInSource = parse(line)?;
        return Ok(Line::InSource(InSource {
            path: key(wire.path.0)?,
            word: SourceWord::from_word(&wire.source)
                .ok_or_else(|| "no word that is known".to_owned())?,
            errno: wire.errno,
        }));
    }
    let wire: WireFinding = parse(line)?;
    Ok(Line::Finding(Finding {
        path: key(wire.path.0)?,
        word: Word::from_word(&wire.word).ok_or_else(|| "no word that is known".to_owned())?,
        errno: wire.errno,
        at: seconds(&wire.at)?,
    }))
}

/// A sort key below the drive's root: a path, with a slash at its end for a directory.
fn key(key: Vec<u8>) -> Result<Vec<u8>, String> {
    let path = key.strip_suffix(b"/").unwrap_or(&key);
    match super::item::relative_fault(path) {
        Some(fault) => Err(format!("the path {fault}")),
        None if key.len() > MAX_PATH + 1 => Err("the path is too long".to_owned()),
        None => Ok(key),
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
