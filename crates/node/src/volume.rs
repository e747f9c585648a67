//! Facts about a mounted path and the table of mounts, for the guard in `src/volume`.
//!
//! Both run as jobs: on a dead network mount a look can hang, and then it hangs alone.

use multivolumecopy_core::engine::names::is_windows;
use multivolumecopy_core::meta::Kind;
use multivolumecopy_core::volume::{self, FileId, Found, Identity, PathFacts};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::job::{Started, spawn};
use crate::name::FsName;

/// One mount, as this process sees it.
#[napi(object, object_from_js = false)]
pub struct MountJs {
    /// The mount's number; reused after an unmount.
    pub id: f64,
    /// `major:minor` of the file system's device.
    pub device: String,
    /// Which directory of the file system is mounted: `/`, or a part of it for bind mounts.
    #[napi(ts_type = "string")]
    pub root: FsName,
    /// Where it is mounted.
    #[napi(ts_type = "string")]
    pub mount_point: FsName,
    /// The file system's type: `ext4`, `fuseblk`, `nfs4`.
    #[napi(ts_type = "string")]
    pub fs_type: FsName,
    /// What is mounted: `/dev/sdb1`, `server:/export`, `tmpfs`.
    #[napi(ts_type = "string")]
    pub source: FsName,
    /// Whether the mount or its file system is read-only.
    pub read_only: bool,
    /// Whether a user-space program serves it.
    pub fuse: bool,
}

impl From<volume::Mount> for MountJs {
    fn from(m: volume::Mount) -> Self {
        MountJs {
            id: m.id as f64,
            device: format!("{}:{}", m.major, m.minor),
            fuse: m.is_fuse(),
            root: FsName(m.root),
            mount_point: FsName(m.mount_point),
            fs_type: FsName(m.fs_type),
            source: FsName(m.source),
            read_only: m.read_only,
        }
    }
}

/// What fstab has for a path: the deepest mount point in it, other than `/`, at or above the path.
#[napi(object, object_from_js = false)]
pub struct FstabJs {
    /// The mount point.
    #[napi(ts_type = "string")]
    pub mount_point: FsName,
    /// Whether it is mounted by hand only.
    pub noauto: bool,
    /// Whether anything is mounted there now.
    pub mounted: bool,
}

/// The room of a file system, in bytes and inodes.
#[napi(object, object_from_js = false)]
pub struct SpaceJs {
    /// Its unit of allocation in bytes.
    pub block: f64,
    /// Its size in bytes.
    pub total: f64,
    /// What this user may still fill, in bytes.
    pub free: f64,
    /// How many inodes it has; 0 where it does not count them.
    pub inodes: f64,
    /// How many inodes this user may still take.
    pub free_inodes: f64,
    /// The longest name in bytes.
    pub name_max: f64,
}

/// What lies at the top of a directory.
#[napi(object, object_from_js = false)]
pub struct TopNamesJs {
    /// How many names are litter of systems and vendors.
    pub litter: u32,
    /// Whether there is a `.mvcopy`.
    pub ours: bool,
    /// How many other names there are.
    pub others: u32,
    /// Whether the counting stopped early: there may be more of everything.
    pub more: bool,
    /// The first ten of the other names, by bytes.
    #[napi(ts_type = "string[]")]
    pub names: Vec<FsName>,
}

/// What volume.json says.
#[napi(object, object_from_js = false)]
pub struct VolumeIdentityJs {
    /// The set's id.
    pub set_id: String,
    /// The set's name.
    pub set_name: String,
    /// The volume's number in the set, from 1.
    pub number: u32,
    /// The volume's id.
    pub id: String,
    /// The volume's label.
    pub label: String,
    /// How often it was opened for writing.
    pub generation: f64,
    /// Which copy of the set it belongs to.
    pub copy: u32,
    /// When it was closed as complete; absent while it is being filled.
    pub closed: Option<String>,
}

/// What one look at a path told.
#[napi(object, object_from_js = false)]
pub struct PathFactsJs {
    /// The path as it was asked for, made absolute.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// The path without symlinks; what is missing of it is appended as it was written.
    #[napi(ts_type = "string")]
    pub real_path: FsName,
    /// What is there, symlinks followed; a symlink that leads nowhere is `symlink`.
    #[napi(
        ts_type = "'dir' | 'file' | 'symlink' | 'fifo' | 'socket' | 'char' | 'block' | 'missing' | 'unreadable'"
    )]
    pub found: &'static str,
    /// For `unreadable`: the errno.
    pub errno: Option<i32>,
    /// For `missing`: whether the directory that would hold it is there.
    pub parent_exists: bool,
    /// The file itself (if there is one), then the directories above it up to the root, as
    /// `major:minor:inode`. For comparing within one run; not for keeping.
    pub chain: Vec<String>,
    /// Whether the path is the place where its file system is mounted.
    pub is_mount_point: bool,
    /// The mount it lies on; absent where the system has no table of mounts.
    pub mount: Option<MountJs>,
    /// Whether that is the mount of `/`.
    pub on_root_mount: bool,
    /// Whether the drive has to seek (loop devices say yes); absent if unknown.
    pub rotational: Option<bool>,
    /// The file system's own UUID, where it can be told.
    pub fs_uuid: Option<String>,
    /// What fstab has for it.
    pub fstab: Option<FstabJs>,
    /// The room; absent when the call failed.
    pub space: Option<SpaceJs>,
    /// Whether the file system or the mount is read-only.
    pub read_only: bool,
    /// The errno with which making a file would be refused; absent if it may be tried.
    pub write_errno: Option<i32>,
    /// What lies at its top, for a directory that can be read.
    pub top: Option<TopNamesJs>,
    /// The errno with which reading the directory failed.
    pub list_errno: Option<i32>,
    /// What volume.json says, if it is one.
    pub volume: Option<VolumeIdentityJs>,
    /// Why volume.json, or `.mvcopy` itself, cannot be understood.
    pub volume_problem: Option<String>,
    /// Whether that is because a newer version wrote it.
    pub volume_newer: bool,
    /// The errno with which reading volume.json failed.
    pub volume_errno: Option<i32>,
    /// Whether there is a journal in its `.mvcopy`.
    pub has_journal: bool,
    /// Whether there is a manifest in its `.mvcopy`.
    pub has_manifest: bool,
}

