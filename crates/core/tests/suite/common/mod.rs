//! A small laboratory for the tests that drive catalog and engine end to end, without Node.
//!
//! It keeps a source tree, a catalog and some folders that stand for drives, runs backups with a trivial
//! first-fit plan, and compares what stands on a drive with the source. It decides nothing that is tested.
#![allow(dead_code)]

pub mod again;
pub mod compare;
pub mod crash;
pub mod query;
pub mod restore;

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use multivolumecopy_core::catalog::plan::{NEEDS_PLACE, NO_PLACE_NEEDED};
use multivolumecopy_core::catalog::renamed::Found;
use multivolumecopy_core::catalog::scan::{Sameness, Tally};
use multivolumecopy_core::catalog::{Catalog, SetInfo};
use multivolumecopy_core::engine::apply::{Applied, apply};
use multivolumecopy_core::engine::close::{Closed, close};
use multivolumecopy_core::engine::copy::{Options, Outcome, copy_volume};
use multivolumecopy_core::engine::drive::{Drive, OpenAs};
use multivolumecopy_core::engine::recover::{Recovered, recover};
use multivolumecopy_core::engine::{checksum, renames};
use multivolumecopy_core::error::FileError;
use multivolumecopy_core::filter::{FileList, Filter, Rule};
use multivolumecopy_core::format::item::{Algorithm, Item};
use multivolumecopy_core::format::manifest;
use multivolumecopy_core::format::volumejson::{self, SetRef, VolumeJson, VolumeRef};
use multivolumecopy_core::progress::Progress;
use multivolumecopy_core::walk::{self, Summary};
use multivolumecopy_core::{CancelToken, Code, Result, sys};

pub const SET: &str = "00000000000000000000000000000001";
pub const DATE: &str = "2026-11-22T19:00:00Z";

pub fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// A path of any bytes below a directory.
pub fn at(dir: &Path, name: &[u8]) -> PathBuf {
    dir.join(OsStr::from_bytes(name))
}

/// A source, a catalog and folders that stand for drives.
pub struct Lab {
    pub dir: tempfile::TempDir,
    pub source: PathBuf,
}

/// What one run came to.
#[derive(Debug, Default)]
pub struct Ran {
    pub run: i64,
    pub tally: Tally,
    pub summary: Summary,
    pub renamed: Found,
    pub compared: checksum::Compared,
    pub recovered: Vec<Recovered>,
    pub applied: Vec<Applied>,
    pub outcomes: Vec<Outcome>,
    pub closed: Vec<Closed>,
    pub errors: Vec<FileError>,
}

/// How to run.
pub struct Run {
    /// Bytes that each drive may take; the first is drive 1.
    pub capacities: Vec<u64>,
    pub workers: usize,
    /// `Some`: removals are agreed to, or not.
    pub gone: bool,
    pub reread: bool,
    pub digest: Option<Algorithm>,
    pub adopt: bool,
    pub epoch: Duration,
    pub rules: Vec<Rule>,
    pub one_file_system: bool,
    pub close: bool,
    pub same: Sameness,
    /// The numbers of the drives that are in; empty: all.
    pub mounted: Vec<u32>,
}

impl Default for Run {
    fn default() -> Self {
        Run {
            capacities: vec![u64::MAX],
            workers: 0,
            gone: false,
            reread: false,
            digest: Some(Algorithm::Sha256),
            adopt: false,
            epoch: Duration::from_secs(5),
            rules: Vec::new(),
            one_file_system: false,
            close: true,
            same: Sameness::default(),
            mounted: Vec::new(),
        }
    }
}

impl Lab {
    pub fn new() -> Lab {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        std::fs::create_dir(&source).unwrap();
        Lab { dir, source }
    }

    /// One that lies in memory where there is such a place: for very many small writes.
    pub fn in_memory() -> Lab {
        let place = Path::new("/dev/shm");
        let dir = match place.is_dir() {
            true => tempfile::tempdir_in(place).or_else(|_| tempfile::tempdir()),
            false => tempfile::tempdir(),
        };
        let dir = dir.unwrap();
        let source = dir.path().join("source");
        std::fs::create_dir(&source).unwrap();
        Lab { dir, source }
    }

    pub fn drive_path(&self, number: u32) -> PathBuf {
        self.dir.path().join(format!("drive{number}"))
    }

    pub fn catalog_path(&self) -> PathBuf {
        self.dir.path().join("catalog.sqlite")
    }

    /// The catalog, made where there is none, with the source at the drives' root.
    pub fn catalog(&self) -> Catalog {
        open_catalog(&self.catalog_path(), &self.source)
    }

    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.source.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A whole run: scan, plan, then each drive with something to do.
    pub fn run(&self, run: &Run) -> Ran {
        let catalog = self.catalog();
        self.run_with(&catalog, run, &CancelToken::new()).unwrap()
    }

