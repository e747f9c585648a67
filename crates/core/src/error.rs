//! The one error type of the crate, and the closed list of its codes.
//!
//! Rules:
//! - An I/O error keeps its errno, the path it was about and what was being done ([`IoContext::at`]).
//! - Failures of single files are *data* in results ([`FileError`]); only what stops a run is an `Err`.
//! - Codes are a closed list. The TypeScript side has the same list and a test compares the two.
//! - No code here decides an exit code or a wording for users beyond one plain sentence.

use std::fmt;
use std::io;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something failed, as a closed list that the other side of the boundary knows too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// A system call failed; `errno` says how.
    Io,
    /// The run was cancelled by its owner.
    Cancelled,
    /// The catalog is locked by another process.
    CatalogLocked,
    /// The catalog was written by a newer version.
    CatalogNewer,
    /// The catalog is damaged or is no catalog.
    CatalogDamaged,
    /// The drive failed: a flush answered an error, the device is gone or read-only.
    DriveFailed,
    /// The mounted file system is not the one that was looked at.
    DriveChanged,
    /// A file on the drive that we wrote cannot be understood (volume.json, manifest, journal).
    BadFormat,
    /// A job file is broken or hostile; the message names the line.
    BadJobFile,
    /// A pattern, list or argument makes no sense.
    BadInput,
    /// Two sources would land on the same path.
    Collision,
    /// A bug: something that cannot happen did.
    Internal,
}

impl Code {
    /// Every code, for the test that compares this list with the TypeScript one.
    pub const ALL: [Code; 12] = [
        Code::Io,
        Code::Cancelled,
        Code::CatalogLocked,
        Code::CatalogNewer,
        Code::CatalogDamaged,
        Code::DriveFailed,
        Code::DriveChanged,
        Code::BadFormat,
        Code::BadJobFile,
        Code::BadInput,
        Code::Collision,
        Code::Internal,
    ];

    /// The name under which the code crosses the boundary.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Io => "IO",
            Code::Cancelled => "CANCELLED",
            Code::CatalogLocked => "CATALOG_LOCKED",
            Code::CatalogNewer => "CATALOG_NEWER",
            Code::CatalogDamaged => "CATALOG_DAMAGED",
            Code::DriveFailed => "DRIVE_FAILED",
            Code::DriveChanged => "DRIVE_CHANGED",
            Code::BadFormat => "BAD_FORMAT",
            Code::BadJobFile => "BAD_JOB_FILE",
            Code::BadInput => "BAD_INPUT",
            Code::Collision => "COLLISION",
            Code::Internal => "INTERNAL",
        }
    }
}

/// A failure that stops what was asked for.
#[derive(Debug, Clone)]
pub struct Error {
    /// What kind of failure it is.
    pub code: Code,
    /// What was being done, in the present participle: "opening", "renaming into place".
    pub doing: &'static str,
    /// The path that it was about, if it was about one (bytes, not escaped).
    pub path: Option<Vec<u8>>,
    /// The errno of the failed system call, if one failed.
    pub errno: Option<i32>,
    /// A plain sentence where `doing` and `errno` do not say it all; empty otherwise.
    pub message: String,
}

impl Error {
    /// An error that is not a failed system call.
    pub fn new(code: Code, doing: &'static str, message: impl Into<String>) -> Self {
        Error {
            code,
            doing,
            path: None,
            errno: None,
            message: message.into(),
        }
    }

    /// A failed system call on `path`.
    pub fn io(doing: &'static str, path: &[u8], source: &io::Error) -> Self {
        Error {
            code: Code::Io,
            doing,
            path: Some(path.to_vec()),
            errno: source.raw_os_error(),
            message: if source.raw_os_error().is_none() {
                source.to_string()
            } else {
                String::new()
            },
        }
    }

    /// The system gave no thread; that is about no path.
    #[must_use]
    pub fn no_thread(e: &std::io::Error) -> Self {
        let mut error = Error::new(Code::Io, "starting a thread", "");
        error.errno = e.raw_os_error();
        error
    }

