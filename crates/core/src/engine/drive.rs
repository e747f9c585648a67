//! A drive that is open for writing: its held descriptors, its identity, its journal and its barrier.
//!
//! Everything on the drive is opened beneath the descriptor of its root, which is taken before the first
//! write and held until the drive is closed: a drive that is unmounted or replaced under us can lead no
//! write elsewhere, and the barrier (syncfs(2) on that descriptor) sees every failed write since then.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::ballast::Ballast;
use super::own::{
    OwnFiles, from_start, open_journal, own_dir, read_identity, refuse_strange_journal,
};

use super::names::Rules;
use crate::error::{Code, Error, IoContext, Result};
use crate::format::journal::{self, Record};
use crate::format::volumejson::VolumeJson;
use crate::sys;
use crate::verify::session::Session;

/// The name of our own directory at the root of a drive.
pub const OWN: &[u8] = b".mvcopy";

/// What the file system of a drive can do, found by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// It keeps hard links.
    pub links: bool,
    /// It keeps symbolic links.
    pub symlinks: bool,
    /// It keeps fifos, sockets and devices.
    pub nodes: bool,
}

/// Which drive is expected, and under which identity it is to be written.
#[derive(Debug, Clone)]
pub struct OpenAs {
    /// Where it is mounted.
    pub path: Vec<u8>,
    /// The mount that was looked at; `None` skips the check.
    pub mount_id: Option<u64>,
    /// What it will be from here on. Of a known drive only id, label, capacity and tool are taken; its
    /// generation becomes one more than the larger of this one and the one that it has.
    pub identity: VolumeJson,
    /// Whether the drive has this identity already.
    pub known: bool,
    /// A word for this session, unique on the drive (hexadecimal digits).
    pub session: String,
}

/// An open drive.
#[derive(Debug)]
pub struct Drive {
    /// Where it was mounted when it was opened.
    pub path: Vec<u8>,
    /// Its root, held open from before the first write.
    pub root: Arc<OwnedFd>,
    /// `.mvcopy`.
    pub own: OwnedFd,
    /// `.mvcopy/tmp`.
    pub tmp: Arc<OwnedFd>,
    /// What it is.
    pub identity: VolumeJson,
    /// What its file system can do.
    pub abilities: Abilities,
    /// Which names it does not take.
    pub rules: Rules,
    pub(super) journal: Journal,
    /// Something may stand under a final name that is neither promised nor recorded as failed.
    pub(super) unsettled: bool,
    pub(super) ballast: Option<Ballast>,
    /// Bytes that this session's entries will take in the lists.
    pub(super) lists: u64,
    /// It has just become a volume.
    pub(super) is_new: bool,
    /// It was complete when it was opened.
    pub(super) was_complete: bool,
    mount: u64,
    device: u64,
}

/// What a copier needs to know of an open drive.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The drive's root.
    pub root: Arc<OwnedFd>,
    /// Where it is mounted.
    pub path: Vec<u8>,
    /// The file system's device number.
    pub device: u64,
    /// Whether it keeps fifos, sockets and devices.
    pub nodes: bool,
    /// Which names it does not take.
    pub rules: Rules,
}

/// The journal, open for appending.
#[derive(Debug)]
pub(super) struct Journal {
    pub file: File,
    /// Where the next record goes.
    pub end: u64,
    /// Up to where the last good barrier covered it.
    pub good: u64,
    /// The next intent's number.
    pub next_id: u64,
    /// Where this session begins, and the record that says so.
    pub start: (u64, Vec<u8>),
}

