//! A job that does nothing, for the tests of the boundary itself.
//!
//! It lets the tests see, without a drive or a tree, what JavaScript gets of progress, of failures of
//! single files, of a cancel, of an error with all its fields and of a panic. It touches no file.

use std::time::Duration;

use multivolumecopy_core::error::{Code, Error as CoreError, FileError, FileFault};
use multivolumecopy_core::progress::Progress;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::job::{Started, spawn};
use crate::name::FsName;

/// What the job of [`start_selftest`] does.
#[napi(object, object_to_js = false)]
pub struct SelftestOptions {
    /// How many steps of about a millisecond it makes; it looks at the cancel token before each.
    pub steps: u32,
    /// Fails one file at each of this many first steps.
    pub file_errors: Option<u32>,
    /// How it ends after the last step; without it, well.
    #[napi(ts_type = "'error' | 'panic'")]
    pub ending: Option<String>,
    /// The path in hand, and the one that an error names.
    #[napi(ts_type = "string")]
    pub path: FsName,
}

/// Starts a job that counts its steps and resolves with their number.
#[napi(ts_return_type = "{ job: Job; done: Promise<number> }")]
pub fn start_selftest(env: &Env, options: SelftestOptions) -> Result<Started<'_>> {
    spawn(env, "mvc-selftest", move |cancel, progress| {
        let path = options.path.0;
        progress.set_current(&path);
        for step in 0..options.steps {
            cancel.check()?;
            if step < options.file_errors.unwrap_or(0) {
                progress.fail(FileError {
                    fault: FileFault::Failed,
                    path: path.clone(),
                    doing: "reading",
                    errno: Some(5),
                    message: String::new(),
                });
            }
            Progress::add(&progress.entries, 1);
            std::thread::sleep(Duration::from_millis(1));
        }
        match options.ending.as_deref() {
            Some("error") => Err(CoreError {
                code: Code::DriveFailed,
                doing: "flushing",
                path: Some(path),
                errno: Some(5),
                message: String::new(),
            }),
            // A real panic without a panic macro: the text is what the caller sees.
            Some("panic") => std::panic::resume_unwind(Box::new("selftest")),
            _ => Ok(options.steps),
        }
    })
}
