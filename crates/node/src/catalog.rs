//! The catalog over the boundary: small questions at once, long work as jobs on connections of their own.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use multivolumecopy_core::catalog::scan::Sameness;
use multivolumecopy_core::catalog::{self, SetInfo};
use multivolumecopy_core::error::{Code, Error as CoreError, Result as CoreResult};
use multivolumecopy_core::filter::FileList;
use multivolumecopy_core::meta::Kind;
use multivolumecopy_core::{sys, walk};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::changes::{self, Scanned};
use crate::error::to_napi;
use crate::job::{Started, spawn};
use crate::mirror::{
    AmountJs, PathNumberJs, RuleJs, SamenessJs, ScanOptionsJs, SetJs, SourceJs, VolumeJs, tally_js,
};
use crate::name::{FsName, path_of};
use crate::rules::filter_of;

/// An open catalog, locked against other processes until it is closed.
#[napi]
pub struct Catalog {
    inner: Mutex<Option<catalog::Catalog>>,
    path: PathBuf,
}

/// The distinct roots that the sources of a job file have; reads it to the end and refuses it whole.
///
/// # Errors
/// `BAD_JOB_FILE` naming the line, `IO`, `CANCELLED`.
#[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<string[]> }")]
pub fn job_file_roots<'env>(
    env: &'env Env,
    #[napi(ts_arg_type = "string")] file: FsName,
) -> Result<Started<'env>> {
    spawn(env, "mvc-jobfile", move |cancel, _| {
        let roots = catalog::jobs::roots(&path_of(file), cancel)?;
        Ok(roots.into_iter().map(FsName).collect::<Vec<_>>())
    })
}

#[napi]
impl Catalog {
    /// Makes a new catalog.
    #[napi(factory, catch_unwind)]
    pub fn create(
        env: &Env,
        #[napi(ts_arg_type = "string")] path: FsName,
        set: SetJs,
    ) -> Result<Catalog> {
        let path = path_of(path);
        let info = SetInfo {
            id: set.id,
            name: set.name,
            created: set.created as i64,
        };
        let inner = catalog::Catalog::create(&path, &info).map_err(|e| to_napi(env, &e))?;
        Ok(Catalog {
            inner: Mutex::new(Some(inner)),
            path,
        })
    }

    /// Opens a catalog and locks it.
    #[napi(factory, catch_unwind)]
    pub fn open(env: &Env, #[napi(ts_arg_type = "string")] path: FsName) -> Result<Catalog> {
        let path = path_of(path);
        let inner = catalog::Catalog::open(&path).map_err(|e| to_napi(env, &e))?;
        Ok(Catalog {
            inner: Mutex::new(Some(inner)),
            path,
        })
    }

