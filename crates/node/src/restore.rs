//! Restoring over the boundary: what is wanted, which volumes hold it, one drive after the other, the end.

use std::sync::{Arc, Mutex, PoisonError};

use multivolumecopy_core::catalog as core_catalog;
use multivolumecopy_core::error::{Code, Error as CoreError, Result as CoreResult};
use multivolumecopy_core::restore::drive::{From as Source, restore_drive};
use multivolumecopy_core::restore::finish::finish;
use multivolumecopy_core::restore::flags::Flagged;
use multivolumecopy_core::restore::target::Target;
use multivolumecopy_core::restore::{self, Existing, Outcome};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::catalog::Catalog;
use crate::error::to_napi;
use crate::job::{Started, spawn};
use crate::name::FsName;

/// What is wanted.
#[napi(object, object_from_js = false)]
pub struct StagedJs {
    /// Regular files.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
    /// Links, fifos, devices, empty directories.
    pub others: f64,
    /// Entries of which no copy was ever made.
    pub not_backed_up: f64,
    /// Entries of which only an older version is on a drive.
    pub outdated: f64,
    /// Entries that were on lost drives only.
    pub lost: f64,
}

/// Makes the work list of a restore in a private copy of a catalog, or brings it up to date.
///
/// # Errors
/// `BAD_INPUT` for a pattern that makes no sense, `CANCELLED`.
#[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<StagedJs> }")]
pub fn restore_stage<'env>(
    env: &'env Env,
    catalog: &Catalog,
    #[napi(ts_arg_type = "string[]")] paths: Vec<FsName>,
) -> Result<Started<'env>> {
    let file = catalog.file();
    let paths: Vec<Vec<u8>> = paths.into_iter().map(|p| p.0).collect();
    spawn(env, "mvc-stage", move |cancel, _| {
        let catalog = core_catalog::Catalog::attach_restore(&file)?;
        let staged = catalog.restore_stage(&paths, cancel)?;
        Ok(StagedJs {
            files: staged.files as f64,
            bytes: staged.bytes as f64,
            others: staged.others as f64,
            not_backed_up: staged.not_backed_up as f64,
            outdated: staged.outdated as f64,
            lost: staged.lost as f64,
        })
    })
}

/// Entries whose best version is on the same volumes.
#[napi(object, object_from_js = false)]
pub struct GroupJs {
    /// The volumes, each of which holds all of these entries; rising.
    pub volumes: Vec<u32>,
    /// Entries of any kind.
    pub entries: f64,
    /// Regular files.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
}

/// What is still wanted, by the volumes that hold its best version.
#[napi(
    catch_unwind,
    ts_return_type = "{ job: Job; done: Promise<GroupJs[]> }"
)]
pub fn restore_groups<'env>(env: &'env Env, catalog: &Catalog) -> Result<Started<'env>> {
    let file = catalog.file();
    spawn(env, "mvc-groups", move |_, _| {
        let groups = core_catalog::Catalog::attach_restore(&file)?.restore_groups()?;
        Ok(groups
            .into_iter()
            .map(|g| GroupJs {
                volumes: g.volumes,
                entries: g.entries as f64,
                files: g.files as f64,
                bytes: g.bytes as f64,
            })
            .collect::<Vec<_>>())
    })
}

/// Wanted entries that were not brought back.
#[napi(object, object_from_js = false)]
pub struct MissingJs {
    /// Entries of any kind.
    pub entries: f64,
    /// Regular files.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
    /// The first of their paths.
    #[napi(ts_type = "string[]")]
    pub paths: Vec<FsName>,
}

