//! Whether the list of the set on a drive tells what the catalog knows.
//!
//! A host notes which list it writes on which drive; of drives that it has only read it has to find out. Nothing is
//! changed on the drive.

use std::fs::File;
use std::io::BufReader;
use std::os::fd::AsFd;

use sha2::{Digest as _, Sha256};

use super::drive::{OWN, join};
use super::own::{read_identity, regular};
use super::setlist::{self, Rows};
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::error::{Code, Error, IoContext, Result};
use crate::format::setlist::{Line, ListedEntry, ListedSource, ListedVolume, read};
use crate::sys;

/// Entries as they come, as a digest: two that are equal have the same entries in the same order. What is only planned
/// is left out.
#[derive(Default)]
struct Sum(Sha256);

impl Rows for Sum {
    fn entry(&mut self, entry: &ListedEntry) -> Result<()> {
        self.0.update(format!("{entry:?}\n"));
        Ok(())
    }

    fn planned(&mut self, _: &ListedEntry) -> Result<()> {
        Ok(())
    }
}

/// What a list says.
struct Said {
    set: String,
    sources: Vec<ListedSource>,
    volumes: Vec<ListedVolume>,
    sum: Sum,
    size: u64,
}

/// Compares the list on the drive that is mounted at `path` with the catalog; where it tells the same it counts as up
/// to date from here on, and the answer is true. A list that is missing or damaged is not up to date.
///
/// # Errors
/// `Code::BadFormat` for a drive without an identity; `Code::Cancelled`; `Code::Io`; what SQLite answers.
pub fn note_list(path: &[u8], catalog: &Catalog, cancel: &CancelToken) -> Result<bool> {
    let root = sys::open_root(path)?;
    let own_path = join(path, OWN);
    let own = sys::open_dir_beneath(root.as_fd(), OWN, true).at("opening", &own_path)?;
    let identity = read_identity(own.as_fd(), path)?.ok_or_else(|| {
        Error::new(Code::BadFormat, "reading", "it has no volume.json").with_path(path)
    })?;
    let file = join(&own_path, setlist::NAME);
    let said = match said(own.as_fd(), &file, cancel) {
        Ok(said) => said,
        Err(e) if e.code == Code::Cancelled => return Err(e),
        Err(_) => return Ok(false),
    };
    if said.set != identity.set.id || !has_same_heads(&said, catalog)? {
        return Ok(false);
    }
    let mut known = Sum::default();
    setlist::each(catalog, &said.volumes, None, cancel, &mut known)?;
    if known.0.finalize() != said.sum.0.finalize() {
        return Ok(false);
    }
    catalog.set_listed(identity.volume.number, catalog.revision()?, said.size)?;
    Ok(true)
}

fn said(own: std::os::fd::BorrowedFd<'_>, path: &[u8], cancel: &CancelToken) -> Result<Said> {
    let fd = sys::open_for_reading(own, setlist::NAME).at("opening", path)?;
    regular(&fd, path)?;
    let file = File::from(fd);
    let size = file.metadata().at("looking at", path)?.len();
    let (mut sources, mut volumes, mut sum) = (Vec::new(), Vec::new(), Sum::default());
    let reader = BufReader::with_capacity(1 << 16, file);
    let header = read(reader, path, &mut |line| {
        match line {
            Line::Source(source) => sources.push(source),
            Line::Volume(volume) => volumes.push(volume),
            Line::Entry(entry) => sum.entry(&entry)?,
            Line::Planned(_) => {}
        }
        cancel.check()
    })?;
    Ok(Said {
        set: header.set,
        sources,
        volumes,
        sum,
        size,
    })
}

/// Whether the sources and volumes are the same, but for what changes whenever a drive is opened.
fn has_same_heads(said: &Said, catalog: &Catalog) -> Result<bool> {
    let told = |v: &ListedVolume| {
        let marks = (v.number, v.id.clone(), v.label.clone(), v.fate.clone());
        (marks, v.copy, v.files, v.bytes, v.verified.clone())
    };
    let volumes = catalog.volumes()?.into_iter().map(setlist::listed);
    let sources = setlist::sources(catalog)?;
    Ok(volumes.map(|v| told(&v)).eq(said.volumes.iter().map(told))
        && said.sources.len() == sources.len()
        && sources.iter().all(|source| said.sources.contains(source)))
}
