//! An open drive over the boundary: open, recover, apply, adopt, copy, close; each a job.
//!
//! The drive's descriptors live in the handle between the jobs, and are gone when it is closed or
//! dropped. Only one job works on a drive at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use multivolumecopy_core::catalog;
use multivolumecopy_core::engine::setlist::List;
use multivolumecopy_core::engine::starthere::Page;
use multivolumecopy_core::engine::{adopt, apply, close, copy, drive, file, recover};
use multivolumecopy_core::error::{Code, Error as CoreError, Result as CoreResult};
use multivolumecopy_core::format::volumejson::{self, SetRef, VolumeJson, VolumeRef};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::catalog::Catalog;
use crate::job::{Started, spawn};
use crate::name::FsName;

/// Which drive to open and what it is to be.
#[napi(object)]
pub struct OpenDriveJs {
    /// Where it is mounted.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// The mount that was looked at.
    pub mount_id: Option<f64>,
    /// The set's id.
    pub set_id: String,
    /// The set's name.
    pub set_name: String,
    /// The volume's number.
    pub number: u32,
    /// Which copy of the set the volume belongs to.
    pub copy: u32,
    /// The volume's id.
    pub volume_id: String,
    /// The volume's label.
    pub label: String,
    /// The generation that is known of it.
    pub generation: f64,
    /// Now, RFC 3339 in UTC: the date at which a new drive joins.
    pub now: String,
    /// Bytes of its file system.
    pub capacity: f64,
    /// The program and version that writes.
    pub tool: String,
    /// Whether it is a volume of the set already.
    pub known: bool,
    /// A word for this session, unique on the drive, of hexadecimal digits.
    pub session: String,
}

/// What an open drive is.
#[napi(object, object_from_js = false)]
pub struct DriveFactsJs {
    /// Its generation from here on.
    pub generation: f64,
    /// Whether its file system keeps hard links.
    pub links: bool,
    /// Whether it keeps symbolic links.
    pub symlinks: bool,
}

/// What recovery did.
#[napi(object, object_from_js = false)]
pub struct RecoveredJs {
    /// Entries that the journal promised.
    pub promised: f64,
    /// Entries that were finished now.
    pub finished: f64,
    /// Entries to be copied again.
    pub dropped: f64,
}

/// What was renamed, removed and mended.
#[napi(object, object_from_js = false)]
pub struct AppliedJs {
    /// Regular files renamed.
    pub renamed_files: f64,
    /// Renames that were given up: these entries have to be copied.
    pub given_up: f64,
    /// Regular files removed.
    pub removed_files: f64,
    /// Bytes that they had.
    pub removed_bytes: f64,
    /// Entries whose owner, mode or time was mended.
    pub mended: f64,
    /// Entries left because they are not what was recorded.
    pub left: f64,
}

/// How to write a volume.
#[napi(object)]
pub struct CopyOptionsJs {
    /// Copier threads; 0 does everything on one thread.
    pub workers: u32,
    /// Whether only one of them at a time copies a file that is not small.
    pub one_large: bool,
    /// How digests are made.
    #[napi(ts_type = "'sha256' | 'blake3' | 'none'")]
    pub digest: String,
    /// Whether foreign files under our names are replaced.
    pub adopt: bool,
    /// Milliseconds until a group of files is made durable.
    pub epoch_ms: u32,
}

/// Something that could not be kept, with how often.
#[napi(object, object_from_js = false)]
pub struct LossJs {
    /// What.
    pub what: String,
    /// How often.
    pub count: f64,
    /// The manifest has it: a restore brings it back.
    pub recorded: bool,
}

/// What came of writing one volume.
#[napi(object, object_from_js = false)]
pub struct CopyOutcomeJs {
    /// Entries on the drive now, durably.
    pub entries: f64,
    /// Regular files among them.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
    /// Files that failed.
    pub failed: f64,
    /// Files that vanished.
    pub vanished: f64,
    /// Files that kept changing.
    pub changing: f64,
    /// Foreign files in the way.
    pub foreign: f64,
    /// Files that found no room in spite of the plan.
    pub no_room: f64,
    /// Whether an end was asked for before all was done.
    pub stopped: bool,
    /// What the file system could not keep.
    pub losses: Vec<LossJs>,
}

/// What stands on a drive that was closed.
#[napi(object, object_from_js = false)]
pub struct ClosedJs {
    /// Entries in its manifest.
    pub entries: f64,
    /// Regular files.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
    /// What became of the list of the whole set.
    #[napi(ts_type = "'fresh' | 'written' | 'no-room'")]
    pub list: &'static str,
    /// With `no-room`: when the list that stayed was written, seconds since 1970; absent: there is none.
    pub list_date: Option<f64>,
    /// What became of START-HERE.html.
    #[napi(ts_type = "'fresh' | 'written' | 'no-room' | 'off'")]
    pub page: &'static str,
}

