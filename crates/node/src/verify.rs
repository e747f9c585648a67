//! The check of one drive by itself, as a job; its findings are read page by page.

use std::sync::{Mutex, PoisonError};

use multivolumecopy_core::filter::search::Patterns;
use multivolumecopy_core::format::verify::{SourceWord, Word};
use multivolumecopy_core::verify::lists::Wanted;
use multivolumecopy_core::verify::{self, Kept, Options, Report, Tables, Told, ToldInSource};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::to_napi;
use crate::job::{Started, spawn};
use crate::name::{FsName, path_of};

/// What to check, and how.
#[napi(object, object_to_js = false)]
pub struct VerifyOptionsJs {
    /// Where the drive is mounted.
    #[napi(ts_type = "string")]
    pub output: FsName,
    /// Only what one of these patterns matches; none: everything.
    #[napi(ts_type = "string[]")]
    pub patterns: Vec<FsName>,
    /// Only what was not checked for so many days.
    pub since: Option<f64>,
    /// Only so many percent of the bytes.
    pub sample: Option<f64>,
    /// The part that is asked for, in words; `all` for everything.
    #[napi(ts_type = "string")]
    pub scope: FsName,
    /// Threads that read; 0: as many as suit the drive.
    pub threads: u32,
    /// A check that was broken off is not gone on with.
    pub restart: bool,
    /// What is on the drive and not recorded is not looked for.
    pub one_way: bool,
    /// Where a check is kept while it goes on, where the drive can't be written.
    #[napi(ts_type = "string")]
    pub state: Option<FsName>,
    /// The host's catalog of the set.
    #[napi(ts_type = "string")]
    pub catalog: Option<FsName>,
    /// The file for the report.
    #[napi(ts_type = "string")]
    pub report: Option<FsName>,
    /// rclone's list of what is good.
    #[napi(ts_type = "string")]
    pub matched: Option<FsName>,
    /// rclone's list of what differs.
    #[napi(ts_type = "string")]
    pub differ: Option<FsName>,
    /// rclone's list of what is missing on the drive.
    #[napi(ts_type = "string")]
    pub missing_on_dst: Option<FsName>,
    /// rclone's list of what is on the drive alone.
    #[napi(ts_type = "string")]
    pub missing_on_src: Option<FsName>,
    /// rclone's list of what could not be read.
    #[napi(ts_type = "string")]
    pub error: Option<FsName>,
    /// rclone's list of everything.
    #[napi(ts_type = "string")]
    pub combined: Option<FsName>,
    /// The drive is compared with the sources of the set, too.
    pub against_source: bool,
}

impl From<VerifyOptionsJs> for Options {
    fn from(o: VerifyOptionsJs) -> Self {
        Options {
            patterns: None,
            // Casts saturate; the command line lets sensible numbers through only.
            since: o.since.map(|days| days as i64),
            sample: o.sample,
            scope: o.scope.0,
            threads: o.threads as usize,
            seeks: None,
            restart: o.restart,
            one_way: o.one_way,
            state: o.state.map(path_of),
            catalog: o.catalog.map(path_of),
            lists: Wanted {
                report: o.report.map(path_of),
                matched: o.matched.map(path_of),
                differ: o.differ.map(path_of),
                missing_on_dst: o.missing_on_dst.map(path_of),
                missing_on_src: o.missing_on_src.map(path_of),
                error: o.error.map(path_of),
                combined: o.combined.map(path_of),
            },
            against_source: o.against_source,
        }
    }
}

/// Findings of each word.
#[napi(object, object_from_js = false)]
pub struct VerifyCountsJs {
    /// Size and time as recorded, the content is not.
    pub corrupt: f64,
    /// Size, time, kind or target are not as recorded.
    pub changed: f64,
    /// Recorded and not there.
    pub missing: f64,
    /// There and not recorded.
    pub extra: f64,
    /// Could not be read.
    pub unreadable: f64,
    /// Our own files that are damaged.
    pub damaged: f64,
}

/// How the drive and the source compare.
#[napi(object, object_from_js = false)]
pub struct InSourceJs {
    /// The same on both sides.
    pub same: f64,
    /// The source has another version now.
    pub newer: f64,
    /// Not in the source any more.
    pub gone: f64,
    /// Other content under the same size and time.
    pub differs: f64,
    /// Could not be read in the source.
    pub unreadable: f64,
    /// Its source is not there.
    pub unseen: f64,
    /// Sources that are not there, or empty.
    #[napi(ts_type = "string[]")]
    pub absent: Vec<FsName>,
}

