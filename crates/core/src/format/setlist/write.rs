//! Writing a list of the set: checked, in order, as a stream.

use std::collections::BTreeMap;
use std::io::Write;

use sha2::{Digest as _, Sha256};

use super::{Header, ListedEntry, ListedSource, ListedVolume, TRAILER_START, VERSION};
use crate::error::{Code, Error, IoContext, Result};
use crate::format::date;
use crate::format::item::{Algorithm, push_time};
use crate::format::text::{push_hex, push_u64};
use crate::format::volumejson::check_number;
use crate::meta::Kind;
use crate::name::{JsonStyle, write_json};

const FLUSH_AT: usize = 64 * 1024;

/// Writes a list to `W`; buffers by itself.
pub struct ListWriter<W: Write> {
    to: W,
    path: Vec<u8>,
    buffer: Vec<u8>,
    hash: Sha256,
    last: Option<(Vec<u8>, u32)>,
    last_planned: Option<(u32, Vec<u8>)>,
    labels: BTreeMap<u32, String>,
    entries: u64,
    bytes: u64,
}

impl<W: Write> ListWriter<W> {
    /// Begins a list; `path` is what errors are about.
    ///
    /// # Errors
    /// `Code::BadInput` for a header that [`read`] would refuse.
    pub fn new(to: W, path: &[u8], header: &Header) -> Result<Self> {
        header.fault().map_err(|m| refused(m, path))?;
        let mut buffer = Vec::with_capacity(FLUSH_AT + 4096);
        buffer.extend_from_slice(b"{\"multivolumecopy\":\"catalog\",\"version\":");
        push_u64(&mut buffer, VERSION);
        push_text(&mut buffer, b",\"set\":", &header.set);
        push_text(&mut buffer, b",\"name\":", &header.name);
        push_text(&mut buffer, b",\"date\":", &date::from_seconds(header.date));
        push_number(&mut buffer, b",\"volume\":", header.volume.into());
        if header.copies > 1 {
            push_number(&mut buffer, b",\"copies\":", header.copies.into());
        }
        if header.digest != Some(Algorithm::Sha256) {
            push_text(
                &mut buffer,
                b",\"digest\":",
                Algorithm::choice_word(header.digest),
            );
        }
        buffer.extend_from_slice(b"}\n");
        Ok(ListWriter {
            to,
            path: path.to_vec(),
            buffer,
            hash: Sha256::new(),
            last: None,
            last_planned: None,
            labels: BTreeMap::new(),
            entries: 0,
            bytes: 0,
        })
    }

    /// Adds a source; before all volumes.
    ///
    /// # Errors
    /// `Code::BadInput` for one that [`read`] would refuse.
    pub fn source(&mut self, source: &ListedSource) -> Result<()> {
        source.fault().map_err(|m| refused(m, &source.path))?;
        let out = &mut self.buffer;
        push_name(out, b"{\"source\":", &source.path);
        push_name(out, b",\"prefix\":", &source.prefix);
        out.extend_from_slice(b",\"file\":");
        out.extend_from_slice(if source.is_file { b"true" } else { b"false" });
        self.end_line()
    }

    /// Adds a volume, by rising numbers; before all entries.
    ///
    /// # Errors
    /// `Code::BadInput` for one that [`read`] would refuse, `Code::Internal` for one out of order, `Code::Io`.
    pub fn volume(&mut self, volume: &ListedVolume) -> Result<()> {
        volume.fault().map_err(|m| refused(m, &self.path))?;
        let above = |(number, _): (&u32, &String)| *number >= volume.number;
        if self.labels.last_key_value().is_some_and(above) {
            return Err(out_of_order(&self.path));
        }
        let out = &mut self.buffer;
        push_number(out, b"{\"volume\":", volume.number.into());
        push_text(out, b",\"id\":", &volume.id);
        push_text(out, b",\"label\":", &volume.label);
        push_text(
            out,
            b",\"state\":",
            if volume.complete { "complete" } else { "open" },
        );
        if !volume.fate.is_empty() {
            push_text(out, b",\"fate\":", &volume.fate);
        }
        if volume.copy > 1 {
            push_number(out, b",\"copy\":", volume.copy.into());
        }
        push_number(out, b",\"generation\":", volume.generation);
        push_number(out, b",\"files\":", volume.files);
        push_number(out, b",\"bytes\":", volume.bytes);
        push_number(out, b",\"capacity\":", volume.capacity);
        push_number(out, b",\"available\":", volume.available);
        push_text(out, b",\"filesystem\":", &volume.file_system);
        push_text(out, b",\"created\":", &date::from_seconds(volume.created));
        push_text(out, b",\"written\":", &date::from_seconds(volume.written));
        if let Some(check) = &volume.verified {
            push_text(out, b",\"verified\":", &date::from_seconds(check.date));
            push_text(out, b",\"verified_kind\":", &check.kind);
            push_number(out, b",\"verified_bad\":", check.bad);
        }
        self.labels.insert(volume.number, volume.label.clone());
        self.end_line()
    }