type Slot = Arc<Mutex<Option<drive::Drive>>>;

/// A drive that is open for writing.
#[napi]
pub struct OpenDrive {
    slot: Slot,
    facts: DriveFactsData,
}

#[derive(Clone, Copy)]
struct DriveFactsData {
    generation: u64,
    links: bool,
    symlinks: bool,
}

fn lock(slot: &Slot) -> MutexGuard<'_, Option<drive::Drive>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_open() -> CoreError {
    CoreError::new(Code::Internal, "using a drive", "it is not open")
}

/// Opens a drive for writing and raises its generation.
#[napi(
    catch_unwind,
    ts_return_type = "{ job: Job; done: Promise<OpenDrive> }"
)]
pub fn open_drive<'env>(env: &'env Env, options: OpenDriveJs) -> Result<Started<'env>> {
    spawn(env, "mvc-open", move |_, _| {
        let identity = VolumeJson {
            version: volumejson::VERSION,
            set: SetRef {
                id: options.set_id,
                name: options.set_name,
            },
            volume: VolumeRef {
                number: options.number,
                id: options.volume_id,
                label: options.label,
            },
            generation: options.generation as u64,
            created: options.now,
            closed: None,
            capacity: options.capacity as u64,
            tool: options.tool,
            copy: options.copy,
            verified: None,
            other: Default::default(),
        };
        let drive = drive::Drive::open(drive::OpenAs {
            path: options.path.0,
            mount_id: options.mount_id.map(|id| id as u64),
            identity,
            known: options.known,
            session: options.session,
        })?;
        let facts = DriveFactsData {
            generation: drive.identity.generation,
            links: drive.abilities.links,
            symlinks: drive.abilities.symlinks,
        };
        Ok(OpenDrive {
            slot: Arc::new(Mutex::new(Some(drive))),
            facts,
        })
    })
}

#[napi]
impl OpenDrive {
    /// What it is.
    #[napi(getter)]
    pub fn facts(&self) -> DriveFactsJs {
        DriveFactsJs {
            generation: self.facts.generation as f64,
            links: self.facts.links,
            symlinks: self.facts.symlinks,
        }
    }

    /// Closes all descriptors and claims nothing.
    #[napi]
    pub fn abandon(&self) {
        *lock(&self.slot) = None;
    }

