//! The flow of a check: what the drive says, which part is asked for, chunk after chunk, and what is kept.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::judge::{Judged, Wrong, by_content, by_look};
use super::keep::{self, ForCatalog, Place};
use super::list::{Expected, Tables, Told};
use super::lists::Lists;
use super::own::{Own, Said, own_key};
use super::read::{Content, Look, Reader};
use super::session::{self, Session};
use super::{Counts, Kept, Options, Report, extra, pick};
use crate::cancel::CancelToken;
use crate::engine::drive::{OWN, join};
use crate::error::{Code, Error, IoContext, Result};
use crate::format::date;
use crate::format::verify::{CheckKind, Finding, Head, Part, Word};
use crate::format::volumejson::Check;
use crate::meta::Kind;
use crate::progress::Progress;
use crate::seedverify::time_step;
use crate::seedverify::words::is_device_fault;
use crate::sys;
use crate::volume::{self, PathFacts};

/// Entries that are looked at together.
const CHUNK: usize = 8192;

/// Bytes of files that are read between two looks at what has to be kept.
const CHUNK_BYTES: u64 = 2 << 30;

/// How often what was found is kept while the check goes on.
const KEEP_EVERY: Duration = Duration::from_secs(15);

/// Threads on a drive that does not seek.
const THREADS: usize = 4;

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
    let said = own.read(&tables, cancel)?;
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
        cached: AtomicU64::new(0),
    };
    check.run(tables, lists)
}

struct Checking<'a> {
    options: &'a Options,
    cancel: &'a CancelToken,
    progress: &'a Progress,
    facts: &'a PathFacts,
    root: &'a OwnedFd,
    own: &'a Own<'a>,
    place: Place<'a>,
    said: &'a Said,
    writable: bool,
    cached: AtomicU64,
}

