//! The catalog over the boundary: small questions at once, long work as jobs on connections of their own.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use multivolumecopy_core::catalog::scan::Tally;
use multivolumecopy_core::catalog::volumes::Volume;
use multivolumecopy_core::catalog::{self, SetInfo};
use multivolumecopy_core::error::{Code, Error as CoreError, Result as CoreResult};
use multivolumecopy_core::filter::{self, FileList, Filter, Rule};
use multivolumecopy_core::meta::Kind;
use multivolumecopy_core::{sys, walk};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::to_napi;
use crate::job::{Started, spawn};
use crate::name::FsName;

/// What a set is.
#[napi(object)]
pub struct SetJs {
    /// 32 hexadecimal digits.
    pub id: String,
    /// The name that the user gave it, or that was made from its first source.
    pub name: String,
    /// When it was made, in seconds since 1970.
    pub created: f64,
}

/// One source of a set.
#[napi(object)]
pub struct SourceJs {
    /// Its number in the catalog.
    pub id: f64,
    /// Where it lies on this host, absolute.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// Where it lies on the drives; empty is the root.
    #[napi(ts_type = "string")]
    pub prefix: FsName,
    /// Whether it is a single file.
    pub is_file: bool,
    /// Which file system it was on; empty when unknown.
    pub fsid: String,
}

/// One volume of a set, as the catalog knows it.
#[napi(object)]
pub struct VolumeJs {
    /// Its number in the set, from 1.
    pub number: u32,
    /// 32 hexadecimal digits.
    pub id: String,
    /// What is written on its case.
    pub label: String,
    /// `open` or `complete`.
    pub state: String,
    /// How often it was opened for writing.
    pub generation: f64,
    /// The type of its file system.
    pub fs_type: String,
    /// Its file system's UUID, empty when unknown.
    pub fs_uuid: String,
    /// Bytes that it holds in all.
    pub capacity: f64,
    /// Bytes that were free when it was last in.
    pub available: f64,
    /// The file system's unit of allocation in bytes.
    pub block_size: u32,
    /// Inodes that were free when it was last in; 0 when they are not counted.
    pub inodes_free: f64,
    /// Whether it keeps hard links.
    pub has_links: bool,
    /// Where it was last mounted.
    #[napi(ts_type = "string")]
    pub mount: FsName,
    /// Seconds since 1970.
    pub created: f64,
    /// Seconds since 1970.
    pub written: f64,
    /// Regular files on it.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
}

impl From<Volume> for VolumeJs {
    fn from(v: Volume) -> Self {
        VolumeJs {
            number: v.number,
            id: v.id,
            label: v.label,
            state: v.state,
            generation: v.generation as f64,
            fs_type: v.fs_type,
            fs_uuid: v.fs_uuid,
            capacity: v.capacity as f64,
            available: v.available as f64,
            block_size: v.block_size,
            inodes_free: v.inodes_free as f64,
            has_links: v.has_links,
            mount: FsName(v.mount),
            created: v.created as f64,
            written: v.written as f64,
            files: v.files as f64,
            bytes: v.bytes as f64,
        }
    }
}

impl From<VolumeJs> for Volume {
    fn from(v: VolumeJs) -> Self {
        Volume {
            number: v.number,
            id: v.id,
            label: v.label,
            state: v.state,
            generation: v.generation as u64,
            fs_type: v.fs_type,
            fs_uuid: v.fs_uuid,
            capacity: v.capacity as u64,
            available: v.available as u64,
            block_size: v.block_size,
            inodes_free: v.inodes_free as u64,
            has_links: v.has_links,
            mount: v.mount.0,
            created: v.created as i64,
            written: v.written as i64,
            files: v.files as u64,
            bytes: v.bytes as u64,
        }
    }
}

/// What a scan of one source found.
#[napi(object, object_from_js = false)]
pub struct TallyJs {
    /// The source's number in the catalog.
    pub source: f64,
    /// Regular files that were known before and not gone.
    pub known_files: f64,
    /// Entries seen, of any kind.
    pub entries: f64,
    /// Regular files seen.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
    /// New regular files.
    pub new_files: f64,
    /// Bytes of the new ones.
    pub new_bytes: f64,
    /// Regular files whose size or time differs.
    pub changed_files: f64,
    /// Bytes of the changed ones.
    pub changed_bytes: f64,
    /// Regular files that are gone; 0 after a walk with errors.
    pub gone_files: f64,
    /// Bytes that they had.
    pub gone_bytes: f64,
    /// Places below which another file system was mounted before and is not now.
    pub unmounted: f64,
    /// Whether the source's root held nothing at all.
    pub root_empty: bool,
    /// What could not be looked at.
    pub unreadable: f64,
    /// What vanished while it was looked at.
    pub vanished: f64,
}

fn tally_js(source: i64, t: &Tally, unreadable: u64, vanished: u64) -> TallyJs {
    TallyJs {
        source: source as f64,
        known_files: t.known_files as f64,
        entries: t.entries as f64,
        files: t.files as f64,
        bytes: t.bytes as f64,
        new_files: t.new_files as f64,
        new_bytes: t.new_bytes as f64,
        changed_files: t.changed_files as f64,
        changed_bytes: t.changed_bytes as f64,
        gone_files: t.gone_files as f64,
        gone_bytes: t.gone_bytes as f64,
        unmounted: t.unmounted as f64,
        root_empty: t.root_empty,
        unreadable: unreadable as f64,
        vanished: vanished as f64,
    }
}

/// One rule of `--include` and `--exclude`, in the order in which they count.
#[napi(object)]
pub struct RuleJs {
    /// Whether it includes; else it excludes.
    pub include: bool,
    /// The pattern.
    #[napi(ts_type = "string")]
    pub pattern: FsName,
}

