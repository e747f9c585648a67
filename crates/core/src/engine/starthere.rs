//! `START-HERE.html` on a drive: written when the drive is closed, and with each new list of the set.
//!
//! It stands at the drive's root, unless something else has that name there or in the set: then in `.mvcopy`. What
//! is there and is no page of ours is never replaced. The parts get new names, and are durable before the page
//! that names them; the old ones go after it. Lack of room is an answer, and leaves the old page with its parts.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::Mode;

use super::close::Closed;
use super::drive::{Drive, OWN, join, names_in};
use super::setlist::{self, Claiming, List, Rows};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::error::{IoContext, Result};
use crate::format::date;
use crate::format::setlist::ListedEntry;
use crate::page::data::{DataWriter, part_file};
use crate::page::largest::Largest;
use crate::page::{self, Facts, Parts};
use crate::sys;

/// What became of START-HERE.html on a drive that was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Page {
    /// It was up to date.
    #[default]
    Fresh,
    /// It was written.
    Written,
    /// There was no room for it, or none for the list of the set; an older one stays.
    NoRoom,
    /// The set wants none.
    Off,
}

/// Whether the page can be at the drive's root.
pub(super) fn is_for_root(drive: &Drive, catalog: &Catalog) -> Result<bool> {
    if catalog.has_at_root(page::NAME)? {
        return Ok(false);
    }
    let there = sys::stat_at(drive.root.as_fd(), page::NAME).is_ok();
    Ok(!there || page::stands(drive.root.as_fd()))
}

/// Takes our page away from the root where an entry of the set is to have its name.
///
/// # Errors
/// `Code::Io`; what SQLite answers.
pub(super) fn make_way(drive: &Drive, catalog: &Catalog) -> Result<()> {
    if catalog.has_at_root(page::NAME)? {
        remove_from_root(drive, catalog)?;
    }
    Ok(())
}

/// Removes our page from the root, but not what the set has placed there: it may be a page that was backed up.
fn remove_from_root(drive: &Drive, catalog: &Catalog) -> Result<bool> {
    if let Some(key) = catalog.find(page::NAME, false)?
        && let Some(placed) = catalog.placement(drive.identity.volume.number, &key)?
        && placed.item.stored
    {
        return Ok(false);
    }
    remove(drive.root.as_fd(), &drive.path)
}

/// Removes our page from a directory; whether there was one.
fn remove(dir: BorrowedFd<'_>, path: &[u8]) -> Result<bool> {
    if !page::stands(dir) {
        return Ok(false);
    }
    sys::unlink(dir, page::NAME, false).at("removing", &join(path, page::NAME))?;
    Ok(true)
}

/// Writes the page, unless nothing has changed since it was. The second answer: the root was touched.
///
/// # Errors
/// What the drive answers, but for the lack of room; `Code::Cancelled`; what SQLite answers.
pub(super) fn refresh(
    drive: &Drive,
    catalog: &Catalog,
    closed: &Closed,
    complete: bool,
    cancel: &CancelToken,
) -> Result<(Page, bool)> {
    let own_path = join(&drive.path, OWN);
    if !catalog.has_start_here()? {
        let touched = remove_from_root(drive, catalog)?;
        if remove(drive.own.as_fd(), &own_path)? || touched {
            remove_parts(drive, None)?;
        }
        return Ok((Page::Off, touched));
    }
    let for_root = is_for_root(drive, catalog)?;
    let (there, other) = if for_root {
        (drive.root.as_fd(), drive.own.as_fd())
    } else {
        (drive.own.as_fd(), drive.root.as_fd())
    };
    match closed.list {
        List::NoRoom(_) => return Ok((Page::NoRoom, false)),
        List::Fresh if page::stands(there) && !page::stands(other) => {
            return Ok((Page::Fresh, false));
        }
        _ => {}
    }
    match write(drive, catalog, closed, complete, for_root, cancel) {
        Ok(()) => {}
        Err(e) if setlist::is_no_room(&e) => return Ok((Page::NoRoom, false)),
        Err(e) => return Err(e),
    }
    let removed = match for_root {
        true => remove(other, &own_path)?,
        false => remove_from_root(drive, catalog)?,
    };
    Ok((Page::Written, for_root || removed))
}

