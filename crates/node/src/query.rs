//! Questions to a set over the boundary: what is where, and how it stands.
//!
//! A search runs on a thread of its own and hands out one page of hits after the other, each when it is asked
//! for; no list of files is ever held. Questions to a catalog open it beside whoever writes it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use multivolumecopy_core::CancelToken;
use multivolumecopy_core::catalog::query::Hit;
use multivolumecopy_core::catalog::{self, status::Held};
use multivolumecopy_core::engine::report::{self, Report};
use multivolumecopy_core::error::{Code, Error as CoreError, Result as CoreResult};
use multivolumecopy_core::filter::search::{Patterns, Reading};
use multivolumecopy_core::format::item::{Digest, push_time};
use multivolumecopy_core::meta::Time;
use multivolumecopy_core::volume::lists::DriveLists;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::to_napi;
use crate::job::{Started, spawn};
use crate::mirror::{AmountJs, VolumeJs};
use crate::name::{FsName, path_of};

/// Hits of a page.
pub(crate) const PAGE: usize = 1000;

/// One copy of one entry that was found, or the lack of one.
#[napi(object, object_from_js = false)]
pub struct HitJs {
    /// The path below the drives' root; of what was renamed, its path on the drive.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// What it is.
    #[napi(ts_type = "'file' | 'dir' | 'symlink' | 'fifo' | 'socket' | 'char' | 'block'")]
    pub kind: &'static str,
    /// Bytes of its content.
    pub size: f64,
    /// Seconds since 1970, for display.
    pub seconds: f64,
    /// The same exactly, as the formats on the drive have it.
    pub mtime: String,
    /// `sha256:` or `blake3:` and 64 hex digits.
    pub digest: Option<String>,
    /// The number of the volume that holds it, 0 = none.
    pub volume: u32,
    /// How it stands to the source.
    #[napi(
        ts_type = "'current' | 'older' | 'other' | 'gone' | 'renamed' | 'not-backed-up' | 'lost' | 'planned'"
    )]
    pub standing: &'static str,
    /// Of what was renamed: its path in the source.
    #[napi(ts_type = "string")]
    pub now: Option<FsName>,
    /// False: only recorded, the drive's file system could not hold it.
    pub stored: bool,
    /// Its path on the drive, where that is not its own.
    #[napi(ts_type = "string")]
    pub there: Option<FsName>,
}

