//! One look at one path: what is there, where it really lies, on which mount, and what is in it.
//!
//! A path that does not exist, cannot be entered or is no directory is a fact and not an error; the mount
//! and the room are then those of the nearest directory above it that can be reached. Nothing is created,
//! and no symlink or fifo below the path is opened.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Access, AtFlags, Mode, OFlags, StatVfsMountFlags, accessat, fstatvfs, open};
use rustix::io::Errno;

use super::fsuuid;
use super::identity::{self, Identity};
use super::mounts::{self, Mount, fstab, is_within};
use super::node::{FileId, above, chain, file_id, is_other_mount, node, open_as_path};
use super::paths::{absolute, parent_of, real_path};
use super::top::{self, TopNames};
use crate::error::{Code, Error, Result};
use crate::meta::Kind;

/// What a path leads to, symlinks followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A directory.
    Directory,
    /// Something else; a symlink that leads nowhere is one.
    Other(Kind),
    /// Nothing; `parent` says whether the directory that would hold it is there.
    Missing {
        /// Whether only the last component is missing.
        parent: bool,
    },
    /// Unknown: this errno (no permission, a dead mount).
    Unreadable(i32),
}

/// The mount that a path lies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountFacts {
    /// The row of the mount table.
    pub mount: Mount,
    /// Whether it is the mount of `/`.
    pub is_root: bool,
    /// Whether the drive has to seek (`queue/rotational`; loop devices say yes).
    pub rotational: Option<bool>,
}

/// What fstab has for a path: the deepest mount point in it, other than `/`, at or above the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FstabFacts {
    /// The mount point.
    pub mount_point: Vec<u8>,
    /// Whether it is mounted by hand only.
    pub noauto: bool,
    /// Whether anything is mounted there now.
    pub mounted: bool,
}

/// The room of a file system (statvfs(3)), in bytes and inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Its unit of allocation in bytes.
    pub block: u64,
    /// Its size in bytes.
    pub total: u64,
    /// What this user may still fill, in bytes.
    pub free: u64,
    /// How many inodes it has; 0 where it does not count them.
    pub inodes: u64,
    /// How many inodes this user may still take.
    pub free_inodes: u64,
    /// The longest name in bytes.
    pub name_max: u64,
}

/// What one look at a path told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFacts {
    /// The path as it was asked for, made absolute.
    pub path: Vec<u8>,
    /// The path without symlinks; what is missing of it is appended as it was written.
    pub real_path: Vec<u8>,
    /// What is there.
    pub found: Found,
    /// The file itself (if there is one), then the directories above it up to the root.
    pub chain: Vec<FileId>,
    /// Whether the path is the place where its file system is mounted.
    pub is_mount_point: bool,
    /// The mount; none where the system has no table of them.
    pub mount: Option<MountFacts>,
    /// The file system's own UUID, where it can be told.
    pub fs_uuid: Option<String>,
    /// What fstab has for it.
    pub fstab: Option<FstabFacts>,
    /// The room; none when the call failed.
    pub space: Option<Space>,
    /// Whether the file system or the mount is read-only.
    pub read_only: bool,
    /// The errno with which making a file would be refused (faccessat(2)); none if it may be tried.
    pub write_errno: Option<i32>,
    /// What lies at its top, for a directory that can be read.
    pub top: Option<TopNames>,
    /// The errno with which reading the directory failed.
    pub list_errno: Option<i32>,
    /// Whose volume it says it is.
    pub identity: Identity,
    /// Whether there is a journal in its `.mvcopy`.
    pub has_journal: bool,
    /// Whether there is a manifest in its `.mvcopy`.
    pub has_manifest: bool,
}