/// What was not brought back, with the first `limit` paths.
#[napi(
    catch_unwind,
    ts_return_type = "{ job: Job; done: Promise<MissingJs> }"
)]
pub fn restore_missing<'env>(
    env: &'env Env,
    catalog: &Catalog,
    limit: u32,
) -> Result<Started<'env>> {
    let file = catalog.file();
    spawn(env, "mvc-missing", move |_, _| {
        let catalog = core_catalog::Catalog::attach_restore(&file)?;
        let (entries, files, bytes) = catalog.restore_left()?;
        let paths = catalog.restore_missing(b"", limit as usize)?;
        Ok(MissingJs {
            entries: entries as f64,
            files: files as f64,
            bytes: bytes as f64,
            paths: paths.into_iter().map(|(path, ..)| FsName(path)).collect(),
        })
    })
}

/// A destination that is open for a restore.
#[napi]
pub struct RestoreTarget {
    inner: Arc<Mutex<Option<Target>>>,
}

/// Opens a destination. `session`: 16 hexadecimal digits that nobody else has.
///
/// # Errors
/// `BAD_INPUT` for a drive of a set, `IO`.
#[napi(catch_unwind)]
pub fn open_restore_target(
    env: &Env,
    #[napi(ts_arg_type = "string")] path: FsName,
    session: String,
) -> Result<RestoreTarget> {
    Target::open(&path.0, &session)
        .map(|target| RestoreTarget {
            inner: Arc::new(Mutex::new(Some(target))),
        })
        .map_err(|e| to_napi(env, &e))
}

/// How to restore from one drive.
#[napi(object)]
pub struct RestoreDriveJs {
    /// Where it is mounted.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// The mount that was looked at.
    pub mount_id: Option<f64>,
    /// Its number in the set.
    pub volume: u32,
    /// What becomes of what exists.
    #[napi(ts_type = "'keep' | 'overwrite' | 'update' | 'keep-both'")]
    pub existing: String,
    /// Bad copies are kept beside their places.
    pub keep_bad: bool,
    /// Files that are copied at a time.
    pub copiers: u32,
    /// Whether only one of them at a time may be a larger one.
    pub one_large: bool,
}

/// What came of one drive.
#[napi(object, object_from_js = false)]
pub struct RestoredJs {
    /// Regular files that were brought back.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
    /// Links, fifos, sockets and devices that were.
    pub others: f64,
    /// Entries that were there already.
    pub equal: f64,
    /// Entries in whose place something else stands, which was left alone.
    pub kept: f64,
    /// Entries in whose place something newer stands.
    pub newer: f64,
    /// Entries that got another name.
    pub beside: f64,
    /// Copies that were no good.
    pub bad: f64,
    /// Entries that could not be made.
    pub failed: f64,
    /// Files of which only the size could be checked.
    pub unchecked: f64,
    /// Entries whose owner could not be set.
    pub owners_lost: f64,
    /// Entries of which some attribute or ACL could not be set.
    pub attributes_lost: f64,
    /// Names that could not be given to a file that is there.
    pub links_lost: f64,
    /// An end was asked for before all was done.
    pub stopped: bool,
    /// Devices that only root may make.
    pub not_made: f64,
}

fn restored_js(o: Outcome) -> RestoredJs {
    RestoredJs {
        files: o.files as f64,
        bytes: o.bytes as f64,
        others: o.others as f64,
        equal: o.equal as f64,
        kept: o.kept as f64,
        newer: o.newer as f64,
        beside: o.beside as f64,
        bad: o.bad as f64,
        failed: o.failed as f64,
        unchecked: o.unchecked as f64,
        owners_lost: o.owners_lost as f64,
        attributes_lost: o.attributes_lost as f64,
        links_lost: o.links_lost as f64,
        stopped: o.stopped,
        not_made: o.not_made as f64,
    }
}

/// What came of the end.
#[napi(object, object_from_js = false)]
pub struct FinishedJs {
    /// Directories that were set right.
    pub directories: f64,
    /// Directories that could not be.
    pub failed: f64,
    /// Directories whose owner could not be set.
    pub owners_lost: f64,
    /// Directories of which some attribute or ACL could not be set.
    pub attributes_lost: f64,
    /// Entries that had flags where they were backed up.
    pub flagged: f64,
    /// Entries that have these flags again; none unless that was asked for.
    pub flags_set: f64,
    /// Entries that could not get them.
    pub flags_failed: f64,
}

