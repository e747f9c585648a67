//! Looks at an open drive over the boundary: what is foreign on it, and whether it keeps what was written.

use multivolumecopy_core::engine::{foreign, readback};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::catalog::Catalog;
use crate::drive::OpenDrive;
use crate::job::Started;
use crate::name::FsName;

/// What reading back came to.
#[napi(object, object_from_js = false)]
pub struct ReadBackJs {
    /// Regular files that were read.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
    /// Files that are not as they were written.
    pub bad: f64,
}

/// What is on a drive that the set knows nothing about.
#[napi(object, object_from_js = false)]
pub struct ForeignJs {
    /// Everything but directories.
    pub files: f64,
    /// Bytes of regular files.
    pub bytes: f64,
    /// Directories.
    pub directories: f64,
    /// What could not be removed.
    pub left: f64,
    /// The first paths, below the drive's root.
    #[napi(ts_type = "string[]")]
    pub names: Vec<FsName>,
}

#[napi]
impl OpenDrive {
    /// Reads back from the device what was written on the drive; what is not as it was written is a finding then.
    #[napi(
        catch_unwind,
        ts_return_type = "{ job: Job; done: Promise<ReadBackJs> }"
    )]
    pub fn read_back<'env>(&self, env: &'env Env, catalog: &Catalog) -> Result<Started<'env>> {
        self.job(
            env,
            "mvc-readback",
            catalog,
            move |drive, catalog, cancel, progress| {
                let r = readback::read_back(drive, catalog, cancel, progress)?;
                Ok(ReadBackJs {
                    files: r.files as f64,
                    bytes: r.bytes as f64,
                    bad: r.bad as f64,
                })
            },
        )
    }

    /// What stands on the drive and is none of ours; removed where `remove` is true.
    #[napi(
        catch_unwind,
        ts_return_type = "{ job: Job; done: Promise<ForeignJs> }"
    )]
    pub fn foreign<'env>(
        &self,
        env: &'env Env,
        catalog: &Catalog,
        remove: bool,
    ) -> Result<Started<'env>> {
        self.job(
            env,
            "mvc-foreign",
            catalog,
            move |drive, catalog, cancel, progress| {
                let f = match remove {
                    true => foreign::remove(drive, catalog, cancel, progress)?,
                    false => foreign::find(drive, catalog, cancel, progress)?,
                };
                Ok(ForeignJs {
                    files: f.files as f64,
                    bytes: f.bytes as f64,
                    directories: f.directories as f64,
                    left: f.left as f64,
                    names: f.names.into_iter().map(FsName).collect(),
                })
            },
        )
    }
}