/// Looks at a path.
///
/// # Errors
/// `Code::BadInput` for a path that is empty or has a NUL in it; `Code::Io` when the working directory of
/// a relative path is gone or a mount table cannot be read.
pub fn inspect(path: &[u8]) -> Result<PathFacts> {
    if path.is_empty() || path.contains(&0) {
        let e = Error::new(
            Code::BadInput,
            "looking at",
            "no path has a NUL in it or is empty",
        );
        return Err(e.with_path(path));
    }
    let asked = absolute(path)?;
    let (found, opened) = open_dir(&asked);
    let anchor = match opened {
        Some(fd) => Some((asked.clone(), fd)),
        None => nearest_dir(&asked),
    };
    let found = match found {
        Found::Missing { .. } => Found::Missing {
            parent: anchor.as_ref().map(|(p, _)| &p[..]) == Some(parent_of(&asked)),
        },
        other => other,
    };
    let real_path = real_path(&asked, anchor.as_ref().map(|(p, _)| &p[..]));

    let mut facts = PathFacts {
        path: asked,
        real_path,
        found,
        chain: Vec::new(),
        is_mount_point: false,
        mount: None,
        fs_uuid: None,
        fstab: None,
        space: None,
        read_only: false,
        write_errno: None,
        top: None,
        list_errno: None,
        identity: Identity::None,
        has_journal: false,
        has_manifest: false,
    };
    let table = mounts::mounts()?;
    facts.fstab = fstab_facts(&facts, &table)?;
    let Some((_, dir)) = &anchor else {
        facts.mount = mount_by_path(&facts.real_path, &table).map(|m| mount_facts(m, &table));
        return Ok(facts);
    };
    let dir = dir.as_fd();
    facts.look_at_mount(dir, &table);
    facts.look_at_room(dir);
    facts.chain = chain(&facts.path, facts.found, dir);
    if facts.found == Found::Directory {
        facts.look_inside(dir);
    }
    Ok(facts)
}

impl PathFacts {
    fn look_at_mount(&mut self, dir: BorrowedFd<'_>, table: &[Mount]) {
        // A mount that does not answer is not that of the directory above it.
        let dead = matches!(self.found, Found::Unreadable(e) if e != Errno::ACCESS.raw_os_error());
        let here = node(dir);
        let by_id = here
            .and_then(|n| n.mount_id)
            .filter(|_| !dead)
            .and_then(|id| table.iter().find(|m| m.id == id));
        let mount = by_id.or_else(|| mount_by_path(&self.real_path, table));
        self.mount = mount.map(|m| mount_facts(m, table));
        self.fs_uuid = fsuuid::uuid(dir, mount.and_then(block_device));
        self.is_mount_point = match self.found {
            Found::Directory => self.real_path == b"/" || is_other_mount(here, above(dir)),
            _ => mount.is_some_and(|m| m.mount_point == self.real_path),
        };
    }

    fn look_at_room(&mut self, dir: BorrowedFd<'_>) {
        if let Ok(v) = fstatvfs(dir) {
            let unit = if v.f_frsize == 0 {
                v.f_bsize
            } else {
                v.f_frsize
            };
            self.space = Some(Space {
                block: unit,
                total: v.f_blocks.saturating_mul(unit),
                free: v.f_bavail.saturating_mul(unit),
                inodes: v.f_files,
                free_inodes: v.f_favail,
                name_max: v.f_namemax,
            });
            self.read_only = v.f_flag.contains(StatVfsMountFlags::RDONLY);
        }
        self.read_only |= self.mount.as_ref().is_some_and(|m| m.mount.read_only);
        self.write_errno = accessat(
            dir,
            ".",
            Access::WRITE_OK | Access::EXEC_OK,
            AtFlags::EACCESS,
        )
        .err()
        .map(Errno::raw_os_error);
    }

    fn look_inside(&mut self, dir: BorrowedFd<'_>) {
        match top::read(dir) {
            Ok(names) => self.top = Some(names),
            Err(e) => self.list_errno = Some(e.raw_os_error()),
        }
        let ours = identity::look(dir);
        self.identity = ours.identity;
        self.has_journal = ours.has_journal;
        self.has_manifest = ours.has_manifest;
    }
}

