//! `report --html FILE`: the set as a page, from the catalog of the host alone, in one file.
//!
//! The file is written beside its place and renamed into it, so what stands there is the old one or the whole new
//! one. What is there and is no page of ours is left alone unless it may be replaced. All names of the set are in
//! the file, and in memory while it is made: about 35 bytes for an entry.

use std::fs::File;
use std::io::Write;
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
    let (bytes, entries) = render(catalog, tool, cancel)?;
    let temp = [
        b".",
        name.get(..200).unwrap_or(name),
        format!(".{}.new", std::process::id()).as_bytes(),
    ]
    .concat();
    let path = join(above, &temp);
    let fd = sys::create_new(dir.as_fd(), &temp).at("creating", &path)?;
    let written = put(fd.into(), &bytes, &path).and_then(|()| {
        sys::rename(dir.as_fd(), &temp, dir.as_fd(), name, true).at("renaming into place", file)?;
        sys::sync_file(dir.as_fd()).at("flushing", above)
    });
    if let Err(e) = written {
        let _ = sys::unlink(dir.as_fd(), &temp, false);
        return Err(e);
    }
    Ok(Report::Written(bytes.len() as u64, entries))
}

fn put(mut file: File, bytes: &[u8], path: &[u8]) -> Result<()> {
    let _ = rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o644));
    file.write_all(bytes).at("writing", path)?;
    sys::sync_file(file.as_fd()).at("flushing", path)?;
    sys::close(file.into()).at("closing", path)
}

/// Whether nothing is there, or a page of ours.
fn may_replace(dir: BorrowedFd<'_>, name: &[u8]) -> bool {
    match sys::stat_at(dir, name) {
        Err(e) => e.kind() == std::io::ErrorKind::NotFound,
        Ok(_) => page::is_page(dir, name),
    }
}

fn render(catalog: &Catalog, tool: &str, cancel: &CancelToken) -> Result<(Vec<u8>, u64)> {
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
    let mut texts = Vec::new();
    let mut take = |text: String| {
        texts.push(text);
        Ok(())
    };
    let mut rows = PageRows::new(&mut take);
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
    Ok((page::render(&facts, &Parts::Inside(texts)), entries))
}
