//! The job file of the seed: what a run copies from where to where, regular files only.
//!
//! A JSON array of `["src", "dst", "relpath", bytes, index]`; we write one entry a line and read any
//! indentation, and the seed's object form. Reading cuts the array into entries as the bytes come, so
//! memory is one entry (at most 1 MiB) however many there are. Everything in an entry is checked before it
//! is handed over; that two entries don't land on the same path is for the catalog to see.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};

use serde::Deserialize;

use super::item::relative_fault;
use super::text::{MAX_LINE, bad_line, json_message, push_u64, short};
use crate::error::{Code, Error, IoContext, Result};
use crate::name::{JsonStyle, Name, write_json_part};

/// The largest size of a file, in bytes: what Python, JavaScript and JSON readers all take exactly.
pub const MAX_SIZE: u64 = (1 << 53) - 1;

const FLUSH_AT: usize = 64 * 1024;

/// One file to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEntry {
    /// Where it comes from, absolute; it ends in `/` and `relpath`.
    pub src: Vec<u8>,
    /// Where it goes, absolute, without `..`; it ends in `/` and `relpath`.
    pub dst: Vec<u8>,
    /// Its path below the output: relative, without empty, `.` or `..` components.
    pub relpath: Vec<u8>,
    /// Its size in bytes when the job file was written, at most [`MAX_SIZE`].
    pub bytes: u64,
    /// Its place in the job file, from 0.
    pub index: u64,
}

impl JobEntry {
    /// The output that it goes to: `dst` without `relpath`, the same for all entries of a job file.
    pub fn dst_root(&self) -> &[u8] {
        root(&self.dst, &self.relpath)
    }

    /// What `relpath` is relative to where the file comes from.
    pub fn src_root(&self) -> &[u8] {
        root(&self.src, &self.relpath)
    }
}

/// `path` without `/relpath` at its end; `/` where nothing else is left.
fn root<'a>(path: &'a [u8], relpath: &[u8]) -> &'a [u8] {
    match path.len().saturating_sub(relpath.len() + 1) {
        0 => b"/",
        length => &path[..length],
    }
}

/// What is wrong with an entry by itself.
fn fault(src: &[u8], dst: &[u8], relpath: &[u8], bytes: u64) -> Option<String> {
    let ends = |path: &[u8]| {
        path.strip_suffix(relpath)
            .is_some_and(|root| root.ends_with(b"/"))
    };
    let about = |words: &str, path: &[u8]| Some(format!("{words}: {}", short(path)));
    if let Some(fault) = relative_fault(relpath) {
        about(&format!("the relative path {fault}"), relpath)
    } else if !src.starts_with(b"/") {
        about("the source is not absolute", src)
    } else if !dst.starts_with(b"/") {
        about("the destination is not absolute", dst)
    } else if src.contains(&0) || dst.contains(&0) {
        about("a NUL in the path", src)
    } else if !ends(src) {
        about("the source does not end in the relative path", src)
    } else if src.split(|b| *b == b'/').any(|part| part == b"..") {
        about("the source has a component '..'", src)
    } else if !ends(dst) {
        about("the destination does not end in the relative path", dst)
    } else if root(dst, relpath)
        .split(|&b| b == b'/')
        .any(|part| part == b"..")
    {
        about("the destination has a component '..'", dst)
    } else if bytes > MAX_SIZE {
        Some("a size of 2^53 bytes or more".to_owned())
    } else {
        None
    }
}

/// Writes a job file to `W`; buffers by itself.
pub struct JobWriter<W: Write> {
    to: W,
    path: Vec<u8>,
    buffer: Vec<u8>,
    /// The JSON of the relative path in hand; kept for its memory.
    relpath: Vec<u8>,
    entries: u64,
}

impl<W: Write> JobWriter<W> {
    /// Begins a job file; `path` is what errors are about.
    pub fn new(to: W, path: &[u8]) -> Self {
        let mut buffer = Vec::with_capacity(FLUSH_AT + 4096);
        buffer.push(b'[');
        JobWriter {
            to,
            path: path.to_vec(),
            buffer,
            relpath: Vec::new(),
            entries: 0,
        }
    }