    /// Finishes what a broken run left and tells the catalog what the drive holds.
    #[napi(
        catch_unwind,
        ts_return_type = "{ job: Job; done: Promise<RecoveredJs> }"
    )]
    pub fn recover<'env>(
        &self,
        env: &'env Env,
        catalog: &Catalog,
        reread: bool,
    ) -> Result<Started<'env>> {
        self.job(
            env,
            "mvc-recover",
            catalog,
            move |drive, catalog, cancel, _| {
                let r = recover::recover(drive, catalog, reread, cancel)?;
                Ok(RecoveredJs {
                    promised: r.promised as f64,
                    finished: r.finished as f64,
                    dropped: r.dropped as f64,
                })
            },
        )
    }

    /// Removes what may go and mends owners and modes.
    #[napi(
        catch_unwind,
        ts_return_type = "{ job: Job; done: Promise<AppliedJs> }"
    )]
    pub fn apply<'env>(
        &self,
        env: &'env Env,
        catalog: &Catalog,
        gone: bool,
    ) -> Result<Started<'env>> {
        self.job(
            env,
            "mvc-apply",
            catalog,
            move |drive, catalog, cancel, progress| {
                let a = apply::apply(drive, catalog, gone, cancel, progress)?;
                Ok(AppliedJs {
                    renamed_files: a.renamed_files as f64,
                    given_up: a.given_up as f64,
                    removed_files: a.removed_files as f64,
                    removed_bytes: a.removed_bytes as f64,
                    mended: a.mended as f64,
                    left: a.left as f64,
                })
            },
        )
    }

    /// Takes over what stands there already and is equal in size and time. `survey`: what is on the drive
    /// and is none of ours is counted, too.
    #[napi(
        catch_unwind,
        ts_return_type = "{ job: Job; done: Promise<AdoptedJs> }"
    )]
    pub fn adopt<'env>(
        &self,
        env: &'env Env,
        catalog: &Catalog,
        run: f64,
        step_seconds: u32,
        survey: bool,
    ) -> Result<Started<'env>> {
        self.job(
            env,
            "mvc-adopt",
            catalog,
            move |drive, catalog, cancel, progress| {
                let adopted = adopt::adopt_equal(
                    drive,
                    catalog,
                    run as i64,
                    step_seconds.into(),
                    cancel,
                    progress,
                )?;
                let on_drive = match survey {
                    true => Some(adopt::count_files(drive, cancel, progress)? as f64),
                    false => None,
                };
                Ok(AdoptedJs {
                    files: adopted.files as f64,
                    bytes: adopted.bytes as f64,
                    others: adopted.others as f64,
                    differing: adopted.differing as f64,
                    differing_names: adopted.differing_names.into_iter().map(FsName).collect(),
                    on_drive,
                })
            },
        )
    }

    /// Writes what the stored plan gives to this volume.
    #[napi(
        catch_unwind,
        ts_return_type = "{ job: Job; done: Promise<CopyOutcomeJs> }"
    )]
    pub fn copy<'env>(
        &self,
        env: &'env Env,
        catalog: &Catalog,
        run: f64,
        options: CopyOptionsJs,
    ) -> Result<Started<'env>> {
        self.job(
            env,
            "mvc-copy",
            catalog,
            move |drive, catalog, cancel, progress| {
                let options = copy::Options {
                    workers: options.workers as usize,
                    one_large: options.one_large,
                    digest: crate::digests::choice(&options.digest)?,
                    adopt: options.adopt,
                    epoch: Duration::from_millis(options.epoch_ms.into()),
                    ..copy::Options::default()
                };
                let o = copy::copy_volume(drive, catalog, run as i64, &options, cancel, progress)?;
                Ok(CopyOutcomeJs {
                    entries: o.entries as f64,
                    files: o.files as f64,
                    bytes: o.bytes as f64,
                    failed: o.failed as f64,
                    vanished: o.vanished as f64,
                    changing: o.changing as f64,
                    foreign: o.foreign as f64,
                    no_room: o.no_room as f64,
                    stopped: o.stopped,
                    losses: o
                        .losses
                        .into_iter()
                        .map(|(what, count)| LossJs {
                            recorded: file::Loss::is_recorded(&what),
                            what,
                            count: count as f64,
                        })
                        .collect(),
                })
            },
        )
    }

    /// Closes the drive. `date` is now when all that was planned for it is there.
    #[napi(catch_unwind, ts_return_type = "{ job: Job; done: Promise<ClosedJs> }")]
    pub fn close<'env>(
        &self,
        env: &'env Env,
        catalog: &Catalog,
        date: Option<String>,
    ) -> Result<Started<'env>> {
        let slot = Arc::clone(&self.slot);
        let path = catalog.file();
        spawn(env, "mvc-close", move |cancel, progress| {
            let drive = lock(&slot).take().ok_or_else(not_open)?;
            let catalog = catalog::Catalog::attach(&path)?;
            let c = close::close(drive, &catalog, date.as_deref(), cancel, progress)?;
            let (list, list_date) = match c.list {
                List::Fresh => ("fresh", None),
                List::Written(_) => ("written", None),
                List::NoRoom(date) => ("no-room", date.map(|date| date as f64)),
            };
            Ok(ClosedJs {
                entries: c.entries as f64,
                files: c.files as f64,
                bytes: c.bytes as f64,
                list,
                list_date,
                page: match c.page {
                    Page::Fresh => "fresh",
                    Page::Written => "written",
                    Page::NoRoom => "no-room",
                    Page::Off => "off",
                },
            })
        })
    }

    pub(crate) fn job<'env, T, W>(
        &self,
        env: &'env Env,
        name: &str,
        catalog: &Catalog,
        work: W,
    ) -> Result<Started<'env>>
    where
        T: ToNapiValue + Send + 'static,
        W: FnOnce(
                &mut drive::Drive,
                &catalog::Catalog,
                &multivolumecopy_core::CancelToken,
                &multivolumecopy_core::progress::Progress,
            ) -> CoreResult<T>
            + Send
            + 'static,
    {
        let slot = Arc::clone(&self.slot);
        let path = catalog.file();
        spawn(env, name, move |cancel, progress| {
            let mut guard = lock(&slot);
            let drive = guard.as_mut().ok_or_else(not_open)?;
            let catalog = catalog::Catalog::attach(&path)?;
            work(drive, &catalog, cancel, progress)
        })
    }
}

/// What was taken over, and what was not.
#[napi(object, object_from_js = false)]
pub struct AdoptedJs {
    /// Regular files.
    pub files: f64,
    /// Bytes of their content.
    pub bytes: f64,
    /// Entries of other kinds.
    pub others: f64,
    /// Entries that are there and are not what the source has.
    pub differing: f64,
    /// The first paths of these, below the drive's root.
    #[napi(ts_type = "string[]")]
    pub differing_names: Vec<FsName>,
    /// All regular files that stand on the drive, where they were counted.
    pub on_drive: Option<f64>,
}
