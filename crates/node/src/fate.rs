//! What becomes of the drives of a set, over the boundary: retired, lost, relabelled, and what is lost with them.
//!
//! Changes take the catalog's lock for as long as they last; what is only read needs none.

use multivolumecopy_core::catalog;
use multivolumecopy_core::catalog::fate::LostEntry;
use multivolumecopy_core::error::{Code, Error as CoreError};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::to_napi;
use crate::job::{Started, spawn};
use crate::mirror::AmountJs;
use crate::name::{FsName, path_of};
use crate::query::{PAGE, amount, digest_text, time_text};

/// One entry that is lost for good.
#[napi(object, object_from_js = false)]
pub struct LostEntryJs {
    /// Its path below the drives' root.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// The number of the drive that it was on.
    pub volume: u32,
    /// What it was.
    #[napi(ts_type = "'file' | 'symlink' | 'fifo' | 'socket' | 'char' | 'block'")]
    pub kind: &'static str,
    /// Bytes of its content.
    pub size: f64,
    /// Seconds since 1970, for display.
    pub seconds: f64,
    /// The same exactly.
    pub mtime: String,
    /// `sha256:` or `blake3:` and 64 hex digits.
    pub digest: Option<String>,
    /// When it was found to be lost, seconds since 1970.
    pub noted: f64,
}

impl From<LostEntry> for LostEntryJs {
    fn from(e: LostEntry) -> Self {
        LostEntryJs {
            path: FsName(e.path),
            volume: e.volume,
            kind: e.kind.as_str(),
            size: e.size as f64,
            seconds: e.mtime.sec as f64,
            mtime: time_text(e.mtime),
            digest: digest_text(e.digest),
            noted: e.noted as f64,
        }
    }
}

/// A page of what is lost for good, of one drive (0: of all), by path and drive, that comes after an entry
/// (`after_path` empty: from the start).
///
/// # Errors
/// `CATALOG_DAMAGED`, `CATALOG_NEWER`, `IO`.
#[napi(catch_unwind)]
pub fn lost_page(
    env: &Env,
    #[napi(ts_arg_type = "string")] file: FsName,
    volume: u32,
    #[napi(ts_arg_type = "string")] after_path: FsName,
    after_volume: u32,
) -> Result<Vec<LostEntryJs>> {
    let of = (volume != 0).then_some(volume);
    let page = catalog::Catalog::open_to_read(&path_of(file))
        .and_then(|c| c.lost_page(of, Some((&after_path.0, after_volume)), PAGE))
        .map_err(|e| to_napi(env, &e))?;
    Ok(page.into_iter().map(LostEntryJs::from).collect())
}

/// What a fate means for what a drive held.
#[napi(object, object_from_js = false)]
pub struct ConsequenceJs {
    /// Files in the sources that the next run copies to other drives.
    pub planned: AmountJs,
    /// Files that the sources should have; the next look at them will tell.
    pub unseen: AmountJs,
    /// Files that are in no source and on no other drive.
    pub alone: AmountJs,
}

/// Changes what becomes of a drive: locks the catalog for as long as it takes.
///
/// # Errors
/// `CATALOG_LOCKED`, `CATALOG_DAMAGED`, `CATALOG_NEWER`, `IO`; `BAD_INPUT` when there is no such drive.
#[napi(
    catch_unwind,
    ts_return_type = "{ job: Job; done: Promise<ConsequenceJs> }"
)]
pub fn change_fate<'env>(
    env: &'env Env,
    #[napi(ts_arg_type = "string")] file: FsName,
    number: u32,
    #[napi(ts_arg_type = "'retire' | 'unretire' | 'lose'")] change: String,
) -> Result<Started<'env>> {
    spawn(env, "mvc-fate", move |_, _| {
        let catalog = catalog::Catalog::open(&path_of(file))?;
        let c = match change.as_str() {
            "retire" => catalog.retire(number)?,
            "unretire" => {
                catalog.unretire(number)?;
                Default::default()
            }
            "lose" => catalog.lose(number)?,
            _ => {
                let message = format!("no such change: {change}");
                return Err(CoreError::new(Code::Internal, "changing a drive", message));
            }
        };
        Ok(ConsequenceJs {
            planned: amount(c.planned),
            unseen: amount(c.unseen),
            alone: amount(c.alone),
        })
    })
}

/// Gives a drive another label, in the catalog; locks it meanwhile.
///
/// # Errors
/// As [`change_fate`].
#[napi(catch_unwind)]
pub fn relabel(
    env: &Env,
    #[napi(ts_arg_type = "string")] file: FsName,
    number: u32,
    label: String,
) -> Result<()> {
    catalog::Catalog::open(&path_of(file))
        .and_then(|c| c.relabel(number, &label))
        .map_err(|e| to_napi(env, &e))
}