/// Opens the path if it is a directory, and says what it is in any case.
fn open_dir(path: &[u8]) -> (Found, Option<OwnedFd>) {
    let flags = OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let found = match open(path, flags, Mode::empty()) {
        Ok(fd) => return (Found::Directory, Some(fd)),
        // One that may be entered but not listed can still be told about.
        Err(Errno::ACCESS) => match open_as_path(path) {
            Some(fd) => return (Found::Directory, Some(fd)),
            None => other_than_dir(path, Errno::ACCESS),
        },
        Err(e @ (Errno::NOTDIR | Errno::NOENT)) => other_than_dir(path, e),
        Err(e) => Found::Unreadable(e.raw_os_error()),
    };
    (found, None)
}

/// What a path is that cannot be opened as a directory.
fn other_than_dir(path: &[u8], e: Errno) -> Found {
    let path = Path::new(OsStr::from_bytes(path));
    match fs::metadata(path).or_else(|_| fs::symlink_metadata(path)) {
        Ok(m) if !m.is_dir() => {
            Kind::from_mode(m.mode()).map_or(Found::Unreadable(0), Found::Other)
        }
        Ok(_) => Found::Unreadable(e.raw_os_error()),
        Err(_) if e == Errno::ACCESS => Found::Unreadable(e.raw_os_error()),
        Err(_) => Found::Missing { parent: false },
    }
}

/// The nearest directory above the path that can be reached, and its path.
fn nearest_dir(path: &[u8]) -> Option<(Vec<u8>, OwnedFd)> {
    let mut at = path;
    while at != b"/" {
        at = parent_of(at);
        if let Some(fd) = open_as_path(at) {
            return Some((at.to_vec(), fd));
        }
    }
    None
}

/// The mount that covers a path, by its name only: the deepest, and of two in one place the later.
fn mount_by_path<'a>(path: &[u8], table: &'a [Mount]) -> Option<&'a Mount> {
    table
        .iter()
        .filter(|m| is_within(path, &m.mount_point))
        .max_by_key(|m| m.mount_point.len())
}

fn mount_facts(mount: &Mount, table: &[Mount]) -> MountFacts {
    let root = open_as_path(b"/").and_then(|fd| node(fd.as_fd())?.mount_id);
    let root = root.or_else(|| mount_by_path(b"/", table).map(|m| m.id));
    MountFacts {
        is_root: root == Some(mount.id),
        rotational: rotational(mount),
        mount: mount.clone(),
    }
}

/// The number of the block device that is mounted, where one is (btrfs and FUSE hide theirs in st_dev).
fn block_device(mount: &Mount) -> Option<u64> {
    if !mount.source.starts_with(b"/dev/") {
        return None;
    }
    let m = fs::metadata(Path::new(OsStr::from_bytes(&mount.source))).ok()?;
    (Kind::from_mode(m.mode()) == Some(Kind::BlockDevice)).then(|| m.rdev())
}

/// Whether what is mounted has to seek; `None` where the system does not tell.
pub(crate) fn rotational(mount: &Mount) -> Option<bool> {
    let (major, minor) = match block_device(mount) {
        Some(dev) => file_id(dev, 0).dev,
        None if mount.major != 0 => (mount.major, mount.minor),
        None => return None,
    };
    // The link leads to …/block/sdb or, for a partition, …/block/sdb/sdb1.
    let device = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let of = |dir: &Path| fs::read(dir.join("queue/rotational")).ok();
    let flag = of(&device).or_else(|| of(device.parent()?))?;
    Some(flag.starts_with(b"1"))
}

fn fstab_facts(facts: &PathFacts, table: &[Mount]) -> Result<Option<FstabFacts>> {
    let covers = |top: &[u8]| is_within(&facts.real_path, top) || is_within(&facts.path, top);
    let line = fstab()?
        .into_iter()
        .filter(|l| l.mount_point != b"/" && covers(&l.mount_point))
        .max_by_key(|l| l.mount_point.len());
    Ok(line.map(|l| {
        let real = real_path(&l.mount_point, None);
        FstabFacts {
            mounted: table.iter().any(|m| m.mount_point == real),
            noauto: l.noauto,
            mount_point: l.mount_point,
        }
    }))
}

#[cfg(test)]
#[path = "inspect_tests.rs"]
mod tests;
