//! Writing what the plan gives to one volume.
//!
//! The calling thread reads the plan, hands work to the copiers and commits what they made; each copier
//! is a thread of its own. With no copier threads at all everything happens on the calling thread, in one
//! order: that is what the tests that kill it at every system call use.

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::bounded;

use super::drive::Drive;
use super::file::Copier;
use super::namer::Namer;
use super::pool::{IN_FLIGHT, Inline, Pool};
use super::work::{Made, SourceRoot, Work};
use super::writer::Writer;
use crate::cancel::CancelToken;
use crate::catalog::Catalog;
use crate::error::{Code, Error, Result};
use crate::format::item::Algorithm;
use crate::progress::Progress;
use crate::sys;

/// How to write a volume.
#[derive(Debug, Clone)]
pub struct Options {
    /// Copier threads; 0 does everything on the calling thread.
    pub workers: usize,
    /// Whether only one of the copiers at a time copies a file that is not small: for drives that seek.
    pub one_large: bool,
    /// How digests are made; `None` makes none.
    pub digest: Option<Algorithm>,
    /// Whether a foreign file under one of our names is replaced.
    pub adopt: bool,
    /// How long a group of files may grow before it is made durable.
    pub epoch: Duration,
    /// How many bytes a group may have.
    pub epoch_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            workers: 2,
            one_large: false,
            digest: Some(Algorithm::Sha256),
            adopt: false,
            epoch: Duration::from_secs(5),
            epoch_bytes: 4 << 30,
        }
    }
}

/// What came of writing one volume.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Entries that are on the drive now, durably.
    pub entries: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Files that failed.
    pub failed: u64,
    /// Files that vanished.
    pub vanished: u64,
    /// Files that kept changing.
    pub changing: u64,
    /// Foreign files that stand in the way.
    pub foreign: u64,
    /// Files that found no room: they are to be planned anew.
    pub no_room: u64,
    /// The owner asked for an end; the rest is still to do.
    pub stopped: bool,
    /// What could not be kept on this file system, with how often.
    pub losses: Vec<(String, u64)>,
}