/// Does something with the target of a restore, on the job's thread.
fn with_target<T>(
    inner: &Mutex<Option<Target>>,
    act: impl FnOnce(&mut Target) -> CoreResult<T>,
) -> CoreResult<T> {
    let mut guard = inner.lock().unwrap_or_else(PoisonError::into_inner);
    match guard.as_mut() {
        Some(target) => act(target),
        None => Err(CoreError::new(
            Code::Internal,
            "restoring",
            "the destination is closed",
        )),
    }
}

#[napi]
impl RestoreTarget {
    /// Takes over what broken runs have left in the destination.
    #[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<void> }")]
    pub fn take_over<'env>(&self, env: &'env Env, catalog: &Catalog) -> Result<Started<'env>> {
        let (inner, file) = (Arc::clone(&self.inner), catalog.file());
        spawn(env, "mvc-restore", move |cancel, progress| {
            let catalog = core_catalog::Catalog::attach_restore(&file)?;
            with_target(&inner, |target| {
                target.take_over(&catalog, cancel, progress)
            })
        })
    }

    /// Brings back what is wanted and best had of a drive.
    ///
    /// # Errors
    /// `DRIVE_CHANGED`, `DRIVE_FAILED`, `IO`.
    #[napi(
        catch_unwind,
        ts_return_type = "{ job: Job; done: Promise<RestoredJs> }"
    )]
    pub fn drive<'env>(
        &self,
        env: &'env Env,
        catalog: &Catalog,
        drive: RestoreDriveJs,
    ) -> Result<Started<'env>> {
        let (inner, file) = (Arc::clone(&self.inner), catalog.file());
        spawn(env, "mvc-restore", move |cancel, progress| {
            let catalog = core_catalog::Catalog::attach_restore(&file)?;
            let existing = match drive.existing.as_str() {
                "overwrite" => Existing::Overwrite,
                "update" => Existing::Update,
                "keep-both" => Existing::KeepBoth,
                _ => Existing::Keep,
            };
            let options = restore::Options {
                existing,
                keep_bad: drive.keep_bad,
                copiers: drive.copiers as usize,
                one_large: drive.one_large,
            };
            let from = Source {
                path: &drive.path.0,
                mount_id: drive.mount_id.map(|id| id as u64),
                volume: drive.volume,
            };
            with_target(&inner, |target| {
                restore_drive(&from, target, &catalog, &options, cancel, progress)
            })
            .map(restored_js)
        })
    }

    /// Sets directories right, flushes, and clears the private place away; then sets flags, where that is asked for.
    ///
    /// # Errors
    /// `DRIVE_FAILED`, `IO`, `CANCELLED`.
    #[napi(
        catch_unwind,
        ts_return_type = "{ job: Job; done: Promise<FinishedJs> }"
    )]
    pub fn finish<'env>(
        &self,
        env: &'env Env,
        catalog: &Catalog,
        set_flags: bool,
    ) -> Result<Started<'env>> {
        let (inner, file) = (Arc::clone(&self.inner), catalog.file());
        spawn(env, "mvc-restore", move |cancel, progress| {
            let catalog = core_catalog::Catalog::attach_restore(&file)?;
            let finished =
                with_target(&inner, |target| finish(target, &catalog, cancel, progress))?;
            let flagged = match set_flags {
                true => with_target(&inner, |target| {
                    restore::flags::set(target, &catalog, cancel, progress)
                })?,
                false => Flagged::default(),
            };
            Ok(FinishedJs {
                directories: finished.directories as f64,
                failed: finished.failed as f64,
                owners_lost: finished.owners_lost as f64,
                attributes_lost: finished.attributes_lost as f64,
                flagged: catalog.restore_flagged()? as f64,
                flags_set: flagged.set as f64,
                flags_failed: flagged.failed as f64,
            })
        })
    }

    /// Closes all descriptors. Jobs that run on it end first.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
