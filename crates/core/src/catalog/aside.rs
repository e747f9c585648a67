//! Putting a catalog that cannot be used out of the way, so that a new one can be made in its place.
//!
//! Nothing of it is changed or removed: whoever can mend it finds all of it under another name.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{IoContext, Result};

/// Puts a catalog that cannot be used aside, under the name `PATH.SUFFIX`, with what SQLite keeps beside it.
/// Nothing of it is changed.
///
/// # Errors
/// `Code::CatalogLocked` when somebody works with it; `Code::Io`, also when there is one of that name already.
pub fn set_aside(path: &Path, suffix: &str) -> Result<PathBuf> {
    let bytes = path.as_os_str().as_bytes();
    let _lock = super::lock(path)?;
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let aside = with(&format!(".{suffix}"));
    if aside.symlink_metadata().is_ok() {
        return Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists))
            .at("setting the catalog aside as", aside.as_os_str().as_bytes());
    }
    // The write-ahead log first: without its database it is nothing, the other way round it would be taken
    // for that of the new one.
    for end in ["-wal", "-shm", "-journal"] {
        match std::fs::rename(with(end), with(&format!(".{suffix}{end}"))) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).at("setting aside what belongs to", bytes);
            }
            _ => {}
        }
    }
    std::fs::rename(path, &aside).at("setting aside the catalog", bytes)?;
    Ok(aside)
}