    /// Closes it and gives the lock back. Jobs that run on it end as they will.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<catalog::Catalog>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn with<T>(
        &self,
        env: &Env,
        f: impl FnOnce(&catalog::Catalog) -> CoreResult<T>,
    ) -> Result<T> {
        let guard = self.lock();
        let closed = || CoreError::new(Code::Internal, "using the catalog", "it is closed");
        guard
            .as_ref()
            .ok_or_else(closed)
            .and_then(f)
            .map_err(|e| to_napi(env, &e))
    }

    /// What set it is about.
    #[napi(catch_unwind)]
    pub fn set_info(&self, env: &Env) -> Result<SetJs> {
        self.with(env, |c| {
            c.set_info().map(|s| SetJs {
                id: s.id,
                name: s.name,
                created: s.created as f64,
            })
        })
    }

    /// The sources of the set.
    #[napi(catch_unwind)]
    pub fn sources(&self, env: &Env) -> Result<Vec<SourceJs>> {
        self.with(env, |c| {
            Ok(c.sources()?.into_iter().map(source_js).collect())
        })
    }

    /// Adds a source and gives its number.
    #[napi(catch_unwind)]
    pub fn add_source(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "string")] path: FsName,
        #[napi(ts_arg_type = "string")] prefix: FsName,
        is_file: bool,
        fsid: String,
    ) -> Result<f64> {
        self.with(env, |c| {
            Ok(c.add_source(&path.0, &prefix.0, is_file, &fsid)? as f64)
        })
    }

    /// Notes which file system a source is on.
    #[napi(catch_unwind)]
    pub fn set_source_fsid(&self, env: &Env, id: f64, fsid: String) -> Result<()> {
        self.with(env, |c| c.set_source_fsid(id as i64, &fsid))
    }

    /// The volumes of the set.
    #[napi(catch_unwind)]
    pub fn volumes(&self, env: &Env) -> Result<Vec<VolumeJs>> {
        self.with(env, |c| {
            Ok(c.volumes()?.into_iter().map(VolumeJs::from).collect())
        })
    }

    /// Every place where a volume of the set has been mounted on this host.
    #[napi(catch_unwind, ts_return_type = "string[]")]
    pub fn places(&self, env: &Env) -> Result<Vec<FsName>> {
        self.with(env, |c| Ok(c.places()?.into_iter().map(FsName).collect()))
    }

    /// Adds a volume or replaces what is known of it.
    #[napi(catch_unwind)]
    pub fn put_volume(&self, env: &Env, volume: VolumeJs) -> Result<()> {
        self.with(env, |c| c.put_volume(&volume.into()))
    }

    /// Starts a run and gives its number.
    #[napi(catch_unwind)]
    pub fn begin_run(&self, env: &Env, now: f64) -> Result<f64> {
        self.with(env, |c| Ok(c.begin_run(now as i64)? as f64))
    }

    /// Notes how a run ended.
    #[napi(catch_unwind)]
    pub fn end_run(&self, env: &Env, run: f64, now: f64, outcome: String) -> Result<()> {
        self.with(env, |c| c.end_run(run as i64, now as i64, &outcome))
    }

    /// Takes back what a run marked as gone below a source.
    #[napi(catch_unwind)]
    pub fn forget_gone(&self, env: &Env, run: f64, source: f64) -> Result<()> {
        self.with(env, |c| c.forget_gone(run as i64, source as i64))
    }

    /// Drops entries that are gone and that no drive holds.
    #[napi(catch_unwind)]
    pub fn drop_gone_unplaced(&self, env: &Env) -> Result<()> {
        self.with(env, |c| c.drop_gone_unplaced())
    }

    /// What is gone from the sources and still on drives.
    #[napi(catch_unwind)]
    pub fn gone_on_volumes(&self, env: &Env) -> Result<AmountJs> {
        self.with(env, |c| {
            let (files, bytes) = c.gone_on_volumes()?;
            Ok(AmountJs {
                files: files as f64,
                bytes: bytes as f64,
            })
        })
    }

    /// The first paths of these, with the number of the volume that holds each.
    #[napi(catch_unwind)]
    pub fn gone_paths(&self, env: &Env, limit: u32) -> Result<Vec<PathNumberJs>> {
        self.with(env, |c| {
            Ok(c.gone_paths(limit as usize)?
                .into_iter()
                .map(|(path, volume)| PathNumberJs {
                    path: FsName(path),
                    value: volume.into(),
                })
                .collect())
        })
    }

    /// The first entries that the stored plan gives to a volume (0: what fits nowhere), with their sizes.
    #[napi(catch_unwind)]
    pub fn planned(
        &self,
        env: &Env,
        run: f64,
        volume: u32,
        limit: u32,
    ) -> Result<Vec<PathNumberJs>> {
        self.with(env, |c| {
            Ok(c.planned(run as i64, volume, limit as usize)?
                .into_iter()
                .map(|(path, size)| PathNumberJs {
                    path: FsName(path),
                    value: size as f64,
                })
                .collect())
        })
    }

    /// Regular files on a volume, counted.
    #[napi(catch_unwind)]
    pub fn count_volume(&self, env: &Env, number: u32) -> Result<AmountJs> {
        self.with(env, |c| {
            let (files, bytes) = c.count_volume(number)?;
            Ok(AmountJs {
                files: files as f64,
                bytes: bytes as f64,
            })
        })
    }

    /// Walks sources and merges what is found.
    #[napi(
        catch_unwind,
        ts_return_type = "{ job: Job; done: Promise<TallyJs[]> }"
    )]
    pub fn scan<'env>(&self, env: &'env Env, options: ScanOptionsJs) -> Result<Started<'env>> {
        let path = self.path.clone();
        spawn(env, "mvc-scan", move |cancel, progress| {
            let catalog = catalog::Catalog::attach(&path)?;
            let filter = filter_of(options.rules)?;
            let list = match options.files_from {
                None => None,
                Some(name) => {
                    let file = path_of(name);
                    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(file.as_os_str()).to_vec();
                    let text = std::fs::read(&file)
                        .map_err(|e| CoreError::io("reading the list", &bytes, &e))?;
                    Some(FileList::parse(&text, options.nul_separated)?)
                }
            };
            let same = (&options.same).into();
            let mut scanned = Vec::new();
            catalog.forget_to_compare()?;
            for source in catalog.sources()? {
                if !options.sources.contains(&(source.id as f64)) {
                    continue;
                }
                let walk_options = walk::Options {
                    threads: options.threads as usize,
                    one_file_system: options.one_file_system,
                    filter: &filter,
                    list: list.as_ref(),
                    skip_own: source.prefix.is_empty(),
                };
                scanned.push(scan_one(
                    &catalog,
                    options.run as i64,
                    &source,
                    &walk_options,
                    same,
                    cancel,
                    progress,
                )?);
            }
            changes::with_renames(&catalog, options.run as i64, &same, scanned, cancel)
        })
    }

    /// Writes the seed's job file, unless it stands there as it would be written. `dst_root` is the first output.
    /// The answer is for `noteJobFile`; undefined where there is nothing to note.
    #[napi(
        catch_unwind,
        ts_return_type = "{ job: Job; done: Promise<string | undefined> }"
    )]
    pub fn write_job_file<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "string")] file: FsName,
        sources: Vec<f64>,
        rules: Vec<RuleJs>,
        #[napi(ts_arg_type = "string")] dst_root: FsName,
    ) -> Result<Started<'env>> {
        let path = self.path.clone();
        spawn(env, "mvc-jobfile", move |cancel, progress| {
            let catalog = catalog::Catalog::attach_in_order(&path)?;
            let ids: Vec<i64> = sources.into_iter().map(|id| id as i64).collect();
            let filter = filter_of(rules)?;
            let written = catalog.write_job_file(
                &path_of(file),
                &ids,
                &filter,
                &dst_root.0,
                cancel,
                progress,
            )?;
            Ok(written.mark)
        })
    }

    /// Keeps what `writeJobFile` answered, so that a run with nothing new need not write it again.
    #[napi(catch_unwind)]
    pub fn note_job_file(&self, env: &Env, mark: String) -> Result<()> {
        self.with(env, |c| c.note_job_file(&mark))
    }

    /// Reads a job file as the list of what to copy.
    #[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<TallyJs> }")]
    pub fn read_job_file<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "string")] file: FsName,
        run: f64,
        from: f64,
        same: SamenessJs,
    ) -> Result<Started<'env>> {
        let path = self.path.clone();
        spawn(env, "mvc-jobfile", move |cancel, progress| {
            let catalog = catalog::Catalog::attach(&path)?;
            catalog.forget_to_compare()?;
            let file = path_of(file);
            let (tally, _) = catalog.read_job_file(
                &file,
                run as i64,
                from as u64,
                (&same).into(),
                cancel,
                progress,
            )?;
            Ok(tally_js(0, &tally, 0, 0))
        })
    }

    /// Leaves to other drives what has an index below `from` in the job file.
    #[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<void> }")]
    pub fn leave_before<'env>(
        &self,
        env: &'env Env,
        run: f64,
        sources: Vec<f64>,
        rules: Vec<RuleJs>,
        from: f64,
    ) -> Result<Started<'env>> {
        let path = self.path.clone();
        spawn(env, "mvc-index", move |cancel, _| {
            let catalog = catalog::Catalog::attach(&path)?;
            let ids: Vec<i64> = sources.into_iter().map(|id| id as i64).collect();
            catalog.leave_before(run as i64, &ids, &filter_of(rules)?, from as u64, cancel)
        })
    }

    /// The file that it is in, for jobs of other modules.
    pub(crate) fn file(&self) -> PathBuf {
        self.path.clone()
    }
}

