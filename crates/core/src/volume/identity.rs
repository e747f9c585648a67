//! Whose volume a directory says it is: `.mvcopy/volume.json`, read without trust.
//!
//! The drive may come from anybody. Nothing in `.mvcopy` is followed if it is a symlink, waited for if it
//! is a fifo, or read beyond [`MAX_BYTES`]. What cannot be understood is a fact of its own, never "blank".

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::{Errno, read, retry_on_intr};

use super::top::OURS;
use crate::format::volumejson;

/// More than any volume.json of ours has.
const MAX_BYTES: usize = 64 * 1024;

/// What volume.json says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeFacts {
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
    pub generation: u64,
    /// Which copy of the set it belongs to.
    pub copy: u32,
    /// When it was closed as complete; none while it is being filled.
    pub closed: Option<String>,
}

/// What a directory says about being a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// There is no volume.json.
    None,
    /// A call on it failed with this errno.
    Unreadable(i32),
    /// It was written by a version that is newer than this one.
    Newer(String),
    /// It is there and is no volume.json; the text says why.
    Damaged(String),
    /// It is a volume.
    Volume(VolumeFacts),
}

/// Why there are no bytes of a volume.json to be understood.
enum Fault {
    None,
    Errno(Errno),
    Damaged(&'static str),
}

impl From<Errno> for Fault {
    fn from(e: Errno) -> Self {
        Fault::Errno(e)
    }
}

impl From<Fault> for Identity {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::None => Identity::None,
            Fault::Errno(e) => Identity::Unreadable(e.raw_os_error()),
            Fault::Damaged(why) => Identity::Damaged(why.to_owned()),
        }
    }
}

/// What `.mvcopy` of a directory holds, as far as it matters before the volume is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ours {
    pub identity: Identity,
    pub has_journal: bool,
    pub has_manifest: bool,
}

/// Looks into `.mvcopy` of the directory `top`.
pub(super) fn look(top: BorrowedFd<'_>) -> Ours {
    let mut ours = Ours {
        identity: Identity::None,
        has_journal: false,
        has_manifest: false,
    };
    let dir = match open_ours(top) {
        Ok(dir) => dir,
        Err(fault) => {
            ours.identity = fault.into();
            return ours;
        }
    };
    ours.has_journal = is_there(&dir, "journal.log");
    ours.has_manifest = is_there(&dir, "manifest.jsonl");
    ours.identity = match read_file(&dir) {
        Ok(bytes) => understand(&bytes),
        Err(fault) => fault.into(),
    };
    ours
}

fn open_ours(top: BorrowedFd<'_>) -> Result<OwnedFd, Fault> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let dir = match openat(top, OURS, flags, Mode::empty()) {
        Ok(dir) => dir,
        Err(Errno::NOENT) => return Err(Fault::None),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return Err(Fault::Damaged(".mvcopy is not a directory"));
        }
        Err(e) => return Err(e.into()),
    };
    let (ours, theirs) = (fstat(&dir)?, fstat(top)?);
    if ours.st_dev != theirs.st_dev {
        return Err(Fault::Damaged("another file system is mounted on .mvcopy"));
    }
    Ok(dir)
}

fn is_there(dir: &OwnedFd, name: &str) -> bool {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// The bytes of volume.json, opened so that neither a fifo nor a symlink can lead astray.
fn read_file(dir: &OwnedFd) -> Result<Vec<u8>, Fault> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat(dir, "volume.json", flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Err(Fault::None),
        // ENXIO: a socket.
        Err(Errno::LOOP | Errno::NXIO) => return Err(not_a_file()),
        Err(e) => return Err(e.into()),
    };
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(not_a_file());
    }
    let mut bytes = vec![0; MAX_BYTES + 1];
    let mut len = 0;
    loop {
        match retry_on_intr(|| read(&file, &mut bytes[len..]))? {
            0 => break,
            n => len += n,
        }
        if len > MAX_BYTES {
            return Err(Fault::Damaged("volume.json is too long"));
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

fn understand(bytes: &[u8]) -> Identity {
    match volumejson::parse(bytes) {
        Ok(v) => Identity::Volume(VolumeFacts {
            set_id: v.set.id,
            set_name: v.set.name,
            number: v.volume.number,
            id: v.volume.id,
            label: v.volume.label,
            generation: v.generation,
            copy: v.copy,
            closed: v.closed,
        }),
        // The parser has one code for all that is wrong; this one is no damage and needs other advice.
        Err(e) if e.message.contains("newer version") => Identity::Newer(e.message),
        Err(e) => Identity::Damaged(e.message),
    }
}

fn not_a_file() -> Fault {
    Fault::Damaged("volume.json is not a regular file")
}