/// How to look at the sources.
#[napi(object)]
pub struct ScanOptionsJs {
    /// The run that looks.
    pub run: f64,
    /// The numbers of the sources.
    pub sources: Vec<f64>,
    /// Whether each source's mount is stayed on.
    pub one_file_system: bool,
    /// The filter.
    pub rules: Vec<RuleJs>,
    /// The file with the list of names, absent: everything.
    #[napi(ts_type = "string")]
    pub files_from: Option<FsName>,
    /// Whether its names end with NUL.
    pub nul_separated: bool,
    /// Walking threads, 0 = by the machine.
    pub threads: u32,
}

/// A path and a number that goes with it: a size, or a volume.
#[napi(object, object_from_js = false)]
pub struct PathNumberJs {
    /// The path below the drives' root.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// The number.
    pub value: f64,
}

/// Two counts that go together.
#[napi(object, object_from_js = false)]
pub struct AmountJs {
    /// Regular files.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
}

/// An open catalog, locked against other processes until it is closed.
#[napi]
pub struct Catalog {
    inner: Mutex<Option<catalog::Catalog>>,
    path: PathBuf,
}

fn path_of(name: FsName) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(std::ffi::OsString::from_vec(name.0))
}

/// The rules and the file with names, as the core takes them.
pub(crate) fn filter_of(rules: Vec<RuleJs>) -> CoreResult<Filter> {
    Filter::new(
        rules
            .into_iter()
            .map(|r| Rule {
                include: r.include,
                pattern: r.pattern.0,
            })
            .collect(),
    )
}

/// One `--exclude`, `--include` or `--exclude-from`.
#[napi(object)]
pub struct GivenRuleJs {
    /// Which of them.
    #[napi(ts_type = "'exclude' | 'include' | 'exclude-from'")]
    pub kind: String,
    /// The pattern, or the file with patterns.
    #[napi(ts_type = "string")]
    pub value: FsName,
}

/// The rules that the command line gives, in order, files read in.
///
/// # Errors
/// `BAD_INPUT` for a rule that makes no sense, `IO`.
#[napi(catch_unwind)]
pub fn rules_of(env: &Env, given: Vec<GivenRuleJs>) -> Result<Vec<RuleJs>> {
    let mut rules = Vec::new();
    for one in given {
        let added = if one.kind == "exclude-from" {
            let path = path_of(one.value);
            let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
            std::fs::read(&path)
                .map_err(|e| CoreError::io("reading", &bytes, &e))
                .and_then(|text| filter::add_rules_file(&mut rules, &text))
                .map_err(|e| {
                    if e.path.is_none() {
                        e.with_path(&bytes)
                    } else {
                        e
                    }
                })
        } else {
            filter::add_argument(&mut rules, one.kind == "include", &one.value.0)
        };
        added.map_err(|e| to_napi(env, &e))?;
    }
    filter::Filter::new(rules.clone()).map_err(|e| to_napi(env, &e))?;
    Ok(rules
        .into_iter()
        .map(|r| RuleJs {
            include: r.include,
            pattern: FsName(r.pattern),
        })
        .collect())
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

    fn with<T>(&self, env: &Env, f: impl FnOnce(&catalog::Catalog) -> CoreResult<T>) -> Result<T> {
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

    /// Whether a volume holds something of which only owner or mode differ from the source's.
    #[napi(catch_unwind)]
    pub fn needs_mending(&self, env: &Env, number: u32) -> Result<bool> {
        self.with(env, |c| c.needs_mending(number))
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
            let mut tallies = Vec::new();
            for source in catalog.sources()? {
                if !options.sources.contains(&(source.id as f64)) {
                    continue;
                }
                let walk_options = walk::Options {
                    threads: options.threads as usize,
                    one_file_system: options.one_file_system,
                    filter: &filter,
                    list: list.as_ref(),
                    skip_own: false,
                };
                tallies.push(scan_one(
                    &catalog,
                    options.run as i64,
                    &source,
                    &walk_options,
                    cancel,
                    progress,
                )?);
            }
            Ok(tallies)
        })
    }

    /// Writes the seed's job file. `dst_root` is the first output.
    #[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<number> }")]
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
            let catalog = catalog::Catalog::attach(&path)?;
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
            Ok(written.entries as f64)
        })
    }

    /// Reads a job file as the list of what to copy.
    #[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<TallyJs> }")]
    pub fn read_job_file<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "string")] file: FsName,
        run: f64,
        from: f64,
    ) -> Result<Started<'env>> {
        let path = self.path.clone();
        spawn(env, "mvc-jobfile", move |cancel, progress| {
            let catalog = catalog::Catalog::attach(&path)?;
            let (tally, _) =
                catalog.read_job_file(&path_of(file), run as i64, from as u64, cancel, progress)?;
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
    cancel: &multivolumecopy_core::CancelToken,
    progress: &multivolumecopy_core::progress::Progress,
) -> CoreResult<TallyJs> {
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
            .scan(run, source.id, &source.prefix, &meta)?
            .finish(true)?;
        return Ok(tally_js(source.id, &tally, 0, 0));
    }
    let root = sys::open_root(&source.path)?;
    let meta = stat(root.as_fd())?;
    let mut scan = catalog.scan(run, source.id, &source.prefix, &meta)?;
    let summary = walk::walk(
        root.as_fd(),
        &source.path,
        options,
        cancel,
        progress,
        &mut |listing| scan.listing(&listing),
    )?;
    let tally = scan.finish(summary.unreadable == 0)?;
    Ok(tally_js(
        source.id,
        &tally,
        summary.unreadable,
        summary.vanished,
    ))
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
