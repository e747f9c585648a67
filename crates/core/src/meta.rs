//! What is known of one entry: its kind, size, times, owner, mode and identity.

/// What an entry is. The numbers are stored in the catalog: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A regular file.
    File = 0,
    /// A directory.
    Dir = 1,
    /// A symbolic link.
    Symlink = 2,
    /// A named pipe.
    Fifo = 3,
    /// A UNIX domain socket.
    Socket = 4,
    /// A character device.
    CharDevice = 5,
    /// A block device.
    BlockDevice = 6,
}

impl Kind {
    /// The kind stored under this number.
    pub fn from_u8(n: u8) -> Option<Kind> {
        Some(match n {
            0 => Kind::File,
            1 => Kind::Dir,
            2 => Kind::Symlink,
            3 => Kind::Fifo,
            4 => Kind::Socket,
            5 => Kind::CharDevice,
            6 => Kind::BlockDevice,
            _ => return None,
        })
    }

    /// The kind in the type bits of a mode (inode(7)).
    pub fn from_mode(mode: u32) -> Option<Kind> {
        Some(match mode & 0o170000 {
            0o100000 => Kind::File,
            0o040000 => Kind::Dir,
            0o120000 => Kind::Symlink,
            0o010000 => Kind::Fifo,
            0o140000 => Kind::Socket,
            0o020000 => Kind::CharDevice,
            0o060000 => Kind::BlockDevice,
            _ => return None,
        })
    }

    /// The type bits of a mode (inode(7)).
    pub fn type_bits(self) -> u32 {
        match self {
            Kind::File => 0o100000,
            Kind::Dir => 0o040000,
            Kind::Symlink => 0o120000,
            Kind::Fifo => 0o010000,
            Kind::Socket => 0o140000,
            Kind::CharDevice => 0o020000,
            Kind::BlockDevice => 0o060000,
        }
    }

    /// The word for the kind in the formats on the drive.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Dir => "dir",
            Kind::Symlink => "symlink",
            Kind::Fifo => "fifo",
            Kind::Socket => "socket",
            Kind::CharDevice => "char",
            Kind::BlockDevice => "block",
        }
    }

    /// The kind of this word in the formats on the drive.
    pub fn from_word(word: &[u8]) -> Option<Kind> {
        (0..=6)
            .filter_map(Kind::from_u8)
            .find(|k| k.as_str().as_bytes() == word)
    }
}

/// A point in time as file systems keep it: seconds since 1970 (negative before) and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Time {
    /// Whole seconds since the epoch, rounded down.
    pub sec: i64,
    /// Nanoseconds in that second, 0 to 999,999,999.
    pub nsec: u32,
}

/// What a walk or a stat finds out about one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// What it is.
    pub kind: Kind,
    /// Bytes of content (for a symlink, of its target).
    pub size: u64,
    /// Bytes allocated for it where it lies (`st_blocks × 512`).
    pub allocated: u64,
    /// Last modification of the content.
    pub mtime: Time,
    /// Permission bits with setuid, setgid and sticky (no type bits).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The device it lies on, as `makedev` numbers it.
    pub dev: u64,
    /// Its inode number there.
    pub ino: u64,
    /// How many names it has.
    pub nlink: u32,
    /// For a device: which one.
    pub rdev: u64,
    /// The last change of what is known of it (`ctime`), in nanoseconds since 1970; 0: unknown.
    pub changed: i64,
    /// Flags of the file, as [`crate::format::extra`] numbers them.
    pub flags: u8,
}