/// Puts parts where they belong: the first ones are kept, and a directory is made only when they are many.
struct Putting<'d> {
    drive: &'d Drive,
    kept: Vec<String>,
    names: Vec<String>,
    session: u64,
}

impl Putting<'_> {
    fn take(&mut self, text: String) -> Result<()> {
        if self.names.is_empty() && self.kept.is_empty() && text.len() <= page::INLINE {
            self.kept.push(text);
            return Ok(());
        }
        for text in std::mem::take(&mut self.kept) {
            self.put(&text)?;
        }
        self.put(&text)
    }

    fn put(&mut self, text: &str) -> Result<()> {
        let number = self.names.len();
        let name = format!("{}-{number:04}.js", self.session);
        let path = join(&parts_path(self.drive), name.as_bytes());
        let dir = parts_dir(self.drive)?;
        let fd = sys::create_new(dir.as_fd(), name.as_bytes()).at("creating", &path)?;
        self.names.push(name);
        write_whole(fd.into(), &part_file(number, text), &path)
    }
}

/// The path of the directory of parts.
fn parts_path(drive: &Drive) -> Vec<u8> {
    join(&join(&drive.path, OWN), page::PARTS)
}

/// Opens the directory of parts, made where there is none.
fn parts_dir(drive: &Drive) -> Result<std::os::fd::OwnedFd> {
    let path = parts_path(drive);
    match sys::make_dir(drive.own.as_fd(), page::PARTS) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(e).at("making", &path);
        }
        _ => {}
    }
    let fd = sys::open_dir_beneath(drive.own.as_fd(), page::PARTS, true).at("opening", &path)?;
    let _ = rustix::fs::fchmod(&fd, Mode::from_raw_mode(0o755));
    Ok(fd)
}

/// Writes a file that was just created, and flushes it.
fn write_whole(file: File, bytes: &[u8], path: &[u8]) -> Result<()> {
    let _ = rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644));
    let mut to = Claiming {
        file,
        written: 0,
        claimed: 0,
    };
    to.write_all(bytes).at("writing", path)?;
    to.flush().at("writing", path)?;
    sys::sync_file(to.file.as_fd()).at("flushing", path)?;
    sys::close(to.file.into()).at("closing", path)
}