impl From<PathFacts> for PathFactsJs {
    fn from(f: PathFacts) -> Self {
        let (found, errno) = match f.found {
            Found::Directory => (Kind::Dir.as_str(), None),
            Found::Other(kind) => (kind.as_str(), None),
            Found::Missing { .. } => ("missing", None),
            Found::Unreadable(errno) => ("unreadable", Some(errno)),
        };
        let volume_newer = matches!(f.identity, Identity::Newer(_));
        let (volume, volume_problem, volume_errno) = match f.identity {
            Identity::None => (None, None, None),
            Identity::Unreadable(errno) => (None, None, Some(errno)),
            Identity::Newer(why) | Identity::Damaged(why) => (None, Some(why), None),
            Identity::Volume(v) => (Some(v.into()), None, None),
        };
        PathFactsJs {
            path: FsName(f.path),
            real_path: FsName(f.real_path),
            found,
            errno,
            parent_exists: f.found == Found::Missing { parent: true },
            chain: f.chain.into_iter().map(id_text).collect(),
            is_mount_point: f.is_mount_point,
            on_root_mount: f.mount.as_ref().is_some_and(|m| m.is_root),
            rotational: f.mount.as_ref().and_then(|m| m.rotational),
            mount: f.mount.map(|m| m.mount.into()),
            fs_uuid: f.fs_uuid,
            fstab: f.fstab.map(Into::into),
            space: f.space.map(Into::into),
            read_only: f.read_only,
            write_errno: f.write_errno,
            top: f.top.map(Into::into),
            list_errno: f.list_errno,
            volume,
            volume_problem,
            volume_newer,
            volume_errno,
            has_journal: f.has_journal,
            has_manifest: f.has_manifest,
        }
    }
}

fn id_text(id: FileId) -> String {
    format!("{}:{}:{}", id.dev.0, id.dev.1, id.ino)
}

impl From<volume::FstabFacts> for FstabJs {
    fn from(f: volume::FstabFacts) -> Self {
        FstabJs {
            mount_point: FsName(f.mount_point),
            noauto: f.noauto,
            mounted: f.mounted,
        }
    }
}

impl From<volume::Space> for SpaceJs {
    fn from(s: volume::Space) -> Self {
        SpaceJs {
            block: s.block as f64,
            total: s.total as f64,
            free: s.free as f64,
            inodes: s.inodes as f64,
            free_inodes: s.free_inodes as f64,
            name_max: s.name_max as f64,
        }
    }
}

impl From<volume::TopNames> for TopNamesJs {
    fn from(t: volume::TopNames) -> Self {
        TopNamesJs {
            litter: t.litter,
            ours: t.ours,
            others: t.others,
            more: t.more,
            names: t.names.into_iter().map(FsName).collect(),
        }
    }
}

impl From<volume::VolumeFacts> for VolumeIdentityJs {
    fn from(v: volume::VolumeFacts) -> Self {
        VolumeIdentityJs {
            set_id: v.set_id,
            set_name: v.set_name,
            number: v.number,
            id: v.id,
            label: v.label,
            generation: v.generation as f64,
            copy: v.copy,
            closed: v.closed,
        }
    }
}

/// Looks at a path: what is there, on which mount, with how much room, and whose volume it says it is.
///
/// That it is missing, closed or no directory is in the facts. Rejects with `BAD_INPUT` for an empty path
/// or one with a NUL, and with `IO` when a table of mounts cannot be read.
#[napi(
    ts_args_type = "path: string",
    ts_return_type = "{ job: Job; done: Promise<PathFactsJs> }"
)]
pub fn inspect(env: &Env, path: FsName) -> Result<Started<'_>> {
    spawn(env, "mvc-inspect", move |_, _| {
        volume::inspect(&path.0).map(PathFactsJs::from)
    })
}

/// Lists what is mounted, in the order of mounting.
#[napi(ts_return_type = "{ job: Job; done: Promise<MountJs[]> }")]
pub fn mounts(env: &Env) -> Result<Started<'_>> {
    spawn(env, "mvc-mounts", |_, _| {
        let all = volume::mounts()?;
        Ok(all.into_iter().map(MountJs::from).collect::<Vec<_>>())
    })
}

/// Whether file systems of this type hold what Windows can name and nothing else.
#[napi(catch_unwind)]
pub fn holds_windows_names(#[napi(ts_arg_type = "string")] fs_type: FsName) -> bool {
    is_windows(&fs_type.0)
}
