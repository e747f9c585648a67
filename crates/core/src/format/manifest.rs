//! `.mvcopy/manifest.jsonl`: what a volume holds, one entry a line, in the order of the paths' bytes.
//!
//! The first line says what it is and of which volume, the last one how many entries there are and the
//! SHA-256 of every byte before it: a manifest that was cut or changed is noticed. Written and read as a
//! stream. [`read`] hands entries over before it has seen the last line: who acts on them waits for its `Ok`.

use std::io::{BufRead, Write};
use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::{mem, thread};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::item::Item;
use super::text::{
    Line, MAX_LINE, Sha256Hex, Text, bad_line, json_message, json_text, push_hex, push_u64,
    read_line, short,
};
use super::volumejson::{check_id, check_number};
use crate::error::{Code, Error, IoContext, Result};

/// The version of the format. Raised when a known field changes its meaning.
pub const VERSION: u64 = 1;

const KIND: &str = "manifest";
const FLUSH_AT: usize = 64 * 1024;

/// Of which volume a manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The id of the set (volume.json).
    pub set: String,
    /// The id of the volume (volume.json).
    pub volume: String,
    /// The number of the volume in its set, from 1.
    pub number: u32,
}

impl Header {
    fn check(&self) -> Result<(), String> {
        check_id("set", &self.set)?;
        check_id("volume", &self.volume)?;
        check_number(self.number)
    }
}

/// Writes a manifest to `W`; buffers by itself.
pub struct ManifestWriter<W: Write> {
    to: W,
    path: Vec<u8>,
    buffer: Vec<u8>,
    hash: Sha256,
    last: Vec<u8>,
    entries: u64,
}

impl<W: Write> ManifestWriter<W> {
    /// Begins a manifest; `path` is what errors are about.
    ///
    /// # Errors
    /// `Code::BadInput` for ids or a number that [`read`] would refuse.
    pub fn new(to: W, path: &[u8], header: &Header) -> Result<Self> {
        header
            .check()
            .map_err(|m| Error::new(Code::BadInput, "writing", m).with_path(path))?;
        let mut buffer = Vec::with_capacity(FLUSH_AT + 4096);
        buffer.extend_from_slice(b"{\"multivolumecopy\":\"manifest\",\"version\":");
        push_u64(&mut buffer, VERSION);
        buffer.extend_from_slice(b",\"set\":\"");
        buffer.extend_from_slice(header.set.as_bytes());
        buffer.extend_from_slice(b"\",\"volume\":\"");
        buffer.extend_from_slice(header.volume.as_bytes());
        buffer.extend_from_slice(b"\",\"number\":");
        push_u64(&mut buffer, header.number.into());
        buffer.extend_from_slice(b"}\n");
        Ok(ManifestWriter {
            to,
            path: path.to_vec(),
            buffer,
            hash: Sha256::new(),
            last: Vec::new(),
            entries: 0,
        })
    }