/// Writes what the stored plan gives to the drive's volume; returns when all of it is promised, failed,
/// or the owner asked for an end.
///
/// # Errors
/// `Code::DriveFailed` and `Code::DriveChanged`: what was promised until then is in the catalog and on the
/// drive, and nothing else is claimed. `Code::Cancelled` for an immediate end.
pub fn copy_volume(
    drive: &mut Drive,
    catalog: &Catalog,
    run: i64,
    options: &Options,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Outcome> {
    let sources = open_sources(catalog)?;
    let mut writer = Writer {
        catalog,
        run,
        options,
        cancel,
        progress,
        sources,
        links: drive.abilities.links,
        outcome: Outcome::default(),
        barrier_failures: 0,
        full: false,
        retries: Vec::new(),
        tried: false,
        in_hand: HashSet::new(),
        full_groups: HashMap::new(),
        put_off: 0,
        linked_last: None,
        losses: HashMap::new(),
        namer: Namer::new(drive),
        blank: catalog.holds_nothing(drive.identity.volume.number)?,
        parts_in_hand: HashSet::new(),
        chains: catalog.take_chains(),
    };
    progress
        .phase
        .store(1, std::sync::atomic::Ordering::Relaxed);
    super::starthere::make_way(drive, catalog)?;
    drive.begin_ballast();
    let shared = drive.share();
    let mut losses: HashMap<&'static str, u64> = HashMap::new();
    let result = if options.workers == 0 {
        let mut copier = Copier::new(&shared, options.digest, cancel, progress);
        let result = writer.run_all(drive, &mut Inline(&mut copier));
        losses = std::mem::take(&mut copier.losses);
        result
    } else {
        // Raised at the end: what is still queued then is wanted by nobody.
        let ended = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (work_to, work) = bounded::<Work>(IN_FLIGHT);
            let (done_to, done) = bounded::<(Work, Made)>(IN_FLIGHT);
            let mut threads = Vec::new();
            let large_turn = options.one_large.then(Arc::default);
            for n in 0..options.workers {
                let (work, done_to, shared) = (work.clone(), done_to.clone(), &shared);
                let large_turn = large_turn.clone();
                let thread = std::thread::Builder::new()
                    .name(format!("copy-{n}"))
                    .spawn_scoped(scope, move || {
                        let mut copier = Copier::new(shared, options.digest, cancel, progress);
                        copier.large_turn = large_turn;
                        for work in work {
                            if ended.load(Ordering::Relaxed) {
                                break;
                            }
                            let made = make_or_panic(&mut copier, &work);
                            if done_to.send((work, made)).is_err() {
                                break;
                            }
                        }
                        copier.losses
                    })
                    .map_err(|e| Error::io("starting a thread for", &shared.path, &e));
                match thread {
                    Ok(thread) => threads.push(thread),
                    Err(e) if threads.is_empty() => return Err(e),
                    Err(_) => break,
                }
            }
            drop((work, done_to));
            let mut pool = Pool {
                work: Some(work_to),
                done,
                in_flight: 0,
                bytes: 0,
            };
            let mut result = writer.run_all(drive, &mut pool);
            pool.work = None;
            ended.store(true, Ordering::Relaxed);
            // Copiers that still have something to hand over must not wait for us.
            while pool.done.recv().is_ok() {}
            for thread in threads {
                match thread.join() {
                    Ok(lost) => lost
                        .into_iter()
                        .for_each(|(k, n)| *losses.entry(k).or_default() += n),
                    Err(_) => {
                        result = Err(Error::new(Code::Internal, "copying", "a copier panicked"));
                    }
                }
            }
            result
        })
    };
    catalog.keep_chains(std::mem::take(&mut writer.chains));
    let mut outcome = std::mem::take(&mut writer.outcome);
    let tried = writer.tried;
    // Until it is settled below, or by the next opening, more may stand under final names than is recorded.
    drive.unsettled |= result.is_err() || tried;
    if writer.full {
        // Nothing more comes onto it: the room is for what finishes it.
        drive.release_ballast();
    }
    if result.is_ok() && tried {
        // The flush that found no room came after renames that an earlier one had covered: what of them is
        // whole stays, as after a crash, read from the device.
        super::recover::recover(drive, catalog, false, cancel)?;
    }
    losses.extend(std::mem::take(&mut writer.losses));
    outcome.losses = losses.into_iter().map(|(k, n)| (k.to_owned(), n)).collect();
    outcome.losses.sort();
    result.map(|()| outcome)
}

/// A copier that panics must not leave the run waiting for its result.
fn make_or_panic(copier: &mut Copier<'_>, work: &Work) -> Made {
    catch_unwind(AssertUnwindSafe(|| copier.make(work))).unwrap_or_else(|_| {
        let e = Error::new(Code::Internal, "copying", "a copier panicked");
        Made::DriveFailed(e.with_path(&work.path))
    })
}

/// Opens the roots of all sources that are there; one that is not fails later, entry by entry.
pub(crate) fn open_sources(catalog: &Catalog) -> Result<HashMap<i64, Arc<SourceRoot>>> {
    let mut roots = HashMap::new();
    for source in catalog.sources()? {
        let path = if source.is_file {
            let dir = super::drive::split(&source.path).0;
            if dir.is_empty() {
                b"/".to_vec()
            } else {
                dir.to_vec()
            }
        } else {
            source.path.clone()
        };
        let Ok(fd) = sys::open_root(&path) else {
            continue;
        };
        let kind = sys::file_system_kind(fd.as_fd());
        let prefix = if source.is_file {
            Vec::new()
        } else {
            source.prefix
        };
        let root = SourceRoot {
            fd,
            path,
            prefix,
            server_copy: kind.is_network(),
        };
        roots.insert(source.id, Arc::new(root));
    }
    Ok(roots)
}
