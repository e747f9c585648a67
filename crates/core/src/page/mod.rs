//! `START-HERE.html`: the set as a page that any browser opens from the drive itself, without a network.
//!
//! The page has what it tells as JSON in it, and the names of all entries in *parts* (see [`data`]), which lie
//! beside it and are loaded when somebody searches, or in the page itself where they are short. Names come in
//! their displayed form ([`crate::name::display`]), escaped as JSON in which no `<` stands, and the page's script
//! puts them into text nodes only: no name is ever markup. The script is allowed by its digest, nothing else is.

pub mod data;
pub mod largest;

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::format::date;
use crate::format::item::Algorithm;
use crate::format::readme::Checks;
use crate::format::setlist::{Header, ListedSource, ListedVolume};
use crate::meta::Kind;
use crate::name::display;
use crate::sys;
use data::push_json_text;
use largest::Largest;

/// The page's name.
pub const NAME: &[u8] = b"START-HERE.html";

/// The directory of its parts, below `.mvcopy`.
pub const PARTS: &[u8] = b"start-here";

/// What every page begins with: so one is known for ours.
pub const MARK: &[u8] =
    b"<!doctype html>\n<!-- multivolumecopy: a page of ours, written anew without asking -->\n";

/// Parts that have no more than this together are in the page itself.
pub const INLINE: usize = 12 * 1024;

const TEMPLATE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");

/// Where the parts of a page are.
#[derive(Debug, Clone)]
pub enum Parts {
    /// In files beside the page, by name.
    Files(Vec<String>),
    /// In the page.
    Inside(Vec<String>),
}

/// A run of the set, for its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// Its number.
    pub number: i64,
    /// When it began, in seconds since 1970.
    pub began: i64,
    /// When it ended; 0: it did not, or it goes on.
    pub ended: i64,
    /// How it ended.
    pub outcome: String,
}

/// A check of a whole volume, for the history of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastCheck {
    /// The volume's number.
    pub volume: u32,
    /// When, in seconds since 1970.
    pub checked: i64,
    /// How, in the words of volume.json.
    pub kind: String,
    /// Entries that were not good.
    pub bad: u64,
}

/// All that a page tells besides the entries.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The set, and when the page was made; `header.volume` is the drive that carries it.
    pub header: &'a Header,
    /// Whether the page lies on no drive: then nothing is said of "this drive".
    pub is_report: bool,
    /// Whether the page lies in `.mvcopy` and not at the drive's root.
    pub is_inside: bool,
    /// What wrote it.
    pub tool: &'a str,
    /// The sources.
    pub sources: &'a [ListedSource],
    /// The volumes, by number.
    pub volumes: &'a [ListedVolume],
    /// The largest directories of each.
    pub largest: &'a Largest,
    /// What of this drive can be checked with other programs.
    pub checks: Checks,
    /// How many entries the parts have.
    pub entries: u64,
    /// The last runs, the newest first; for a report.
    pub runs: &'a [PastRun],
    /// The last checks, the newest first; for a report.
    pub past_checks: &'a [PastCheck],
}

/// Whether a page of ours stands in a directory: a regular file of its name that begins as ours do.
pub fn stands(dir: BorrowedFd<'_>) -> bool {
    is_page(dir, NAME)
}

/// Whether a file is a page of ours, whatever it is called.
pub fn is_page(dir: BorrowedFd<'_>, name: &[u8]) -> bool {
    begins_with_mark(dir, name).unwrap_or(false)
}

fn begins_with_mark(dir: BorrowedFd<'_>, name: &[u8]) -> std::io::Result<bool> {
    let fd = sys::open_for_reading(dir, name)?;
    if sys::stat_fd(fd.as_fd())?.kind != Kind::File {
        return Ok(false);
    }
    let mut start = Vec::new();
    File::from(fd)
        .take(MARK.len() as u64)
        .read_to_end(&mut start)?;
    Ok(is_ours(&start))
}

/// Whether a file that begins with these bytes is a page of ours.
pub fn is_ours(start: &[u8]) -> bool {
    start.starts_with(MARK)
}

/// The page.
pub fn render(facts: &Facts<'_>, parts: &Parts) -> Vec<u8> {
    let (mut page, after) = around(facts, parts);
    if let Parts::Inside(texts) = parts {
        for text in texts {
            push_part(&mut page, text);
        }
    }
    page.extend_from_slice(&after);
    page
}

/// What stands before the parts that are kept inside a page, and what after them.
pub fn around(facts: &Facts<'_>, parts: &Parts) -> (Vec<u8>, Vec<u8>) {
    let mut out = Vec::with_capacity(TEMPLATE.len() + 16 * 1024);
    let mut before = Vec::new();
    out.extend_from_slice(MARK);
    let hash = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    let mut rest = TEMPLATE;
    while let Some(at) = rest.find("@@") {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let end = rest[at + 2..].find("@@").map_or(rest.len(), |n| at + 2 + n);
        match &rest[at + 2..end] {
            "HASH" => out.extend_from_slice(hash.as_bytes()),
            "TITLE" => push_markup(&mut out, &title(facts)),
            "SCRIPT" => {
                out.extend_from_slice(b"<script>");
                out.extend_from_slice(SCRIPT.as_bytes());
                out.extend_from_slice(b"</script>");
            }
            "FACTS" => {
                out.extend_from_slice(b"<script type=\"application/json\" id=\"facts\">");
                push_facts(&mut out, facts, parts);
                out.extend_from_slice(b"</script>");
            }
            "PARTS" => before = std::mem::take(&mut out),
            _ => {}
        }
        rest = rest.get(end + 2..).unwrap_or("");
    }
    out.extend_from_slice(rest.as_bytes());
    (before, out)
}

