//! The seed's check of a drive against a job file, as a job.

use multivolumecopy_core::seedverify::{self, Elsewhere, Finding, Options, Report};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::job::{Started, spawn};
use crate::name::{FsName, path_of};

/// What to compare with what.
#[napi(object, object_to_js = false)]
pub struct SeedVerifyOptionsJs {
    /// The job file.
    #[napi(ts_type = "string")]
    pub job_file: FsName,
    /// Where the drive is mounted.
    #[napi(ts_type = "string")]
    pub output: FsName,
    /// The first index that is looked at.
    pub from: f64,
    /// The index after the last one; absent: to the end.
    pub to: Option<f64>,
    /// Whether the content is compared too.
    pub checksum: bool,
    /// Times no further apart count as equal; absent: what the drive's file system can tell apart.
    pub modify_window_seconds: Option<u32>,
    /// The host's catalog of the drive's set, to tell on which drive the others are.
    #[napi(ts_type = "string")]
    pub catalog: Option<FsName>,
}

/// One entry that is not as it should be.
#[napi(object, object_from_js = false)]
pub struct SeedFindingJs {
    /// What is wrong with it.
    #[napi(ts_type = "'different' | 'missing' | 'unreadable'")]
    pub kind: &'static str,
    /// Its index in the job file.
    pub index: f64,
    /// Where it comes from.
    #[napi(ts_type = "string")]
    pub src: FsName,
    /// Where it was looked for.
    #[napi(ts_type = "string")]
    pub dst: FsName,
    /// In words, without names.
    pub why: String,
}

/// Entries in a row that are not on this drive.
#[napi(object, object_from_js = false)]
pub struct ElsewhereJs {
    /// The first index.
    pub first: f64,
    /// The last index, included.
    pub last: f64,
    /// The drive that has them; absent if unknown.
    pub volume: Option<u32>,
}

/// What the check found; sizes in bytes.
#[napi(object, object_from_js = false)]
pub struct SeedReportJs {
    /// Entries in the job file.
    pub entries: f64,
    /// Entries in the range.
    pub selected: f64,
    /// Entries whose source is gone; they were passed over.
    pub gone: f64,
    /// Entries that are not on this drive by what the drive says.
    pub elsewhere: f64,
    /// Entries that were compared.
    pub compared: f64,
    /// Entries that differ.
    pub different: f64,
    /// Entries that the drive should have and does not.
    pub missing: f64,
    /// Entries that could not be compared.
    pub unreadable: f64,
    /// The content of the files that were found on the drive.
    pub backup_bytes: f64,
    /// The content that the entries compared have in their source.
    pub expected_bytes: f64,
    /// The size of the drive's file system.
    pub volume_bytes: f64,
    /// The number that the drive's manifest says it has.
    pub volume: Option<u32>,
    /// Whether the drive keeps records.
    pub recorded: bool,
    /// Whether the drive is still being written.
    pub open: bool,
    /// Recorded digests that were checked.
    pub digests: f64,
    /// Whether a user-space program serves the drive.
    pub fuse: bool,
    /// Whether the drive answered with an error that only a failing or absent device gives.
    pub drive_failed: bool,
    /// The mount point of fstab on which nothing is mounted.
    #[napi(ts_type = "string")]
    pub not_mounted: Option<FsName>,
    /// Roots of sources that are not there or have nothing in them.
    #[napi(ts_type = "string[]")]
    pub absent_roots: Vec<FsName>,
    /// The entries that are not as they should be, by index; at most 100,000.
    pub findings: Vec<SeedFindingJs>,
    /// How many there are beyond those.
    pub more: f64,
    /// The entries that are not on this drive, by index; at most 10,000 ranges.
    pub ranges: Vec<ElsewhereJs>,
}

impl From<Finding> for SeedFindingJs {
    fn from(f: Finding) -> Self {
        SeedFindingJs {
            kind: f.kind.as_str(),
            index: f.index as f64,
            src: FsName(f.src),
            dst: FsName(f.dst),
            why: f.why,
        }
    }
}

impl From<Elsewhere> for ElsewhereJs {
    fn from(e: Elsewhere) -> Self {
        ElsewhereJs {
            first: e.first as f64,
            last: e.last as f64,
            volume: e.volume,
        }
    }
}

impl From<Report> for SeedReportJs {
    fn from(r: Report) -> Self {
        SeedReportJs {
            entries: r.entries as f64,
            selected: r.selected as f64,
            gone: r.gone as f64,
            elsewhere: r.elsewhere as f64,
            compared: r.compared as f64,
            different: r.different as f64,
            missing: r.missing as f64,
            unreadable: r.unreadable as f64,
            backup_bytes: r.backup_bytes as f64,
            expected_bytes: r.expected_bytes as f64,
            volume_bytes: r.volume_bytes as f64,
            volume: r.volume,
            recorded: r.recorded,
            open: r.open,
            digests: r.digests as f64,
            fuse: r.fuse,
            drive_failed: r.drive_failed,
            not_mounted: r.not_mounted.map(FsName),
            absent_roots: r.absent_roots.into_iter().map(FsName).collect(),
            findings: r.findings.into_iter().map(Into::into).collect(),
            more: r.more as f64,
            ranges: r.ranges.into_iter().map(Into::into).collect(),
        }
    }
}

/// Compares a range of a job file's entries with a drive.
///
/// Rejects with `BAD_JOB_FILE` (naming the line), `BAD_INPUT` for an output that is no directory,
/// `BAD_FORMAT` for records on the drive that cannot be used, `DRIVE_FAILED`, `CANCELLED`, `IO`.
#[napi(ts_return_type = "{ job: Job; done: Promise<SeedReportJs> }")]
pub fn seed_verify(env: &Env, options: SeedVerifyOptionsJs) -> Result<Started<'_>> {
    spawn(env, "mvc-verify", move |cancel, progress| {
        let settings = Options {
            // A cast saturates; the command line lets whole numbers from 0 to 2^53 through only.
            from: options.from as u64,
            to: options.to.map(|to| to as u64),
            checksum: options.checksum,
            modify_window_seconds: options.modify_window_seconds,
            catalog: options.catalog.map(path_of),
        };
        let job_file = path_of(options.job_file);
        seedverify::verify(&job_file, &options.output.0, &settings, cancel, progress)
            .map(SeedReportJs::from)
    })
}
