//! Looking ahead, over the boundary: a private copy of a catalog, and what a plan wants to know.

use multivolumecopy_core::catalog;
use multivolumecopy_core::catalog::preview;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::catalog::Catalog;
use crate::job::{Started, spawn};
use crate::mirror::PathNumberJs;
use crate::name::{FsName, path_of};

/// Bytes on a volume.
#[napi(object)]
pub struct VolumeBytesJs {
    /// The volume's number.
    pub volume: u32,
    /// Bytes.
    pub bytes: f64,
}

/// What a drive has to come in for, besides copying.
#[napi(object)]
pub struct WaitingJs {
    /// The volume's number.
    pub volume: u32,
    /// Regular files that have another name now.
    pub renames: f64,
    /// Regular files that are gone from their sources.
    pub removals: f64,
}

/// Copies a catalog to a new file, as it is at this moment; the original is only read and not locked.
///
/// # Errors
/// `IO`, `CATALOG_DAMAGED`, `CATALOG_NEWER`.
#[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<void> }")]
pub fn copy_catalog<'env>(
    env: &'env Env,
    #[napi(ts_arg_type = "string")] from: FsName,
    #[napi(ts_arg_type = "string")] to: FsName,
) -> Result<Started<'env>> {
    spawn(env, "mvc-preview", move |_, _| {
        preview::copy(&path_of(from), &path_of(to))
    })
}

#[napi]
impl Catalog {
    /// The room in bytes that removing what is gone from the sources will give at least, by volume.
    #[napi(catch_unwind)]
    pub fn gone_room(&self, env: &Env) -> Result<Vec<VolumeBytesJs>> {
        self.with(env, |c| {
            let room = c.gone_room()?;
            Ok(room
                .into_iter()
                .map(|(volume, bytes)| VolumeBytesJs {
                    volume,
                    bytes: bytes as f64,
                })
                .collect())
        })
    }

    /// What waits for the volumes besides copying, by volume.
    #[napi(catch_unwind)]
    pub fn waiting_work(&self, env: &Env) -> Result<Vec<WaitingJs>> {
        self.with(env, |c| {
            Ok(c.waiting_work()?
                .into_iter()
                .map(|w| WaitingJs {
                    volume: w.volume,
                    renames: w.renames as f64,
                    removals: w.removals as f64,
                })
                .collect())
        })
    }

    /// The first entries that the stored plan gives to a volume and whose path is odd in one of these ways,
    /// with their sizes.
    #[napi(catch_unwind)]
    pub fn planned_odd(
        &self,
        env: &Env,
        run: f64,
        volume: u32,
        odd: u8,
        limit: u32,
    ) -> Result<Vec<PathNumberJs>> {
        self.with(env, |c| {
            Ok(c.planned_odd(run as i64, volume, odd, limit as usize)?
                .into_iter()
                .map(|(path, size)| PathNumberJs {
                    path: FsName(path),
                    value: size as f64,
                })
                .collect())
        })
    }

    /// Whether a run saw anything that must be copied.
    #[napi(catch_unwind)]
    pub fn needs_copies(&self, env: &Env, run: f64) -> Result<bool> {
        self.with(env, |c| c.needs_copies(run as i64))
    }

    /// Whether any file is kept in parts.
    #[napi(catch_unwind)]
    pub fn has_parts(&self, env: &Env) -> Result<bool> {
        self.with(env, catalog::Catalog::has_parts)
    }

    /// Cuts what the plan in force places nowhere into parts of so many bytes; gives how many files were cut.
    #[napi(catch_unwind)]
    pub fn split_unplaced(&self, env: &Env, run: f64, size: f64) -> Result<f64> {
        self.with(env, |c| {
            let n = multivolumecopy_core::engine::part::split_unplaced(c, run as i64, size as u64)?;
            Ok(n as f64)
        })
    }

    /// Notes how fast a volume was written last, in bytes a second.
    #[napi(catch_unwind)]
    pub fn note_rate(&self, env: &Env, bytes_per_second: f64) -> Result<()> {
        self.with(env, |c: &catalog::Catalog| c.note_rate(bytes_per_second))
    }

    /// How fast a volume was written last, in bytes a second, where that is known.
    #[napi(catch_unwind)]
    pub fn rate(&self, env: &Env) -> Result<Option<f64>> {
        self.with(env, |c| c.rate())
    }
}
