//! `START-HERE.html` on a drive: written when the drive is closed, and with each new list of the set.
//!
//! It stands at the drive's root, unless something else has that name there or in the set: then in `.mvcopy`. What
//! is there and is no page of ours is never replaced. The parts get new names, and are durable before the page
//! that names them; the old ones go after it. Lack of room is an answer, and leaves the old page with its parts.

use std::os::fd::{AsFd, BorrowedFd};

use super::close::Closed;
use super::drive::{Drive, OWN, join};
use super::pageparts::{Draft, remove_parts, write_whole};
use super::setlist::{self, List};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::error::{IoContext, Result};
use crate::format::date;
use crate::page::{self, Facts};
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

/// Writes the page, unless nothing has changed since it was; `draft`: its parts, if they were made beside the list.
/// The second answer: the root was touched.
///
/// # Errors
/// What the drive answers, but for the lack of room; `Code::Cancelled`; what SQLite answers.
pub(super) fn refresh(
    drive: &Drive,
    catalog: &Catalog,
    closed: &Closed,
    complete: bool,
    draft: Option<Draft<'_>>,
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
    match write(drive, catalog, closed, complete, for_root, draft, cancel) {
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

/// Writes the page with these parts, made of rows of its own where there are none.
fn write(
    drive: &Drive,
    catalog: &Catalog,
    closed: &Closed,
    complete: bool,
    for_root: bool,
    draft: Option<Draft<'_>>,
    cancel: &CancelToken,
) -> Result<()> {
    let now = date::now();
    let header = setlist::header(drive, catalog, now)?;
    let volumes = setlist::volumes(drive, catalog, closed, complete, now)?;
    let draft = match draft {
        Some(draft) => draft,
        None => {
            let mut draft = Draft::new(drive)?;
            setlist::each(catalog, &volumes, Some(header.volume), cancel, &mut draft)?;
            draft
        }
    };
    let drafted = draft.finish()?;
    let facts = Facts {
        header: &header,
        is_report: false,
        is_inside: !for_root,
        tool: &drive.identity.tool,
        sources: &setlist::sources(catalog)?,
        volumes: &volumes,
        largest: &drafted.largest,
        checks: closed.checks,
        entries: drafted.entries,
        runs: &[],
        past_checks: &[],
    };
    let bytes = page::render(&facts, &drafted.parts);
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
    finished?;
    drafted.keep()
}