    pub fn run_with(&self, catalog: &Catalog, how: &Run, cancel: &CancelToken) -> Result<Ran> {
        self.run_on(catalog, how, cancel, &|number| self.drive_path(number))
    }

    /// The same, with drives that lie elsewhere.
    pub fn run_on(
        &self,
        catalog: &Catalog,
        how: &Run,
        cancel: &CancelToken,
        drive_path: &dyn Fn(u32) -> PathBuf,
    ) -> Result<Ran> {
        let progress = Progress::new();
        let mut ran = Ran {
            run: catalog.begin_run(now())?,
            ..Ran::default()
        };
        let source = catalog.sources()?.remove(0);
        let filter = Filter::new(how.rules.clone())?;
        let options = walk::Options {
            one_file_system: how.one_file_system,
            ..walk::Options::new(&filter)
        };
        (ran.tally, ran.summary) = scan_by(
            catalog,
            ran.run,
            source.id,
            b"",
            &self.source,
            &options,
            how.same,
        )?;
        ran.renamed = renames::find(catalog, ran.run, &how.same, &[&ran.tally], cancel)?;
        if how.same.content {
            ran.compared = checksum::compare(catalog, ran.run, 2, cancel, &progress)?;
        }
        catalog.drop_gone_unplaced()?;
        plan(catalog, ran.run, &how.capacities)?;
        for n in 0..how.capacities.len() {
            let number = n as u32 + 1;
            if !how.mounted.is_empty() && !how.mounted.contains(&number) {
                continue;
            }
            let mut drive = open_drive(&drive_path(number), number)?;
            ran.recovered
                .push(recover(&mut drive, catalog, how.reread, cancel)?);
            ran.applied
                .push(apply(&mut drive, catalog, how.gone, cancel, &progress)?);
            let options = Options {
                workers: how.workers,
                digest: how.digest,
                adopt: how.adopt,
                epoch: how.epoch,
                ..Options::default()
            };
            let outcome = copy_volume(&mut drive, catalog, ran.run, &options, cancel, &progress);
            ran.outcomes.push(outcome?);
            if how.close {
                ran.closed
                    .push(close(drive, catalog, Some(DATE), cancel, &progress)?);
            }
        }
        ran.errors = progress.take_errors();
        catalog.end_run(ran.run, now(), "exit 0")?;
        Ok(ran)
    }

    /// Copies what a list names below `root` (the source of this number) onto drive 1; gives what went wrong.
    pub fn copy_listed(
        &self,
        catalog: &Catalog,
        source: i64,
        root: &Path,
        names: &[u8],
    ) -> Vec<FileError> {
        let (run, list, filter) = (
            catalog.begin_run(1).unwrap(),
            list(names),
            Filter::default(),
        );
        let options = walk::Options {
            list: Some(&list),
            ..walk::Options::new(&filter)
        };
        scan(catalog, run, source, b"", root, &options).unwrap();
        plan(catalog, run, &[u64::MAX]).unwrap();
        let (cancel, progress) = Default::default();
        let mut drive = open_drive(&self.drive_path(1), 1).unwrap();
        let options = Options::default();
        copy_volume(&mut drive, catalog, run, &options, &cancel, &progress).unwrap();
        close(drive, catalog, None, &cancel, &progress).unwrap();
        progress.take_errors()
    }

    /// Compares drive 1 with the source and checks its own lists; panics with the differences.
    pub fn check(&self) {
        compare::same_trees(&self.source, &self.drive_path(1));
        check_lists(&self.drive_path(1));
    }
}

/// The seed of a random test: MVCOPY_SEED where it is set.
pub fn random_seed() -> u64 {
    let given = std::env::var("MVCOPY_SEED").ok();
    given.and_then(|s| s.parse().ok()).unwrap_or(20_261_124)
}

/// Tries again while the lock is held: a child that another test is about to start has a copy of it until
/// its exec.
pub fn unlocked<T>(mut open: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match open() {
            Err(e) if e.code == Code::CatalogLocked => std::thread::yield_now(),
            opened => return opened,
        }
    }
}

pub fn open_catalog(path: &Path, source: &Path) -> Catalog {
    let set = SetInfo {
        id: SET.into(),
        name: "test".into(),
        created: 1,
    };
    let catalog = match path.exists() {
        true => unlocked(|| Catalog::open(path)).unwrap(),
        false => unlocked(|| Catalog::create(path, &set)).unwrap(),
    };
    // Whoever made it may have been killed before the source had joined.
    if catalog.sources().unwrap().is_empty() {
        catalog.add_source(bytes(source), b"", false, "").unwrap();
    }
    catalog
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs() as i64
}