fn source_js(s: catalog::Source) -> SourceJs {
    SourceJs {
        id: s.id as f64,
        path: FsName(s.path),
        prefix: FsName(s.prefix),
        is_file: s.is_file,
        fsid: s.fsid,
    }
}

fn scan_one(
    catalog: &catalog::Catalog,
    run: i64,
    source: &catalog::Source,
    options: &walk::Options<'_>,
    same: Sameness,
    cancel: &multivolumecopy_core::CancelToken,
    progress: &multivolumecopy_core::progress::Progress,
) -> CoreResult<Scanned> {
    use std::os::fd::AsFd;
    let stat = |fd: std::os::fd::BorrowedFd<'_>| {
        sys::stat_fd(fd).map_err(|e| CoreError::io("looking at", &source.path, &e))
    };
    if source.is_file {
        let meta = sys::stat_path(&source.path)?;
        if meta.kind == Kind::Dir {
            let text = "it was a file when it joined the set and is a directory now";
            return Err(CoreError::new(Code::BadInput, "looking at", text).with_path(&source.path));
        }
        let tally = catalog
            .scan_by(run, source.id, &source.prefix, &meta, same)?
            .finish(true)?;
        return Ok(Scanned {
            source: source.id,
            tally,
            unreadable: 0,
            vanished: 0,
        });
    }
    let root = sys::open_root(&source.path)?;
    let meta = stat(root.as_fd())?;
    let mut scan = catalog.scan_by(run, source.id, &source.prefix, &meta, same)?;
    let summary = walk::walk(
        root.as_fd(),
        &source.path,
        options,
        cancel,
        progress,
        &mut |listing| scan.listing(&listing),
    )?;
    let tally = scan.finish(summary.unreadable == 0)?;
    Ok(Scanned {
        source: source.id,
        tally,
        unreadable: summary.unreadable,
        vanished: summary.vanished,
    })
}

/// The set and the sources of a catalog file, read without locking it.
///
/// # Errors
/// `CATALOG_DAMAGED`, `CATALOG_NEWER`, `IO`.
#[napi(catch_unwind)]
pub fn peek_catalog(env: &Env, #[napi(ts_arg_type = "string")] path: FsName) -> Result<PeekJs> {
    let (set, sources) = catalog::Catalog::peek(&path_of(path)).map_err(|e| to_napi(env, &e))?;
    Ok(PeekJs {
        set: SetJs {
            id: set.id,
            name: set.name,
            created: set.created as f64,
        },
        sources: sources.into_iter().map(source_js).collect(),
    })
}

/// What [`peek_catalog`] tells.
#[napi(object)]
pub struct PeekJs {
    /// The set.
    pub set: SetJs,
    /// Its sources.
    pub sources: Vec<SourceJs>,
}