pub(crate) fn digest_text(digest: Option<Digest>) -> Option<String> {
    digest.map(|d| {
        let mut text = format!("{}:", d.algorithm.as_str()).into_bytes();
        d.push_hex(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

pub(crate) fn time_text(time: Time) -> String {
    let mut text = Vec::new();
    push_time(&mut text, time);
    String::from_utf8_lossy(&text).into_owned()
}

impl From<Hit> for HitJs {
    fn from(h: Hit) -> Self {
        HitJs {
            path: FsName(h.path),
            kind: h.kind.as_str(),
            size: h.size as f64,
            seconds: h.mtime.sec as f64,
            mtime: time_text(h.mtime),
            digest: digest_text(h.digest),
            volume: h.volume,
            standing: h.standing.as_str(),
            now: h.now.map(FsName),
            stored: h.stored,
            there: h.there.map(FsName),
        }
    }
}

/// What to look for.
#[napi(object)]
pub struct PatternsJs {
    /// The patterns; one of them has to match.
    #[napi(ts_type = "string[]")]
    pub patterns: Vec<FsName>,
    /// They are regular expressions.
    pub regex: bool,
    /// Upper and lower case are the same.
    pub ignore_case: bool,
}

fn patterns_of(given: PatternsJs) -> CoreResult<Patterns> {
    let patterns: Vec<Vec<u8>> = given.patterns.into_iter().map(|p| p.0).collect();
    let reading = Reading {
        regex: given.regex,
        ignore_case: given.ignore_case,
    };
    Patterns::new(&patterns, reading)
}

type Settle = Box<dyn FnOnce(CoreResult<Option<Vec<Hit>>>) + Send>;

/// A search that is going on.
#[napi]
pub struct SearchSession {
    wanted: Mutex<Option<Sender<Settle>>>,
    cancel: CancelToken,
}

#[napi]
impl SearchSession {
    /// Promises the next page of hits, never an empty one; `null` at the end.
    #[napi(catch_unwind, ts_return_type = "Promise<HitJs[] | null>")]
    pub fn next<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        let settle: Settle = Box::new(move |outcome| {
            deferred.resolve(move |env: Env| match outcome {
                Ok(page) => Ok(page.map(|p| p.into_iter().map(HitJs::from).collect::<Vec<_>>())),
                Err(e) => Err(to_napi(&env, &e)),
            });
        });
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = wanted.as_ref().is_some_and(|w| w.send(settle).is_ok());
        match sent {
            true => Ok(promise),
            false => {
                let over = CoreError::new(Code::Internal, "searching", "this search is over");
                Err(to_napi(env, &over))
            }
        }
    }

    /// Ends it early. A page that was asked for is rejected as cancelled, or comes.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.cancel.now();
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Hands pages to whoever asks for them.
struct Pages {
    wanted: Receiver<Settle>,
}

impl Pages {
    fn give(&self, page: Vec<Hit>) -> CoreResult<()> {
        let settle = self.wanted.recv().map_err(|_| CoreError::cancelled())?;
        settle(Ok(Some(page)));
        Ok(())
    }

    fn end(&self, outcome: CoreResult<()>) {
        if let Ok(settle) = self.wanted.recv() {
            settle(outcome.map(|()| None));
        }
    }
}

fn start(
    env: &Env,
    work: impl FnOnce(&CancelToken, &Pages) -> CoreResult<()> + Send + 'static,
) -> Result<SearchSession> {
    let (wanted, asked) = channel::<Settle>();
    let cancel = CancelToken::new();
    let token = cancel.clone();
    thread::Builder::new()
        .name("mvc-search".to_owned())
        .spawn(move || {
            let pages = Pages { wanted: asked };
            let outcome = work(&token, &pages);
            pages.end(outcome);
        })
        .map_err(|e| {
            to_napi(
                env,
                &CoreError::io("starting a thread for", b"the search", &e),
            )
        })?;
    Ok(SearchSession {
        wanted: Mutex::new(Some(wanted)),
        cancel,
    })
}

/// Searches a catalog. Nothing is locked and nothing written.
///
/// # Errors
/// `BAD_INPUT` for a pattern that makes no sense; what the catalog answers comes with the pages.
#[napi(catch_unwind)]
pub fn search_catalog(
    env: &Env,
    #[napi(ts_arg_type = "string")] file: FsName,
    given: PatternsJs,
) -> Result<SearchSession> {
    let patterns = patterns_of(given).map_err(|e| to_napi(env, &e))?;
    start(env, move |cancel, pages| {
        let catalog = catalog::Catalog::open_to_read(&path_of(file))?;
        let mut search = catalog.search(&patterns)?;
        loop {
            let hits = search.page(PAGE, cancel)?;
            if hits.is_empty() {
                return Ok(());
            }
            pages.give(hits)?;
        }
    })
}

/// Searches the lists that a drive carries. Nothing is written.
///
/// # Errors
/// As [`search_catalog`].
#[napi(catch_unwind)]
pub fn search_drive(
    env: &Env,
    #[napi(ts_arg_type = "string")] output: FsName,
    given: PatternsJs,
) -> Result<SearchSession> {
    let patterns = patterns_of(given).map_err(|e| to_napi(env, &e))?;
    start(env, move |cancel, pages| {
        let lists = DriveLists::open(&output.0)?;
        let mut page = Vec::new();
        lists.search(&patterns, cancel, &mut |hit| {
            page.push(hit);
            match page.len() {
                PAGE.. => pages.give(std::mem::take(&mut page)),
                _ => Ok(()),
            }
        })?;
        match page.is_empty() {
            true => Ok(()),
            false => pages.give(page),
        }
    })
}

/// What a drive's own lists say of the set.
#[napi(object, object_from_js = false)]
pub struct DriveListsJs {
    /// The set's id.
    pub set_id: String,
    /// The set's name.
    pub set_name: String,
    /// The number of the drive itself.
    pub number: u32,
    /// What is written on its case.
    pub label: String,
    /// When its list of the whole set was written, seconds since 1970; absent when it has none.
    pub date: Option<f64>,
    /// Whether it has a manifest.
    pub has_manifest: bool,
    /// Whether a run on it was broken off: it may hold more than its lists say.
    pub has_journal: bool,
    /// The drives of the set, as its list has them.
    pub volumes: Vec<ListedVolumeJs>,
}

/// A drive as another drive's list has it.
#[napi(object, object_from_js = false)]
pub struct ListedVolumeJs {
    /// Its number in the set.
    pub number: u32,
    /// What is written on its case.
    pub label: String,
    /// What became of it: empty while it is in use.
    #[napi(ts_type = "'' | 'retired' | 'lost'")]
    pub fate: String,
}

/// Looks at the lists that a drive carries.
///
/// # Errors
/// `BAD_FORMAT`, `IO`.
#[napi(
    catch_unwind,
    ts_return_type = "{ job: Job; done: Promise<DriveListsJs> }"
)]
pub fn drive_lists<'env>(
    env: &'env Env,
    #[napi(ts_arg_type = "string")] output: FsName,
) -> Result<Started<'env>> {
    spawn(env, "mvc-lists", move |_, _| {
        let lists = DriveLists::open(&output.0)?;
        Ok(DriveListsJs {
            set_id: lists.identity.set.id,
            set_name: lists.identity.set.name,
            number: lists.identity.volume.number,
            label: lists.identity.volume.label,
            date: lists.date.map(|d| d as f64),
            has_manifest: lists.has_manifest,
            has_journal: lists.has_journal,
            volumes: lists
                .volumes
                .into_iter()
                .map(|v| ListedVolumeJs {
                    number: v.number,
                    label: v.label,
                    fate: v.fate,
                })
                .collect(),
        })
    })
}