/// Walks a source into the catalog.
pub fn scan(
    catalog: &Catalog,
    run: i64,
    source: i64,
    prefix: &[u8],
    path: &Path,
    options: &walk::Options<'_>,
) -> Result<(Tally, Summary)> {
    let same = Sameness::default();
    scan_by(catalog, run, source, prefix, path, options, same)
}

/// The same, with another idea of what is unchanged.
pub fn scan_by(
    catalog: &Catalog,
    run: i64,
    source: i64,
    prefix: &[u8],
    path: &Path,
    options: &walk::Options<'_>,
    same: Sameness,
) -> Result<(Tally, Summary)> {
    let root = sys::open_root(bytes(path))?;
    let meta = sys::stat_fd(root.as_fd()).unwrap();
    let mut scan = catalog.scan_by(run, source, prefix, &meta, same)?;
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    let summary = walk::walk(
        root.as_fd(),
        bytes(path),
        options,
        &cancel,
        &progress,
        &mut |l| scan.listing(&l),
    )?;
    Ok((scan.finish(summary.unreadable == 0)?, summary))
}

pub fn list(paths: &[u8]) -> FileList {
    FileList::parse(paths, false).unwrap()
}

/// Plans by size alone: what stays home stays, the rest goes to the first drive with room.
pub fn plan(catalog: &Catalog, run: i64, capacities: &[u64]) -> Result<()> {
    let mut free = capacities.to_vec();
    let mut groups = std::collections::HashMap::new();
    let mut planner = catalog.planner(run)?;
    while let Some(page) = planner.page(7)? {
        let mut answer = vec![NO_PLACE_NEEDED; page.count];
        for i in (0..page.count).filter(|i| page.flags[*i] & NEEDS_PLACE != 0) {
            let size = page.size[i] as u64;
            let known = (page.group[i] != 0).then(|| groups.get(&page.group[i]));
            if let Some(Some(volume)) = known {
                answer[i] = *volume;
                continue;
            }
            let home = page.home[i] as usize;
            let fits = |n: &usize| free[*n] >= size;
            let volume = (home > 0)
                .then(|| home - 1)
                .filter(fits)
                .or_else(|| (0..free.len()).find(fits));
            answer[i] = volume.map_or(0, |n| {
                free[n] -= size;
                n as u32 + 1
            });
            if page.group[i] != 0 {
                groups.insert(page.group[i], answer[i]);
            }
        }
        planner.answer(&answer)?;
    }
    planner.finish()
}

pub fn identity(number: u32) -> VolumeJson {
    VolumeJson {
        version: volumejson::VERSION,
        set: SetRef {
            id: SET.into(),
            name: "test".into(),
        },
        volume: VolumeRef {
            number,
            id: format!("{number:032x}"),
            label: format!("drive {number}"),
        },
        generation: 1,
        created: DATE.into(),
        closed: None,
        capacity: 1,
        tool: "test".into(),
        copy: 1,
        verified: None,
        other: Default::default(),
    }
}

/// Opens a drive, as a new one where it has no identity yet.
pub fn open_drive(path: &Path, number: u32) -> Result<Drive> {
    std::fs::create_dir_all(path).unwrap();
    Drive::open(OpenAs {
        path: bytes(path).to_vec(),
        mount_id: None,
        identity: identity(number),
        known: path.join(".mvcopy/volume.json").exists(),
        session: "abc".into(),
    })
}

/// The entries of a drive's manifest.
pub fn manifest(drive: &Path) -> Vec<Item> {
    let path = drive.join(".mvcopy/manifest.jsonl");
    let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
    let mut items = Vec::new();
    let header = manifest::read(file, bytes(&path), &mut |item| {
        items.push(item);
        Ok(())
    })
    .unwrap();
    assert_eq!(header.set, SET);
    items
}

/// The drive's own lists agree with what stands there: `sha256sum -c`, and the manifest, both ways.
pub fn check_lists(drive: &Path) {
    let out = Command::new("sha256sum")
        .args(["-c", "--quiet", "--strict", ".mvcopy/SHA256SUMS"])
        .current_dir(drive)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    // An empty list is no error of ours.
    let empty = std::fs::metadata(drive.join(".mvcopy/SHA256SUMS"))
        .unwrap()
        .len()
        == 0;
    assert!(
        empty || (out.status.success() && out.stdout.is_empty()),
        "{}{text}",
        String::from_utf8_lossy(&out.stdout)
    );
    compare::manifest_matches(drive, &manifest(drive));
    for left in ["journal.log", "tmp"] {
        assert!(
            !drive.join(".mvcopy").join(left).exists(),
            "{left} is still there"
        );
    }
}
