//! Saved plans over the boundary: one is written, read, and taken to write one of its volumes.

use multivolumecopy_core::catalog::{self as core_catalog, handover};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::catalog::Catalog;
use crate::error::to_napi;
use crate::job::{Started, spawn};
use crate::mirror::VolumeJs;
use crate::name::{FsName, path_of};

/// What a saved plan gives one volume.
#[napi(object, object_from_js = false)]
pub struct SavedShareJs {
    /// The volume's number; 0: what fits nowhere.
    pub volume: u32,
    /// Regular files.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
}

/// What a file says that holds a saved plan.
#[napi(object, object_from_js = false)]
pub struct SavedPlanJs {
    /// The run that found out what is to be copied.
    pub run: f64,
    /// The set's id.
    pub set_id: String,
    /// What the plan gives each volume, by number.
    pub shares: Vec<SavedShareJs>,
    /// The volumes that the set had already.
    pub volumes: Vec<VolumeJs>,
}

/// Saves a catalog with its stored plan for `run` as a new file.
///
/// # Errors
/// `IO`, also when there is a file of that name.
#[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<void> }")]
pub fn save_plan<'env>(
    env: &'env Env,
    catalog: &Catalog,
    run: f64,
    #[napi(ts_arg_type = "string")] file: FsName,
) -> Result<Started<'env>> {
    let path = catalog.file();
    spawn(env, "mvc-save", move |_, _| {
        core_catalog::Catalog::attach(&path)?.save_plan(run as i64, &path_of(file))
    })
}

/// Reads what plan a file holds; nothing is written, not even beside it.
///
/// # Errors
/// `IO`, `CATALOG_DAMAGED`, `CATALOG_NEWER`, `BAD_INPUT` where it holds none.
#[napi(catch_unwind)]
pub fn read_saved_plan(
    env: &Env,
    #[napi(ts_arg_type = "string")] file: FsName,
) -> Result<SavedPlanJs> {
    let plan = handover::read(&path_of(file)).map_err(|e| to_napi(env, &e))?;
    Ok(SavedPlanJs {
        run: plan.run as f64,
        set_id: plan.set.id,
        shares: plan
            .shares
            .into_iter()
            .map(|share| SavedShareJs {
                volume: share.volume,
                files: share.files as f64,
                bytes: share.bytes as f64,
            })
            .collect(),
        volumes: plan.volumes.into_iter().map(Into::into).collect(),
    })
}

/// Makes a catalog to work with out of a saved plan, in place of one that an earlier attempt left.
///
/// # Errors
/// As `readSavedPlan`; `CATALOG_LOCKED` when somebody works with `to`.
#[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<void> }")]
pub fn take_saved_plan<'env>(
    env: &'env Env,
    #[napi(ts_arg_type = "string")] from: FsName,
    #[napi(ts_arg_type = "string")] to: FsName,
) -> Result<Started<'env>> {
    spawn(env, "mvc-take", move |_, _| {
        handover::take(&path_of(from), &path_of(to))
    })
}

/// What is left of a share of the plan.
#[napi(object, object_from_js = false)]
pub struct LeftJs {
    /// Entries of any kind.
    pub entries: f64,
    /// Regular files.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
}

/// What of the share of a volume in the stored plan is still to be copied.
#[napi(catch_unwind)]
pub fn left_of_plan(env: &Env, catalog: &Catalog, run: f64, volume: u32) -> Result<LeftJs> {
    catalog.with(env, |c| {
        let left = c.left_of_plan(run as i64, volume)?;
        Ok(LeftJs {
            entries: left.entries as f64,
            files: left.files as f64,
            bytes: left.bytes as f64,
        })
    })
}

/// Whether a run has to copy something of a source that is no directory.
#[napi(catch_unwind)]
pub fn needs_of_source(env: &Env, catalog: &Catalog, run: f64, source: f64) -> Result<bool> {
    catalog.with(env, |c| c.needs_of_source(run as i64, source as i64))
}
