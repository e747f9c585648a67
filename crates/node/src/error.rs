//! Core errors as JavaScript errors.
//!
//! Every failure crosses as an `Error` object with the fields `code` (one of [`error_codes`]), `doing`,
//! `path` (in the form of [`FsName`]), `errno` and `message`; `path` and `errno` are absent where there
//! is none. `message` is the bare cause; the sentence for people is put together in TypeScript, where
//! these fields become one error class. Nothing is flattened into a string on the way.

use multivolumecopy_core::error::{Code, Error as CoreError, FileError, strerror};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::name::FsName;

/// Every code that an error of this addon can have, for the test that compares both sides' lists.
#[napi]
pub fn error_codes() -> Vec<String> {
    Code::ALL.iter().map(|c| c.as_str().to_owned()).collect()
}

/// Makes the JavaScript error of a core error. Call it on the JavaScript thread only.
///
/// When even that fails (the environment is going down), the plain text is what is left.
pub fn to_napi(env: &Env, error: &CoreError) -> Error {
    match build(env, error) {
        Ok(built) => built,
        Err(_) => Error::new(Status::GenericFailure, error.to_string()),
    }
}

fn build(env: &Env, error: &CoreError) -> Result<Error> {
    let mut object = env.create_error(Error::new(Status::GenericFailure, cause(error)))?;
    object.set_named_property("code", error.code.as_str())?;
    object.set_named_property("doing", error.doing)?;
    if let Some(path) = &error.path {
        object.set_named_property("path", FsName(path.clone()))?;
    }
    if let Some(errno) = error.errno {
        object.set_named_property("errno", errno)?;
    }
    Ok(Error::from_unknown_without_coercion(object.to_unknown()))
}

/// What went wrong, without what was being done and to which path.
fn cause(error: &CoreError) -> String {
    cause_of(error.errno, &error.message)
}

fn cause_of(errno: Option<i32>, message: &str) -> String {
    match errno {
        Some(errno) if message.is_empty() => strerror(errno),
        Some(errno) => format!("{message}: {}", strerror(errno)),
        None => message.to_owned(),
    }
}

/// The failure of one file; the run goes on.
#[napi(object, object_from_js = false)]
pub struct FileErrorJs {
    /// What happened to the file.
    #[napi(ts_type = "'failed' | 'vanished' | 'changing' | 'no-room' | 'foreign-in-the-way'")]
    pub fault: &'static str,
    /// Absolute for a file in a source, below the drive's root for one on a drive.
    #[napi(ts_type = "string")]
    pub path: FsName,
    /// What was being done.
    pub doing: &'static str,
    /// The errno, if a system call failed.
    pub errno: Option<i32>,
    /// The cause in words; empty if there is nothing to add.
    pub message: String,
}

impl From<FileError> for FileErrorJs {
    fn from(e: FileError) -> Self {
        FileErrorJs {
            fault: e.fault.as_str(),
            message: cause_of(e.errno, &e.message),
            path: FsName(e.path),
            doing: e.doing,
            errno: e.errno,
        }
    }
}
