//! Restoring from the drives of a laboratory, as a host does it that knows nothing but what the drives say.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use multivolumecopy_core::CancelToken;
use multivolumecopy_core::catalog::restore::{Group, Staged};
use multivolumecopy_core::catalog::{Catalog, SetInfo};
use multivolumecopy_core::engine::learn::{Learned, Place, learn};
use multivolumecopy_core::error::{FileError, Result};
use multivolumecopy_core::progress::Progress;
use multivolumecopy_core::restore::drive::{From, restore_drive};
use multivolumecopy_core::restore::finish::{Finished, finish};
use multivolumecopy_core::restore::target::Target;
use multivolumecopy_core::restore::{Options, Outcome};

use super::{SET, bytes, unlocked};

/// A restore that is going on.
pub struct Restore {
    pub catalog: Catalog,
    pub target: Target,
    pub to: PathBuf,
    pub progress: Progress,
}

impl Restore {
    /// Begins one; `file`: where its private catalog is made.
    pub fn begin(file: &Path, to: &Path) -> Result<Restore> {
        let set = SetInfo {
            id: SET.into(),
            name: "test".into(),
            created: 1,
        };
        let catalog = unlocked(|| Catalog::create(file, &set))?;
        drop(catalog);
        let catalog = Catalog::attach_restore(file)?;
        let name = file.file_name().unwrap().as_encoded_bytes();
        let session = format!(
            "{:016x}",
            name.iter()
                .fold(7u64, |n, b| n * 31 % (1 << 60) + u64::from(*b))
        );
        let mut target = Target::open(bytes(to), &session)?;
        target.take_over(&catalog, &CancelToken::new(), &Progress::new())?;
        Ok(Restore {
            catalog,
            target,
            to: to.to_owned(),
            progress: Progress::new(),
        })
    }

    pub fn learn(&self, drive: &Path) -> Result<Learned> {
        let place = Place {
            path: bytes(drive).to_vec(),
            mount_id: None,
            mount: Vec::new(),
            fs_type: "test".into(),
            fs_uuid: String::new(),
            capacity: 1,
            available: 1,
            block_size: 4096,
            inodes_free: 0,
            has_links: true,
        };
        learn(&place, &self.catalog, &CancelToken::new(), &self.progress)
    }

    pub fn stage(&self, paths: &[&str]) -> Result<Staged> {
        let paths: Vec<_> = paths.iter().map(|p| p.as_bytes().to_vec()).collect();
        self.catalog.restore_stage(&paths, &CancelToken::new())
    }

    pub fn groups(&self) -> Vec<Group> {
        self.catalog.restore_groups().unwrap()
    }

    pub fn drive(&mut self, drive: &Path, volume: u32, options: &Options) -> Result<Outcome> {
        let from = From {
            path: bytes(drive),
            mount_id: None,
            volume,
        };
        let cancel = CancelToken::new();
        restore_drive(
            &from,
            &mut self.target,
            &self.catalog,
            options,
            &cancel,
            &self.progress,
        )
    }

    /// The same, until so many entries are done: then an end is asked for.
    pub fn drive_until(
        &mut self,
        drive: &Path,
        volume: u32,
        options: &Options,
        entries: u64,
    ) -> Result<Outcome> {
        let from = From {
            path: bytes(drive),
            mount_id: None,
            volume,
        };
        let (cancel, ended) = (CancelToken::new(), AtomicBool::new(false));
        let (target, catalog, progress) = (&mut self.target, &self.catalog, &self.progress);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while progress.entries.load(Ordering::Relaxed) < entries
                    && !ended.load(Ordering::Relaxed)
                {
                    std::thread::yield_now();
                }
                cancel.stop();
            });
            let outcome = restore_drive(&from, target, catalog, options, &cancel, progress);
            ended.store(true, Ordering::Relaxed);
            outcome
        })
    }

    pub fn finish(&mut self) -> Result<Finished> {
        finish(
            &mut self.target,
            &self.catalog,
            &CancelToken::new(),
            &self.progress,
        )
    }

    pub fn errors(&self) -> Vec<FileError> {
        self.progress.take_errors()
    }
}