/// What one start of a check goes on from.
struct Start {
    head: Head,
    parts: Vec<Part>,
    resumed: Option<u64>,
    stale: bool,
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
        let in_catalog = self.tell(volume, generation, check.as_ref(), &tables);
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
        })
    }

    fn nothing_told(&self) -> Error {
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

    /// What this check begins with: where an earlier one was broken off, or at the first entry.
    fn start(&self, tables: &Tables) -> Result<Start> {
        let kind = self.kind();
        let identity = self.said.identity.as_ref();
        let volume = self
            .said
            .volume
            .clone()
            .ok_or_else(|| self.nothing_told())?;
        let generation = identity.map_or(0, |i| i.generation);
        let mut start = Start {
            head: Head {
                set: volume.set,
                volume: volume.volume,
                number: volume.number,
                generation,
                kind,
                begun: date::now(),
                ended: None,
                scope: self.options.scope.clone(),
                files: 0,
                bytes: 0,
                through: None,
            },
            parts: Vec::new(),
            resumed: None,
            stale: false,
        };
        let earlier = match self.place.earlier(self.own) {
            Ok(Some(earlier)) if earlier.head.volume == start.head.volume => earlier,
            // The check's own file is damaged or another volume's: what it knew is lost, no more.
            _ => return Ok(start),
        };
        tables.atomically(|| earlier.findings.iter().try_for_each(|f| tables.known(f)))?;
        start.parts = earlier.parts;
        let broken_off = earlier.head.ended.is_none() && earlier.head.scope == start.head.scope;
        if !broken_off || self.options.restart {
            return Ok(start);
        }
        if earlier.head.generation != generation {
            start.stale = true;
            return Ok(start);
        }
        start.resumed = Some(earlier.head.files);
        start.head = Head {
            kind: kind.min(earlier.head.kind),
            ..earlier.head
        };
        if let Some(through) = &start.head.through {
            tables.run(
                "UPDATE finding SET fresh = 1 WHERE at >= ?1 AND key <= ?2 \
                 AND word NOT IN ('extra', 'damaged')",
                rusqlite::params![start.head.begun, through],
            )?;
        }
        Ok(start)
    }

    fn kind(&self) -> CheckKind {
        let written = self.said.identity.as_ref().and_then(Session::of);
        let now = Session::now(self.root.as_fd());
        let alone = session::is_alone(self.root.as_fd());
        session::kind(written.as_ref(), now.as_ref(), alone)
    }

    fn own_findings(&self, tables: &Tables, at: i64) -> Result<()> {
        for (name, word, errno, why) in &self.said.faults {
            self.found(tables, own_key(name), (*word, *errno, why.clone()), at)?;
        }
        Ok(())
    }

    fn found(&self, tables: &Tables, key: Vec<u8>, wrong: Wrong, at: i64) -> Result<()> {
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

    /// Looks at chunk after chunk; whether it was stopped.
    fn chunks(&self, tables: &Tables, start: &mut Start, on_drive: &mut Kept) -> Result<bool> {
        let seeks = self.options.seeks.unwrap_or_else(|| {
            let mount = self.facts.mount.as_ref();
            mount.and_then(|m| m.rotational).unwrap_or(true)
        });
        let threads = match self.options.threads {
            0 => THREADS,
            n => n,
        };
        let reader = Reader {
            root: self.root,
            output: &self.facts.path,
            threads,
            seeks,
            cancel: self.cancel,
            progress: self.progress,
            cached: &self.cached,
        };
        let window = time_step(self.facts.mount.as_ref(), self.facts.fs_uuid.as_deref());
        let mut kept_at = Instant::now();
        loop {
            if self.cancel.is_stopped() {
                return Ok(true);
            }
            let chunk = tables.chunk(start.head.through.as_deref(), CHUNK, CHUNK_BYTES)?;
            if chunk.is_empty() {
                return Ok(false);
            }
            let whole = match self.chunk(&reader, tables, &chunk, window, start) {
                // Nothing of this chunk is known.
                Err(e) if e.code == Code::Cancelled => return Ok(true),
                other => other?,
            };
            if !whole {
                return Ok(true);
            }
            if kept_at.elapsed() >= KEEP_EVERY {
                self.keep(start, tables, None, on_drive)?;
                kept_at = Instant::now();
            }
        }
    }

    /// Looks at one chunk; false when a stop came before its end.
    fn chunk(
        &self,
        reader: &Reader<'_>,
        tables: &Tables,
        chunk: &[Expected],
        window: u64,
        start: &mut Start,
    ) -> Result<bool> {
        let paths: Vec<&[u8]> = chunk.iter().map(Expected::path).collect();
        let looks = reader.look(&paths)?;
        let mut judged: Vec<Option<Judged>> = chunk
            .iter()
            .zip(&looks)
            .map(|(expected, look)| Some(by_look(expected, look, window)))
            .collect();
        // What has to be read: of the names of one file only the first.
        let mut first: HashMap<u64, usize> = HashMap::new();
        let mut contents: Vec<Option<Content>> = vec![None; chunk.len()];
        let mut order: Vec<(u64, usize)> = Vec::new();
        let mut same_as: Vec<(usize, usize)> = Vec::new();
        for (n, look) in looks.iter().enumerate() {
            let (Some(Judged::Read(_) | Judged::SizeOnly), Look::There(meta, _, place)) =
                (&judged[n], look)
            else {
                continue;
            };
            if meta.nlink > 1 {
                if let Some(known) = tables.inode(meta.ino)? {
                    contents[n] = Some(match known {
                        Ok(digest) => Content::Whole(digest, true),
                        Err(errno) => Content::Failed(errno),
                    });
                    continue;
                }
                if let Some(leader) = first.get(&meta.ino) {
                    same_as.push((n, *leader));
                    continue;
                }
                first.insert(meta.ino, n);
            }
            order.push((*place, n));
        }
        if reader.seeks {
            order.sort_unstable();
        }
        let wanted: Vec<&[u8]> = order.iter().map(|(_, n)| paths[*n]).collect();
        let read = reader.read(&wanted)?;
        for ((_, n), content) in order.iter().zip(read) {
            contents[*n] = content;
        }
        for (n, leader) in same_as {
            contents[n] = contents[leader].clone();
        }
        self.probe(&looks, &contents)?;
        tables.atomically(|| {
            for (n, expected) in chunk.iter().enumerate() {
                let wrong = match judged[n].take() {
                    Some(Judged::Good) | None => None,
                    Some(Judged::Bad(wrong)) => Some(wrong),
                    Some(judged @ (Judged::Read(_) | Judged::SizeOnly)) => {
                        let Some(content) = &contents[n] else {
                            // The stop came before this one; what follows is looked at again.
                            return Ok(false);
                        };
                        let changed = match judged {
                            Judged::Read(changed) => changed,
                            _ => None,
                        };
                        if let Look::There(meta, _, _) = &looks[n]
                            && first.get(&meta.ino) == Some(&n)
                        {
                            match content {
                                Content::Whole(digest, true) => {
                                    tables.put_inode(meta.ino, &Ok(*digest))?;
                                }
                                Content::Failed(errno) => {
                                    tables.put_inode(meta.ino, &Err(*errno))?;
                                }
                                _ => {}
                            }
                        }
                        if let (Content::Whole(..), Look::There(meta, ..)) = (content, &looks[n])
                            && (meta.nlink == 1 || first.get(&meta.ino) == Some(&n))
                        {
                            start.head.bytes += meta.size;
                        }
                        by_content(expected, changed, content)
                    }
                };
                if expected.kind == Kind::File {
                    start.head.files += 1;
                }
                Progress::add(&self.progress.entries, 1);
                match wrong {
                    None => tables.forget(&expected.key)?,
                    Some(wrong) => {
                        self.found(tables, expected.key.clone(), wrong, start.head.begun)?;
                    }
                }
                start.head.through = Some(expected.key.clone());
            }
            Ok(true)
        })
    }

    /// A file that cannot be read is a finding; a drive that does not answer any more is the end.
    fn probe(&self, looks: &[Look], contents: &[Option<Content>]) -> Result<()> {
        let mut failed = looks
            .iter()
            .filter_map(|l| match l {
                Look::Failed(errno) => Some(*errno),
                _ => None,
            })
            .chain(contents.iter().filter_map(|c| match c {
                Some(Content::Failed(errno)) => Some(*errno),
                _ => None,
            }));
        let device = |errno: &i32| is_device_fault(Some(Errno::from_raw_os_error(*errno)));
        let Some(errno) = failed.find(device) else {
            return Ok(());
        };
        if errno == Errno::IO.raw_os_error() && self.answers() {
            return Ok(());
        }
        let mut e = Error::new(Code::DriveFailed, "reading the drive at", "");
        e.errno = Some(errno);
        Err(e.with_path(&self.facts.path))
    }

    /// Whether one of our own files can still be read from the device.
    fn answers(&self) -> bool {
        ["manifest.jsonl", "volume.json"].iter().any(|name| {
            let Ok(Some((file, _))) = self.own.open(name) else {
                return false;
            };
            rustix::io::pread(&file, &mut [0; 1][..], 0).is_ok()
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
            if found.len() >= CHUNK {
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
    fn keep(
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
        check: Option<&Check>,
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
