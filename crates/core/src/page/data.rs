//! The parts of a page: the names of all entries, where they are, how large and how old.
//!
//! A part is text, in lines, and begins with the line of a directory. `/PATH//DRIVES` is a directory; what follows
//! lies in it: `NAME/SIZE/TIME`, then `/DRIVES` where these are others than the directory's, then `/KIND` for what
//! is no file, then `/ALIAS`, a whole path, where a drive has it under another one. So a name is found by one search through the text, and its directory by one backwards. No `/` and
//! no newline can be in a name: names are in their displayed form.

use std::fmt::Write as _;

use crate::error::Result;
use crate::format::setlist::ListedEntry;
use crate::meta::Kind;
use crate::name::display;

/// A part is put out when it has this many bytes.
const FULL: usize = 1 << 20;

/// Whoever takes the texts of parts.
pub trait Take {
    /// Takes the next part.
    ///
    /// # Errors
    /// Whatever it does with it answers.
    fn take(&mut self, text: String) -> Result<()>;
}

impl<F: FnMut(String) -> Result<()>> Take for F {
    fn take(&mut self, text: String) -> Result<()> {
        self(text)
    }
}

/// Makes parts of entries that come in path order, those of one path one after another.
pub struct DataWriter<T: Take> {
    /// Where the parts go.
    pub to: T,
    text: String,
    /// The directory of the last line, and the drives that stand in its own line.
    dir: Option<(Vec<u8>, String)>,
    waiting: Option<(ListedEntry, String)>,
    entries: u64,
}

impl<T: Take> DataWriter<T> {
    /// Nothing yet; parts go to `to`.
    pub fn new(to: T) -> Self {
        DataWriter {
            to,
            text: String::new(),
            dir: None,
            waiting: None,
            entries: 0,
        }
    }

    /// Adds an entry on one volume; `is_planned`: it was to go there.
    ///
    /// # Errors
    /// Whatever `to` answers.
    pub fn push(&mut self, entry: &ListedEntry, is_planned: bool) -> Result<()> {
        let volume = format!("{}{}", if is_planned { "p" } else { "" }, entry.volume);
        if let Some((last, volumes)) = &mut self.waiting
            && last.path == entry.path
            && last.kind == entry.kind
            && !is_planned
        {
            volumes.push(',');
            volumes.push_str(&volume);
            // The larger one: an older version is on the way out.
            last.size = last.size.max(entry.size);
            if last.alias.is_none() {
                last.alias.clone_from(&entry.alias);
            }
            return Ok(());
        }
        self.settle()?;
        self.waiting = Some((entry.clone(), volume));
        Ok(())
    }

    /// Puts out the rest; gives the number of entries.
    ///
    /// # Errors
    /// Whatever `to` answers.
    pub fn finish(&mut self) -> Result<u64> {
        self.settle()?;
        if !self.text.is_empty() {
            self.to.take(std::mem::take(&mut self.text))?;
        }
        Ok(self.entries)
    }

    fn settle(&mut self) -> Result<()> {
        let Some((entry, volumes)) = self.waiting.take() else {
            return Ok(());
        };
        if self.text.len() >= FULL {
            self.to.take(std::mem::take(&mut self.text))?;
            self.dir = None;
        }
        self.entries += 1;
        let (dir, name) = crate::engine::drive::split(&entry.path);
        if self.dir.as_ref().is_none_or(|(last, _)| last != dir) {
            self.text.push('/');
            self.text.push_str(&display(dir));
            self.text.push_str("//");
            self.text.push_str(&volumes);
            self.text.push('\n');
            self.dir = Some((dir.to_vec(), volumes.clone()));
        }
        let kind = match entry.kind {
            Kind::File => "",
            Kind::Dir => "d",
            Kind::Symlink => "l",
            _ => "o",
        };
        self.text.push_str(&display(name));
        self.text.push('/');
        push_base36(&mut self.text, entry.size);
        // Whole seconds since 1970; what is older is shown without a date.
        self.text.push('/');
        push_base36(&mut self.text, entry.mtime.sec.max(0) as u64);
        let same = self.dir.as_ref().is_some_and(|(_, at)| *at == volumes);
        let drives = if same { "" } else { &volumes };
        let alias = entry.alias.as_deref().map(display);
        let alias = alias.unwrap_or_default();
        let fields = [drives, kind, &alias];
        let last = fields.iter().rposition(|field| !field.is_empty());
        for field in fields.iter().take(last.map_or(0, |at| at + 1)) {
            self.text.push('/');
            self.text.push_str(field);
        }
        self.text.push('\n');
        Ok(())
    }
}

fn push_base36(out: &mut String, mut number: u64) {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut digits = [0; 13];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = DIGITS[(number % 36) as usize];
        number /= 36;
        if number == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|d| char::from(*d)));
}

/// Text as a string of JSON that is safe within a script element, too: no `<`, `>` or `&` stands in it, nor any
/// character that could end a line or turn the direction of the text.
pub fn push_json_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '<' | '>' | '&' => push_escape(out, c),
            c if crate::name::is_hazard(c) => push_escape(out, c),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

fn push_escape(out: &mut Vec<u8>, c: char) {
    let mut escape = String::new();
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(escape, "\\u{unit:04x}");
    }
    out.extend_from_slice(escape.as_bytes());
}

/// A part as the file that a page loads: one call of a function of the page, with the part's place and its text.
pub fn part_file(number: usize, text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 16 + 64);
    out.extend_from_slice(format!("mvcopyPart({number},").as_bytes());
    push_json_text(&mut out, text);
    out.extend_from_slice(b");\n");
    out
}