    /// Adds an entry; its index is the number of those before it.
    ///
    /// That all entries have the same output is up to the caller.
    ///
    /// # Errors
    /// `Code::BadInput` for an entry that [`read`] would refuse (nothing of it is written), `Code::Io`.
    pub fn push(&mut self, src: &[u8], dst: &[u8], relpath: &[u8], bytes: u64) -> Result<()> {
        let bad = |message| Error::new(Code::BadInput, "listing", message).with_path(src);
        if let Some(fault) = fault(src, dst, relpath, bytes) {
            return Err(bad(fault));
        }
        let before = self.buffer.len();
        let out = &mut self.buffer;
        out.extend_from_slice(if self.entries == 0 { b"\n" } else { b",\n" });
        let start = out.len();
        out.push(b'[');
        // All three end in the relative path: its escapes are made once.
        self.relpath.clear();
        write_json_part(&mut self.relpath, relpath, JsonStyle::Ascii);
        for path in [src, dst, relpath] {
            out.push(b'"');
            write_json_part(out, &path[..path.len() - relpath.len()], JsonStyle::Ascii);
            out.extend_from_slice(&self.relpath);
            out.extend_from_slice(b"\", ");
        }
        push_u64(out, bytes);
        out.extend_from_slice(b", ");
        push_u64(out, self.entries);
        out.push(b']');
        if out.len() - start > MAX_LINE {
            out.truncate(before);
            return Err(bad(
                "the entry takes more than 1 MiB in a job file".to_owned()
            ));
        }
        self.entries += 1;
        if self.buffer.len() >= FLUSH_AT {
            self.to.write_all(&self.buffer).at("writing", &self.path)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Ends the job file; gives the number of entries, and the writer back (for its fsync).
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn finish(mut self) -> Result<(u64, W)> {
        self.buffer
            .extend_from_slice(if self.entries == 0 { b"]\n" } else { b"\n]\n" });
        self.to
            .write_all(&self.buffer)
            .and_then(|()| self.to.flush())
            .at("writing", &self.path)?;
        Ok((self.entries, self.to))
    }
}

/// Hands over every entry with the line on which it begins (from 1); gives the number of entries.
///
/// `path` is what errors are about. Nothing that is handed over counts until the answer is `Ok`.
///
/// # Errors
/// `Code::BadJobFile`, naming the line, for everything that is not a job file as described in
/// `docs/formats.md`; `Code::Io`; whatever `sink` answers.
pub fn read(
    reader: impl Read,
    path: &[u8],
    sink: &mut dyn FnMut(JobEntry, u64) -> Result<()>,
) -> Result<u64> {
    let mut reader = BufReader::with_capacity(64 * 1024, reader);
    let mut cutter = Cutter::new();
    let mut checker = Checker::default();
    loop {
        let chunk = match reader.fill_buf() {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            chunk => chunk.at("reading", path)?,
        };
        if chunk.is_empty() {
            cutter.end().map_err(|m| bad(path, cutter.line, m))?;
            return Ok(checker.entries);
        }
        let length = chunk.len();
        let mut rest = chunk;
        while let Some(after) = cutter.feed(rest).map_err(|m| bad(path, cutter.line, m))? {
            rest = after;
            let entry = checker
                .check(&cutter.entry)
                .map_err(|(line, m)| bad(path, cutter.entry_line + line, m))?;
            sink(entry, cutter.entry_line)?;
        }
        reader.consume(length);
    }
}

fn bad(path: &[u8], line: u64, message: String) -> Error {
    bad_line(
        Code::BadJobFile,
        "reading the job file",
        path,
        line,
        message,
    )
}

/// Where the [`Cutter`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    EntryOrEnd,
    Entry { depth: u32 },
    String { depth: u32, escaped: bool },
    CommaOrEnd,
    NextEntry,
    End,
}

/// Cuts a JSON array into the texts of its elements, knowing no more of JSON than brackets and strings.
struct Cutter {
    at: At,
    /// The line in hand, from 1.
    line: u64,
    /// The text of the last entry, and the line on which it began.
    entry: Vec<u8>,
    entry_line: u64,
}

impl Cutter {
    fn new() -> Self {
        Cutter {
            at: At::Start,
            line: 1,
            entry: Vec::new(),
            entry_line: 1,
        }
    }

