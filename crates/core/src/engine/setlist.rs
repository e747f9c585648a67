//! The list of the whole set on a drive (`.mvcopy/catalog.jsonl`), written when the drive is closed.
//!
//! It is replaced as a whole, and only when the set has changed since. Where there is no room for the new one
//! beside the old one, the old one stays and that is an answer, not a failure: nothing else on the drive
//! depends on it. What it says of this drive is what is about to be true when the drive has been closed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Write};
use std::os::fd::AsFd;

use rustix::io::Errno;

use super::close::Closed;
use super::drive::{Drive, join};
use super::own::regular;
use super::pageparts::Draft;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::catalog::listed::OnAll;
use crate::catalog::order::Ordered;
use crate::catalog::volumes::{Fate, Volume};
use crate::catalog::worklist::Worklist;
use crate::error::{Code, Error, IoContext, Result};
use crate::format::date;
use crate::format::setlist::{
    self, Header, ListWriter, ListedCheck, ListedEntry, ListedSource, ListedVolume,
};
use crate::format::volumejson::{MAX_NAME, MOST_COPIES};
use crate::meta::{Kind, Meta};
use crate::name::is_hazard;
use crate::sys;

pub(super) const NAME: &[u8] = b"catalog.jsonl";

/// Space is claimed in pieces of this many bytes before it is written: a file system that finds out only
/// while flushing that there is none fails the flush of everything else too.
const CLAIM: u64 = 1 << 20;

/// The largest number that the formats have.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// What became of the list on a drive that was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum List {
    /// It was up to date.
    #[default]
    Fresh,
    /// It was written, with so many bytes.
    Written(u64),
    /// There was no room for it. The one that is on the drive is from this second since 1970; `None` when
    /// there is none that can be read.
    NoRoom(Option<i64>),
}

/// Writes the list unless the one on the drive is up to date. `changed`: something on this drive is not as it
/// was when it was opened; `complete`: all that was planned for it is there. With a list that was written comes
/// what START-HERE.html takes of the same rows, where the set wants one.
///
/// # Errors
/// What the drive answers, but for the lack of room; `Code::Cancelled`; what SQLite answers.
pub(super) fn refresh<'d>(
    drive: &'d Drive,
    catalog: &Catalog,
    closed: &Closed,
    changed: bool,
    complete: bool,
    cancel: &CancelToken,
) -> Result<(List, Option<Draft<'d>>)> {
    let number = drive.identity.volume.number;
    let revision = if changed {
        catalog.raise_revision()?
    } else {
        catalog.revision()?
    };
    let listed = catalog.volume(number)?.map_or(0, |v| v.listed);
    if listed >= revision && sys::stat_at(drive.own.as_fd(), NAME).is_ok() {
        return Ok((List::Fresh, None));
    }
    let mut draft = match catalog.has_start_here()? {
        true => Some(Draft::new(drive)?),
        false => None,
    };
    let mut written = write(drive, catalog, closed, complete, draft.as_mut(), cancel);
    if written.as_ref().is_err_and(is_no_room) && draft.as_ref().is_some_and(Draft::takes_room) {
        // The list comes first: there may be room for it without the page.
        draft = None;
        written = write(drive, catalog, closed, complete, None, cancel);
    }
    match written {
        Ok(bytes) => {
            catalog.set_listed(number, revision, bytes)?;
            Ok((List::Written(bytes), draft))
        }
        Err(e) if is_no_room(&e) => {
            let path = join(&drive.path, b".mvcopy/tmp/catalog.jsonl");
            match sys::unlink(drive.tmp.as_fd(), NAME, false) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(e).at("removing", &path);
                }
                _ => {}
            }
            Ok((List::NoRoom(date_of(drive)), None))
        }
        Err(e) => Err(e),
    }
}

/// ENOSPC, EDQUOT, and EFBIG: FAT has no file of 4 GiB.
pub(super) fn is_no_room(e: &Error) -> bool {
    [Errno::NOSPC, Errno::DQUOT, Errno::FBIG]
        .into_iter()
        .any(|errno| e.is_errno(errno))
}

/// When the list that is on the drive was written.
fn date_of(drive: &Drive) -> Option<i64> {
    let fd = sys::open_for_reading(drive.own.as_fd(), NAME).ok()?;
    let path = join(&drive.path, b".mvcopy/catalog.jsonl");
    regular(&fd, &path).ok()?;
    let header = setlist::read_header(BufReader::new(File::from(fd)), &path).ok()?;
    Some(header.date)
}

/// Claims room ahead of what it writes.
pub(super) struct Claiming {
    pub file: File,
    pub written: u64,
    pub claimed: u64,
}

