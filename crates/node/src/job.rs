//! Long work: a job object to steer and watch, and a promise of the result.
//!
//! A `#[napi]` function that takes long starts its work with [`spawn`] and returns [`Started`], which
//! JavaScript sees as `{ job: Job, done: Promise<T> }`. The work runs on a thread of its own, never on
//! libuv's pool. Progress is polled: the owner reads counters when it likes, so no callback can throw,
//! leak or fall behind. While work runs the process stays alive; afterwards nothing holds it.
//!
//! A failure rejects with all fields of the core error, a cancelled job with code `CANCELLED`, and a
//! panic with code `INTERNAL`; none of them ends the process.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use multivolumecopy_core::cancel::CancelToken;
use multivolumecopy_core::error::{Code, Error as CoreError, Result as CoreResult};
use multivolumecopy_core::progress::Progress;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::error::{FileErrorJs, to_napi};
use crate::name::FsName;

/// What a job has done so far.
#[napi(object, object_from_js = false)]
pub struct ProgressSnapshot {
    /// Entries seen (walk) or finished (copy, verify).
    pub entries: f64,
    /// Regular files finished.
    pub files: f64,
    /// Regular files whose content is written, durable or not (copy).
    pub written: f64,
    /// Bytes of content finished or under way.
    pub bytes: f64,
    /// Bytes that survive a power cut (copy).
    pub durable_bytes: f64,
    /// Failures of single files so far.
    pub errors: f64,
    /// 0 idle, 1 working, 2 flushing to the drive, 3 closing the drive.
    pub phase: u32,
    /// The path in hand, empty if none.
    #[napi(ts_type = "string")]
    pub current: FsName,
    /// How much of that file is done, where it takes long enough to be told; then `current` is that file.
    pub current_done: Option<f64>,
    /// How large it is.
    pub current_size: Option<f64>,
    /// Regular files that there are in all, where that is known.
    pub total_files: Option<f64>,
    /// Bytes of their content.
    pub total_bytes: Option<f64>,
}

/// Work under way: cancel it, ask how far it is.
#[napi]
pub struct Job {
    cancel: CancelToken,
    progress: Arc<Progress>,
}

#[napi]
impl Job {
    /// Asks the work to end: in order (the file in hand is finished or dropped), or, with `now`, at the
    /// next block. The promise settles as usual. Asking again, or when all is over, does no harm.
    #[napi]
    pub fn cancel(&self, now: bool) {
        if now {
            self.cancel.now();
        } else {
            self.cancel.stop();
        }
    }

    /// Reads the counters. Cheap: some atomics and the path in hand.
    #[napi]
    pub fn progress(&self) -> ProgressSnapshot {
        let p = &self.progress;
        let part = p.part();
        let of_part = |n: u64| count(&AtomicU64::new(n));
        let expected = p.expected();
        ProgressSnapshot {
            entries: count(&p.entries),
            files: count(&p.files),
            written: count(&p.written),
            bytes: count(&p.bytes),
            durable_bytes: count(&p.durable_bytes),
            errors: count(&p.errors),
            phase: u32::try_from(p.phase.load(Ordering::Relaxed)).unwrap_or(u32::MAX),
            current_done: part.as_ref().map(|part| of_part(part.done)),
            current_size: part.as_ref().map(|part| of_part(part.size)),
            total_files: expected.map(|all| of_part(all.files)),
            total_bytes: expected.map(|all| of_part(all.bytes)),
            current: FsName(part.map_or_else(|| p.current(), |part| part.path)),
        }
    }

    /// Takes the failures of single files that were not taken yet, oldest first.
    #[napi]
    pub fn take_errors(&self) -> Vec<FileErrorJs> {
        self.progress
            .take_errors()
            .into_iter()
            .map(FileErrorJs::from)
            .collect()
    }
}

/// A counter as a JavaScript number: exact up to 2^53, which is 9 petabytes.
fn count(counter: &AtomicU64) -> f64 {
    counter.load(Ordering::Relaxed) as f64
}

/// A job and the promise of its result: `{ job: Job, done: Promise<T> }` in JavaScript.
///
/// A class cannot be generic over the boundary, so the promise stands beside the job and the function
/// that starts it says what is promised: `#[napi(ts_return_type = "{ job: Job; done: Promise<X> }")]`.
pub struct Started<'env> {
    job: Job,
    done: Object<'env>,
}

impl TypeName for Started<'_> {
    fn type_name() -> &'static str {
        "Started"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ToNapiValue for Started<'_> {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> Result<sys::napi_value> {
        let mut object = Object::new(&Env::from_raw(env))?;
        object.set_named_property("job", value.job)?;
        object.set_named_property("done", value.done)?;
        // SAFETY: the caller vouches for `env`, as this trait demands.
        unsafe { Object::to_napi_value(env, object) }
    }
}

/// Starts `work` on a thread of its own, named `name` (at most 15 bytes are shown by the kernel).
///
/// `work` gets the token that it must look at once per block or entry and the counters that it raises.
/// Its value crosses when it is done. A token that was raised says nothing by itself: `work` decides
/// whether it ended early, by returning [`CoreError::cancelled`].
///
/// # Errors
/// When no thread can be started; then `work` is dropped unrun.
pub fn spawn<'env, T, W>(env: &'env Env, name: &str, work: W) -> Result<Started<'env>>
where
    T: ToNapiValue + Send + 'static,
    W: FnOnce(&CancelToken, &Progress) -> CoreResult<T> + Send + 'static,
{
    let job = Job {
        cancel: CancelToken::new(),
        progress: Arc::new(Progress::new()),
    };
    let cancel = job.cancel.clone();
    let progress = Arc::clone(&job.progress);
    // The thread is there before the promise is, so that no promise is left that nobody can settle.
    let (hand_over, taken) = sync_channel(1);
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let outcome = run(work, &cancel, &progress);
            if let Ok(settle) = taken.recv() {
                let settle: Box<dyn FnOnce(CoreResult<T>) + Send> = settle;
                settle(outcome);
            }
        })
        .map_err(|e| to_napi(env, &CoreError::no_thread(&e)))?;

    let (deferred, done) = env.create_deferred()?;
    let settle = move |outcome: CoreResult<T>| {
        deferred.resolve(move |env: Env| outcome.map_err(|e| to_napi(&env, &e)));
    };
    // The receiver lives until the thread has its turn, so this cannot fail while the promise is wanted.
    if hand_over.send(Box::new(settle)).is_err() {
        let lost = CoreError::new(Code::Internal, "starting a job", "its thread ended early");
        return Err(to_napi(env, &lost));
    }
    Ok(Started { job, done })
}

/// Runs the work and makes a panic in it an error.
fn run<T>(
    work: impl FnOnce(&CancelToken, &Progress) -> CoreResult<T>,
    cancel: &CancelToken,
    progress: &Progress,
) -> CoreResult<T> {
    // Unwind safety: `work` is consumed, and what outlives it (counters, token) is atomics and locks
    // whose poisoning is disregarded.
    catch_unwind(AssertUnwindSafe(|| work(cancel, progress)))
        .unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

fn panicked(panic: &(dyn Any + Send)) -> CoreError {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words");
    CoreError::new(Code::Internal, "working", text)
}
