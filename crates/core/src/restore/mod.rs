//! Bringing files back from the drives of a set into a directory.
//!
//! One drive at a time: [`drive::restore_drive`] reads what is wanted of it ([`crate::catalog::restore`]) and
//! puts it into the [`target::Target`]; [`finish::finish`] sets what directories get last and flushes. Between
//! these calls nothing on a drive is held open.
//!
//! What is promised: a file under its final name is whole and is what the drive's manifest says; nothing that
//! exists is replaced unless that was asked for; nothing outside the destination is written and nothing
//! outside the drive is read, whatever the drive says. What is not: to judge files without a digest.

mod copier;
mod dirs;
pub mod drive;
mod entry;
mod existing;
mod file;
pub mod finish;
pub mod flags;
mod links;
mod part;
mod pool;
mod put;
mod special;
pub mod target;
mod workplace;

/// What becomes of something that stands where an entry is to go and is not the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// It stays, and is named.
    #[default]
    Keep,
    /// It is replaced; a directory never is.
    Overwrite,
    /// It is replaced where it is older; a directory never is.
    Update,
    /// It stays, and the entry gets a name of its own beside it: `NAME.restored-1`.
    KeepBoth,
}

/// How to restore.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What becomes of what exists.
    pub existing: Existing,
    /// What is found to be bad is kept beside its place as `NAME.mvcopy-corrupt`.
    pub keep_bad: bool,
    /// Files that are copied at a time; at least one is.
    pub copiers: usize,
    /// Whether only one of them at a time may be a larger one: for drives that seek.
    pub one_large: bool,
}

/// What came of one drive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Regular files that were brought back, further names included.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Links, fifos, sockets and devices that were.
    pub others: u64,
    /// Entries that were there already, equal in size and time.
    pub equal: u64,
    /// Entries in whose place something else stands, which was left alone.
    pub kept: u64,
    /// Entries in whose place something newer stands, which was to stay (`Existing::Update`).
    pub newer: u64,
    /// Entries that got another name, beside what stands in their place.
    pub beside: u64,
    /// Copies that were no good: missing, unreadable, or not what was recorded.
    pub bad: u64,
    /// Entries that could not be made in the destination.
    pub failed: u64,
    /// Files without a digest: only their size was checked.
    pub unchecked: u64,
    /// Entries whose owner could not be set.
    pub owners_lost: u64,
    /// Entries of which some attribute or ACL could not be set.
    pub attributes_lost: u64,
    /// Names that could not be given to a file that is there: each is a file of its own.
    pub links_lost: u64,
    /// An end was asked for before all was done.
    pub stopped: bool,
    /// Devices that only root may make.
    pub not_made: u64,
}

impl Outcome {
    /// Adds what a copier could not keep or check.
    fn lose(&mut self, lost: &Outcome) {
        self.unchecked += lost.unchecked;
        self.owners_lost += lost.owners_lost;
        self.attributes_lost += lost.attributes_lost;
    }
}