impl Drive {
    /// Opens a drive for writing: checks that it is the one that was looked at, writes its identity
    /// durably, makes `.mvcopy/tmp`, opens the journal and finds out what the file system can do.
    /// What a broken run left is not touched yet: see [`super::recover`].
    ///
    /// # Errors
    /// `Code::DriveChanged` when something else is mounted there or the identity is another one;
    /// `Code::BadFormat` when volume.json or the journal cannot be understood; `Code::Io`.
    pub fn open(spec: OpenAs) -> Result<Drive> {
        let root = sys::open_root(&spec.path)?;
        let mount = sys::mount_id(root.as_fd()).at("looking at", &spec.path)?;
        if spec.mount_id.is_some_and(|id| id != mount) {
            return Err(Error::new(
                Code::DriveChanged,
                "opening the drive",
                "another file system is mounted there than a moment ago",
            )
            .with_path(&spec.path));
        }
        let device = sys::stat_fd(root.as_fd()).at("looking at", &spec.path)?.dev;
        let own = own_dir(root.as_fd(), &spec.path)?;
        let mut identity = spec.identity;
        let mut was_complete = false;
        match read_identity(own.as_fd(), &spec.path)? {
            Some(found) if spec.known && found.volume.id == identity.volume.id => {
                // What it said before stays, fields of later programs included.
                let mut kept = found;
                kept.generation = kept.generation.max(identity.generation) + 1;
                kept.volume.label = identity.volume.label;
                kept.capacity = identity.capacity;
                kept.tool = identity.tool;
                was_complete = kept.closed.take().is_some();
                identity = kept;
            }
            Some(found) if !spec.known || found.volume.id != identity.volume.id => {
                return Err(Error::new(
                    Code::DriveChanged,
                    "opening the drive",
                    format!(
                        "it is volume {} of set {}",
                        found.volume.number, found.set.name
                    ),
                )
                .with_path(&spec.path));
            }
            None if spec.known => {
                return Err(Error::new(
                    Code::DriveChanged,
                    "opening the drive",
                    "it has no volume.json any more",
                )
                .with_path(&spec.path));
            }
            _ => {}
        }
        // Whoever verifies the drive has to know whether it was unmounted since.
        Session::note(Session::now(root.as_fd()), &mut identity);
        let tmp_path = join(&spec.path, b".mvcopy/tmp");
        match sys::make_dir(own.as_fd(), b"tmp") {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e).at("making", &tmp_path),
        }
        let tmp = sys::open_dir_beneath(own.as_fd(), b"tmp", true).at("opening", &tmp_path)?;
        // What is made in it is to have no other ACL than its own.
        sys::drop_default_acl(tmp.as_fd());
        if !spec.known {
            // The identity first: a journal without one could be anybody's, and nobody would touch the drive.
            refuse_strange_journal(own.as_fd(), &spec.path)?;
            let files = OwnFiles {
                path: &spec.path,
                own: own.as_fd(),
                tmp: tmp.as_fd(),
            };
            files.write(b"volume.json", &identity.to_bytes()?)?;
        }
        let journal = Journal {
            file: open_journal(own.as_fd(), &spec.path)?,
            end: 0,
            good: 0,
            next_id: 1,
            start: (0, Vec::new()),
        };
        let mut drive = Drive {
            path: spec.path,
            root: Arc::new(root),
            own,
            tmp: Arc::new(tmp),
            identity,
            abilities: Abilities {
                links: true,
                symlinks: true,
                nodes: true,
            },
            rules: Rules::PLAIN,
            journal,
            unsettled: false,
            ballast: None,
            lists: 0,
            is_new: !spec.known,
            was_complete,
            mount,
            device,
        };
        drive.read_journal()?;
        drive.abilities = drive.probe();
        drive.rules = super::probe::rules(drive.root.as_fd(), drive.tmp.as_fd(), drive.mount);
        if spec.known {
            // Only now: a journal that cannot be understood leaves the drive as it was.
            drive
                .own_files()
                .write(b"volume.json", &drive.identity.to_bytes()?)?;
        }
        let mut start = Vec::new();
        let record = Record::Start {
            session: spec.session,
            generation: drive.identity.generation,
            version: journal::VERSION,
        };
        journal::encode(&record, &mut start)?;
        drive.append_bytes(&start)?;
        drive.journal.start = (drive.journal.good, start);
        Ok(drive)
    }

    /// What copiers need to know of it.
    pub fn share(&self) -> Shared {
        Shared {
            root: Arc::clone(&self.root),
            path: self.path.clone(),
            device: self.device,
            nodes: self.abilities.nodes,
            rules: self.rules,
        }
    }

    /// Checks that the path still leads to the drive that is open.
    ///
    /// # Errors
    /// `Code::DriveChanged` when it was unmounted or another one is mounted there now.
    pub fn check_mounted(&self) -> Result<()> {
        let now = sys::open_root(&self.path)
            .and_then(|fd| sys::mount_id(fd.as_fd()).at("looking at", &self.path));
        if now.ok() == Some(self.mount) {
            return Ok(());
        }
        Err(Error::new(
            Code::DriveChanged,
            "writing to the drive",
            "it is not mounted there any more",
        )
        .with_path(&self.path))
    }

    fn probe(&self) -> Abilities {
        let tmp = self.tmp.as_fd();
        let clean = || {
            for name in [
                &b"probe"[..],
                b"probe-link",
                b"probe-symlink",
                b"probe-fifo",
            ] {
                let _ = sys::unlink(tmp, name, false);
            }
        };
        clean();
        let made = sys::create_new(tmp, b"probe").is_ok();
        let links = made
            && rustix::fs::linkat(
                tmp,
                &b"probe"[..],
                tmp,
                &b"probe-link"[..],
                rustix::fs::AtFlags::empty(),
            )
            .is_ok();
        // exfat-fuse answers EIO to this, which elsewhere means that the drive fails.
        let nodes = sys::file_system_kind(tmp).is_native()
            || sys::make_node(tmp, b"probe-fifo", crate::meta::Kind::Fifo, 0).is_ok();
        let symlinks = rustix::fs::symlinkat(&b"target"[..], tmp, &b"probe-symlink"[..]).is_ok();
        clean();
        Abilities {
            links,
            symlinks,
            nodes,
        }
    }

    /// Reads how far the journal is good and cuts off what is not.
    fn read_journal(&mut self) -> Result<()> {
        let path = self.journal_path();
        let bad = |message: &str| {
            Err(Error::new(Code::BadFormat, "reading", message).with_path(&self.journal_path()))
        };
        let mut last = 0;
        let reader = std::io::BufReader::new(from_start(&self.journal.file)?);
        let good = journal::read(reader, &path, &mut |record| {
            if let Record::Intent { id, .. } | Record::Moving { id, .. } = record {
                last = last.max(id);
            }
            Ok(())
        })?;
        if good.behind_barrier {
            return bad("it is damaged in the middle: the drive has lost what it had confirmed");
        }
        let Some(next_id) = last.checked_add(1) else {
            return bad("its numbers are used up");
        };
        if good.torn {
            self.journal
                .file
                .set_len(good.bytes)
                .at("cutting off a torn record of", &path)?;
        }
        self.journal.end = good.bytes;
        self.journal.good = good.bytes;
        self.journal.next_id = next_id;
        Ok(())
    }

    pub(super) fn journal_path(&self) -> Vec<u8> {
        join(&self.path, b".mvcopy/journal.log")
    }

    /// Appends records to the journal; durable after the next [`Drive::barrier`].
    ///
    /// # Errors
    /// `Code::Io` with the errno of pwrite(2); nothing of the records counts then.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<()> {
        let mut bytes = Vec::new();
        for record in records {
            journal::encode(record, &mut bytes)?;
        }
        self.append_bytes(&bytes)
    }

    /// As [`Drive::append`], for records that are encoded already.
    pub(super) fn append_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.journal
            .file
            .write_all_at(bytes, self.journal.end)
            .at("writing", &self.journal_path())?;
        self.journal.end += bytes.len() as u64;
        Ok(())
    }

    /// Makes everything written so far survive a power cut: syncfs(2) by the held descriptor **and**
    /// fsync(2) of the journal, since exfat-fuse answers 0 to the first alone and writes nothing.
    ///
    /// # Errors
    /// `Code::Io` with the errno. It is never repeated for the same writes: whoever gets the error
    /// forgets everything since the last good barrier.
    pub(super) fn barrier(&mut self) -> Result<()> {
        sys::sync_file_system(self.root.as_fd()).at("flushing the drive at", &self.path)?;
        sys::sync_file(self.journal.file.as_fd()).at("flushing", &self.journal_path())?;
        self.journal.good = self.journal.end;
        Ok(())
    }

    /// Forgets what was appended since the last good barrier, all but the beginning of this session.
    pub(super) fn cut_journal(&mut self) -> Result<()> {
        self.journal
            .file
            .set_len(self.journal.good)
            .at("cutting", &self.journal_path())?;
        self.journal.end = self.journal.good;
        let (at, start) = &self.journal.start;
        if self.journal.good <= *at {
            // No barrier has covered the beginning of this session yet; nobody would read on without it.
            let start = start.clone();
            self.append_bytes(&start)?;
        }
        Ok(())
    }

    /// Our own files on the drive.
    pub(super) fn own_files(&self) -> OwnFiles<'_> {
        OwnFiles {
            path: &self.path,
            own: self.own.as_fd(),
            tmp: self.tmp.as_fd(),
        }
    }

    /// Removes all of `.mvcopy/tmp`: only what a session of ours left is ever in there.
    ///
    /// # Errors
    /// `Code::Io` for the first thing that could not be removed.
    pub(super) fn clear_tmp(&self, keep: &dyn Fn(&[u8]) -> bool) -> Result<()> {
        let path = join(&self.path, b".mvcopy/tmp");
        for (name, is_dir) in names_in(self.tmp.as_fd()).at("listing", &path)? {
            let here = join(&path, &name);
            if !is_dir {
                sys::unlink(self.tmp.as_fd(), &name, false).at("removing", &here)?;
                continue;
            }
            let dir = sys::open_dir_beneath(self.tmp.as_fd(), &name, true).at("opening", &here)?;
            let mut kept = false;
            for (inner, inner_is_dir) in names_in(dir.as_fd()).at("listing", &here)? {
                if keep(&join(&name, &inner)) {
                    kept = true;
                    continue;
                }
                sys::unlink(dir.as_fd(), &inner, inner_is_dir)
                    .at("removing", &join(&here, &inner))?;
            }
            if !kept {
                sys::unlink(self.tmp.as_fd(), &name, true).at("removing", &here)?;
            }
        }
        Ok(())
    }
}

/// Joins two paths with a slash.
pub(crate) fn join(a: &[u8], b: &[u8]) -> Vec<u8> {
    if a.is_empty() {
        return b.to_vec();
    }
    let mut path = a.to_vec();
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(b);
    path
}

/// Splits a path into its directory (empty at the root) and its last name.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// The names in a directory of ours, with whether each is a directory.
pub(crate) fn names_in(dir: BorrowedFd<'_>) -> std::io::Result<Vec<(Vec<u8>, bool)>> {
    let mut out = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes().to_vec();
        if name == b"." || name == b".." {
            continue;
        }
        let is_dir = sys::stat_at(dir, &name)?.kind == crate::meta::Kind::Dir;
        out.push((name, is_dir));
    }
    Ok(out)
}
