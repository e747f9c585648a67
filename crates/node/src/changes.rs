//! What has changed in the sources, over the boundary: renames after a scan, comparing by content, and what is to
//! be done on a drive besides copying.

use multivolumecopy_core::CancelToken;
use multivolumecopy_core::catalog::renamed::{Found, Renamed};
use multivolumecopy_core::catalog::scan::{Sameness, Tally};
use multivolumecopy_core::catalog::{self};
use multivolumecopy_core::engine::{checksum, renames};
use multivolumecopy_core::error::Result as CoreResult;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::catalog::Catalog;
use crate::job::{Started, spawn};
use crate::mirror::{AmountJs, TallyJs, tally_js};

/// What the scan of one source came to.
pub(crate) struct Scanned {
    pub source: i64,
    pub tally: Tally,
    pub unreadable: u64,
    pub vanished: u64,
}

/// Finds what was renamed, and takes it out of what is new and what is gone.
pub(crate) fn with_renames(
    catalog: &catalog::Catalog,
    run: i64,
    same: &Sameness,
    scanned: Vec<Scanned>,
    cancel: &CancelToken,
) -> CoreResult<Vec<TallyJs>> {
    let tallies: Vec<&Tally> = scanned.iter().map(|s| &s.tally).collect();
    let found = renames::find(catalog, run, same, &tallies, cancel)?;
    let of = |map: &std::collections::BTreeMap<i64, Renamed>, source| {
        map.get(&source).copied().unwrap_or_default()
    };
    Ok(scanned
        .into_iter()
        .map(|mut s| {
            let (from, to) = (of(&found.from, s.source), of(&found.to, s.source));
            s.tally.gone_files = s.tally.gone_files.saturating_sub(from.files);
            s.tally.gone_bytes = s.tally.gone_bytes.saturating_sub(from.bytes);
            s.tally.new_files = s.tally.new_files.saturating_sub(to.files);
            s.tally.new_bytes = s.tally.new_bytes.saturating_sub(to.bytes);
            TallyJs {
                renamed_files: to.files as f64,
                ..tally_js(s.source, &s.tally, s.unreadable, s.vanished)
            }
        })
        .collect())
}

/// How many regular files of one source were renamed.
#[napi(object, object_from_js = false)]
pub struct RenamedJs {
    /// The source's number in the catalog.
    pub source: f64,
    /// Files that it had under another name.
    pub from_files: f64,
    /// Files that it has under another name now.
    pub to_files: f64,
}

/// What came of comparing by content.
#[napi(object, object_from_js = false)]
pub struct ComparedJs {
    /// Files that were read.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
    /// Files that need no copy although their time differs.
    pub spared: AmountJs,
    /// Files that need one although their size and time are as they were.
    pub changed: AmountJs,
    /// New files whose content a volume holds under a name that is gone, by source.
    pub renamed: Vec<RenamedJs>,
    /// Files that could not be read.
    pub failed: f64,
    /// Files that vanished, or changed while they were read.
    pub vanished: f64,
}

fn renamed_js(found: &Found) -> Vec<RenamedJs> {
    let mut sources: Vec<i64> = found.from.keys().chain(found.to.keys()).copied().collect();
    sources.sort_unstable();
    sources.dedup();
    let files = |map: &std::collections::BTreeMap<i64, Renamed>, source: &i64| {
        map.get(source).map_or(0.0, |r| r.files as f64)
    };
    sources
        .iter()
        .map(|source| RenamedJs {
            source: *source as f64,
            from_files: files(&found.from, source),
            to_files: files(&found.to, source),
        })
        .collect()
}

#[napi]
impl Catalog {
    /// Reads the files that a scan with `same.content` noted, and new ones that may be renamed.
    #[napi(
        catch_unwind,
        ts_return_type = "{ job: Job; done: Promise<ComparedJs> }"
    )]
    pub fn compare_content<'env>(
        &self,
        env: &'env Env,
        run: f64,
        threads: u32,
    ) -> Result<Started<'env>> {
        let path = self.file();
        spawn(env, "mvc-compare", move |cancel, progress| {
            let catalog = catalog::Catalog::attach(&path)?;
            let c = checksum::compare(&catalog, run as i64, threads as usize, cancel, progress)?;
            let amount = |files: u64, bytes: u64| AmountJs {
                files: files as f64,
                bytes: bytes as f64,
            };
            Ok(ComparedJs {
                files: c.files as f64,
                bytes: c.bytes as f64,
                spared: amount(c.spared_files, c.spared_bytes),
                changed: amount(c.changed_files, c.changed_bytes),
                renamed: renamed_js(&c.renamed),
                failed: c.failed as f64,
                vanished: c.vanished as f64,
            })
        })
    }

    /// Whether there is anything to do on a volume besides copying: renames, removals (with `gone` also of what is
    /// gone from the sources), and owners, modes and times to mend.
    #[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<boolean> }")]
    pub fn has_work<'env>(&self, env: &'env Env, number: u32, gone: bool) -> Result<Started<'env>> {
        let path = self.file();
        spawn(env, "mvc-work", move |_, _| {
            catalog::Catalog::attach(&path)?.has_work(number, gone)
        })
    }
}