    /// Takes bytes up to the end of the next entry, and gives what follows it; `None` when all are taken.
    fn feed<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, String> {
        let mut kept_to = 0;
        let mut next = 0;
        while let Some(&b) = bytes.get(next) {
            let i = next;
            next += 1;
            match (self.at, b) {
                (At::String { .. }, 0..=0x1f) => {
                    return Err(format!("a raw control character (0x{b:02x}) in a string"));
                }
                (
                    At::String {
                        depth,
                        escaped: true,
                    },
                    _,
                ) => {
                    self.at = At::String {
                        depth,
                        escaped: false,
                    };
                }
                (At::String { depth, .. }, b'\\') => {
                    self.at = At::String {
                        depth,
                        escaped: true,
                    };
                }
                (At::String { depth, .. }, b'"') => self.at = At::Entry { depth },
                (At::String { .. }, _) => {
                    // The rest of the ordinary characters in one go.
                    let ordinary = |&b: &u8| b != b'"' && b != b'\\' && b > 0x1f;
                    let more = bytes[next..].iter().take_while(|b| ordinary(b)).count();
                    next += more;
                }
                (_, b'\n') => self.line += 1,
                (_, b' ' | b'\t' | b'\r') => {}
                (At::Start, b'[') => self.at = At::EntryOrEnd,
                (At::Start, _) => return Err("a job file is a JSON array".to_owned()),
                (At::EntryOrEnd | At::NextEntry, b'[' | b'{') => {
                    self.entry.clear();
                    self.entry_line = self.line;
                    kept_to = i;
                    self.at = At::Entry { depth: 1 };
                }
                (At::EntryOrEnd | At::CommaOrEnd, b']') => self.at = At::End,
                (At::EntryOrEnd | At::NextEntry, _) => {
                    return Err("an entry is an array or an object".to_owned());
                }
                (At::CommaOrEnd, b',') => self.at = At::NextEntry,
                (At::CommaOrEnd, _) => return Err("neither ',' nor ']' after an entry".to_owned()),
                (At::End, _) => return Err("something follows the end of the array".to_owned()),
                (At::Entry { depth }, b'"') => {
                    self.at = At::String {
                        depth,
                        escaped: false,
                    }
                }
                (At::Entry { depth }, b'[' | b'{') => self.at = At::Entry { depth: depth + 1 },
                (At::Entry { depth: 1 }, b']' | b'}') => {
                    self.keep(&bytes[kept_to..next])?;
                    self.at = At::CommaOrEnd;
                    return Ok(Some(&bytes[next..]));
                }
                (At::Entry { depth }, b']' | b'}') => self.at = At::Entry { depth: depth - 1 },
                (At::Entry { .. }, _) => {}
            }
        }
        if matches!(self.at, At::Entry { .. } | At::String { .. }) {
            self.keep(&bytes[kept_to..])?;
        }
        Ok(None)
    }

    fn keep(&mut self, part: &[u8]) -> Result<(), String> {
        if self.entry.len() + part.len() > MAX_LINE {
            self.line = self.entry_line;
            return Err("an entry of more than 1 MiB".to_owned());
        }
        self.entry.extend_from_slice(part);
        Ok(())
    }

    /// Whether the file may end here.
    fn end(&self) -> Result<(), String> {
        if self.at == At::End {
            Ok(())
        } else {
            Err("the job file is cut off".to_owned())
        }
    }
}

/// An entry as it stands in JSON, as an array or as an object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an entry of five values")]
struct WireEntry {
    src: Name,
    dst: Name,
    relpath: Name,
    bytes: u64,
    index: u64,
}

/// Reads entries and checks what ties them together.
#[derive(Default)]
struct Checker {
    entries: u64,
    dst_root: Option<Vec<u8>>,
}

impl Checker {
    /// The entry of this text; else the line within the text (from 0) and what is wrong.
    fn check(&mut self, text: &[u8]) -> Result<JobEntry, (u64, String)> {
        let text = std::str::from_utf8(text).map_err(|_| (0, "not UTF-8".to_owned()))?;
        let wire: WireEntry = serde_json::from_str(text)
            .map_err(|e| (e.line().saturating_sub(1) as u64, json_message(&e)))?;
        let entry = JobEntry {
            src: wire.src.0,
            dst: wire.dst.0,
            relpath: wire.relpath.0,
            bytes: wire.bytes,
            index: wire.index,
        };
        match self.fault(&entry) {
            Some(fault) => Err((0, fault)),
            None => {
                self.entries += 1;
                Ok(entry)
            }
        }
    }

    fn fault(&mut self, entry: &JobEntry) -> Option<String> {
        if let Some(fault) = fault(&entry.src, &entry.dst, &entry.relpath, entry.bytes) {
            return Some(fault);
        }
        if entry.index != self.entries {
            let (index, expected) = (entry.index, self.entries);
            return Some(format!("index {index} where {expected} should be"));
        }
        let first = self
            .dst_root
            .get_or_insert_with(|| entry.dst_root().to_vec());
        if first != entry.dst_root() {
            return Some(format!(
                "another output than in the entries before ({}): {}",
                short(first),
                short(entry.dst_root())
            ));
        }
        None
    }
}

#[cfg(test)]
#[path = "jobfile_tests.rs"]
mod tests;