    /// Adds an entry; it must come after the one before it in the order of [`Item::sort_key`].
    ///
    /// # Errors
    /// `Code::BadInput` for an item that [`read`] would refuse, `Code::Internal` for one out of order,
    /// `Code::Io`.
    pub fn push(&mut self, item: &Item) -> Result<()> {
        item.check()?;
        let key = item.sort_key();
        if self.entries > 0 && key <= self.last {
            let message = "the entries of a manifest come out of order";
            return Err(Error::new(Code::Internal, "recording", message).with_path(&item.path));
        }
        self.last = key;
        self.entries += 1;
        item.encode(&mut self.buffer);
        self.buffer.push(b'\n');
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

    /// Writes the last line; gives the number of entries, and the writer back (for its fsync).
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn finish(mut self) -> Result<(u64, W)> {
        self.flush_hashed()?;
        self.buffer.extend_from_slice(TRAILER_START);
        push_u64(&mut self.buffer, self.entries);
        self.buffer.extend_from_slice(b",\"sha256\":\"");
        push_hex(&mut self.buffer, &self.hash.finalize());
        self.buffer.extend_from_slice(b"\"}\n");
        self.to
            .write_all(&self.buffer)
            .and_then(|()| self.to.flush())
            .at("writing", &self.path)?;
        Ok((self.entries, self.to))
    }
}

/// How the last line begins, and no other.
const TRAILER_START: &[u8] = b"{\"entries\":";

#[derive(Deserialize)]
struct WireVersion {
    multivolumecopy: String,
    version: u64,
}

#[derive(Deserialize)]
struct WireHeader {
    set: String,
    volume: String,
    number: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trailer {
    entries: u64,
    sha256: Text<Sha256Hex>,
}

/// Reads a manifest in flat memory: hands over every entry, in order, then checks the last line.
///
/// `path` is what errors are about.
///
/// # Errors
/// `Code::BadFormat`, naming the line, for what is no whole manifest of this version; `Code::Io`;
/// whatever `sink` answers. After an error the entries handed over prove nothing.
pub fn read(
    mut reader: impl BufRead,
    path: &[u8],
    sink: &mut dyn FnMut(Item) -> Result<()>,
) -> Result<Header> {
    let mut line = Vec::new();
    let mut number = 0;
    let mut hash = Sha256::new();
    let mut header = None;
    let mut last: Option<Vec<u8>> = None;
    let mut entries = 0;
    loop {
        number += 1;
        let bad = |message: String| bad_line(Code::BadFormat, "reading", path, number, message);
        match read_line(&mut reader, &mut line, MAX_LINE)
            .at("reading", path)?
            .0
        {
            Line::Whole => {}
            Line::TooLong => return Err(bad("longer than 1 MiB".to_owned())),
            Line::Unended | Line::End => return Err(bad("the manifest is cut off".to_owned())),
        }
        if header.is_none() {
            header = Some(parse_header(&line).map_err(bad)?);
        } else if line.starts_with(TRAILER_START) {
            let trailer: Trailer = json_text(&line)
                .and_then(|text| serde_json::from_str(text).map_err(|e| json_message(&e)))
                .map_err(bad)?;
            if trailer.entries != entries {
                let message = format!("{} entries expected, {entries} found", trailer.entries);
                return Err(bad(message));
            }
            if trailer.sha256.0.0 != *hash.finalize() {
                return Err(bad("the checksum does not match: damaged".to_owned()));
            }
            let (after, _) = read_line(&mut reader, &mut line, 0).at("reading", path)?;
            return match header {
                Some(header) if after == Line::End => Ok(header),
                _ => Err(bad("something follows the last line".to_owned())),
            };
        } else {
            let item = Item::parse(&line).map_err(bad)?;
            let key = item.sort_key();
            if last.as_ref().is_some_and(|last| key <= *last) {
                return Err(bad(format!("out of order: {}", short(&item.path))));
            }
            entries += 1;
            last = Some(key);
            sink(item)?;
        }
        hash.update(&line);
        hash.update(b"\n");
    }
}

/// Entries that [`read_beside`] hands to the other thread at once, and how often before one of them is taken. Few: an
/// entry has a hundred bytes, or, with the longest names and attributes, three hundred thousand.
const BATCH: usize = 64;
const BATCHES: usize = 2;

/// As [`read`]; the lines are read and understood by a thread of their own while `sink` works, which is called by
/// the caller's. Some [`BATCH`]es of entries are in memory.
///
/// # Errors
/// As [`read`]; `Code::Io` without a path when no thread can be started.
///
/// # Panics
/// Where reading does.
pub fn read_beside(
    reader: impl BufRead + Send,
    path: &[u8],
    sink: &mut dyn FnMut(Item) -> Result<()>,
) -> Result<Header> {
    thread::scope(|scope| {
        let (sender, batches) = sync_channel::<Vec<Item>>(BATCHES);
        let reading = thread::Builder::new()
            .name("mvc-manifest".to_owned())
            .spawn_scoped(scope, move || {
                // Nobody takes any more: `sink` failed, and what it said counts.
                let over = |_| Error::new(Code::Cancelled, "reading", "nobody listens");
                let mut batch = Vec::with_capacity(BATCH);
                let read = read(reader, path, &mut |item| {
                    batch.push(item);
                    if batch.len() < BATCH {
                        return Ok(());
                    }
                    let full = mem::replace(&mut batch, Vec::with_capacity(BATCH));
                    sender.send(full).map_err(over)
                });
                sender.send(batch).map_err(over)?;
                read
            })
            .map_err(|e| Error::no_thread(&e))?;
        let sunk = batches.into_iter().flatten().try_for_each(sink);
        sunk.and(reading.join().unwrap_or_else(|e| resume_unwind(e)))
    })
}

fn parse_header(line: &[u8]) -> Result<Header, String> {
    let text = json_text(line)?;
    let version: WireVersion = serde_json::from_str(text).map_err(|e| json_message(&e))?;
    if version.multivolumecopy != KIND {
        return Err("this is no manifest".to_owned());
    }
    if version.version != VERSION {
        return Err(version_message(KIND, version.version, VERSION));
    }
    let wire: WireHeader = serde_json::from_str(text).map_err(|e| json_message(&e))?;
    let header = Header {
        set: wire.set,
        volume: wire.volume,
        number: wire.number,
    };
    header.check()?;
    Ok(header)
}

/// What to say of a version that this program doesn't read.
pub(super) fn version_message(what: &str, version: u64, known: u64) -> String {
    if version > known {
        format!(
            "written by a newer version of multivolumecopy ({what} version {version}, this one reads {known})"
        )
    } else {
        format!("there is no {what} version {version}")
    }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