    /// Adds an entry on a volume that was added; in the order of paths (a directory's with a slash at its
    /// end) and, for one path, of volumes.
    ///
    /// # Errors
    /// `Code::BadInput` for one that [`read`] would refuse, `Code::Internal` for one out of order, `Code::Io`.
    pub fn entry(&mut self, entry: &ListedEntry) -> Result<()> {
        if let Some(fault) = entry.fault() {
            return Err(refused(fault, &entry.path));
        }
        let key = entry.sort_key();
        let label = self
            .labels
            .get(&entry.volume)
            .filter(|_| self.last.as_ref() < Some(&key) && self.last_planned.is_none());
        let Some(label) = label else {
            return Err(out_of_order(&entry.path));
        };
        let out = &mut self.buffer;
        push_name(out, b"{\"path\":", &entry.path);
        push_number(out, b",\"volume\":", entry.volume.into());
        push_text(out, b",\"label\":", label);
        self.last = Some(key);
        self.end_entry(entry)
    }

    /// Adds an entry that is to be copied to a volume; after all others, in the order of the volumes' numbers and,
    /// for one volume, of paths.
    ///
    /// # Errors
    /// As [`ListWriter::entry`].
    pub fn planned(&mut self, entry: &ListedEntry) -> Result<()> {
        let fault = entry.fault().or(check_number(entry.volume).err());
        if let Some(fault) = fault {
            return Err(refused(fault, &entry.path));
        }
        let key = entry.plan_key();
        if self.last_planned.as_ref() >= Some(&key) {
            return Err(out_of_order(&entry.path));
        }
        let out = &mut self.buffer;
        push_name(out, b"{\"planned\":", &entry.path);
        push_number(out, b",\"volume\":", entry.volume.into());
        self.last_planned = Some(key);
        self.end_entry(entry)
    }

    /// What the lines of all entries have in common.
    fn end_entry(&mut self, entry: &ListedEntry) -> Result<()> {
        let out = &mut self.buffer;
        if entry.kind != Kind::File {
            push_text(out, b",\"kind\":", entry.kind.as_str());
        }
        push_number(out, b",\"size\":", entry.size);
        out.extend_from_slice(b",\"mtime\":\"");
        push_time(out, entry.mtime);
        out.push(b'"');
        if let Some(alias) = &entry.alias {
            push_name(out, b",\"as\":", alias);
        }
        if let Some((major, minor)) = entry.rdev {
            push_number(out, b",\"rdev\":[", major.into());
            push_number(out, b",", minor.into());
            out.push(b']');
        }
        if let Some(part) = &entry.part {
            out.extend_from_slice(b",\"part\":");
            part.encode(&entry.path, out);
        }
        self.entries += 1;
        self.end_line()
    }

    fn end_line(&mut self) -> Result<()> {
        self.buffer.extend_from_slice(b"}\n");
        if self.buffer.len() >= FLUSH_AT {
            self.flush_hashed()?;
        }
        Ok(())
    }

    fn flush_hashed(&mut self) -> Result<()> {
        self.hash.update(&self.buffer);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        self.to.write_all(&self.buffer).at("writing", &self.path)?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the last line; gives the number of bytes in all, and the writer back (for its fsync).
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn finish(mut self) -> Result<(u64, W)> {
        self.flush_hashed()?;
        self.buffer.extend_from_slice(TRAILER_START);
        push_u64(&mut self.buffer, self.entries);
        self.buffer.extend_from_slice(b",\"sha256\":\"");
        push_hex(&mut self.buffer, &self.hash.clone().finalize());
        self.buffer.extend_from_slice(b"\"}\n");
        self.flush()?;
        self.to.flush().at("writing", &self.path)?;
        Ok((self.bytes, self.to))
    }
}

fn refused(message: String, path: &[u8]) -> Error {
    Error::new(Code::BadInput, "listing", message).with_path(path)
}

fn out_of_order(path: &[u8]) -> Error {
    let message = "the lines of a list come out of order";
    Error::new(Code::Internal, "listing", message).with_path(path)
}

fn push_name(out: &mut Vec<u8>, key: &[u8], name: &[u8]) {
    out.extend_from_slice(key);
    write_json(out, name, JsonStyle::Utf8);
}

fn push_text(out: &mut Vec<u8>, key: &[u8], text: &str) {
    push_name(out, key, text.as_bytes());
}

fn push_number(out: &mut Vec<u8>, key: &[u8], n: u64) {
    out.extend_from_slice(key);
    push_u64(out, n);
}
