//! The seed's check of a drive: entries of a job file, compared between their source and the drive.
//!
//! Promises: nothing is written; a job file is read whole and refused before the first file is looked at;
//! memory stays flat; one unreadable file never stops the check and never goes unmentioned; no symlink
//! below the source's root or the drive's is followed.
//! It does not decide an exit code, and it does not prove a drive by itself: that needs no source and is
//! another check. On a drive that keeps records only what is recorded there is compared.

mod compare;
mod records;
pub(crate) mod tree;
pub(crate) mod words;

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::error::{Code, Error, IoContext, Result};
use crate::format::jobfile;
use crate::progress::Progress;
use crate::sys;
use crate::volume::{self, Found, MountFacts, PathFacts};

use compare::Check;
use records::Records;
use tree::Tree;

/// How many findings a report holds; more are only counted.
pub const KEPT_FINDINGS: usize = 100_000;

/// How many bytes of paths the findings of a report may take.
const KEPT_BYTES: usize = 64 << 20;

/// How many ranges of entries that are elsewhere a report holds.
pub const KEPT_RANGES: usize = 10_000;

/// What to compare.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The first index that is looked at.
    pub from: u64,
    /// The index after the last one; `None`: to the end.
    pub to: Option<u64>,
    /// Whether the content is compared too.
    pub checksum: bool,
    /// Times that are no further apart count as equal; `None`: what the drive's file system can tell apart.
    pub modify_window_seconds: Option<u32>,
    /// The host's catalog of the set that the drive belongs to: it tells on which drive the others are.
    pub catalog: Option<PathBuf>,
}

/// What is wrong with one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// The drive has another size, time or content than the source.
    Different,
    /// The drive should have it and does not.
    Missing,
    /// It could not be compared: one of the two could not be read.
    Unreadable,
}

impl FindingKind {
    /// The word for the kind across the boundary.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingKind::Different => "different",
            FindingKind::Missing => "missing",
            FindingKind::Unreadable => "unreadable",
        }
    }
}

/// One entry that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// The entry's index in the job file.
    pub index: u64,
    /// Where it comes from, absolute.
    pub src: Vec<u8>,
    /// Where it was looked for on the drive: the output and the relative path.
    pub dst: Vec<u8>,
    /// In words; no name is in them.
    pub why: String,
}

/// Entries in a row that are not on this drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The first index.
    pub first: u64,
    /// The last index, included.
    pub last: u64,
    /// The number of the drive that has them; `None` when it is not known.
    pub volume: Option<u32>,
}

/// What the check found. Sizes are in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries in the job file.
    pub entries: u64,
    /// Entries in the range.
    pub selected: u64,
    /// Entries whose source is gone; they were passed over.
    pub gone: u64,
    /// Entries that are not on this drive by what the drive says.
    pub elsewhere: u64,
    /// Entries that were compared: the range without those two.
    pub compared: u64,
    /// Entries of each kind of finding.
    pub different: u64,
    /// Entries that the drive should have and does not.
    pub missing: u64,
    /// Entries that could not be compared.
    pub unreadable: u64,
    /// The content of the files that were found on the drive.
    pub backup_bytes: u64,
    /// The content that the entries compared have in their source.
    pub expected_bytes: u64,
    /// The size of the drive's file system.
    pub volume_bytes: u64,
    /// The number that the drive's manifest says it has.
    pub volume: Option<u32>,
    /// Whether the drive keeps records (a manifest or a journal).
    pub recorded: bool,
    /// Whether the drive is still being written.
    pub open: bool,
    /// Recorded digests that were checked.
    pub digests: u64,
    /// Whether a user-space program serves the drive: what was read back may be what it kept in memory.
    pub fuse: bool,
    /// Nanoseconds within which times counted as equal.
    pub window_ns: u64,
    /// Whether the drive answered with an error that only a failing or absent device gives.
    pub drive_failed: bool,
    /// The mount point of fstab at or above the output on which nothing is mounted.
    pub not_mounted: Option<Vec<u8>>,
    /// Roots of sources that are not there or have nothing in them (the first 16).
    pub absent_roots: Vec<Vec<u8>>,
    /// The entries that are not as they should be, by index.
    pub findings: Vec<Finding>,
    /// How many findings there are beyond those.
    pub more: u64,
    /// The entries that are not on this drive, by index.
    pub ranges: Vec<Elsewhere>,
}

