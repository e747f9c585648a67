//! The flow of a check: what the drive says, which part is asked for, chunk after chunk, and what is kept.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicU64;

use super::against::Against;
use super::judge::Wrong;
use super::keep::{self, ForCatalog, Place};
use super::list::{Tables, Told};
use super::lists::Lists;
use super::own::{Own, Said, own_key};
use super::start::Start;
use super::{Counts, Kept, Options, Report, extra, pick};
use crate::cancel::CancelToken;
use crate::engine::drive::{OWN, join};
use crate::error::{Code, Error, IoContext, Result};
use crate::format::date;
use crate::format::verify::{Finding, Part, Word};
use crate::format::volumejson::Check;
use crate::progress::Progress;
use crate::sys;
use crate::volume::{self, PathFacts};

/// Checks the drive that is mounted at `output`.
///
/// A stop (see [`CancelToken`]) is no error: the report says so, and the same options go on from there.
///
/// # Errors
/// `Code::BadInput` for what is no drive of ours; `Code::BadFormat` for one that a newer version wrote, or one
/// that nothing can be told of; `Code::DriveFailed` when it cannot be flushed or does not answer any more;
/// `Code::DriveChanged` when it was written meanwhile; `Code::Cancelled` before the first file; `Code::Io`.
pub fn verify(
    output: &[u8],
    options: &Options,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Report> {
    let facts = volume::inspect(output)?;
    let root = sys::open_root(&facts.path)?;
    let own_path = join(&facts.path, OWN);
    let own_fd = match sys::open_dir_beneath(root.as_fd(), OWN, true) {
        Ok(fd) => fd,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let message = "there is no .mvcopy on it, so nothing tells what it should hold";
            return Err(Error::new(Code::BadInput, "verifying", message).with_path(&facts.path));
        }
        Err(e) => return Err(e).at("opening", &own_path),
    };
    let lists = Lists::open(&options.lists)?;
    let writable = !facts.read_only && facts.write_errno.is_none();
    if writable {
        // Pages that are not written yet cannot be dropped, and would be read instead of the drive.
        sys::sync_file_system(root.as_fd())
            .at("flushing", &facts.path)
            .map_err(|e| e.with_code(Code::DriveFailed))?;
    }
    let own = Own {
        own: &own_fd,
        path: own_path,
    };
    let place = match (&options.state, writable) {
        (_, true) => Place::Drive {
            own: &own_fd,
            output: &facts.path,
        },
        (Some(file), false) => Place::State(file.clone()),
        (None, false) => Place::Nowhere,
    };
    let tables = Tables::new()?;
    let seeks = options.seeks.unwrap_or_else(|| {
        facts.mount.as_ref().is_none_or(|m| {
            // What is no block device (memory, network) has no arm to be moved.
            let is_device = m.mount.source.starts_with(b"/dev/");
            m.rotational.unwrap_or(is_device)
        })
    });
    let said = own.read(&tables, seeks, cancel)?;
    let against = match (&said.volume, options.against_source) {
        (Some(volume), true) => Some(Against::open(options, &volume.set, volume.number)?),
        _ => None,
    };
    let check = Checking {
        options,
        cancel,
        progress,
        facts: &facts,
        root: &root,
        own: &own,
        place,
        said: &said,
        writable,
        seeks,
        cached: AtomicU64::new(0),
        against,
    };
    check.run(tables, lists)
}

pub(super) struct Checking<'a> {
    pub(super) options: &'a Options,
    pub(super) cancel: &'a CancelToken,
    pub(super) progress: &'a Progress,
    pub(super) facts: &'a PathFacts,
    pub(super) root: &'a OwnedFd,
    pub(super) own: &'a Own<'a>,
    pub(super) place: Place<'a>,
    pub(super) said: &'a Said,
    pub(super) writable: bool,
    /// The drive has to seek.
    pub(super) seeks: bool,
    pub(super) cached: AtomicU64,
    pub(super) against: Option<Against>,
}