impl Write for Claiming {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let end = self.written + bytes.len() as u64;
        if end > self.claimed {
            self.claimed = end.div_ceil(CLAIM) * CLAIM;
            if let Err(e) = sys::try_claim(self.file.as_fd(), self.claimed) {
                // The last bytes of a drive.
                sys::try_claim(self.file.as_fd(), end).map_err(|_| e)?;
                self.claimed = end;
            }
        }
        let n = self.file.write(bytes)?;
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        // What was claimed and not used goes back.
        self.file.set_len(self.written)
    }
}

fn write(
    drive: &Drive,
    catalog: &Catalog,
    closed: &Closed,
    complete: bool,
    page: Option<&mut Draft<'_>>,
    cancel: &CancelToken,
) -> Result<u64> {
    let path = join(&drive.path, b".mvcopy/catalog.jsonl");
    let identity = &drive.identity;
    let now = date::now();
    let header = header(drive, catalog, now)?;
    let own = drive.own_files();
    let to = Claiming {
        file: own.begin(NAME)?,
        written: 0,
        claimed: 0,
    };
    let mut list = ListWriter::new(to, &path, &header)?;
    for source in sources(catalog)? {
        match list.source(&source) {
            // Of a path that the format has no place for (one with `..`, say, from a job file).
            Err(e) if e.code == Code::BadInput => {}
            listed => listed?,
        }
    }
    let listed = volumes(drive, catalog, closed, complete, now)?;
    for volume in &listed {
        list.volume(volume)?;
    }
    let own_number = Some(identity.volume.number);
    match page {
        Some(page) => {
            let mut both = Both(&mut list, page);
            each(catalog, &listed, own_number, cancel, &mut both)?;
        }
        None => each(catalog, &listed, own_number, cancel, &mut list)?,
    }
    let (bytes, to) = list.finish()?;
    own.finish(to.file, NAME)?;
    Ok(bytes)
}

/// What a list on this drive begins with.
pub(super) fn header(drive: &Drive, catalog: &Catalog, date: i64) -> Result<Header> {
    let identity = &drive.identity;
    Ok(Header {
        set: identity.set.id.clone(),
        name: identity.set.name.clone(),
        date,
        volume: identity.volume.number,
        copies: catalog.copies(),
        digest: catalog.digest()?,
    })
}

/// The sources of the set.
pub(crate) fn sources(catalog: &Catalog) -> Result<Vec<ListedSource>> {
    let sources = catalog.sources()?.into_iter();
    let listed = sources.map(|source| ListedSource {
        path: source.path,
        prefix: source.prefix,
        is_file: source.is_file,
    });
    Ok(listed.collect())
}

/// Whoever takes the rows of the set.
pub(crate) trait Rows {
    /// An entry on a volume, in the order of paths and then of volumes.
    fn entry(&mut self, entry: &ListedEntry) -> Result<()>;
    /// An entry that is planned for a volume; all of them come last.
    fn planned(&mut self, entry: &ListedEntry) -> Result<()>;
}

impl<W: Write> Rows for ListWriter<W> {
    fn entry(&mut self, entry: &ListedEntry) -> Result<()> {
        ListWriter::entry(self, entry)
    }

    fn planned(&mut self, entry: &ListedEntry) -> Result<()> {
        ListWriter::planned(self, entry)
    }
}

