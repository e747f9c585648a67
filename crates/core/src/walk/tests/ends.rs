//! Ends before the end: cancelled, refused by the sink, a panic.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::*;
use crate::error::Code;
use crate::filter::Filter;

#[test]
fn a_cancelled_walk_ends() {
    let tmp = tempfile::tempdir().unwrap();
    for i in 0..500 {
        fs::create_dir_all(tmp.path().join(format!("{i}/x"))).unwrap();
    }
    let filter = Filter::default();
    let fd = sys::open_root(tmp.path().as_os_str().as_bytes()).unwrap();
    for threads in [1, 4] {
        let options = Options {
            threads,
            ..Options::new(&filter)
        };
        let cancel = CancelToken::new();
        let mut count = 0;
        let ended = walk(
            fd.as_fd(),
            b"/s",
            &options,
            &cancel,
            &Progress::new(),
            &mut |_| {
                count += 1;
                cancel.stop();
                Ok(())
            },
        );
        assert_eq!(ended.unwrap_err().code, Code::Cancelled);
        assert_eq!(count, 1);
    }
}

#[test]
fn what_the_sink_answers_ends_the_walk() {
    let tmp = tempfile::tempdir().unwrap();
    for i in 0..500 {
        fs::create_dir_all(tmp.path().join(format!("{i}/x"))).unwrap();
    }
    let filter = Filter::default();
    let fd = sys::open_root(tmp.path().as_os_str().as_bytes()).unwrap();
    let options = Options {
        threads: 4,
        ..Options::new(&filter)
    };
    let mut sink = |_: Listing| Err(Error::new(Code::CatalogLocked, "staging", "locked"));
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    let ended = walk(fd.as_fd(), b"/s", &options, &cancel, &progress, &mut sink);
    assert_eq!(ended.unwrap_err().code, Code::CatalogLocked);
    // A panic of the sink goes to its owner; the threads end nevertheless.
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _ = walk(fd.as_fd(), b"/s", &options, &cancel, &progress, &mut |_| {
            panic!("sink")
        });
    }));
    assert!(panicked.is_err());
}

#[test]
fn a_panic_in_a_thread_is_an_error() {
    let e = guarded(|| panic!("index out of {}", "bounds")).unwrap_err();
    assert_eq!(
        (e.code, e.message.as_str()),
        (Code::Internal, "a thread panicked: index out of bounds")
    );
    // It stops the others, and is what the walk answers.
    let pool = Pool::new(Group::root(None));
    pool.enter();
    pool.leave(&Summary::default(), Err(e));
    assert!(pool.is_stopped() && pool.take(false).is_none() && pool.receive().is_none());
    assert_eq!(pool.outcome().unwrap_err().code, Code::Internal);
}
