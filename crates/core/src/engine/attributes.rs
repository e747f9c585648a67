//! Extended attributes, ACLs and flags: read in the sources, set on a drive.
//!
//! A copy takes those of a file along. What is left is done here: entries of which the walk saw that something
//! has changed are looked at in their source, and directories get theirs when the drive is closed. A source that
//! can't be read says nothing, and what was noted stays.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::copy::open_sources;
use super::drive::split;
use super::work::SourceRoot;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::order::Row;
use crate::catalog::place::Key;
use crate::error::Result;
use crate::format::extra::Extra;
use crate::format::part::Part;
use crate::meta::Kind;
use crate::sys::{self, On};

/// Entries that are asked for at once, and between two commits.
const PAGE: usize = 4_096;

/// The sources, open, with the directory that was looked at last.
pub(super) struct Attributes {
    sources: HashMap<i64, Arc<SourceRoot>>,
    dir: Option<(i64, Vec<u8>, OwnedFd)>,
}

impl Attributes {
    /// Opens the sources that are there.
    pub fn new(catalog: &Catalog) -> Result<Attributes> {
        Ok(Attributes {
            sources: open_sources(catalog)?,
            dir: None,
        })
    }

    /// What the source has of an entry that lies at `path` on the drives; `None` when it can't be read, or is
    /// something else now.
    pub fn of(&mut self, row: &Row, path: &[u8]) -> Option<Option<Box<Extra>>> {
        // A part has those of its file, and the negative number of the source that this is in.
        let (number, path) = match row.source {
            ..0 => (-row.source, Part::whole(path)),
            number => (number, path),
        };
        let source = self.sources.get(&number)?;
        let (parent, name) = split(source.below(path));
        let (_, _, dir) = match &mut self.dir {
            Some(open) if open.0 == number && open.1 == parent => open,
            slot => {
                let fd = sys::open_dir_beneath(source.fd.as_fd(), parent, false).ok()?;
                slot.insert((number, parent.to_vec(), fd))
            }
        };
        // A source that lies under its name is an entry itself.
        let meta = match name.is_empty() {
            true => sys::stat_fd(dir.as_fd()).ok()?,
            false => sys::stat_at(dir.as_fd(), name).ok()?,
        };
        if meta.kind != row.meta.kind {
            return None;
        }
        let (xattrs, lost) = match name.is_empty() {
            true => sys::read_xattrs(On::Open(dir.as_fd())),
            false => sys::read_xattrs(On::Name(dir.as_fd(), name)),
        };
        // One that can't be read is as good as none; where they can't be listed nothing is known.
        (!lost.all).then(|| Extra::of(xattrs, meta.flags))
    }
}

/// Looks at the attributes of the entries that a scan has noted.
///
/// # Errors
/// What SQLite answers; `Code::Cancelled`: what is noted stays then.
pub fn look(catalog: &Catalog, cancel: &CancelToken) -> Result<()> {
    let mut after = Key {
        dir: i64::MIN,
        name: Vec::new(),
    };
    let mut sources: Option<Attributes> = None;
    loop {
        cancel.check()?;
        let page = catalog.attributes_to_look_at(&after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Key {
            dir: last.dir,
            name: last.name.clone(),
        };
        let sources = match &mut sources {
            Some(open) => open,
            none => none.insert(Attributes::new(catalog)?),
        };
        catalog.atomically(|| {
            for row in &page {
                let key = Key {
                    dir: row.dir,
                    name: row.name.clone(),
                };
                if let Some(found) = sources.of(row, &catalog.path_of(&key)?) {
                    catalog.attributes_are(row, found.as_deref())?;
                }
            }
            catalog.attributes_looked_at(&after)
        })?;
    }
}

/// What a directory of a drive is to have: what the source has, where that is asked for and can be read, else what
/// is recorded.
pub(super) fn of_directory(
    catalog: &Catalog,
    volume: u32,
    key: &Key,
    path: &[u8],
    recorded: Option<Box<Extra>>,
    sources: &mut Attributes,
) -> Result<(Option<Box<Extra>>, bool)> {
    if !catalog.wants_attributes(volume, key)? {
        // What is recorded is looked at again: a power cut may have come between the two.
        let is_any = recorded.is_some();
        return Ok((recorded, is_any));
    }
    let row = catalog.entry(key.dir, &key.name)?;
    let there = row.filter(|row| row.gone == 0 && row.meta.kind == Kind::Dir);
    let Some(found) = there.and_then(|row| sources.of(&row, path)) else {
        return Ok((recorded, true));
    };
    catalog.attributes_set(volume, key, found.as_deref())?;
    Ok((found, true))
}
