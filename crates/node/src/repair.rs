//! Repair over the boundary: what can be done about the findings on a drive, and doing it.

use multivolumecopy_core::catalog;
use multivolumecopy_core::engine::repair::{self, Named};
use multivolumecopy_core::engine::{findings, origin, spool};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::catalog::Catalog;
use crate::drive::OpenDrive;
use crate::error::to_napi;
use crate::job::{Started, spawn};
use crate::name::FsName;

/// So many entries, and the first of their paths.
#[napi(object, object_from_js = false)]
pub struct NamedJs {
    /// Entries.
    pub count: f64,
    /// Bytes of their content.
    pub bytes: f64,
    /// The first paths, at most 1,000.
    #[napi(ts_type = "string[]")]
    pub names: Vec<FsName>,
}

impl From<Named> for NamedJs {
    fn from(n: Named) -> Self {
        NamedJs {
            count: n.count as f64,
            bytes: n.bytes as f64,
            names: n.names.into_iter().map(FsName).collect(),
        }
    }
}

/// What a volume has of what another one needs.
#[napi(object, object_from_js = false)]
pub struct HolderJs {
    /// Its number.
    pub volume: u32,
    /// Files.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
}

/// What can be done about the findings on a volume; each entry is in one of these.
#[napi(object, object_from_js = false)]
pub struct OutlookJs {
    /// Comes back from a source, or needs no content.
    pub from_source: NamedJs,
    /// Somebody changed it on the drive.
    pub changed: NamedJs,
    /// Comes back from other volumes.
    pub elsewhere: NamedJs,
    /// Which volumes have these; one may be on several.
    pub volumes: Vec<HolderJs>,
    /// The source has another version now.
    pub newer: NamedJs,
    /// The source has other content under the same size and time.
    pub silent: NamedJs,
    /// Its source cannot be looked at.
    pub unseen: NamedJs,
    /// In no source and on no other volume.
    pub lost: NamedJs,
}

impl From<origin::Outlook> for OutlookJs {
    fn from(o: origin::Outlook) -> Self {
        OutlookJs {
            from_source: o.from_source.into(),
            changed: o.changed.into(),
            elsewhere: o.elsewhere.into(),
            volumes: o
                .volumes
                .into_iter()
                .map(|(volume, (files, bytes))| HolderJs {
                    volume,
                    files: files as f64,
                    bytes: bytes as f64,
                })
                .collect(),
            newer: o.newer.into(),
            silent: o.silent.into(),
            unseen: o.unseen.into(),
            lost: o.lost.into(),
        }
    }
}

/// Another drive that content is read from.
#[napi(object)]
pub struct FromDriveJs {
    /// Where it is mounted.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// The number of the volume that it has to be.
    pub volume: u32,
    /// It is what was kept of that volume on the host.
    pub spooled: Option<bool>,
}

impl From<FromDriveJs> for repair::Origin {
    fn from(from: FromDriveJs) -> Self {
        let (path, volume) = (from.path.0, from.volume);
        match from.spooled {
            Some(true) => repair::Origin::Spool { path, volume },
            _ => repair::Origin::Drive { path, volume },
        }
    }
}

/// What was kept of another volume on the host.
#[napi(object, object_from_js = false)]
pub struct SpooledJs {
    /// Files that are kept.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
    /// Files for which there was no room.
    pub left: f64,
    /// Bytes of these.
    pub left_bytes: f64,
    /// It was stopped.
    pub stopped: bool,
}

/// What was kept beside a repaired file.
#[napi(object, object_from_js = false)]
pub struct AsideJs {
    /// The file.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// The name in the same directory under which its changed version is now.
    #[napi(ts_type = "string")]
    pub name: FsName,
}

/// What one pass over the findings came to.
#[napi(object, object_from_js = false)]
pub struct RepairedJs {
    /// Brought back, durable, and read back.
    pub repaired: NamedJs,
    /// Good after all.
    pub good: NamedJs,
    /// Tried and failed.
    pub failed: f64,
    /// What was kept beside.
    pub aside: Vec<AsideJs>,
    /// It was stopped.
    pub stopped: bool,
}

