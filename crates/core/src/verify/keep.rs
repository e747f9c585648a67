//! Keeping what a check found: on the drive, in the state directory while a drive can't be written, in the catalog.
//!
//! Only `.mvcopy/verify.jsonl` and `verified` in volume.json are written, each replaced as a whole; no digest and
//! no other file is touched. What cannot be kept is said, and no failure of the check.

use std::fs::File;
use std::io::BufReader;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::list::Tables;
use super::own::Own;
use crate::catalog::Catalog;
use crate::catalog::findings::Found;
use crate::engine::drive::join;
use crate::engine::own::OwnFiles;
use crate::error::{Code, Error, IoContext, Result};
use crate::format::item::OWN_DIR;
use crate::format::verify::{self, Finding, Head, InSource, Line, Part, VerifyWriter, Word};
use crate::format::volumejson::{self, Check, VolumeJson};
use crate::sys;

/// Its name on the drive.
pub(super) const NAME: &str = "verify.jsonl";

/// What an earlier check left.
#[derive(Debug)]
pub(super) struct Earlier {
    pub head: Head,
    pub parts: Vec<Part>,
    pub findings: Vec<Finding>,
    /// What it found in the source until it was broken off.
    pub in_source: Vec<InSource>,
}

/// More findings of an earlier check than that are not taken over: the memory is not the drive's to fill.
const MOST_FINDINGS: usize = 1_000_000;

pub(super) fn read(file: File, path: &[u8]) -> Result<Earlier> {
    let (mut parts, mut findings, mut in_source) = (Vec::new(), Vec::new(), Vec::new());
    let reader = BufReader::with_capacity(1 << 16, file);
    let head = verify::read(reader, path, &mut |line| {
        match line {
            Line::Part(part) if parts.len() < super::list::MAX_PARTS => parts.push(part),
            Line::Finding(finding) if findings.len() < MOST_FINDINGS => findings.push(finding),
            Line::InSource(found) if in_source.len() < MOST_FINDINGS => in_source.push(found),
            _ => {}
        }
        Ok(())
    })?;
    Ok(Earlier {
        head,
        parts,
        findings,
        in_source,
    })
}

/// Where a check is kept while it goes on.
#[derive(Debug)]
pub(super) enum Place<'a> {
    /// On the drive.
    Drive { own: &'a OwnedFd, output: &'a [u8] },
    /// In a file on the host.
    State(PathBuf),
    /// Nowhere.
    Nowhere,
}

impl Place<'_> {
    /// Replaces what is kept.
    ///
    /// # Errors
    /// `Code::Io`.
    pub fn save(&self, head: &Head, parts: &[Part], tables: &Tables) -> Result<()> {
        match self {
            Place::Nowhere => Ok(()),
            Place::Drive { own, output } => on_drive(own, output, |files| {
                let path = join(&join(output, OWN_DIR), NAME.as_bytes());
                let file = write(files.begin(NAME.as_bytes())?, &path, head, parts, tables)?;
                files.finish(file, NAME.as_bytes())
            }),
            Place::State(path) => {
                let mut temp = path.clone().into_os_string();
                temp.push(".new");
                let name = temp.as_bytes().to_vec();
                let file = File::create(&temp).at("creating", &name)?;
                let file = write(file, &name, head, parts, tables)?;
                sys::sync_file(file.as_fd()).at("flushing", &name)?;
                std::fs::rename(&temp, path).at("renaming into place", path.as_os_str().as_bytes())
            }
        }
    }

    /// What an earlier check left here; `None` when there is nothing that can be used.
    pub fn earlier(&self, own: &Own<'_>) -> Result<Option<Earlier>> {
        match self {
            Place::State(path) => {
                let name = path.as_os_str().as_bytes();
                match File::open(path) {
                    Ok(file) => read(file, name).map(Some),
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => on_the_drive(own),
                    Err(e) => Err(e).at("opening", name),
                }
            }
            _ => on_the_drive(own),
        }
    }

    /// The check has ended: what was kept on the host only to go on from is not wanted any more.
    pub fn done(&self) {
        if let Place::State(path) = self {
            // One that stays has an end in it, so nobody goes on from it.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn on_the_drive(own: &Own<'_>) -> Result<Option<Earlier>> {
    match own.open(NAME)? {
        Some((file, path)) => read(file, &path).map(Some),
        None => Ok(None),
    }
}

fn write(file: File, path: &[u8], head: &Head, parts: &[Part], tables: &Tables) -> Result<File> {
    let mut writer = VerifyWriter::new(file, path, head)?;
    for part in parts {
        writer.push(&Line::Part(part.clone()))?;
    }
    tables.findings(false, &mut |told| writer.push(&Line::Finding(told.finding)))?;
    if head.ended.is_none() {
        tables.compared(&mut |told| writer.push(&Line::InSource(told.found)))?;
    }
    writer.finish()
}

/// Replaces files of ours on the drive. `.mvcopy/tmp` is there while it lasts, and before it where a run was
/// broken off: then it stays.
fn on_drive(
    own: &OwnedFd,
    output: &[u8],
    work: impl FnOnce(&OwnFiles<'_>) -> Result<()>,
) -> Result<()> {
    let path = join(output, b".mvcopy/tmp");
    match sys::make_dir(own.as_fd(), b"tmp") {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e).at("making", &path),
    }
    let tmp = sys::open_dir_beneath(own.as_fd(), b"tmp", true).at("opening", &path)?;
    let files = OwnFiles {
        path: output,
        own: own.as_fd(),
        tmp: tmp.as_fd(),
    };
    let done = work(&files);
    if done.is_err() {
        // On a full drive half of a file must not stay; it is of no use to anybody.
        for name in [NAME.as_bytes(), b"volume.json"] {
            let _ = sys::unlink(tmp.as_fd(), name, false);
        }
    }
    // Not empty: a broken run's files are in it, and it stays.
    let _ = sys::unlink(own.as_fd(), b"tmp", true);
    done
}

/// Notes in volume.json that the whole volume was verified. A drive that was opened for writing meanwhile is
/// left as it is.
///
/// # Errors
/// `Code::DriveChanged`, `Code::Io`.
pub(super) fn stamp(own: &Own<'_>, output: &[u8], was: &VolumeJson, check: &Check) -> Result<()> {
    let mut identity = now(own)?;
    if identity.volume.id != was.volume.id || identity.generation != was.generation {
        return Err(Error::new(
            Code::DriveChanged,
            "verifying",
            "it was written while it was checked",
        )
        .with_path(output));
    }
    identity.set_check(check);
    let bytes = identity.to_bytes()?;
    on_drive(own.own, output, |files| files.write(b"volume.json", &bytes))
}

/// What volume.json says now.
///
/// # Errors
/// `Code::BadFormat`, `Code::Io`.
pub(super) fn now(own: &Own<'_>) -> Result<VolumeJson> {
    let missing = || Error::new(Code::BadFormat, "reading", "volume.json is gone");
    let (file, path) = own.open("volume.json")?.ok_or_else(missing)?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(
        &mut std::io::Read::take(file, volumejson::MAX_BYTES as u64 + 1),
        &mut bytes,
    )
    .at("reading", &path)?;
    volumejson::parse(&bytes).map_err(|e| e.with_path(&path))
}

/// What goes into the catalog.
pub(super) struct ForCatalog<'a> {
    pub set: &'a str,
    pub volume: &'a str,
    pub number: u32,
    pub generation: u64,
    /// Of a check of all of it.
    pub check: Option<&'a Check>,
    /// The parts that were checked, where the drive does not keep them; `None`: as they are.
    pub parts: Option<&'a [Part]>,
}