fn title(facts: &Facts<'_>) -> String {
    let name = &facts.header.name;
    if facts.is_report {
        return format!("The backup set {name}");
    }
    format!("Drive {} of the backup set {name}", facts.header.volume)
}

/// Text as markup shows it.
fn push_markup(out: &mut Vec<u8>, text: &str) {
    for c in display(text.as_bytes()).replace("\\\\", "\\").chars() {
        match c {
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '&' => out.extend_from_slice(b"&amp;"),
            '"' => out.extend_from_slice(b"&quot;"),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// An object of JSON that is being written.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    any: bool,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Object { out, any: false }
    }

    fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if self.any {
            self.out.push(b',');
        }
        self.any = true;
        push_json_text(self.out, key);
        self.out.push(b':');
        self.out
    }

    fn text(&mut self, key: &str, text: &str) {
        push_json_text(self.key(key), text);
    }

    fn number(&mut self, key: &str, number: u64) {
        self.key(key)
            .extend_from_slice(number.to_string().as_bytes());
    }

    fn flag(&mut self, key: &str, is: bool) {
        self.key(key)
            .extend_from_slice(if is { b"true" } else { b"false" });
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

fn push_list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    push: impl Fn(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (n, item) in items.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        push(out, item);
    }
    out.push(b']');
}

fn push_facts(out: &mut Vec<u8>, facts: &Facts<'_>, parts: &Parts) {
    let header = facts.header;
    let mut top = Object::begin(out);
    top.number("version", 1);
    top.text("set", &header.name);
    top.text("id", &header.set);
    top.text("made", &date::from_seconds(header.date));
    top.text("tool", facts.tool);
    if !facts.is_report {
        top.number("volume", header.volume.into());
    }
    top.number("copies", header.copies.into());
    let choice = Algorithm::choice_word(header.digest);
    top.text("digest", choice);
    top.number("entries", facts.entries);
    let (base, root) = if facts.is_inside {
        ("start-here/", "../")
    } else {
        (".mvcopy/start-here/", "./")
    };
    top.text("base", base);
    top.text("root", root);
    let files: &[String] = match parts {
        Parts::Files(files) => files,
        Parts::Inside(_) => &[],
    };
    push_list(top.key("parts"), files, |out, file| {
        push_json_text(out, file)
    });
    let mut checks = Object::begin(top.key("checks"));
    checks.number("sha256", facts.checks.sha256);
    checks.number("blake3", facts.checks.blake3);
    checks.number("unlisted", facts.checks.unlisted);
    checks.number("without", facts.checks.without);
    checks.end();
    push_list(top.key("sources"), facts.sources, |out, source| {
        let mut one = Object::begin(out);
        one.text("path", &display(&source.path));
        one.text("prefix", &display(&source.prefix));
        one.flag("file", source.is_file);
        one.end();
    });
    push_list(top.key("volumes"), facts.volumes, |out, volume| {
        push_volume(out, volume, facts.largest);
    });
    push_list(top.key("runs"), facts.runs, |out, run| {
        let mut one = Object::begin(out);
        one.number("number", run.number.max(0) as u64);
        one.text("began", &day(run.began));
        one.text("ended", &day(run.ended));
        one.text("outcome", &display(run.outcome.as_bytes()));
        one.end();
    });
    push_list(top.key("history"), facts.past_checks, |out, check| {
        let mut one = Object::begin(out);
        one.number("volume", check.volume.into());
        one.text("date", &day(check.checked));
        one.text("kind", &display(check.kind.as_bytes()));
        one.number("bad", check.bad);
        one.end();
    });
    top.end();
}

fn push_volume(out: &mut Vec<u8>, volume: &ListedVolume, largest: &Largest) {
    let mut one = Object::begin(out);
    one.number("number", volume.number.into());
    one.text("label", &volume.label);
    one.text("id", &volume.id);
    one.flag("complete", volume.complete);
    one.text("fate", &volume.fate);
    one.number("copy", volume.copy.into());
    one.number("files", volume.files);
    one.number("bytes", volume.bytes);
    one.number("capacity", volume.capacity);
    one.number("available", volume.available);
    one.text("fs", &volume.file_system);
    one.text("created", &day(volume.created));
    one.text("written", &day(volume.written));
    if let Some(check) = &volume.verified {
        let mut verified = Object::begin(one.key("verified"));
        verified.text("date", &day(check.date));
        verified.text("kind", &check.kind);
        verified.number("bad", check.bad);
        verified.end();
    }
    push_list(one.key("largest"), largest.of(volume.number), |out, dir| {
        let mut found = Object::begin(out);
        found.text("path", &display(&dir.path));
        found.number("bytes", dir.bytes);
        found.number("files", dir.files);
        found.end();
    });
    one.end();
}

/// A date, or nothing for what never was.
fn day(seconds: i64) -> String {
    if seconds <= 0 {
        return String::new();
    }
    date::from_seconds(seconds.min(date::LAST))
}

/// One part, as it stands inside a page.
pub fn push_part(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"<script type=\"application/json\" class=\"part\">");
    push_json_text(out, text);
    out.extend_from_slice(b"</script>\n");
}

#[cfg(test)]
mod tests;