/// What a drive holds, in numbers.
#[napi(object, object_from_js = false)]
pub struct HeldJs {
    /// The drive.
    pub volume: VolumeJs,
    /// All regular files on it.
    pub all: AmountJs,
    /// Of these: removed from the source.
    pub gone: AmountJs,
    /// Of these: under another name in the source now.
    pub renamed: AmountJs,
    /// Of these: older versions of what another drive has.
    pub superseded: AmountJs,
    /// Of these: in no source, and on no other drive.
    pub alone: AmountJs,
    /// Whether it carries no list of the whole set, or one that is not up to date.
    pub stale_list: bool,
}

/// The last run.
#[napi(object, object_from_js = false)]
pub struct LastRunJs {
    /// Its number.
    pub id: f64,
    /// Seconds since 1970.
    pub started: f64,
    /// Seconds since 1970; absent while it goes on, and when it was killed.
    pub ended: Option<f64>,
    /// `exit N`, or `broken off`.
    pub outcome: Option<String>,
}

/// The state of a set in numbers.
#[napi(object, object_from_js = false)]
pub struct StatusJs {
    /// Regular files in the sources.
    pub source: AmountJs,
    /// Of these: what waits for a copy.
    pub waiting: AmountJs,
    /// Of what waits: what was tried and failed.
    pub failed: AmountJs,
    /// Of what waits: what a retired drive holds.
    pub on_retired: AmountJs,
    /// Directories, links and special files that wait for a copy.
    pub waiting_others: f64,
    /// Copies of each file that are wanted.
    pub copies: f64,
    /// Several are wanted, or were.
    pub several: bool,
    /// Files on fewer drives than that.
    pub fewer: AmountJs,
    /// Files that are lost for good.
    pub lost: AmountJs,
    /// The last run; absent when there was none.
    pub last_run: Option<LastRunJs>,
    /// The drives, by number.
    pub volumes: Vec<HeldJs>,
}