/// What the catalog knows of a drive beside what the drive itself does.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub parts: Vec<Part>,
    pub findings: Vec<Finding>,
}

/// Reads it. Findings that a later check of the drive, by its own `parts`, did not confirm are left out.
///
/// # Errors
/// As [`Catalog::open_to_read`].
pub(super) fn known(file: &Path, identity: &VolumeJson, parts: &[Part]) -> Result<Known> {
    let catalog = Catalog::open_to_read(file)?;
    let number = identity.volume.number;
    let volume = catalog.volume(number)?;
    if catalog.set_info()?.id != identity.set.id
        || volume.is_none_or(|v| v.id != identity.volume.id)
    {
        return Ok(Known::default());
    }
    let mut known = Known {
        parts: catalog.checked_parts(number)?,
        findings: Vec::new(),
    };
    let mut after = None;
    loop {
        let page = catalog.findings(number, after.as_ref(), 1000)?;
        let Some(last) = page.last() else {
            return Ok(known);
        };
        after = Some(last.key.clone());
        for found in page {
            let mut path = catalog.path_of(&found.key)?;
            if found.key.name.ends_with(b"/") && !path.ends_with(b"/") {
                path.push(b'/');
            }
            let n = parts.partition_point(|part| part.from <= path);
            let later = parts[..n]
                .last()
                .is_some_and(|part| path <= part.through && part.at > found.checked);
            if !later && known.findings.len() < MOST_FINDINGS {
                known.findings.push(Finding {
                    path,
                    word: found.word,
                    errno: found.errno,
                    at: found.checked,
                });
            }
        }
    }
}

/// Puts all known findings and, after a check of the whole volume, its result into the catalog at `file`.
/// `false`: the catalog is not about this drive, or knows a later state of it.
///
/// # Errors
/// As [`Catalog::open`], and what SQLite answers. The catalog is then as before.
pub(super) fn tell(file: &Path, what: &ForCatalog<'_>, tables: &Tables) -> Result<bool> {
    let catalog = Catalog::open(file)?;
    if catalog.set_info()?.id != what.set {
        return Ok(false);
    }
    let known = catalog.volume(what.number)?;
    if known.is_none_or(|v| v.id != what.volume || v.generation > what.generation) {
        return Ok(false);
    }
    catalog.atomically(|| {
        catalog.clear_findings(what.number)?;
        tables.findings(false, &mut |told| {
            let Finding {
                path,
                word,
                errno,
                at,
            } = told.finding;
            let is_dir = path.ends_with(b"/");
            let bare = path.strip_suffix(b"/").unwrap_or(&path);
            if matches!(word, Word::Extra | Word::Damaged) {
                return Ok(());
            }
            match catalog.find(bare, is_dir)? {
                Some(key) => catalog.record_finding(
                    what.number,
                    &Found {
                        key,
                        word,
                        errno,
                        checked: at,
                    },
                ),
                None => Ok(()),
            }
        })?;
        if let Some(parts) = what.parts {
            catalog.keep_parts(what.number, parts)?;
        }
        match what.check {
            Some(check) => {
                catalog.note_verified(what.number, check.date, check.kind, check.bad)?;
                Ok(true)
            }
            None => Ok(true),
        }
    })
}