/// What a check found; sizes in bytes, times in seconds since 1970.
#[napi(object, object_from_js = false)]
pub struct VerifySummaryJs {
    /// The set's id.
    pub set_id: String,
    /// The set's name; empty when volume.json cannot be used.
    pub set_name: String,
    /// The volume's id.
    pub volume_id: String,
    /// The volume's number.
    pub number: u32,
    /// The volume's label; empty when volume.json cannot be used.
    pub label: String,
    /// How much it proves.
    #[napi(ts_type = "'same-session' | 'remounted' | 're-inserted'")]
    pub kind: &'static str,
    /// Whether a user-space program serves the drive.
    pub fuse: bool,
    /// Bytes that were in memory when they were read, in spite of being asked out of it.
    pub cached: f64,
    /// When it began.
    pub begun: f64,
    /// Files that an earlier start of it had looked at; absent when it began anew.
    pub resumed: Option<f64>,
    /// An earlier one was broken off and could not be gone on with.
    pub stale: bool,
    /// Everything was asked for.
    pub whole: bool,
    /// It was stopped.
    pub stopped: bool,
    /// Entries that were asked for.
    pub entries: f64,
    /// Files that were looked at.
    pub files: f64,
    /// Bytes that were read.
    pub bytes: f64,
    /// Files without a digest.
    pub size_only: f64,
    /// Entries that are only recorded.
    pub recorded_only: f64,
    /// What was found.
    pub counts: VerifyCountsJs,
    /// Of that: entries that are not good.
    pub bad: f64,
    /// A run on the drive was broken off, or goes on.
    pub journal: bool,
    /// The manifest could not be used.
    pub no_manifest: bool,
    /// Why the result could not be kept on the drive; absent when it was, or need not be.
    pub drive_fault: Option<String>,
    /// Whether it is kept on the drive.
    pub on_drive: bool,
    /// Why it could not be kept in the catalog.
    pub catalog_fault: Option<String>,
    /// Whether it is kept in the catalog.
    pub in_catalog: bool,
    /// How it compares with the source; absent when that was not asked for.
    pub in_source: Option<InSourceJs>,
}

/// One finding.
#[napi(object, object_from_js = false)]
pub struct VerifyFindingJs {
    /// Its path below the drive's root, with a slash at its end for a directory.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// What is wrong.
    #[napi(ts_type = "'corrupt' | 'changed' | 'missing' | 'extra' | 'unreadable' | 'damaged'")]
    pub word: &'static str,
    /// The errno of what could not be read.
    pub errno: Option<i32>,
    /// In words, without names; empty for what an earlier start of the check found.
    pub why: String,
}

impl From<Told> for VerifyFindingJs {
    fn from(told: Told) -> Self {
        VerifyFindingJs {
            path: FsName(told.finding.path),
            word: told.finding.word.as_str(),
            errno: told.finding.errno,
            why: told.why,
        }
    }
}

/// What was found of one entry in its source.
#[napi(object, object_from_js = false)]
pub struct InSourceFindingJs {
    /// Its path below the drive's root, with a slash at its end for a directory.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// What was found.
    #[napi(ts_type = "'newer' | 'gone' | 'differs' | 'source-unreadable' | 'unseen'")]
    pub word: &'static str,
    /// The errno of what could not be read.
    pub errno: Option<i32>,
    /// In words, without names; empty for what an earlier start of the check found.
    pub why: String,
}

impl From<ToldInSource> for InSourceFindingJs {
    fn from(told: ToldInSource) -> Self {
        InSourceFindingJs {
            path: FsName(told.found.path),
            word: told.found.word.as_str(),
            errno: told.found.errno,
            why: told.why,
        }
    }
}

/// A check that is over.
#[napi]
pub struct VerifyResult {
    summary: Mutex<Option<VerifySummaryJs>>,
    tables: Mutex<Tables>,
}