/// Removes the parts of all sessions but one.
fn remove_parts(drive: &Drive, but: Option<u64>) -> Result<()> {
    let path = parts_path(drive);
    let dir = match sys::open_dir_beneath(drive.own.as_fd(), page::PARTS, true) {
        Ok(dir) => dir,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e).at("opening", &path),
    };
    for (name, is_dir) in names_in(dir.as_fd()).at("listing", &path)? {
        if !is_dir && session_of(&name).is_some_and(|one| Some(one) != but) {
            sys::unlink(dir.as_fd(), &name, false).at("removing", &join(&path, &name))?;
        }
    }
    if but.is_none() {
        match sys::unlink(drive.own.as_fd(), page::PARTS, true) {
            // Something that is not ours is in it.
            Err(e) if e.kind() != std::io::ErrorKind::DirectoryNotEmpty => {
                return Err(e).at("removing", &path);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The number that the name of a part begins with.
fn session_of(name: &[u8]) -> Option<u64> {
    let (number, rest) = std::str::from_utf8(name).ok()?.split_once('-')?;
    rest.ends_with(".js").then(|| number.parse().ok())?
}

/// A number that no part on the drive has.
fn next_session(drive: &Drive) -> Result<u64> {
    let path = parts_path(drive);
    let dir = match sys::open_dir_beneath(drive.own.as_fd(), page::PARTS, true) {
        Ok(dir) => dir,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(1),
        Err(e) => return Err(e).at("opening", &path),
    };
    let names = names_in(dir.as_fd()).at("listing", &path)?;
    let last = names.iter().filter_map(|(name, _)| session_of(name)).max();
    Ok(last.map_or(1, |last| last.saturating_add(1)))
}

fn write(
    drive: &Drive,
    catalog: &Catalog,
    closed: &Closed,
    complete: bool,
    for_root: bool,
    cancel: &CancelToken,
) -> Result<()> {
    let session = next_session(drive)?;
    let mut putting = Putting {
        drive,
        kept: Vec::new(),
        names: Vec::new(),
        session,
    };
    let result = write_all(
        drive,
        catalog,
        closed,
        complete,
        for_root,
        cancel,
        &mut putting,
    );
    if result.is_err() && !putting.names.is_empty() {
        // What is not removed now is when the next page is written.
        if let Ok(dir) = parts_dir(drive) {
            for name in &putting.names {
                let _ = sys::unlink(dir.as_fd(), name.as_bytes(), false);
            }
        }
        let _ = sys::unlink(drive.own.as_fd(), page::PARTS, true);
    }
    result?;
    remove_parts(drive, (!putting.names.is_empty()).then_some(session))
}

fn write_all(
    drive: &Drive,
    catalog: &Catalog,
    closed: &Closed,
    complete: bool,
    for_root: bool,
    cancel: &CancelToken,
    putting: &mut Putting<'_>,
) -> Result<()> {
    let now = date::now();
    let header = setlist::header(drive, catalog, now)?;
    let volumes = setlist::volumes(drive, catalog, closed, complete, now)?;
    let number = header.volume;
    let mut take = |text: String| putting.take(text);
    let mut rows = PageRows::new(&mut take);
    setlist::each(catalog, &volumes, Some(number), cancel, &mut rows)?;
    let (entries, largest) = rows.finish()?;
    if !putting.names.is_empty() {
        let path = parts_path(drive);
        sys::sync_file(parts_dir(drive)?.as_fd()).at("flushing", &path)?;
    }
    let parts = if putting.names.is_empty() {
        Parts::Inside(std::mem::take(&mut putting.kept))
    } else {
        Parts::Files(putting.names.clone())
    };
    let facts = Facts {
        header: &header,
        is_report: false,
        is_inside: !for_root,
        tool: &drive.identity.tool,
        sources: &setlist::sources(catalog)?,
        volumes: &volumes,
        largest: &largest,
        checks: closed.checks,
        entries,
        runs: &[],
        past_checks: &[],
    };
    let bytes = page::render(&facts, &parts);
    let own = drive.own_files();
    let file = own.begin(page::NAME)?;
    let path = join(&join(&drive.path, b".mvcopy/tmp"), page::NAME);
    let finished = write_whole(file, &bytes, &path).and_then(|()| {
        let (dir, place) = if for_root {
            (drive.root.as_fd(), drive.path.clone())
        } else {
            (drive.own.as_fd(), join(&drive.path, OWN))
        };
        let to = join(&place, page::NAME);
        sys::rename(drive.tmp.as_fd(), page::NAME, dir, page::NAME, true)
            .at("renaming into place", &to)?;
        sys::sync_file(dir).at("flushing", &place)
    });
    if finished.is_err() {
        let _ = sys::unlink(drive.tmp.as_fd(), page::NAME, false);
    }
    finished
}

/// The rows of the set, as a page takes them.
pub(crate) struct PageRows<'t> {
    data: DataWriter<'t>,
    largest: Largest,
}

impl<'t> PageRows<'t> {
    /// Parts go to `take`.
    pub fn new(take: &'t mut page::data::Take<'t>) -> Self {
        PageRows {
            data: DataWriter::new(take),
            largest: Largest::default(),
        }
    }

    /// How many entries came by, and the largest directories.
    pub fn finish(mut self) -> Result<(u64, Largest)> {
        self.largest.finish();
        Ok((self.data.finish()?, self.largest))
    }
}

impl Rows for PageRows<'_> {
    fn entry(&mut self, entry: &ListedEntry) -> Result<()> {
        self.largest.count(entry);
        self.data.push(entry, false)
    }

    fn planned(&mut self, entry: &ListedEntry) -> Result<()> {
        self.data.push(entry, true)
    }
}