    /// The error that says that the owner cancelled.
    pub fn cancelled() -> Self {
        Error::new(Code::Cancelled, "working", "cancelled")
    }

    /// The same error under another code.
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// The same error, about this path.
    pub fn with_path(mut self, path: &[u8]) -> Self {
        self.path = Some(path.to_vec());
        self
    }

    /// Whether the failed call answered `errno`.
    pub fn is_errno(&self, errno: rustix::io::Errno) -> bool {
        self.errno == Some(errno.raw_os_error())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.doing)?;
        if let Some(path) = &self.path {
            write!(f, " {}", crate::name::display(path))?;
        }
        match (self.errno, self.message.is_empty()) {
            (Some(errno), true) => write!(f, ": {}", strerror(errno)),
            (Some(errno), false) => write!(f, ": {}: {}", self.message, strerror(errno)),
            (None, _) => write!(f, ": {}", self.message),
        }
    }
}

impl std::error::Error for Error {}

/// The text of an errno, without the "(os error N)" that std appends.
pub fn strerror(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    match text.rfind(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// Adds path and purpose to the error of a system call.
pub trait IoContext<T> {
    /// Says what was being done ("opening") and to which path.
    ///
    /// # Errors
    /// The same failure as [`Code::Io`].
    fn at(self, doing: &'static str, path: &[u8]) -> Result<T>;
}

impl<T> IoContext<T> for std::result::Result<T, io::Error> {
    fn at(self, doing: &'static str, path: &[u8]) -> Result<T> {
        self.map_err(|e| Error::io(doing, path, &e))
    }
}

impl<T> IoContext<T> for std::result::Result<T, rustix::io::Errno> {
    fn at(self, doing: &'static str, path: &[u8]) -> Result<T> {
        self.map_err(|e| Error::io(doing, path, &e.into()))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as E;
        let code = match e.sqlite_error_code() {
            Some(E::DatabaseBusy | E::DatabaseLocked) => Code::CatalogLocked,
            Some(E::DatabaseCorrupt | E::NotADatabase) => Code::CatalogDamaged,
            Some(E::ConstraintViolation) => Code::Collision,
            Some(_) => Code::Io,
            None => Code::Internal,
        };
        Error::new(code, "using the catalog", e.to_string())
    }
}

/// What happened to one file; the run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFault {
    /// It could not be read, written or described; `errno` says how.
    Failed,
    /// It was there when the source was walked and is there no more.
    Vanished,
    /// It kept changing while it was read.
    Changing,
    /// The drive had no room for it in spite of the plan; it is planned anew.
    NoRoom,
    /// A foreign file stands where it should go.
    ForeignInTheWay,
}

impl FileFault {
    /// The name under which the fault crosses the boundary.
    pub fn as_str(self) -> &'static str {
        match self {
            FileFault::Failed => "failed",
            FileFault::Vanished => "vanished",
            FileFault::Changing => "changing",
            FileFault::NoRoom => "no-room",
            FileFault::ForeignInTheWay => "foreign-in-the-way",
        }
    }
}

/// The failure of one file: data in a result, never an `Err`.
#[derive(Debug, Clone)]
pub struct FileError {
    /// What happened to the file.
    pub fault: FileFault,
    /// The file's path: absolute for one in a source, below the drive's root for one on a drive.
    pub path: Vec<u8>,
    /// What was being done.
    pub doing: &'static str,
    /// The errno, if a system call failed.
    pub errno: Option<i32>,
    /// More words where needed; empty otherwise.
    pub message: String,
}

impl FileError {
    /// Turns the failure of a call on one file into data.
    pub fn from_error(fault: FileFault, path: &[u8], e: &Error) -> Self {
        FileError {
            fault,
            path: path.to_vec(),
            doing: e.doing,
            errno: e.errno,
            message: e.message.clone(),
        }
    }
}