/// Compares the entries `options.from <= index < options.to` of a job file with the drive at `output`.
///
/// # Errors
/// `Code::BadJobFile`, naming the line, and then no file of an entry was looked at; `Code::BadInput` for an
/// `output` that is no directory; `Code::BadFormat` when the drive's manifest or journal cannot be used;
/// `Code::DriveFailed` when flushing it fails; `Code::Cancelled`; `Code::Io`.
pub fn verify(
    job_file: &Path,
    output: &[u8],
    options: &Options,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Report> {
    let name = job_file.as_os_str().as_bytes();
    let mut job = open_job_file(job_file)?;
    // Once through without acting: whoever refuses a job file refuses all of it.
    let is_selected = |index: u64| index >= options.from && options.to.is_none_or(|to| index < to);
    let (mut files, mut bytes) = (0, 0_u64);
    let entries = jobfile::read(&job, name, &mut |entry, _| {
        if is_selected(entry.index) {
            files += 1;
            bytes = bytes.saturating_add(entry.bytes);
        }
        cancel.check()
    })?;
    progress.expect(files, bytes);

    let facts = volume::inspect(output)?;
    check_directory(&facts)?;
    let drive = Tree::new(sys::open_root(&facts.path)?);
    let records = Records::read(drive.root(), &facts.path, cancel)?;
    if options.checksum {
        // Pages that are not written yet cannot be dropped, and would be read instead of the drive.
        sys::sync_file_system(drive.root())
            .at("flushing", &facts.path)
            .map_err(|e| e.with_code(Code::DriveFailed))?;
    }
    let report = Report {
        entries,
        volume_bytes: facts.space.map_or(0, |s| s.total),
        volume: records.as_ref().and_then(|r| r.number),
        recorded: records.is_some(),
        open: records.as_ref().is_some_and(|r| r.open),
        fuse: facts.mount.as_ref().is_some_and(|m| m.mount.is_fuse()),
        window_ns: match options.modify_window_seconds {
            Some(seconds) => u64::from(seconds) * 1_000_000_000,
            None => time_step(facts.mount.as_ref(), facts.fs_uuid.as_deref()),
        },
        not_mounted: facts
            .fstab
            .filter(|line| !line.mounted)
            .map(|line| line.mount_point),
        ..Report::default()
    };
    let catalog = match &options.catalog {
        Some(path) => Some(Catalog::attach(path)?),
        None => None,
    };
    let mut check = Check::new(
        options.checksum,
        facts.path,
        drive,
        records,
        catalog,
        report,
    );
    job.seek(SeekFrom::Start(0)).at("reading", name)?;
    jobfile::read(&job, name, &mut |entry, _| {
        cancel.check()?;
        if is_selected(entry.index) {
            check.entry(&entry, cancel, progress)?;
        }
        Ok(())
    })?;
    Ok(check.into_report())
}

/// Opens a job file; never waits for the writer of a fifo.
fn open_job_file(path: &Path) -> Result<File> {
    let name = path.as_os_str().as_bytes();
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let file = File::options()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .at("opening the job file", name)?;
    let meta = sys::stat_fd(file.as_fd()).at("looking at", name)?;
    if meta.kind == crate::meta::Kind::File {
        return Ok(file);
    }
    let message = "a job file is a regular file (it is read twice)";
    Err(Error::new(Code::BadJobFile, "opening the job file", message).with_path(name))
}

fn check_directory(facts: &PathFacts) -> Result<()> {
    let message = match facts.found {
        Found::Directory => return Ok(()),
        Found::Missing { .. } => "there is no such directory",
        Found::Other(_) => "this is no directory",
        Found::Unreadable(errno) => {
            let mut e = Error::new(Code::Io, "opening", "").with_path(&facts.path);
            e.errno = Some(errno);
            return Err(e);
        }
    };
    Err(Error::new(Code::BadInput, "opening", message).with_path(&facts.path))
}

/// The step, in nanoseconds, in which the drive's file system keeps times.
pub(crate) fn time_step(mount: Option<&MountFacts>, uuid: Option<&str>) -> u64 {
    match mount.map_or(&b""[..], |m| &m.mount.fs_type[..]) {
        b"vfat" | b"msdos" | b"exfat" | b"fuse.exfat" => FAT_STEP,
        // exfat-fuse and ntfs-3g look the same; the serial number of a FAT has 4 bytes, that of NTFS has 8.
        // What cannot be told is taken as the coarser one.
        b"fuseblk" => match uuid {
            Some(uuid) if uuid.len() == 16 => NTFS_STEP,
            _ => FAT_STEP,
        },
        b"ntfs" | b"ntfs3" | b"cifs" | b"smb3" => NTFS_STEP,
        b"ext2" | b"ext3" | b"hfs" | b"hfsplus" => 1_000_000_000,
        _ => 0,
    }
}

/// FAT keeps even seconds.
pub(crate) const FAT_STEP: u64 = 2_000_000_000;

/// NTFS, and SMB with it, keeps tenths of a microsecond.
pub(crate) const NTFS_STEP: u64 = 100;

/// `dir/rel`.
fn join(dir: &[u8], rel: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if dir.ends_with(b"/") { b"" } else { b"/" };
    [dir, slash, rel].concat()
}

#[cfg(test)]
mod tests;
