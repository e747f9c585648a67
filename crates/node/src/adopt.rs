//! What `adopt` needs over the boundary: learning from a drive, and seeing to the catalog that is there.

use std::path::PathBuf;

use multivolumecopy_core::catalog::aside::set_aside;
use multivolumecopy_core::catalog::{self as core_catalog};
use multivolumecopy_core::engine::adopt;
use multivolumecopy_core::engine::learn::{self, ListRead};
use multivolumecopy_core::engine::listcheck;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::catalog::Catalog;
use crate::error::to_napi;
use crate::job::{Started, spawn};
use crate::mirror::VolumeJs;
use crate::name::FsName;

/// A mounted drive that is to be learned from.
#[napi(object)]
pub struct LearnJs {
    /// Where it is mounted.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// The mount that was looked at.
    pub mount_id: Option<f64>,
    /// The mount point to remember, empty for a plain folder.
    #[napi(ts_type = "string")]
    pub mount: FsName,
    /// The type of its file system.
    pub fs_type: String,
    /// Its UUID, empty when unknown.
    pub fs_uuid: String,
    /// Bytes that it holds in all.
    pub capacity: f64,
    /// Bytes that are free.
    pub available: f64,
    /// The unit in which space is given out.
    pub block_size: u32,
    /// Free inodes, 0 where they are not counted.
    pub inodes_free: f64,
    /// Whether its kind of file system keeps hard links.
    pub has_links: bool,
}

/// How a drive differs from what was known of it.
#[napi(object, object_from_js = false)]
pub struct DifferencesJs {
    /// Entries that were not known.
    pub added: f64,
    /// Entries that were known otherwise.
    pub changed: f64,
    /// Entries that were known and are not there.
    pub missing: f64,
    /// The first paths of each kind.
    pub names: Vec<DifferenceJs>,
}

/// One entry that differs.
#[napi(object, object_from_js = false)]
pub struct DifferenceJs {
    /// In which way.
    #[napi(ts_type = "'added' | 'changed' | 'missing'")]
    pub what: String,
    /// Its path below the drives' root.
    #[napi(ts_type = "string")]
    pub path: FsName,
}

/// What became of the list of the set on a drive.
#[napi(object, object_from_js = false)]
pub struct ListReadJs {
    /// When it was written, seconds since 1970; absent when there is none, or none that can be used.
    pub date: Option<f64>,
    /// Why it cannot be used.
    pub unusable: Option<String>,
    /// Numbers of volumes that are known from it now.
    pub volumes: Vec<u32>,
    /// Numbers under which it has another drive than the catalog.
    pub clashes: Vec<u32>,
    /// Sources that joined.
    pub sources: f64,
    /// Sources that it has at another place on the drives than the catalog.
    #[napi(ts_type = "string[]")]
    pub misplaced: Vec<FsName>,
}

/// What a drive told.
#[napi(object, object_from_js = false)]
pub struct LearnedJs {
    /// What it is now in the catalog.
    pub volume: VolumeJs,
    /// The catalog knew it before.
    pub known: bool,
    /// It was known from a list of this second only; 0: from itself, or not at all.
    pub heard_of: f64,
    /// It had been given up as lost.
    pub was_lost: bool,
    /// How it differs from what was known; absent where it was not known, or was not closed.
    pub differences: Option<DifferencesJs>,
    /// It was not closed: a run on it was broken off.
    pub journal: bool,
    /// Entries of that run that are known to be on it.
    pub promised: f64,
    /// Entries of that run that the next copy looks at.
    pub unfinished: f64,
    /// Its list of the set.
    pub list: ListReadJs,
}

/// Reads a drive, changing nothing on it, and brings the catalog into agreement with it.
///
/// # Errors
/// `DRIVE_CHANGED` for an old copy of a drive, `BAD_INPUT` for one that is none of this set, `BAD_FORMAT`,
/// `CATALOG_DAMAGED`, `CANCELLED`, `IO`; the catalog is then as before.
#[napi(
    catch_unwind,
    ts_return_type = "{ job: Job; done: Promise<LearnedJs> }"
)]
pub fn learn_drive<'env>(
    env: &'env Env,
    catalog: &Catalog,
    drive: LearnJs,
) -> Result<Started<'env>> {
    let path = catalog.file();
    spawn(env, "mvc-learn", move |cancel, progress| {
        let catalog = core_catalog::Catalog::attach(&path)?;
        let place = learn::Place {
            path: drive.path.0,
            mount_id: drive.mount_id.map(|id| id as u64),
            mount: drive.mount.0,
            fs_type: drive.fs_type,
            fs_uuid: drive.fs_uuid,
            capacity: drive.capacity as u64,
            available: drive.available as u64,
            block_size: drive.block_size,
            inodes_free: drive.inodes_free as u64,
            has_links: drive.has_links,
        };
        learn::learn(&place, &catalog, cancel, progress).map(learned_js)
    })
}

fn learned_js(learned: learn::Learned) -> LearnedJs {
    LearnedJs {
        volume: learned.volume.into(),
        known: learned.known,
        heard_of: learned.heard_of as f64,
        was_lost: learned.was_lost,
        differences: learned.differences.map(|d| DifferencesJs {
            added: d.added as f64,
            changed: d.changed as f64,
            missing: d.missing as f64,
            names: d
                .names
                .into_iter()
                .map(|(what, path)| DifferenceJs {
                    what: what.word().to_owned(),
                    path: FsName(path),
                })
                .collect(),
        }),
        journal: learned.journal,
        promised: learned.promised as f64,
        unfinished: learned.unfinished as f64,
        list: list_js(learned.list),
    }
}

