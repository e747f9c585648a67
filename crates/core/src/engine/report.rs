//! `report --html FILE`: the set as a page, from the catalog of the host alone, in one file.
//!
//! The file is written beside its place and renamed into it, so what stands there is the old one or the whole new
//! one. What is there and is no page of ours is left alone unless it may be replaced. All names of the set are in
//! the file, and wait in another one without a name until it is known what stands before them.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};

use super::drive::{join, split};
use super::pageparts::PageRows;
use super::setlist;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::error::{IoContext, Result};
use crate::format::date;
use crate::format::readme::Checks;
use crate::format::setlist::Header;
use crate::page::{self, Facts, Parts};
use crate::sys;

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// It was written, with so many bytes about so many entries.
    Written(u64, u64),
    /// Something else is there.
    Exists,
}

/// Writes the report of a set to an absolute path. `replace`: whatever file is there. `tool` is what wrote it.
///
/// # Errors
/// `Code::Io`, `Code::Cancelled`, what SQLite answers.
pub fn write(
    catalog: &Catalog,
    file: &[u8],
    replace: bool,
    tool: &str,
    cancel: &CancelToken,
) -> Result<Report> {
    let (above, name) = split(file);
    let above = if above.is_empty() { &b"/"[..] } else { above };
    let dir = sys::open_root(above)?;
    if !replace && !may_replace(dir.as_fd(), name) {
        return Ok(Report::Exists);
    }
    let temp = |end: &str| {
        let process = format!(".{}.{end}", std::process::id());
        [b".", name.get(..200).unwrap_or(name), process.as_bytes()].concat()
    };
    let (new, waiting) = (temp("new"), temp("parts"));
    let path = join(above, &waiting);
    let mut parts = File::from(sys::create_new(dir.as_fd(), &waiting).at("creating", &path)?);
    sys::unlink(dir.as_fd(), &waiting, false).at("removing", &path)?;
    let (before, after, entries) = render(catalog, tool, &mut parts, &path, cancel)?;
    let path = join(above, &new);
    let fd = sys::create_new(dir.as_fd(), &new).at("creating", &path)?;
    let written = put(fd.into(), (&before[..], parts, &after[..]), &path).and_then(|bytes| {
        sys::rename(dir.as_fd(), &new, dir.as_fd(), name, true).at("renaming into place", file)?;
        sys::sync_file(dir.as_fd()).at("flushing", above)?;
        Ok(bytes)
    });
    match written {
        Ok(bytes) => Ok(Report::Written(bytes, entries)),
        Err(e) => {
            let _ = sys::unlink(dir.as_fd(), &new, false);
            Err(e)
        }
    }
}

/// Writes what stands before the parts, the parts, and what stands after them; gives the number of bytes.
fn put(
    mut file: File,
    (before, mut parts, after): (&[u8], File, &[u8]),
    path: &[u8],
) -> Result<u64> {
    let _ = rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o644));
    file.write_all(before).at("writing", path)?;
    parts.rewind().at("reading", path)?;
    let middle = std::io::copy(&mut parts, &mut file).at("writing", path)?;
    file.write_all(after).at("writing", path)?;
    sys::sync_file(file.as_fd()).at("flushing", path)?;
    sys::close(file.into()).at("closing", path)?;
    Ok((before.len() + after.len()) as u64 + middle)
}

/// Whether nothing is there, or a page of ours.
fn may_replace(dir: BorrowedFd<'_>, name: &[u8]) -> bool {
    match sys::stat_at(dir, name) {
        Err(e) => e.kind() == std::io::ErrorKind::NotFound,
        Ok(_) => page::is_page(dir, name),
    }
}

/// Writes the parts to `parts`; gives what stands before and after them in the page, and the number of entries.
fn render(
    catalog: &Catalog,
    tool: &str,
    parts: &mut File,
    path: &[u8],
    cancel: &CancelToken,
) -> Result<(Vec<u8>, Vec<u8>, u64)> {
    let set = catalog.set_info()?;
    let header = Header {
        set: set.id,
        name: set.name,
        date: date::now(),
        volume: 0,
        copies: catalog.copies(),
        digest: catalog.digest()?,
    };
    let volumes: Vec<_> = catalog
        .volumes()?
        .into_iter()
        .map(setlist::listed)
        .collect();
    let mut rows = PageRows::new(|text: String| {
        let mut part = Vec::with_capacity(text.len() + text.len() / 8);
        page::push_part(&mut part, &text);
        parts.write_all(&part).at("writing", path)
    });
    setlist::each(catalog, &volumes, None, cancel, &mut rows)?;
    let (entries, largest) = rows.finish()?;
    let facts = Facts {
        header: &header,
        is_report: true,
        is_inside: false,
        tool,
        sources: &setlist::sources(catalog)?,
        volumes: &volumes,
        largest: &largest,
        checks: Checks::default(),
        entries,
        runs: &catalog.past_runs()?,
        past_checks: &catalog.past_checks()?,
    };
    let (before, after) = page::around(&facts, &Parts::Inside(Vec::new()));
    Ok((before, after, entries))
}