#[napi]
impl VerifyResult {
    /// What it found in numbers; once.
    #[napi(catch_unwind)]
    pub fn summary(&self) -> Option<VerifySummaryJs> {
        self.summary
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// A page of findings in path order, after the path `after`; from the first one without it.
    ///
    /// # Errors
    /// `IO` when the temporary file cannot be read.
    #[napi(catch_unwind)]
    pub fn findings(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "string | undefined | null")] after: Option<FsName>,
        limit: u32,
    ) -> Result<Vec<VerifyFindingJs>> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let page = tables.told(after.as_ref().map(|name| &name.0[..]), limit);
        let page = page.map_err(|e| to_napi(env, &e))?;
        Ok(page.into_iter().map(VerifyFindingJs::from).collect())
    }
}

#[napi]
impl VerifyResult {
    /// A page of what was found in the source, as [`VerifyResult::findings`].
    ///
    /// # Errors
    /// `IO` when the temporary file cannot be read.
    #[napi(catch_unwind)]
    pub fn in_source(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "string | undefined | null")] after: Option<FsName>,
        limit: u32,
    ) -> Result<Vec<InSourceFindingJs>> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let page = tables.in_source(after.as_ref().map(|name| &name.0[..]), limit);
        let page = page.map_err(|e| to_napi(env, &e))?;
        Ok(page.into_iter().map(InSourceFindingJs::from).collect())
    }
}

fn fault(kept: &Kept) -> Option<String> {
    match kept {
        Kept::Failed(why) => Some(why.clone()),
        Kept::Yes | Kept::No => None,
    }
}

impl From<Report> for VerifyResult {
    fn from(r: Report) -> Self {
        let count = |word| r.counts.of(word) as f64;
        let summary = VerifySummaryJs {
            counts: VerifyCountsJs {
                corrupt: count(Word::Corrupt),
                changed: count(Word::Changed),
                missing: count(Word::Missing),
                extra: count(Word::Extra),
                unreadable: count(Word::Unreadable),
                damaged: count(Word::Damaged),
            },
            bad: r.counts.bad() as f64,
            drive_fault: fault(&r.on_drive),
            on_drive: r.on_drive == Kept::Yes,
            catalog_fault: fault(&r.in_catalog),
            in_catalog: r.in_catalog == Kept::Yes,
            set_id: r.set.0,
            set_name: r.set.1,
            volume_id: r.volume.0,
            number: r.volume.1,
            label: r.volume.2,
            kind: r.kind.as_str(),
            fuse: r.fuse,
            cached: r.cached as f64,
            begun: r.begun as f64,
            resumed: r.resumed.map(|n| n as f64),
            stale: r.stale,
            whole: r.whole,
            stopped: r.stopped,
            entries: r.entries as f64,
            files: r.files as f64,
            bytes: r.bytes as f64,
            size_only: r.size_only as f64,
            recorded_only: r.recorded_only as f64,
            journal: r.journal,
            no_manifest: r.no_manifest,
            in_source: r.in_source.map(|(counts, absent)| {
                let count = |word| counts.of(word) as f64;
                InSourceJs {
                    same: counts.same as f64,
                    newer: count(SourceWord::Newer),
                    gone: count(SourceWord::Gone),
                    differs: count(SourceWord::Differs),
                    unreadable: count(SourceWord::Unreadable),
                    unseen: count(SourceWord::Unseen),
                    absent: absent.into_iter().map(FsName).collect(),
                }
            }),
        };
        VerifyResult {
            summary: Mutex::new(Some(summary)),
            tables: Mutex::new(r.tables),
        }
    }
}

/// Checks one drive by itself. A stop resolves too: the summary says so.
///
/// Rejects with `BAD_INPUT` for what is no drive of ours or a pattern that makes no sense, `BAD_FORMAT` for a
/// drive that nothing can be told of, `DRIVE_FAILED`, `DRIVE_CHANGED`, `CANCELLED` before the first file, `IO`.
#[napi(
    catch_unwind,
    ts_return_type = "{ job: Job; done: Promise<VerifyResult> }"
)]
pub fn verify_drive(env: &Env, options: VerifyOptionsJs) -> Result<Started<'_>> {
    spawn(env, "mvc-verify", move |cancel, progress| {
        let mut options = options;
        let output = std::mem::take(&mut options.output).0;
        let given: Vec<Vec<u8>> = std::mem::take(&mut options.patterns)
            .into_iter()
            .map(|p| p.0)
            .collect();
        let mut settings = Options::from(options);
        if !given.is_empty() {
            settings.patterns = Some(Patterns::new(&given, Default::default())?);
        }
        verify::verify(&output, &settings, cancel, progress).map(VerifyResult::from)
    })
}