impl Checking<'_> {
    fn run(&self, tables: Tables, lists: Lists) -> Result<Report> {
        let Some(volume) = &self.said.volume else {
            return Err(self.nothing_told());
        };
        let mut start = self.start(&tables)?;
        let generation = start.head.generation;
        pick::pick(
            &tables,
            self.options,
            (self.root, generation),
            &start.parts,
            start.head.begun,
            self.cancel,
        )?;
        let entries = tables.number(
            "SELECT count(*) FROM item WHERE picked = 1 AND state = 0",
            [],
        )?;
        self.expect(&tables, start.head.through.as_deref())?;
        self.own_findings(&tables, start.head.begun)?;
        let size_only = tables.number(
            "SELECT count(*) FROM item WHERE picked = 1 AND state = 0 AND kind = 0 AND digest IS NULL",
            [],
        )?;
        let recorded = tables.number("SELECT count(*) FROM item WHERE state = 1", [])?;
        let mut on_drive = Kept::default();
        let stopped =
            self.chunks(&tables, &mut start, &mut on_drive)? || self.find_extra(&tables, &start)?;
        let head = &mut start.head;
        let mut through = head.through.clone();
        if !stopped {
            tables.run(
                "UPDATE item SET at = ?1, generation = ?2 WHERE picked = 1 AND state = 0",
                rusqlite::params![head.begun, generation as i64],
            )?;
            if self.options.is_whole() {
                // What this check did not find again is not so any more.
                let keep = if self.options.one_way {
                    "word = 'extra'"
                } else {
                    "false"
                };
                tables.run(
                    &format!("DELETE FROM finding WHERE fresh = 0 AND NOT ({keep})"),
                    [],
                )?;
            }
            head.ended = Some(date::now());
            head.through = None;
            through = None;
            start.parts = tables.parts()?;
        }
        let counts = count(&tables)?;
        let check = (!stopped && self.options.is_whole()).then(|| Check {
            date: start.head.ended.unwrap_or(start.head.begun),
            kind: start.head.kind,
            bad: counts.bad(),
            files: start.head.files,
            bytes: start.head.bytes,
        });
        self.unchanged()?;
        self.keep(&start, &tables, check.as_ref(), &mut on_drive)?;
        let parts = match (&on_drive, stopped) {
            // The drive tells itself.
            (Kept::Yes, _) => Some(&[][..]),
            (_, false) => Some(&start.parts[..]),
            (_, true) => None,
        };
        let in_catalog = self.tell(volume, generation, (check.as_ref(), parts), &tables);
        let in_source = match &self.against {
            Some(against) => {
                let counts = tables.count_compared(through.as_deref())?;
                Some((counts, against.absent.clone()))
            }
            None => None,
        };
        lists.write(&tables, through.as_deref())?;
        let identity = self.said.identity.as_ref();
        let mount = self.facts.mount.as_ref();
        Ok(Report {
            set: (
                volume.set.clone(),
                identity.map(|i| i.set.name.clone()).unwrap_or_default(),
            ),
            volume: (
                volume.volume.clone(),
                volume.number,
                identity.map(|i| i.volume.label.clone()).unwrap_or_default(),
            ),
            kind: start.head.kind,
            fuse: mount.is_some_and(|m| m.mount.is_fuse()),
            cached: self.cached.load(std::sync::atomic::Ordering::Relaxed),
            begun: start.head.begun,
            resumed: start.resumed,
            stale: start.stale,
            whole: self.options.is_whole(),
            stopped,
            entries: entries as u64,
            files: start.head.files,
            bytes: start.head.bytes,
            size_only: size_only as u64,
            recorded_only: recorded as u64,
            counts,
            journal: self.said.journal,
            no_manifest: self.said.no_manifest,
            on_drive,
            in_catalog,
            tables,
            in_source,
        })
    }

    /// Says how much is to be read, and how much of that an earlier start of this check has read.
    fn expect(&self, tables: &Tables, through: Option<&[u8]>) -> Result<()> {
        const PICKED: &str = "FROM item WHERE picked = 1 AND state = 0 AND kind = 0";
        let sums = |what: &str, until: &[u8], all: bool| {
            let sql = format!("SELECT {what} {PICKED} AND (?2 OR key <= ?1)");
            let sum = tables.number(&sql, rusqlite::params![until, all])?;
            Ok::<u64, Error>(sum.unsigned_abs())
        };
        let (files, bytes) = ("count(*)", "coalesce(sum(size), 0)");
        self.progress
            .expect(sums(files, b"", true)?, sums(bytes, b"", true)?);
        if let Some(through) = through {
            Progress::add(&self.progress.files, sums(files, through, false)?);
            Progress::add(&self.progress.bytes, sums(bytes, through, false)?);
        }
        Ok(())
    }

    pub(super) fn nothing_told(&self) -> Error {
        let faults: Vec<String> = self
            .said
            .faults
            .iter()
            .map(|(name, _, _, why)| format!("{name}: {why}"))
            .collect();
        let message = format!(
            "nothing on it tells what it should hold ({})",
            faults.join("; ")
        );
        Error::new(Code::BadFormat, "verifying", message).with_path(&self.facts.path)
    }

    fn own_findings(&self, tables: &Tables, at: i64) -> Result<()> {
        for (name, word, errno, why) in &self.said.faults {
            self.found(tables, own_key(name), (*word, *errno, why.clone()), at)?;
        }
        Ok(())
    }

    pub(super) fn found(&self, tables: &Tables, key: Vec<u8>, wrong: Wrong, at: i64) -> Result<()> {
        let (word, errno, why) = wrong;
        Progress::add(&self.progress.errors, 1);
        tables.find(&Told {
            finding: Finding {
                path: key,
                word,
                errno,
                at,
            },
            why,
        })
    }

    /// Looks for what is on the drive and not recorded; whether it was stopped.
    fn find_extra(&self, tables: &Tables, start: &Start) -> Result<bool> {
        let options = self.options;
        let part = options.since.is_some() || options.sample.is_some();
        // Without a manifest nobody knows which directories and links are ours.
        if options.one_way || part || self.said.no_manifest {
            return Ok(false);
        }
        let mut found = Vec::new();
        let looked = extra::find(self.root, tables, self.cancel, &mut |key, errno| {
            if options
                .patterns
                .as_ref()
                .is_none_or(|p| p.matches_alone(&key))
            {
                found.push((key, errno));
            }
            if found.len() >= super::chunk::CHUNK {
                self.extras(tables, &mut found, start.head.begun)?;
            }
            Ok(())
        });
        self.extras(tables, &mut found, start.head.begun)?;
        match looked {
            Err(e) if e.code == Code::Cancelled => Ok(true),
            other => other.map(|()| false),
        }
    }

    fn extras(
        &self,
        tables: &Tables,
        found: &mut Vec<(Vec<u8>, Option<i32>)>,
        at: i64,
    ) -> Result<()> {
        tables.atomically(|| {
            found.drain(..).try_for_each(|(key, errno)| {
                let wrong = match errno {
                    None => (Word::Extra, None, "nothing tells of it".to_owned()),
                    Some(errno) => {
                        let why = format!("listing it: {}", crate::error::strerror(errno));
                        (Word::Unreadable, Some(errno), why)
                    }
                };
                self.found(tables, key, wrong, at)
            })
        })
    }

    /// Fails when the drive was opened for writing while it was checked: what was found means nothing then.
    fn unchanged(&self) -> Result<()> {
        let Some(was) = &self.said.identity else {
            return Ok(());
        };
        match keep::now(self.own) {
            Ok(now) if now.generation == was.generation && now.volume.id == was.volume.id => Ok(()),
            Ok(_) => Err(Error::new(
                Code::DriveChanged,
                "verifying",
                "it was written while it was checked",
            )
            .with_path(&self.facts.path)),
            Err(e) => Err(e.with_code(Code::DriveFailed)),
        }
    }

    /// Keeps how far the check is; `check`: it has ended, and was of the whole volume.
    pub(super) fn keep(
        &self,
        start: &Start,
        tables: &Tables,
        check: Option<&Check>,
        kept: &mut Kept,
    ) -> Result<()> {
        let saved = self.place.save(&start.head, &start.parts, tables);
        let saved = saved.and_then(|()| match (check, &self.said.identity) {
            (Some(check), Some(identity)) if self.writable => {
                keep::stamp(self.own, &self.facts.path, identity, check)
            }
            _ => Ok(()),
        });
        if start.head.ended.is_some() {
            self.place.done();
        }
        *kept = match saved {
            Err(e) if e.code == Code::DriveChanged => return Err(e),
            Err(e) => Kept::Failed(e.to_string()),
            Ok(()) if self.writable => Kept::Yes,
            Ok(()) => Kept::No,
        };
        Ok(())
    }

    fn tell(
        &self,
        volume: &crate::format::manifest::Header,
        generation: u64,
        (check, parts): (Option<&Check>, Option<&[Part]>),
        tables: &Tables,
    ) -> Kept {
        // Without volume.json nobody knows whether this is the drive or an old copy of it.
        let (Some(file), Some(_)) = (&self.options.catalog, &self.said.identity) else {
            return Kept::No;
        };
        let what = ForCatalog {
            set: &volume.set,
            volume: &volume.volume,
            number: volume.number,
            generation,
            check,
            parts,
        };
        match keep::tell(file, &what, tables) {
            Ok(true) => Kept::Yes,
            Ok(false) => Kept::Failed("it knows another or a later state of this drive".to_owned()),
            Err(e) => Kept::Failed(e.to_string()),
        }
    }
}

fn count(tables: &Tables) -> Result<Counts> {
    let mut counts = Counts::default();
    for word in Word::ALL {
        counts.0[word as usize] = tables.number(
            "SELECT count(*) FROM finding WHERE fresh = 1 AND word = ?1",
            [word.as_str()],
        )? as u64;
    }
    Ok(counts)
}
