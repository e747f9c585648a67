//! How much a check of a drive proves: whether it was unmounted, or away, since it was written.
//!
//! A drive carries the session in which it was last opened for writing (`session` in volume.json). What is not
//! recorded, or could be otherwise, counts as the weaker kind: nothing is claimed that is not known.

use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::format::verify::CheckKind;
use crate::format::volumejson::VolumeJson;
use crate::sys;
use crate::volume::Mount;
use crate::volume::mounts;

/// The field of volume.json.
const FIELD: &str = "session";

/// From which start of which computer, through which mount, on which appearance of the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The kernel's id of this start of the system.
    pub boot: String,
    /// The mount, see [`sys::unique_mount_id`].
    pub mount: u64,
    /// The sequence number that the kernel gave the device when it appeared (`diskseq`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<u64>,
    /// The beginning of a SHA-256 over the computer's machine-id, which must not be shown itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

impl Session {
    /// The session in which the drive at `root` is mounted now; `None` where the system does not tell.
    pub fn now(root: BorrowedFd<'_>) -> Option<Session> {
        let boot = read_word("/proc/sys/kernel/random/boot_id")?;
        Some(Session {
            boot,
            mount: sys::unique_mount_id(root).ok()?,
            disk: mount_of(root).as_ref().and_then(disk_sequence),
            host: read_word("/etc/machine-id").map(|id| {
                let hash = Sha256::digest(format!("multivolumecopy {id}"));
                hash[..8].iter().map(|b| format!("{b:02x}")).collect()
            }),
        })
    }

    /// The session in which the volume was last opened for writing, where it says so.
    pub fn of(identity: &VolumeJson) -> Option<Session> {
        serde_json::from_value(identity.other.get(FIELD)?.clone()).ok()
    }

    /// Whether volume.json was written by a program that notes the session, known or not.
    pub fn is_noted(identity: &VolumeJson) -> bool {
        identity.other.contains_key(FIELD)
    }

    /// Notes in volume.json that the volume is opened for writing in this session.
    pub fn note(now: Option<Session>, identity: &mut VolumeJson) {
        match now.and_then(|session| serde_json::to_value(session).ok()) {
            Some(value) => identity.other.insert(FIELD.to_owned(), value),
            // An old one would be taken for this one's.
            None => identity.other.insert(FIELD.to_owned(), Value::Null),
        };
    }
}

/// What a check now proves of what was written in `written`; `alone`: no other mount shows the same device.
pub fn kind(written: Option<&Session>, now: Option<&Session>, alone: bool) -> CheckKind {
    let (Some(written), Some(now)) = (written, now) else {
        return CheckKind::SameSession;
    };
    let differs = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
    if written.boot != now.boot {
        // A warm start leaves a drive under power; another computer can't have it without its being moved.
        return match differs(&written.host, &now.host) {
            true => CheckKind::Reinserted,
            false => CheckKind::Remounted,
        };
    }
    match (written.disk, now.disk) {
        (Some(then), Some(this)) if then != this => return CheckKind::Reinserted,
        _ => {}
    }
    match written.mount != now.mount && alone {
        true => CheckKind::Remounted,
        false => CheckKind::SameSession,
    }
}

/// Whether the mount table shows the device of `root` nowhere else: what else is mounted keeps its pages.
pub fn is_alone(root: BorrowedFd<'_>) -> bool {
    let Some(here) = mount_of(root) else {
        return false;
    };
    let same = |m: &&Mount| {
        (m.major, m.minor) == (here.major, here.minor)
            || (here.source.starts_with(b"/") && m.source == here.source)
    };
    mounts::mounts().is_ok_and(|all| all.iter().filter(same).count() == 1)
}

pub(super) fn mount_of(root: BorrowedFd<'_>) -> Option<Mount> {
    let id = sys::mount_id(root).ok()?;
    mounts::mounts().ok()?.into_iter().find(|m| m.id == id)
}

fn read_word(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let word = text.trim();
    (!word.is_empty() && word.len() <= 64 && word.is_ascii()).then(|| word.to_owned())
}

/// `/sys/dev/block/M:N/diskseq`; of a partition, that of its disk.
fn disk_sequence(mount: &Mount) -> Option<u64> {
    let source = Path::new(std::ffi::OsStr::from_bytes(&mount.source));
    if !source.starts_with("/dev") {
        return None;
    }
    let rdev = std::os::unix::fs::MetadataExt::rdev(&std::fs::metadata(source).ok()?);
    let link = format!("/sys/dev/block/{}:{}", sys::major(rdev), sys::minor(rdev));
    let device: PathBuf = std::fs::canonicalize(link).ok()?;
    [device.join("diskseq"), device.parent()?.join("diskseq")]
        .iter()
        .find_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(boot: &str, mount: u64, disk: Option<u64>, host: Option<&str>) -> Session {
        Session {
            boot: boot.to_owned(),
            mount,
            disk,
            host: host.map(str::to_owned),
        }
    }

    #[test]
    fn the_kind_is_the_weakest_that_could_be() {
        let written = session("a", 1, Some(7), Some("h"));
        for (now, alone, want) in [
            (
                session("a", 1, Some(7), Some("h")),
                true,
                CheckKind::SameSession,
            ),
            (
                session("a", 2, Some(7), Some("h")),
                true,
                CheckKind::Remounted,
            ),
            // A second mount of what is still mounted shows the same pages.
            (
                session("a", 2, Some(7), Some("h")),
                false,
                CheckKind::SameSession,
            ),
            (
                session("a", 2, Some(8), Some("h")),
                true,
                CheckKind::Reinserted,
            ),
            (
                session("b", 1, Some(7), Some("h")),
                true,
                CheckKind::Remounted,
            ),
            (session("b", 1, Some(7), None), true, CheckKind::Remounted),
            (
                session("b", 1, Some(7), Some("other")),
                true,
                CheckKind::Reinserted,
            ),
        ] {
            assert_eq!(kind(Some(&written), Some(&now), alone), want, "{now:?}");
        }
        assert_eq!(kind(None, Some(&written), true), CheckKind::SameSession);
        assert_eq!(kind(Some(&written), None, true), CheckKind::SameSession);
    }
}