fn list_js(list: ListRead) -> ListReadJs {
    let (date, unusable, hearsay) = match list {
        ListRead::None => (None, None, Default::default()),
        ListRead::Unusable(why) => (None, Some(why), Default::default()),
        ListRead::Read(date, hearsay) => (Some(date as f64), None, hearsay),
    };
    ListReadJs {
        date,
        unusable,
        volumes: hearsay.volumes,
        clashes: hearsay.clashes,
        sources: hearsay.sources as f64,
        misplaced: hearsay.misplaced.into_iter().map(FsName).collect(),
    }
}

/// Reads a catalog from end to end and checks that it hangs together.
///
/// # Errors
/// `CATALOG_DAMAGED`, with what is wrong first.
#[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<void> }")]
pub fn check_catalog<'env>(env: &'env Env, catalog: &Catalog) -> Result<Started<'env>> {
    let path = catalog.file();
    spawn(env, "mvc-check", move |_, _| {
        core_catalog::Catalog::attach(&path)?.check_whole()
    })
}

/// Puts a catalog that cannot be used aside, as `PATH.SUFFIX`; gives its new path.
///
/// # Errors
/// `CATALOG_LOCKED` when somebody works with it, `IO`.
#[napi(catch_unwind, ts_return_type = "string")]
pub fn set_catalog_aside(
    env: &Env,
    #[napi(ts_arg_type = "string")] path: FsName,
    suffix: String,
) -> Result<FsName> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let path = PathBuf::from(std::ffi::OsString::from_vec(path.0));
    set_aside(&path, &suffix)
        .map(|aside| FsName(aside.as_os_str().as_bytes().to_vec()))
        .map_err(|e| to_napi(env, &e))
}

/// Compares the list of the set on a drive with the catalog; true: it tells the same, and counts as up to date.
///
/// # Errors
/// `BAD_FORMAT`, `CATALOG_DAMAGED`, `CANCELLED`, `IO`.
#[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<boolean> }")]
pub fn note_list<'env>(
    env: &'env Env,
    catalog: &Catalog,
    #[napi(ts_arg_type = "string")] path: FsName,
) -> Result<Started<'env>> {
    let file = catalog.file();
    spawn(env, "mvc-list", move |cancel, _| {
        let catalog = core_catalog::Catalog::attach(&file)?;
        listcheck::note_list(&path.0, &catalog, cancel)
    })
}

/// Whether a volume of the set carries no list of the set, or one that is not up to date.
#[napi(catch_unwind)]
pub fn list_is_stale(env: &Env, catalog: &Catalog, volume: u32) -> Result<bool> {
    catalog.with(env, |c| c.list_is_stale(volume))
}

/// Bytes of the list that was written last; 0 when there was none.
#[napi(catch_unwind)]
pub fn list_bytes(env: &Env, catalog: &Catalog) -> Result<f64> {
    catalog.with(env, |c| Ok(c.list_bytes()? as f64))
}

/// About how many bytes the list will have when all that is known is on drives.
#[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<number> }")]
pub fn projected_list<'env>(env: &'env Env, catalog: &Catalog) -> Result<Started<'env>> {
    let path = catalog.file();
    spawn(env, "mvc-list", move |_, _| {
        Ok(core_catalog::Catalog::attach_in_order(&path)?.projected_list()? as f64)
    })
}

/// Notes that a source lies elsewhere on this host now.
#[napi(catch_unwind)]
pub fn move_source(
    env: &Env,
    catalog: &Catalog,
    id: f64,
    #[napi(ts_arg_type = "string")] path: FsName,
) -> Result<()> {
    catalog.with(env, |c| c.move_source(id as i64, &path.0))
}

/// Numbers of volumes of which nothing is known, below the highest that is.
#[napi(catch_unwind)]
pub fn unknown_volumes(env: &Env, catalog: &Catalog) -> Result<Vec<u32>> {
    catalog.with(env, |c| c.unknown_volumes())
}

/// What a drive that is no volume yet holds of what a run has to copy.
#[napi(object, object_from_js = false)]
pub struct SurveyedJs {
    /// Regular files that are equal in size and time.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
    /// Entries of other kinds that are equal.
    pub others: f64,
    /// About how many bytes our own files on the drive would take.
    pub own_bytes: f64,
}

/// Looks for every entry that `run` still has to copy on a drive, and writes nothing there.
///
/// # Errors
/// `IO`, `CANCELLED`.
#[napi(
    catch_unwind,
    ts_return_type = "{ job: Job; done: Promise<SurveyedJs> }"
)]
pub fn survey_drive<'env>(
    env: &'env Env,
    catalog: &Catalog,
    #[napi(ts_arg_type = "string")] path: FsName,
    run: f64,
    step_seconds: u32,
) -> Result<Started<'env>> {
    let file = catalog.file();
    spawn(env, "mvc-survey", move |cancel, progress| {
        let catalog = core_catalog::Catalog::attach(&file)?;
        let found = adopt::survey(
            &path.0,
            &catalog,
            run as i64,
            step_seconds.into(),
            cancel,
            progress,
        )?;
        Ok(SurveyedJs {
            files: found.files as f64,
            bytes: found.bytes as f64,
            others: found.others as f64,
            own_bytes: found.own_bytes as f64,
        })
    })
}