#[napi]
impl Catalog {
    /// Takes over the findings that a drive carries. Resolves with the number of our own files on it that are
    /// damaged and that closing it puts right.
    #[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<number> }")]
    pub fn learn_findings<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "string")] path: FsName,
        volume: u32,
    ) -> Result<Started<'env>> {
        let file = self.file();
        spawn(env, "mvc-findings", move |_, _| {
            let catalog = catalog::Catalog::attach(&file)?;
            Ok(findings::learn_findings(&catalog, &path.0, volume)? as f64)
        })
    }

    /// Findings on a volume.
    #[napi(catch_unwind)]
    pub fn count_findings(&self, env: &Env, volume: u32) -> Result<f64> {
        self.with(env, |c| Ok(c.count_findings(volume)? as f64))
    }

    /// What can be done about the findings on a volume. `thorough`: files in the sources are read, and what is lost
    /// is put on the list of what is.
    #[napi(
        catch_unwind,
        ts_return_type = "{ job: Job; done: Promise<OutlookJs> }"
    )]
    pub fn outlook<'env>(
        &self,
        env: &'env Env,
        volume: u32,
        thorough: bool,
    ) -> Result<Started<'env>> {
        let path = self.file();
        spawn(env, "mvc-outlook", move |cancel, _| {
            let catalog = catalog::Catalog::attach(&path)?;
            let outlook = origin::outlook(&catalog, volume, thorough, cancel)?;
            Ok(OutlookJs::from(outlook))
        })
    }
}

#[napi]
impl Catalog {
    /// Copies into `dir`, which is made anew, what the findings on `volume` need and the drive `from` has: at most
    /// `most` bytes. `aside`: also of what was changed on the drive.
    #[napi(
        catch_unwind,
        ts_return_type = "{ job: Job; done: Promise<SpooledJs> }"
    )]
    pub fn spool<'env>(
        &self,
        env: &'env Env,
        volume: u32,
        from: FromDriveJs,
        #[napi(ts_arg_type = "string")] dir: FsName,
        aside: bool,
        most: f64,
    ) -> Result<Started<'env>> {
        let path = self.file();
        let from = repair::Origin::from(from);
        spawn(env, "mvc-spool", move |cancel, progress| {
            let catalog = catalog::Catalog::attach(&path)?;
            // The cast saturates.
            let how = (aside, most as u64);
            let s = spool::spool(&catalog, volume, &from, &dir.0, how, cancel, progress)?;
            Ok(SpooledJs {
                files: s.files as f64,
                bytes: s.bytes as f64,
                left: s.left as f64,
                left_bytes: s.left_bytes as f64,
                stopped: s.stopped,
            })
        })
    }
}

/// Removes what was kept of another drive in `dir`, and `dir`.
///
/// # Errors
/// `IO`.
#[napi(catch_unwind)]
pub fn clear_spool(env: &Env, #[napi(ts_arg_type = "string")] dir: FsName) -> Result<()> {
    spool::clear(&dir.0).map_err(|e| to_napi(env, &e))
}

#[napi]
impl OpenDrive {
    /// Repairs what has a finding, as far as the sources, or the other drive, have it.
    #[napi(
        catch_unwind,
        ts_return_type = "{ job: Job; done: Promise<RepairedJs> }"
    )]
    pub fn repair<'env>(
        &self,
        env: &'env Env,
        catalog: &Catalog,
        from: Option<FromDriveJs>,
        aside: bool,
    ) -> Result<Started<'env>> {
        let origin = match from {
            None => repair::Origin::Sources,
            Some(from) => from.into(),
        };
        self.job(
            env,
            "mvc-repair",
            catalog,
            move |drive, catalog, cancel, progress| {
                let r = repair::repair(drive, catalog, &origin, aside, cancel, progress)?;
                Ok(RepairedJs {
                    repaired: r.repaired.into(),
                    good: r.good.into(),
                    failed: r.failed as f64,
                    aside: r
                        .aside
                        .into_iter()
                        .map(|(path, name)| AsideJs {
                            path: FsName(path),
                            name: FsName(name),
                        })
                        .collect(),
                    stopped: r.stopped,
                })
            },
        )
    }
}