/// Hands each row to the one and then to the other: going through the catalog is what takes longest.
struct Both<'r, 'd, W: Write>(&'r mut ListWriter<W>, &'r mut Draft<'d>);

impl<W: Write> Rows for Both<'_, '_, W> {
    fn entry(&mut self, entry: &ListedEntry) -> Result<()> {
        self.0.entry(entry)?;
        self.1.entry(entry)
    }

    fn planned(&mut self, entry: &ListedEntry) -> Result<()> {
        self.0.planned(entry)?;
        self.1.planned(entry)
    }
}

/// Hands over every entry of the set on each of these volumes that is not lost, then what is planned for others
/// than `own`.
pub(crate) fn each(
    catalog: &Catalog,
    volumes: &[ListedVolume],
    own: Option<u32>,
    cancel: &CancelToken,
    to: &mut dyn Rows,
) -> Result<()> {
    let in_use = volumes.iter().filter(|v| v.fate != Fate::Lost.word());
    let counted: BTreeSet<u32> = in_use.map(|v| v.number).collect();
    let pages = OnAll {
        catalog,
        volumes: &counted,
    };
    let mut entries = Ordered::new(pages)?;
    while let Some(row) = entries.next_entry()? {
        if cancel.is_now() {
            return Err(Error::cancelled());
        }
        let child = row.child();
        for held in row.held {
            // A directory is told by what it holds, where it holds something.
            if held.kind == Kind::Dir && pages.holds_in(child, held.volume)? {
                continue;
            }
            let is_device = matches!(held.kind, Kind::CharDevice | Kind::BlockDevice);
            let rdev = held.rdev;
            to.entry(&ListedEntry {
                path: entries.path().to_vec(),
                kind: held.kind,
                size: held.size,
                mtime: held.mtime,
                rdev: is_device.then(|| (sys::major(rdev), sys::minor(rdev))),
                volume: held.volume,
                alias: held.alias,
                part: held.part,
            })?;
        }
    }
    each_planned(catalog, own, cancel, to)
}

/// Hands over what the run in hand has planned for other volumes: a drive that is closed before them can tell at
/// least where it was to go.
fn each_planned(
    catalog: &Catalog,
    own: Option<u32>,
    cancel: &CancelToken,
    to: &mut dyn Rows,
) -> Result<()> {
    let (run, volumes) = catalog.planned_volumes()?;
    for volume in volumes.into_iter().filter(|volume| Some(*volume) != own) {
        let mut work = Worklist::new(&catalog.conn, run, volume)?;
        while let Some((path, row)) = work.next_row()? {
            if cancel.is_now() {
                return Err(Error::cancelled());
            }
            let Meta {
                kind, mtime, rdev, ..
            } = row.meta;
            let is_device = matches!(kind, Kind::CharDevice | Kind::BlockDevice);
            let has_size = matches!(kind, Kind::File | Kind::Symlink);
            to.planned(&ListedEntry {
                path,
                kind,
                size: if has_size { row.meta.size } else { 0 },
                mtime,
                rdev: is_device.then(|| (sys::major(rdev), sys::minor(rdev))),
                volume,
                alias: None,
                part: None,
            })?;
        }
    }
    Ok(())
}

/// The volumes of the set, by number; this one as it will be when it has been closed.
pub(super) fn volumes(
    drive: &Drive,
    catalog: &Catalog,
    closed: &Closed,
    complete: bool,
    now: i64,
) -> Result<Vec<ListedVolume>> {
    let identity = &drive.identity;
    let number = identity.volume.number;
    let mut volumes: Vec<ListedVolume> = catalog.volumes()?.into_iter().map(listed).collect();
    if !volumes.iter().any(|v| v.number == number) {
        volumes.push(ListedVolume {
            number,
            created: date::to_seconds(&identity.created).unwrap_or(now),
            ..ListedVolume::default()
        });
        volumes.sort_by_key(|v| v.number);
    }
    for volume in volumes.iter_mut().filter(|v| v.number == number) {
        volume.id.clone_from(&identity.volume.id);
        volume.label.clone_from(&identity.volume.label);
        volume.generation = identity.generation;
        volume.capacity = identity.capacity;
        volume.copy = identity.copy;
        volume.complete = complete;
        volume.files = closed.files;
        volume.bytes = closed.bytes;
        volume.written = now;
        if let Ok(room) = rustix::fs::fstatvfs(drive.root.as_fd()) {
            volume.available = (room.f_bavail.saturating_mul(room.f_frsize)).min(MAX_SAFE);
        }
    }
    Ok(volumes)
}

pub(crate) fn listed(v: Volume) -> ListedVolume {
    let date = |seconds: i64| seconds.clamp(0, date::LAST);
    ListedVolume {
        number: v.number,
        id: v.id,
        label: fit(&v.label),
        complete: v.state == "complete",
        fate: v.fate.word().to_owned(),
        generation: v.generation.min(MAX_SAFE),
        files: v.files.min(MAX_SAFE),
        bytes: v.bytes.min(MAX_SAFE),
        copy: v.copy.clamp(1, MOST_COPIES),
        capacity: v.capacity.min(MAX_SAFE),
        available: v.available.min(MAX_SAFE),
        file_system: fit(&v.fs_type),
        created: date(v.created),
        written: date(v.written),
        verified: (v.verified > 0).then(|| ListedCheck {
            date: date(v.verified),
            kind: fit(&v.verified_kind),
            bad: v.verified_bad.min(MAX_SAFE),
        }),
    }
}

/// The text as the format takes it: nothing that is in the catalog may keep a drive from being closed.
fn fit(text: &str) -> String {
    let mut fit: String = text.chars().filter(|c| !is_hazard(*c)).collect();
    while fit.len() > MAX_NAME {
        fit.pop();
    }
    fit
}

impl Drive {
    /// Whether anything was done on it since it was opened, or was left to be finished by a session before.
    pub(super) fn has_changed(&self, complete: bool) -> bool {
        let (at, start) = &self.journal.start;
        self.is_new
            || *at > 0
            || self.journal.end > at + start.len() as u64
            || self.was_complete != complete
    }
}