pub(crate) fn amount(a: catalog::status::Amount) -> AmountJs {
    AmountJs {
        files: a.files as f64,
        bytes: a.bytes as f64,
    }
}

impl From<Held> for HeldJs {
    fn from(h: Held) -> Self {
        HeldJs {
            volume: h.volume.into(),
            all: amount(h.all),
            gone: amount(h.gone),
            renamed: amount(h.renamed),
            superseded: amount(h.superseded),
            alone: amount(h.alone),
            stale_list: h.stale_list,
        }
    }
}

/// Sums a set up, beside whoever writes its catalog.
///
/// # Errors
/// `CATALOG_DAMAGED`, `CATALOG_NEWER`, `IO`, `CANCELLED`.
#[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<StatusJs> }")]
pub fn status_of<'env>(
    env: &'env Env,
    #[napi(ts_arg_type = "string")] file: FsName,
) -> Result<Started<'env>> {
    spawn(env, "mvc-status", move |cancel, _| {
        let s = catalog::Catalog::open_to_read(&path_of(file))?.status(cancel)?;
        Ok(StatusJs {
            source: amount(s.source),
            waiting: amount(s.waiting),
            failed: amount(s.failed),
            on_retired: amount(s.on_retired),
            waiting_others: s.waiting_others as f64,
            copies: s.copies as f64,
            several: s.several,
            fewer: amount(s.fewer),
            lost: amount(s.lost),
            last_run: s.last_run.map(|r| LastRunJs {
                id: r.id as f64,
                started: r.started as f64,
                ended: r.ended.map(|t| t as f64),
                outcome: r.outcome,
            }),
            volumes: s.volumes.into_iter().map(HeldJs::from).collect(),
        })
    })
}

/// The drives of a set, beside whoever writes its catalog.
///
/// # Errors
/// `CATALOG_DAMAGED`, `CATALOG_NEWER`, `IO`.
#[napi(catch_unwind)]
pub fn volumes_of(
    env: &Env,
    #[napi(ts_arg_type = "string")] file: FsName,
) -> Result<Vec<VolumeJs>> {
    let volumes = catalog::Catalog::open_to_read(&path_of(file)).and_then(|c| c.volumes());
    let volumes = volumes.map_err(|e| to_napi(env, &e))?;
    Ok(volumes.into_iter().map(VolumeJs::from).collect())
}

/// What became of a report.
#[napi(object, object_from_js = false)]
pub struct ReportJs {
    /// Bytes of the file; absent: something else is there, and was left alone.
    pub bytes: Option<f64>,
    /// Entries that it tells of.
    pub entries: f64,
}

/// Writes the set as a page, beside whoever writes its catalog.
///
/// # Errors
/// `CATALOG_DAMAGED`, `CATALOG_NEWER`, `IO`, `CANCELLED`.
#[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<ReportJs> }")]
pub fn write_report<'env>(
    env: &'env Env,
    #[napi(ts_arg_type = "string")] file: FsName,
    #[napi(ts_arg_type = "string")] to: FsName,
    replace: bool,
    tool: String,
) -> Result<Started<'env>> {
    spawn(env, "mvc-report", move |cancel, _| {
        let catalog = catalog::Catalog::open_to_read(&path_of(file))?;
        Ok(
            match report::write(&catalog, &to.0, replace, &tool, cancel)? {
                Report::Written(bytes, entries) => ReportJs {
                    bytes: Some(bytes as f64),
                    entries: entries as f64,
                },
                Report::Exists => ReportJs {
                    bytes: None,
                    entries: 0.0,
                },
            },
        )
    })
}
